//! Settings of a Worker: those of its latest version, and those that belong to no version.
//!
//! # Example
//! ```
#![doc = include_str!("../docs/worker_settings.rs")]
//! ```
#![doc = include_str!("../docs/worker_settings.md")]

use crate::{
    binding::Binding,
    endpoint::{Endpoint, Repeat},
    multipart::{Part, encode_form},
    wire::or_default,
};
use clodo_types::{AccountId, WorkerName};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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

/// A change of the latest version's settings.
#[derive(Clone, Debug, Default)]
pub struct SettingsChange {
    /// All bindings.
    pub bindings: Option<Vec<Binding>>,
    /// `YYYY-MM-DD`.
    pub compatibility_date: Option<String>,
    /// Flags of the runtime, all of them.
    pub compatibility_flags: Option<Vec<String>>,
    /// Anything else that the API takes (`limits`, `placement`, `observability`, `migrations` …).
    /// It does not replace what the fields above say.
    pub other: Map<String, Value>,
}

impl SettingsChange {
    fn on_the_wire(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut fields = self.other.clone();
        if let Some(bindings) = &self.bindings {
            let bindings = bindings.iter().map(Binding::on_the_wire);
            fields.insert("bindings".into(), bindings.collect::<Result<Vec<_>, _>>()?.into());
        }
        if let Some(date) = &self.compatibility_date {
            fields.insert("compatibility_date".into(), date.as_str().into());
        }
        if let Some(flags) = &self.compatibility_flags {
            fields.insert("compatibility_flags".into(), flags.clone().into());
        }
        serde_json::to_vec(&fields)
    }
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

const SETTINGS: &str = "/accounts/{account}/workers/scripts/{worker}/settings";
const SCRIPT_SETTINGS: &str = "/accounts/{account}/workers/scripts/{worker}/script-settings";

/// Settings of the latest version, and those of the Worker.
#[must_use]
pub fn settings(account: &AccountId, worker: &WorkerName) -> Endpoint<Settings> {
    Endpoint::get(SETTINGS).at("account", account).at("worker", worker)
}

/// Changes settings of the latest version: makes a new version and deploys it. What is left out
/// stays; bindings are all of them, and those that were not changed are named as
/// [`Inherit`](crate::KnownBinding::Inherit) or by kind and name alone.
#[must_use]
pub fn patch_settings(
    account: &AccountId,
    worker: &WorkerName,
    change: &SettingsChange,
) -> Endpoint<Settings> {
    let endpoint = Endpoint::new(Method::PATCH, SETTINGS, Repeat::Never)
        .at("account", account)
        .at("worker", worker);
    let form = change.on_the_wire().map_err(|error| error.to_string()).and_then(|settings| {
        // The one part is a JSON text without a type, as in an upload.
        let parts = [Part::field("settings", settings)];
        encode_form(&parts).map_err(|error| error.to_string())
    });
    match form {
        Ok(form) => endpoint.with_form(form),
        Err(problem) => endpoint.with_problem(problem),
    }
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
