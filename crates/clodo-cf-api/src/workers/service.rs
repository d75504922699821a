use super::Script;
use crate::{
    endpoint::Endpoint,
    paging::{ListEndpoint, Paging},
    wire::or_default,
};
use clodo_types::{AccountId, WorkerName};
use serde::Deserialize;
use serde_json::Value;

/// A Worker, as the calls of old environments show it.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Service {
    /// Its name.
    pub id: WorkerName,
    /// The environment that is meant when none is named: `production`.
    #[serde(default)]
    pub default_environment: Option<ServiceEnvironment>,
    /// All its environments.
    #[serde(default, deserialize_with = "or_default")]
    pub environments: Vec<ServiceEnvironment>,
    /// In RFC 3339.
    #[serde(default)]
    pub created_on: Option<String>,
    /// In RFC 3339.
    #[serde(default)]
    pub modified_on: Option<String>,
}

/// An environment of a Worker.
#[derive(Clone, Debug, Default, Deserialize)]
#[non_exhaustive]
pub struct ServiceEnvironment {
    /// Its name.
    #[serde(default, deserialize_with = "or_default")]
    pub environment: String,
    /// What runs there.
    #[serde(default)]
    pub script: Option<Script>,
    /// In RFC 3339.
    #[serde(default)]
    pub created_on: Option<String>,
    /// In RFC 3339.
    #[serde(default)]
    pub modified_on: Option<String>,
}

/// A Worker with its environments.
#[must_use]
pub fn service(account: &AccountId, worker: &WorkerName) -> Endpoint<Service> {
    Endpoint::get("/accounts/{account}/workers/services/{worker}")
        .at("account", account)
        .at("worker", worker)
}

/// One environment of a Worker; nearly all have only `production`.
#[must_use]
pub fn service_environment(
    account: &AccountId,
    worker: &WorkerName,
    environment: &str,
) -> Endpoint<ServiceEnvironment> {
    Endpoint::get("/accounts/{account}/workers/services/{worker}/environments/{environment}")
        .at("account", account)
        .at("worker", worker)
        .at("environment", environment)
}

/// Workers whose events a Worker receives, as they travel.
#[must_use]
pub fn tails_into(account: &AccountId, consumer: &WorkerName) -> ListEndpoint<Value> {
    let template = "/accounts/{account}/workers/tails/by-consumer/{worker}";
    ListEndpoint::new(template, Paging::Single).at("account", account).at("worker", consumer)
}
