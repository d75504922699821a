//! The HTTP service that workerd's bindings to D1, KV, R2, queues, Workflows and more talk to.
//!
//! Each binding is an `external` server whose `injectRequestHeaders` adds [`RESOURCE_HEADER`] with
//! a [`Resource`] as its text; the service speaks the protocol of that kind. The protocols are
//! workerd's own, stable since 2023, and documented nowhere but in its source.

mod analytics;
mod d1;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzzing;
mod kv;
mod queue;
mod r2;
mod r2_wire;
mod rate_limit;
mod resource;
mod workflow;
mod workflow_run;

#[cfg(any(test, feature = "fuzzing"))]
pub use fuzzing::binding_keys;
pub use resource::{RESOURCE_HEADER, Resource, ResourceError};

use crate::Data;
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use hyper::ext::ReasonPhrase;

/// The service, to be mounted on the socket that only workerd reaches.
pub fn router(data: Data) -> Router {
    Router::new().fallback(serve).with_state(data)
}

async fn serve(State(data): State<Data>, request: Request) -> Response {
    let header = request.headers().get(RESOURCE_HEADER).and_then(|value| value.to_str().ok());
    match header.unwrap_or_default().parse() {
        Ok(Resource::Analytics(at)) => analytics::serve(&data.analytics, &at, request).await,
        Ok(Resource::RateLimit(at)) => rate_limit::serve(&data.rate_limits, &at, request).await,
        Ok(Resource::D1(at)) => d1::serve(&data.d1, &at, request).await,
        Ok(Resource::Kv(at)) => kv::serve(&data.kv, &at, request).await,
        Ok(Resource::Queue { at, delivery_delay }) => {
            queue::serve(&data.queues, &at, delivery_delay, request).await
        }
        Ok(Resource::R2(at)) => r2::serve(&data.r2, &at, request).await,
        Ok(Resource::Workflow { account, name }) => {
            workflow::serve(&data.workflows, (&account, &name), request).await
        }
        Ok(Resource::WorkflowRuns(account)) => {
            workflow_run::serve(&data.workflows, &account, request).await
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

/// An answer whose status line carries the text: it is what workerd shows to the Worker.
fn with_reason(status: StatusCode, reason: &str) -> Response {
    let mut response = (status, reason.to_owned()).into_response();
    let ascii: String =
        reason.chars().map(|c| if c.is_ascii_graphic() { c } else { ' ' }).collect();
    if let Ok(reason) = ReasonPhrase::try_from(ascii) {
        response.extensions_mut().insert(reason);
    }
    response
}

/// A JSON answer.
fn answer(json: &serde_json::Value) -> Response {
    ([("content-type", "application/json")], json.to_string()).into_response()
}

/// Reads on to the end: workerd hears an answer only after it has sent the whole body.
async fn drain(body: Body) {
    let mut chunks = body.into_data_stream();
    while let Some(Ok(_)) = chunks.next().await {}
}
