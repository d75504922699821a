use super::pattern::number;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{fmt, path::PathBuf, str::FromStr};

/// The SHA-256 of a migration file's bytes, in its text form 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Checksum([u8; 32]);

impl Checksum {
    /// Computes it.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Text that is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a checksum has 64 hexadecimal digits")]
pub struct ChecksumError;

impl FromStr for Checksum {
    type Err = ChecksumError;

    fn from_str(text: &str) -> Result<Self, ChecksumError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| ChecksumError)?;
        Ok(Self(bytes))
    }
}

impl Serialize for Checksum {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Checksum {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// One migration file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MigrationFile {
    /// The file's name without folders, as `d1_migrations` records it: `0001_init.sql`.
    pub name: String,
    /// Where it is, as a message should show it.
    pub path: PathBuf,
    /// The text, without a byte order mark.
    pub sql: String,
    /// The checksum of the file's bytes.
    pub checksum: Checksum,
    /// A byte order mark stands before the text.
    marked: bool,
}

/// For SQLite it would be part of the first word.
const MARK: char = '\u{feff}';

impl MigrationFile {
    /// Takes a file's text; `name` is what the database will record.
    #[must_use]
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>, sql: impl Into<String>) -> Self {
        let sql = sql.into();
        let checksum = Checksum::of(sql.as_bytes());
        let marked = sql.starts_with(MARK);
        let sql = sql.strip_prefix(MARK).map_or(sql.clone(), str::to_owned);
        Self { name: name.into(), path: path.into(), sql, checksum, marked }
    }

    /// The file as it is, with its byte order mark if it has one: what the checksum is of.
    #[must_use]
    pub fn into_text(self) -> String {
        match self.marked {
            true => format!("{MARK}{}", self.sql),
            false => self.sql,
        }
    }

    /// The number that the name begins with: wrangler applies files in the order of these.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        number(&self.name)
    }
}

/// A migration that a database says it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AppliedMigration {
    /// The recorded name.
    pub name: String,
    /// The checksum that was recorded with it; wrangler records none.
    pub checksum: Option<Checksum>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_survives_its_text_form() {
        let sum = Checksum::of(b"");
        assert!(sum.to_string().starts_with("e3b0c44298fc1c149afbf4c8996fb924"));
        assert_eq!(sum.to_string().parse(), Ok(sum));
        assert_eq!("e3".parse::<Checksum>(), Err(ChecksumError));
    }

    #[test]
    fn a_byte_order_mark_is_part_of_the_file_and_not_of_the_text() {
        let file = MigrationFile::new("0012_a.sql", "m/0012_a.sql", "\u{feff}SELECT 1");
        assert_eq!((file.sql.as_str(), file.number()), ("SELECT 1", Some(12)));
        assert_eq!(file.checksum, Checksum::of("\u{feff}SELECT 1".as_bytes()));
        assert_eq!(file.into_text(), "\u{feff}SELECT 1");
        assert_eq!(MigrationFile::new("init.sql", "init.sql", "").number(), None);
    }
}
