//! Workers as a whole: listings, uploads that go live at once, their code, removal, and what the
//! account sets for all of them.
//!
//! # Example
//! ```
#![doc = include_str!("../../docs/workers.rs")]
//! ```
#![doc = include_str!("../../docs/workers.md")]

mod account;
mod change;
mod content;
mod service;

pub use account::{AccountSettings, account_settings, put_account_settings};
pub use change::{NewWorker, WorkerChange, create_worker, patch_worker, put_worker};
pub use content::{ContentError, WorkerContent, content, put_content, service_content};
pub use service::{Service, ServiceEnvironment, service, service_environment, tails_into};

use crate::{
    endpoint::{Endpoint, Repeat},
    ids::WorkerId,
    paging::{ListEndpoint, Paging},
    upload::{UploadError, WorkerUpload},
    wire::or_default,
};
use clodo_types::{AccountId, Hostname, VersionId, WorkerName, ZoneId};
use http::Method;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// A Worker, as the account's listing shows it: enough to see whether anything changed.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Worker {
    /// Its id, which survives a rename.
    pub id: WorkerId,
    /// Its name.
    pub name: WorkerName,
    /// Its tags.
    #[serde(default, deserialize_with = "or_default")]
    pub tags: Vec<String>,
    /// In RFC 3339.
    #[serde(default)]
    pub created_on: String,
    /// Of the last change to the Worker, in RFC 3339.
    #[serde(default)]
    pub updated_on: String,
    /// Of the last deployment, in RFC 3339; none for a draft.
    #[serde(default)]
    pub deployed_on: Option<String>,
    /// Whether events go to Logpush.
    #[serde(default, deserialize_with = "or_default")]
    pub logpush: bool,
    /// As it travels.
    #[serde(default)]
    pub observability: Option<Value>,
    /// Workers that receive this one's events, by name.
    #[serde(default, deserialize_with = "or_default")]
    pub tail_consumers: Vec<NamedWorker>,
    /// Where it answers below `workers.dev`.
    #[serde(default, deserialize_with = "or_default")]
    pub subdomain: WorkerSubdomain,
    /// What refers to it.
    #[serde(default, deserialize_with = "or_default")]
    pub references: WorkerReferences,
}

/// Where a Worker answers below `workers.dev`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct WorkerSubdomain {
    /// Whether it answers there.
    #[serde(default, deserialize_with = "or_default")]
    pub enabled: bool,
    /// Whether its versions do.
    #[serde(default, deserialize_with = "or_default")]
    pub previews_enabled: bool,
    /// Its URL there.
    #[serde(default)]
    pub url: Option<String>,
    /// What comes after a version's name in the URL of its preview.
    #[serde(default)]
    pub preview_url_suffix: Option<String>,
}

/// What refers to a Worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct WorkerReferences {
    /// Custom domains.
    #[serde(default, deserialize_with = "or_default")]
    pub domains: Vec<WorkerDomain>,
    /// Other Workers that call it.
    #[serde(default, deserialize_with = "or_default")]
    pub workers: Vec<NamedWorker>,
}

/// A custom domain of a Worker, as its references name it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct WorkerDomain {
    /// The hostname.
    pub hostname: Hostname,
    /// The zone that it is in.
    #[serde(default)]
    pub zone_id: Option<ZoneId>,
}

/// A Worker by id and name.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct NamedWorker {
    /// Its id.
    #[serde(default)]
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
}

/// A Worker, as the older listing shows it.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Script {
    /// The Worker's name.
    pub id: WorkerName,
    /// The Worker's own id.
    #[serde(default)]
    pub tag: Option<String>,
    /// Its tags.
    #[serde(default, deserialize_with = "or_default")]
    pub tags: Vec<String>,
    /// Changes with its content.
    #[serde(default)]
    pub etag: Option<String>,
    /// The events that it handles.
    #[serde(default, deserialize_with = "or_default")]
    pub handlers: Vec<String>,
    /// In RFC 3339.
    #[serde(default)]
    pub created_on: String,
    /// In RFC 3339.
    #[serde(default)]
    pub modified_on: String,
    /// The last migration of Durable Objects.
    #[serde(default)]
    pub migration_tag: Option<String>,
    /// `YYYY-MM-DD`.
    #[serde(default)]
    pub compatibility_date: Option<String>,
    /// The program that deployed it last, such as `wrangler` or `api`.
    #[serde(default)]
    pub last_deployed_from: Option<String>,
}

/// What an upload that goes live at once answers.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Uploaded {
    /// The Worker's name.
    pub id: WorkerName,
    /// Changes with the content.
    #[serde(default)]
    pub etag: Option<String>,
    /// The new version's id, here without dashes.
    #[serde(default)]
    pub deployment_id: Option<String>,
    /// The events that it handles.
    #[serde(default, deserialize_with = "or_default")]
    pub handlers: Vec<String>,
    /// How long its start took.
    #[serde(default)]
    pub startup_time_ms: Option<u64>,
}

impl Uploaded {
    /// The new version's id.
    #[must_use]
    pub fn version_id(&self) -> Option<VersionId> {
        let digits = self.deployment_id.as_deref()?.replace('-', "");
        if digits.len() != 32 || !digits.is_ascii() {
            return None;
        }
        let (a, b, c, d, e) =
            (&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]);
        format!("{a}-{b}-{c}-{d}-{e}").parse().ok()
    }
}

