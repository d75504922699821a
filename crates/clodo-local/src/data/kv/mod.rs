//! KV: one SQLite file per namespace.

mod types;

pub use types::{
    Expiry, KvEntry, KvError, KvErrorKind, KvKey, KvListOptions, KvListed, KvPage, KvPut,
    NamespaceRef,
};

use crate::data::PoolOptions;
use clodo_types::Clock;
use std::{path::PathBuf, sync::Arc};

/// All KV namespaces. Cloning shares the open ones.
#[derive(Clone, Debug)]
pub struct Kv {
    root: PathBuf,
}

impl Kv {
    /// Namespaces live in `root/<account>/kv/<id>.sqlite`.
    #[must_use]
    pub fn new(root: PathBuf, _clock: Arc<dyn Clock>, _options: PoolOptions) -> Self {
        Self { root }
    }

    /// Makes an empty namespace.
    ///
    /// # Errors
    /// `Exists`, `Storage`.
    pub async fn create(&self, at: &NamespaceRef) -> Result<(), KvError> {
        let _ = (at, &self.root);
        todo!()
    }

    /// Removes a namespace with all it holds. One that is not there is `Ok(false)`.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn drop_namespace(&self, _at: &NamespaceRef) -> Result<bool, KvError> {
        todo!()
    }

    /// Reads a value; `None` when it is not there or has expired.
    ///
    /// # Errors
    /// `NotFound` for the namespace, `Storage`.
    pub async fn get(&self, _at: &NamespaceRef, _key: &KvKey) -> Result<Option<KvEntry>, KvError> {
        todo!()
    }

    /// Reads many values from one snapshot, in the order of `keys`.
    ///
    /// # Errors
    /// As [`Kv::get`].
    pub async fn get_many(
        &self,
        _at: &NamespaceRef,
        _keys: Vec<KvKey>,
    ) -> Result<Vec<Option<KvEntry>>, KvError> {
        todo!()
    }

    /// Stores a value in place of any older one.
    ///
    /// # Errors
    /// `Invalid` or `TooLarge` with KV's own text; `NotFound`, `Storage`.
    pub async fn put(&self, _at: &NamespaceRef, _key: KvKey, _put: KvPut) -> Result<(), KvError> {
        todo!()
    }

    /// Stores many values, all or none.
    ///
    /// # Errors
    /// As [`Kv::put`].
    pub async fn put_many(
        &self,
        _at: &NamespaceRef,
        _pairs: Vec<(KvKey, KvPut)>,
    ) -> Result<(), KvError> {
        todo!()
    }

    /// Removes keys, all or none; those that are not there are no error.
    ///
    /// # Errors
    /// `NotFound` for the namespace, `Storage`.
    pub async fn delete(&self, _at: &NamespaceRef, _keys: Vec<KvKey>) -> Result<(), KvError> {
        todo!()
    }

    /// Lists keys in byte order; expired ones do not appear.
    ///
    /// # Errors
    /// `Invalid` for a bad limit or cursor; `NotFound`, `Storage`.
    pub async fn list(
        &self,
        _at: &NamespaceRef,
        _options: KvListOptions,
    ) -> Result<KvPage, KvError> {
        todo!()
    }
}
