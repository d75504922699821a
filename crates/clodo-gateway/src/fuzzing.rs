//! What is fuzzed: each function takes any bytes and panics only if something is wrong.

use crate::{headers, route::route, upstream::UpstreamUrl};
use http::Uri;
use percent_encoding::percent_decode_str;
use url::Url;

/// A path as a client may send it. What passes is below the base, names the account that the
/// upstream will see, and is sent exactly as it was judged: URL libraries take nothing in it for a
/// way up.
pub fn gateway_paths(data: &[u8]) {
    let Ok(uri) = Uri::try_from(data) else { return };
    let Some((path, query)) = headers::below_base(&uri) else { return };
    let Ok(found) = route(&path) else { return };
    let upstream: UpstreamUrl = "https://api.test/client/v4".parse().expect("a URL");
    let Ok(sent) = upstream.at(&format!("{path}{query}")) else { return };
    let url = Url::parse(&sent.to_string()).expect("what is sent is a URL");
    assert_eq!((url.scheme(), url.host_str()), ("https", Some("api.test")));
    // What must be escaped may be, and nothing else changes.
    let plain = |path: &str| percent_decode_str(path).collect::<Vec<u8>>();
    assert_eq!(plain(url.path()), plain(sent.path()), "it is sent as it was judged");
    assert_eq!(url.path().matches('/').count(), sent.path().matches('/').count());
    let below = url.path().strip_prefix("/client/v4").expect("it is below the base");
    assert!(below.is_empty() || below.starts_with('/'));
    assert_eq!(route(below).as_ref(), Ok(&found), "and judged as it is sent");
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::{gateway_paths, replay::replay};

    #[test]
    fn no_path_reaches_what_it_was_not_judged_by() {
        replay("gateway_paths", gateway_paths);
    }
}
