//! The D1, KV and R2 engines: Rust owns all data, workerd and the REST API only ask for it.
//!
//! | you have | start at |
//! |---|---|
//! | a folder and a clock | [`Data::at`] |
//! | SQL for one database | [`D1::query`] |
//! | a key of a namespace | [`Kv::get`], [`Kv::put`] |
//! | an object of a bucket | [`R2::get`], [`R2::put`] |
//!
//! Everything is opened lazily and closed when idle. A store exists from its `create` to its
//! `delete`; asking for one that does not exist is an error, never a new empty store.

mod d1;
mod kv;
mod pool;
mod r2;

pub(crate) use r2::lenient;

pub use d1::{
    Bookmark, D1, D1Answer, D1Error, D1ErrorKind, D1Meta, D1Options, D1Request, D1Statement,
    DatabaseInfo, DatabaseRef, ExportOptions, ImportReport, Param, RowFormat, StatementResult,
    Timings,
};
pub use kv::{
    Expiry, Kv, KvEntry, KvError, KvErrorKind, KvKey, KvListOptions, KvListed, KvPage, KvPut,
    NamespaceRef,
};
pub use pool::PoolOptions;
pub use r2::{
    BucketRef, ByteStream, Checksums, Conditions, EtagMatch, GetOptions, GetOutcome, HttpFields,
    ListObjects, ObjectKey, ObjectMeta, ObjectPage, ObjectRange, PartEtag, PutOptions, PutOutcome,
    R2, R2Error, R2ErrorKind, StoredObject, UploadId, body_of,
};

use clodo_types::Clock;
use std::{path::PathBuf, sync::Arc};

/// The three engines over one folder. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Data {
    /// SQL databases.
    pub d1: D1,
    /// Key-value namespaces.
    pub kv: Kv,
    /// Object buckets.
    pub r2: R2,
}

impl Data {
    /// Uses `root` (made when it is first written to) as `root/<account>/{d1,kv,r2}/…`.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        let root = root.into();
        Self {
            d1: D1::new(root.clone(), D1Options::default()),
            kv: Kv::new(root.clone(), Arc::clone(&clock), PoolOptions::default()),
            r2: R2::new(root, clock, PoolOptions::default()),
        }
    }

    /// Closes every open store and waits until they are closed; a later request opens them again.
    pub async fn close(&self) {
        self.d1.close().await;
        self.kv.close().await;
        self.r2.close().await;
    }
}
