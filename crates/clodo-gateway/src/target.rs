//! What a request asks for, and whether it may.

use crate::{
    headers,
    refusal::Refusal,
    route::{Route, is_write, route},
    thing::Thing,
    upstream::UpstreamUrl,
};
use http::{HeaderValue, Method, Uri, header, request};

/// A request that may pass.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) route: Route,
    /// Where it is sent.
    pub(crate) uri: Uri,
    /// The protocol that it wants to switch to.
    pub(crate) upgrade: Option<HeaderValue>,
    /// What it would change, if it is a write that a lease can hold.
    pub(crate) thing: Option<Thing>,
}

impl Target {
    pub(crate) fn of(
        parts: &request::Parts,
        upstream: &UpstreamUrl,
        via: &HeaderValue,
    ) -> Result<Self, Refusal> {
        if !headers::is_from_a_program(parts) {
            return Err(Refusal::NotForBrowsers);
        }
        if matches!(parts.method, Method::CONNECT | Method::TRACE) {
            return Err(Refusal::BadMethod);
        }
        if parts.headers.get_all(header::VIA).iter().any(|passed| passed == via) {
            return Err(Refusal::Loop);
        }
        let (path, query) = headers::below_base(&parts.uri).ok_or(Refusal::NoSuchRoute)?;
        let route = route(&path).map_err(|_| Refusal::BadPath)?;
        let uri = upstream.at(&format!("{path}{query}")).map_err(|_| Refusal::BadPath)?;
        let upgrade = headers::upgrade(&parts.method, &parts.headers);
        let thing = Thing::of(&path).filter(|_| is_write(&parts.method, &route));
        Ok(Self { route, uri, upgrade, thing })
    }
}
