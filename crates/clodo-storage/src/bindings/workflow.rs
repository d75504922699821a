//! What `js/workflow.js` of clodo-workerd sends: a Worker's `env.MY_WORKFLOW`.
//!
//! One POST for each call, with a JSON body. Values are as they are kept.

use super::answer;
use crate::{
    Failure, InstanceId, InstanceOrder, InstanceStatus, InstanceTrigger, NewInstance, RestartFrom,
    StepKind, WorkflowError, WorkflowErrorKind, WorkflowRef, Workflows, workflow_duration,
};
use axum::{
    body::to_bytes,
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use clodo_types::{AccountId, WorkflowName};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

/// A full batch of the largest parameters.
const MAX_BODY: usize = 110 * 1024 * 1024;

#[derive(Debug, Deserialize)]
struct Create {
    instances: Vec<Wanted>,
}

#[derive(Debug, Deserialize)]
struct Wanted {
    id: Option<Value>,
    #[serde(default)]
    params: Value,
    retention: Option<RetentionWire>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RetentionWire {
    success_retention: Option<Value>,
    error_retention: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Order {
    id: String,
    order: String,
    #[serde(default)]
    rollback: bool,
    from: Option<From>,
}

#[derive(Debug, Deserialize)]
struct From {
    name: String,
    count: Option<u32>,
    #[serde(rename = "type")]
    kind: Option<StepKind>,
}

#[derive(Debug, Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    payload: Value,
}

#[derive(Debug, Deserialize)]
struct One {
    id: String,
}

#[derive(Debug, Deserialize)]
struct Many {
    ids: Vec<String>,
}

/// Answers a binding to the Workflow of this name.
pub(super) async fn serve(
    workflows: &Workflows,
    (account, name): (&AccountId, &WorkflowName),
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let asked = async {
        let body = to_bytes(body, MAX_BODY).await.map_err(|_| too_large())?;
        let at = workflows.named(account, name)?;
        answered(workflows, &at, parts.uri.path(), &body).await
    };
    match asked.await {
        Ok(value) => answer(&value),
        Err(error) => refused(&error),
    }
}

async fn answered(
    workflows: &Workflows,
    at: &WorkflowRef,
    path: &str,
    body: &[u8],
) -> Result<Value, WorkflowError> {
    match path {
        "/create" => create(workflows, at, read(body)?).await,
        "/get" => {
            let One { id } = read(body)?;
            workflows.instance(at, &id).await.map(|instance| json!({ "id": instance.id }))
        }
        "/status" => {
            let One { id } = read(body)?;
            status(workflows, at, &id).await
        }
        "/order" => {
            let order: Order = read(body)?;
            let id = order.id.clone();
            workflows.order(at, &id, checked(order)?).await.map(|_| Value::Null)
        }
        "/event" => {
            let Event { id, kind, payload } = read(body)?;
            workflows.send_event(at, &id, (&kind, payload)).await.map(|()| Value::Null)
        }
        "/delete" => {
            let Many { ids } = read(body)?;
            delete(workflows, at, ids).await
        }
        other => Err(invalid(format!("`{other}` is no call"))),
    }
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, WorkflowError> {
    serde_json::from_slice(body).map_err(|error| invalid(error.to_string()))
}

async fn create(
    workflows: &Workflows,
    at: &WorkflowRef,
    wanted: Create,
) -> Result<Value, WorkflowError> {
    let all: Vec<NewInstance> = wanted.instances.into_iter().map(new).collect::<Result<_, _>>()?;
    // An id that stands twice in a batch is made once; which one it is does not matter to anybody.
    let mut seen = BTreeSet::new();
    let twice: Vec<bool> = all.iter().map(|new| !seen.insert(new.id.clone())).collect();
    let ids: Vec<String> = all.iter().map(|new| new.id.as_str().to_owned()).collect();
    let made = workflows.start(at, all).await?;
    let outcome = |((id, made), twice): ((String, Result<_, WorkflowError>), bool)| match made {
        Ok(_) => Ok(json!({ "id": id })),
        Err(_) if twice => Ok(json!({
            "id": id, "code": 10415, "message": "workflows.api.error.instance.duplicate_in_batch",
        })),
        Err(error) if error.kind() == WorkflowErrorKind::Exists => Ok(json!({
            "id": id, "code": error.kind().code(),
            "message": "workflows.api.error.instance.already_exists",
        })),
        Err(error) => Err(error),
    };
    ids.into_iter().zip(made).zip(twice).map(outcome).collect()
}

fn new(wanted: Wanted) -> Result<NewInstance, WorkflowError> {
    let id = match wanted.id {
        None => InstanceId::random(),
        Some(Value::String(id)) => id.parse()?,
        Some(_) => {
            return Err(WorkflowError::new(WorkflowErrorKind::InvalidId, "Instance ID is invalid"));
        }
    };
    let retention = wanted.retention.unwrap_or_default();
    let mut new = NewInstance::new(id, wanted.params, InstanceTrigger::Binding);
    new.keep_success = kept(retention.success_retention.as_ref())?;
    new.keep_error = kept(retention.error_retention.as_ref())?;
    Ok(new)
}

fn kept(span: Option<&Value>) -> Result<Option<Duration>, WorkflowError> {
    let Some(span) = span.filter(|span| !span.is_null()) else { return Ok(None) };
    let valid = workflow_duration(span).filter(|span| !span.is_zero());
    valid.map(Some).ok_or_else(|| invalid(format!("`{span}` is not a time to keep an instance")))
}

async fn status(workflows: &Workflows, at: &WorkflowRef, id: &str) -> Result<Value, WorkflowError> {
    let instance = workflows.instance(at, id).await?;
    let mut status = json!({
        "status": instance.status.as_str(),
        "output": instance.output,
        "error": instance.error.as_ref().map(|Failure { name, message }| {
            json!({ "name": name, "message": message })
        }),
    });
    if let Some(well) =
        instance.rolled_back.filter(|_| instance.status != InstanceStatus::RollingBack)
    {
        let outcome = if well { "complete" } else { "failed" };
        status["rollback"] = json!({ "outcome": outcome, "error": null });
    }
    Ok(status)
}

fn checked(order: Order) -> Result<InstanceOrder, WorkflowError> {
    let from = order.from.map(|from| RestartFrom {
        kind: from.kind.unwrap_or(StepKind::Do),
        name: from.name,
        count: from.count.unwrap_or(1),
    });
    match order.order.as_str() {
        "pause" => Ok(InstanceOrder::Pause),
        "resume" => Ok(InstanceOrder::Resume),
        "terminate" => Ok(InstanceOrder::Terminate { rollback: order.rollback }),
        "restart" => Ok(InstanceOrder::Restart { from }),
        other => Err(invalid(format!("`{other}` is no order"))),
    }
}

async fn delete(
    workflows: &Workflows,
    at: &WorkflowRef,
    ids: Vec<String>,
) -> Result<Value, WorkflowError> {
    if !(1..=Workflows::MAX_BATCH).contains(&ids.len()) {
        return Err(invalid("between 1 and 100 instances can be deleted at a time"));
    }
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    let mut done = BTreeSet::new();
    for id in ids {
        match workflows.delete(at, &id).await {
            Ok(()) => deleted.push(json!({ "id": id })),
            Err(_) if done.contains(&id) => deleted.push(json!({ "id": id })),
            Err(error) if error.kind() == WorkflowErrorKind::NotFound => errors.push(json!({
                "id": id, "code": 10400, "message": "workflows.api.error.instance.not_found",
            })),
            Err(error) => return Err(error),
        }
        done.insert(id);
    }
    Ok(json!({ "deleted": deleted, "errors": errors }))
}

fn invalid(text: impl Into<String>) -> WorkflowError {
    WorkflowError::new(WorkflowErrorKind::Body, text)
}

fn too_large() -> WorkflowError {
    WorkflowError::new(WorkflowErrorKind::TooLarge, "the parameters are too large")
}

pub(super) fn refused(error: &WorkflowError) -> Response {
    let kind = error.kind();
    let status = StatusCode::from_u16(kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = json!({ "code": kind.code(), "message": error.to_string() });
    (status, answer(&body)).into_response()
}
