//! Objects of an R2 bucket over REST.

use super::{
    call::Call,
    error::ApiError,
    r2,
    reply::{Answer, Reply},
};
use crate::state::ids::Moment;
use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use clodo_storage::{
    Conditions, EtagMatch, GetOptions, GetOutcome, HttpFields, ListObjects, ObjectKey, ObjectMeta,
    ObjectRange, PutOptions, PutOutcome, StoredObject,
};
use clodo_types::Timestamp;
use futures_util::StreamExt;
use serde_json::{Map, Value, json};

/// `GET …/buckets/{bucket}/objects`
pub(super) async fn list(call: Call) -> Answer {
    let text = |name| call.query.get(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let mut options = ListObjects::default();
    options.prefix = text("prefix").unwrap_or_default();
    options.delimiter = text("delimiter");
    options.start_after = text("start_after");
    options.cursor = text("cursor");
    options.limit = call.query.number("per_page");
    let page = call.cx.data.r2.list(&r2::at(&call)?, options).await?;
    let found: Vec<Value> = page.objects.iter().map(listed).collect();
    let info = json!({
        "cursor": page.cursor.clone().unwrap_or_default(),
        "is_truncated": page.cursor.is_some(),
        "per_page": call.query.number("per_page").unwrap_or(1_000),
        "delimited": page.prefixes,
    });
    Reply::with_info(&found, &info)
}

/// `PUT …/objects/{key…}`: the body flows to disk.
pub(super) async fn put(call: Call, body: Body) -> Answer {
    let (at, key) = (r2::at(&call)?, key(&call)?);
    let header = |name| text_of(&call.headers, name);
    let class = header("cf-r2-storage-class").map(|class| r2::storage_class(Some(class)));
    let options = PutOptions {
        http: HttpFields {
            content_type: header("content-type"),
            content_language: header("content-language"),
            content_disposition: header("content-disposition"),
            content_encoding: header("content-encoding"),
            cache_control: header("cache-control"),
            cache_expiry: header("expires").as_deref().and_then(date),
        },
        storage_class: match class.transpose()? {
            Some(class) => Some(class),
            None => Some(r2::bucket(&call)?.storage_class.clone()),
        },
        only_if: conditions(&call.headers),
        ..PutOptions::default()
    };
    let chunks = body.into_data_stream().map(|chunk| chunk.map_err(std::io::Error::other));
    match call.cx.data.r2.put(&at, &key, options, Box::pin(chunks)).await? {
        PutOutcome::Stored(meta) => Reply::ok(&json!({
            "key": meta.key.as_str(),
            "etag": meta.etag,
            "size": meta.size.to_string(),
            "version": meta.version,
            "storage_class": meta.storage_class,
            "uploaded": Moment::at(meta.uploaded).to_string(),
        })),
        PutOutcome::PreconditionFailed => {
            let message = "At least one of the pre-conditions you specified did not hold.";
            Err(ApiError::new(StatusCode::PRECONDITION_FAILED, 10031, message))
        }
    }
}

/// `GET …/objects/{key…}`: the bytes flow out.
pub(super) async fn get(call: Call) -> Result<Response, ApiError> {
    let (at, key) = (r2::at(&call)?, key(&call)?);
    let found = call.cx.data.r2.get(&at, &key, asked(&call.headers)).await?;
    answered(found, &call.headers)
        .ok_or_else(|| ApiError::not_found(10007, "The specified key does not exist."))
}

/// `DELETE …/objects/{key…}`
pub(super) async fn delete(call: Call) -> Answer {
    let (at, key) = (r2::at(&call)?, key(&call)?);
    let shown = json!({ "key": key.as_str() });
    call.cx.data.r2.delete(&at, vec![key]).await?;
    Reply::ok(&shown)
}

fn key(call: &Call) -> Result<ObjectKey, ApiError> {
    Ok(call.params.get("key")?.parse()?)
}

/// What a request's headers ask of an object.
pub(super) fn asked(headers: &HeaderMap) -> GetOptions {
    GetOptions {
        range: text_of(headers, "range").as_deref().and_then(range),
        only_if: conditions(headers),
        ..GetOptions::default()
    }
}

/// What was found as HTTP says it; `None` when there is no such object.
pub(super) fn answered(found: GetOutcome, headers: &HeaderMap) -> Option<Response> {
    match found {
        GetOutcome::Found(found) => Some(flowing(found)),
        GetOutcome::PreconditionFailed(meta) => {
            // A copy that is still good is no error; a change that was not expected is one.
            let unchanged =
                !headers.contains_key("if-match") && !headers.contains_key("if-unmodified-since");
            let status =
                if unchanged { StatusCode::NOT_MODIFIED } else { StatusCode::PRECONDITION_FAILED };
            Some((status, described(&meta)).into_response())
        }
        _ => None,
    }
}

fn flowing(found: StoredObject) -> Response {
    let StoredObject { meta, range, body, .. } = found;
    let mut headers = described(&meta);
    let length = range.map_or(meta.size, |(_, length)| length);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CONTENT_LENGTH, length.into());
    let body = Body::from_stream(body);
    let Some((first, length)) = range else { return (headers, body).into_response() };
    let range = format!("bytes {first}-{}/{}", first + length - 1, meta.size);
    headers.extend(HeaderValue::try_from(range).ok().map(|range| (header::CONTENT_RANGE, range)));
    (StatusCode::PARTIAL_CONTENT, headers, body).into_response()
}

