//! R2: one SQLite file of metadata per bucket, large bodies as files beside it.

mod types;

pub use types::{
    BucketRef, ByteStream, Checksums, Conditions, EtagMatch, GetOptions, GetOutcome, HttpFields,
    ListObjects, ObjectKey, ObjectMeta, ObjectPage, ObjectRange, PartEtag, PutOptions, PutOutcome,
    R2Error, R2ErrorKind, StoredObject, UploadId, body_of,
};

use crate::data::PoolOptions;
use clodo_types::Clock;
use std::{path::PathBuf, sync::Arc};

/// All R2 buckets. Cloning shares the open ones.
#[derive(Clone, Debug)]
pub struct R2 {
    root: PathBuf,
}

impl R2 {
    /// Buckets live in `root/<account>/r2/<name>/`.
    #[must_use]
    pub fn new(root: PathBuf, _clock: Arc<dyn Clock>, _options: PoolOptions) -> Self {
        Self { root }
    }

    /// Makes an empty bucket.
    ///
    /// # Errors
    /// `BucketExists`, `Storage`.
    pub async fn create(&self, at: &BucketRef) -> Result<(), R2Error> {
        let _ = (at, &self.root);
        todo!()
    }

    /// Removes an empty bucket.
    ///
    /// # Errors
    /// `NoBucket`, `NotEmpty`, `Storage`.
    pub async fn drop_bucket(&self, _at: &BucketRef) -> Result<(), R2Error> {
        todo!()
    }

    /// An object without its body.
    ///
    /// # Errors
    /// `NoBucket`, `Storage`.
    pub async fn head(
        &self,
        _at: &BucketRef,
        _key: &ObjectKey,
    ) -> Result<Option<ObjectMeta>, R2Error> {
        todo!()
    }

    /// Reads an object or a range of it.
    ///
    /// # Errors
    /// `InvalidRange`, `NoBucket`, `Storage`.
    pub async fn get(
        &self,
        _at: &BucketRef,
        _key: &ObjectKey,
        _options: GetOptions,
    ) -> Result<GetOutcome, R2Error> {
        todo!()
    }

    /// Stores an object in place of any older one; it appears whole or not at all.
    ///
    /// # Errors
    /// `BadDigest`, `TooLarge`, `BodyCutOff`, `NoBucket`, `Storage`.
    pub async fn put(
        &self,
        _at: &BucketRef,
        _key: &ObjectKey,
        _options: PutOptions,
        _body: ByteStream,
    ) -> Result<PutOutcome, R2Error> {
        todo!()
    }

    /// Removes objects, all or none; those that are not there are no error.
    ///
    /// # Errors
    /// `NoBucket`, `Storage`.
    pub async fn delete(&self, _at: &BucketRef, _keys: Vec<ObjectKey>) -> Result<(), R2Error> {
        todo!()
    }

    /// Lists objects in byte order of their keys.
    ///
    /// # Errors
    /// `Invalid` for a bad limit or cursor; `NoBucket`, `Storage`.
    pub async fn list(
        &self,
        _at: &BucketRef,
        _options: ListObjects,
    ) -> Result<ObjectPage, R2Error> {
        todo!()
    }

    /// Begins an upload in parts; `only_if` and `checksums` are not looked at.
    ///
    /// # Errors
    /// `NoBucket`, `Storage`.
    pub async fn create_upload(
        &self,
        _at: &BucketRef,
        _key: &ObjectKey,
        _options: PutOptions,
    ) -> Result<UploadId, R2Error> {
        todo!()
    }

    /// Stores a part in place of any older one of that number.
    ///
    /// # Errors
    /// `NoUpload`, `Invalid` for a number outside 1 to 10,000, `BodyCutOff`, `Storage`.
    pub async fn put_part(
        &self,
        _at: &BucketRef,
        _key: &ObjectKey,
        _upload: &UploadId,
        _number: u32,
        _body: ByteStream,
    ) -> Result<PartEtag, R2Error> {
        todo!()
    }

    /// Joins parts into the object.
    ///
    /// # Errors
    /// `NoUpload`, `InvalidPart`, `PartTooSmall`, `Storage`.
    pub async fn complete_upload(
        &self,
        _at: &BucketRef,
        _key: &ObjectKey,
        _upload: &UploadId,
        _parts: Vec<PartEtag>,
    ) -> Result<ObjectMeta, R2Error> {
        todo!()
    }

    /// Drops an upload and its parts; one that is gone already is `NoUpload`.
    ///
    /// # Errors
    /// `NoUpload`, `Storage`.
    pub async fn abort_upload(
        &self,
        _at: &BucketRef,
        _key: &ObjectKey,
        _upload: &UploadId,
    ) -> Result<(), R2Error> {
        todo!()
    }
}
