//! Cloudflare's GraphQL analytics API over the figures that are kept.

mod filter;
mod plan;
mod rows;
mod schema;
#[cfg(test)]
mod tests;

use super::store::{Dataset, Store};
use async_trait::async_trait;
use plan::{AccountField, Root, Rows, Viewer};
use serde_json::{Map, Value, json};
use std::fmt;

/// A query of more bytes is not parsed.
const MAX_QUERY: usize = 256 * 1024;

/// What stands in the body of `POST /graphql`.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Asked {
    query: String,
    variables: Option<Map<String, Value>>,
    #[serde(rename = "operationName")]
    operation_name: Option<String>,
}

/// Why a query was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GraphError {
    message: String,
    path: Vec<String>,
    code: Option<&'static str>,
}

impl GraphError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), path: Vec::new(), code: None }
    }

    fn at(mut self, path: &[&str]) -> Self {
        self.path = path.iter().map(|&name| name.to_owned()).collect();
        self
    }

    fn shown(&self, now: &str) -> Value {
        let path = if self.path.is_empty() { Value::Null } else { json!(self.path) };
        let mut extensions = json!({ "timestamp": now });
        if let Some(code) = self.code {
            extensions["code"] = code.into();
        }
        json!({
            "data": null,
            "errors": [{ "message": self.message, "path": path, "extensions": extensions }],
        })
    }
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Who asks, and what only others know.
///
/// # Contract
/// - `accounts` are those that may be asked about.
/// - `sample` adds how much is stored at present to the store; `only` is the one database,
///   namespace or bucket that is asked about, if it is one.
#[async_trait]
pub(crate) trait Viewing: Send + Sync {
    /// The accounts that may be asked about.
    fn accounts(&self) -> Vec<String>;
    /// Adds how much is stored at present.
    async fn sample(&self, account: &str, dataset: Dataset, only: Option<&str>);
}

/// The answer to a query: `{"data", "errors"}`, whatever was asked.
pub(crate) async fn answer(store: &Store, asked: &Asked, viewing: &dyn Viewing) -> Value {
    match data(store, asked, viewing).await {
        Ok(data) => json!({ "data": data, "errors": null }),
        Err(error) => {
            let now = jiff::Timestamp::from_millisecond(store.now().as_millis());
            error.shown(&now.unwrap_or_default().to_string())
        }
    }
}

async fn data(store: &Store, asked: &Asked, viewing: &dyn Viewing) -> Result<Value, GraphError> {
    let none = Map::new();
    let plan = {
        if asked.query.len() > MAX_QUERY {
            return Err(GraphError::new("the query is too large"));
        }
        let document = graphql_parser::parse_query::<String>(&asked.query)
            .map_err(|error| GraphError::new(error.to_string().trim().to_owned()))?
            .into_static();
        let operation = asked.operation_name.as_deref().filter(|name| !name.is_empty());
        plan::plan(&document, operation, asked.variables.as_ref().unwrap_or(&none))?
    };
    let mut data = Map::new();
    for (key, root) in plan {
        let value = match root {
            Root::TypeName => "Query".into(),
            Root::Viewer(fields) => viewer(store, fields, viewing).await?,
        };
        data.insert(key, value);
    }
    Ok(Value::Object(data))
}

async fn viewer(
    store: &Store,
    fields: Vec<plan::Keyed<Viewer>>,
    viewing: &dyn Viewing,
) -> Result<Value, GraphError> {
    let mut viewer = Map::new();
    for (key, field) in fields {
        let value = match field {
            Viewer::TypeName => "viewer".into(),
            Viewer::Accounts(accounts) => {
                let tags = allowed(accounts.tags.as_deref(), viewing)?;
                let mut shown = Vec::new();
                for tag in &tags {
                    shown.push(account(store, tag, &accounts.fields, viewing).await?);
                }
                Value::Array(shown)
            }
        };
        viewer.insert(key, value);
    }
    Ok(Value::Object(viewer))
}

fn allowed(wanted: Option<&[String]>, viewing: &dyn Viewing) -> Result<Vec<String>, GraphError> {
    let known = viewing.accounts();
    let Some(wanted) = wanted else { return Ok(known) };
    match wanted.iter().position(|tag| !known.contains(tag)) {
        None => Ok(wanted.to_vec()),
        Some(at) => {
            let error = GraphError::new("not authorized for that account");
            let at = at.to_string();
            Err(GraphError { code: Some("authz"), ..error.at(&["viewer", "accounts", &at]) })
        }
    }
}

async fn account(
    store: &Store,
    tag: &str,
    fields: &[plan::Keyed<AccountField>],
    viewing: &dyn Viewing,
) -> Result<Value, GraphError> {
    let mut account = Map::new();
    for (key, field) in fields {
        let value = match field {
            AccountField::Tag => tag.into(),
            AccountField::TypeName => "account".into(),
            AccountField::Rows(asked) => node(store, tag, asked, viewing).await?,
        };
        account.insert(key.clone(), value);
    }
    Ok(Value::Object(account))
}

async fn node(
    store: &Store,
    tag: &str,
    asked: &Rows,
    viewing: &dyn Viewing,
) -> Result<Value, GraphError> {
    let dataset = asked.node.dataset;
    if dataset.is_state() {
        viewing.sample(tag, dataset, asked.filter.only(0)).await;
    }
    let (from, to) = asked.filter.minutes();
    let figures = store.figures(tag, dataset, from.unwrap_or(i64::MIN)..=to.unwrap_or(i64::MAX));
    let figures = figures.await.map_err(|error| {
        tracing::error!(%error, "figures cannot be read");
        GraphError::new("internal server error").at(&["viewer", "accounts", asked.node.name])
    })?;
    Ok(rows::rows(asked, &figures))
}
