//! Versions of a Worker, and which of them get traffic.
//!
//! # Example
//! ```
#![doc = include_str!("../../docs/versions.rs")]
//! ```
#![doc = include_str!("../../docs/versions.md")]

mod change;
mod deployments;

pub use change::{ChangedVersion, VersionChange, patch_latest_version};
pub use deployments::{
    Caution, CodeUpdate, NewDeployment, Share, TrafficSplit, TrafficSplitError, WorkerDeployment,
    delete_deployment, deploy, deployment, list_deployments,
};

use crate::{
    binding::Binding,
    endpoint::{Endpoint, Repeat},
    paging::{ListEndpoint, Paging},
    upload::{UploadError, WorkerUpload},
    wire::or_default,
    workers::UPLOAD_TIME_LIMIT,
};
use clodo_types::{AccountId, VersionId, WorkerName};
use http::Method;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A version. Listings leave `resources` out.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Version {
    /// Its id.
    pub id: VersionId,
    /// Counts up from 1.
    #[serde(default)]
    pub number: u64,
    /// Who made it, when.
    #[serde(default, deserialize_with = "or_default")]
    pub metadata: VersionMetadata,
    /// `workers/message` and the like.
    #[serde(default, deserialize_with = "or_default")]
    pub annotations: BTreeMap<String, Value>,
    /// What it is made of.
    #[serde(default)]
    pub resources: Option<VersionResources>,
    /// How long its start took.
    #[serde(default)]
    pub startup_time_ms: Option<u64>,
}

impl Version {
    /// What its maker wrote about it.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        annotation(&self.annotations, "workers/message")
    }

    /// The name that its maker gave it.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        annotation(&self.annotations, "workers/tag")
    }

    /// What made it: `upload`, `secret`, `rollback` …
    #[must_use]
    pub fn triggered_by(&self) -> Option<&str> {
        annotation(&self.annotations, "workers/triggered_by")
    }
}

fn annotation<'a>(all: &'a BTreeMap<String, Value>, name: &str) -> Option<&'a str> {
    all.get(name)?.as_str()
}

/// Who made a version, when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct VersionMetadata {
    /// In RFC 3339.
    #[serde(default, deserialize_with = "or_default")]
    pub created_on: String,
    /// `wrangler`, `api`, `dash` …
    #[serde(default)]
    pub source: Option<String>,
    /// Their address.
    #[serde(default)]
    pub author_email: Option<String>,
    /// Whether it has a preview URL.
    #[serde(default, deserialize_with = "or_default")]
    pub has_preview: bool,
}

/// What a version is made of.
#[derive(Clone, Debug, Default, Deserialize)]
#[non_exhaustive]
pub struct VersionResources {
    /// Its code.
    #[serde(default, deserialize_with = "or_default")]
    pub script: VersionScript,
    /// Its bindings; secrets without their text.
    #[serde(default, deserialize_with = "or_default")]
    pub bindings: Vec<Binding>,
    /// How it runs.
    #[serde(default, deserialize_with = "or_default")]
    pub script_runtime: VersionRuntime,
}

/// A version's code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct VersionScript {
    /// Changes with the content.
    #[serde(default)]
    pub etag: Option<String>,
    /// The events that it handles.
    #[serde(default, deserialize_with = "or_default")]
    pub handlers: Vec<String>,
}

/// How a version runs.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct VersionRuntime {
    /// `YYYY-MM-DD`.
    #[serde(default)]
    pub compatibility_date: Option<String>,
    /// Flags of the runtime.
    #[serde(default, deserialize_with = "or_default")]
    pub compatibility_flags: Vec<String>,
    /// As they travel.
    #[serde(default)]
    pub limits: Option<Value>,
    /// The last migration of Durable Objects.
    #[serde(default)]
    pub migration_tag: Option<String>,
}

const VERSIONS: &str = "/accounts/{account}/workers/scripts/{worker}/versions";

/// Versions, newest first.
#[must_use]
pub fn list_versions(account: &AccountId, worker: &WorkerName) -> ListEndpoint<Version> {
    ListEndpoint::new(VERSIONS, Paging::Numbered { per_page: 100 })
        .within("items")
        .at("account", account)
        .at("worker", worker)
}

/// The versions that can still get traffic, newest first.
#[must_use]
pub fn list_deployable_versions(account: &AccountId, worker: &WorkerName) -> ListEndpoint<Version> {
    let list = ListEndpoint::new(VERSIONS, Paging::Single).within("items");
    list.at("account", account).at("worker", worker).with_query("deployable", true)
}

/// One version with its resources.
#[must_use]
pub fn version(account: &AccountId, worker: &WorkerName, version: &VersionId) -> Endpoint<Version> {
    Endpoint::get("/accounts/{account}/workers/scripts/{worker}/versions/{version}")
        .at("account", account)
        .at("worker", worker)
        .at("version", version)
}

/// Uploads a version that gets no traffic yet. It makes a new one each time: give it a message
/// that can be looked up.
///
/// # Errors
/// When the upload contradicts itself or cannot be written.
pub fn upload_version(
    account: &AccountId,
    worker: &WorkerName,
    upload: &WorkerUpload,
) -> Result<Endpoint<Version>, UploadError> {
    let endpoint = Endpoint::new(Method::POST, VERSIONS, Repeat::LookUp)
        .at("account", account)
        .at("worker", worker)
        .with_query("bindings_inherit", "strict")
        .with_time_limit(UPLOAD_TIME_LIMIT);
    Ok(endpoint.with_form(upload.to_form()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_with_strange_parts_is_read() {
        let wire = r#"{"id":"018f3c5e-0000-7000-8000-000000000000","number":3,
            "annotations":{"workers/message":"m","workers/odd":7},"metadata":null,
            "resources":{"bindings":[{"name":"A","type":"teleporter"}],"script":null}}"#;
        let version: Version = serde_json::from_str(wire).unwrap();
        assert_eq!((version.message(), version.tag()), (Some("m"), None));
        assert_eq!(version.resources.unwrap().bindings[0].name(), "A");
    }
}
