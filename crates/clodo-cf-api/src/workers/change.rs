use super::Worker;
use crate::{
    endpoint::{Endpoint, Repeat},
    triggers::SubdomainChange,
    upload::Observability,
};
use clodo_types::{AccountId, WorkerName};
use http::Method;
use serde::Serialize;
use serde_json::{Map, Value};

/// A Worker to make, without code. What is left out is Cloudflare's choice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NewWorker {
    /// Its name.
    pub name: WorkerName,
    /// What belongs to no version.
    #[serde(flatten)]
    pub settings: WorkerChange,
}

impl NewWorker {
    /// A Worker of this name.
    #[must_use]
    pub fn named(name: WorkerName) -> Self {
        Self { name, settings: WorkerChange::default() }
    }
}

/// What of a Worker belongs to no version. A change leaves out what it does not mean.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct WorkerChange {
    /// All its tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Whether events go to Logpush.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logpush: Option<bool>,
    /// What is recorded of its invocations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observability: Option<Observability>,
    /// Where it answers below `workers.dev`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subdomain: Option<SubdomainChange>,
    /// Workers that receive this one's events, as `{"name": …}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tail_consumers: Option<Vec<Value>>,
    /// What this crate has no field for, or that is to travel as it is.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

const WORKERS: &str = "/accounts/{account}/workers/workers";
const WORKER: &str = "/accounts/{account}/workers/workers/{worker}";

/// Makes a Worker without code.
#[must_use]
pub fn create_worker(account: &AccountId, new: &NewWorker) -> Endpoint<Worker> {
    Endpoint::new(Method::POST, WORKERS, Repeat::LookUp).at("account", account).with_json(new)
}

/// Changes a Worker; makes no version.
#[must_use]
pub fn patch_worker(
    account: &AccountId,
    worker: &WorkerName,
    change: &WorkerChange,
) -> Endpoint<Worker> {
    Endpoint::new(Method::PATCH, WORKER, Repeat::Safe)
        .at("account", account)
        .at("worker", worker)
        .with_json(change)
}

/// Sets what of a Worker belongs to no version; what is left out gets its usual value.
#[must_use]
pub fn put_worker(account: &AccountId, worker: &WorkerName, to: &NewWorker) -> Endpoint<Worker> {
    Endpoint::new(Method::PUT, WORKER, Repeat::Safe)
        .at("account", account)
        .at("worker", worker)
        .with_json(to)
}
