//! What happened, in numbers: Cloudflare's GraphQL API.
//!
//! # Example
//! ```
#![doc = include_str!("../../docs/analytics.rs")]
//! ```
#![doc = include_str!("../../docs/analytics.md")]

mod usage;
mod workers;

pub use usage::{
    D1Queries, D1Storage, KvOperations, KvStorage, R2Operations, R2Storage, d1_queries, d1_storage,
    kv_operations, kv_storage, r2_operations, r2_storage,
};
pub use workers::{
    InvocationAverages, InvocationDimensions, InvocationQuantiles, InvocationStatus,
    InvocationSums, Invocations, InvocationsFilter, InvocationsGroup, invocations,
};

use crate::endpoint::Endpoint;
use clodo_types::AccountId;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, json};

/// A stretch of time: both ends included, in RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// Its beginning.
    pub from: String,
    /// Its end.
    pub to: String,
}

impl TimeRange {
    /// From one moment to another, in RFC 3339.
    #[must_use]
    pub fn new(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self { from: from.into(), to: to.into() }
    }
}

/// Asks anything. `A` is what the answer's `data` is. An answer that names errors is an error,
/// although its status is 200.
#[must_use]
pub fn query<A: DeserializeOwned>(query: &str, variables: &impl Serialize) -> Endpoint<A> {
    Endpoint::graphql().with_json(&json!({ "query": query, "variables": variables }))
}

/// A condition of a filter: its field, the type of its value in the schema, its value.
type Condition<'a> = (&'static str, &'static str, &'a str);

/// The groups of one node of one account. Values go in as variables, so that no text of the
/// caller's is ever part of the query.
fn of_account<A: DeserializeOwned>(
    account: &AccountId,
    node: &'static str,
    conditions: &[Condition<'_>],
    fields: &str,
) -> Endpoint<Vec<A>> {
    let mut declared = "$accountTag:string".to_owned();
    let mut filter = String::new();
    let mut variables = Map::from_iter([("accountTag".to_owned(), json!(account))]);
    for (field, kind, value) in conditions {
        declared += &format!(",${field}:{kind}");
        filter += &format!("{field}:${field} ");
        variables.insert((*field).to_owned(), json!(value));
    }
    let text = format!(
        "query({declared}){{viewer{{accounts(filter:{{accountTag:$accountTag}}){{{node}(limit:10000,\
         filter:{{{}}}){{{fields}}}}}}}}}",
        filter.trim_end()
    );
    Endpoint::<Vec<A>>::graphql_node(node)
        .with_json(&json!({ "query": text, "variables": variables }))
}

fn within(time: &TimeRange) -> [Condition<'_>; 2] {
    [("datetime_geq", "string", &time.from), ("datetime_leq", "string", &time.to)]
}

/// Usage is grouped by whole days.
fn days(time: &TimeRange) -> [Condition<'_>; 2] {
    fn day(moment: &str) -> &str {
        moment.get(..10).unwrap_or(moment)
    }
    [("date_geq", "Date", day(&time.from)), ("date_leq", "Date", day(&time.to))]
}
