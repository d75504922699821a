//! Durable Objects: the namespaces of an account and the objects in them. Classes are made and
//! removed by a Worker's [migrations](crate::Migrations), never by a call of their own.
//!
//! # Example
//! ```
#![doc = include_str!("../docs/durable_objects.rs")]
//! ```
#![doc = include_str!("../docs/durable_objects.md")]

use crate::{
    ids::ObjectNamespaceId,
    paging::{ListEndpoint, Paging},
    wire::or_default,
};
use clodo_types::AccountId;
use serde::Deserialize;

/// A namespace: one class of one Worker.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ObjectNamespace {
    /// Its id.
    pub id: ObjectNamespaceId,
    /// Its name, made of the Worker's and the class's.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// The Worker.
    #[serde(default)]
    pub script: Option<String>,
    /// The class.
    #[serde(default)]
    pub class: Option<String>,
    /// Whether its objects keep their data in SQLite.
    #[serde(default)]
    pub use_sqlite: Option<bool>,
}

/// An object.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DurableObject {
    /// Its id: 64 hexadecimal digits.
    pub id: String,
    /// Whether it has stored anything.
    #[serde(default, deserialize_with = "or_default")]
    pub has_stored_data: bool,
}

/// Every namespace of an account.
#[must_use]
pub fn list_namespaces(account: &AccountId) -> ListEndpoint<ObjectNamespace> {
    let template = "/accounts/{account}/workers/durable_objects/namespaces";
    ListEndpoint::new(template, Paging::Numbered { per_page: 1000 }).at("account", account)
}

/// Every object of a namespace.
#[must_use]
pub fn list_objects(
    account: &AccountId,
    namespace: &ObjectNamespaceId,
) -> ListEndpoint<DurableObject> {
    let template = "/accounts/{account}/workers/durable_objects/namespaces/{namespace}/objects";
    ListEndpoint::new(template, Paging::CursorAfter { size_name: "limit", size: 1000 })
        .at("account", account)
        .at("namespace", namespace)
}
