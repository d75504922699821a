//! Which headers pass, and who may call at all.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header, request, uri::Authority};
use std::net::IpAddr;

/// Headers that concern one connection only (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// True for a request that a program on this machine made. A page in a browser names its origin
/// or says that it is elsewhere's, and a rebound name is not ours.
pub(crate) fn is_from_a_program(parts: &request::Parts) -> bool {
    let headers = &parts.headers;
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    let said = host.and_then(|host| host.parse::<Authority>().ok());
    let ours =
        |authority: &Authority| !authority.as_str().contains('@') && is_own_name(authority.host());
    said.as_ref().is_some_and(ours)
        && hosts.next().is_none()
        && parts.uri.authority().is_none_or(ours)
        && !headers.contains_key(header::ORIGIN)
        && headers.get("sec-fetch-site").is_none_or(|site| site == "none")
}

fn is_own_name(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// The protocol that a request or an answer wants to switch to.
pub(crate) fn upgrade(method: &Method, headers: &HeaderMap) -> Option<HeaderValue> {
    let wanted = headers.get(header::CONNECTION)?.to_str().ok()?;
    let asks = wanted.split(',').any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    headers.get(header::UPGRADE).filter(|_| asks && *method == Method::GET).cloned()
}

/// Takes out what concerns one connection only; an upgrade stays where there is one.
pub(crate) fn pass_on(headers: &mut HeaderMap, upgrade: Option<HeaderValue>) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|names| names.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
    if let Some(upgrade) = upgrade {
        headers.insert(header::UPGRADE, upgrade);
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

/// The path and query below the API's base, or none when it lies elsewhere. A backslash, which URL
/// libraries take for a slash, stays what it is.
pub(crate) fn below_base(uri: &Uri) -> Option<(String, String)> {
    let rest = uri.path().strip_prefix("/client/v4")?;
    if !rest.is_empty() && !rest.starts_with('/') {
        return None;
    }
    let query = uri.query().map_or(String::new(), |query| format!("?{query}"));
    Some((rest.replace('\\', "%5C"), query))
}

/// What the caller calls itself, fit for a log.
pub(crate) fn agent(headers: &HeaderMap) -> String {
    let said =
        headers.get(header::USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()));
    let said = said.unwrap_or_default();
    let plain = said.chars().filter(|letter| !letter.is_control()).take(80);
    let plain: String = plain.collect();
    if plain.trim().is_empty() { "unnamed".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn parts(uri: &str, headers: &[(&str, &str)]) -> request::Parts {
        let mut request = Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn browsers_and_rebound_names_do_not_get_in() {
        for (headers, may) in [
            (&[("host", "127.0.0.1:8790")][..], true),
            (&[("host", "LOCALHOST:8790")], true),
            (&[("host", "[::1]:8790")], true),
            (&[("host", "127.0.0.1"), ("sec-fetch-mode", "cors")], true),
            (&[("host", "127.0.0.1"), ("sec-fetch-site", "none")], true),
            (&[], false),
            (&[("host", "evil.test")], false),
            (&[("host", "127.0.0.1.evil.test:8790")], false),
            (&[("host", "localhost.evil.test")], false),
            (&[("host", "evil.test@127.0.0.1")], false),
            (&[("host", "10.0.0.1:8790")], false),
            (&[("host", "127.0.0.1"), ("host", "evil.test")], false),
            (&[("host", "127.0.0.1"), ("origin", "https://evil.test")], false),
            (&[("host", "127.0.0.1"), ("origin", "http://127.0.0.1:8790")], false),
            (&[("host", "127.0.0.1"), ("origin", "null")], false),
            (&[("host", "127.0.0.1"), ("sec-fetch-site", "cross-site")], false),
            (&[("host", "127.0.0.1"), ("sec-fetch-site", "same-site")], false),
            (&[("host", "")], false),
        ] {
            assert_eq!(is_from_a_program(&parts("/client/v4/user", headers)), may, "{headers:?}");
        }
        let absolute = parts("http://evil.test/client/v4/user", &[("host", "127.0.0.1")]);
        assert!(!is_from_a_program(&absolute));
    }

    #[test]
    fn what_concerns_one_connection_stays_there() {
        let mut headers = parts(
            "/",
            &[
                ("connection", "close, x-mine"),
                ("connection", "X-Also"),
                ("x-mine", "1"),
                ("x-also", "1"),
                ("te", "trailers"),
                ("transfer-encoding", "chunked"),
                ("proxy-authorization", "Basic x"),
                ("upgrade", "h2c"),
                ("authorization", "Bearer t"),
                ("x-other", "stays"),
            ],
        )
        .headers;
        pass_on(&mut headers, None);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["authorization", "x-other"]);
    }

    #[test]
    fn only_a_get_can_be_upgraded() {
        let asks =
            parts("/", &[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]).headers;
        assert_eq!(upgrade(&Method::GET, &asks).unwrap(), "websocket");
        assert_eq!(upgrade(&Method::POST, &asks), None);
        let silent = parts("/", &[("upgrade", "websocket")]).headers;
        assert_eq!(upgrade(&Method::GET, &silent), None);
    }

    #[test]
    fn the_base_is_a_whole_segment() {
        let of = |uri: &str| below_base(&uri.parse().unwrap());
        assert_eq!(of("/client/v4/zones?a=b"), Some(("/zones".into(), "?a=b".into())));
        assert_eq!(of("/client/v4"), Some((String::new(), String::new())));
        assert_eq!(of("/client/v4/a\\..\\b").unwrap().0, "/a%5C..%5Cb");
        for elsewhere in ["/", "/client/v41/zones", "/client", "/clodo/gateway/status"] {
            assert_eq!(of(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn a_caller_s_name_is_short_and_plain() {
        assert_eq!(
            agent(&parts("/", &[("user-agent", "wrangler/4.86.0")]).headers),
            "wrangler/4.86.0"
        );
        assert_eq!(agent(&parts("/", &[("user-agent", " \t ")]).headers), "unnamed");
        assert_eq!(agent(&parts("/", &[]).headers), "unnamed");
        let long = "x".repeat(5000);
        assert_eq!(agent(&parts("/", &[("user-agent", &long)]).headers).len(), 80);
        let mut odd = HeaderMap::new();
        odd.insert("user-agent", HeaderValue::from_bytes(b"caf\xe9").unwrap());
        assert_eq!(agent(&odd), "caf\u{fffd}");
    }
}
