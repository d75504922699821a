//! R2: reads are a `GET` whose header holds the request, writes a `PUT` whose body begins with it.

use crate::{
    BucketRef, ByteStream, GetOutcome, ObjectKey, ObjectMeta, PartEtag, PutOutcome, R2, R2Error,
    R2ErrorKind, StoredObject, UploadId, body_of,
};
use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use std::io;

use super::r2_wire::{self, Ask, Get, List, Put};

const REQUEST: HeaderName = HeaderName::from_static("cf-r2-request");
const METADATA_SIZE: HeaderName = HeaderName::from_static("cf-r2-metadata-size");
const ERROR: HeaderName = HeaderName::from_static("cf-r2-error");
/// The longest request description that is read, in bytes.
const MAX_ASK: usize = 1024 * 1024;
/// workerd refuses a longer page description than 1 MiB.
const MAX_PAGE: usize = 1_000_000;

pub(super) async fn serve(r2: &R2, at: &BucketRef, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let outcome = match parts.method {
        Method::GET => read(r2, at, &parts.headers).await,
        Method::PUT => match split(&parts.headers, body).await {
            Ok((ask, mut value)) => match write(r2, at, ask, &mut value).await {
                Ok(answer) => Ok(answer),
                Err(error) => {
                    // workerd hears the refusal only after it has sent the whole value.
                    while let Some(Ok(_)) = value.next().await {}
                    Err(error)
                }
            },
            Err(error) => Err(error),
        },
        _ => Err(invalid("the method is not known")),
    };
    outcome.unwrap_or_else(|error| refusal(&error, None))
}

fn invalid(text: impl Into<String>) -> R2Error {
    R2Error::new(R2ErrorKind::Invalid, text)
}

async fn read(r2: &R2, at: &BucketRef, headers: &HeaderMap) -> Result<Response, R2Error> {
    let ask = headers.get(REQUEST).map(HeaderValue::as_bytes).unwrap_or_default();
    match parsed(ask)? {
        Ask::Head { object } => match r2.head(at, &object.parse()?).await? {
            Some(meta) => Ok(described(&r2_wire::object(&meta, None))),
            None => Err(no_key()),
        },
        Ask::Get(get) => fetch(r2, at, get).await,
        Ask::List(list) => page(r2, at, &list).await,
        _ => Err(invalid("the method writes, and a GET reads")),
    }
}

fn parsed(json: &[u8]) -> Result<Ask, R2Error> {
    serde_json::from_slice(json)
        .map_err(|error| invalid(format!("the request is not understood: {error}")))
}

fn no_key() -> R2Error {
    R2Error::new(R2ErrorKind::NoKey, "The specified key does not exist.")
}

async fn fetch(r2: &R2, at: &BucketRef, get: Get) -> Result<Response, R2Error> {
    let key: ObjectKey = get.object.parse()?;
    match r2.get(at, &key, get.into_options()).await? {
        GetOutcome::Found(object) => Ok(sent(object)),
        GetOutcome::PreconditionFailed(meta) => {
            Ok(refusal(&precondition(), Some(&r2_wire::object(&meta, None))))
        }
        GetOutcome::Missing => Err(no_key()),
    }
}

fn precondition() -> R2Error {
    let text = "At least one of the pre-conditions you specified did not hold.";
    R2Error::new(R2ErrorKind::Precondition, text)
}

async fn page(r2: &R2, at: &BucketRef, list: &List) -> Result<Response, R2Error> {
    let mut options = list.options();
    loop {
        let page = r2.list(at, options.clone()).await?;
        let count = page.objects.len() + page.prefixes.len();
        let json = list.page(&page).to_string();
        if json.len() <= MAX_PAGE || count <= 1 {
            return Ok(described(&json));
        }
        options.limit = Some(count / 2);
    }
}

/// The request at the head of a body, and the value behind it.
async fn split(headers: &HeaderMap, body: Body) -> Result<(Ask, ByteStream), R2Error> {
    let size = headers.get(METADATA_SIZE).and_then(|value| value.to_str().ok());
    let size = size.and_then(|text| text.parse().ok()).filter(|size| *size <= MAX_ASK);
    let Some(size) = size else { return Err(invalid("the metadata's size is missing")) };
    let mut chunks = body.into_data_stream().map(|chunk| chunk.map_err(io::Error::other));
    let mut head = Vec::new();
    let mut rest = Bytes::new();
    while head.len() < size {
        let Some(chunk) = chunks.next().await else {
            return Err(invalid("the metadata ends early"));
        };
        let mut chunk = chunk.map_err(|error| invalid(format!("the body broke off: {error}")))?;
        let take = chunk.len().min(size - head.len());
        head.extend_from_slice(&chunk.split_to(take));
        rest = chunk;
    }
    let rest = stream::iter((!rest.is_empty()).then_some(Ok(rest)));
    Ok((parsed(&head)?, Box::pin(rest.chain(chunks))))
}

