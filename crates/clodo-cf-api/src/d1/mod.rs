//! D1 databases: the databases themselves, SQL, files in and out, and their history.
//!
//! # Example
//! ```
#![doc = include_str!("../../docs/d1.rs")]
//! ```
#![doc = include_str!("../../docs/d1.md")]

#[cfg(feature = "d1")]
mod answered;
#[cfg(feature = "d1")]
mod database;
mod drive;
mod query;
mod transfer;

#[cfg(feature = "d1")]
pub use database::D1Database;
#[cfg(feature = "d1")]
pub(crate) use database::failed as database_error;
pub use drive::{Exported, ImportFile, Imported, TransferError, TransferProgress};
pub use query::{
    QueryMeta, QueryResult, RawResult, Rows, Sql, batch, query, raw, raw_batch, read, read_raw,
};
pub use transfer::{
    ExportOptions, ImportStep, Transfer, TransferResult, TransferStatus, export, export_file,
    import, put_import_file,
};

use crate::{
    api_error::ApiError,
    client::Client,
    endpoint::{Endpoint, Repeat},
    ensure::Ensured,
    paging::{ListEndpoint, Paging},
    wire::{number, open_enum},
};
use clodo_types::{AccountId, DatabaseId, DatabaseName};
use http::Method;
use serde::{Deserialize, Serialize};

/// A database.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Database {
    /// Its id.
    #[serde(rename = "uuid")]
    pub id: DatabaseId,
    /// Its name; an old one may hold characters that a [`DatabaseName`] refuses.
    #[serde(default)]
    pub name: String,
    /// In RFC 3339.
    #[serde(default)]
    pub created_at: Option<String>,
    /// Bytes.
    #[serde(default, deserialize_with = "number")]
    pub file_size: Option<u64>,
    /// How many tables it has.
    #[serde(default, deserialize_with = "number")]
    pub num_tables: Option<u64>,
    /// Where its data must stay.
    #[serde(default)]
    pub jurisdiction: Option<String>,
    /// Where its writer runs.
    #[serde(default)]
    pub running_in_region: Option<String>,
    /// Whether it has copies to read from.
    #[serde(default)]
    pub read_replication: Option<ReadReplication>,
    /// `production`, or `alpha` for databases of old.
    #[serde(default)]
    pub version: Option<String>,
}

open_enum! {
    /// Whether a database has copies to read from.
    ReplicationMode {
        /// Where Cloudflare likes.
        Auto = "auto",
        /// It has none.
        Disabled = "disabled",
    }
}

/// Whether a database has copies to read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadReplication {
    /// Whether it has.
    pub mode: ReplicationMode,
}

/// A database to create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewDatabase {
    /// Its name.
    pub name: DatabaseName,
    /// Where its writer lives: `weur`, `eeur`, `apac`, `oc`, `wnam` or `enam`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary_location_hint: Option<String>,
    /// Where its data must stay: `eu` or `fedramp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jurisdiction: Option<String>,
}

impl NewDatabase {
    /// A database of this name, wherever Cloudflare likes.
    #[must_use]
    pub fn named(name: DatabaseName) -> Self {
        Self { name, primary_location_hint: None, jurisdiction: None }
    }
}

/// A moment in the history of a database.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Bookmark {
    /// Sorts by time.
    pub bookmark: String,
    /// After a restore: the moment before it, to which one can go back.
    #[serde(default)]
    pub previous_bookmark: Option<String>,
}

const DATABASES: &str = "/accounts/{account}/d1/database";
const DATABASE: &str = "/accounts/{account}/d1/database/{database}";

/// Every database of an account.
#[must_use]
pub fn list_databases(account: &AccountId) -> ListEndpoint<Database> {
    ListEndpoint::new(DATABASES, Paging::Numbered { per_page: 1000 }).at("account", account)
}

