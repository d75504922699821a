//! `GET|PUT|DELETE /<key>?urlencoded=true`, `GET /?prefix=…` and `POST /bulk/get`.

use crate::{Expiry, Kv, KvEntry, KvError, KvErrorKind, KvKey, KvListOptions, KvPut, NamespaceRef};
use axum::{
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use std::{borrow::Cow, collections::HashMap, time::Duration};

use super::{drain, with_reason};

const METADATA: HeaderName = HeaderName::from_static("cf-kv-metadata");
const EXPIRATION: HeaderName = HeaderName::from_static("cf-expiration");
/// The longest value, and the most that a bulk read answers, in bytes.
const MAX_VALUE: usize = 25 * 1024 * 1024;
/// The most keys of a bulk read.
const MAX_BULK: usize = 100;

/// A request that ends early, with its status and the text that the Worker sees.
pub(super) struct Refusal(StatusCode, String);

impl Refusal {
    fn bad(text: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, text.into())
    }
}

impl From<KvError> for Refusal {
    fn from(error: KvError) -> Self {
        let status = match error.kind() {
            KvErrorKind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            KvErrorKind::NotFound => StatusCode::NOT_FOUND,
            KvErrorKind::Storage => {
                tracing::error!(%error, "a KV request failed");
                StatusCode::INTERNAL_SERVER_ERROR
            }
            _ => StatusCode::BAD_REQUEST,
        };
        Self(status, error.to_string())
    }
}

type Answer = Result<Response, Refusal>;

pub(super) async fn serve(kv: &Kv, at: &NamespaceRef, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let query = Query::of(parts.uri.query());
    let path = parts.uri.path();
    let outcome = match (&parts.method, path) {
        (&Method::GET, "/" | "") => list(kv, at, &query).await,
        (&Method::POST, "/bulk/get") => get_many(kv, at, body).await,
        (&Method::GET, _) => get(kv, at, path).await,
        (&Method::PUT, _) => put(kv, at, path, &query, &parts.headers, body).await,
        (&Method::DELETE, _) => delete(kv, at, path).await,
        _ => Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed".into())),
    };
    outcome.unwrap_or_else(|Refusal(status, text)| with_reason(status, &text))
}

pub(super) struct Query(HashMap<String, String>);

impl Query {
    pub(super) fn of(text: Option<&str>) -> Self {
        let decoded = |part: &str| {
            let spaced = part.replace('+', " ");
            percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
        };
        let pairs = text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Self(pairs.map(|(name, value)| (decoded(name), decoded(value))).collect())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn number(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let invalid = |text: &str| {
            Refusal::bad(format!("Invalid {name} of {text}. Please specify an integer."))
        };
        self.get(name).map(|text| text.parse().map_err(|_| invalid(text))).transpose()
    }
}

pub(super) fn key_of(path: &str) -> Result<KvKey, Refusal> {
    let decoded: Cow<'_, str> = percent_decode_str(path.strip_prefix('/').unwrap_or(path))
        .decode_utf8()
        .map_err(|_| Refusal::bad("Could not URL-decode key name"))?;
    decoded.parse().map_err(too_long)
}

fn too_long(error: KvError) -> Refusal {
    match error.kind() {
        KvErrorKind::TooLarge => Refusal(StatusCode::URI_TOO_LONG, error.to_string()),
        _ => error.into(),
    }
}

async fn get(kv: &Kv, at: &NamespaceRef, path: &str) -> Answer {
    let Some(entry) = kv.get(at, &key_of(path)?).await? else {
        return Err(Refusal(StatusCode::NOT_FOUND, "Not Found".into()));
    };
    let mut response = Body::from(entry.value).into_response();
    if let Some(metadata) = entry.metadata.as_deref().and_then(header_value) {
        response.headers_mut().insert(METADATA, metadata);
    }
    if let Some(end) = entry.expiration {
        response.headers_mut().insert(EXPIRATION, end.into());
    }
    Ok(response)
}

/// JSON text as a header: whatever a header may not hold is escaped.
fn header_value(json: &str) -> Option<HeaderValue> {
    if let Ok(value) = HeaderValue::from_bytes(json.as_bytes()) {
        return Some(value);
    }
    let value: Value = serde_json::from_str(json).ok()?;
    HeaderValue::try_from(value.to_string().replace('\u{7f}', "\\u007f")).ok()
}

async fn put(
    kv: &Kv,
    at: &NamespaceRef,
    path: &str,
    query: &Query,
    headers: &HeaderMap,
    body: Body,
) -> Answer {
    let value = limited(headers, body).await?;
    let mut put = KvPut::new(value);
    put.metadata = metadata_of(headers)?;
    put.expiry = match (query.number("expiration")?, query.number("expiration_ttl")?) {
        (_, Some(life)) => Some(Expiry::After(Duration::from_secs(positive(life)?))),
        (Some(end), None) => Some(Expiry::At(end)),
        (None, None) => None,
    };
    kv.put(at, key_of(path)?, put).await?;
    Ok(StatusCode::OK.into_response())
}

fn positive(life: i64) -> Result<u64, Refusal> {
    let text = "Please specify integer greater than 0.";
    let refuse = || Refusal::bad(format!("Invalid expiration_ttl of {life}. {text}"));
    u64::try_from(life).ok().filter(|life| *life > 0).ok_or_else(refuse)
}

fn metadata_of(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(value) = headers.get(METADATA) else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes());
    let text = text.map_err(|_| Refusal::bad("Metadata is not UTF-8"))?;
    Ok(Some(text.to_owned()))
}

