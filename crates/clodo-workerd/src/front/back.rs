//! The listener that only workerd reaches: bindings, assets, and `fetch()`.

use super::{
    Front,
    assets::{self, AssetRequest},
    body::FrontBody,
    host_of, is_api,
    pages::Page,
};
use crate::runtime::{KEY_HEADER, RESOURCE_HEADER, RequestBody};
use axum::Router;
use clodo_types::Secret;
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::Incoming;
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};
use tower::Service as _;

/// Asks whether a hostname is served here, without sending the request itself.
const ASK_HEADER: &str = "x-clodo-ask";

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
            _ => self.binding(request).await,
        }
    }

    async fn binding(&self, request: Request<Incoming>) -> Response<FrontBody> {
        match self.bindings.clone().call(request.map(axum::body::Body::new)).await {
            Ok(answer) => answer.map(FrontBody::Api),
            Err(never) => match never {},
        }
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
        let (_, generation) =
            account.generation(|| self.front.directory.generation(resource.account));
        let version = generation.versions.iter().find(|version| version.version_id == resource.id);
        let Some((version, assets)) =
            version.and_then(|version| Some((version, version.assets.as_ref()?)))
        else {
            return status(StatusCode::NOT_FOUND);
        };
        let asked = AssetRequest { account: resource.account, version, host: &host, parts: &parts };
        assets::serve(asked, assets, &*self.front.directory).await
    }

    /// A Worker's global `fetch()`: another hostname of this cloud, or a clear refusal.
    async fn outbound(
        &self,
        resource: &Resource<'_>,
        request: Request<Incoming>,
    ) -> Response<FrontBody> {
        let host = host_of(&request).unwrap_or_default();
        let asks = request.headers().contains_key(ASK_HEADER);
        let (parts, body) = request.into_parts();
        let found = if is_api(&host) {
            None
        } else {
            self.front.directory.resolve(&host, parts.uri.path())
        };
        match found {
            None if asks => status(StatusCode::NOT_FOUND),
            Some(_) if asks => status(StatusCode::NO_CONTENT),
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
                let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
                self.front.dispatch(&to, parts, RequestBody::Stream(body), client).await
            }
        }
    }
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
