//! The listener that only workerd reaches: bindings, assets, and `fetch()`.

use super::{
    Front,
    assets::{self, AssetRequest},
    body::FrontBody,
    host_of, hygiene, is_api,
    pages::Page,
    proxy::Caller,
};
use crate::{
    addresses,
    observer::Traces,
    runtime::{KEY_HEADER, RESOURCE_HEADER, RequestBody},
    seams::Resolved,
};
use axum::Router;
use clodo_types::Secret;
use http::{HeaderMap, Method, Request, Response, StatusCode, request};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};
use tower::Service as _;

/// Asks whether a hostname is served here, without sending the request itself.
const ASK_HEADER: &str = "x-clodo-ask";
/// How long a name may take that is only asked for to say what went wrong.
const RESOLVE_PATIENCE: Duration = Duration::from_secs(2);

/// Says whose traces they are: a JSON array of script and version.
const TRACES_HEADER: &str = "x-clodo-traces";
/// workerd keeps a trace below 256 KiB, and reports a few at a time.
const MAX_TRACES: usize = 16 * 1024 * 1024;

/// Answers what workerd asks on behalf of Workers.
#[derive(Debug)]
pub(crate) struct Back {
    bindings: Router,
    front: Arc<Front>,
    key: Secret,
}

/// What a request is for: `<account>/<kind>:<id>`.
struct Resource<'a> {
    account: &'a str,
    kind: &'a str,
    id: &'a str,
}

impl Back {
    /// `bindings` serves D1, KV, R2 and queues; `key` is what workerd's config was given.
    pub(crate) fn new(bindings: Router, front: Arc<Front>, key: Secret) -> Self {
        Self { bindings, front, key }
    }

    /// Answers one request.
    pub(crate) async fn handle(&self, request: Request<Incoming>) -> Response<FrontBody> {
        let headers = request.headers();
        // On a link without file permissions this is what keeps other users out.
        let trusted = headers
            .get(KEY_HEADER)
            .is_some_and(|key| key.as_bytes() == self.key.expose().as_bytes());
        let resource = headers.get(RESOURCE_HEADER).and_then(|value| value.to_str().ok());
        let resource = resource.map(str::to_owned).unwrap_or_default();
        let Some(resource) = parsed(&resource).filter(|_| trusted) else {
            return status(StatusCode::FORBIDDEN);
        };
        match resource.kind {
            "assets" => self.assets(&resource, request).await,
            "outbound" => self.outbound(&resource, request).await,
            "traces" => self.traces(&resource, request).await,
            "service" => self.service(&resource, request).await,
            _ => self.binding(request).await,
        }
    }

    async fn binding(&self, request: Request<Incoming>) -> Response<FrontBody> {
        match self.bindings.clone().call(request.map(axum::body::Body::new)).await {
            Ok(answer) => answer.map(FrontBody::Api),
            Err(never) => match never {},
        }
    }

    /// What the Worker in `js/traces.js` sends.
    async fn traces(
        &self,
        resource: &Resource<'_>,
        request: Request<Incoming>,
    ) -> Response<FrontBody> {
        let of = request.headers().get(TRACES_HEADER).and_then(|of| of.to_str().ok());
        let of = of.and_then(|of| serde_json::from_str::<(String, String)>(of).ok());
        let body = Limited::new(request.into_body(), MAX_TRACES).collect().await;
        let (Some((script, version_id)), Ok(events)) = (of, body) else {
            return status(StatusCode::BAD_REQUEST);
        };
        self.front.observer.traced(Traces {
            account_id: resource.account,
            script: &script,
            version_id: &version_id,
            events: events.to_bytes(),
        });
        status(StatusCode::NO_CONTENT)
    }

    async fn assets(
        &self,
        resource: &Resource<'_>,
        request: Request<Incoming>,
    ) -> Response<FrontBody> {
        let host = host_of(&request).unwrap_or_default();
        let (parts, _) = request.into_parts();
        let Some(account) = self.front.runtime.account(resource.account) else {
            return status(StatusCode::NOT_FOUND);
        };
        let version = account.loaded(resource.id);
        let Some((version, assets)) =
            version.as_ref().and_then(|version| Some((version, version.assets.as_ref()?)))
        else {
            return status(StatusCode::NOT_FOUND);
        };
        let asked = AssetRequest { account: resource.account, version, host: &host, parts: &parts };
        assets::serve(asked, assets, &*self.front.directory).await
    }

