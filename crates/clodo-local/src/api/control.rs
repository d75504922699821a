//! What Cloudflare does not have: the local cloud itself. What it holds, who called what, and what
//! it does worse on purpose.

use super::{
    ApiContext,
    call::{Query, json as read_json},
    error::ApiError,
    holdings,
    reply::{Answer, Reply},
};
use crate::{
    access::{Caller, in_force},
    faults::{Fault, FaultWire, RoutePattern},
    limits::LimitWords,
    state::{Seed, model::Token},
};
use axum::{
    extract::{FromRequestParts, Path, State},
    http::request::Parts,
};
use bytes::Bytes;
use clodo_types::Timestamp;
use clodo_workerd::ClientAddress;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

/// A caller that may do everything in its accounts.
#[derive(Debug)]
pub(super) struct Trusted(pub(super) Arc<Token>);

impl FromRequestParts<Arc<ApiContext>> for Trusted {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, cx: &Arc<ApiContext>) -> Result<Self, ApiError> {
        let caller = parts.extensions.get::<Result<Caller, ApiError>>().cloned();
        let token = caller.unwrap_or_else(|| Err(ApiError::forbidden()))?.0;
        let address = parts.extensions.get::<ClientAddress>();
        let from = address.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.0);
        in_force(&token, cx.clock.now(), from)?;
        if token.policies.is_none() { Ok(Self(token)) } else { Err(ApiError::forbidden()) }
    }
}

/// A caller that may do everything there is. A token for some accounts or for some permissions must
/// not make itself one for all.
#[derive(Debug)]
pub(super) struct Operator;

impl FromRequestParts<Arc<ApiContext>> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, cx: &Arc<ApiContext>) -> Result<Self, ApiError> {
        let Trusted(token) = Trusted::from_request_parts(parts, cx).await?;
        if token.is_all_powerful() { Ok(Self) } else { Err(ApiError::forbidden()) }
    }
}

/// `PUT /clodo/seed`
pub(super) async fn seed(_: Operator, State(cx): State<Arc<ApiContext>>, body: Bytes) -> Answer {
    let seed: Seed = read_json(&body)?;
    cx.state.seed(seed).await?;
    Reply::ok(&summary(&cx))
}

/// `GET /clodo/status`: whoever waits for a cloud asks without a token, and is told that it runs
/// and how much it did; names and ids are for those who may do everything.
pub(super) async fn status(
    operator: Result<Operator, ApiError>,
    State(cx): State<Arc<ApiContext>>,
) -> Answer {
    cx.state.check()?;
    match operator {
        Ok(Operator) => Reply::ok(&summary(&cx)),
        Err(_) => Reply::ok(&json!({
            "program": "clodo-local",
            "version": env!("CARGO_PKG_VERSION"),
            "requests": cx.log.count(None),
        })),
    }
}

/// `GET /clodo/requests/count?since=&by=route`: RFC 3339 or milliseconds since the epoch. How many
/// there were is no secret; which there were is one.
pub(super) async fn count(
    operator: Result<Operator, ApiError>,
    State(cx): State<Arc<ApiContext>>,
    parts: Parts,
) -> Answer {
    let query = Query::of(&parts);
    if query.get("by") == Some("route") {
        operator?;
        return Reply::ok(&cx.log.count_by_route());
    }
    let since = match query.get("since") {
        None => None,
        Some(text) => Some(moment(text).ok_or_else(|| {
            ApiError::bad_body("`since` must be RFC 3339 or milliseconds since the epoch")
        })?),
    };
    Reply::ok(&cx.log.count(since))
}

