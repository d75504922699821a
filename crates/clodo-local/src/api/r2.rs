//! R2 buckets.

use super::{
    call::{Call, json as read_json},
    error::ApiError,
    reply::{Answer, Reply},
};
use crate::state::model::Bucket;
use bytes::Bytes;
use clodo_storage::{BucketRef, BucketSettings, BucketTotals, R2, R2Error, R2ErrorKind};
use clodo_types::BucketName;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

const LOCATIONS: [&str; 6] = ["apac", "eeur", "enam", "weur", "wnam", "oc"];
const JURISDICTIONS: [&str; 5] = ["default", "eu", "us", "fedramp", "fedramp-high"];
/// The most buckets of one page.
const MAX_PAGE: usize = 1_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewBucket {
    name: String,
    location_hint: Option<String>,
    storage_class: Option<String>,
}

/// `GET /accounts/{account}/r2/buckets`: by name, from a cursor on.
pub(super) async fn list(call: Call) -> Answer {
    let text = |name| call.query.get(name).filter(|text: &&str| !text.is_empty());
    let (wanted, jurisdiction) = (text("name_contains").unwrap_or_default(), jurisdiction(&call)?);
    let per_page = call.query.number("per_page").unwrap_or(MAX_PAGE);
    if per_page == 0 || per_page > MAX_PAGE {
        return Err(invalid("per_page must be between 1 and 1000."));
    }
    let buckets = call.account()?.buckets.values();
    let mut found: Vec<&Arc<Bucket>> = buckets
        .filter(|bucket| bucket.name.contains(wanted) && bucket.jurisdiction == jurisdiction)
        .collect();
    let falls = text("direction") == Some("desc");
    if falls {
        found.reverse();
    }
    if let Some(after) = text("cursor").or(text("start_after")) {
        found.retain(|bucket| if falls { *bucket.name < *after } else { *bucket.name > *after });
    }
    let more = found.len() > per_page;
    found.truncate(per_page);
    let cursor = found.last().filter(|_| more).map_or("", |bucket| &bucket.name);
    let info = json!({ "cursor": cursor, "per_page": per_page });
    let found: Vec<Value> = found.into_iter().map(|bucket| shown(bucket)).collect();
    Reply::with_info(&json!({ "buckets": found }), &info)
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
    let location = new.location_hint.map(|hint| hint.to_ascii_lowercase());
    if location.as_deref().is_some_and(|hint| !LOCATIONS.contains(&hint)) {
        return Err(invalid("The location hint is not one of R2's regions."));
    }
    let storage_class = storage_class(new.storage_class)?;
    let (account_id, jurisdiction) = (call.account_id()?, jurisdiction(&call)?);
    let _turn = call.state().scripts().lock(&format!("{account_id}/r2")).await;
    if call.state().snapshot().cloud.accounts[&account_id].buckets.contains_key(&new.name) {
        let message = "The bucket you tried to create already exists, and you own it.";
        return Err(ApiError::conflict(10004, message));
    }
    let at = reference(&account_id, &new.name)?;
    made_anew(&call.cx.data.r2, &at).await?;
    call.cx.data.r2.change_settings(&at, |settings| *settings = first_settings()).await?;
    let made = call
        .state()
        .write(move |cloud, now| {
            let account = cloud.account_mut(&account_id).ok_or_else(ApiError::forbidden)?;
            let bucket = Arc::new(Bucket {
                name: new.name.clone(),
                created_on: now,
                location,
                jurisdiction,
                storage_class,
                managed: false,
                domains: Vec::new(),
            });
            account.buckets.insert(new.name, Arc::clone(&bucket));
            Ok::<_, ApiError>(bucket)
        })
        .await?;
    Reply::ok(&shown(&made))
}

/// Makes a bucket that the state does not know. One that is there all the same was never
/// acknowledged: whoever made it was killed, or had no room to write it down.
async fn made_anew(r2: &R2, at: &BucketRef) -> Result<(), R2Error> {
    match r2.create(at).await {
        Err(error) if error.kind() == R2ErrorKind::BucketExists => {
            r2.drop_bucket(at).await?;
            r2.create(at).await
        }
        made => made,
    }
}

/// A new bucket has one rule, as on Cloudflare.
fn first_settings() -> BucketSettings {
    let rule = json!({
        "id": "Default Multipart Abort Rule",
        "enabled": true,
        "conditions": { "prefix": "" },
        "abortMultipartUploadsTransition": { "condition": { "type": "Age", "maxAge": 604_800 } },
    });
    let mut settings = BucketSettings::default();
    settings.lifecycle.extend(serde_json::from_value(rule).ok());
    settings
}