    /// A Worker calls one that runs in another process.
    async fn service(
        &self,
        resource: &Resource<'_>,
        request: Request<Incoming>,
    ) -> Response<FrontBody> {
        let host = host_of(&request).unwrap_or_default();
        let to = Resolved {
            account_id: resource.account.to_owned(),
            script: resource.id.to_owned(),
            version: None,
            host,
        };
        let (parts, body) = request.into_parts();
        let Some(left) = hygiene::hops_left(&parts.headers) else {
            return Page::too_many_hops(resource.id).answer(&HeaderMap::new());
        };
        let from = Caller { client: IpAddr::V4(Ipv4Addr::LOCALHOST), hops_left: Some(left) };
        self.front.dispatch(&to, parts, RequestBody::Stream(body), from).await
    }

    /// A Worker's global `fetch()`: another hostname of this cloud, or a clear refusal.
    async fn outbound(
        &self,
        resource: &Resource<'_>,
        request: Request<Incoming>,
    ) -> Response<FrontBody> {
        let host = host_of(&request).unwrap_or_default();
        let question = request.headers().get(ASK_HEADER).cloned();
        let (parts, body) = request.into_parts();
        let found = if is_api(&host) || parts.method == Method::CONNECT {
            None
        } else {
            self.front.directory.resolve(&host, parts.uri.path())
        };
        // A host that is served here is asked about first, and then asked itself.
        let first = question.as_ref().is_none_or(|question| question != "why");
        if question.is_none() || (found.is_none() && first) {
            self.front.observer.fetched(resource.account, resource.id);
        }
        if let Some(question) = question {
            return self.advise(&host, &parts, found.is_some(), question == "why").await;
        }
        match found {
            None => {
                tracing::warn!(
                    script = resource.id,
                    host,
                    "fetch() to a host that is not served here"
                );
                Page::outbound_denied(&host).answer(&HeaderMap::new())
            }
            Some(to) if to.script == resource.id && to.account_id == resource.account => {
                Page::no_origin(&host).answer(&HeaderMap::new())
            }
            Some(to) => {
                let Some(left) = hygiene::hops_left(&parts.headers) else {
                    return Page::too_many_hops(resource.id).answer(&HeaderMap::new());
                };
                let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
                let from = Caller { client, hops_left: Some(left) };
                self.front.dispatch(&to, parts, RequestBody::Stream(body), from).await
            }
        }
    }

    /// Says to `js/outbound.js` where a request goes: 204 here, 202 to a private address that is
    /// allowed, 404 to the internet, anything else is the answer.
    async fn advise(
        &self,
        host: &str,
        parts: &request::Parts,
        here: bool,
        failed: bool,
    ) -> Response<FrontBody> {
        if here {
            return status(StatusCode::NO_CONTENT);
        }
        let plain = parts.headers.get("x-forwarded-proto").is_some_and(|proto| proto == "http");
        let default = if plain { 80 } else { 443 };
        if self.front.runtime.allow_private().iter().any(|one| one.is_at(host, default)) {
            return status(StatusCode::ACCEPTED);
        }
        let (name, port) = addresses::split(host);
        let private = addresses::is_private_host(name)
            // workerd refused to connect, or could not; the name tells which.
            || (failed && leads_inside(name).await);
        if private {
            let port = port.map_or_else(|| default.to_string(), str::to_owned);
            return Page::private_denied(host, &format!("{name}:{port}")).answer(&HeaderMap::new());
        }
        status(StatusCode::NOT_FOUND)
    }
}

/// Whether a name resolves to an address of this machine or its network.
async fn leads_inside(name: &str) -> bool {
    let found = tokio::time::timeout(RESOLVE_PATIENCE, tokio::net::lookup_host((name, 0))).await;
    found.is_ok_and(|found| found.is_ok_and(|mut all| all.any(|at| addresses::is_private(at.ip()))))
}

fn parsed(text: &str) -> Option<Resource<'_>> {
    let (account, rest) = text.split_once('/')?;
    let (kind, id) = rest.split_once(':')?;
    Some(Resource { account, kind, id })
}

fn status(status: StatusCode) -> Response<FrontBody> {
    let mut answer = Response::new(FrontBody::empty());
    *answer.status_mut() = status;
    answer
}
