//! R2 buckets and objects.

use super::{
    call::{Call, json as read_json},
    error::ApiError,
    reply::{Answer, Reply},
};
use crate::state::{ids::Moment, model::Bucket};
use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use clodo_storage::{
    BucketRef, GetOptions, GetOutcome, HttpFields, ListObjects, ObjectKey, ObjectMeta, PutOptions,
    PutOutcome, StoredObject,
};
use clodo_types::BucketName;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewBucket {
    name: String,
    location_hint: Option<String>,
    storage_class: Option<String>,
}

/// `GET /accounts/{account}/r2/buckets`
pub(super) async fn list(call: Call) -> Answer {
    let wanted = call.query.get("name_contains").unwrap_or_default();
    let buckets = call.account()?.buckets.values();
    let found: Vec<Value> =
        buckets.filter(|bucket| bucket.name.contains(wanted)).map(|bucket| shown(bucket)).collect();
    Reply::ok(&json!({ "buckets": found }))
}

/// `GET …/buckets/{bucket}`
pub(super) async fn get(call: Call) -> Answer {
    Reply::ok(&shown(bucket(&call)?))
}

/// `POST …/buckets`
pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    let new: NewBucket = read_json(&body)?;
    if new.name.parse::<BucketName>().is_err() {
        return Err(ApiError::bad_request(10005, "The specified bucket name is not valid."));
    }
    let account_id = call.account_id()?;
    let jurisdiction = call.headers.get("cf-r2-jurisdiction").and_then(|value| value.to_str().ok());
    let jurisdiction = jurisdiction.map(str::to_owned);
    let _turn = call.state().scripts().lock(&format!("{account_id}/r2")).await;
    if call.state().snapshot().cloud.accounts[&account_id].buckets.contains_key(&new.name) {
        let message = "The bucket you tried to create already exists, and you own it.";
        return Err(ApiError::conflict(10004, message));
    }
    call.cx.data.r2.create(&reference(&account_id, &new.name)?).await?;
    let made = call
        .state()
        .write(move |cloud, now| {
            let account = cloud.account_mut(&account_id).ok_or_else(ApiError::forbidden)?;
            let bucket = Arc::new(Bucket {
                name: new.name.clone(),
                created_on: now,
                location: new.location_hint,
                jurisdiction,
                storage_class: new.storage_class.unwrap_or_else(|| "Standard".to_owned()),
            });
            account.buckets.insert(new.name, Arc::clone(&bucket));
            Ok::<_, ApiError>(bucket)
        })
        .await?;
    Reply::ok(&shown(&made))
}

/// `DELETE …/buckets/{bucket}`: only an empty one.
pub(super) async fn delete(call: Call) -> Answer {
    let (account_id, name) = (call.account_id()?, bucket(&call)?.name.clone());
    call.cx.data.r2.drop_bucket(&reference(&account_id, &name)?).await?;
    let removed: Result<(), ApiError> = call
        .state()
        .write(move |cloud, _| {
            let account = cloud.account_mut(&account_id).ok_or_else(ApiError::forbidden)?;
            account.buckets.remove(&name).map(drop).ok_or_else(no_bucket)
        })
        .await;
    removed?;
    Reply::ok(&json!({}))
}

