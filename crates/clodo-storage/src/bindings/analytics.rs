//! What the `writeDataPoint()` of our own binding sends: the data point as JSON.

use crate::{Analytics, AnalyticsErrorKind, DataPoint, DatasetRef};
use axum::{
    body::to_bytes,
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
};

/// Blobs and index with all that JSON adds; the binding holds the limits themselves.
const MAX_BODY: usize = 256 * 1024;

pub(super) async fn serve(analytics: &Analytics, at: &DatasetRef, request: Request) -> Response {
    let refused = |why: String| (StatusCode::BAD_REQUEST, why).into_response();
    let body = match to_bytes(request.into_body(), MAX_BODY).await {
        Ok(body) => body,
        Err(error) => return refused(error.to_string()),
    };
    let point: DataPoint = match serde_json::from_slice(&body) {
        Ok(point) => point,
        Err(error) => return refused(error.to_string()),
    };
    match analytics.write(at, point).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) if error.kind() == AnalyticsErrorKind::Invalid => refused(error.to_string()),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
