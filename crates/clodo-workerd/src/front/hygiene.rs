//! Which headers pass, and what the proxy adds, in both directions.

use super::proxy::Caller;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header, request, uri};
use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const CF_BLOB: HeaderName = HeaderName::from_static("cf-blob");
pub(crate) const CF_RAY: HeaderName = HeaderName::from_static("cf-ray");
/// How many Workers may still be asked by `fetch()` from here on.
const CF_EW_VIA: HeaderName = HeaderName::from_static("cf-ew-via");
const CF_CONNECTING_IP: HeaderName = HeaderName::from_static("cf-connecting-ip");

/// Cloudflare's own limit on Workers that ask Workers.
const MAX_HOPS: u8 = 16;

/// Headers that concern one connection only (RFC 9110, 7.6.1), and those that only we may set.
const DROPPED: [HeaderName; 11] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    CF_BLOB,
    CF_EW_VIA,
];

const CF: &str = concat!(
    r#"{"colo":"LOC","country":"XX","asn":64512,"asOrganization":"local","httpProtocol":"HTTP/1.1","#,
    r#""requestPriority":"","tlsVersion":"TLSv1.3","tlsCipher":"AEAD-AES128-GCM-SHA256","#,
    r#""clientAcceptEncoding":"gzip","edgeRequestKeepAliveStatus":1}"#
);

