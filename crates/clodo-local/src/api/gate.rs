//! What every call passes before a handler sees it: who is it, is there budget left, does a fault
//! hit it, may it; and the line in the request log.

use super::{
    ApiContext,
    error::ApiError,
    log::{Entry, UnknownRoute},
    reply::OnlyRead,
};
use crate::{
    access::{self, Caller, Demand, Need, Refusal},
    faults::{self, Injected, Seen},
    limits::{self, Standing, Verdict},
    state::{Snapshot, model::Token},
};
use axum::{
    extract::{FromRequestParts as _, MatchedPath, RawPathParams, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use clodo_workerd::ClientAddress;
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};
use tokio::time::Instant;

const PREFIX: &str = "/client/v4";

/// A call, as all the checks need it.
struct Arrival {
    method: Method,
    /// The path as it came, and the part after `/client/v4` for calls of the API.
    path: String,
    template: String,
    from: IpAddr,
}

impl Arrival {
    fn of(request: &Request) -> Self {
        let matched = request.extensions().get::<MatchedPath>();
        let address = request.extensions().get::<ClientAddress>();
        Self {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            template: matched.map_or_else(String::new, |path| path.as_str().to_owned()),
            from: address.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.0),
        }
    }

    /// `None` for what is not Cloudflare's.
    fn v4(&self) -> Option<(&str, &str)> {
        let path = self.path.strip_prefix(PREFIX)?;
        Some((path, self.template.strip_prefix(PREFIX).unwrap_or(path)))
    }
}

/// Put around all routes.
pub(super) async fn gate(
    State(cx): State<Arc<ApiContext>>,
    mut request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let arrival = Arrival::of(&request);
    let snapshot = cx.state.snapshot();
    let caller = access::identify(request.headers(), &snapshot);
    let known = caller.as_ref().ok().map(|caller| Arc::clone(&caller.0));
    let (agent, received) = (user_agent(request.headers()), length(request.headers()));
    let ray = ray();
    request.extensions_mut().insert(caller.clone());
    let mut response = budgeted(&cx, &arrival, known.as_deref(), request, next).await;
    if let Ok(ray) = HeaderValue::from_str(&ray) {
        response.headers_mut().insert("cf-ray", ray);
    }
    let sent = length(response.headers());
    cx.log.note(Entry {
        method: &arrival.method,
        path: &arrival.path,
        route: &arrival.template,
        status: response.status(),
        took: began.elapsed(),
        write: writes(&arrival.method, &response),
        user_agent: &agent,
        unknown_route: response.extensions().get::<UnknownRoute>().is_some(),
        token: known.as_deref(),
        received,
        sent,
        ray: &ray,
        fault: response.extensions().get::<Injected>().map(|injected| injected.0),
        limited: response.extensions().get::<Limited>().is_some(),
    });
    response
}

/// What was refused changed nothing; after a 5xx nobody knows.
fn writes(method: &Method, response: &Response) -> bool {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let refused = response.status().is_client_error();
    !reads && !refused && response.extensions().get::<OnlyRead>().is_none()
}

/// Marks an answer that a limit made.
#[derive(Clone, Copy, Debug)]
struct Limited;

/// Counts the call against its budget, and says in the answer what is left.
async fn budgeted(
    cx: &Arc<ApiContext>,
    arrival: &Arrival,
    token: Option<&Token>,
    request: Request,
    next: Next,
) -> Response {
    let Some((_, template)) = arrival.v4() else {
        return faulty(cx, arrival, request, next).await;
    };
    let who = token.map(|token| match &token.owner {
        Some(_) => format!("token {}", token.id),
        None => format!("user {}", token.email),
    });
    let graphql = template == "/graphql";
    let now = cx.clock.now();
    match cx.budgets.spend(who.as_deref(), arrival.from, graphql, now) {
        Verdict::Pass(standing) => {
            let mut response = faulty(cx, arrival, request, next).await;
            if let Some(standing) = standing {
                show(&mut response, standing);
            }
            response
        }
        Verdict::Refused(standing) => {
            let mut response = faults::throttled(Some(standing.seconds()));
            show(&mut response, standing);
            response.extensions_mut().insert(Limited);
            response
        }
    }
}

