use super::annotation;
use crate::{
    endpoint::{Endpoint, Repeat},
    ids::WorkerDeploymentId,
    paging::{ListEndpoint, Paging},
    wire::or_default,
};
use clodo_types::{AccountId, VersionId, WorkerName};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

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
    /// When Durable Objects get the new code.
    pub code_update: Option<CodeUpdate>,
}

/// When objects that run already get the new code of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodeUpdate {
    /// At once.
    Immediate,
    /// When they are idle, and after so many seconds at the latest.
    Deferred {
        /// Seconds.
        max_delay: u32,
    },
}

impl CodeUpdate {
    fn on_the_wire(self) -> Value {
        match self {
            Self::Immediate => json!({ "mode": "immediate" }),
            Self::Deferred { max_delay } => json!({ "mode": "deferred", "max_delay": max_delay }),
        }
    }
}

impl NewDeployment {
    /// All traffic to one version, heeding warnings.
    #[must_use]
    pub fn all_to(version: VersionId) -> Self {
        Self::new(TrafficSplit::all_to(version))
    }

    /// These shares of traffic, heeding warnings.
    #[must_use]
    pub fn new(split: TrafficSplit) -> Self {
        Self { split, message: None, caution: Caution::Heed, code_update: None }
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

const DEPLOYMENTS: &str = "/accounts/{account}/workers/scripts/{worker}/deployments";
const DEPLOYMENT: &str = "/accounts/{account}/workers/scripts/{worker}/deployments/{deployment}";

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
    if let Some(update) = new.code_update {
        body["code_update_strategy"] = update.on_the_wire();
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

/// One deployment.
#[must_use]
pub fn deployment(
    account: &AccountId,
    worker: &WorkerName,
    id: &WorkerDeploymentId,
) -> Endpoint<WorkerDeployment> {
    Endpoint::get(DEPLOYMENT).at("account", account).at("worker", worker).at("deployment", id)
}

/// Removes a deployment from the history; the one in force cannot be removed.
#[must_use]
pub fn delete_deployment(
    account: &AccountId,
    worker: &WorkerName,
    id: &WorkerDeploymentId,
) -> Endpoint<()> {
    Endpoint::delete(DEPLOYMENT).at("account", account).at("worker", worker).at("deployment", id)
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
}
