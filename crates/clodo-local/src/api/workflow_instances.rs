//! Instances of Workflows: made, listed, paused, ended, told of events.

use super::{
    call::{Call, Query, json as read_json},
    error::ApiError,
    reply::{Answer, Reply},
    workflow_steps,
    workflows::{RetentionWire, at, invalid, workflow},
};
use crate::state::ids::Moment;
use bytes::Bytes;
use clodo_storage::{
    Instance, InstanceFilter, InstanceId, InstanceOrder, InstanceStatus, InstanceTrigger,
    NewInstance, RestartFrom, StepKind, WorkflowError, WorkflowErrorKind, kept_value,
};
use clodo_types::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Debug, Default, Deserialize)]
struct Wire {
    instance_id: Option<String>,
    params: Option<Value>,
    instance_retention: Option<RetentionWire>,
}

#[derive(Debug, Deserialize)]
struct StatusWire {
    status: String,
    #[serde(default)]
    rollback: bool,
    from: Option<FromWire>,
}

#[derive(Debug, Deserialize)]
struct FromWire {
    name: String,
    count: Option<u32>,
    #[serde(rename = "type")]
    kind: Option<StepKind>,
}

#[derive(Debug, Deserialize)]
struct DeleteWire {
    instances: Vec<String>,
}

/// `GET …/instances?status=&date_start=&date_end=&page=&per_page=&cursor=&direction=`
pub(super) async fn list(call: Call) -> Answer {
    let query = &call.query;
    let moment = |name: &str| query.get(name).map(|text| instant(text, name)).transpose();
    let mut filter = InstanceFilter::default();
    filter.status = query.get("status").map(str::parse).transpose()?;
    filter.from = moment("date_start")?;
    filter.until = moment("date_end")?;
    filter.ascending = query.get("direction") == Some("asc");
    filter.limit = query.number("per_page").unwrap_or(50).clamp(1, 100);
    match query.get("cursor") {
        Some(cursor) => filter.after = Some(cursor.parse().map_err(|_| invalid("bad cursor"))?),
        None => filter.skip = (page(query) - 1).saturating_mul(filter.limit),
    }
    let per_page = filter.limit;
    let found = call.cx.data.workflows.list(&at(&call)?, filter).await?;
    let workflow = workflow(&call)?;
    let all: Vec<Value> =
        found.instances.iter().map(|instance| listed(instance, &workflow.id)).collect();
    let mut info = json!({
        "page": page(query),
        "per_page": per_page,
        "count": all.len(),
        "total_count": found.total,
        "total_pages": found.total.div_ceil(per_page),
    });
    if let Some(next) = found.next {
        info["cursor"] = json!(next.to_string());
    }
    Reply::with_info(&all, &info)
}

fn page(query: &Query) -> usize {
    query.number("page").unwrap_or(1).max(1)
}

/// A moment as ISO 8601 has it, in UTC where it says nothing else.
fn instant(text: &str, name: &str) -> Result<Timestamp, ApiError> {
    let parsed = text.parse::<jiff::Timestamp>().or_else(|_| format!("{text}Z").parse());
    let parsed = parsed.or_else(|_| format!("{text}T00:00:00Z").parse::<jiff::Timestamp>());
    let moment = parsed.map_err(|_| invalid(format!("`{name}` is not a moment")))?;
    Ok(Timestamp::from_millis(moment.as_millisecond()))
}

/// `POST …/instances`
pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    let wire: Wire = if body.is_empty() { Wire::default() } else { read_json(&body)? };
    let made = start(&call, vec![wire.checked()?]).await?.remove(0)?;
    Reply::ok(&shown(&made, &workflow(&call)?.id))
}

/// `POST …/instances/batch`: those whose ids are taken are passed over.
pub(super) async fn batch(call: Call, body: Bytes) -> Answer {
    let wires: Vec<Wire> = read_json(&body)?;
    let all = wires.into_iter().map(Wire::checked).collect::<Result<Vec<_>, _>>()?;
    let made = start(&call, all).await?;
    let id = &workflow(&call)?.id;
    let made: Vec<Value> = made.into_iter().flatten().map(|made| shown(&made, id)).collect();
    Reply::ok(&made)
}

async fn start(
    call: &Call,
    all: Vec<NewInstance>,
) -> Result<Vec<Result<Instance, WorkflowError>>, ApiError> {
    Ok(call.cx.data.workflows.start(&at(call)?, all).await?)
}

impl Wire {
    fn checked(self) -> Result<NewInstance, ApiError> {
        let id = match self.instance_id.as_deref() {
            Some(id) => id.parse()?,
            None => InstanceId::random(),
        };
        let mut new = NewInstance::new(id, params(self.params), InstanceTrigger::Api);
        let (success, error) = self.instance_retention.unwrap_or_default().checked()?;
        new.keep_success = success.map(Duration::from_millis);
        new.keep_error = error.map(Duration::from_millis);
        Ok(new)
    }
}