/// `GET …/buckets/{bucket}/objects`
pub(super) async fn objects(call: Call) -> Answer {
    let at = reference(call.account()?.id(), &bucket(&call)?.name)?;
    let text = |name| call.query.get(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let mut options = ListObjects::default();
    options.prefix = text("prefix").unwrap_or_default();
    options.delimiter = text("delimiter");
    options.start_after = text("start_after");
    options.cursor = text("cursor");
    options.limit = call.query.number("per_page");
    let page = call.cx.data.r2.list(&at, options).await?;
    let found: Vec<Value> = page.objects.iter().map(object).collect();
    let info = json!({
        "cursor": page.cursor.clone().unwrap_or_default(),
        "is_truncated": page.cursor.is_some(),
        "delimited": page.prefixes,
    });
    Reply::with_info(&found, &info)
}

/// `PUT …/objects/{key…}`: the body flows to disk.
pub(super) async fn put_object(call: Call, body: Body) -> Answer {
    let (at, key) = target(&call)?;
    let header = |name: &str| {
        call.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let options = PutOptions {
        http: HttpFields {
            content_type: header("content-type"),
            content_language: header("content-language"),
            content_disposition: header("content-disposition"),
            content_encoding: header("content-encoding"),
            cache_control: header("cache-control"),
            cache_expiry: None,
        },
        storage_class: header("cf-r2-storage-class"),
        ..PutOptions::default()
    };
    let chunks = body.into_data_stream().map(|chunk| chunk.map_err(std::io::Error::other));
    match call.cx.data.r2.put(&at, &key, options, Box::pin(chunks)).await? {
        PutOutcome::Stored(meta) => Reply::ok(&object(&meta)),
        PutOutcome::PreconditionFailed => {
            Err(ApiError::bad_request(10031, "At least one of the pre-conditions did not hold."))
        }
    }
}

/// `GET …/objects/{key…}`: the bytes flow out.
pub(super) async fn get_object(call: Call) -> Result<Response, ApiError> {
    let (at, key) = target(&call)?;
    match call.cx.data.r2.get(&at, &key, GetOptions::default()).await? {
        GetOutcome::Found(found) => Ok(flowing(found)),
        _ => Err(ApiError::not_found(10007, "The specified key does not exist.")),
    }
}

fn flowing(found: StoredObject) -> Response {
    let StoredObject { meta, body, .. } = found;
    let content_type = meta.http.content_type.unwrap_or_else(|| "application/octet-stream".into());
    let headers = [
        ("content-type", content_type),
        ("content-length", meta.size.to_string()),
        ("etag", format!("\"{}\"", meta.etag)),
    ];
    (headers, Body::from_stream(body)).into_response()
}

/// `DELETE …/objects/{key…}`
pub(super) async fn delete_object(call: Call) -> Answer {
    let (at, key) = target(&call)?;
    call.cx.data.r2.delete(&at, vec![key]).await?;
    Reply::ok(&json!({}))
}

fn target(call: &Call) -> Result<(BucketRef, ObjectKey), ApiError> {
    let at = reference(call.account()?.id(), &bucket(call)?.name)?;
    Ok((at, call.params.get("key")?.parse()?))
}

fn bucket(call: &Call) -> Result<&Arc<Bucket>, ApiError> {
    let name = call.params.get("bucket")?;
    call.account()?.buckets.get(name).ok_or_else(no_bucket)
}

fn reference(account: &str, name: &str) -> Result<BucketRef, ApiError> {
    let account = account.parse().map_err(|_| ApiError::bad_identifier(account))?;
    Ok(BucketRef { account, name: name.parse().map_err(|_| no_bucket())? })
}

fn no_bucket() -> ApiError {
    ApiError::not_found(10006, "The specified bucket does not exist.")
}

fn shown(bucket: &Bucket) -> Value {
    json!({
        "name": bucket.name,
        "creation_date": bucket.created_on.to_string(),
        "location": bucket.location.as_deref().unwrap_or("LOCAL"),
        "storage_class": bucket.storage_class,
        "jurisdiction": bucket.jurisdiction.as_deref().unwrap_or("default"),
    })
}

fn object(meta: &ObjectMeta) -> Value {
    let custom: Map<String, Value> =
        meta.custom.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    json!({
        "key": meta.key.as_str(),
        "version": meta.version,
        "etag": meta.etag,
        "size": meta.size.to_string(),
        "last_modified": Moment::at(meta.uploaded).to_string(),
        "storage_class": meta.storage_class,
        "http_metadata": { "contentType": meta.http.content_type },
        "custom_metadata": custom,
    })
}