fn show(response: &mut Response, standing: Standing) {
    let (left, seconds) = (standing.remaining, standing.seconds());
    let (calls, window) = (standing.rate.calls, standing.rate.window.as_secs().max(1));
    for (name, value) in [
        ("ratelimit", format!("\"default\";r={left};t={seconds}")),
        ("ratelimit-policy", format!("\"default\";q={calls};w={window}")),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
}

/// Lets a fault have its way with the call. Faults leave the cloud's own control routes alone, so
/// that they can be removed again.
async fn faulty(cx: &Arc<ApiContext>, arrival: &Arrival, request: Request, next: Next) -> Response {
    let (path, template) = match arrival.v4() {
        Some(both) => both,
        None if arrival.path.starts_with("/clodo/transfers/") => {
            (arrival.path.as_str(), arrival.template.as_str())
        }
        None => return next.run(request).await,
    };
    match cx.faults.draw(Seen { method: &arrival.method, path, template }) {
        Some(kind) => faults::inject(kind, request, next).await,
        None => next.run(request).await,
    }
}

/// The last check before the handler, inside of faults: whether the caller may.
pub(super) async fn authorized(
    State(cx): State<Arc<ApiContext>>,
    request: Request,
    next: Next,
) -> Response {
    let arrival = Arrival::of(&request);
    let Some((path, template)) = arrival.v4() else { return next.run(request).await };
    if arrival.template.is_empty() {
        // No such route: said to everybody.
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let params = Params::of(&mut parts).await;
    match params.and_then(|params| permit(&cx, &arrival, (path, template), &params, &mut parts)) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(error) => error.into_response(),
    }
}

fn permit(
    cx: &ApiContext,
    arrival: &Arrival,
    (_, template): (&str, &str),
    params: &Params,
    parts: &mut Parts,
) -> Result<(), ApiError> {
    params.are_names(&arrival.path)?;
    let demand = Demand::of(&arrival.method, template);
    if demand.need == Need::Open {
        return Ok(());
    }
    let caller = parts.extensions.get::<Result<Caller, ApiError>>().cloned();
    let token = caller.unwrap_or_else(|| Err(ApiError::forbidden()))?.0;
    access::in_force(&token, cx.clock.now(), arrival.from)?;
    let snapshot = cx.state.snapshot();
    let place = place(&snapshot, &token, params, &arrival.path)?;
    let allowed = match demand.need {
        Need::Open | Need::Known => true,
        Need::OneOf(groups) => token.may_one_of(groups, place),
        Need::Everything => token.policies.is_none(),
    };
    if !allowed {
        return Err(refused(demand.refusal));
    }
    cx.tokens_used.note(&token.id, cx.state.now());
    let quota = cx.budgets.limits().plan.zip(place.account);
    if let Some((plan, account)) = quota
        && let Some(account) = snapshot.cloud.accounts.get(account)
    {
        let script = params.maybe("script");
        limits::check_quota(plan, &arrival.method, template, account, script)?;
    }
    Ok(())
}

fn refused(how: Refusal) -> ApiError {
    match how {
        Refusal::Authentication => ApiError::forbidden(),
        Refusal::Unauthorized => {
            ApiError::new(StatusCode::FORBIDDEN, 9109, "Unauthorized to access requested resource")
        }
    }
}

/// What the path is about. An account or zone that is not there, or not for this token, is the
/// same to a stranger.
fn place<'a>(
    snapshot: &'a Snapshot,
    token: &Token,
    params: &'a Params,
    path: &str,
) -> Result<access::Place<'a>, ApiError> {
    let unknown = |id: &str| {
        if is_id(id) { ApiError::forbidden() } else { ApiError::bad_identifier(path) }
    };
    if let Some(id) = params.maybe("account") {
        let known = snapshot.cloud.accounts.contains_key(id);
        if !known || !token.may_use(id) {
            return Err(unknown(id));
        }
        return Ok(access::Place { account: Some(id), zone: None, bucket: params.maybe("bucket") });
    }
    let Some(id) = params.maybe("zone") else { return Ok(access::Place::default()) };
    let zone = snapshot.cloud.zones.get(id).ok_or_else(|| unknown(id))?;
    if token.policies.is_none() && !token.may_use(&zone.account_id) {
        return Err(unknown(id));
    }
    Ok(access::Place { account: Some(&zone.account_id), zone: Some(id), bucket: None })
}

/// The parameters of the path, decoded.
struct Params(Vec<(String, String)>);

impl Params {
    async fn of(parts: &mut Parts) -> Result<Self, ApiError> {
        let raw = RawPathParams::from_request_parts(parts, &()).await;
        let raw = raw.map_err(|_| ApiError::bad_identifier(parts.uri.path()))?;
        Ok(Self(raw.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
    }

    fn maybe(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Names become keys of maps, names of files and parts of hostnames: whatever could mean
    /// another place is not a name. Keys of KV and R2 are data.
    fn are_names(&self, path: &str) -> Result<(), ApiError> {
        let odd = |text: &str| {
            text.is_empty()
                || text.len() > 1_024
                || matches!(text, "." | "..")
                || text.chars().any(|c| c.is_control() || matches!(c, '/' | '\\'))
        };
        let names = self.0.iter().filter(|(name, _)| name != "key");
        match names.into_iter().any(|(_, value)| odd(value)) {
            true => Err(ApiError::bad_identifier(path)),
            false => Ok(()),
        }
    }
}

pub(super) fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn user_agent(headers: &HeaderMap) -> String {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    agent.unwrap_or_default().chars().take(200).collect()
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// An identifier of the call, as Cloudflare writes it.
fn ray() -> String {
    let mut id = crate::state::ids::random_hex();
    id.truncate(16);
    id + "-LOC"
}
