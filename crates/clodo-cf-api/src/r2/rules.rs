use crate::{
    endpoint::{Endpoint, Repeat},
    paging::{ListEndpoint, Paging},
    wire::or_default,
};
use clodo_types::{AccountId, BucketName};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Which pages may reach a bucket from a browser.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CorsRule {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Which pages, and what they may do.
    #[serde(default, deserialize_with = "or_default")]
    pub allowed: CorsAllowed,
    /// Headers of answers that pages may read.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub expose_headers: Vec<String>,
    /// Seconds that a browser remembers the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u64>,
}

/// What pages may do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorsAllowed {
    /// `GET`, `PUT`, `POST`, `DELETE`, `HEAD`.
    #[serde(default, deserialize_with = "or_default")]
    pub methods: Vec<String>,
    /// Such as `https://example.com`.
    #[serde(default, deserialize_with = "or_default")]
    pub origins: Vec<String>,
    /// Headers that requests may have.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
}

/// What becomes of objects in time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LifecycleRule {
    /// Its name.
    #[serde(default, deserialize_with = "or_default")]
    pub id: String,
    /// Whether it is in force.
    #[serde(default, deserialize_with = "or_default")]
    pub enabled: bool,
    /// Which objects.
    #[serde(default, deserialize_with = "or_default")]
    pub conditions: LifecyclePrefix,
    /// When objects are removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_objects_transition: Option<LifecycleAction>,
    /// When uploads that never ended are removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort_multipart_uploads_transition: Option<LifecycleAction>,
    /// When objects are stored in another class.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub storage_class_transitions: Vec<StorageTransition>,
}

/// Which objects a rule is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecyclePrefix {
    /// The beginning of their keys; empty for all.
    #[serde(default, deserialize_with = "or_default")]
    pub prefix: String,
}

/// When something is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecycleAction {
    /// When.
    pub condition: LifecycleCondition,
}

/// When objects are stored in another class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StorageTransition {
    /// When.
    pub condition: LifecycleCondition,
    /// `InfrequentAccess`.
    pub storage_class: String,
}

/// A moment in the life of an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
#[non_exhaustive]
pub enum LifecycleCondition {
    /// So many seconds after it was stored.
    Age {
        /// Seconds.
        #[serde(rename = "maxAge")]
        max_age: u64,
    },
    /// At a date, in RFC 3339.
    Date {
        /// The date.
        date: String,
    },
    /// One that came later; it cannot be written back.
    #[serde(other)]
    Other,
}

impl LifecycleRule {
    /// Removes objects so many days after they were stored.
    #[must_use]
    pub fn expire(id: impl Into<String>, prefix: impl Into<String>, days: u64) -> Self {
        let condition = LifecycleCondition::Age { max_age: days * 86_400 };
        Self {
            id: id.into(),
            enabled: true,
            conditions: LifecyclePrefix { prefix: prefix.into() },
            delete_objects_transition: Some(LifecycleAction { condition }),
            ..Self::default()
        }
    }
}

const CORS: &str = "/accounts/{account}/r2/buckets/{bucket}/cors";
const LIFECYCLE: &str = "/accounts/{account}/r2/buckets/{bucket}/lifecycle";

/// Which pages may reach a bucket; not found when no rules were ever set.
#[must_use]
pub fn cors(account: &AccountId, bucket: &BucketName) -> ListEndpoint<CorsRule> {
    let list = ListEndpoint::new(CORS, Paging::Single).within("rules");
    list.at("account", account).at("bucket", bucket)
}

/// Sets which pages may reach a bucket; replaces all rules.
#[must_use]
pub fn put_cors(account: &AccountId, bucket: &BucketName, rules: &[CorsRule]) -> Endpoint<()> {
    Endpoint::silent(Method::PUT, CORS, Repeat::Safe)
        .at("account", account)
        .at("bucket", bucket)
        .with_json(&json!({ "rules": rules }))
}

/// Removes all rules: no page may reach the bucket from a browser.
#[must_use]
pub fn delete_cors(account: &AccountId, bucket: &BucketName) -> Endpoint<()> {
    Endpoint::delete(CORS).at("account", account).at("bucket", bucket)
}

/// What becomes of a bucket's objects in time.
#[must_use]
pub fn lifecycle(account: &AccountId, bucket: &BucketName) -> ListEndpoint<LifecycleRule> {
    let list = ListEndpoint::new(LIFECYCLE, Paging::Single).within("rules");
    list.at("account", account).at("bucket", bucket)
}

/// Sets what becomes of a bucket's objects in time; replaces all rules.
#[must_use]
pub fn put_lifecycle(
    account: &AccountId,
    bucket: &BucketName,
    rules: &[LifecycleRule],
) -> Endpoint<()> {
    Endpoint::silent(Method::PUT, LIFECYCLE, Repeat::Safe)
        .at("account", account)
        .at("bucket", bucket)
        .with_json(&json!({ "rules": rules }))
}