/// wrangler sends the value, the SDKs its JSON text.
fn params(given: Option<Value>) -> Value {
    let value = match given {
        None | Some(Value::Null) => json!({}),
        Some(Value::String(text)) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        Some(value) => value,
    };
    kept_value(&value)
}

/// `GET …/instances/{instance}?order=&simple=`
pub(super) async fn get(call: Call) -> Answer {
    let id = call.params.get("instance")?;
    let (instance, steps) = call.cx.data.workflows.history(&at(&call)?, id).await?;
    let simple = call.query.is_true("simple");
    let newest_first = call.query.get("order") == Some("desc");
    Reply::ok(&workflow_steps::logs(&instance, &steps, simple, newest_first))
}

/// `PATCH …/instances/{instance}/status`
pub(super) async fn set_status(call: Call, body: Bytes) -> Answer {
    let wire: StatusWire = read_json(&body)?;
    let order = wire.order()?;
    let id = call.params.get("instance")?;
    let status = call.cx.data.workflows.order(&at(&call)?, id, order).await?;
    Reply::ok(&json!({ "status": status.as_str(), "timestamp": call.state().now().to_string() }))
}

impl StatusWire {
    fn order(self) -> Result<InstanceOrder, ApiError> {
        let from = self.from.map(|from| RestartFrom {
            kind: from.kind.unwrap_or(StepKind::Do),
            name: from.name,
            count: from.count.unwrap_or(1),
        });
        match self.status.as_str() {
            "pause" => Ok(InstanceOrder::Pause),
            "resume" => Ok(InstanceOrder::Resume),
            "terminate" => Ok(InstanceOrder::Terminate { rollback: self.rollback }),
            "restart" => Ok(InstanceOrder::Restart { from }),
            other => {
                Err(invalid(format!("`{other}` is none of pause, resume, terminate, restart")))
            }
        }
    }
}

/// `POST …/instances/{instance}/events/{event}`: the body is the payload.
pub(super) async fn send_event(call: Call, body: Bytes) -> Answer {
    let payload: Value = if body.is_empty() { Value::Null } else { read_json(&body)? };
    let (id, kind) = (call.params.get("instance")?, call.params.get("event")?);
    let event = (kind, kept_value(&payload));
    call.cx.data.workflows.send_event(&at(&call)?, id, event).await?;
    Reply::ok(&json!({ "instanceId": id, "timestamp": call.state().now().to_string() }))
}

/// `POST …/instances/batch/delete`
pub(super) async fn delete_batch(call: Call, body: Bytes) -> Answer {
    let wire: DeleteWire = read_json(&body)?;
    if !(1..=clodo_storage::Workflows::MAX_BATCH).contains(&wire.instances.len()) {
        return Err(invalid("between 1 and 100 instances can be deleted at a time"));
    }
    let at = at(&call)?;
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for id in wire.instances {
        match call.cx.data.workflows.delete(&at, &id).await {
            Ok(()) => deleted.push(json!({ "id": id })),
            Err(error) if error.kind() == WorkflowErrorKind::NotFound => errors.push(json!({
                "id": id, "code": 10_400, "message": "workflows.api.error.instance.not_found",
            })),
            Err(error) => return Err(error.into()),
        }
    }
    Reply::ok(&json!({ "deleted": deleted, "errors": errors }))
}

/// `PUT …/instances/terminate?status=`: they are all over when it is answered.
pub(super) async fn terminate_all(call: Call) -> Answer {
    let only: Option<InstanceStatus> = call.query.get("status").map(str::parse).transpose()?;
    if only.is_some_and(InstanceStatus::is_over) {
        return Err(invalid("instances of that status are over already"));
    }
    let count = call.cx.data.workflows.terminate_all(&at(&call)?, only).await?;
    Reply::ok(&json!({ "status": "ok", "instancesTerminated": count }))
}

fn shown(instance: &Instance, workflow: &str) -> Value {
    json!({
        "id": instance.id,
        "status": instance.status.as_str(),
        "version_id": instance.version,
        "workflow_id": workflow,
        "trigger_source": instance.trigger.as_str(),
    })
}

fn listed(instance: &Instance, workflow: &str) -> Value {
    let moment = |at: Option<Timestamp>| at.map(|at| Moment::at(at).to_string());
    let mut listed = shown(instance, workflow);
    listed["created_on"] = json!(moment(Some(instance.created)));
    listed["modified_on"] = json!(moment(Some(instance.modified)));
    listed["started_on"] = json!(moment(instance.started));
    listed["ended_on"] = json!(moment(instance.ended));
    listed
}
