use super::InstanceStatus;
use crate::{
    endpoint::Endpoint,
    ids::InstanceId,
    wire::{open_enum, or_default},
};
use clodo_types::{AccountId, WorkflowName};
use serde::Deserialize;
use serde_json::Value;

open_enum! {
    /// What a step is.
    StepKind {
        /// `step.do`
        Step = "step",
        /// `step.sleep`
        Sleep = "sleep",
        /// `step.waitForEvent`
        WaitForEvent = "waitForEvent",
        /// What undid a step.
        Rollback = "rollback",
        /// Somebody ended the instance.
        Termination = "termination",
    }
}

/// An instance with its steps.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct InstanceLogs {
    /// What it is doing.
    pub status: InstanceStatus,
    /// The version of the Workflow that it was made with.
    #[serde(default, rename = "versionId")]
    pub version_id: Option<String>,
    /// What made it.
    #[serde(default, deserialize_with = "or_default")]
    pub trigger: Source,
    /// Its parameters.
    #[serde(default)]
    pub params: Value,
    /// What `run()` returned.
    #[serde(default)]
    pub output: Value,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<InstanceError>,
    /// Whether it ended well; `None` while it has not ended.
    #[serde(default)]
    pub success: Option<bool>,
    /// When it was made, in RFC 3339.
    #[serde(default)]
    pub queued: Option<String>,
    /// When it began, in RFC 3339.
    #[serde(default)]
    pub start: Option<String>,
    /// When it ended, in RFC 3339.
    #[serde(default)]
    pub end: Option<String>,
    /// How its steps were undone, if they were.
    #[serde(default)]
    pub rollback: Option<Rollback>,
    /// Its steps, in the order in which they were reached.
    #[serde(default, deserialize_with = "or_default")]
    pub steps: Vec<Step>,
}

/// What made something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Source {
    /// `api`, `binding`, `cron`, `event`, `unknown`.
    #[serde(default, deserialize_with = "or_default")]
    pub source: String,
}

/// Why an instance, a step or an attempt failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct InstanceError {
    /// The class of the error.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// What it says.
    #[serde(default, deserialize_with = "or_default")]
    pub message: String,
}

/// How steps were undone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Rollback {
    /// `complete` or `failed`.
    #[serde(default, deserialize_with = "or_default")]
    pub outcome: String,
}

/// A step; which fields it has depends on what it is.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Step {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: StepKind,
    /// As the code names it, `-`, and which of that name it is.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// When it was reached, in RFC 3339.
    #[serde(default)]
    pub start: Option<String>,
    /// When it ended or is to end, in RFC 3339.
    #[serde(default)]
    pub end: Option<String>,
    /// Whether it went well; `None` while it has not ended.
    #[serde(default)]
    pub success: Option<bool>,
    /// Of a sleep, and of what waits for an event.
    #[serde(default)]
    pub finished: Option<bool>,
    /// Its result, as JSON text that may be cut; [`step_output`] has all of it.
    #[serde(default)]
    pub output: Option<String>,
    /// Its settings.
    #[serde(default)]
    pub config: Value,
    /// The event that it waits for.
    #[serde(default)]
    pub event_type: Option<String>,
    /// Why it failed, where it has no attempts.
    #[serde(default)]
    pub error: Option<InstanceError>,
    /// Its attempts.
    #[serde(default, deserialize_with = "or_default")]
    pub attempts: Vec<StepAttempt>,
}

/// One attempt at a step.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct StepAttempt {
    /// In RFC 3339.
    #[serde(default)]
    pub start: Option<String>,
    /// In RFC 3339.
    #[serde(default)]
    pub end: Option<String>,
    /// Whether it went well; `None` while it has not ended.
    #[serde(default)]
    pub success: Option<bool>,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<InstanceError>,
}

/// A step's result in full.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct StepOutput {
    /// How far it is.
    pub status: InstanceStatus,
    /// The result.
    #[serde(default)]
    pub output: Value,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<InstanceError>,
}

/// An instance with its steps.
#[must_use]
pub fn logs(
    account: &AccountId,
    workflow: &WorkflowName,
    id: &InstanceId,
) -> Endpoint<InstanceLogs> {
    Endpoint::get("/accounts/{account}/workflows/{workflow}/instances/{instance}")
        .at("account", account)
        .at("workflow", workflow)
        .at("instance", id)
}

/// The result of a `step.do` in full, by its [`Step::name`]; one that gave a stream answers with
/// its bytes, which this cannot read.
#[must_use]
pub fn step_output(
    account: &AccountId,
    workflow: &WorkflowName,
    id: &InstanceId,
    name: &str,
) -> Endpoint<StepOutput> {
    Endpoint::get("/accounts/{account}/workflows/{workflow}/instances/{instance}/step")
        .at("account", account)
        .at("workflow", workflow)
        .at("instance", id)
        .with_query("type", "step")
        .with_query("name", name)
}
