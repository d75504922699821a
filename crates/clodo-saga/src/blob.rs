use crate::error::StoreError;
use async_trait::async_trait;
use clodo_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt, str::FromStr};

/// Content by its hash, for jobs that other machines do.
///
/// # Contract
/// - A key always stands for the same bytes: whoever makes keys makes them from a hash of the
///   content, and whoever gets content checks it.
/// - `put` returns only once the content survives the end of the process.
/// - `put` and `missing` count as use. What was not used for long can be forgotten, except for what
///   a job needs that has not ended.
#[async_trait]
pub trait BlobStore: fmt::Debug + Send + Sync + 'static {
    /// Keeps content. Content that is there already is left as it is.
    ///
    /// # Errors
    /// When other content is known by that key, or the store fails.
    async fn put(&self, key: &BlobKey, content: &[u8], now: Timestamp) -> Result<(), StoreError>;

    /// Content by its key; none when it is unknown or forgotten.
    ///
    /// # Errors
    /// When the store fails.
    async fn get(&self, key: &BlobKey) -> Result<Option<Vec<u8>>, StoreError>;

    /// Which of these are not there.
    ///
    /// # Errors
    /// When the store fails.
    async fn missing(
        &self,
        keys: &BTreeSet<BlobKey>,
        now: Timestamp,
    ) -> Result<BTreeSet<BlobKey>, StoreError>;

    /// Forgets what was not used since, and says how many.
    ///
    /// # Errors
    /// When the store fails.
    async fn forget_blobs(&self, unused_since: Timestamp) -> Result<u64, StoreError>;
}

/// What content is known by, such as `bundle/0123456789abcdef`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct BlobKey(String);

/// Text that is no key of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a blob's key has 1 to 200 of the characters a-z, A-Z, 0-9, `/`, `-`, `_`, `.` and `:`")]
pub struct BlobKeyError;

impl BlobKey {
    /// Borrows the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for BlobKey {
    type Err = BlobKeyError;

    fn from_str(text: &str) -> Result<Self, BlobKeyError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-_.:".contains(&b);
        if !(1..=200).contains(&text.len()) || !text.bytes().all(plain) {
            return Err(BlobKeyError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for BlobKey {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_plain_text() {
        for good in ["bundle/0123456789abcdef", "sha256:AB_-.9"] {
            assert_eq!(good.parse::<BlobKey>().unwrap().as_str(), good);
        }
        for bad in ["", "a b", "ü", "a\0", &"x".repeat(201)] {
            assert_eq!(bad.parse::<BlobKey>(), Err(BlobKeyError), "{bad}");
        }
        assert!(serde_json::from_str::<BlobKey>("\"a b\"").is_err());
    }
}
