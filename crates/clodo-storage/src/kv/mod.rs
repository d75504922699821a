//! KV: one SQLite file per namespace.

mod store;
mod types;

pub(crate) use store::end_of;
pub use types::{
    Expiry, KvEntry, KvError, KvErrorKind, KvKey, KvListOptions, KvListed, KvPage, KvPut, KvUsage,
    NamespaceRef,
};

use super::observer::{KvAction, KvOperation, Operation, Watch};
use super::pool::{Pool, PoolOptions, remove_files};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use clodo_sqlite::rusqlite::{self, Connection};
use clodo_types::Clock;
use std::{path::PathBuf, sync::Arc};
use store::{Pair, opener};
use tokio::sync::OwnedRwLockWriteGuard;

/// The longest value, in bytes.
const MAX_VALUE: usize = 25 * 1024 * 1024;
/// The longest metadata, in bytes of JSON.
const MAX_METADATA: usize = 1024;
/// The most keys of one page.
const MAX_PAGE: usize = 1_000;
/// The shortest life, in seconds.
const MIN_LIFE: i64 = 60;

/// All KV namespaces. Cloning shares the open ones.
#[derive(Clone, Debug)]
pub struct Kv {
    root: PathBuf,
    clock: Arc<dyn Clock>,
    pool: Arc<Pool<()>>,
    pub(crate) watch: Watch,
}

impl Kv {
    /// Namespaces live in `root/<account>/kv/<id>.sqlite`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>, clock: Arc<dyn Clock>, options: PoolOptions) -> Self {
        let pool = Arc::new(Pool::new(options));
        Self { root: root.into(), clock, pool, watch: Watch::default() }
    }

    fn path(&self, at: &NamespaceRef) -> PathBuf {
        let folder = self.root.join(at.account.as_str()).join("kv");
        folder.join(format!("{}.sqlite", at.id))
    }

    fn now(&self) -> i64 {
        self.clock.now().as_millis().div_euclid(1_000)
    }

    /// Makes an empty namespace.
    ///
    /// # Errors
    /// `Exists`, `Storage`.
    pub async fn create(&self, at: &NamespaceRef) -> Result<(), KvError> {
        match self.pool.create(&self.path(at), opener).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(KvError::new(KvErrorKind::Exists, "the namespace exists already")),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a namespace with all it holds. One that is not there is `Ok(false)`.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn drop_namespace(&self, at: &NamespaceRef) -> Result<bool, KvError> {
        let path = self.path(at);
        self.pool.close(&path).await;
        remove_files(&path).map_err(|error| {
            let text = format!("could not remove `{}`: {error}", path.display());
            KvError::new(KvErrorKind::Storage, text)
        })
    }

    /// Reads a value; `None` when it is not there or has expired.
    ///
    /// # Errors
    /// `NotFound` for the namespace, `Storage`.
    pub async fn get(&self, at: &NamespaceRef, key: &KvKey) -> Result<Option<KvEntry>, KvError> {
        let (key, now) = (key.clone(), self.now());
        let found = self.run(at, move |db| store::get(db, &key, now)).await;
        self.tell(at, KvAction::Read, 1, &found, |found| found.iter().map(size).sum());
        found
    }

    /// Reads many values from one snapshot, in the order of `keys`.
    ///
    /// # Errors
    /// As [`Kv::get`].
    pub async fn get_many(
        &self,
        at: &NamespaceRef,
        keys: Vec<KvKey>,
    ) -> Result<Vec<Option<KvEntry>>, KvError> {
        let (now, count) = (self.now(), keys.len());
        let found = self.run(at, move |db| {
            let snapshot = db.transaction()?;
            keys.iter().map(|key| store::get(&snapshot, key, now)).collect()
        });
        let found: Result<Vec<Option<KvEntry>>, _> = found.await;
        self.tell(at, KvAction::Read, count, &found, |found| {
            found.iter().flatten().map(size).sum()
        });
        found
    }

    /// Stores a value in place of any older one.
    ///
    /// # Errors
    /// `Invalid` or `TooLarge` with KV's own text; `NotFound`, `Storage`.
    pub async fn put(&self, at: &NamespaceRef, key: KvKey, put: KvPut) -> Result<(), KvError> {
        self.put_many(at, vec![(key, put)]).await
    }

    /// Stores many values, all or none.
    ///
    /// # Errors
    /// As [`Kv::put`].
    pub async fn put_many(
        &self,
        at: &NamespaceRef,
        pairs: Vec<(KvKey, KvPut)>,
    ) -> Result<(), KvError> {
        let now = self.now();
        let checked = pairs.into_iter().map(|(key, put)| checked(key, put, now));
        let pairs: Vec<Pair> = checked.collect::<Result<_, _>>()?;
        let bytes = pairs.iter().map(|pair| pair.value.len() as u64).sum();
        let count = pairs.len();
        let done = self.run(at, move |db| store::put(db, &pairs, now)).await;
        self.tell(at, KvAction::Write, count, &done, |()| bytes);
        done
    }

    /// Removes keys, all or none; those that are not there are no error.
    ///
    /// # Errors
    /// `NotFound` for the namespace, `Storage`.
    pub async fn delete(&self, at: &NamespaceRef, keys: Vec<KvKey>) -> Result<(), KvError> {
        let count = keys.len();
        let done = self.run(at, move |db| store::delete(db, &keys)).await;
        self.tell(at, KvAction::Delete, count, &done, |()| 0);
        done
    }

    /// Lists keys in byte order; expired ones do not appear.
    ///
    /// # Errors
    /// `Invalid` for a bad limit or cursor; `NotFound`, `Storage`.
    pub async fn list(&self, at: &NamespaceRef, options: KvListOptions) -> Result<KvPage, KvError> {
        let limit = checked_limit(options.limit)?;
        let after = options.cursor.as_deref().filter(|cursor| !cursor.is_empty());
        let after = after.map(|cursor| {
            let invalid = |_| KvError::new(KvErrorKind::Invalid, "Invalid cursor");
            URL_SAFE_NO_PAD.decode(cursor).map_err(invalid)
        });
        let (after, now) = (after.transpose()?, self.now());
        let found = self.run(at, move |db| {
            store::list(db, options.prefix.as_bytes(), after.as_deref(), limit + 1, now)
        });
        let found = found.await;
        self.tell(at, KvAction::List, 1, &found, |_| 0);
        let mut keys = found?;
        let more = keys.len() > limit;
        keys.truncate(limit);
        let last = keys.last().filter(|_| more);
        let cursor = last.map(|key| URL_SAFE_NO_PAD.encode(&key.name));
        Ok(KvPage { keys, cursor })
    }

    /// How much a namespace holds, without what has expired.
    ///
    /// # Errors
    /// `NotFound` for the namespace, `Storage`.
    pub async fn usage(&self, at: &NamespaceRef) -> Result<KvUsage, KvError> {
        let now = self.now();
        self.run(at, move |db| store::usage(db, now)).await
    }

    fn tell<T>(
        &self,
        at: &NamespaceRef,
        action: KvAction,
        count: usize,
        outcome: &Result<T, KvError>,
        bytes: impl FnOnce(&T) -> u64,
    ) {
        if let Some(observer) = self.watch.observer() {
            observer.operated(&Operation::Kv(KvOperation {
                at,
                action,
                count: count as u64,
                bytes: outcome.as_ref().map_or(0, bytes),
                ok: outcome.is_ok(),
            }));
        }
    }

    /// Closes every open namespace and waits until they are closed.
    pub async fn close(&self) {
        self.pool.close_all().await;
    }

    /// The same for as long as the guard lives, when nobody uses one any more.
    pub(crate) async fn rest(&self) -> OwnedRwLockWriteGuard<()> {
        self.pool.rest().await
    }

    async fn run<T, F>(&self, at: &NamespaceRef, work: F) -> Result<T, KvError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> rusqlite::Result<T> + Clone + Send + 'static,
    {
        Ok(self.pool.with(&self.path(at), opener, move |db, ()| work(db)).await?)
    }
}