/// Makes a client's request one that a Worker may see; returns its identifier.
pub(crate) fn clean_request(parts: &mut request::Parts, host: &str, from: Caller) -> HeaderValue {
    let upgrade = upgrade(&parts.headers);
    strip(&mut parts.headers);
    if let Some(upgrade) = upgrade {
        parts.headers.insert(header::UPGRADE, upgrade);
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    // On Cloudflare a custom domain is reached by https, and Workers that insist on it would
    // redirect for ever. A client that cares says otherwise.
    let plain = parts.headers.get(&FORWARDED_PROTO).is_some_and(|proto| proto == "http");
    let proto = if plain { "http" } else { "https" };
    parts.headers.insert(FORWARDED_PROTO, HeaderValue::from_static(proto));
    if let Ok(host) = HeaderValue::from_str(host) {
        parts.headers.insert(header::HOST, host);
    }
    if let Ok(client) = HeaderValue::from_str(&from.client.to_string()) {
        parts.headers.insert(CF_CONNECTING_IP, client);
    }
    if let Some(left) = from.hops_left {
        parts.headers.insert(CF_EW_VIA, HeaderValue::from(u16::from(left)));
    }
    let ray = ray();
    parts.headers.insert(CF_RAY, ray.clone());
    parts.headers.insert(CF_BLOB, HeaderValue::from_static(CF));
    if parts.uri.authority().is_some() {
        parts.uri = origin_form(&parts.uri);
    }
    ray
}

/// How many Workers may still be asked when a Worker asks with these headers; `None` when that is
/// one too many. Only a Worker that hands on its own request's headers is seen through.
pub(crate) fn hops_left(headers: &HeaderMap) -> Option<u8> {
    let carried = headers.get(CF_EW_VIA).and_then(|left| left.to_str().ok()?.parse::<u8>().ok());
    carried.unwrap_or(MAX_HOPS).min(MAX_HOPS).checked_sub(1)
}

/// Makes a Worker's answer one that the client may see.
pub(crate) fn clean_answer(headers: &mut HeaderMap) {
    let upgrade = upgrade(headers);
    strip(headers);
    if let Some(upgrade) = upgrade {
        headers.insert(header::UPGRADE, upgrade);
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

/// The protocol that a request or answer wants to switch to.
pub(crate) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let wanted = headers.get(header::CONNECTION)?.to_str().ok()?;
    let asks = wanted.split(',').any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    if asks { headers.get(header::UPGRADE).cloned() } else { None }
}

/// An identifier of the request, as Cloudflare writes it.
pub(crate) fn ray() -> HeaderValue {
    static SEED: OnceLock<RandomState> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut text = *b"0000000000000000-LOC";
    let mut rest = SEED.get_or_init(RandomState::new).hash_one(count);
    for digit in text[..16].iter_mut().rev() {
        *digit = b"0123456789abcdef"[usize::try_from(rest & 15).unwrap_or(0)];
        rest >>= 4;
    }
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("0-LOC"))
}

fn strip(headers: &mut HeaderMap) {
    // `Connection` may name more headers that concern this connection only.
    if let Some(connection) = headers.remove(header::CONNECTION)
        && let Ok(names) = connection.to_str()
        && !names.eq_ignore_ascii_case("keep-alive")
    {
        for name in names.split(',') {
            headers.remove(name.trim());
        }
    }
    for name in &DROPPED {
        headers.remove(name);
    }
    let ours = |name: &&HeaderName| name.as_str().starts_with("x-clodo-");
    let internal: Vec<HeaderName> = headers.keys().filter(ours).cloned().collect();
    for name in internal {
        headers.remove(name);
    }
}

fn origin_form(uri: &Uri) -> Uri {
    let path = uri.path_and_query().cloned();
    path.unwrap_or_else(|| uri::PathAndQuery::from_static("/")).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;
    use std::net::IpAddr;

    fn cleaned(headers: &[(&str, &str)]) -> HeaderMap {
        let mut request = Request::get("http://evil.test/a?b");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let from = Caller { client: IpAddr::from([127, 0, 0, 1]), hops_left: Some(3) };
        let ray = clean_request(&mut parts, "shop.acme.test", from);
        assert_eq!(parts.headers[CF_RAY], ray);
        assert_eq!(parts.uri, "/a?b");
        parts.headers
    }

    #[test]
    fn a_client_cannot_smuggle_what_only_the_proxy_may_say() {
        let headers = cleaned(&[
            ("cf-blob", "{\"colo\":\"EVIL\"}"),
            ("x-clodo-res", "x/d1:y"),
            ("x-clodo-key", "guess"),
            ("cf-connecting-ip", "1.2.3.4"),
            ("cf-ew-via", "200"),
            ("connection", "close, x-secret-hop"),
            ("x-secret-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("host", "evil.test"),
        ]);
        assert_eq!(headers[CF_BLOB], CF);
        assert_eq!(headers[CF_CONNECTING_IP], "127.0.0.1");
        assert_eq!(headers[CF_EW_VIA], "3");
        assert_eq!(headers[header::HOST], "shop.acme.test");
        assert_eq!(headers[FORWARDED_PROTO], "https");
        for gone in ["x-clodo-res", "x-clodo-key", "connection", "x-secret-hop", "keep-alive"] {
            assert!(!headers.contains_key(gone), "{gone}");
        }
        assert!(serde_json::from_str::<serde_json::Value>(CF).is_ok());
    }

    #[test]
    fn a_chain_of_workers_has_an_end_whatever_its_headers_say() {
        for (carried, expected) in [
            (None, Some(15)),
            (Some("15"), Some(14)),
            (Some("1"), Some(0)),
            (Some("0"), None),
            (Some("200"), Some(15)),
            (Some("-1"), Some(15)),
            (Some("many"), Some(15)),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(carried) = carried {
                headers.insert(CF_EW_VIA, HeaderValue::from_static(carried));
            }
            assert_eq!(hops_left(&headers), expected, "{carried:?}");
        }
    }

    #[test]
    fn an_upgrade_passes_and_plain_http_can_be_asked_for() {
        let headers = cleaned(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket"),
            ("x-forwarded-proto", "http"),
        ]);
        assert_eq!(headers[header::UPGRADE], "websocket");
        assert_eq!(headers[header::CONNECTION], "upgrade");
        assert_eq!(headers[FORWARDED_PROTO], "http");
    }
}