async fn limited(headers: &HeaderMap, body: Body) -> Result<bytes::Bytes, Refusal> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let announced = announced.and_then(|text| text.parse::<usize>().ok());
    let too_large = |size: String| {
        let text = format!("Value length of {size} exceeds limit of {MAX_VALUE}.");
        Refusal(StatusCode::PAYLOAD_TOO_LARGE, text)
    };
    if let Some(size) = announced.filter(|size| *size > MAX_VALUE) {
        drain(body).await;
        return Err(too_large(size.to_string()));
    }
    // Without a length one more byte tells too much from just enough.
    match to_bytes(body, MAX_VALUE).await {
        Ok(value) => Ok(value),
        Err(_) if announced.is_none() => Err(too_large("more".into())),
        Err(error) => Err(Refusal::bad(format!("The body broke off: {error}"))),
    }
}

async fn delete(kv: &Kv, at: &NamespaceRef, path: &str) -> Answer {
    kv.delete(at, vec![key_of(path)?]).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn list(kv: &Kv, at: &NamespaceRef, query: &Query) -> Answer {
    let mut options = KvListOptions::default();
    let limit = query.number("key_count_limit")?;
    options.limit = limit.map(|limit| usize::try_from(limit).unwrap_or(0));
    options.prefix = query.get("prefix").unwrap_or_default().to_owned();
    options.cursor = query.get("cursor").map(str::to_owned);
    let page = kv.list(at, options).await?;
    let keys = page.keys.into_iter().map(|key| {
        let mut listed = Map::from_iter([("name".to_owned(), key.name.into())]);
        listed.extend(key.expiration.map(|end| ("expiration".to_owned(), end.into())));
        // Text that holds JSON: workerd parses it.
        listed.extend(key.metadata.map(|text| ("metadata".to_owned(), text.into())));
        Value::Object(listed)
    });
    let mut answer =
        json!({ "keys": keys.collect::<Vec<_>>(), "list_complete": page.cursor.is_none() });
    if let Some(cursor) = page.cursor {
        answer["cursor"] = cursor.into();
    }
    Ok(answered(answer.to_string()))
}

fn answered(json: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], json).into_response()
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bulk {
    keys: Vec<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    with_metadata: bool,
}

async fn get_many(kv: &Kv, at: &NamespaceRef, body: Body) -> Answer {
    let body = to_bytes(body, MAX_VALUE).await.map_err(|error| Refusal::bad(error.to_string()))?;
    let asked: Bulk =
        serde_json::from_slice(&body).map_err(|error| Refusal::bad(error.to_string()))?;
    let as_json = match asked.kind.as_deref() {
        None | Some("" | "text") => false,
        Some("json") => true,
        Some(other) => {
            let text = format!("\"{other}\" is not a valid type. Use \"json\" or \"text\"");
            return Err(Refusal::bad(text));
        }
    };
    if asked.keys.len() > MAX_BULK {
        return Err(Refusal::bad(format!("You can request a maximum of {MAX_BULK} keys")));
    }
    if asked.keys.is_empty() {
        return Err(Refusal::bad("You must request a minimum of 1 key"));
    }
    let keys: Result<Vec<KvKey>, _> = asked.keys.iter().map(|key| key.parse()).collect();
    let entries = kv.get_many(at, keys.map_err(too_long)?).await?;
    let size: usize = entries.iter().flatten().map(|entry| entry.value.len()).sum();
    if size > MAX_VALUE {
        let text = "Total size of request exceeds the limit of 25MB";
        return Err(Refusal(StatusCode::PAYLOAD_TOO_LARGE, text.into()));
    }
    // Written by hand: the answer keeps the order of the keys, which a map would not.
    let mut fields = Vec::new();
    for (key, entry) in asked.keys.iter().zip(entries) {
        let value = entry.map(|entry| shown(entry, as_json, asked.with_metadata)).transpose()?;
        fields.push(format!("{}:{}", Value::from(key.as_str()), value.unwrap_or(Value::Null)));
    }
    Ok(answered(format!("{{{}}}", fields.join(","))))
}

fn shown(entry: KvEntry, as_json: bool, with_metadata: bool) -> Result<Value, Refusal> {
    let value = if as_json {
        serde_json::from_slice(&entry.value).map_err(|_| {
            Refusal::bad("At least one of the requested keys corresponds to a non-JSON value")
        })?
    } else {
        Value::from(String::from_utf8_lossy(&entry.value))
    };
    if !with_metadata {
        return Ok(value);
    }
    let metadata = entry.metadata.and_then(|text| serde_json::from_str(&text).ok());
    Ok(json!({ "value": value, "metadata": metadata.unwrap_or(Value::Null) }))
}
