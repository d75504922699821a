//! What a bucket is told: who may read it from a page, when objects end, which are kept.

use super::{
    call::{Call, json as read_json},
    error::ApiError,
    r2,
    reply::{Answer, Reply},
};
use bytes::Bytes;
use clodo_storage::{LifecycleCondition, LifecycleRule, LockCondition, LockRule};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Where the engine keeps the rules for pages of other origins.
pub(super) const CORS: &str = "cors";
const LOCAL_UPLOADS: &str = "localUploads";
/// The most rules of one kind.
const MAX_RULES: usize = 1_000;

#[derive(Debug, Serialize, Deserialize)]
struct Rules<T> {
    #[serde(default = "Vec::new")]
    rules: Vec<T>,
}

/// Which pages may do what.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CorsRule {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    pub(super) allowed: Allowed,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) expose_headers: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max_age_seconds: Option<u32>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Allowed {
    pub(super) methods: Vec<Method>,
    pub(super) origins: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) headers: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Method {
    Get,
    Put,
    Post,
    Delete,
    Head,
}

/// `GET …/{bucket}/cors`
pub(super) async fn get_cors(call: Call) -> Answer {
    let settings = call.cx.data.r2.settings(&r2::at(&call)?).await?;
    let rules = settings.other.get(CORS).ok_or_else(no_cors)?;
    Reply::ok(&json!({ "rules": rules }))
}

fn no_cors() -> ApiError {
    ApiError::not_found(10059, "The CORS configuration does not exist.")
}

/// `PUT …/{bucket}/cors`
pub(super) async fn put_cors(call: Call, body: Bytes) -> Answer {
    let given: Rules<CorsRule> = rules(&body)?;
    let empty =
        |rule: &CorsRule| rule.allowed.methods.is_empty() || rule.allowed.origins.is_empty();
    if given.rules.iter().any(empty) {
        return Err(r2::invalid("A rule needs at least one origin and one method."));
    }
    let rules = json!(given.rules);
    keep(&call, CORS, Some(rules)).await
}

/// `DELETE …/{bucket}/cors`
pub(super) async fn delete_cors(call: Call) -> Answer {
    keep(&call, CORS, None).await
}

async fn keep(call: &Call, name: &'static str, value: Option<Value>) -> Answer {
    let at = r2::at(call)?;
    let change = move |settings: &mut clodo_storage::BucketSettings| match value {
        Some(value) => drop(settings.other.insert(name.to_owned(), value)),
        None => drop(settings.other.remove(name)),
    };
    call.cx.data.r2.change_settings(&at, change).await?;
    Reply::ok(&json!({}))
}

/// `GET …/{bucket}/lifecycle`
pub(super) async fn get_lifecycle(call: Call) -> Answer {
    let settings = call.cx.data.r2.settings(&r2::at(&call)?).await?;
    Reply::ok(&Rules { rules: settings.lifecycle })
}

/// `PUT …/{bucket}/lifecycle`: instead of all rules before.
pub(super) async fn put_lifecycle(call: Call, body: Bytes) -> Answer {
    let Rules { rules } = rules::<LifecycleRule>(&body)?;
    unique(rules.iter().map(|rule| rule.id.as_str()))?;
    for rule in &rules {
        let classes = rule.storage_class_transitions.iter();
        let conditions =
            [&rule.abort_multipart_uploads_transition, &rule.delete_objects_transition];
        let conditions = conditions.into_iter().flatten().map(|transition| &transition.condition);
        for condition in conditions.chain(classes.clone().map(|class| &class.condition)) {
            if matches!(condition, LifecycleCondition::Age { max_age } if *max_age < 0) {
                return Err(r2::invalid("An age cannot be negative."));
            }
        }
        let abort = rule.abort_multipart_uploads_transition.as_ref();
        if abort.is_some_and(|abort| matches!(abort.condition, LifecycleCondition::Date { .. })) {
            return Err(r2::invalid("Multipart uploads are aborted by their age only."));
        }
        if classes.clone().any(|class| class.storage_class != "InfrequentAccess") {
            return Err(r2::invalid("Objects can only move to `InfrequentAccess`."));
        }
    }
    let at = r2::at(&call)?;
    call.cx.data.r2.change_settings(&at, |settings| settings.lifecycle = rules).await?;
    Reply::ok(&json!({}))
}

/// `GET …/{bucket}/lock`
pub(super) async fn get_locks(call: Call) -> Answer {
    let settings = call.cx.data.r2.settings(&r2::at(&call)?).await?;
    Reply::ok(&Rules { rules: settings.locks })
}

/// `PUT …/{bucket}/lock`: instead of all rules before.
pub(super) async fn put_locks(call: Call, body: Bytes) -> Answer {
    let Rules { rules } = rules::<LockRule>(&body)?;
    unique(rules.iter().map(|rule| rule.id.as_str()))?;
    let negative = |rule: &LockRule| matches!(rule.condition, LockCondition::Age { max_age_seconds } if max_age_seconds < 0);
    if rules.iter().any(negative) {
        return Err(r2::invalid("An age cannot be negative."));
    }
    let at = r2::at(&call)?;
    call.cx.data.r2.change_settings(&at, |settings| settings.locks = rules).await?;
    Reply::ok(&json!({}))
}

fn rules<T: DeserializeOwned>(body: &[u8]) -> Result<Rules<T>, ApiError> {
    let given: Rules<T> = read_json(body).map_err(|error| r2::invalid(error.message))?;
    if given.rules.len() > MAX_RULES {
        return Err(r2::invalid(format!("A bucket has at most {MAX_RULES} rules.")));
    }
    Ok(given)
}

fn unique<'a>(ids: impl Iterator<Item = &'a str>) -> Result<(), ApiError> {
    let mut seen = BTreeSet::new();
    for id in ids {
        if id.is_empty() || !seen.insert(id) {
            return Err(r2::invalid("Each rule needs an id of its own."));
        }
    }
    Ok(())
}

/// `GET …/{bucket}/local-uploads`
pub(super) async fn get_local_uploads(call: Call) -> Answer {
    let settings = call.cx.data.r2.settings(&r2::at(&call)?).await?;
    let enabled = settings.other.get(LOCAL_UPLOADS).cloned().unwrap_or(json!(false));
    Reply::ok(&json!({ "enabled": enabled }))
}

/// `PUT …/{bucket}/local-uploads`. All uploads are local here, so that it is only kept.
pub(super) async fn put_local_uploads(call: Call, body: Bytes) -> Answer {
    #[derive(Deserialize)]
    struct Wire {
        enabled: bool,
    }
    let Wire { enabled } = read_json(&body).map_err(|error| r2::invalid(error.message))?;
    keep(&call, LOCAL_UPLOADS, Some(json!(enabled))).await?;
    Reply::ok(&json!({ "enabled": enabled }))
}

/// `GET` and `DELETE …/{bucket}/sippy`: it is never on.
pub(super) async fn get_sippy(call: Call) -> Answer {
    r2::bucket(&call)?;
    Reply::ok(&json!({ "enabled": false }))
}

/// `PUT …/{bucket}/sippy`
pub(super) async fn put_sippy(call: Call) -> Answer {
    r2::bucket(&call)?;
    let message = "The local Cloudflare reaches no other cloud to migrate objects from.";
    Err(r2::invalid(message))
}
