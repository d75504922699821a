//! Zone files (RFC 1035) as Cloudflare reads and writes them: with `$ORIGIN`, `$TTL`, `$GENERATE`, and
//! comments and tags behind each record.

mod generate;
mod lines;
mod notes;
mod read;
mod write;

pub(super) use read::{Entry, read};
pub(super) use write::write;

/// The largest file that is taken, in bytes.
pub(super) const LARGEST: usize = 262_144;

/// A file that is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub(super) struct ZoneFileError {
    pub(super) line: usize,
    pub(super) what: String,
}

impl ZoneFileError {
    fn new(line: usize, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}
