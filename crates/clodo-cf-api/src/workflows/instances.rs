use crate::{
    endpoint::{Endpoint, Repeat},
    ids::InstanceId,
    paging::{ListEndpoint, Paging},
    wire::{open_enum, or_default},
};
use clodo_types::{AccountId, WorkflowName};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

open_enum! {
    /// What an instance is doing.
    InstanceStatus {
        /// It has not begun.
        Queued = "queued",
        /// It runs.
        Running = "running",
        /// Somebody paused it.
        Paused = "paused",
        /// It failed.
        Errored = "errored",
        /// Somebody ended it.
        Terminated = "terminated",
        /// It ended well.
        Complete = "complete",
        /// It is to be paused when the step that runs has ended.
        WaitingForPause = "waitingForPause",
        /// It sleeps, or waits for an event.
        Waiting = "waiting",
        /// It undoes its steps.
        RollingBack = "rollingBack",
    }
}

/// An instance, as lists have it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// What it is doing.
    pub status: InstanceStatus,
    /// The version of the Workflow that it was made with.
    #[serde(default)]
    pub version_id: Option<String>,
    /// What made it: `api`, `binding`, `cron`, `event`.
    #[serde(default)]
    pub trigger_source: Option<String>,
    /// In RFC 3339.
    #[serde(default)]
    pub created_on: Option<String>,
    /// In RFC 3339.
    #[serde(default)]
    pub started_on: Option<String>,
    /// In RFC 3339.
    #[serde(default)]
    pub ended_on: Option<String>,
}

/// How long an instance is kept after its end, in milliseconds or as `5 minutes`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Retention {
    /// When it ended well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success_retention: Option<Value>,
    /// When it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_retention: Option<Value>,
}

/// An instance to make.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewInstance {
    /// Its id; without one Cloudflare makes one up, and the call cannot be repeated.
    pub id: Option<InstanceId>,
    /// What `run()` finds in `event.payload`.
    pub params: Option<Value>,
    /// How long it is kept.
    pub retention: Option<Retention>,
}

impl NewInstance {
    fn wire(&self) -> Value {
        let mut wire = json!({});
        if let Some(id) = &self.id {
            wire["instance_id"] = json!(id);
        }
        if let Some(params) = &self.params {
            wire["params"] = params.clone();
        }
        if let Some(retention) = &self.retention {
            wire["instance_retention"] = json!(retention);
        }
        wire
    }
}

/// What is to become of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstanceOrder {
    /// Go no further.
    Pause,
    /// Go on.
    Resume,
    /// End.
    Terminate,
    /// Undo the steps, and end.
    RollBack,
    /// Begin again, or go back to a step.
    Restart(Option<RestartFrom>),
}

/// The step that an instance goes back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RestartFrom {
    /// As the code names it.
    pub name: String,
    /// Which of that name; the first is 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// `do`, `sleep` or `waitForEvent`; without it `do`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// What an instance is doing after an order.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct InstanceState {
    /// What.
    pub status: InstanceStatus,
}

/// What became of instances that were to be deleted.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct BatchDeleted {
    /// Those that are gone.
    #[serde(default, deserialize_with = "or_default")]
    pub deleted: Vec<Refused>,
    /// Those that could not be deleted.
    #[serde(default, deserialize_with = "or_default")]
    pub errors: Vec<Refused>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Refused {
    /// Its id, whatever was asked for.
    pub id: String,
    /// Why not.
    #[serde(default)]
    pub code: Option<u32>,
    /// Why not, in words.
    #[serde(default)]
    pub message: Option<String>,
}

/// What became of instances that were to be ended.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Terminated {
    /// `ok`, or that an earlier call is still at it.
    #[serde(default, deserialize_with = "or_default")]
    pub status: String,
}

const INSTANCES: &str = "/accounts/{account}/workflows/{workflow}/instances";

fn at<T>(endpoint: Endpoint<T>, account: &AccountId, workflow: &WorkflowName) -> Endpoint<T> {
    endpoint.at("account", account).at("workflow", workflow)
}

