//! Settings of a Worker that belong to no version, and secrets that are set one at a time.

use crate::{
    binding::Binding,
    client::exposed,
    endpoint::{Endpoint, Repeat},
    paging::{ListEndpoint, Paging},
    wire::or_default,
};
use clodo_types::{AccountId, Secret, SecretName, WorkerName};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Settings of the latest version, and those of the Worker.
#[derive(Clone, Debug, Default, Deserialize)]
#[non_exhaustive]
pub struct Settings {
    /// Bindings; secrets without their text.
    #[serde(default, deserialize_with = "or_default")]
    pub bindings: Vec<Binding>,
    /// `YYYY-MM-DD`.
    #[serde(default)]
    pub compatibility_date: Option<String>,
    /// Flags of the runtime.
    #[serde(default, deserialize_with = "or_default")]
    pub compatibility_flags: Vec<String>,
    /// The Worker's tags.
    #[serde(default, deserialize_with = "or_default")]
    pub tags: Vec<String>,
    /// As it travels.
    #[serde(default)]
    pub observability: Option<Value>,
    /// As it travels.
    #[serde(default)]
    pub placement: Option<Value>,
    /// As it travels.
    #[serde(default)]
    pub limits: Option<Value>,
    /// Whether events go to Logpush.
    #[serde(default)]
    pub logpush: Option<bool>,
    /// Workers that receive this one's events, as they travel.
    #[serde(default, deserialize_with = "or_default")]
    pub tail_consumers: Vec<Value>,
    /// The last migration of Durable Objects.
    #[serde(default)]
    pub migration_tag: Option<String>,
}

/// Settings that belong to no version. A change leaves out what it does not mean.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScriptSettings {
    /// The Worker's tags, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// As it travels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observability: Option<Value>,
    /// Whether events go to Logpush.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logpush: Option<bool>,
    /// Workers that receive this one's events, as they travel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail_consumers: Option<Vec<Value>>,
}

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

const SETTINGS: &str = "/accounts/{account}/workers/scripts/{worker}/settings";
const SCRIPT_SETTINGS: &str = "/accounts/{account}/workers/scripts/{worker}/script-settings";
const SECRETS: &str = "/accounts/{account}/workers/scripts/{worker}/secrets";

/// Settings of the latest version, and those of the Worker.
#[must_use]
pub fn settings(account: &AccountId, worker: &WorkerName) -> Endpoint<Settings> {
    Endpoint::get(SETTINGS).at("account", account).at("worker", worker)
}

/// Settings that belong to no version.
#[must_use]
pub fn script_settings(account: &AccountId, worker: &WorkerName) -> Endpoint<ScriptSettings> {
    Endpoint::get(SCRIPT_SETTINGS).at("account", account).at("worker", worker)
}

/// Changes settings that belong to no version; makes no version.
#[must_use]
pub fn patch_script_settings(
    account: &AccountId,
    worker: &WorkerName,
    change: &ScriptSettings,
) -> Endpoint<ScriptSettings> {
    Endpoint::new(Method::PATCH, SCRIPT_SETTINGS, Repeat::Safe)
        .at("account", account)
        .at("worker", worker)
        .with_json(change)
}

/// The names of the secrets that are set.
#[must_use]
pub fn list_secrets(account: &AccountId, worker: &WorkerName) -> ListEndpoint<SecretInfo> {
    ListEndpoint::new(SECRETS, Paging::Single).at("account", account).at("worker", worker)
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

/// Sets a secret. It makes a new version and deploys it, each time.
#[must_use]
pub fn put_secret(
    account: &AccountId,
    worker: &WorkerName,
    secret: &NewSecret,
) -> Endpoint<SecretInfo> {
    let NewSecret { name, text } = secret;
    Endpoint::new(Method::PUT, SECRETS, Repeat::Never)
        .at("account", account)
        .at("worker", worker)
        .with_json(&SecretUpload { name, text, kind: "secret_text" })
}

/// Removes a secret. It makes a new version and deploys it.
#[must_use]
pub fn delete_secret(account: &AccountId, worker: &WorkerName, name: &SecretName) -> Endpoint<()> {
    Endpoint::delete("/accounts/{account}/workers/scripts/{worker}/secrets/{secret}")
        .at("account", account)
        .at("worker", worker)
        .at("secret", name)
        .with_query("url_encoded", true)
}
