//! What the program that runs a cloud adds to the API: its identity, and a way to stop it.

use super::CloudRecord;
use axum::{
    Router,
    body::Body,
    extract::Request,
    middleware::{Next, from_fn},
    response::Response,
};
use http::{HeaderValue, Method, StatusCode, header};
use tokio_util::sync::CancellationToken;

/// The header that says which run of a cloud answers.
pub(super) const INSTANCE_HEADER: &str = "x-clodo-instance";
/// Where a run can be asked to stop, with its token.
pub(super) const STOP_PATH: &str = "/clodo/stop";

/// The API, with the identity of this run in every answer, and the route that stops it.
pub(crate) fn around(api: Router, record: &CloudRecord, stop: CancellationToken) -> Router {
    let instance = HeaderValue::from_str(record.instance()).ok();
    let wanted = format!("Bearer {}", record.token().expose());
    api.layer(from_fn(move |request: Request, next: Next| {
        let (instance, wanted, stop) = (instance.clone(), wanted.clone(), stop.clone());
        async move {
            let mut answer = if request.uri().path() == STOP_PATH {
                stopping(&request, &wanted, &stop)
            } else {
                next.run(request).await
            };
            if let Some(instance) = instance {
                answer.headers_mut().insert(INSTANCE_HEADER, instance);
            }
            answer
        }
    }))
}

fn stopping(request: &Request, wanted: &str, stop: &CancellationToken) -> Response {
    let given = request.headers().get(header::AUTHORIZATION);
    let status = if request.method() != Method::POST {
        StatusCode::METHOD_NOT_ALLOWED
    } else if given.is_none_or(|given| given.as_bytes() != wanted.as_bytes()) {
        StatusCode::FORBIDDEN
    } else {
        stop.cancel();
        StatusCode::ACCEPTED
    };
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    answer
}
