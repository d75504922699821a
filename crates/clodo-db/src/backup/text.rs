//! What a dump begins and ends with.

use super::{
    pack::{BUFFER, Outlet, copied, unpacked},
    restore_error::RestoreError,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, Write},
    path::PathBuf,
};

/// The format that this version writes and reads.
pub(super) const FORMAT: u32 = 1;
const BEGIN: &str = "-- clodo-backup ";
const END: &str = "-- clodo-backup-end ";
/// The trailer is one line; a longer one is none.
const LONGEST: usize = 64 << 20;

/// What the last line of a dump says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Summary {
    /// Nobody wrote while it was read: it is the database of one moment.
    pub consistent: bool,
    /// The moment that it shows, as its database names moments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moment: Option<String>,
    /// How many rows each table has.
    pub rows: BTreeMap<String, u64>,
    /// Virtual tables that keep no text. They come back only where their own tables may be written,
    /// which D1 does not allow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contentless: Vec<String>,
    /// What was said of the database when it was taken: it was damaged, and what could not be read is in no
    /// backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
    /// The SHA-256 of all that stands before it.
    #[serde(skip)]
    pub sha256: String,
}

/// The checksum of a text, and how long it is; it goes on with what is written behind.
#[derive(Clone, Debug, Default)]
pub(super) struct Sum {
    digest: Sha256,
    bytes: u64,
}

impl Sum {
    pub(super) fn digest(&self) -> [u8; 32] {
        self.digest.clone().finalize().into()
    }

    fn add(&mut self, text: &[u8]) {
        self.digest.update(text);
        self.bytes += u64::try_from(text.len()).unwrap_or_default();
    }
}

/// A text that was compressed into a file.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) file: PathBuf,
    /// The checksum of all before it, when it was written, and of all with it.
    pub(super) sums: ([u8; 32], Sum),
}

/// Hashes and counts what is written.
pub(super) struct Hashed<'w> {
    out: &'w mut dyn Outlet,
    sum: Sum,
}

impl<'w> Hashed<'w> {
    pub(super) fn new(out: &'w mut dyn Outlet) -> Self {
        Self { out, sum: Sum::default() }
    }

    /// Goes on behind a text that was hashed.
    pub(super) fn behind(sum: Sum, out: &'w mut dyn Outlet) -> Self {
        Self { out, sum }
    }

    pub(super) fn sum(self) -> Sum {
        self.sum
    }

    /// Writes what is compressed already, without compressing it again; and without hashing it again,
    /// when what was written before it is what it was hashed behind.
    pub(super) fn take_over(&mut self, segment: &Segment) -> io::Result<()> {
        let mut packed = File::open(&segment.file)?;
        let Some(out) = self.out.packed()? else {
            let packed = BufReader::with_capacity(BUFFER, packed);
            return io::copy(&mut unpacked(Box::new(packed))?, self).map(drop);
        };
        let (before, with) = &segment.sums;
        if self.sum.digest() == *before {
            io::copy(&mut packed, out)?;
            self.sum = with.clone();
            return Ok(());
        }
        let mut plain = copied(packed, out)?;
        loop {
            let some = plain.fill_buf()?;
            if some.is_empty() {
                return Ok(());
            }
            self.sum.add(some);
            let length = some.len();
            plain.consume(length);
        }
    }

    pub(super) fn begin(&mut self) -> io::Result<()> {
        writeln!(self, "{BEGIN}{FORMAT}")?;
        writeln!(self, "-- A database as SQL. The last line says whether it is whole.")?;
        // The one is for sqlite3, the other for D1, which runs a file as one transaction.
        writeln!(self, "PRAGMA foreign_keys=OFF;\nPRAGMA defer_foreign_keys=TRUE;")
    }

    pub(super) fn end(mut self, summary: &mut Summary) -> io::Result<u64> {
        let text = serde_json::to_string(summary)?;
        write!(self, "{END}{text} sha256=")?;
        let digest = hex::encode(self.sum.digest());
        writeln!(self, "{digest}")?;
        self.flush()?;
        summary.sha256 = digest;
        Ok(self.sum.bytes)
    }
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.sum.add(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Reads a dump to its end and says what it holds; one that was cut, edited or written by something
/// else is refused.
///
/// # Errors
/// When it is no whole dump of a format that this version reads, or cannot be read.
pub fn verify_text(input: &mut dyn BufRead) -> Result<Summary, RestoreError> {
    let mut line = Vec::new();
    take_line(input, &mut line)?;
    let first = String::from_utf8_lossy(&line);
    let Some(format) = first.strip_prefix(BEGIN) else { return Err(RestoreError::NoDump) };
    match format.trim_end().parse::<u32>() {
        Ok(FORMAT) => {}
        Ok(format) => return Err(RestoreError::Format { format }),
        Err(_) => return Err(RestoreError::NoDump),
    }
    let mut digest = Sha256::new();
    digest.update(&line);
    loop {
        let plain = plain_lines(input.fill_buf().map_err(RestoreError::Read)?);
        if !plain.is_empty() {
            digest.update(plain);
            let length = plain.len();
            input.consume(length);
            continue;
        }
        line.clear();
        take_line(input, &mut line)?;
        if line.is_empty() {
            return Err(RestoreError::Cut);
        }
        if line.starts_with(END.as_bytes())
            && let Some(summary) = trailer(&line, &digest, input)?
        {
            return Ok(summary);
        }
        digest.update(&line);
    }
}

/// The lines at the beginning that are whole and cannot be the last one.
fn plain_lines(some: &[u8]) -> &[u8] {
    let mut end = 0;
    while some.get(end).is_some_and(|first| Some(first) != END.as_bytes().first())
        && let Some(length) = memchr::memchr(b'\n', &some[end..])
    {
        end += length + 1;
    }
    &some[..end]
}

/// What the last line says. A line within a text may look like it: then something follows.
fn trailer(
    line: &[u8],
    before: &Sha256,
    input: &mut dyn BufRead,
) -> Result<Option<Summary>, RestoreError> {
    if !input.fill_buf().map_err(RestoreError::Read)?.is_empty() {
        return Ok(None);
    }
    let cut = || RestoreError::Cut;
    let text = std::str::from_utf8(line).ok().and_then(|text| text.strip_suffix('\n'));
    let (head, sha256) = text.ok_or_else(cut)?.rsplit_once("sha256=").ok_or_else(cut)?;
    let mut digest = before.clone();
    digest.update(head);
    digest.update("sha256=");
    if hex::encode(digest.finalize()) != sha256 {
        return Err(RestoreError::Edited);
    }
    let json = head.strip_prefix(END).ok_or_else(cut)?;
    let summary: Summary = serde_json::from_str(json).map_err(|_| RestoreError::Edited)?;
    Ok(Some(Summary { sha256: sha256.to_owned(), ..summary }))
}

/// A line with its end, or as much of a long one as may be held.
fn take_line(input: &mut dyn BufRead, line: &mut Vec<u8>) -> Result<(), RestoreError> {
    loop {
        let some = input.fill_buf().map_err(RestoreError::Read)?;
        if some.is_empty() {
            return Ok(());
        }
        let end = memchr::memchr(b'\n', some).map(|at| at + 1);
        let take = end.unwrap_or(some.len());
        line.extend_from_slice(&some[..take]);
        input.consume(take);
        if end.is_some() || line.len() > LONGEST {
            return Ok(());
        }
    }
}
