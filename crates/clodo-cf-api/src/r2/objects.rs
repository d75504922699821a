use crate::{
    endpoint::{Endpoint, Repeat},
    paging::{ListEndpoint, Paging},
    wire::{number, or_default},
    workers::UPLOAD_TIME_LIMIT,
};
use clodo_http::{Body, Response};
use clodo_types::{AccountId, BucketName};
use http::Method;
use serde::Deserialize;
use std::collections::BTreeMap;

/// An object, as listings show it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Object {
    /// Its key.
    #[serde(default, deserialize_with = "or_default")]
    pub key: String,
    /// Changes with its content.
    #[serde(default)]
    pub etag: Option<String>,
    /// Bytes.
    #[serde(default, deserialize_with = "number")]
    pub size: Option<u64>,
    /// In RFC 3339.
    #[serde(default)]
    pub last_modified: Option<String>,
    /// `Standard` or `InfrequentAccess`.
    #[serde(default)]
    pub storage_class: Option<String>,
    /// What a download's headers say.
    #[serde(default, deserialize_with = "or_default")]
    pub http_metadata: HttpMetadata,
    /// What its writer stored beside it.
    #[serde(default, deserialize_with = "or_default")]
    pub custom_metadata: BTreeMap<String, String>,
}

/// What a download's headers say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HttpMetadata {
    /// `Cache-Control`.
    #[serde(default)]
    pub cache_control: Option<String>,
    /// `Content-Disposition`.
    #[serde(default)]
    pub content_disposition: Option<String>,
    /// `Content-Encoding`.
    #[serde(default)]
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    #[serde(default)]
    pub content_language: Option<String>,
    /// `Content-Type`.
    #[serde(default)]
    pub content_type: Option<String>,
}

/// An object to store.
#[derive(Debug)]
pub struct NewObject {
    /// Its key.
    pub key: String,
    /// Its content, up to 300 MB; a stream is sent once, whatever happens.
    pub body: Body,
    /// What a download's headers say.
    pub http_metadata: HttpMetadata,
    /// `Standard` or `InfrequentAccess`.
    pub storage_class: Option<String>,
}

impl NewObject {
    /// An object that says nothing about its content.
    #[must_use]
    pub fn new(key: impl Into<String>, body: impl Into<Body>) -> Self {
        Self {
            key: key.into(),
            body: body.into(),
            http_metadata: HttpMetadata::default(),
            storage_class: None,
        }
    }

    /// Sets its media type.
    #[must_use]
    pub fn with_content_type(mut self, content_type: impl Into<String>) -> Self {
        self.http_metadata.content_type = Some(content_type.into());
        self
    }
}

/// What storing an object answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct StoredObject {
    /// Its key.
    #[serde(default, deserialize_with = "or_default")]
    pub key: String,
    /// Changes with its content.
    #[serde(default)]
    pub etag: Option<String>,
    /// Bytes.
    #[serde(default, deserialize_with = "number")]
    pub size: Option<u64>,
    /// Names this writing of it.
    #[serde(default)]
    pub version: Option<String>,
    /// In RFC 3339.
    #[serde(default)]
    pub uploaded: Option<String>,
}

/// Bytes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// From the first to the last, both included.
    Between(u64, u64),
    /// From this one on.
    From(u64),
    /// So many at the end.
    Last(u64),
}

const OBJECT: &str = "/accounts/{account}/r2/buckets/{bucket}/objects/{key}";

/// The objects of a bucket whose keys begin with `prefix`, by key.
#[must_use]
pub fn list_objects(
    account: &AccountId,
    bucket: &BucketName,
    prefix: &str,
) -> ListEndpoint<Object> {
    let template = "/accounts/{account}/r2/buckets/{bucket}/objects";
    let list = ListEndpoint::new(template, Paging::Cursor { size_name: "per_page", size: 1000 })
        .at("account", account)
        .at("bucket", bucket);
    if prefix.is_empty() { list } else { list.with_query("prefix", prefix) }
}

/// An object, as a stream of bytes; headers say what it is.
#[must_use]
pub fn object(account: &AccountId, bucket: &BucketName, key: &str) -> Endpoint<Response> {
    Endpoint::raw(Method::GET, OBJECT, Repeat::Safe)
        .at("account", account)
        .at("bucket", bucket)
        .at("key", key)
}

/// Some bytes of an object. Cloudflare may answer with all of it: look at the status.
#[must_use]
pub fn object_range(
    account: &AccountId,
    bucket: &BucketName,
    key: &str,
    range: ByteRange,
) -> Endpoint<Response> {
    let range = match range {
        ByteRange::Between(first, last) => format!("bytes={first}-{last}"),
        ByteRange::From(first) => format!("bytes={first}-"),
        ByteRange::Last(count) => format!("bytes=-{count}"),
    };
    object(account, bucket, key).with_header_value("range", &range)
}

/// Stores an object, in place of the one with its key.
#[must_use]
pub fn put_object(
    account: &AccountId,
    bucket: &BucketName,
    new: NewObject,
) -> Endpoint<StoredObject> {
    let NewObject { key, body, http_metadata, storage_class } = new;
    let content_type = http_metadata.content_type.as_deref();
    let mut endpoint = Endpoint::new(Method::PUT, OBJECT, Repeat::Safe)
        .at("account", account)
        .at("bucket", bucket)
        .at("key", key)
        .with_typed_body(content_type.unwrap_or("application/octet-stream"), body)
        .with_time_limit(UPLOAD_TIME_LIMIT);
    let headers = [
        ("cache-control", http_metadata.cache_control),
        ("content-disposition", http_metadata.content_disposition),
        ("content-encoding", http_metadata.content_encoding),
        ("content-language", http_metadata.content_language),
        ("cf-r2-storage-class", storage_class),
    ];
    for (name, value) in headers {
        if let Some(value) = value {
            endpoint = endpoint.with_header_value(name, &value);
        }
    }
    endpoint
}

/// Removes an object.
#[must_use]
pub fn delete_object(account: &AccountId, bucket: &BucketName, key: &str) -> Endpoint<()> {
    Endpoint::delete(OBJECT).at("account", account).at("bucket", bucket).at("key", key)
}