/// One database.
#[must_use]
pub fn database(account: &AccountId, id: &DatabaseId) -> Endpoint<Database> {
    Endpoint::get(DATABASE).at("account", account).at("database", id)
}

/// Creates a database; [`Client::ensure_database`] does it at most once.
#[must_use]
pub fn create_database(account: &AccountId, new: &NewDatabase) -> Endpoint<Database> {
    Endpoint::new(Method::POST, DATABASES, Repeat::LookUp).at("account", account).with_json(new)
}

/// Sets whether a database has copies to read from.
#[must_use]
pub fn put_database(
    account: &AccountId,
    id: &DatabaseId,
    read_replication: &ReadReplication,
) -> Endpoint<Database> {
    changed(Method::PUT, account, id, read_replication)
}

/// Changes whether a database has copies to read from.
#[must_use]
pub fn patch_database(
    account: &AccountId,
    id: &DatabaseId,
    read_replication: &ReadReplication,
) -> Endpoint<Database> {
    changed(Method::PATCH, account, id, read_replication)
}

fn changed(
    method: Method,
    account: &AccountId,
    id: &DatabaseId,
    read_replication: &ReadReplication,
) -> Endpoint<Database> {
    Endpoint::new(method, DATABASE, Repeat::Safe)
        .at("account", account)
        .at("database", id)
        .with_json(&serde_json::json!({ "read_replication": read_replication }))
}

/// Removes a database with its data.
#[must_use]
pub fn delete_database(account: &AccountId, id: &DatabaseId) -> Endpoint<()> {
    Endpoint::delete(DATABASE).at("account", account).at("database", id)
}

/// The present moment of a database's history.
#[must_use]
pub fn bookmark(account: &AccountId, id: &DatabaseId) -> Endpoint<Bookmark> {
    let template = "/accounts/{account}/d1/database/{database}/time_travel/bookmark";
    Endpoint::get(template).at("account", account).at("database", id)
}

/// A moment of a database's history by its time, in RFC 3339.
#[must_use]
pub fn bookmark_at(account: &AccountId, id: &DatabaseId, timestamp: &str) -> Endpoint<Bookmark> {
    bookmark(account, id).with_query("timestamp", timestamp)
}

/// Puts a database back to a time, in RFC 3339, as [`restore`] does.
#[must_use]
pub fn restore_at(account: &AccountId, id: &DatabaseId, timestamp: &str) -> Endpoint<Bookmark> {
    let template = "/accounts/{account}/d1/database/{database}/time_travel/restore";
    Endpoint::new(Method::POST, template, Repeat::Never)
        .at("account", account)
        .at("database", id)
        .with_query("timestamp", timestamp)
}

/// Puts a database back to a moment; later writes are gone, and can be had back with the
/// previous bookmark.
#[must_use]
pub fn restore(account: &AccountId, id: &DatabaseId, to: &str) -> Endpoint<Bookmark> {
    let template = "/accounts/{account}/d1/database/{database}/time_travel/restore";
    Endpoint::new(Method::POST, template, Repeat::Never)
        .at("account", account)
        .at("database", id)
        .with_query("bookmark", to)
}

impl Client {
    /// The database of this name.
    ///
    /// # Errors
    /// When the databases cannot be listed.
    pub async fn find_database(
        &self,
        account: &AccountId,
        name: &DatabaseName,
    ) -> Result<Option<Database>, ApiError> {
        // The filter matches parts of names.
        let list = list_databases(account).with_query("name", name);
        let found = self.list(list).await?;
        Ok(found.into_iter().find(|database| database.name == name.as_str()))
    }

    /// Makes sure that a database of this name is there, and creates at most one.
    ///
    /// # Errors
    /// When it is not there in the end.
    pub async fn ensure_database(
        &self,
        account: &AccountId,
        new: &NewDatabase,
    ) -> Result<Ensured<Database>, ApiError> {
        let create = || create_database(account, new);
        self.ensure(create, || self.find_database(account, &new.name)).await
    }
}
