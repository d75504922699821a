//! D1 databases.

use crate::{
    api_error::ApiError,
    client::Client,
    endpoint::{Endpoint, Repeat},
    ensure::Ensured,
    paging::{ListEndpoint, Paging},
    wire::or_default,
    workers::UPLOAD_TIME_LIMIT,
};
use bytes::Bytes;
use clodo_http::Response;
use clodo_types::{AccountId, DatabaseId, DatabaseName, Secret};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

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
    #[serde(default)]
    pub file_size: Option<u64>,
    /// How many tables it has.
    #[serde(default)]
    pub num_tables: Option<u64>,
    /// `production`, or `alpha` for databases of old.
    #[serde(default)]
    pub version: Option<String>,
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

/// SQL with values for its `?`. Several statements run one after the other in one transaction.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Sql {
    /// The statements.
    pub sql: String,
    /// The values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Value>,
}

impl Sql {
    /// Statements without values.
    #[must_use]
    pub fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), params: Vec::new() }
    }

    /// Adds a value.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Value>) -> Self {
        self.params.push(value.into());
        self
    }
}

/// What one statement gave, as objects.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct QueryResult {
    /// The rows. Columns of one name hide each other: see [`RawResult`].
    #[serde(default, deserialize_with = "or_default")]
    pub results: Vec<Map<String, Value>>,
    /// What it did.
    #[serde(default, deserialize_with = "or_default")]
    pub meta: QueryMeta,
}

/// What one statement gave, as rows of values.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct RawResult {
    /// Columns and rows.
    #[serde(default, deserialize_with = "or_default")]
    pub results: Rows,
    /// What it did.
    #[serde(default, deserialize_with = "or_default")]
    pub meta: QueryMeta,
}

/// Columns and rows.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Rows {
    /// The names of the columns.
    #[serde(default, deserialize_with = "or_default")]
    pub columns: Vec<String>,
    /// The values, row by row.
    #[serde(default, deserialize_with = "or_default")]
    pub rows: Vec<Vec<Value>>,
}

/// What a statement did.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct QueryMeta {
    /// Milliseconds in the database.
    #[serde(default)]
    pub duration: Option<f64>,
    /// Rows that were changed.
    #[serde(default)]
    pub changes: Option<u64>,
    /// The id of the last row that was inserted.
    #[serde(default)]
    pub last_row_id: Option<i64>,
    /// Whether the file changed.
    #[serde(default)]
    pub changed_db: Option<bool>,
    /// Rows that were read, for the bill.
    #[serde(default)]
    pub rows_read: Option<u64>,
    /// Rows that were written, for the bill.
    #[serde(default)]
    pub rows_written: Option<u64>,
    /// Bytes of the file afterwards.
    #[serde(default)]
    pub size_after: Option<u64>,
}

/// Where an import or an export stands.
#[derive(Clone, Debug, Default, Deserialize)]
#[non_exhaustive]
pub struct Import {
    /// `active`, `complete` or `error`; none in the answer to the beginning of an upload.
    #[serde(default)]
    pub status: Option<String>,
    /// The name under which the file was announced.
    #[serde(default)]
    pub filename: Option<String>,
    /// Where to put the file.
    #[serde(default)]
    pub upload_url: Option<Secret>,
    /// What to ask the next poll with.
    #[serde(default)]
    pub at_bookmark: Option<String>,
    /// What a person reads meanwhile.
    #[serde(default, deserialize_with = "or_default")]
    pub messages: Vec<String>,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<String>,
    /// What it did, as it travels.
    #[serde(default)]
    pub result: Option<Value>,
}

/// A step of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum ImportStep {
    /// Announces a file by the MD5 of its content, in hexadecimal.
    Init {
        /// The MD5.
        etag: String,
    },
    /// Runs the file that was put to the URL.
    Ingest {
        /// The name it was given.
        filename: String,
        /// The MD5.
        etag: String,
    },
    /// Asks how far it is.
    Poll {
        /// Where the last answer was.
        current_bookmark: String,
    },
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

/// Removes a database with its data.
#[must_use]
pub fn delete_database(account: &AccountId, id: &DatabaseId) -> Endpoint<()> {
    Endpoint::delete(DATABASE).at("account", account).at("database", id)
}

/// Runs SQL that may write; never repeated.
#[must_use]
pub fn query(account: &AccountId, id: &DatabaseId, sql: &Sql) -> Endpoint<Vec<QueryResult>> {
    Endpoint::new(Method::POST, "/accounts/{account}/d1/database/{database}/query", Repeat::Never)
        .at("account", account)
        .at("database", id)
        .with_json(sql)
}

/// Runs SQL that only reads; it counts as a read and may be repeated.
#[must_use]
pub fn read(account: &AccountId, id: &DatabaseId, sql: &Sql) -> Endpoint<Vec<QueryResult>> {
    query(account, id, sql).only_reading()
}

/// Runs several statements with values of their own in one transaction; never repeated.
#[must_use]
pub fn batch(account: &AccountId, id: &DatabaseId, batch: &[Sql]) -> Endpoint<Vec<QueryResult>> {
    Endpoint::new(Method::POST, "/accounts/{account}/d1/database/{database}/query", Repeat::Never)
        .at("account", account)
        .at("database", id)
        .with_json(&serde_json::json!({ "batch": batch }))
}

/// Runs SQL that may write and gives rows of values; never repeated.
#[must_use]
pub fn raw(account: &AccountId, id: &DatabaseId, sql: &Sql) -> Endpoint<Vec<RawResult>> {
    Endpoint::new(Method::POST, "/accounts/{account}/d1/database/{database}/raw", Repeat::Never)
        .at("account", account)
        .at("database", id)
        .with_json(sql)
}

/// A step of an import. The database answers nobody else while a file runs.
#[must_use]
pub fn import(account: &AccountId, id: &DatabaseId, step: &ImportStep) -> Endpoint<Import> {
    let repeat = match step {
        ImportStep::Init { .. } | ImportStep::Poll { .. } => Repeat::Safe,
        ImportStep::Ingest { .. } => Repeat::Never,
    };
    Endpoint::new(Method::POST, "/accounts/{account}/d1/database/{database}/import", repeat)
        .at("account", account)
        .at("database", id)
        .with_json(step)
}

/// Puts the file of an import to its URL, which is signed; the token is not sent. The answer's
/// `ETag` is the MD5 of what arrived.
#[must_use]
pub fn put_import_file(url: &Secret, content: Bytes) -> Endpoint<Response> {
    Endpoint::elsewhere(Method::PUT, url, "the upload of a D1 import", Repeat::Safe)
        .with_body("application/octet-stream", content)
        .with_time_limit(UPLOAD_TIME_LIMIT)
}

/// The present moment of a database's history.
#[must_use]
pub fn bookmark(account: &AccountId, id: &DatabaseId) -> Endpoint<Bookmark> {
    let template = "/accounts/{account}/d1/database/{database}/time_travel/bookmark";
    Endpoint::get(template).at("account", account).at("database", id)
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
