//! One port for everything: the API at 127.0.0.1, Workers and assets at their hostnames.
//!
//! Invariant: headers that begin with `x-clodo-`, and `cf-blob`, never pass from a client to a
//! Worker or to the bindings.

mod assets;
mod back;
mod body;
mod draw;
mod head;
mod hygiene;
mod marks;
mod pages;
mod ports;
mod proxy;
mod relay;
mod serve;
mod watch;

#[cfg(any(test, feature = "fuzzing"))]
pub use assets::asset_rules;
pub(crate) use back::Back;
pub(crate) use draw::draw;
#[cfg(any(test, feature = "fuzzing"))]
pub use head::http_heads;
pub use marks::{ClientAddress, Hangup};
pub(crate) use ports::Ports;
pub(crate) use serve::{serve_back, serve_front};

use crate::{
    observer::Observer,
    runtime::{Account, RequestBody, Runtime, Unavailable},
    seams::{Directory, Resolved, Scripts, ServedVersion},
};
use assets::AssetRequest;
use axum::Router;
use body::FrontBody;
use http::{HeaderMap, Request, Response, header, request};
use hyper::body::Incoming;
use pages::Page;
use proxy::{Caller, Forward};
use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::time::Instant;
use tower::Service as _;

/// How many Workers the page for an unknown hostname names.
const KNOWN: usize = 20;

/// Answers every request that comes in at the port.
#[derive(Debug)]
pub(crate) struct Front {
    api: Router,
    api_hosts: Vec<String>,
    objects: Router,
    directory: Arc<dyn Directory>,
    runtime: Arc<Runtime>,
    observer: Arc<dyn Observer>,
    gone: AtomicBool,
}

impl Front {
    /// `api` answers what is addressed to this machine itself, `objects` at hostnames of buckets.
    pub(crate) fn new(
        api: Router,
        objects: Router,
        directory: Arc<dyn Directory>,
        runtime: Arc<Runtime>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        Self {
            api,
            api_hosts: Vec::new(),
            objects,
            directory,
            runtime,
            observer,
            gone: AtomicBool::new(false),
        }
    }

    /// Names, besides addresses and `localhost`, that are this machine itself.
    pub(crate) fn with_api_hosts(mut self, names: Vec<String>) -> Self {
        self.api_hosts = names;
        self
    }

    fn is_api(&self, host: &str) -> bool {
        is_api(host)
            || self.api_hosts.iter().any(|own| own.eq_ignore_ascii_case(without_port(host)))
    }

    /// From now on every Worker's hostname says that the state folder was deleted.
    pub(crate) fn state_is_gone(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }

    fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// Answers one request.
    pub(crate) async fn handle(
        &self,
        request: Request<Incoming>,
        client: IpAddr,
    ) -> Response<FrontBody> {
        let Some(host) = host_of(&request) else {
            return Page::bad_request("The Host header is not readable.").answer(request.headers());
        };
        if self.is_api(&host) {
            return routed(&self.api, request, client).await;
        }
        if self.is_gone() {
            return Page::state_gone().answer(request.headers());
        }
        let (parts, body) = request.into_parts();
        match self.directory.resolve(&host, parts.uri.path()) {
            Some(to) => {
                let from = Caller { client, hops_left: None };
                let mut answer = self.dispatch(&to, parts, RequestBody::Stream(body), from).await;
                keep_local(&mut answer, &host, &to.host);
                answer
            }
            None if self.directory.serves_objects(&host) => {
                routed(&self.objects, Request::from_parts(parts, body), client).await
            }
            None => Page::unknown_host(&host, &self.known()).answer(&parts.headers),
        }
    }

    /// Answers a request whose Worker is known.
    pub(crate) async fn dispatch(
        &self,
        to: &Resolved,
        parts: request::Parts,
        body: RequestBody,
        from: Caller,
    ) -> Response<FrontBody> {
        let Some(account) = self.runtime.account(&to.account_id) else {
            return Page::not_deployed(&to.script).answer(&parts.headers);
        };
        let patience = Instant::now() + proxy::START_PATIENCE;
        let mut refused = None;
        loop {
            let Some(version) = self.choose(&account, to, &parts.headers).await else {
                return Page::not_deployed(&to.script).answer(&parts.headers);
            };
            if let Some(assets) = &version.assets {
                let asked = AssetRequest {
                    account: &to.account_id,
                    version: &version,
                    host: &to.host,
                    parts: &parts,
                };
                if let Some(answer) = assets::before_worker(asked, assets, &*self.directory).await {
                    return with_version(answer, &version);
                }
            }
            let way = proxy::way(&account, &version.version_id).await;
            // A version that was drawn may be replaced before its process is there, as often as
            // somebody deploys.
            let gone = way.as_ref().is_err_and(|why| *why == Unavailable::NotServed);
            let another = refused.as_ref() != Some(&version.version_id);
            if gone && another && Instant::now() < patience {
                refused = Some(version.version_id.clone());
                continue;
            }
            let forward = Forward {
                account: &account,
                version: &version,
                host: &to.host,
                from,
                observer: &self.observer,
                started: self.runtime.now(),
            };
            return proxy::forward(&forward, way, parts, body).await;
        }
    }

