use crate::pool::told_with_cause;
use bytes::Bytes;
use clodo_types::{AccountId, NamespaceId};
use std::{fmt, str::FromStr, time::Duration};

/// Which namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamespaceRef {
    /// The account that owns it.
    pub account: AccountId,
    /// Its id.
    pub id: NamespaceId,
}

/// A key: 1 to 512 bytes of UTF-8, not `.` or `..`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KvKey(String);

impl KvKey {
    /// Borrows the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KvKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for KvKey {
    type Err = KvError;

    fn from_str(text: &str) -> Result<Self, KvError> {
        match text {
            "" => Err(KvError::new(KvErrorKind::Invalid, "key names must not be empty")),
            "." | ".." => {
                Err(KvError::new(KvErrorKind::Invalid, format!("key names must not be \"{text}\"")))
            }
            _ if text.len() > 512 => Err(KvError::new(
                KvErrorKind::TooLarge,
                format!("UTF-8 encoded length of {} exceeds key length limit of 512.", text.len()),
            )),
            _ => Ok(Self(text.to_owned())),
        }
    }
}

/// When a pair ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Seconds since the epoch; at least 60 s ahead.
    At(i64),
    /// From now; at least 60 s.
    After(Duration),
}

/// A value to store.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct KvPut {
    /// At most 25 MiB.
    pub value: Bytes,
    /// JSON text of at most 1024 bytes.
    pub metadata: Option<String>,
    /// Never, when absent.
    pub expiry: Option<Expiry>,
}

impl KvPut {
    /// A value without metadata that does not expire.
    pub fn new(value: impl Into<Bytes>) -> Self {
        Self { value: value.into(), metadata: None, expiry: None }
    }

    /// With JSON text as metadata.
    #[must_use]
    pub fn with_metadata(mut self, json: impl Into<String>) -> Self {
        self.metadata = Some(json.into());
        self
    }

    /// With an end.
    #[must_use]
    pub fn with_expiry(mut self, expiry: Expiry) -> Self {
        self.expiry = Some(expiry);
        self
    }
}

/// A stored value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvEntry {
    /// The bytes.
    pub value: Bytes,
    /// JSON text.
    pub metadata: Option<String>,
    /// Seconds since the epoch.
    pub expiration: Option<i64>,
}

/// What to list. The default is everything, 1,000 at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KvListOptions {
    /// Only keys that start with it.
    pub prefix: String,
    /// 1 to 1,000.
    pub limit: Option<usize>,
    /// From an earlier page.
    pub cursor: Option<String>,
}

/// A key as a listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvListed {
    /// The key.
    pub name: String,
    /// Seconds since the epoch.
    pub expiration: Option<i64>,
    /// JSON text.
    pub metadata: Option<String>,
}

/// A page of keys in byte order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvPage {
    /// At most `limit`.
    pub keys: Vec<KvListed>,
    /// Absent on the last page.
    pub cursor: Option<String>,
}

/// What a caller decides on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KvErrorKind {
    /// A key, limit, cursor, metadata or expiry that KV refuses; 400.
    Invalid,
    /// A key, metadata or value over its limit; 413 (414 for a key).
    TooLarge,
    /// No such namespace; 404 code 10013.
    NotFound,
    /// The namespace exists already.
    Exists,
    /// The file cannot be read or written, or is damaged; 500.
    Storage,
}

/// A KV request that failed.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct KvError {
    kind: KvErrorKind,
    text: String,
}

impl KvError {
    pub(super) fn new(kind: KvErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// What to decide on.
    #[must_use]
    pub fn kind(&self) -> KvErrorKind {
        self.kind
    }
}

impl From<clodo_sqlite::SqliteError> for KvError {
    fn from(error: clodo_sqlite::SqliteError) -> Self {
        use clodo_sqlite::SqliteErrorKind;
        match error.kind() {
            SqliteErrorKind::Missing | SqliteErrorKind::Gone => {
                Self::new(KvErrorKind::NotFound, "namespace not found")
            }
            _ => Self::new(KvErrorKind::Storage, told_with_cause(&error)),
        }
    }
}

/// How much a namespace holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KvUsage {
    /// Keys.
    pub keys: u64,
    /// Bytes of keys, values and metadata.
    pub bytes: u64,
}
