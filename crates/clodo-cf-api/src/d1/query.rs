use crate::{
    endpoint::{Endpoint, Repeat},
    wire::or_default,
};
use clodo_types::{AccountId, DatabaseId};
use http::Method;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

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

impl QueryResult {
    /// The rows as values of the caller's own type.
    ///
    /// # Errors
    /// When a row is not such a value.
    pub fn rows<T: DeserializeOwned>(&self) -> Result<Vec<T>, serde_json::Error> {
        let row = |row: &Map<String, Value>| T::deserialize(Value::Object(row.clone()));
        self.results.iter().map(row).collect()
    }
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
    /// The program that answered.
    #[serde(default)]
    pub served_by: Option<String>,
    /// Where it runs, such as `WEUR`.
    #[serde(default)]
    pub served_by_region: Option<String>,
    /// Whether it is the one that writes.
    #[serde(default)]
    pub served_by_primary: Option<bool>,
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

/// Runs several statements with values of their own in one transaction and gives rows of values;
/// never repeated.
#[must_use]
pub fn raw_batch(account: &AccountId, id: &DatabaseId, batch: &[Sql]) -> Endpoint<Vec<RawResult>> {
    Endpoint::new(Method::POST, "/accounts/{account}/d1/database/{database}/raw", Repeat::Never)
        .at("account", account)
        .at("database", id)
        .with_json(&serde_json::json!({ "batch": batch }))
}

/// Runs SQL that only reads and gives rows of values; it counts as a read and may be repeated.
#[must_use]
pub fn read_raw(account: &AccountId, id: &DatabaseId, sql: &Sql) -> Endpoint<Vec<RawResult>> {
    raw(account, id, sql).only_reading()
}
