//! What the engines tell of the operations that ran.

use crate::{BucketRef, DatabaseRef, NamespaceRef};
use std::{
    fmt,
    sync::{Arc, OnceLock},
};

/// Hears of operations on databases, namespaces and buckets.
///
/// # Contract
/// - `operated` is called on the path of requests: it returns at once, neither blocks nor waits for
///   I/O, and never panics.
/// - It is called once per operation that has ended, whoever asked for it; an operation that was
///   dropped on its way may be left out.
pub trait StorageObserver: fmt::Debug + Send + Sync + 'static {
    /// An operation ended.
    fn operated(&self, operation: &Operation<'_>);
}

/// One operation that has ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Operation<'a> {
    /// A query of D1 that worked.
    D1(D1Operation<'a>),
    /// Something done to keys of KV.
    Kv(KvOperation<'a>),
    /// Something done to a bucket.
    R2(R2Operation<'a>),
}

/// One SQL text that ran; it may hold several statements.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "the fields are those of `D1Meta`")]
pub struct D1Operation<'a> {
    pub at: &'a DatabaseRef,
    /// The text; empty for an import.
    pub sql: &'a str,
    /// Whether it wrote.
    pub writes: bool,
    pub rows_read: u64,
    pub rows_written: u64,
    pub rows_returned: u64,
    /// Milliseconds spent in SQLite.
    pub duration: f64,
    pub size_after: u64,
}

/// One call that touched keys of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvOperation<'a> {
    /// The namespace.
    pub at: &'a NamespaceRef,
    /// What was done.
    pub action: KvAction,
    /// How many keys; a list is one.
    pub count: u64,
    /// Bytes of the values that were read or written.
    pub bytes: u64,
    /// Whether it worked.
    pub ok: bool,
}

/// What is done to keys, as Cloudflare bills it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum KvAction {
    Read,
    Write,
    Delete,
    List,
}

impl KvAction {
    /// `actionType` of Cloudflare's analytics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::List => "list",
        }
    }
}

/// One call that touched a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct R2Operation<'a> {
    /// The bucket.
    pub at: &'a BucketRef,
    /// `actionType` of Cloudflare's analytics, such as `PutObject`.
    pub action: &'static str,
    /// How many objects it was done to; never 0.
    pub count: u64,
    /// Bytes of the objects that were read or written.
    pub bytes: u64,
    /// The HTTP status that stands for its outcome.
    pub status: u16,
}

/// Where the engines find their observer; all clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch(Arc<OnceLock<Arc<dyn StorageObserver>>>);

impl Watch {
    /// The first observer stays.
    pub(crate) fn set(&self, observer: Arc<dyn StorageObserver>) {
        let _ = self.0.set(observer);
    }

    pub(crate) fn observer(&self) -> Option<&dyn StorageObserver> {
        self.0.get().map(|observer| &**observer)
    }
}
