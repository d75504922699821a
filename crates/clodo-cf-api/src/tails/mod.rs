//! Live tails: the events of a Worker as they happen.
//!
//! # Example
#![cfg_attr(feature = "websocket", doc = "```")]
#![cfg_attr(not(feature = "websocket"), doc = "```ignore")]
#![doc = include_str!("../../docs/tails.rs")]
//! ```
#![doc = include_str!("../../docs/tails.md")]

mod event;
mod socket;
mod stream;
#[cfg(feature = "websocket")]
mod tungstenite;

pub use event::{
    EventKind, FetchRequest, FetchResponse, Outcome, ScriptVersion, TraceEvent, TraceException,
    TraceLog, TriggerFields,
};
pub use socket::{Frame, WebSocket, WebSocketConnector, WebSocketError};
pub use stream::{TailError, TailStream};
#[cfg(feature = "websocket")]
pub use tungstenite::WebSockets;

use crate::{
    endpoint::{Endpoint, Repeat},
    ids::TailId,
};
use clodo_types::{AccountId, Secret, VersionId, WorkerName};
use http::Method;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

/// A live tail.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Tail {
    /// Its id.
    pub id: TailId,
    /// Where its events come from. Whoever knows it can read them.
    pub url: Secret,
    /// When it ends unless it is kept, in RFC 3339.
    #[serde(default)]
    pub expires_at: Option<String>,
}

/// Live tails of a Worker.
#[derive(Clone, Debug, Default)]
pub struct Tails(pub Vec<Tail>);

impl<'de> Deserialize<'de> for Tails {
    /// Some answers hold one tail, some a list, some none.
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let each = match Value::deserialize(from)? {
            Value::Array(each) => each,
            Value::Null => Vec::new(),
            one => vec![one],
        };
        let each = each.into_iter().map(Tail::deserialize);
        Ok(Self(each.collect::<Result<_, _>>().map_err(serde::de::Error::custom)?))
    }
}

/// Which events a tail shows: those that pass all its filters.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TailFilter {
    /// This share of them, from 0 to 1.
    SamplingRate(f64),
    /// Those that ended in one of these ways: `ok`, `exception`, `canceled` …
    Outcome(Vec<String>),
    /// Those whose logs hold this text.
    Query(String),
    /// Those with one of these HTTP methods.
    Method(Vec<String>),
    /// Those with this header.
    Header {
        /// Its name.
        key: String,
        /// A text that its value holds.
        #[serde(skip_serializing_if = "Option::is_none")]
        query: Option<String>,
    },
    /// Those from one of these addresses; `self` is the caller's own.
    ClientIp(Vec<String>),
    /// Those of one version.
    #[serde(rename = "scriptVersion")]
    Version(VersionId),
}

const TAILS: &str = "/accounts/{account}/workers/scripts/{worker}/tails";
const TAIL: &str = "/accounts/{account}/workers/scripts/{worker}/tails/{tail}";

/// Opens a tail. A lost answer means one that nobody reads; it ends by itself.
#[must_use]
pub fn create_tail(
    account: &AccountId,
    worker: &WorkerName,
    filters: &[TailFilter],
) -> Endpoint<Tail> {
    Endpoint::new(Method::POST, TAILS, Repeat::Safe)
        .at("account", account)
        .at("worker", worker)
        .with_json(&json!({ "filters": filters }))
}

/// The open tails of a Worker.
#[must_use]
pub fn open_tails(account: &AccountId, worker: &WorkerName) -> Endpoint<Tails> {
    Endpoint::get(TAILS).at("account", account).at("worker", worker)
}

/// Closes a tail.
#[must_use]
pub fn delete_tail(account: &AccountId, worker: &WorkerName, id: &TailId) -> Endpoint<()> {
    Endpoint::delete(TAIL).at("account", account).at("worker", worker).at("tail", id)
}

/// Keeps a tail open for longer.
#[must_use]
pub fn keep_tail(account: &AccountId, worker: &WorkerName, id: &TailId) -> Endpoint<()> {
    let template = "/accounts/{account}/workers/scripts/{worker}/tails/{tail}/heartbeat";
    Endpoint::silent(Method::POST, template, Repeat::Safe)
        .at("account", account)
        .at("worker", worker)
        .at("tail", id)
}
