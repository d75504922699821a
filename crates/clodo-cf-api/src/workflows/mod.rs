//! Workflows: what is registered, and its instances.

mod instances;
mod steps;

pub use instances::{
    BatchDeleted, Instance, InstanceOrder, InstanceState, InstanceStatus, NewInstance, Refused,
    RestartFrom, Retention, Terminated, create_instance, create_instances, delete_instances,
    list_instances, order, send_event, terminate_instances,
};
pub use steps::{
    InstanceError, InstanceLogs, Rollback, Source, Step, StepAttempt, StepKind, StepOutput, logs,
    step_output,
};

use crate::{
    endpoint::{Endpoint, Repeat},
    paging::{ListEndpoint, Paging},
    wire::{counts, or_default},
};
use clodo_types::{AccountId, WorkerName, WorkflowId, WorkflowName};
use http::Method;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A Workflow.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Workflow {
    /// Its id.
    pub id: WorkflowId,
    /// Its name, by which calls name it.
    pub name: WorkflowName,
    /// The class that a Worker exports.
    #[serde(default, deserialize_with = "or_default")]
    pub class_name: String,
    /// The Worker.
    #[serde(default, deserialize_with = "or_default")]
    pub script_name: String,
    /// In RFC 3339.
    #[serde(default)]
    pub created_on: Option<String>,
    /// In RFC 3339.
    #[serde(default)]
    pub modified_on: Option<String>,
    /// When an instance was made last, in RFC 3339.
    #[serde(default)]
    pub triggered_on: Option<String>,
    /// How many instances have which status.
    #[serde(default, deserialize_with = "counts")]
    pub instances: BTreeMap<String, u64>,
    /// When instances are made by themselves.
    #[serde(default, deserialize_with = "or_default")]
    pub schedules: Vec<WorkflowSchedule>,
    /// The newest version, where an answer says it.
    #[serde(default)]
    pub version_id: Option<String>,
    /// Whether the Worker is gone.
    #[serde(default, deserialize_with = "or_default")]
    pub script_deleted: bool,
}

/// When a Workflow makes an instance by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowSchedule {
    /// The expression.
    pub cron: String,
    /// The next time, in RFC 3339.
    #[serde(default, skip_serializing)]
    pub next_instance: Option<String>,
}

/// What a Workflow is to be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorkflowRegistration {
    /// The Worker that exports the class.
    pub script_name: WorkerName,
    /// The class.
    pub class_name: String,
    /// What an instance may do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<WorkflowLimits>,
    /// How many instances run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<WorkflowConcurrency>,
    /// How long instances are kept that do not say so themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_retention: Option<Retention>,
    /// When instances are made by themselves; without any, never.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<WorkflowSchedule>,
}

impl WorkflowRegistration {
    /// A class of a Worker, with Cloudflare's choice of everything else.
    #[must_use]
    pub fn new(worker: WorkerName, class: impl Into<String>) -> Self {
        Self {
            script_name: worker,
            class_name: class.into(),
            limits: None,
            concurrency: None,
            default_retention: None,
            schedules: Vec::new(),
        }
    }
}

/// What an instance may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowLimits {
    /// How many steps it may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<u32>,
}

/// How many instances run at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowConcurrency {
    /// The most; others wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// What a Workflow was from one registration to the next.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct WorkflowVersion {
    /// Its id.
    pub id: String,
    /// The class that a Worker exports.
    #[serde(default, deserialize_with = "or_default")]
    pub class_name: String,
    /// In RFC 3339.
    #[serde(default)]
    pub created_on: Option<String>,
    /// What an instance may do.
    #[serde(default, deserialize_with = "or_default")]
    pub limits: WorkflowLimits,
    /// How many instances run at once.
    #[serde(default, deserialize_with = "or_default")]
    pub concurrency: WorkflowConcurrency,
}

pub(crate) const WORKFLOWS: &str = "/accounts/{account}/workflows";
pub(crate) const WORKFLOW: &str = "/accounts/{account}/workflows/{workflow}";

/// Every Workflow of an account.
#[must_use]
pub fn list_workflows(account: &AccountId) -> ListEndpoint<Workflow> {
    ListEndpoint::new(WORKFLOWS, Paging::Numbered { per_page: 100 }).at("account", account)
}

/// One Workflow.
#[must_use]
pub fn workflow(account: &AccountId, name: &WorkflowName) -> Endpoint<Workflow> {
    Endpoint::get(WORKFLOW).at("account", account).at("workflow", name)
}

/// Registers a Workflow, or gives it a new version; each call makes one.
#[must_use]
pub fn put_workflow(
    account: &AccountId,
    name: &WorkflowName,
    to: &WorkflowRegistration,
) -> Endpoint<Workflow> {
    let endpoint = Endpoint::new(Method::PUT, WORKFLOW, Repeat::Never);
    endpoint.at("account", account).at("workflow", name).with_json(to)
}

/// Removes a Workflow with its instances; the Worker stays.
#[must_use]
pub fn delete_workflow(account: &AccountId, name: &WorkflowName) -> Endpoint<()> {
    Endpoint::delete(WORKFLOW).at("account", account).at("workflow", name)
}

/// The versions of a Workflow, newest first.
#[must_use]
pub fn list_versions(account: &AccountId, name: &WorkflowName) -> ListEndpoint<WorkflowVersion> {
    let template = "/accounts/{account}/workflows/{workflow}/versions";
    ListEndpoint::new(template, Paging::Numbered { per_page: 100 })
        .at("account", account)
        .at("workflow", name)
}

/// One version of a Workflow.
#[must_use]
pub fn version(account: &AccountId, name: &WorkflowName, id: &str) -> Endpoint<WorkflowVersion> {
    Endpoint::get("/accounts/{account}/workflows/{workflow}/versions/{version}")
        .at("account", account)
        .at("workflow", name)
        .at("version", id)
}
