//! Who may talk to the API at all, before any token is looked at.
//!
//! A token in an environment variable is worth nothing to a web page, but a page can make the browser
//! next to it send requests. So: the name that the request is for must be ours (a page of a foreign
//! name that was pointed at 127.0.0.1 is not), no page of another origin may send anything, and no
//! answer ever says that it may (no CORS).

use crate::api::ApiError;
use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    middleware::{Next, from_fn},
    response::{IntoResponse as _, Response},
};
use futures_util::stream;
use http_body_util::BodyExt as _;
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};
use tokio::time::timeout;

/// How long a request's body may pause.
const BODY_PATIENCE: Duration = Duration::from_secs(60);

/// What the API may be called, besides `localhost` and the loopback addresses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Door {
    /// Names that were configured.
    pub(crate) names: Vec<String>,
    /// Listens beyond loopback: any address of this machine is a name of it. A page cannot have an
    /// address as its name without being served from there.
    pub(crate) any_address: bool,
}

/// The router, with strangers kept out.
pub(crate) fn guarded(api: Router, door: Door) -> Router {
    let door = Arc::new(door);
    api.layer(from_fn(move |request: Request, next: Next| {
        let door = Arc::clone(&door);
        async move {
            let mut answer = match door.admits(request.headers(), request.uri()) {
                Ok(()) => next.run(patient(request)).await,
                Err(error) => error.into_response(),
            };
            harden(&mut answer);
            answer
        }
    }))
}

impl Door {
    pub(crate) fn of(names: Vec<String>, listen: IpAddr) -> Self {
        Self { names, any_address: !listen.is_loopback() }
    }

    fn admits(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), ApiError> {
        let host = host(headers, uri)?;
        if !self.is_ours(name_of(&host)) {
            let message = format!(
                "This is a local Cloudflare, and it is not called `{}`. Use 127.0.0.1, localhost, or \
                 a name that it was started with.",
                host.chars().take(100).collect::<String>()
            );
            return Err(ApiError::new(StatusCode::MISDIRECTED_REQUEST, 10000, message));
        }
        let same = |origin: &str| {
            origin.split_once("://").is_some_and(|(_, own)| own.eq_ignore_ascii_case(&host))
        };
        let foreign =
            headers.get_all(header::ORIGIN).iter().any(|origin| !origin.to_str().is_ok_and(same));
        let cross = headers
            .get_all("sec-fetch-site")
            .iter()
            .any(|site| !matches!(site.as_bytes(), b"none" | b"same-origin"));
        if foreign || cross {
            let message = "Pages of other origins may not call a local Cloudflare.";
            return Err(ApiError::new(StatusCode::FORBIDDEN, 10000, message));
        }
        Ok(())
    }

    fn is_ours(&self, name: &str) -> bool {
        let inner = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let address = match inner {
            Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            None => name.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        };
        if let Some(address) = address {
            return self.any_address || address.is_loopback();
        }
        name.eq_ignore_ascii_case("localhost")
            || self.names.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// What the request is addressed to: said once, and the same in the target as in the header.
fn host(headers: &HeaderMap, uri: &Uri) -> Result<String, ApiError> {
    let bad = |message| ApiError::bad_request(6003, message);
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().ok_or_else(|| bad("The Host header is missing."))?;
    if hosts.next().is_some() {
        return Err(bad("There is more than one Host header."));
    }
    let host = host.to_str().map_err(|_| bad("The Host header is not readable."))?;
    match uri.authority() {
        Some(authority) if !authority.as_str().eq_ignore_ascii_case(host) => {
            Err(bad("The Host header and the request's target differ."))
        }
        _ => Ok(host.to_owned()),
    }
}

fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// A body that ends with an error when the client sends nothing for too long.
fn patient(request: Request) -> Request {
    use http_body::Body as _;
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return Request::from_parts(parts, body);
    }
    let frames = stream::unfold(Some(body), |body| async {
        let mut body = body?;
        loop {
            let late = || io::Error::new(io::ErrorKind::TimedOut, "the client sent nothing more");
            return match timeout(BODY_PATIENCE, body.frame()).await {
                Err(_) => Some((Err(late()), None)),
                Ok(None) => None,
                Ok(Some(Err(error))) => Some((Err(io::Error::other(error)), None)),
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => Some((Ok(data), Some(body))),
                    Err(_trailers) => continue,
                },
            };
        }
    });
    Request::from_parts(parts, Body::from_stream(frames))
}

