//! Secrets of a Worker that are set without uploading its code. Each change makes a new version
//! and deploys it; secrets that belong to an upload travel in it as [bindings](crate::KnownBinding).
//!
//! # Example
//! ```
#![doc = include_str!("../docs/secrets.rs")]
//! ```
#![doc = include_str!("../docs/secrets.md")]

use crate::{
    client::exposed,
    endpoint::{Endpoint, Repeat},
    paging::{ListEndpoint, Paging},
};
use clodo_types::{AccountId, Secret, SecretName, WorkerName};
use http::Method;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A secret that is set: its name alone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct SecretInfo {
    /// Its name, which may hold characters that a [`SecretName`] refuses.
    pub name: String,
    /// `secret_text` or `secret_key`.
    #[serde(default, rename = "type")]
    pub kind: String,
}

/// Secrets that are set, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretInfos(pub Vec<SecretInfo>);

impl<'de> Deserialize<'de> for SecretInfos {
    /// The API's documents show an object by name; a list is read as well.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let each: Vec<Value> = match Value::deserialize(from)? {
            Value::Array(each) => each,
            Value::Object(each) => each.into_iter().map(|(_, secret)| secret).collect(),
            _ => Vec::new(),
        };
        Ok(Self(each.into_iter().filter_map(|one| SecretInfo::deserialize(one).ok()).collect()))
    }
}

/// A secret to set.
#[derive(Clone, Debug)]
pub struct NewSecret {
    /// Its name.
    pub name: SecretName,
    /// Its text.
    pub text: Secret,
}

#[derive(Serialize)]
struct SecretUpload<'a> {
    name: &'a SecretName,
    #[serde(serialize_with = "exposed")]
    text: &'a Secret,
    #[serde(rename = "type")]
    kind: &'static str,
}

impl<'a> SecretUpload<'a> {
    fn of(name: &'a SecretName, text: &'a Secret) -> Self {
        Self { name, text, kind: "secret_text" }
    }
}

/// Several changes at once: a text to set, or none to remove the secret.
pub type SecretChanges = BTreeMap<SecretName, Option<Secret>>;

const SECRETS: &str = "/accounts/{account}/workers/scripts/{worker}/secrets";
const SECRET: &str = "/accounts/{account}/workers/scripts/{worker}/secrets/{secret}";

/// The names of the secrets that are set.
#[must_use]
pub fn list_secrets(account: &AccountId, worker: &WorkerName) -> ListEndpoint<SecretInfo> {
    ListEndpoint::new(SECRETS, Paging::Single).at("account", account).at("worker", worker)
}

/// Whether a secret is set.
#[must_use]
pub fn secret(account: &AccountId, worker: &WorkerName, name: &SecretName) -> Endpoint<SecretInfo> {
    Endpoint::get(SECRET)
        .at("account", account)
        .at("worker", worker)
        .at("secret", name)
        .with_query("url_encoded", true)
}

/// Sets a secret. It makes a new version and deploys it, each time.
#[must_use]
pub fn put_secret(
    account: &AccountId,
    worker: &WorkerName,
    secret: &NewSecret,
) -> Endpoint<SecretInfo> {
    Endpoint::new(Method::PUT, SECRETS, Repeat::Never)
        .at("account", account)
        .at("worker", worker)
        .with_json(&SecretUpload::of(&secret.name, &secret.text))
}

/// Sets and removes several secrets with one new version.
#[must_use]
pub fn patch_secrets(
    account: &AccountId,
    worker: &WorkerName,
    changes: &SecretChanges,
) -> Endpoint<SecretInfos> {
    let change = |(name, text): (&SecretName, &Option<Secret>)| {
        let upload = text.as_ref().map(|text| json!(SecretUpload::of(name, text)));
        (name.to_string(), upload.unwrap_or(Value::Null))
    };
    let secrets: BTreeMap<_, _> = changes.iter().map(change).collect();
    let template = "/accounts/{account}/workers/scripts/{worker}/secrets-bulk";
    Endpoint::new(Method::PATCH, template, Repeat::Never)
        .at("account", account)
        .at("worker", worker)
        .with_merge_patch(&json!({ "secrets": secrets }))
}

/// Removes a secret. It makes a new version and deploys it.
#[must_use]
pub fn delete_secret(account: &AccountId, worker: &WorkerName, name: &SecretName) -> Endpoint<()> {
    Endpoint::delete(SECRET)
        .at("account", account)
        .at("worker", worker)
        .at("secret", name)
        .with_query("url_encoded", true)
}
