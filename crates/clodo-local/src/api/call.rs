//! What a handler gets: who calls, with what, in which account.

use super::{ApiContext, error::ApiError};
use crate::access::Caller;
use crate::state::{
    Snapshot, State,
    model::{Account, Token},
    worker::Worker,
    zone::Zone,
};
use axum::{
    extract::{FromRequestParts, MatchedPath, RawPathParams},
    http::{HeaderMap, Method, request::Parts},
};
use clodo_workerd::ClientAddress;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;
use std::{net::IpAddr, sync::Arc};

/// One authenticated call, with the state as it was when it came in.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) cx: Arc<ApiContext>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) token: Arc<Token>,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) params: Params,
    /// Who is at the other end of the connection, where there is one.
    pub(crate) client: Option<IpAddr>,
}

impl FromRequestParts<Arc<ApiContext>> for Call {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, cx: &Arc<ApiContext>) -> Result<Self, ApiError> {
        let snapshot = if lists(parts) { cx.state.seen() } else { cx.state.snapshot() };
        // The gate has looked at it already, and at what it may do.
        let caller = parts.extensions.get::<Result<Caller, ApiError>>().cloned();
        let token = caller.unwrap_or_else(|| Err(ApiError::forbidden()))?.0;
        let params = Params::of(parts, cx).await?;
        Ok(Self {
            cx: Arc::clone(cx),
            snapshot,
            token,
            query: Query::of(parts),
            headers: parts.headers.clone(),
            params,
            client: parts.extensions.get::<ClientAddress>().map(|client| client.0),
        })
    }
}

/// Whether a call asks for a list, which may show a write late.
fn lists(parts: &Parts) -> bool {
    const LISTS: [&str; 18] = [
        "accounts",
        "buckets",
        "consumers",
        "database",
        "deployments",
        "dns_records",
        "domains",
        "memberships",
        "namespaces",
        "queues",
        "records",
        "routes",
        "scripts",
        "secrets",
        "versions",
        "workers",
        "workflows",
        "zones",
    ];
    let path = parts.extensions.get::<MatchedPath>();
    let last = path.and_then(|path| path.as_str().trim_end_matches('/').rsplit('/').next());
    parts.method == Method::GET && last.is_some_and(|last| LISTS.contains(&last))
}

impl Call {
    pub(crate) fn state(&self) -> &State {
        &self.cx.state
    }

    /// The account of the path.
    pub(crate) fn account(&self) -> Result<&Arc<Account>, ApiError> {
        let id = self.params.get("account")?;
        self.snapshot.cloud.accounts.get(id).ok_or_else(ApiError::forbidden)
    }

    pub(crate) fn account_id(&self) -> Result<String, ApiError> {
        self.params.get("account").map(str::to_owned)
    }

    /// The zone of the path.
    pub(crate) fn zone(&self) -> Result<&Arc<Zone>, ApiError> {
        let id = self.params.get("zone")?;
        self.snapshot.cloud.zones.get(id).ok_or_else(ApiError::forbidden)
    }

    pub(crate) fn script_name(&self) -> Result<String, ApiError> {
        self.params.get("script").map(str::to_owned)
    }

    /// The Worker of the path.
    pub(crate) fn worker(&self) -> Result<&Arc<Worker>, ApiError> {
        let name = self.params.get("script")?;
        self.account()?.workers.get(name).ok_or_else(ApiError::no_worker)
    }

    /// Who uploads, as `source` shows it.
    pub(crate) fn source(&self) -> String {
        let agent = self.headers.get("user-agent").and_then(|agent| agent.to_str().ok());
        let wrangler = agent.is_some_and(|agent| agent.starts_with("wrangler/"));
        if wrangler { "wrangler".into() } else { "api".into() }
    }

    /// Where this API is reached, as the client sees it.
    pub(crate) fn origin(&self) -> String {
        let host = self.headers.get("host").and_then(|host| host.to_str().ok());
        format!("http://{}", host.unwrap_or("127.0.0.1"))
    }
}

/// The parameters of the path, decoded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    async fn of(parts: &mut Parts, cx: &Arc<ApiContext>) -> Result<Self, ApiError> {
        let path = parts.uri.path().to_owned();
        let raw = RawPathParams::from_request_parts(parts, cx)
            .await
            .map_err(|_| ApiError::bad_identifier(&path))?;
        Ok(Self(raw.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    }

    pub(crate) fn maybe(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn get(&self, name: &str) -> Result<&str, ApiError> {
        self.maybe(name).ok_or_else(|| ApiError::bad_identifier(name))
    }
}

/// The query string, decoded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn of(parts: &Parts) -> Self {
        let text = parts.uri.query().unwrap_or_default();
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(decoded).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Every value of a name that may be given several times.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.as_str())
    }

    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        self.get(name)?.parse().ok()
    }

    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|text| text == "true" || text == "1")
    }
}

fn decoded((name, value): (&str, &str)) -> (String, String) {
    let plain = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
    };
    (plain(name), plain(value))
}

/// Reads a JSON body, whatever its content type says: clients label it as they like.
pub(crate) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(ApiError::bad_body)
}
