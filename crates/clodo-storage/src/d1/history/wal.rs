//! SQLite's write-ahead log as a list of committed transactions.
//!
//! The layout is documented and stable: <https://sqlite.org/fileformat2.html#the_write_ahead_log>.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use super::pages::read_at;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// The magic number; its last bit says in which byte order the checksums are made.
const MAGIC: u32 = 0x377f_0682;

/// The part of a log that is committed and whole.
#[derive(Debug)]
pub(super) struct Wal {
    file: File,
    pub(super) page_size: usize,
    /// Change whenever the log begins anew.
    pub(super) salts: (u32, u32),
    /// In the order of their commits.
    pub(super) transactions: Vec<Transaction>,
}

/// One commit.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    /// The frame that holds each page as the commit left it; the first frame is 1.
    pub(super) pages: BTreeMap<u32, u32>,
    /// Pages of the database after the commit.
    pub(super) size: u32,
    /// The last frame.
    pub(super) end: u32,
}

impl Wal {
    /// Reads the log at `path`; `None` when there is none, or it holds no commit.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut reader = BufReader::with_capacity(256 * 1024, &file);
        let mut header = [0; HEADER];
        if !filled(&mut reader, &mut header)? {
            return Ok(None);
        }
        let big = number(&header, 0) & 1 == 1;
        let page_size = number(&header, 8) as usize;
        let mut sum = checksum((0, 0), &header[..24], big);
        let salts = (number(&header, 16), number(&header, 20));
        let known = number(&header, 0) & !1 == MAGIC && (512..=65_536).contains(&page_size);
        if !known || sum != (number(&header, 24), number(&header, 28)) {
            return Ok(None);
        }
        let (mut transactions, mut open) = (Vec::new(), Transaction::default());
        let mut frame = vec![0; FRAME_HEADER + page_size];
        for at in 1.. {
            if !filled(&mut reader, &mut frame)? || (number(&frame, 8), number(&frame, 12)) != salts
            {
                break;
            }
            sum = checksum(checksum(sum, &frame[..8], big), &frame[FRAME_HEADER..], big);
            if sum != (number(&frame, 16), number(&frame, 20)) {
                break;
            }
            open.pages.insert(number(&frame, 0), at);
            if number(&frame, 4) > 0 {
                (open.size, open.end) = (number(&frame, 4), at);
                transactions.push(std::mem::take(&mut open));
            }
        }
        let wal = Self { file, page_size, salts, transactions };
        Ok((!wal.transactions.is_empty()).then_some(wal))
    }

    /// The page that a frame holds.
    pub(super) fn page(&self, frame: u32) -> io::Result<Vec<u8>> {
        let length = (FRAME_HEADER + self.page_size) as u64;
        let at = HEADER as u64 + u64::from(frame - 1) * length + FRAME_HEADER as u64;
        read_at(&self.file, at, self.page_size)
    }

    /// Makes what was read survive a power cut.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// False at the end of the file, also of one that ends in the middle.
fn filled(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

/// A big-endian number of 32 bits.
pub(super) fn number(bytes: &[u8], at: usize) -> u32 {
    let four = bytes[at..].first_chunk().expect("the buffer holds the whole header");
    u32::from_be_bytes(*four)
}

/// SQLite's running checksum over pairs of words.
fn checksum((mut first, mut second): (u32, u32), bytes: &[u8], big: bool) -> (u32, u32) {
    let word = |bytes: &[u8]| {
        let four = *bytes.first_chunk().expect("a word has four bytes");
        if big { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
    };
    for pair in bytes.chunks_exact(8) {
        first = first.wrapping_add(word(pair)).wrapping_add(second);
        second = second.wrapping_add(word(&pair[4..])).wrapping_add(first);
    }
    (first, second)
}
