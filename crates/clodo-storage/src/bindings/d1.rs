//! `POST /query|/execute?resultsFormat=…`, one statement or an array of them, as the module
//! `cloudflare-internal:d1-api` inside workerd sends them.

use crate::{
    D1, D1Answer, D1Error, D1ErrorKind, D1Request, D1Statement, DatabaseRef, RowFormat,
    StatementResult,
};
use axum::{
    body::to_bytes,
    extract::Request,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};

/// The bookmark of the Sessions API, both ways.
const BOOKMARK: HeaderName = HeaderName::from_static("x-cf-d1-session-commit-token");
/// More than any batch that keeps to D1's limits.
const MAX_BODY: usize = 256 * 1024 * 1024;

pub(super) async fn serve(d1: &D1, at: &DatabaseRef, request: Request) -> Response {
    let known = matches!(request.uri().path(), "/query" | "/execute");
    if !known || request.method() != Method::POST {
        let body = r#"{"success":false,"error":"not found"}"#;
        return (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "application/json")], body)
            .into_response();
    }
    let raw = request.uri().query().unwrap_or_default().contains("resultsFormat=ROWS_AND_COLUMNS");
    // `NONE` is what `run()` sends, and its documentation promises the same rows as `all()`.
    let format = if raw { RowFormat::ColumnsAndRows } else { RowFormat::Objects };
    let outcome = match to_bytes(request.into_body(), MAX_BODY).await {
        Ok(body) => match statements(&body) {
            Ok(statements) => d1.query(at, D1Request { statements, format }).await,
            Err(error) => return refusal(&format!("the request is not understood: {error}")),
        },
        Err(error) => return refusal(&format!("the request broke off: {error}")),
    };
    match outcome {
        Ok(answer) => success(&answer),
        Err(error) => failure(&error),
    }
}

fn statements(body: &[u8]) -> serde_json::Result<Vec<D1Statement>> {
    if body.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice(body)
    } else {
        Ok(vec![serde_json::from_slice(body)?])
    }
}

fn success(answer: &D1Answer) -> Response {
    // An element that holds several statements answers with its last one's result.
    let last_of_its_query = |(at, result): (usize, &StatementResult)| {
        answer.results.get(at + 1).is_none_or(|next| next.query != result.query)
    };
    let results = answer.results.iter().enumerate();
    let results: Vec<_> =
        results.filter(|entry| last_of_its_query(*entry)).map(|(_, result)| result).collect();
    let body = serde_json::to_vec(&results).expect("results have text keys only");
    let mut response = json(body);
    if let Ok(bookmark) = HeaderValue::try_from(answer.bookmark.to_string()) {
        response.headers_mut().insert(BOOKMARK, bookmark);
    }
    response
}

fn failure(error: &D1Error) -> Response {
    if error.kind() == D1ErrorKind::Storage {
        tracing::error!(%error, "a D1 request failed");
    }
    refusal(&error.to_string())
}

fn refusal(error: &str) -> Response {
    json(serde_json::json!({ "success": false, "error": error }).to_string().into_bytes())
}

fn json(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}
