//! Compression beside the reading, as Zstandard (RFC 8878): a thread of its own, which sees nothing but
//! bytes. Frames that stand one behind the other are one file.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    mem,
    sync::mpsc::{Receiver, SyncSender, channel, sync_channel},
    thread::Builder,
};
use zstd::stream::{read::Decoder, write::Encoder};

/// So many bytes go to the thread at once.
const CHUNK: usize = 1 << 18;
/// So many of those wait for it at most.
const WAITING: usize = 4;
/// Text is read in pieces of so many bytes.
pub(super) const BUFFER: usize = 1 << 17;

/// Where the text of a backup goes.
pub(super) trait Outlet: Write + Send {
    /// Where text that is compressed already goes as it is, behind all that was written; none where
    /// nothing is compressed.
    ///
    /// # Errors
    /// When what was written before cannot be brought to its end.
    fn packed(&mut self) -> io::Result<Option<&mut (dyn Write + Send)>>;
}

/// Text goes out as it is.
pub(super) struct Bare<'w>(pub(super) &'w mut (dyn Write + Send));

impl Write for Bare<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Outlet for Bare<'_> {
    fn packed(&mut self) -> io::Result<Option<&mut (dyn Write + Send)>> {
        Ok(None)
    }
}

impl Outlet for io::Sink {
    fn packed(&mut self) -> io::Result<Option<&mut (dyn Write + Send)>> {
        Ok(None)
    }
}

/// Compresses what is written, and writes that to `out`.
pub(super) struct Packed<W: Write> {
    out: W,
    chunk: Vec<u8>,
    work: Work,
    /// A frame was begun.
    begun: bool,
}

enum Work {
    Beside(Thread),
    /// A machine that gives no thread gets its backup all the same.
    Here(Frames),
}

struct Thread {
    /// `None` ends a frame.
    plain: SyncSender<Option<Vec<u8>>>,
    /// `None` says that it ended.
    packed: Receiver<io::Result<Option<Vec<u8>>>>,
}

impl<W: Write> Packed<W> {
    pub(super) fn new(out: W) -> io::Result<Self> {
        let work = match Thread::start() {
            Ok(thread) => Work::Beside(thread),
            Err(_) => Work::Here(Frames::new()?),
        };
        Ok(Self { out, chunk: Vec::with_capacity(CHUNK), work, begun: false })
    }

    /// Gives `out` back when everything is in it.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.end_frame()?;
        Ok(self.out)
    }

    fn hand_over(&mut self) -> io::Result<()> {
        self.begun = true;
        match &mut self.work {
            Work::Beside(thread) => {
                let chunk = mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
                // One that is gone says why when it is asked for what it did.
                let _ = thread.plain.send(Some(chunk));
                for packed in thread.packed.try_iter() {
                    self.out.write_all(&packed?.unwrap_or_default())?;
                }
                Ok(())
            }
            Work::Here(frames) => {
                let packed = frames.add(&self.chunk)?;
                self.chunk.clear();
                self.out.write_all(&packed)
            }
        }
    }

    fn end_frame(&mut self) -> io::Result<()> {
        if !self.chunk.is_empty() {
            self.hand_over()?;
        }
        if !mem::take(&mut self.begun) {
            return Ok(());
        }
        match &mut self.work {
            Work::Beside(thread) => thread.end_frame(&mut self.out),
            Work::Here(frames) => {
                let packed = frames.end()?;
                self.out.write_all(&packed)
            }
        }
    }
}

impl<W: Write> Write for Packed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK {
            self.hand_over()?;
        }
        Ok(bytes.len())
    }

    /// What is not compressed yet cannot be flushed: only the end is.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W: Write + Send> Outlet for Packed<W> {
    fn packed(&mut self) -> io::Result<Option<&mut (dyn Write + Send)>> {
        self.end_frame()?;
        Ok(Some(&mut self.out))
    }
}

