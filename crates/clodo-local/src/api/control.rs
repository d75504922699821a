//! What Cloudflare does not have: seeding, status and counts of the local cloud itself.

use super::{
    ApiContext,
    call::{Query, json as read_json, who},
    error::ApiError,
    reply::{Answer, Reply},
};
use crate::state::Seed;
use axum::{
    extract::State,
    http::{HeaderMap, request::Parts},
};
use bytes::Bytes;
use clodo_types::Timestamp;
use serde_json::json;
use std::sync::Arc;

/// `PUT /clodo/seed`
pub(super) async fn seed(
    State(cx): State<Arc<ApiContext>>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let token = who(&headers, &cx.state.snapshot())?;
    if !token.accounts.is_empty() {
        // A token for some accounts must not make itself one for all.
        return Err(ApiError::forbidden());
    }
    let seed: Seed = read_json(&body)?;
    cx.state.seed(seed).await?;
    Reply::ok(&summary(&cx))
}

/// `GET /clodo/status`: no token needed, so nothing in it is worth one.
pub(super) async fn status(State(cx): State<Arc<ApiContext>>) -> Answer {
    cx.state.check()?;
    Reply::ok(&summary(&cx))
}

/// `GET /clodo/requests/count?since=`: RFC 3339 or milliseconds since the epoch.
pub(super) async fn count(State(cx): State<Arc<ApiContext>>, parts: Parts) -> Answer {
    let query = Query::of(&parts);
    let since = match query.get("since") {
        None => None,
        Some(text) => Some(moment(text).ok_or_else(|| {
            ApiError::bad_body("`since` must be RFC 3339 or milliseconds since the epoch")
        })?),
    };
    Reply::ok(&cx.log.count(since))
}

pub(super) fn moment(text: &str) -> Option<Timestamp> {
    let millis = text.parse::<i64>().ok();
    let time = || text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond);
    millis.or_else(time).map(Timestamp::from_millis)
}

fn summary(cx: &ApiContext) -> serde_json::Value {
    let snapshot = cx.state.snapshot();
    let accounts = snapshot.cloud.accounts.values().map(|account| {
        let zones = snapshot.cloud.zones_of(account.id());
        json!({
            "id": account.id(),
            "name": account.profile.name,
            "subdomain": account.profile.subdomain,
            "zones": zones.map(|zone| json!({ "id": zone.id, "name": zone.name })).collect::<Vec<_>>(),
            "workers": account.workers.len(),
            "domains": account.domains.keys().collect::<Vec<_>>(),
            "databases": account.databases.len(),
            "namespaces": account.namespaces.len(),
            "buckets": account.buckets.len(),
        })
    });
    json!({
        "program": "clodo-local",
        "version": env!("CARGO_PKG_VERSION"),
        "accounts": accounts.collect::<Vec<_>>(),
        "requests": cx.log.count(None),
    })
}
