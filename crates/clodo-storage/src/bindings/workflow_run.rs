//! What `js/workflows.js` of clodo-workerd sends while it runs an instance.
//!
//! A run names its Workflow, its instance and its token in each call; 409 says that the instance
//! is no longer its own.

use super::{answer, workflow::refused};
use crate::{
    Failure, WorkflowError, WorkflowErrorKind, WorkflowRef, Workflows,
    workflow::{Asking, AttemptEnd, Pieces, StepAnswer, StepCall, StreamOf, Told, Woken},
};
use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use clodo_types::AccountId;
use futures_util::StreamExt as _;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// More than the largest result takes.
const MAX_BODY: usize = 64 * 1024 * 1024;
/// Says who asks: a JSON array of the Workflow's id, the instance and the run.
const RUN_HEADER: &str = "x-clodo-run";
/// Says which step a stream belongs to: a JSON array of its name, count and attempt.
const STREAM_HEADER: &str = "x-clodo-stream";

#[derive(Debug, Default, Deserialize)]
struct Undo {
    error: Option<Failure>,
}

/// Answers a run of any Workflow of this account.
pub(super) async fn serve(
    workflows: &Workflows,
    account: &AccountId,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let Some(asking) = asking(account, &parts.headers) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let told = match parts.uri.path() {
        "/wait" => workflows.wait(&asking).await.map(|told| told.map(woken)),
        "/stream" => return stream(workflows, &asking, &parts.headers, body).await,
        path => match to_bytes(body, MAX_BODY).await {
            Ok(body) => hear(workflows, &asking, path, &body).await,
            Err(error) => Err(WorkflowError::new(WorkflowErrorKind::TooLarge, error.to_string())),
        },
    };
    match told {
        Ok(Told::Answer(value)) => answer(&value),
        Ok(Told::Over) => StatusCode::CONFLICT.into_response(),
        Err(error) => refused(&error),
    }
}

fn asking(account: &AccountId, headers: &HeaderMap) -> Option<Asking> {
    let text = headers.get(RUN_HEADER)?.to_str().ok()?;
    let (id, instance, run): (String, String, String) = serde_json::from_str(text).ok()?;
    let at = WorkflowRef { account: account.clone(), id: id.parse().ok()? };
    Some(Asking { at, instance, run })
}

async fn hear(
    workflows: &Workflows,
    asking: &Asking,
    path: &str,
    body: &[u8],
) -> Result<Told<Value>, WorkflowError> {
    match path {
        "/step" => {
            let call: StepCall = read(body)?;
            workflows.reach(asking, call).await.map(|told| told.map(shown))
        }
        "/attempt" => {
            let end: AttemptEnd = read(body)?;
            workflows.attempted(asking, end).await.map(|told| told.map(shown))
        }
        "/undo" => {
            let undo: Undo = read(body)?;
            let steps = workflows.undo(asking, undo.error).await?;
            Ok(steps.map(|steps| json!({ "steps": steps })))
        }
        other => {
            let text = format!("`{other}` is no call");
            Err(WorkflowError::new(WorkflowErrorKind::Body, text))
        }
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, WorkflowError> {
    serde_json::from_slice(body)
        .map_err(|error| WorkflowError::new(WorkflowErrorKind::Body, error.to_string()))
}

fn shown(answer: StepAnswer) -> Value {
    serde_json::to_value(answer).unwrap_or_default()
}

fn woken(woken: Woken) -> Value {
    json!({ "rest": woken == Woken::Rest })
}

/// With a body a stream is kept; without one it is given back.
async fn stream(
    workflows: &Workflows,
    asking: &Asking,
    headers: &HeaderMap,
    body: Body,
) -> Response {
    let of = headers.get(STREAM_HEADER).and_then(|of| of.to_str().ok());
    let of = of.and_then(|of| serde_json::from_str::<(String, u32, u32)>(of).ok());
    let Some((name, count, attempt)) = of else { return StatusCode::BAD_REQUEST.into_response() };
    let of = StreamOf { name, count, attempt };
    if attempt == 0 {
        return given_back(workflows.clone(), asking.clone(), of);
    }
    match keep(workflows, asking, &of, body).await {
        Ok(Told::Answer(length)) => answer(&json!({ "length": length })),
        Ok(Told::Over) => StatusCode::CONFLICT.into_response(),
        Err(error) => refused(&error),
    }
}

async fn keep(
    workflows: &Workflows,
    asking: &Asking,
    of: &StreamOf,
    body: Body,
) -> Result<Told<u64>, WorkflowError> {
    let (mut pieces, mut number) = (Pieces::default(), 0);
    let mut body = body.into_data_stream();
    while let Some(bytes) = body.next().await {
        let broken =
            |error: axum::Error| WorkflowError::new(WorkflowErrorKind::Body, error.to_string());
        for piece in pieces.push(&bytes.map_err(broken)?)? {
            if workflows.keep_chunk(asking, of, (number, piece)).await? == Told::Over {
                return Ok(Told::Over);
            }
            number += 1;
        }
    }
    let length = pieces.length;
    if let Some(piece) = pieces.finish()
        && workflows.keep_chunk(asking, of, (number, piece)).await? == Told::Over
    {
        return Ok(Told::Over);
    }
    Ok(Told::Answer(length))
}

fn given_back(workflows: Workflows, asking: Asking, of: StreamOf) -> Response {
    let read = move |number: u32| {
        let (workflows, asking, of) = (workflows.clone(), asking.clone(), of.clone());
        async move {
            let step = (asking.instance.as_str(), of.name.as_str(), of.count);
            let piece: Option<Bytes> = workflows.chunk(&asking.at, step, number).await?;
            Ok::<_, WorkflowError>(piece.map(|piece| (piece, number + 1)))
        }
    };
    Body::from_stream(futures_util::stream::try_unfold(0, read)).into_response()
}
