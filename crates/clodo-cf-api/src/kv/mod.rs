//! KV namespaces and their values.
//!
//! # Example
//! ```
#![doc = include_str!("../../docs/kv.rs")]
//! ```
#![doc = include_str!("../../docs/kv.md")]

mod bulk;

pub use bulk::{
    BulkEntry, BulkOutcome, BulkReport, BulkValue, MOST_BULK_KEYS, MOST_BULK_READS, delete_bulk,
    get_bulk, put_bulk,
};

use crate::{
    api_error::ApiError,
    client::Client,
    endpoint::{Endpoint, Repeat},
    ensure::Ensured,
    multipart::{Part, encode_form},
    paging::{ListEndpoint, Paging},
};
use clodo_http::{Body, Response};
use clodo_types::{AccountId, NamespaceId, NamespaceTitle};
use futures_util::{FutureExt, TryStreamExt};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::pin::pin;

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Namespace {
    /// Its id.
    pub id: NamespaceId,
    /// Its title.
    #[serde(default)]
    pub title: String,
    /// Where its data must stay: `eu`, `us` or `fedramp`.
    #[serde(default)]
    pub jurisdiction: Option<String>,
    /// Whether keys in URLs may be percent-encoded.
    #[serde(default)]
    pub supports_url_encoding: Option<bool>,
}

/// A key, as listings show it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Key {
    /// The key.
    pub name: String,
    /// When it ends, in seconds since 1970.
    #[serde(default)]
    pub expiration: Option<u64>,
    /// What was stored beside the value.
    #[serde(default)]
    pub metadata: Option<Value>,
}

/// How long a value lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lifetime {
    /// Until it is removed.
    #[default]
    Unlimited,
    /// So many seconds from now, at least 60.
    Seconds(u64),
    /// Until this moment, in seconds since 1970.
    Until(u64),
}

/// A value to store.
#[derive(Debug)]
pub struct NewValue {
    /// The key.
    pub key: String,
    /// The value; with metadata it must be in memory.
    pub value: Body,
    /// What to store beside the value.
    pub metadata: Option<Value>,
    /// How long it lives.
    pub lifetime: Lifetime,
}

impl NewValue {
    /// A value without metadata that lives until it is removed.
    #[must_use]
    pub fn new(key: impl Into<String>, value: impl Into<Body>) -> Self {
        let (key, value) = (key.into(), value.into());
        Self { key, value, metadata: None, lifetime: Lifetime::Unlimited }
    }
}

const NAMESPACES: &str = "/accounts/{account}/storage/kv/namespaces";
const NAMESPACE: &str = "/accounts/{account}/storage/kv/namespaces/{namespace}";
const VALUE: &str = "/accounts/{account}/storage/kv/namespaces/{namespace}/values/{key}";

/// Every namespace of an account.
#[must_use]
pub fn list_namespaces(account: &AccountId) -> ListEndpoint<Namespace> {
    ListEndpoint::new(NAMESPACES, Paging::Numbered { per_page: 1000 })
        .at("account", account)
        .with_query("order", "title")
        .with_query("direction", "asc")
}

/// Creates a namespace; [`Client::ensure_namespace`] does it at most once.
#[must_use]
pub fn create_namespace(account: &AccountId, title: &NamespaceTitle) -> Endpoint<Namespace> {
    Endpoint::new(Method::POST, NAMESPACES, Repeat::LookUp)
        .at("account", account)
        .with_json(&json!({ "title": title }))
}

/// One namespace.
#[must_use]
pub fn namespace(account: &AccountId, id: &NamespaceId) -> Endpoint<Namespace> {
    Endpoint::get(NAMESPACE).at("account", account).at("namespace", id)
}

/// Gives a namespace another title.
#[must_use]
pub fn rename_namespace(
    account: &AccountId,
    id: &NamespaceId,
    title: &NamespaceTitle,
) -> Endpoint<()> {
    Endpoint::silent(Method::PUT, NAMESPACE, Repeat::Safe)
        .at("account", account)
        .at("namespace", id)
        .with_json(&json!({ "title": title }))
}

