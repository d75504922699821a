//! Keys and values of a KV namespace.

use super::{
    call::{Call, json as read_json},
    error::ApiError,
    kv,
    reply::{Answer, Reply},
    upload,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use clodo_storage::{Expiry, KvEntry, KvKey, KvListOptions, KvPut, NamespaceRef};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value, json};
use std::{str::FromStr, time::Duration};

/// How many pairs one request may carry.
const BULK: usize = 10_000;

#[derive(Debug, Deserialize)]
struct Pair {
    key: String,
    value: String,
    expiration: Option<i64>,
    expiration_ttl: Option<u64>,
    metadata: Option<Value>,
    #[serde(default)]
    base64: bool,
}

#[derive(Debug, Deserialize)]
struct BulkGet {
    keys: Vec<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default, rename = "withMetadata")]
    with_metadata: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Named {
    Key(String),
    Object { name: String },
}

fn at(call: &Call) -> Result<NamespaceRef, ApiError> {
    kv::reference(call.account()?.id(), &kv::namespace(call)?.id)
}

/// `GET …/{namespace}/keys`
pub(super) async fn keys(call: Call) -> Answer {
    let text = |name| call.query.get(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let mut options = KvListOptions::default();
    options.prefix = text("prefix").unwrap_or_default();
    options.limit = call.query.number("limit");
    options.cursor = text("cursor");
    let page = call.cx.data.kv.list(&at(&call)?, options).await?;
    let keys = page.keys.iter().map(|key| {
        let mut shown = json!({ "name": key.name });
        if let Some(expiration) = key.expiration {
            shown["expiration"] = json!(expiration);
        }
        if let Some(metadata) = key.metadata.as_deref().and_then(parsed) {
            shown["metadata"] = metadata;
        }
        shown
    });
    let keys: Vec<Value> = keys.collect();
    let info = json!({ "count": keys.len(), "cursor": page.cursor.unwrap_or_default() });
    Reply::with_info(&keys, &info)
}

/// `GET …/{namespace}/values/{key}`: the bytes themselves.
pub(super) async fn get(call: Call) -> Answer {
    let entry = call.cx.data.kv.get(&at(&call)?, &key(&call)?).await?.ok_or_else(no_key)?;
    let reply = Reply::raw(entry.value, "application/octet-stream");
    Ok(match entry.expiration {
        Some(expiration) => reply.with_header("expiration", &expiration.to_string()),
        None => reply,
    })
}

/// `GET …/{namespace}/metadata/{key}`
pub(super) async fn metadata(call: Call) -> Answer {
    let entry = call.cx.data.kv.get(&at(&call)?, &key(&call)?).await?.ok_or_else(no_key)?;
    Reply::ok(&entry.metadata.as_deref().and_then(parsed))
}

/// `PUT …/{namespace}/values/{key}`: raw bytes, or multipart with `value` and `metadata`.
pub(super) async fn put(call: Call, body: Bytes) -> Answer {
    let content_type = call.headers.get("content-type").and_then(|value| value.to_str().ok());
    let (value, metadata) = match multer::parse_boundary(content_type.unwrap_or_default()) {
        Ok(boundary) => fields(boundary, body).await?,
        Err(_) => (body, None),
    };
    let expiry = expiry(number(&call, "expiration")?, number(&call, "expiration_ttl")?);
    if metadata.as_deref().is_some_and(|text| parsed(text).is_none()) {
        return Err(invalid("metadata must be valid JSON"));
    }
    call.cx.data.kv.put(&at(&call)?, key(&call)?, stored(value, metadata, expiry)).await?;
    Reply::nothing()
}

fn number<T: FromStr>(call: &Call, name: &str) -> Result<Option<T>, ApiError> {
    let given = call.query.get(name).filter(|text| !text.is_empty());
    let wrong =
        |text: &str| invalid(format!("Invalid {name} of {text}. Please specify an integer."));
    given.map(|text| text.parse().map_err(|_| wrong(text))).transpose()
}

/// What KV calls a bad argument.
fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::bad_request(10033, message)
}

async fn fields(boundary: String, body: Bytes) -> Result<(Bytes, Option<String>), ApiError> {
    let (mut value, mut metadata) = (None, None);
    for part in upload::parts(boundary, body).await? {
        match part.name.as_str() {
            "metadata" => metadata = Some(String::from_utf8_lossy(&part.body).into_owned()),
            // Clients give the value's part a file name of their own.
            _ => value = Some(part.body),
        }
    }
    let value = value.ok_or_else(|| ApiError::bad_body("the part `value` is missing"))?;
    Ok((value, metadata.filter(|text| text != "null" && !text.is_empty())))
}

