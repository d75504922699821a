//! Compression beside the reading: a thread of its own, which sees nothing but bytes.

use flate2::{Compression, write::GzEncoder};
use std::{
    io::{self, Write},
    mem,
    sync::mpsc::{Receiver, SyncSender, channel, sync_channel},
    thread::{Builder, JoinHandle},
};

/// So many bytes go to the thread at once.
const CHUNK: usize = 1 << 18;
/// So many of those wait for it at most.
const WAITING: usize = 4;

/// Compresses what is written, and writes that to `out`.
pub(super) struct Packed<W: Write> {
    out: W,
    chunk: Vec<u8>,
    work: Work,
}

enum Work {
    Beside(Thread),
    /// A machine that gives no thread gets its backup all the same.
    Here(Box<GzEncoder<Vec<u8>>>),
}

struct Thread {
    plain: SyncSender<Vec<u8>>,
    packed: Receiver<Vec<u8>>,
    thread: JoinHandle<io::Result<Vec<u8>>>,
}

impl<W: Write> Packed<W> {
    pub(super) fn new(out: W) -> Self {
        let work = Thread::start().map_or_else(|_| Work::Here(Box::new(encoder())), Work::Beside);
        Self { out, chunk: Vec::with_capacity(CHUNK), work }
    }

    /// Gives `out` back when everything is in it.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.hand_over()?;
        let rest = match self.work {
            Work::Beside(thread) => thread.end(&mut self.out)?,
            Work::Here(encoder) => encoder.finish()?,
        };
        self.out.write_all(&rest)?;
        Ok(self.out)
    }

    fn hand_over(&mut self) -> io::Result<()> {
        match &mut self.work {
            Work::Beside(thread) => {
                let chunk = mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
                // One that is gone says why when it is asked for its end.
                let _ = thread.plain.send(chunk);
                thread.packed.try_iter().try_for_each(|packed| self.out.write_all(&packed))
            }
            Work::Here(encoder) => {
                encoder.write_all(&self.chunk)?;
                self.chunk.clear();
                let packed = mem::take(encoder.get_mut());
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

impl Thread {
    fn start() -> io::Result<Self> {
        let (plain, chunks) = sync_channel::<Vec<u8>>(WAITING);
        let (give, packed) = channel();
        let work = move || {
            let mut encoder = encoder();
            for chunk in chunks {
                encoder.write_all(&chunk)?;
                if encoder.get_ref().len() >= CHUNK {
                    // Nobody who waits for it: the backup was given up.
                    let _ = give.send(mem::take(encoder.get_mut()));
                }
            }
            encoder.finish()
        };
        let thread = Builder::new().name("clodo-gzip".to_owned()).spawn(work)?;
        Ok(Self { plain, packed, thread })
    }

    /// Waits until everything is compressed, and gives what was not written yet.
    fn end(self, out: &mut impl Write) -> io::Result<Vec<u8>> {
        let Self { plain, packed, thread } = self;
        drop(plain);
        for packed in packed {
            out.write_all(&packed)?;
        }
        thread.join().map_err(|_| io::Error::other("the compression panicked"))?
    }
}

fn encoder() -> GzEncoder<Vec<u8>> {
    GzEncoder::new(Vec::with_capacity(2 * CHUNK), Compression::fast())
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read as _;

    fn here(out: Vec<u8>) -> Packed<Vec<u8>> {
        Packed { out, chunk: Vec::new(), work: Work::Here(Box::new(encoder())) }
    }

    #[test]
    fn what_was_packed_unpacks_to_the_same_with_and_without_a_thread() {
        let text = |length: usize| -> Vec<u8> {
            let word = |at: usize| format!("row {} of {at}\n", at * at % 997).into_bytes();
            (0..).flat_map(word).take(length).collect()
        };
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 9 * CHUNK + 5] {
            for make in [Packed::new, here] {
                let plain = text(length);
                let mut packed = make(Vec::new());
                for part in plain.chunks(10_007) {
                    packed.write_all(part).unwrap();
                }
                let packed = packed.finish().unwrap();
                let mut back = Vec::new();
                GzDecoder::new(&packed[..]).read_to_end(&mut back).unwrap();
                assert_eq!(back, plain, "{length}");
            }
        }
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
            let mut packed = Packed::new(Full(room));
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