/// The headers that an object was stored with, and those that describe it.
fn described(meta: &ObjectMeta) -> HeaderMap {
    let http = &meta.http;
    let expires = http.cache_expiry.and_then(http_date);
    let kind = http.content_type.clone().unwrap_or_else(|| "application/octet-stream".into());
    let pairs = [
        ("content-type", Some(kind)),
        ("content-language", http.content_language.clone()),
        ("content-disposition", http.content_disposition.clone()),
        ("content-encoding", http.content_encoding.clone()),
        ("cache-control", http.cache_control.clone()),
        ("expires", expires),
        ("etag", Some(format!("\"{}\"", meta.etag))),
        ("last-modified", http_date(meta.uploaded)),
    ];
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        if let Some(value) = value.and_then(|value| value.parse().ok()) {
            headers.insert(name, value);
        }
    }
    headers
}

fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn conditions(headers: &HeaderMap) -> Conditions {
    let etags = |name| text_of(headers, name).map(|text| etags(&text)).unwrap_or_default();
    let moment = |name| text_of(headers, name).as_deref().and_then(date);
    let (etag_matches, etag_does_not_match) = (etags("if-match"), etags("if-none-match"));
    Conditions {
        // HTTP means "not changed after", the conditions say "before".
        uploaded_before: moment("if-unmodified-since").map(|time| shifted(time, 1_000)),
        uploaded_after: moment("if-modified-since"),
        seconds_granularity: true,
        etag_matches,
        etag_does_not_match,
    }
}

fn shifted(moment: Timestamp, by: i64) -> Timestamp {
    Timestamp::from_millis(moment.as_millis().saturating_add(by))
}

fn etags(text: &str) -> Vec<EtagMatch> {
    let one = |text: &str| match (text.trim(), text.trim().strip_prefix("W/")) {
        ("*", _) => EtagMatch::Any,
        (_, Some(weak)) => EtagMatch::Weak(weak.trim_matches('"').to_owned()),
        (strong, None) => EtagMatch::Strong(strong.trim_matches('"').to_owned()),
    };
    text.split(',').filter(|part| !part.trim().is_empty()).map(one).collect()
}

/// One range of bytes. As in HTTP, a header that means nothing asks for everything.
fn range(header: &str) -> Option<ObjectRange> {
    let (first, last) = header.trim().strip_prefix("bytes=")?.trim().split_once('-')?;
    match (first.trim(), last.trim()) {
        ("", last) => last.parse().ok().map(ObjectRange::Suffix),
        (first, "") => Some(ObjectRange::From { offset: first.parse().ok()?, length: None }),
        (first, last) => {
            let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
            let length = Some(last.checked_sub(first)?.saturating_add(1));
            Some(ObjectRange::From { offset: first, length })
        }
    }
}

fn date(text: &str) -> Option<Timestamp> {
    let moment = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Timestamp::from_millis(moment.as_millisecond()))
}

fn http_date(moment: Timestamp) -> Option<String> {
    let moment = jiff::Timestamp::from_millisecond(moment.as_millis()).ok()?;
    let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
    printer.timestamp_to_rfc9110_string(&moment).ok()
}

/// An object as a listing shows it.
fn listed(meta: &ObjectMeta) -> Value {
    let custom: Map<String, Value> =
        meta.custom.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    let mut http = json!(meta.http);
    if let Some(expiry) = meta.http.cache_expiry {
        http["cacheExpiry"] = json!(Moment::at(expiry).to_string());
    }
    json!({
        "key": meta.key.as_str(),
        "etag": meta.etag,
        "size": meta.size,
        "last_modified": Moment::at(meta.uploaded).to_string(),
        "storage_class": meta.storage_class,
        "http_metadata": http,
        "custom_metadata": custom,
        "ssec": meta.ssec_key_md5.is_some(),
    })
}