/// `PATCH …/buckets/{bucket}`: the class of objects that are written without one.
pub(super) async fn update(call: Call) -> Answer {
    let class = call.headers.get("cf-r2-storage-class").and_then(|value| value.to_str().ok());
    let Some(class) = class.map(str::to_owned) else {
        return Err(invalid("The header `cf-r2-storage-class` is missing."));
    };
    let class = storage_class(Some(class))?;
    let made = change(&call, move |bucket| {
        bucket.storage_class = class;
        Ok(bucket.clone())
    });
    Reply::ok(&shown(&made.await?))
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

/// `GET /accounts/{account}/r2/metrics`: what all buckets hold together.
pub(super) async fn metrics(call: Call) -> Answer {
    let mut sums = [BucketTotals::default(), BucketTotals::default()];
    for bucket in call.account()?.buckets.values() {
        let at = reference(call.account()?.id(), &bucket.name)?;
        for totals in call.cx.data.r2.totals(&at).await? {
            let sum = &mut sums[usize::from(totals.storage_class == "InfrequentAccess")];
            sum.objects += totals.objects;
            sum.payload += totals.payload;
            sum.metadata += totals.metadata;
        }
    }
    // Uploads that are not complete are not counted.
    let shown = |sum: &BucketTotals| {
        json!({
            "published": { "objects": sum.objects, "payloadSize": sum.payload,
                "metadataSize": sum.metadata },
            "uploaded": { "objects": 0, "payloadSize": 0, "metadataSize": 0 },
        })
    };
    Reply::ok(&json!({ "standard": shown(&sums[0]), "infrequentAccess": shown(&sums[1]) }))
}

/// Changes the bucket of the path, as the state keeps it.
pub(super) async fn change<T: Send + 'static>(
    call: &Call,
    change: impl FnOnce(&mut Bucket) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let (account_id, name) = (call.account_id()?, bucket(call)?.name.clone());
    let write = move |cloud: &mut crate::state::model::Cloud, _| {
        let account = cloud.account_mut(&account_id).ok_or_else(ApiError::forbidden)?;
        let bucket = account.buckets.get_mut(&name).ok_or_else(no_bucket)?;
        change(Arc::make_mut(bucket))
    };
    call.state().write(write).await
}

/// The bucket of the path, in the jurisdiction of the header.
pub(super) fn bucket(call: &Call) -> Result<&Arc<Bucket>, ApiError> {
    let (name, jurisdiction) = (call.params.get("bucket")?, jurisdiction(call)?);
    let found = call.account()?.buckets.get(name);
    found.filter(|bucket| bucket.jurisdiction == jurisdiction).ok_or_else(no_bucket)
}

/// What the engine calls the bucket of the path.
pub(super) fn at(call: &Call) -> Result<BucketRef, ApiError> {
    reference(call.account()?.id(), &bucket(call)?.name)
}

fn jurisdiction(call: &Call) -> Result<Option<String>, ApiError> {
    let given = call.headers.get("cf-r2-jurisdiction").and_then(|value| value.to_str().ok());
    match given {
        Some(given) if !JURISDICTIONS.contains(&given) => {
            Err(invalid("The jurisdiction is not one of R2's."))
        }
        given => Ok(given.filter(|given| *given != "default").map(str::to_owned)),
    }
}

/// `Standard` when none is named.
pub(super) fn storage_class(given: Option<String>) -> Result<String, ApiError> {
    match given.as_deref() {
        None => Ok("Standard".to_owned()),
        Some("Standard" | "InfrequentAccess") => Ok(given.unwrap_or_default()),
        Some(_) => Err(ApiError::bad_request(10062, "The storage class specified is not valid.")),
    }
}

pub(super) fn reference(account: &str, name: &str) -> Result<BucketRef, ApiError> {
    let account = account.parse().map_err(|_| ApiError::bad_identifier(account))?;
    Ok(BucketRef { account, name: name.parse().map_err(|_| no_bucket())? })
}

pub(super) fn no_bucket() -> ApiError {
    ApiError::not_found(10006, "The specified bucket does not exist.")
}

/// What R2 calls an invalid argument.
pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::bad_request(10026, message)
}

fn shown(bucket: &Bucket) -> Value {
    json!({
        "name": bucket.name,
        "creation_date": bucket.created_on.to_string(),
        "location": bucket.location.as_deref().unwrap_or("weur").to_ascii_uppercase(),
        "storage_class": bucket.storage_class,
        "jurisdiction": bucket.jurisdiction.as_deref().unwrap_or("default"),
    })
}
