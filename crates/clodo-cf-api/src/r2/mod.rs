//! R2: buckets, their objects, and who may reach them from a browser or for how long they stay.
//!
//! # Example
//! ```
#![doc = include_str!("../../docs/r2.rs")]
//! ```
#![doc = include_str!("../../docs/r2.md")]

#[cfg(feature = "d1")]
mod backups;
mod objects;
mod rules;

#[cfg(feature = "d1")]
pub use backups::R2Backups;
pub use objects::{
    ByteRange, HttpMetadata, NewObject, Object, StoredObject, delete_object, list_objects, object,
    object_range, put_object,
};
pub use rules::{
    CorsAllowed, CorsRule, LifecycleAction, LifecycleCondition, LifecyclePrefix, LifecycleRule,
    StorageTransition, cors, delete_cors, lifecycle, put_cors, put_lifecycle,
};

use crate::{
    api_error::ApiError,
    client::Client,
    endpoint::{Endpoint, Repeat},
    ensure::Ensured,
    paging::{ListEndpoint, Paging},
};
use clodo_types::{AccountId, BucketName};
use http::Method;
use serde::{Deserialize, Serialize};

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Bucket {
    /// Its name.
    pub name: BucketName,
    /// In RFC 3339.
    #[serde(default)]
    pub creation_date: Option<String>,
    /// Where its data is, such as `weur`.
    #[serde(default)]
    pub location: Option<String>,
    /// `Standard` or `InfrequentAccess`.
    #[serde(default)]
    pub storage_class: Option<String>,
    /// Where its data must stay: `default`, `eu`, `us`, `fedramp` …
    #[serde(default)]
    pub jurisdiction: Option<String>,
}

/// The header that names a bucket's jurisdiction.
pub const JURISDICTION: &str = "cf-r2-jurisdiction";

/// A bucket to create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewBucket {
    /// Its name.
    pub name: BucketName,
    /// Where its data should be, such as `weur`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location_hint: Option<String>,
    /// `Standard` or `InfrequentAccess`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
}

impl NewBucket {
    /// A bucket of this name, wherever Cloudflare likes.
    #[must_use]
    pub fn named(name: BucketName) -> Self {
        Self { name, location_hint: None, storage_class: None }
    }
}

const BUCKETS: &str = "/accounts/{account}/r2/buckets";
const BUCKET: &str = "/accounts/{account}/r2/buckets/{bucket}";

/// Every bucket of an account.
#[must_use]
pub fn list_buckets(account: &AccountId) -> ListEndpoint<Bucket> {
    ListEndpoint::new(BUCKETS, Paging::Cursor { size_name: "per_page", size: 1000 })
        .within("buckets")
        .at("account", account)
}

/// One bucket.
#[must_use]
pub fn bucket(account: &AccountId, name: &BucketName) -> Endpoint<Bucket> {
    Endpoint::get(BUCKET).at("account", account).at("bucket", name)
}

/// Creates a bucket; [`Client::ensure_bucket`] does it at most once.
#[must_use]
pub fn create_bucket(account: &AccountId, new: &NewBucket) -> Endpoint<Bucket> {
    Endpoint::new(Method::POST, BUCKETS, Repeat::LookUp).at("account", account).with_json(new)
}

/// Changes the class in which new objects are stored: `Standard` or `InfrequentAccess`.
#[must_use]
pub fn set_storage_class(
    account: &AccountId,
    name: &BucketName,
    storage_class: &str,
) -> Endpoint<Bucket> {
    Endpoint::new(Method::PATCH, BUCKET, Repeat::Safe)
        .at("account", account)
        .at("bucket", name)
        .with_header_value("cf-r2-storage-class", storage_class)
}

/// Removes a bucket, which must be empty.
#[must_use]
pub fn delete_bucket(account: &AccountId, name: &BucketName) -> Endpoint<()> {
    Endpoint::delete(BUCKET).at("account", account).at("bucket", name)
}

impl Client {
    /// Makes sure that a bucket of this name is there, and creates at most one.
    ///
    /// # Errors
    /// When it is not there in the end.
    pub async fn ensure_bucket(
        &self,
        account: &AccountId,
        new: &NewBucket,
    ) -> Result<Ensured<Bucket>, ApiError> {
        let create = || create_bucket(account, new);
        self.ensure(create, || self.find(bucket(account, &new.name))).await
    }
}
