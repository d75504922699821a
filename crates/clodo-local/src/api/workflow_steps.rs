//! The logs of an instance: its steps, their attempts and results.

use super::{
    call::Call,
    error::ApiError,
    reply::Reply,
    workflows::{at, invalid},
};
use crate::state::ids::Moment;
use axum::{
    body::Body,
    response::{IntoResponse as _, Response},
};
use clodo_storage::{
    Attempt, Failure, Instance, InstanceStatus, StepKind, StepRecord, StepState, WorkflowError,
    WorkflowRef, Workflows, shown_value,
};
use clodo_types::Timestamp;
use serde_json::{Value, json};

/// What a log shows of a result; `GET …/step` shows all of it.
const PREVIEW: usize = 10_000;
const REDACTED: &str = "[REDACTED]";

fn moment(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| json!(Moment::at(at).to_string()))
}

fn shown_error(error: Option<&Failure>) -> Value {
    error.map_or(Value::Null, |error| json!({ "name": error.name, "message": error.message }))
}

/// `GET …/instances/{instance}`.
pub(super) fn logs(
    instance: &Instance,
    steps: &[StepRecord],
    simple: bool,
    newest_first: bool,
) -> Value {
    let mut logged: Vec<Value> = steps.iter().map(step).collect();
    if instance.status == InstanceStatus::Terminated {
        logged.push(json!({ "type": "termination", "trigger": { "source": "unknown" } }));
    }
    let count = logged.len();
    if newest_first {
        logged.reverse();
    }
    let rollback = instance
        .rolled_back
        .map(|well| json!({ "outcome": if well { "complete" } else { "failed" }, "error": null }));
    let mut logs = json!({
        "status": instance.status.as_str(),
        "params": shown_value(&instance.params),
        "trigger": { "source": instance.trigger.as_str() },
        "versionId": instance.version,
        "queued": moment(Some(instance.created)),
        "start": moment(instance.started),
        "end": moment(instance.ended),
        "success": success(instance),
        "error": shown_error(instance.error.as_ref()),
        "output": instance.output.as_ref().map(shown_value),
        "rollback": rollback,
        "step_count": count,
        "steps": if simple { Vec::new() } else { logged },
    });
    if let Some(schedule) = &instance.schedule {
        logs["schedule"] = json!(schedule);
    }
    logs
}

fn success(instance: &Instance) -> Option<bool> {
    match instance.status {
        InstanceStatus::Complete => Some(true),
        status if status.is_over() => Some(false),
        _ => None,
    }
}

/// As the code names it, and which of that name it is.
fn full_name(step: &StepRecord) -> String {
    format!("{}-{}", step.name, step.count)
}

fn step(step: &StepRecord) -> Value {
    let mut shown = json!({
        "name": full_name(step),
        "start": moment(Some(step.started)),
        "end": moment(step.ended),
    });
    let rest = match step.kind {
        StepKind::Do | StepKind::Rollback => json!({
            "type": if step.kind == StepKind::Do { "step" } else { "rollback" },
            "attempts": step.attempts.iter().map(attempt).collect::<Vec<_>>(),
            "config": step.config,
            "output": preview(step),
            "success": match step.state {
                StepState::Complete => Some(true),
                StepState::Errored => Some(false),
                StepState::Running | StepState::Waiting => None,
            },
        }),
        StepKind::Sleep => json!({
            "type": "sleep",
            // When it is to end, while it has not.
            "end": moment(step.ended.or(step.due)),
            "finished": step.state == StepState::Complete,
            "error": shown_error(step.error.as_ref()),
        }),
        StepKind::WaitForEvent => json!({
            "type": "waitForEvent",
            "event_type": step.event,
            "end": moment(step.ended.or(step.due)),
            "finished": matches!(step.state, StepState::Complete | StepState::Errored),
            "error": shown_error(step.error.as_ref()),
            "output": preview(step),
        }),
    };
    if let (Some(shown), Value::Object(rest)) = (shown.as_object_mut(), rest) {
        shown.extend(rest);
    }
    shown
}

fn attempt(attempt: &Attempt) -> Value {
    let success = attempt.ended.map(|_| attempt.error.is_none());
    json!({
        "start": moment(Some(attempt.started)),
        "end": moment(attempt.ended),
        "success": success,
        "error": shown_error(attempt.error.as_ref()),
    })
}