impl Thread {
    fn start() -> io::Result<Self> {
        let (plain, chunks) = sync_channel::<Option<Vec<u8>>>(WAITING);
        let (give, packed) = channel();
        let work = move || {
            // Nobody who waits for it: the backup was given up.
            let give = |packed| give.send(packed).is_ok();
            let mut frames = match Frames::new() {
                Ok(frames) => frames,
                Err(error) => {
                    give(Err(error));
                    return;
                }
            };
            for chunk in chunks {
                let end = chunk.is_none();
                let packed = match chunk {
                    Some(chunk) => frames.add(&chunk),
                    None => frames.end(),
                };
                let failed = packed.is_err();
                let waited = give(packed.map(Some)) && (!end || give(Ok(None)));
                if failed || !waited {
                    return;
                }
            }
        };
        let _ = Builder::new().name("clodo-zstd".to_owned()).spawn(work)?;
        Ok(Self { plain, packed })
    }

    /// Waits until everything is compressed, and writes it.
    fn end_frame(&self, out: &mut impl Write) -> io::Result<()> {
        let _ = self.plain.send(None);
        for packed in &self.packed {
            match packed? {
                Some(packed) => out.write_all(&packed)?,
                None => return Ok(()),
            }
        }
        Err(io::Error::other("the compression panicked"))
    }
}

/// Frames in memory.
struct Frames(Encoder<'static, Vec<u8>>);

impl Frames {
    fn new() -> io::Result<Self> {
        // Higher levels take longer than the database needs to give the rows.
        const LEVEL: i32 = 1;
        let mut encoder = Encoder::new(Vec::with_capacity(CHUNK), LEVEL)?;
        encoder.include_checksum(true)?;
        Ok(Self(encoder))
    }

    /// Compresses more, and gives what is ready.
    fn add(&mut self, plain: &[u8]) -> io::Result<Vec<u8>> {
        self.0.write_all(plain)?;
        Ok(mem::take(self.0.get_mut()))
    }

    /// Ends the frame, gives its rest, and begins another.
    fn end(&mut self) -> io::Result<Vec<u8>> {
        mem::replace(self, Self::new()?).0.finish()
    }
}

/// Text as it is, or through Zstandard or gzip when it begins so: the first backups were gzipped.
pub(super) fn unpacked<'r>(
    mut input: Box<dyn BufRead + Send + 'r>,
) -> io::Result<Box<dyn BufRead + Send + 'r>> {
    let head = input.fill_buf()?;
    let plain: Box<dyn Read + Send + 'r> = if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Box::new(Unpacked(Decoder::with_buffer(Watched { input, failed: false })?))
    } else if head.starts_with(&[0x1f, 0x8b]) {
        Box::new(flate2::bufread::MultiGzDecoder::new(input))
    } else {
        return Ok(input);
    };
    Ok(Box::new(BufReader::with_capacity(BUFFER, plain)))
}

/// Copies compressed text to `out` as it is, and shows what it says.
pub(super) fn copied<'r>(
    input: impl Read + Send + 'r,
    out: &'r mut (dyn Write + Send),
) -> io::Result<Box<dyn BufRead + Send + 'r>> {
    unpacked(Box::new(BufReader::with_capacity(BUFFER, Copied { input, out })))
}

struct Copied<'w, R> {
    input: R,
    out: &'w mut (dyn Write + Send),
}

impl<R: Read> Read for Copied<'_, R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(to)?;
        self.out.write_all(&to[..read])?;
        Ok(read)
    }
}

/// Tells bytes that are no Zstandard from bytes that cannot be read.
struct Unpacked<R: BufRead>(Decoder<'static, Watched<R>>);

impl<R: BufRead> Read for Unpacked<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.0.read(to).map_err(|error| match error.kind() {
            io::ErrorKind::Other if !self.0.get_ref().failed => {
                io::Error::new(io::ErrorKind::InvalidData, error)
            }
            _ => error,
        })
    }
}

struct Watched<R> {
    input: R,
    failed: bool,
}

impl<R: BufRead> Read for Watched<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(to);
        self.failed |= read.is_err();
        read
    }
}