/// Nothing here is a page's to read, frame or guess the type of.
fn harden(answer: &mut Response) {
    let headers = answer.headers_mut();
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(door: &Door, target: &str, headers: &[(&str, &str)]) -> u16 {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: header::HeaderName = name.parse().unwrap();
            map.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        match door.admits(&map, &target.parse().unwrap()) {
            Ok(()) => 200,
            Err(error) => error.status.as_u16(),
        }
    }

    // conformance: security | only loopback names and configured ones reach the API (DNS rebinding) | guessed: 403 with code 10000, since Cloudflare's API is not on a browser's own machine and needs nothing like it
    #[test]
    fn only_names_of_this_machine_reach_the_api() {
        let usual = Door::default();
        let wide = Door { names: vec!["cloud.test".into()], any_address: true };
        for (host, by_default, beyond) in [
            ("127.0.0.1:8787", 200, 200),
            ("127.0.0.1", 200, 200),
            ("127.1.2.3:80", 200, 200),
            ("localhost:8787", 200, 200),
            ("LOCALHOST", 200, 200),
            ("[::1]:8787", 200, 200),
            ("cloud.test:8787", 421, 200),
            ("192.168.1.7:8787", 421, 200),
            ("evil.test:8787", 421, 421),
            ("localhost.evil.test", 421, 421),
            ("127.0.0.1.evil.test", 421, 421),
            ("0x7f.1", 421, 421),
            ("127.0.0.1@evil.test", 421, 421),
            ("evil.test@127.0.0.1", 421, 421),
            ("user@localhost:8787", 421, 421),
            ("localhost.", 421, 421),
            ("localhost.:8787", 421, 421),
            ("127.0.0.1.", 421, 421),
            ("127.1", 421, 421),
            ("2130706433", 421, 421),
            ("0177.0.0.1", 421, 421),
            ("[::1", 421, 421),
            ("::1]:8787", 421, 421),
            ("[::1]evil.test", 421, 421),
            ("[::ffff:127.0.0.1]:8787", 421, 200),
            ("[0:0:0:0:0:0:0:1]", 200, 200),
            ("127.0.0.1:8787:80", 421, 421),
            ("127.0.0.1:x", 421, 421),
            ("127.0.0.1 evil.test", 421, 421),
            ("127.0.0.1,evil.test", 421, 421),
            ("Cloud.Test", 421, 200),
            ("xn--lcalhost-54a", 421, 421),
            ("", 421, 421),
            ("\u{e9}", 400, 400),
        ] {
            assert_eq!(status(&usual, "/", &[("host", host)]), by_default, "{host}");
            assert_eq!(status(&wide, "/", &[("host", host)]), beyond, "{host}");
        }
        assert_eq!(status(&usual, "/", &[]), 400);
        let twice = [("host", "localhost"), ("host", "localhost")];
        assert_eq!(status(&usual, "/", &twice), 400);
        let target = "http://127.0.0.1:1/client/v4/user";
        assert_eq!(status(&usual, target, &[("host", "127.0.0.1:1")]), 200);
        assert_eq!(status(&usual, target, &[("host", "127.0.0.1:2")]), 400);
        for target in ["http://evil.test/client/v4/user", "http://user@127.0.0.1:1/client/v4/user"]
        {
            assert_eq!(status(&usual, target, &[("host", "127.0.0.1:1")]), 400, "{target}");
        }
        let both = [("host", "evil.test")];
        assert_eq!(status(&usual, "http://evil.test/client/v4/user", &both), 421);
    }

    // conformance: security | no page of another origin can call the API | guessed: 403 with code 10000, since Cloudflare's API is not on a browser's own machine and needs nothing like it
    #[test]
    fn no_page_of_another_origin_gets_in() {
        let door = Door::default();
        let host = ("host", "127.0.0.1:8787");
        for (name, value, expected) in [
            ("origin", "http://127.0.0.1:8787", 200),
            ("origin", "http://localhost:8787", 403),
            ("origin", "http://127.0.0.1:9999", 403),
            ("origin", "http://evil.test", 403),
            ("origin", "null", 403),
            ("origin", "HTTP://127.0.0.1:8787", 200),
            ("origin", "http://127.0.0.1", 403),
            ("origin", "http://127.0.0.1:8787/", 403),
            ("origin", "http://127.0.0.1:8787.evil.test", 403),
            ("origin", "http://user@127.0.0.1:8787", 403),
            ("origin", "http://[::1]:8787", 403),
            ("origin", "127.0.0.1:8787", 403),
            ("origin", "", 403),
            ("sec-fetch-site", "none", 200),
            ("sec-fetch-site", "same-origin", 200),
            ("sec-fetch-site", "same-site", 403),
            ("sec-fetch-site", "cross-site", 403),
            ("sec-fetch-site", "", 403),
        ] {
            assert_eq!(status(&door, "/", &[host, (name, value)]), expected, "{name}: {value}");
        }
        let two = [host, ("origin", "http://127.0.0.1:8787"), ("origin", "http://evil.test")];
        assert_eq!(status(&door, "/", &two), 403);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stands_still_ends() {
        let stalled = stream::pending::<io::Result<bytes::Bytes>>();
        let request = patient(Request::new(Body::from_stream(stalled)));
        let read = axum::body::to_bytes(request.into_body(), 10).await;
        assert!(read.is_err());
        let request = patient(Request::new(Body::from("whole")));
        assert_eq!(axum::body::to_bytes(request.into_body(), 10).await.unwrap(), "whole");
    }
}