/// Removes a namespace with its values.
#[must_use]
pub fn delete_namespace(account: &AccountId, id: &NamespaceId) -> Endpoint<()> {
    Endpoint::delete(NAMESPACE).at("account", account).at("namespace", id)
}

/// The keys of a namespace that begin with `prefix`.
#[must_use]
pub fn list_keys(account: &AccountId, id: &NamespaceId, prefix: &str) -> ListEndpoint<Key> {
    let template = "/accounts/{account}/storage/kv/namespaces/{namespace}/keys";
    let list = ListEndpoint::new(template, Paging::Cursor { size_name: "limit", size: 1000 })
        .at("account", account)
        .at("namespace", id);
    if prefix.is_empty() { list } else { list.with_query("prefix", prefix) }
}

/// A value, as a stream of bytes.
#[must_use]
pub fn value(account: &AccountId, id: &NamespaceId, key: &str) -> Endpoint<Response> {
    Endpoint::raw(Method::GET, VALUE, Repeat::Safe)
        .at("account", account)
        .at("namespace", id)
        .at("key", key)
}

/// Stores a value. A stream is sent once; bytes may be sent again.
#[must_use]
pub fn put_value(account: &AccountId, id: &NamespaceId, new: NewValue) -> Endpoint<()> {
    let NewValue { key, value, metadata, lifetime } = new;
    let mut endpoint = Endpoint::silent(Method::PUT, VALUE, Repeat::Safe)
        .at("account", account)
        .at("namespace", id)
        .at("key", key);
    endpoint = match lifetime {
        Lifetime::Unlimited => endpoint,
        Lifetime::Seconds(seconds) => endpoint.with_query("expiration_ttl", seconds),
        Lifetime::Until(moment) => endpoint.with_query("expiration", moment),
    };
    let Some(metadata) = metadata else {
        return endpoint.with_body("application/octet-stream", value);
    };
    let Some(Ok(value)) = value.collect(usize::MAX).now_or_never() else {
        return endpoint.with_problem("a value with metadata must be in memory");
    };
    let parts = [Part::field("value", value), Part::field("metadata", metadata.to_string())];
    match encode_form(&parts) {
        Ok(form) => endpoint.with_form(form),
        Err(error) => endpoint.with_problem(error.to_string()),
    }
}

/// Removes a value.
#[must_use]
pub fn delete_value(account: &AccountId, id: &NamespaceId, key: &str) -> Endpoint<()> {
    Endpoint::delete(VALUE).at("account", account).at("namespace", id).at("key", key)
}

/// What is stored beside a value.
#[must_use]
pub fn metadata(account: &AccountId, id: &NamespaceId, key: &str) -> Endpoint<Value> {
    Endpoint::get("/accounts/{account}/storage/kv/namespaces/{namespace}/metadata/{key}")
        .at("account", account)
        .at("namespace", id)
        .at("key", key)
}

impl Client {
    /// The namespace of this title.
    ///
    /// # Errors
    /// When the namespaces cannot be listed.
    pub async fn find_namespace(
        &self,
        account: &AccountId,
        title: &NamespaceTitle,
    ) -> Result<Option<Namespace>, ApiError> {
        let mut all = pin!(self.stream(list_namespaces(account)));
        while let Some(namespace) = all.try_next().await? {
            if namespace.title == title.as_str() {
                return Ok(Some(namespace));
            }
        }
        Ok(None)
    }

    /// Makes sure that a namespace of this title is there, and creates at most one.
    ///
    /// # Errors
    /// When it is not there in the end.
    pub async fn ensure_namespace(
        &self,
        account: &AccountId,
        title: &NamespaceTitle,
    ) -> Result<Ensured<Namespace>, ApiError> {
        let create = || create_namespace(account, title);
        self.ensure(create, || self.find_namespace(account, title)).await
    }
}