    /// The version that answers; from now on it runs.
    async fn choose(
        &self,
        account: &Account,
        to: &Resolved,
        headers: &HeaderMap,
    ) -> Option<Arc<ServedVersion>> {
        let worker;
        let id = match to.version.as_deref() {
            Some(id) => id,
            None => {
                worker = self.directory.worker(&to.account_id, &to.script)?;
                draw(&to.script, &worker.live, headers)?
            }
        };
        account.ask(&to.script, to.version.as_deref());
        account.version(&*self.directory, &to.script, id).await
    }

    /// The Workers that somebody may have meant.
    fn known(&self) -> Vec<String> {
        let accounts = self.directory.accounts();
        let first = |id: &String| self.directory.scripts(id, Scripts::First(KNOWN));
        let mut scripts: Vec<_> = accounts.iter().flat_map(first).collect();
        scripts.sort();
        scripts.dedup();
        scripts.truncate(KNOWN);
        scripts
    }
}

async fn routed(
    router: &Router,
    mut request: Request<Incoming>,
    client: IpAddr,
) -> Response<FrontBody> {
    request.extensions_mut().insert(ClientAddress(client));
    // The router is always ready and cannot fail.
    match router.clone().call(request.map(axum::body::Body::new)).await {
        Ok(answer) => answer.map(FrontBody::Api),
        Err(never) => match never {},
    }
}

fn with_version(mut answer: Response<FrontBody>, version: &ServedVersion) -> Response<FrontBody> {
    stamp(answer.headers_mut(), version);
    answer
}

/// Says which version answered.
fn stamp(headers: &mut HeaderMap, version: &ServedVersion) {
    if let Ok(id) = http::HeaderValue::from_str(&version.version_id) {
        headers.insert("x-clodo-version", id);
    }
}

/// The authority of an absolute target, else the Host header; empty for HTTP/1.0 without one.
fn host_of<B>(request: &Request<B>) -> Option<String> {
    if let Some(authority) = request.uri().authority() {
        return Some(authority.as_str().to_owned());
    }
    match request.headers().get(header::HOST) {
        Some(host) => host.to_str().ok().map(str::to_owned),
        None => Some(String::new()),
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// An address of this machine rather than a name that a Worker could have.
fn is_api(host: &str) -> bool {
    let name = without_port(host);
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.is_empty() || name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

/// A redirect to the Worker's own hostname stays reachable for a browser that came by
/// `http://<hostname>.localhost:<port>`.
fn keep_local(answer: &mut Response<FrontBody>, came_by: &str, host: &str) {
    if !answer.status().is_redirection() || came_by.eq_ignore_ascii_case(host) {
        return;
    }
    let location = answer.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
    let rest = location.and_then(|to| {
        let to = to.strip_prefix("https://").or_else(|| to.strip_prefix("http://"))?;
        let rest = to.strip_prefix(host)?;
        (rest.is_empty() || rest.starts_with(['/', '?', '#'])).then(|| rest.to_owned())
    });
    if let Some(rest) = rest
        && let Ok(to) = http::HeaderValue::from_str(&format!("http://{came_by}{rest}"))
    {
        answer.headers_mut().insert(header::LOCATION, to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_reach_the_api() {
        for host in ["127.0.0.1:8787", "localhost", "LOCALHOST:1", "[::1]:8787", "", "10.0.0.2"] {
            assert!(is_api(host), "{host}");
        }
        for host in ["shop.acme.test", "shop.acme.test.localhost:8787", "localhost.evil.test"] {
            assert!(!is_api(host), "{host}");
        }
    }

    #[test]
    fn a_redirect_to_its_own_name_keeps_a_browser_on_this_machine() {
        for (given, expected) in [
            ("https://shop.acme.test/x?y", "http://shop.acme.test.localhost:8787/x?y"),
            ("https://shop.acme.test", "http://shop.acme.test.localhost:8787"),
            ("https://shop.acme.test.evil/x", "https://shop.acme.test.evil/x"),
            ("/x", "/x"),
        ] {
            let mut answer = Response::new(FrontBody::empty());
            *answer.status_mut() = http::StatusCode::FOUND;
            let given = http::HeaderValue::from_static(given);
            answer.headers_mut().insert(header::LOCATION, given);
            keep_local(&mut answer, "shop.acme.test.localhost:8787", "shop.acme.test");
            assert_eq!(answer.headers()[header::LOCATION], expected);
        }
    }
}
