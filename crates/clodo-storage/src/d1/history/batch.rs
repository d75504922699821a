//! Files of history: for each transaction what its pages were before it.
//!
//! A file holds blocks, one per transaction, then an index of them, then a tail of fixed length.
//! It is written beside its name, synced and renamed: a file that has its name is whole.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use super::{delta::Before, pages::read_at};

const MAGIC: &[u8; 16] = b"clodo-history-1\n";
const TAIL: usize = 56;
const ENTRY: usize = 20;

/// How one transaction is taken back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The count of writes after it.
    pub(super) writes: u32,
    /// When it was committed, in milliseconds since the epoch.
    pub(super) at: i64,
    /// Pages of the database before it.
    pub(super) size_before: u32,
    /// Number, fingerprint of the page after the transaction, and how it was before.
    pub(super) pages: Vec<(u32, [u8; 8], Before)>,
}

/// A state of the database that can be gone back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::d1) struct Moment {
    pub(in crate::d1) writes: u32,
    /// `i64::MIN` when nobody knows.
    pub(in crate::d1) at: i64,
}

/// Where in the log a file of history ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) salts: (u32, u32),
    /// Frames that this and earlier files hold.
    pub(super) frames: u32,
}

/// A whole file of history.
#[derive(Debug)]
pub(super) struct Batch {
    path: PathBuf,
    file: File,
    pub(super) sequence: u64,
    pub(super) length: u64,
    pub(super) page_size: usize,
    pub(super) cursor: Cursor,
    /// The state before its first transaction.
    pub(super) before: Moment,
    /// Oldest first.
    steps: Vec<(u64, Moment)>,
    index: u64,
}

impl Batch {
    /// All files in `folder`, newest first; those that are no whole file of history are left out.
    pub(super) fn all(folder: &Path) -> io::Result<Vec<Self>> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "undo") {
                match Self::open(&path) {
                    Ok(batch) => found.push(batch),
                    Err(error) => {
                        tracing::warn!(%error, path = %path.display(), "a file of history is damaged");
                    }
                }
            }
        }
        found.sort_by_key(|batch| std::cmp::Reverse(batch.sequence));
        Ok(found)
    }

    fn open(path: &Path) -> io::Result<Self> {
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "not a whole file of history");
        let name = path.file_stem().and_then(|stem| stem.to_str());
        let sequence = name.and_then(|name| u64::from_str_radix(name, 16).ok());
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let tail_at = length.checked_sub(TAIL as u64).ok_or_else(damaged)?;
        let mut tail = Reader(&read_at(&file, tail_at, TAIL)?);
        let (page_size, salts) = (tail.word()? as usize, (tail.word()?, tail.word()?));
        let cursor = Cursor { salts, frames: tail.word()? };
        let before = Moment { writes: tail.word()?, at: tail.long()? as i64 };
        let (index, digest) = (tail.long()?, tail.take(4)?.to_vec());
        if tail.take(16)? != MAGIC {
            return Err(damaged());
        }
        let indexed = tail_at.checked_sub(index).and_then(|length| usize::try_from(length).ok());
        let bytes = read_at(&file, index, indexed.ok_or_else(damaged)?)?;
        if blake3::hash(&bytes).as_bytes()[..4] != digest {
            return Err(damaged());
        }
        let mut entries = Reader(&bytes);
        let mut steps = Vec::with_capacity(bytes.len() / ENTRY);
        while !entries.0.is_empty() {
            let offset = entries.long()?;
            steps.push((offset, Moment { writes: entries.word()?, at: entries.long()? as i64 }));
        }
        let sequence = sequence.ok_or_else(damaged)?;
        let path = path.to_owned();
        Ok(Self { path, file, sequence, length, page_size, cursor, before, steps, index })
    }

    /// The state after its last transaction.
    pub(super) fn after(&self) -> Moment {
        self.steps.last().map_or(self.before, |(_, moment)| *moment)
    }

    /// The states after its transactions, oldest first.
    pub(super) fn moments(&self) -> impl DoubleEndedIterator<Item = Moment> {
        self.steps.iter().map(|(_, moment)| *moment)
    }

    /// The transactions, newest first.
    pub(super) fn steps(&self) -> impl Iterator<Item = io::Result<Step>> {
        let ends = self.steps.iter().skip(1).map(|(offset, _)| *offset).chain([self.index]);
        let blocks: Vec<(u64, u64)> =
            self.steps.iter().map(|(offset, _)| *offset).zip(ends).collect();
        blocks.into_iter().rev().map(|(start, end)| {
            let length = usize::try_from(end.saturating_sub(start)).unwrap_or(0);
            read_step(&read_at(&self.file, start, length)?)
        })
    }

    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