async fn write(
    r2: &R2,
    at: &BucketRef,
    ask: Ask,
    value: &mut ByteStream,
) -> Result<Response, R2Error> {
    match ask {
        Ask::Put(put) => store(r2, at, *put, value).await,
        Ask::Delete { object, objects } => {
            let keys: Result<_, _> = object.iter().chain(&objects).map(|key| key.parse()).collect();
            r2.delete(at, keys?).await?;
            Ok(answered(&json!({})))
        }
        Ask::CreateMultipartUpload(put) => {
            let key: ObjectKey = put.object.parse()?;
            let upload = r2.create_upload(at, &key, put.into_options()).await?;
            Ok(answered(&json!({ "uploadId": upload.0 })))
        }
        Ask::UploadPart { object, upload_id, part_number, ssec } => {
            let (key, upload) = (object.parse()?, UploadId(upload_id));
            let part = r2.put_part(at, &key, &upload, part_number, ssec, taken(value)).await?;
            Ok(answered(&json!({ "etag": part.etag })))
        }
        Ask::CompleteMultipartUpload { object, upload_id, parts } => {
            let (key, upload) = (object.parse()?, UploadId(upload_id));
            let parts = parts.into_iter().map(PartEtag::from).collect();
            Ok(whole(&r2.complete_upload(at, &key, &upload, parts).await?))
        }
        Ask::AbortMultipartUpload { object, upload_id } => {
            r2.abort_upload(at, &object.parse()?, &UploadId(upload_id)).await?;
            Ok(answered(&json!({})))
        }
        Ask::Head { .. } | Ask::Get(_) | Ask::List(_) => {
            Err(invalid("the method reads, and a PUT writes"))
        }
    }
}

async fn store(
    r2: &R2,
    at: &BucketRef,
    put: Put,
    value: &mut ByteStream,
) -> Result<Response, R2Error> {
    let key: ObjectKey = put.object.parse()?;
    match r2.put(at, &key, put.into_options(), taken(value)).await? {
        PutOutcome::Stored(meta) => Ok(whole(&meta)),
        PutOutcome::PreconditionFailed => Err(precondition()),
    }
}

/// The value itself; what stays behind is empty.
fn taken(value: &mut ByteStream) -> ByteStream {
    std::mem::replace(value, body_of(Bytes::new()))
}

fn whole(meta: &ObjectMeta) -> Response {
    answered(&r2_wire::object(meta, None))
}

/// The answer to a write: JSON alone.
fn answered(json: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], json.to_string()).into_response()
}

/// The answer to a read without a value.
fn described(json: &impl ToString) -> Response {
    let json = json.to_string();
    let size = HeaderValue::from(json.len());
    ([(METADATA_SIZE, size)], json).into_response()
}

/// An object with its value behind it.
fn sent(object: StoredObject) -> Response {
    let json = r2_wire::object(&object.meta, object.range).to_string();
    let length = object.range.map_or(object.meta.size, |(_, length)| length);
    let headers = [
        (METADATA_SIZE, HeaderValue::from(json.len())),
        (header::CONTENT_LENGTH, HeaderValue::from(json.len() as u64 + length)),
    ];
    let head = stream::iter([Ok(Bytes::from(json))]);
    (headers, Body::from_stream(head.chain(object.body))).into_response()
}

fn refusal(error: &R2Error, description: Option<&Value>) -> Response {
    if error.kind() == R2ErrorKind::Storage {
        tracing::error!(%error, "an R2 request failed");
    }
    let status = StatusCode::from_u16(error.kind().status()).unwrap_or(StatusCode::BAD_REQUEST);
    let told = json!({ "version": 0, "v4code": error.kind().code(), "message": error.to_string() });
    let mut response = match description {
        Some(json) => described(json),
        None => Response::new(Body::empty()),
    };
    *response.status_mut() = status;
    if let Ok(value) = HeaderValue::from_bytes(told.to_string().as_bytes()) {
        response.headers_mut().insert(ERROR, value);
    }
    response
}
