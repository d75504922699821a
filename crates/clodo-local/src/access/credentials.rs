//! Who a request says it is, and whether that is so.

use super::IpRange;
use crate::{
    api::ApiError,
    state::{Snapshot, ids::token_hash, model::Token},
};
use clodo_types::Timestamp;
use http::{HeaderMap, StatusCode};
use std::{net::IpAddr, sync::Arc};

/// The token of a request, known and perhaps no longer in force.
#[derive(Clone, Debug)]
pub(crate) struct Caller(pub(crate) Arc<Token>);

/// Finds the token or global key that the headers carry.
pub(crate) fn identify(headers: &HeaderMap, snapshot: &Snapshot) -> Result<Caller, ApiError> {
    let known = |token: &str| snapshot.cloud.tokens.get(&token_hash(token)).map(Arc::clone);
    if let Some(value) = text(headers, "authorization") {
        // The scheme's case does not matter (RFC 9110, 11.1).
        let token = value
            .split_once(' ')
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map_or("", |(_, token)| token.trim());
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(malformed("Authorization", 6111));
        }
        return known(token).map(Caller).ok_or_else(|| invalid("Invalid access token"));
    }
    match (text(headers, "x-auth-key"), text(headers, "x-auth-email")) {
        (Some(key), Some(email)) => by_key(key, email, &known),
        (None, None) if headers.contains_key("x-auth-user-service-key") => {
            let why = "X-Auth-User-Service-Key is for Origin CA certificates only; this API takes \
                       an API token or a global API key";
            Err(ApiError { cause: Some((6113, why.into())), ..bad_headers() })
        }
        _ => Err(ApiError::bad_request(
            9106,
            "Missing X-Auth-Key, X-Auth-Email or Authorization headers",
        )),
    }
}

fn by_key(
    key: &str,
    email: &str,
    known: &dyn Fn(&str) -> Option<Arc<Token>>,
) -> Result<Caller, ApiError> {
    if !email.contains('@') {
        return Err(malformed("X-Auth-Email", 6102));
    }
    if key.is_empty() || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(malformed("X-Auth-Key", 6103));
    }
    let unknown =
        || ApiError::new(StatusCode::FORBIDDEN, 9103, "Unknown X-Auth-Key or X-Auth-Email");
    let token = known(key).filter(|token| token.is_key()).ok_or_else(unknown)?;
    // The cloud's own token is everybody's key.
    let fits = token.is_all_powerful() || token.email.eq_ignore_ascii_case(email);
    if fits { Ok(Caller(token)) } else { Err(unknown()) }
}

/// A header's text; one that is not text is as good as empty, and one given twice too.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?;
    if all.next().is_some() {
        return Some("");
    }
    Some(first.to_str().unwrap_or_default())
}

fn bad_headers() -> ApiError {
    ApiError::bad_request(6003, "Invalid request headers")
}

fn malformed(header: &str, code: u32) -> ApiError {
    let cause = Some((code, format!("Invalid format for {header} header")));
    ApiError { cause, ..bad_headers() }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, 9109, message)
}

/// Whether the token may be used now and from there.
pub(crate) fn in_force(token: &Token, now: Timestamp, from: IpAddr) -> Result<(), ApiError> {
    if token.status(now) != "active" || token.is_early(now) {
        return Err(invalid("Invalid access token"));
    }
    let any = |ranges: &[String]| {
        ranges
            .iter()
            .filter_map(|range| range.parse::<IpRange>().ok())
            .any(|range| range.holds(from))
    };
    let inside = token.only_from.is_empty() || any(&token.only_from);
    if !inside || any(&token.never_from) {
        return Err(invalid(format!("Cannot use the access token from location: {from}")));
    }
    Ok(())
}

impl Token {
    /// Whether it counts as a global API key as well.
    fn is_key(&self) -> bool {
        self.policies.is_none() && self.owner.is_none()
    }

    pub(crate) fn status(&self, now: Timestamp) -> &'static str {
        if self.disabled {
            "disabled"
        } else if moment(self.expires_on.as_deref()).is_some_and(|end| now >= end) {
            "expired"
        } else {
            "active"
        }
    }

    pub(crate) fn is_early(&self, now: Timestamp) -> bool {
        moment(self.not_before.as_deref()).is_some_and(|begin| now < begin)
    }
}

fn moment(text: Option<&str>) -> Option<Timestamp> {
    let time: jiff::Timestamp = text?.parse().ok()?;
    Some(Timestamp::from_millis(time.as_millisecond()))
}