/// What must not break when a Worker goes.
#[derive(Clone, Debug, Default, Deserialize)]
#[non_exhaustive]
pub struct Dependents {
    /// Bindings between Workers.
    #[serde(default, deserialize_with = "or_default")]
    pub services: ServiceDependents,
    /// Durable Objects of this Worker that others use, as they travel.
    #[serde(default, deserialize_with = "or_default")]
    pub durable_objects: Vec<Value>,
    /// Dispatch namespaces that send through it, as they travel.
    #[serde(default, deserialize_with = "or_default")]
    pub dispatch_outbounds: Vec<Value>,
}

/// Bindings between Workers, as they travel.
#[derive(Clone, Debug, Default, Deserialize)]
#[non_exhaustive]
pub struct ServiceDependents {
    /// Workers that call this one.
    #[serde(default, deserialize_with = "or_default")]
    pub incoming: Vec<Value>,
    /// Workers that this one calls.
    #[serde(default, deserialize_with = "or_default")]
    pub outgoing: Vec<Value>,
}

/// How a removal treats what still uses the Worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Refuse while something uses it.
    Careful,
    /// Remove it with its Durable Objects, whatever uses it.
    Forced,
}

/// Uploads can be large and are checked before they answer.
pub(crate) const UPLOAD_TIME_LIMIT: Duration = Duration::from_secs(300);

/// Every Worker of an account.
#[must_use]
pub fn list_workers(account: &AccountId) -> ListEndpoint<Worker> {
    ListEndpoint::new("/accounts/{account}/workers/workers", Paging::Numbered { per_page: 100 })
        .at("account", account)
}

/// One Worker.
#[must_use]
pub fn worker(account: &AccountId, worker: &WorkerName) -> Endpoint<Worker> {
    Endpoint::get("/accounts/{account}/workers/workers/{worker}")
        .at("account", account)
        .at("worker", worker)
}

/// Every Worker of an account, by the older listing.
#[must_use]
pub fn list_scripts(account: &AccountId) -> ListEndpoint<Script> {
    ListEndpoint::new("/accounts/{account}/workers/scripts", Paging::Single).at("account", account)
}

/// Uploads a Worker and sends it all traffic at once. It makes a new version each time.
///
/// For a Worker that does not exist yet, or migrations of Durable Objects; else a
/// [version](crate::versions::upload_version) gets its traffic separately.
///
/// # Errors
/// When the upload contradicts itself or cannot be written.
pub fn put_script(
    account: &AccountId,
    worker: &WorkerName,
    upload: &WorkerUpload,
) -> Result<Endpoint<Uploaded>, UploadError> {
    let endpoint = Endpoint::new(Method::PUT, SCRIPT, Repeat::LookUp)
        .at("account", account)
        .at("worker", worker)
        .with_query("excludeScript", true)
        .with_query("bindings_inherit", "strict")
        .with_time_limit(UPLOAD_TIME_LIMIT);
    Ok(endpoint.with_form(upload.to_form()?))
}

/// Removes a Worker with its versions, secrets, routes and schedules.
#[must_use]
pub fn delete_worker(account: &AccountId, worker: &WorkerName, how: Removal) -> Endpoint<()> {
    Endpoint::delete("/accounts/{account}/workers/services/{worker}")
        .at("account", account)
        .at("worker", worker)
        .with_query("force", how == Removal::Forced)
}

/// Removes a script by the older call.
#[must_use]
pub fn delete_script(account: &AccountId, worker: &WorkerName, how: Removal) -> Endpoint<()> {
    Endpoint::delete(SCRIPT)
        .at("account", account)
        .at("worker", worker)
        .with_query("force", how == Removal::Forced)
}

/// What uses a Worker.
#[must_use]
pub fn dependents(account: &AccountId, worker: &WorkerName) -> Endpoint<Dependents> {
    Endpoint::get("/accounts/{account}/workers/scripts/{worker}/references")
        .at("account", account)
        .at("worker", worker)
}

const SCRIPT: &str = "/accounts/{account}/workers/scripts/{worker}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_an_upload_gets_its_dashes_back() {
        let uploaded = |id: &str| -> Option<String> {
            let wire = serde_json::json!({"id": "w", "deployment_id": id});
            let uploaded: Uploaded = serde_json::from_value(wire).unwrap();
            uploaded.version_id().map(|id| id.to_string())
        };
        let id = "018f3c5e-0000-7000-8000-000000000000";
        assert_eq!(uploaded("018f3c5e000070008000000000000000").as_deref(), Some(id));
        assert_eq!(uploaded(id).as_deref(), Some(id));
        for odd in ["", "018f", "éééééééééééééééé", "018F3C5E000070008000000000000000"]
        {
            assert_eq!(uploaded(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_bare_worker_is_read() {
        let wire = r#"{"id":"abc","name":"w","tags":null,"subdomain":null,"references":{"domains":null},"new":1}"#;
        let worker: Worker = serde_json::from_str(wire).unwrap();
        assert!(worker.tags.is_empty() && !worker.subdomain.enabled);
    }
}
