//! Versions of a Worker, and which of them get traffic.

use crate::{
    binding::Binding,
    endpoint::{Endpoint, Repeat},
    ids::WorkerDeploymentId,
    paging::{ListEndpoint, Paging},
    upload::{UploadError, WorkerUpload},
    wire::or_default,
    workers::UPLOAD_TIME_LIMIT,
};
use clodo_types::{AccountId, VersionId, WorkerName};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
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

/// Which versions get traffic since when.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct WorkerDeployment {
    /// Its id.
    pub id: WorkerDeploymentId,
    /// In RFC 3339.
    #[serde(default)]
    pub created_on: String,
    /// `wrangler`, `api`, `dash` …
    #[serde(default)]
    pub source: Option<String>,
    /// Their address.
    #[serde(default)]
    pub author_email: Option<String>,
    /// `workers/message` and the like.
    #[serde(default, deserialize_with = "or_default")]
    pub annotations: BTreeMap<String, Value>,
    /// The shares of traffic.
    #[serde(default, deserialize_with = "or_default")]
    pub versions: Vec<Share>,
}

impl WorkerDeployment {
    /// What its maker wrote about it.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        annotation(&self.annotations, "workers/message")
    }
}

/// A version's share of traffic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The version.
    pub version_id: VersionId,
    /// From 0 to 100.
    #[serde(serialize_with = "whole_if_possible")]
    pub percentage: f64,
}

/// `100`, not `100.0`, as every other client writes it.
fn whole_if_possible<S: serde::Serializer>(number: &f64, to: S) -> Result<S::Ok, S::Error> {
    let whole = (0_u8..=100).find(|whole| f64::from(*whole) == *number);
    match whole {
        Some(whole) => to.serialize_u8(whole),
        None => to.serialize_f64(*number),
    }
}

/// Shares of traffic that Cloudflare accepts.
#[derive(Clone, Debug, PartialEq)]
pub struct TrafficSplit(Vec<Share>);

/// Shares that Cloudflare refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "traffic goes to one or two different versions whose shares are 0 to 100 and sum up to 100"
)]
pub struct TrafficSplitError;

impl TrafficSplit {
    /// All traffic to one version.
    #[must_use]
    pub fn all_to(version: VersionId) -> Self {
        Self(vec![Share { version_id: version, percentage: 100.0 }])
    }

    /// These shares.
    ///
    /// # Errors
    /// Unless one or two different versions share 100 percent.
    pub fn new(shares: Vec<Share>) -> Result<Self, TrafficSplitError> {
        let fits = |share: &Share| (0.0..=100.0).contains(&share.percentage);
        let sum: f64 = shares.iter().map(|share| share.percentage).sum();
        let different = match &shares[..] {
            [_] => true,
            [a, b] => a.version_id != b.version_id,
            _ => false,
        };
        // Shares have at most two digits behind the point; this only forgives the binary form.
        if different && shares.iter().all(fits) && (sum - 100.0).abs() < 1e-6 {
            return Ok(Self(shares));
        }
        Err(TrafficSplitError)
    }

    /// The shares.
    #[must_use]
    pub fn shares(&self) -> &[Share] {
        &self.0
    }
}

/// A deployment to make.
#[derive(Clone, Debug, PartialEq)]
pub struct NewDeployment {
    /// The shares of traffic.
    pub split: TrafficSplit,
    /// `workers/message`: what a person reads about it.
    pub message: Option<String>,
    /// Whether it may pass over warnings.
    pub caution: Caution,
}

impl NewDeployment {
    /// All traffic to one version, heeding warnings.
    #[must_use]
    pub fn all_to(version: VersionId) -> Self {
        Self { split: TrafficSplit::all_to(version), message: None, caution: Caution::Heed }
    }

    /// Sets what a person reads about it.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }
}

/// Whether a deployment may pass over what Cloudflare warns of, such as changed secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caution {
    /// Refuse.
    Heed,
    /// Deploy all the same.
    Override,
}

const VERSIONS: &str = "/accounts/{account}/workers/scripts/{worker}/versions";
const DEPLOYMENTS: &str = "/accounts/{account}/workers/scripts/{worker}/deployments";

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

/// Deployments, newest first; the first one is in force.
#[must_use]
pub fn list_deployments(
    account: &AccountId,
    worker: &WorkerName,
) -> ListEndpoint<WorkerDeployment> {
    ListEndpoint::new(DEPLOYMENTS, Paging::Single)
        .within("deployments")
        .at("account", account)
        .at("worker", worker)
}

/// Sends traffic to versions. Twice gives the same traffic and two entries in the history.
#[must_use]
pub fn deploy(
    account: &AccountId,
    worker: &WorkerName,
    new: &NewDeployment,
) -> Endpoint<WorkerDeployment> {
    let mut body = json!({ "strategy": "percentage", "versions": new.split.shares() });
    if let Some(message) = &new.message {
        body["annotations"] = json!({ "workers/message": message });
    }
    let endpoint = Endpoint::new(Method::POST, DEPLOYMENTS, Repeat::Safe)
        .at("account", account)
        .at("worker", worker)
        .with_json(&body);
    match new.caution {
        Caution::Heed => endpoint,
        Caution::Override => endpoint.with_query("force", true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(shares: &[(u32, f64)], fits: bool) {
        let share = |(version, percentage): &(u32, f64)| Share {
            version_id: format!("018f3c5e-0000-7000-8000-{version:012}").parse().unwrap(),
            percentage: *percentage,
        };
        let split = TrafficSplit::new(shares.iter().map(share).collect());
        assert_eq!(split.is_ok(), fits, "{shares:?}");
    }

    #[test]
    fn traffic_is_shared_as_cloudflare_allows() {
        check(&[(1, 100.0)], true);
        check(&[(1, 90.0), (2, 10.0)], true);
        check(&[(1, 99.9), (2, 0.1)], true);
        check(&[(1, 100.0), (2, 0.0)], true);
        check(&[], false);
        check(&[(1, 90.0)], false);
        check(&[(1, 50.0), (1, 50.0)], false);
        check(&[(1, 150.0), (2, -50.0)], false);
        check(&[(1, f64::NAN)], false);
        check(&[(1, 30.0), (2, 30.0), (3, 40.0)], false);
    }

    #[test]
    fn whole_shares_travel_as_whole_numbers() {
        let shares = |percentages: [f64; 2]| {
            let share = |(version, percentage)| {
                let id = format!("018f3c5e-0000-7000-8000-{version:012}");
                Share { version_id: id.parse().unwrap(), percentage }
            };
            let split = TrafficSplit::new((1..).zip(percentages).map(share).collect()).unwrap();
            split.shares().iter().map(|share| json!(share)["percentage"].to_string()).collect()
        };
        let read: Vec<String> = shares([90.0, 10.0]);
        assert_eq!(read, ["90", "10"]);
        let read: Vec<String> = shares([99.5, 0.5]);
        assert_eq!(read, ["99.5", "0.5"]);
    }

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