/// The whole result; of an event its payload.
fn result(step: &StepRecord) -> Option<Value> {
    if step.config["sensitive"] == "output" && step.state == StepState::Complete {
        return Some(json!(REDACTED));
    }
    let output = step.output.as_ref()?;
    let output = if step.kind == StepKind::WaitForEvent { &output["payload"] } else { output };
    Some(shown_value(output))
}

/// A result as JSON text, cut where it is long.
fn preview(step: &StepRecord) -> Option<String> {
    if let Some(length) = step.stream {
        return Some(format!("[ReadableStream: {length} bytes]"));
    }
    let text = match result(step)? {
        Value::Null => return None,
        Value::String(redacted) if redacted == REDACTED => redacted,
        value => value.to_string(),
    };
    let cut = text.char_indices().nth(PREVIEW).map_or(text.len(), |(at, _)| at);
    let more = if cut < text.len() { "[truncated output]" } else { "" };
    Some(format!("{}{more}", &text[..cut]))
}

/// `GET …/instances/{instance}/step?name=&type=&attempt=`: one step in full.
pub(super) async fn get(call: Call) -> Result<Response, ApiError> {
    let name = call.query.get("name").ok_or_else(|| invalid("`name` is missing"))?;
    let kind = match call.query.get("type") {
        None | Some("step") => StepKind::Do,
        Some("waitForEvent") => StepKind::WaitForEvent,
        Some(other) => return Err(invalid(format!("`{other}` is not a type of step"))),
    };
    let (at, instance) = (at(&call)?, call.params.get("instance")?);
    let (_, steps) = call.cx.data.workflows.history(&at, instance).await?;
    let wanted = |step: &&StepRecord| step.kind == kind && full_name(step) == name;
    let missing = || ApiError::not_found(10_500, "workflows.api.error.step.not_found");
    let step = steps.iter().find(wanted).ok_or_else(missing)?;
    if let Some(number) = call.query.number("attempt") {
        return Ok(one_attempt(step, number)?.into_response());
    }
    if step.stream.is_some() && result(step) != Some(json!(REDACTED)) {
        let of = (instance.to_owned(), step.name.clone(), step.count);
        return Ok(stream(call.cx.data.workflows.clone(), at, of));
    }
    let error = step.attempts.last().and_then(|attempt| attempt.error.as_ref());
    let mut shown = json!({
        "status": status(step),
        "error": shown_error(step.error.as_ref().or(error.filter(|_| step.state != StepState::Complete))),
        "output": result(step),
    });
    if let Some(event) = &step.event {
        shown["event_type"] = json!(event);
    }
    Ok(Reply::ok(&shown)?.into_response())
}

fn status(step: &StepRecord) -> &'static str {
    match step.state {
        StepState::Complete => "complete",
        StepState::Errored => "errored",
        // Between two attempts a step still runs.
        StepState::Waiting if step.kind == StepKind::WaitForEvent => "waiting",
        StepState::Running | StepState::Waiting => "running",
    }
}

fn one_attempt(step: &StepRecord, number: usize) -> Result<Reply, ApiError> {
    let attempt = number.checked_sub(1).and_then(|at| step.attempts.get(at));
    let missing = || ApiError::not_found(10_501, "workflows.api.error.attempt.not_found");
    let attempt = attempt.ok_or_else(missing)?;
    let (status, output) = match (&attempt.error, attempt.ended) {
        (Some(_), _) => ("errored", None),
        (None, Some(_)) => ("complete", result(step)),
        (None, None) => ("running", None),
    };
    let error = shown_error(attempt.error.as_ref());
    Reply::ok(&json!({ "status": status, "error": error, "output": output }))
}

/// The bytes of a stream, which may be too many to hold.
fn stream(workflows: Workflows, at: WorkflowRef, of: (String, String, u32)) -> Response {
    let read = move |number: u32| {
        let (workflows, at, of) = (workflows.clone(), at.clone(), of.clone());
        async move {
            let of = (of.0.as_str(), of.1.as_str(), of.2);
            let piece = workflows.chunk(&at, of, number).await?;
            Ok::<_, WorkflowError>(piece.map(|piece| (piece, number + 1)))
        }
    };
    let body = Body::from_stream(futures_util::stream::try_unfold(0, read));
    ([("content-type", "application/octet-stream")], body).into_response()
}