impl<R: BufRead> BufRead for Watched<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let filled = self.input.fill_buf();
        self.failed |= filled.is_err();
        filled
    }

    fn consume(&mut self, count: usize) {
        self.input.consume(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beside(out: Vec<u8>) -> Packed<Vec<u8>> {
        Packed::new(out).unwrap()
    }

    fn here(out: Vec<u8>) -> Packed<Vec<u8>> {
        Packed { out, chunk: Vec::new(), work: Work::Here(Frames::new().unwrap()), begun: false }
    }

    fn text(length: usize) -> Vec<u8> {
        let word = |at: usize| format!("row {} of {at}\n", at * at % 997).into_bytes();
        (0..).flat_map(word).take(length).collect()
    }

    fn read(packed: &[u8]) -> io::Result<Vec<u8>> {
        let mut back = Vec::new();
        unpacked(Box::new(packed))?.read_to_end(&mut back)?;
        Ok(back)
    }

    #[test]
    fn what_was_packed_unpacks_to_the_same_with_and_without_a_thread() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 9 * CHUNK + 5] {
            for make in [beside, here] {
                let plain = text(length);
                let mut packed = make(Vec::new());
                for part in plain.chunks(10_007) {
                    packed.write_all(part).unwrap();
                }
                let packed = packed.finish().unwrap();
                assert_eq!(read(&packed).unwrap(), plain, "{length}");
            }
        }
    }

    #[test]
    fn what_was_packed_before_is_taken_over_as_it_is() {
        for make in [beside, here] {
            let mut segment = make(Vec::new());
            segment.write_all(&text(3 * CHUNK)).unwrap();
            let segment = segment.finish().unwrap();
            let mut packed = make(Vec::new());
            packed.write_all(b"before ").unwrap();
            for _ in 0..2 {
                let mut seen = Vec::new();
                let out = packed.packed().unwrap().unwrap();
                copied(&segment[..], out).unwrap().read_to_end(&mut seen).unwrap();
                assert_eq!(seen, text(3 * CHUNK));
            }
            packed.write_all(b" after").unwrap();
            let packed = packed.finish().unwrap();
            let whole = [&b"before "[..], &text(3 * CHUNK), &text(3 * CHUNK), b" after"].concat();
            assert_eq!(read(&packed).unwrap(), whole);
        }
        assert!(Bare(&mut io::sink()).packed().unwrap().is_none());
    }

    #[test]
    fn a_changed_or_cut_file_is_told_from_one_that_cannot_be_read() {
        let mut packed = beside(Vec::new());
        packed.write_all(&text(CHUNK)).unwrap();
        let packed = packed.finish().unwrap();
        let kind = |bytes: &[u8]| read(bytes).unwrap_err().kind();
        for at in [packed.len() / 2, packed.len() - 1] {
            let mut changed = packed.clone();
            changed[at] ^= 1;
            assert_eq!(kind(&changed), io::ErrorKind::InvalidData, "{at}");
        }
        assert_eq!(kind(&packed[..packed.len() - 1]), io::ErrorKind::UnexpectedEof);
        assert_eq!(kind(&[&packed, &b"more"[..]].concat()), io::ErrorKind::InvalidData);

        struct Gone(usize);
        impl Read for Gone {
            fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
                let left = self.0.min(to.len());
                self.0 -= left;
                match left {
                    0 => Err(io::Error::other("the disk is gone")),
                    left => Ok(left),
                }
            }
        }
        let input = BufReader::new(packed[..100].chain(Gone(0)));
        let gone = unpacked(Box::new(input)).unwrap().read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::Other);
    }

    #[test]
    fn backups_of_earlier_versions_are_read() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&text(CHUNK)).unwrap();
        assert_eq!(read(&gzip.finish().unwrap()).unwrap(), text(CHUNK));
    }

    #[test]
    fn a_full_disk_is_told_while_it_is_written_or_at_the_end() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                match self.0.checked_sub(bytes.len()) {
                    Some(left) => self.0 = left,
                    None => return Err(io::ErrorKind::StorageFull.into()),
                }
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for room in [0, 5, CHUNK] {
            let mut packed = Packed::new(Full(room)).unwrap();
            let mut seed = 1_u32;
            let mut noise = || {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                seed.to_be_bytes()
            };
            let mut write = || -> io::Result<()> {
                (0..1_000_000).try_for_each(|_| packed.write_all(&noise()))
            };
            let written = write().and_then(|()| packed.finish().map(drop));
            assert_eq!(written.unwrap_err().kind(), io::ErrorKind::StorageFull, "{room}");
        }
    }
}
