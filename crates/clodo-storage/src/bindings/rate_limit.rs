//! What the `limit()` of our own binding sends: the key. The answer is 204 or 429.

use crate::{RateLimitRef, RateLimits};
use axum::{
    body::to_bytes,
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
};

/// Longer keys are not told apart by anybody.
const MAX_KEY: usize = 64 * 1024;

pub(super) async fn serve(limits: &RateLimits, at: &RateLimitRef, request: Request) -> Response {
    match to_bytes(request.into_body(), MAX_KEY).await {
        Ok(key) if limits.count(at, &String::from_utf8_lossy(&key)) => {
            StatusCode::NO_CONTENT.into_response()
        }
        Ok(_) => StatusCode::TOO_MANY_REQUESTS.into_response(),
        Err(error) => (StatusCode::PAYLOAD_TOO_LARGE, error.to_string()).into_response(),
    }
}
