use clodo_types::{AccountName, DatabaseId, DatabaseName};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{fmt, path::PathBuf, str::FromStr};

/// The SHA-256 of a migration file, in its text form 64 lower-case hexadecimal digits.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MigrationFile {
    /// The file's name below the folder, as `d1_migrations` records it: `0001_init.sql`.
    pub name: String,
    /// Where it is, as a message should show it.
    pub path: PathBuf,
    /// The text.
    pub sql: String,
    /// The checksum of the text.
    pub checksum: Checksum,
}

impl MigrationFile {
    /// Takes a file's text; `name` is what the database will record.
    #[must_use]
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>, sql: impl Into<String>) -> Self {
        let sql = sql.into();
        let checksum = Checksum::of(sql.as_bytes());
        Self { name: name.into(), path: path.into(), sql, checksum }
    }
}

/// A migration that a database says it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliedMigration {
    /// The recorded name.
    pub name: String,
    /// The checksum that was recorded with it; wrangler records none.
    pub checksum: Option<Checksum>,
    /// When it was applied, in the database's words: it tells this application of the file from one
    /// after the database was put back. `None` where the table does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_at: Option<String>,
}

/// A moment of a database's history, as it was before a deployment migrated it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestorePoint {
    /// The account that the database lives in.
    pub account: AccountName,
    /// Its id.
    pub id: DatabaseId,
    /// The moment, in the platform's words.
    pub bookmark: String,
    /// What the database lacks at that moment, and has from right after it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<MigrationRecord>,
}

/// Where a database records that it has a migration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationRecord {
    /// The table.
    pub table: String,
    /// The name of the file.
    pub file: String,
}

/// A database to migrate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationTarget {
    /// The account that it lives in.
    pub account: AccountName,
    /// Its id.
    pub id: DatabaseId,
    /// Its name, when it is known.
    pub name: Option<DatabaseName>,
    /// The table that records applied migrations.
    pub table: String,
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
}