/// The instances of a Workflow, newest first; with a status only those.
#[must_use]
pub fn list_instances(
    account: &AccountId,
    workflow: &WorkflowName,
    status: Option<&InstanceStatus>,
) -> ListEndpoint<Instance> {
    let list = ListEndpoint::new(INSTANCES, Paging::Numbered { per_page: 100 })
        .at("account", account)
        .at("workflow", workflow);
    match status {
        Some(status) => list.with_query("status", status),
        None => list,
    }
}

/// Makes an instance. One with an id is refused when it is there: look before repeating it.
#[must_use]
pub fn create_instance(
    account: &AccountId,
    workflow: &WorkflowName,
    new: &NewInstance,
) -> Endpoint<Instance> {
    let repeat = if new.id.is_some() { Repeat::LookUp } else { Repeat::Never };
    at(Endpoint::new(Method::POST, INSTANCES, repeat), account, workflow).with_json(&new.wire())
}

/// Makes up to a hundred instances; those whose ids are taken are passed over.
#[must_use]
pub fn create_instances(
    account: &AccountId,
    workflow: &WorkflowName,
    new: &[NewInstance],
) -> Endpoint<Vec<Instance>> {
    let template = "/accounts/{account}/workflows/{workflow}/instances/batch";
    let all: Vec<Value> = new.iter().map(NewInstance::wire).collect();
    at(Endpoint::new(Method::POST, template, Repeat::Never), account, workflow).with_json(&all)
}

/// Deletes up to a hundred instances.
#[must_use]
pub fn delete_instances(
    account: &AccountId,
    workflow: &WorkflowName,
    ids: &[InstanceId],
) -> Endpoint<BatchDeleted> {
    let template = "/accounts/{account}/workflows/{workflow}/instances/batch/delete";
    at(Endpoint::new(Method::POST, template, Repeat::Never), account, workflow)
        .with_json(&json!({ "instances": ids }))
}

/// Ends every instance that is not over.
#[must_use]
pub fn terminate_instances(account: &AccountId, workflow: &WorkflowName) -> Endpoint<Terminated> {
    let template = "/accounts/{account}/workflows/{workflow}/instances/terminate";
    at(Endpoint::new(Method::PUT, template, Repeat::Safe), account, workflow)
}

/// Does something to an instance. Only a pause can be repeated: another order is refused when it
/// was done already, or is done twice.
#[must_use]
pub fn order(
    account: &AccountId,
    workflow: &WorkflowName,
    id: &InstanceId,
    order: &InstanceOrder,
) -> Endpoint<InstanceState> {
    let (repeat, body) = match order {
        InstanceOrder::Pause => (Repeat::Safe, json!({ "status": "pause" })),
        InstanceOrder::Resume => (Repeat::Never, json!({ "status": "resume" })),
        InstanceOrder::Terminate => (Repeat::Never, json!({ "status": "terminate" })),
        InstanceOrder::RollBack => {
            (Repeat::Never, json!({ "status": "terminate", "rollback": true }))
        }
        InstanceOrder::Restart(None) => (Repeat::Never, json!({ "status": "restart" })),
        InstanceOrder::Restart(Some(from)) => {
            (Repeat::Never, json!({ "status": "restart", "from": from }))
        }
    };
    let template = "/accounts/{account}/workflows/{workflow}/instances/{instance}/status";
    at(Endpoint::new(Method::PATCH, template, repeat), account, workflow)
        .at("instance", id)
        .with_json(&body)
}

/// Sends an event to an instance; twice is two events.
#[must_use]
pub fn send_event(
    account: &AccountId,
    workflow: &WorkflowName,
    id: &InstanceId,
    (kind, payload): (&str, &Value),
) -> Endpoint<Value> {
    let template = "/accounts/{account}/workflows/{workflow}/instances/{instance}/events/{event}";
    at(Endpoint::new(Method::POST, template, Repeat::Never), account, workflow)
        .at("instance", id)
        .at("event", kind)
        .with_json(payload)
}