fn read_step(bytes: &[u8]) -> io::Result<Step> {
    let mut block = Reader(bytes);
    let (writes, at, size_before) = (block.word()?, block.long()? as i64, block.word()?);
    let mut pages = Vec::new();
    while !block.0.is_empty() {
        let page = block.word()?;
        let fingerprint = *block.take(8)?.first_chunk().expect("eight bytes were taken");
        let whole = block.word()?;
        let length = block.word()? as usize;
        let bytes = block.take(length)?.to_vec();
        let before = if whole == 1 { Before::Whole(bytes) } else { Before::Differs(bytes) };
        pages.push((page, fingerprint, before));
    }
    Ok(Step { writes, at, size_before, pages })
}

/// A file of history that is being written; it disappears unless it is finished.
#[derive(Debug)]
pub(super) struct BatchWriter {
    partial: PathBuf,
    out: BufWriter<File>,
    at: u64,
    before: Moment,
    index: Vec<u8>,
}

impl BatchWriter {
    /// Begins with the blocks of `continued`, if any.
    pub(super) fn new(
        folder: &Path,
        before: Moment,
        continued: Option<&Batch>,
    ) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let partial = folder.join("new.partial");
        let out = BufWriter::with_capacity(256 * 1024, File::create(&partial)?);
        let mut writer = Self { partial, out, at: 0, before, index: Vec::new() };
        writer.write(MAGIC)?;
        if let Some(batch) = continued {
            writer.before = batch.before;
            let start = MAGIC.len() as u64;
            let length = usize::try_from(batch.index - start).unwrap_or(0);
            writer.write(&read_at(&batch.file, start, length)?)?;
            for (offset, moment) in &batch.steps {
                push_entry(&mut writer.index, *offset, *moment);
            }
        }
        Ok(writer)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.at += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// Begins the block of one transaction.
    pub(super) fn begin(&mut self, moment: Moment, size_before: u32) -> io::Result<()> {
        push_entry(&mut self.index, self.at, moment);
        self.write(&moment.writes.to_be_bytes())?;
        self.write(&moment.at.to_be_bytes())?;
        self.write(&size_before.to_be_bytes())
    }

    /// Adds a page to the block.
    pub(super) fn page(&mut self, page: u32, after: [u8; 8], before: &Before) -> io::Result<()> {
        let (whole, bytes) = match before {
            Before::Differs(bytes) => (0_u32, bytes),
            Before::Whole(bytes) => (1, bytes),
        };
        self.write(&page.to_be_bytes())?;
        self.write(&after)?;
        self.write(&whole.to_be_bytes())?;
        self.write(&(bytes.len() as u32).to_be_bytes())?;
        self.write(bytes)
    }

    /// Bytes so far.
    pub(super) fn length(&self) -> u64 {
        self.at
    }

    /// Gives the file its name; from then on it is part of history.
    pub(super) fn finish(
        mut self,
        sequence: u64,
        page_size: usize,
        cursor: Cursor,
    ) -> io::Result<()> {
        let index = std::mem::take(&mut self.index);
        let at = self.at;
        self.write(&index)?;
        for word in [page_size as u32, cursor.salts.0, cursor.salts.1, cursor.frames] {
            self.write(&word.to_be_bytes())?;
        }
        let before = self.before;
        self.write(&before.writes.to_be_bytes())?;
        self.write(&before.at.to_be_bytes())?;
        self.write(&at.to_be_bytes())?;
        self.write(&blake3::hash(&index).as_bytes()[..4])?;
        self.write(MAGIC)?;
        self.out.flush()?;
        self.out.get_ref().sync_data()?;
        let name = self.partial.with_file_name(format!("{sequence:016x}.undo"));
        fs::rename(&self.partial, name)
    }
}

impl Drop for BatchWriter {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.partial);
    }
}

fn push_entry(index: &mut Vec<u8>, offset: u64, moment: Moment) {
    index.extend_from_slice(&offset.to_be_bytes());
    index.extend_from_slice(&moment.writes.to_be_bytes());
    index.extend_from_slice(&moment.at.to_be_bytes());
}

/// Takes big-endian numbers off the front of a buffer.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> io::Result<&'a [u8]> {
        let short = io::Error::new(io::ErrorKind::InvalidData, "a file of history ends early");
        let (taken, rest) = self.0.split_at_checked(count).ok_or(short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn word(&mut self) -> io::Result<u32> {
        let four = *self.take(4)?.first_chunk().expect("four bytes were taken");
        Ok(u32::from_be_bytes(four))
    }

    fn long(&mut self) -> io::Result<u64> {
        let eight = *self.take(8)?.first_chunk().expect("eight bytes were taken");
        Ok(u64::from_be_bytes(eight))
    }
}