/// `GET /clodo/requests?limit=&route=&control=false`: the newest lines of the request log; without
/// `control` those of this cloud's own routes are left out.
pub(super) async fn requests(
    _: Operator,
    State(cx): State<Arc<ApiContext>>,
    parts: Parts,
) -> Answer {
    let query = Query::of(&parts);
    let pattern: RoutePattern =
        query.get("route").unwrap_or_default().parse().map_err(ApiError::bad_body)?;
    let control = query.get("control") != Some("false");
    let fits = |route: &str| {
        let Some((method, path)) = route.split_once(' ') else { return false };
        if !control && path.starts_with("/clodo/") {
            return false;
        }
        let path = path.strip_prefix("/client/v4").unwrap_or(path);
        method.parse().is_ok_and(|method| pattern.fits(&method, path))
    };
    let most = query.number("limit").unwrap_or(100);
    let lines = cx.log.newest(most, &fits);
    let raw: Vec<Box<RawValue>> =
        lines.iter().filter_map(|line| RawValue::from_string(line.to_string()).ok()).collect();
    Reply::ok(&raw)
}

/// `GET /clodo/limits`
pub(super) async fn limits(_: Operator, State(cx): State<Arc<ApiContext>>) -> Answer {
    Reply::ok(&cx.budgets.limits().shown())
}

/// What stands in it is changed, the rest stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsWire {
    /// `off`, `real`, `30/10s`; takes the plan with it when that is not named.
    limits: Option<String>,
    plan: Option<String>,
    propagation: Option<String>,
}

/// `PUT /clodo/limits`: everybody's budget is full afterwards.
pub(super) async fn set_limits(
    _: Operator,
    State(cx): State<Arc<ApiContext>>,
    body: Bytes,
) -> Answer {
    let wire: LimitsWire = read_json(&body)?;
    let words = LimitWords {
        limits: wire.limits.as_deref(),
        plan: wire.plan.as_deref(),
        propagation: wire.propagation.as_deref(),
    };
    let limits = cx.budgets.limits().changed(words).map_err(ApiError::bad_body)?;
    cx.levers().set_limits(limits);
    Reply::ok(&cx.budgets.limits().shown())
}

/// `GET /clodo/faults`
pub(super) async fn faults(_: Operator, State(cx): State<Arc<ApiContext>>) -> Answer {
    Reply::ok(&cx.faults.list())
}

/// `POST /clodo/faults`
pub(super) async fn add_fault(
    _: Operator,
    State(cx): State<Arc<ApiContext>>,
    body: Bytes,
) -> Answer {
    let wire: FaultWire = read_json(&body)?;
    let fault = Fault::of_wire(&wire).map_err(ApiError::bad_body)?;
    Reply::ok(&cx.faults.add(fault))
}

/// `DELETE /clodo/faults`
pub(super) async fn clear_faults(_: Operator, State(cx): State<Arc<ApiContext>>) -> Answer {
    Reply::ok(&json!({ "removed": cx.faults.clear(None) }))
}

/// `DELETE /clodo/faults/{fault}`
pub(super) async fn remove_fault(
    _: Operator,
    State(cx): State<Arc<ApiContext>>,
    Path(id): Path<String>,
) -> Answer {
    match cx.faults.clear(Some(&id)) {
        0 => Err(ApiError::not_found(7003, format!("there is no fault `{id}`"))),
        removed => Reply::ok(&json!({ "removed": removed })),
    }
}

pub(super) fn moment(text: &str) -> Option<Timestamp> {
    let millis = text.parse::<i64>().ok();
    let time = || text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond);
    millis.or_else(time).map(Timestamp::from_millis)
}

fn summary(cx: &ApiContext) -> Value {
    let (hit, refused) = cx.log.spoiled();
    json!({
        "program": "clodo-local",
        "version": env!("CARGO_PKG_VERSION"),
        "accounts": holdings::all(&cx.state.snapshot().cloud),
        "requests": cx.log.count(None),
        "limits": cx.budgets.limits().shown(),
        "faults": { "in_force": cx.faults.list().len(), "hit": hit },
        "refused_by_limits": refused,
        "runtime": cx.workers.status(),
    })
}
