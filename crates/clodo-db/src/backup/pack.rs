//! Compression beside the reading, as Zstandard (RFC 8878): a thread of its own, which sees nothing but
//! bytes. Frames that stand one behind the other are one file.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    mem,
    sync::mpsc::{Receiver, SyncSender, channel, sync_channel},
    thread::{self, Builder},
};
use zstd::{
    bulk::Compressor,
    stream::read::Decoder,
    zstd_safe::{CParameter, ParamSwitch},
};

/// So many bytes go to the thread at once.
const CHUNK: usize = 1 << 20;
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
}

enum Work {
    Beside(Thread),
    /// A machine that gives no thread gets its backup all the same.
    Here(Frames),
}

struct Thread {
    plain: SyncSender<Vec<u8>>,
    packed: Receiver<io::Result<Vec<u8>>>,
    /// So many chunks are not back yet.
    away: usize,
}

impl<W: Write> Packed<W> {
    pub(super) fn new(out: W) -> io::Result<Self> {
        let work = match Thread::start() {
            Ok(thread) => Work::Beside(thread),
            Err(_) => Work::Here(Frames::new()?),
        };
        Ok(Self { out, chunk: Vec::with_capacity(CHUNK), work })
    }

    /// Gives `out` back when everything is in it.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.settle()?;
        Ok(self.out)
    }

    fn hand_over(&mut self) -> io::Result<()> {
        match &mut self.work {
            Work::Beside(thread) => {
                let chunk = mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
                // One that is gone says why when it is asked for what it did.
                let _ = thread.plain.send(chunk);
                thread.away += 1;
                for packed in thread.packed.try_iter() {
                    thread.away -= 1;
                    self.out.write_all(&packed?)?;
                }
                Ok(())
            }
            Work::Here(frames) => {
                let packed = frames.pack(&self.chunk)?;
                self.chunk.clear();
                self.out.write_all(&packed)
            }
        }
    }

    /// Waits until all that was written is in `out`.
    fn settle(&mut self) -> io::Result<()> {
        if !self.chunk.is_empty() {
            self.hand_over()?;
        }
        if let Work::Beside(thread) = &mut self.work {
            while thread.away > 0 {
                let gone = |_| io::Error::other("the compression panicked");
                let packed = thread.packed.recv().map_err(gone)??;
                thread.away -= 1;
                self.out.write_all(&packed)?;
            }
        }
        Ok(())
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
        self.settle()?;
        Ok(Some(&mut self.out))
    }
}

impl Thread {
    fn start() -> io::Result<Self> {
        let (plain, chunks) = sync_channel::<Vec<u8>>(WAITING);
        let (give, packed) = channel();
        let mut frames = Frames::new()?;
        let work = move || {
            for chunk in chunks {
                // Nobody who waits for it: the backup was given up.
                if give.send(frames.pack(&chunk)).is_err() {
                    return;
                }
            }
        };
        let _ = Builder::new().name("clodo-zstd".to_owned()).spawn(work)?;
        Ok(Self { plain, packed, away: 0 })
    }
}

/// Makes a frame of each chunk: in one piece it is compressed faster than as a part of a stream.
struct Frames(Compressor<'static>);

impl Frames {
    fn new() -> io::Result<Self> {
        // Hardly larger than with level 1, and done in three quarters of the time: on two processors,
        // the database has to share them.
        const LEVEL: i32 = -2;
        let mut compressor = Compressor::new(LEVEL)?;
        compressor.set_parameter(CParameter::LiteralCompressionMode(ParamSwitch::Enable))?;
        compressor.include_checksum(true)?;
        Ok(Self(compressor))
    }

    fn pack(&mut self, plain: &[u8]) -> io::Result<Vec<u8>> {
        self.0.compress(plain)
    }
}

/// Text as it is, or through Zstandard or gzip when it begins so: the first backups were gzipped.
pub(crate) fn unpacked<'r>(
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

/// Does `work` with what a thread of its own reads from `input`; nothing when there is no thread.
pub(super) fn read_ahead<T>(
    mut input: Box<dyn BufRead + Send + '_>,
    work: impl FnOnce(&mut dyn BufRead) -> T,
) -> Option<T> {
    let (give, chunks) = sync_channel(WAITING);
    let reading = move || {
        loop {
            let mut chunk = Vec::new();
            let read = Read::by_ref(&mut input).take(CHUNK as u64).read_to_end(&mut chunk);
            let last = !matches!(read, Ok(1..));
            // Nobody who waits for it has read enough.
            if give.send(read.map(|_| chunk)).is_err() || last {
                return;
            }
        }
    };
    thread::scope(|scope| {
        let _ = Builder::new().name("clodo-ahead".to_owned()).spawn_scoped(scope, reading).ok()?;
        Some(work(&mut Ahead { chunks, chunk: Vec::new(), at: 0, ended: false }))
    })
}

struct Ahead {
    /// An empty one is the end.
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
    at: usize,
    ended: bool,
}

impl Read for Ahead {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let mut some = self.fill_buf()?;
        let read = some.read(to)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Ahead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.chunk.len() && !self.ended {
            let gone = |_| io::Error::other("the reading panicked");
            self.chunk = self.chunks.recv().map_err(gone)??;
            self.at = 0;
            self.ended = self.chunk.is_empty();
        }
        Ok(&self.chunk[self.at..])
    }

    fn consume(&mut self, count: usize) {
        self.at = self.chunk.len().min(self.at + count);
    }
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
        Packed { out, chunk: Vec::new(), work: Work::Here(Frames::new().unwrap()) }
    }

    struct Gone;

    impl Read for Gone {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
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

        let input = BufReader::new(packed[..100].chain(Gone));
        let gone = unpacked(Box::new(input)).unwrap().read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::Other);
    }

    #[test]
    fn what_is_read_ahead_is_what_is_there() {
        let read = |input: Box<dyn BufRead + Send>| {
            let mut back = Vec::new();
            read_ahead(input, |text| text.read_to_end(&mut back)).unwrap().map(|_| back)
        };
        for length in [0, 1, CHUNK, 9 * CHUNK + 5] {
            let plain = text(length);
            assert!(read(Box::new(io::Cursor::new(plain.clone()))).unwrap() == plain, "{length}");
        }
        // Who has read enough does not wait for the rest.
        let first = |text: &mut dyn BufRead| text.fill_buf().map(|some| some[0]);
        let endless = Box::new(BufReader::new(io::repeat(7)));
        assert_eq!(read_ahead(endless, first).unwrap().unwrap(), 7);
        let broken = read(Box::new(BufReader::new(io::Cursor::new(text(CHUNK)).chain(Gone))));
        assert_eq!(broken.unwrap_err().to_string(), "the disk is gone");
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