fn size(entry: &KvEntry) -> u64 {
    entry.value.len() as u64
}

fn checked_limit(limit: Option<usize>) -> Result<usize, KvError> {
    let than = match limit {
        None => return Ok(MAX_PAGE),
        Some(0) => "greater than 0",
        Some(limit) if limit > MAX_PAGE => "less than 1000",
        Some(limit) => return Ok(limit),
    };
    let limit = limit.unwrap_or(0);
    let text = format!("Invalid key_count_limit of {limit}. Please specify an integer {than}.");
    Err(KvError::new(KvErrorKind::Invalid, text))
}

fn checked(key: KvKey, put: KvPut, now: i64) -> Result<Pair, KvError> {
    let too_large = |what: &str, length: usize, limit: usize| {
        let text = format!("{what} length of {length} exceeds limit of {limit}.");
        Err(KvError::new(KvErrorKind::TooLarge, text))
    };
    if put.value.len() > MAX_VALUE {
        return too_large("Value", put.value.len(), MAX_VALUE);
    }
    if let Some(metadata) = put.metadata.as_ref().filter(|text| text.len() > MAX_METADATA) {
        return too_large("Metadata", metadata.len(), MAX_METADATA);
    }
    let expiration = put.expiry.map(|expiry| absolute(expiry, now)).transpose()?;
    Ok(Pair { key, value: put.value, metadata: put.metadata, expiration })
}

fn absolute(expiry: Expiry, now: i64) -> Result<i64, KvError> {
    let refuse = |text: String| Err(KvError::new(KvErrorKind::Invalid, text));
    match expiry {
        Expiry::After(life) => {
            let life = i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
            if life < MIN_LIFE {
                return refuse(format!(
                    "Invalid expiration_ttl of {life}. Expiration TTL must be at least 60."
                ));
            }
            Ok(now.saturating_add(life))
        }
        Expiry::At(end) if end <= now => refuse(format!(
            "Invalid expiration of {end}. Please specify integer greater than the current number \
             of seconds since the UNIX epoch."
        )),
        Expiry::At(end) if end < now.saturating_add(MIN_LIFE) => refuse(format!(
            "Invalid expiration of {end}. Expiration times must be at least 60 seconds in the future."
        )),
        Expiry::At(end) => Ok(end),
    }
}
