//! Buckets at hostnames of their own: anyone reads, nobody writes.

use super::{
    ApiContext, r2, r2_objects,
    r2_settings::{CORS, CorsRule, Method as CorsMethod},
};
use crate::state::State as CloudState;
use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use clodo_storage::{Data, R2ErrorKind};
use percent_encoding::percent_decode_str;

/// Answers at the hostnames of public buckets.
pub(crate) fn objects_router(context: &ApiContext) -> Router {
    Router::new()
        .fallback(serve)
        .with_state(Public { state: context.state.clone(), data: context.data.clone() })
}

#[derive(Clone, Debug)]
struct Public {
    state: CloudState,
    data: Data,
}

async fn serve(State(public): State<Public>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = parts.uri.authority().map(|host| host.as_str()).or(host).unwrap_or_default();
    let snapshot = public.state.snapshot();
    let Some((account, bucket)) = snapshot.cloud.public_bucket(host) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Ok(at) = r2::reference(account.id(), &bucket.name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let rules = match public.data.r2.settings(&at).await {
        Ok(mut settings) => settings.other.remove(CORS),
        Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    };
    let rules: Vec<CorsRule> =
        rules.and_then(|rules| serde_json::from_value(rules).ok()).unwrap_or_default();
    if parts.method == Method::OPTIONS {
        return preflight(&rules, &parts.headers);
    }
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let path = percent_decode_str(parts.uri.path().trim_start_matches('/')).decode_utf8_lossy();
    let Ok(key) = path.parse() else { return not_found() };
    let mut answer = match public.data.r2.get(&at, &key, r2_objects::asked(&parts.headers)).await {
        Ok(found) => r2_objects::answered(found, &parts.headers).unwrap_or_else(not_found),
        Err(error) if error.kind() == R2ErrorKind::InvalidRange => {
            StatusCode::RANGE_NOT_SATISFIABLE.into_response()
        }
        Err(error) if error.kind() == R2ErrorKind::NeedsSsecKey => not_found(),
        Err(error) => {
            tracing::error!(%error, "a public object could not be read");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    };
    allow(&rules, &parts.headers, &mut answer);
    answer
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "Object not found\n").into_response()
}

fn origin(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok())
}

/// The first rule that lets a page of this origin do this.
fn fitting<'a>(rules: &'a [CorsRule], origin: &str, method: CorsMethod) -> Option<&'a CorsRule> {
    rules.iter().find(|rule| {
        let allowed = &rule.allowed;
        allowed.methods.contains(&method)
            && allowed.origins.iter().any(|pattern| matches(pattern, origin))
    })
}

/// One `*` in a pattern stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => {
            text.len() >= head.len() + tail.len() && text.starts_with(head) && text.ends_with(tail)
        }
    }
}

fn set(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn allow(rules: &[CorsRule], asked: &HeaderMap, answer: &mut Response) {
    let Some(origin) = origin(asked) else { return };
    let Some(rule) = fitting(rules, origin, CorsMethod::Get) else { return };
    let headers = answer.headers_mut();
    let any = rule.allowed.origins.iter().any(|pattern| pattern == "*");
    set(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, if any { "*" } else { origin });
    if !rule.expose_headers.is_empty() {
        let exposed = rule.expose_headers.join(", ");
        set(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, &exposed);
    }
    set(headers, header::VARY, "Origin");
}

fn preflight(rules: &[CorsRule], asked: &HeaderMap) -> Response {
    let text = |name| asked.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let method = text(header::ACCESS_CONTROL_REQUEST_METHOD);
    let method = method.and_then(|name| serde_json::from_value(name.into()).ok());
    let rule =
        origin(asked).zip(method).and_then(|(origin, method)| fitting(rules, origin, method));
    let (Some(rule), Some(origin)) = (rule, origin(asked)) else {
        return StatusCode::FORBIDDEN.into_response();
    };
    let mut answer = StatusCode::NO_CONTENT.into_response();
    let headers = answer.headers_mut();
    set(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let methods = serde_json::json!(rule.allowed.methods);
    let methods: Vec<&str> =
        methods.as_array().into_iter().flatten().filter_map(|m| m.as_str()).collect();
    set(headers, header::ACCESS_CONTROL_ALLOW_METHODS, &methods.join(", "));
    if !rule.allowed.headers.is_empty() {
        set(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, &rule.allowed.headers.join(", "));
    }
    if let Some(seconds) = rule.max_age_seconds {
        set(headers, header::ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
    }
    set(headers, header::VARY, "Origin");
    answer
}