/// `DELETE …/{namespace}/values/{key}`
pub(super) async fn delete(call: Call) -> Answer {
    call.cx.data.kv.delete(&at(&call)?, vec![key(&call)?]).await?;
    Reply::nothing()
}

/// `PUT …/{namespace}/bulk`
pub(super) async fn bulk_put(call: Call, body: Bytes) -> Answer {
    let pairs: Vec<Pair> = read_json(&body)?;
    check_count(pairs.len())?;
    let count = pairs.len();
    let mut ready = Vec::with_capacity(count);
    for pair in pairs {
        let value = match pair.base64 {
            true => Bytes::from(STANDARD.decode(&pair.value).map_err(ApiError::bad_body)?),
            false => Bytes::from(pair.value),
        };
        let metadata = pair.metadata.filter(|json| !json.is_null()).map(|json| json.to_string());
        let expiry = expiry(pair.expiration, pair.expiration_ttl);
        ready.push((pair.key.parse::<KvKey>()?, stored(value, metadata, expiry)));
    }
    call.cx.data.kv.put_many(&at(&call)?, ready).await?;
    Reply::ok(&json!({ "successful_key_count": count, "unsuccessful_keys": [] }))
}

/// `DELETE …/{namespace}/bulk` and `POST …/bulk/delete`
pub(super) async fn bulk_delete(call: Call, body: Bytes) -> Answer {
    let keys: Vec<Named> = read_json(&body)?;
    check_count(keys.len())?;
    let count = keys.len();
    let keys = keys.into_iter().map(|named| match named {
        Named::Key(name) | Named::Object { name } => name.parse::<KvKey>(),
    });
    call.cx.data.kv.delete(&at(&call)?, keys.collect::<Result<_, _>>()?).await?;
    Reply::ok(&json!({ "successful_key_count": count, "unsuccessful_keys": [] }))
}

/// `POST …/{namespace}/bulk/get`
pub(super) async fn bulk_get(call: Call, body: Bytes) -> Answer {
    let wanted: BulkGet = read_json(&body)?;
    if wanted.keys.is_empty() || wanted.keys.len() > 100 {
        return Err(ApiError::bad_request(10029, "Between 1 and 100 keys can be read at once."));
    }
    if !matches!(wanted.kind.as_deref(), None | Some("text" | "json")) {
        return Err(invalid("`type` must be `text` or `json`."));
    }
    let keys: Vec<KvKey> = wanted.keys.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
    let entries = call.cx.data.kv.get_many(&at(&call)?, keys).await?;
    let unread = |entry: &KvEntry| serde_json::from_slice::<IgnoredAny>(&entry.value).is_err();
    if wanted.kind.as_deref() == Some("json") && entries.iter().flatten().any(unread) {
        return Err(invalid("At least one of the requested keys corresponds to a non-json value"));
    }
    let mut values = Map::new();
    for (name, entry) in wanted.keys.into_iter().zip(entries) {
        let shown = entry.map_or(Value::Null, |entry| {
            let text = String::from_utf8_lossy(&entry.value);
            let value = match wanted.kind.as_deref() {
                Some("json") => parsed(&text).unwrap_or(Value::Null),
                _ => json!(text),
            };
            if !wanted.with_metadata {
                return value;
            }
            let metadata = entry.metadata.as_deref().and_then(parsed);
            json!({ "value": value, "metadata": metadata, "expiration": entry.expiration })
        });
        values.insert(name, shown);
    }
    Ok(Reply::ok(&json!({ "values": values }))?.only_read())
}

fn key(call: &Call) -> Result<KvKey, ApiError> {
    Ok(call.params.get("key")?.parse()?)
}

fn stored(value: Bytes, metadata: Option<String>, expiry: Option<Expiry>) -> KvPut {
    let mut put = KvPut::new(value);
    put.metadata = metadata;
    put.expiry = expiry;
    put
}

fn expiry(at: Option<i64>, ttl: Option<u64>) -> Option<Expiry> {
    let after = ttl.map(|seconds| Expiry::After(Duration::from_secs(seconds)));
    at.map(Expiry::At).or(after)
}

fn check_count(count: usize) -> Result<(), ApiError> {
    if count > BULK {
        return Err(ApiError::bad_request(10029, format!("At most {BULK} keys fit one request.")));
    }
    Ok(())
}

fn parsed(json: &str) -> Option<Value> {
    serde_json::from_str(json).ok()
}

fn no_key() -> ApiError {
    ApiError::not_found(10009, "get: 'key not found'")
}
