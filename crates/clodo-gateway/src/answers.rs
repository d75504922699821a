//! Answers that equal calls share.

use crate::{
    calls::AnswerSource,
    tokens::{CREDENTIALS, TokenKey, add},
};
use bytes::Bytes;
use clodo_http::{Body, Response};
use clodo_resilience::Made;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request};
use sha2::{Digest, Sha256};
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

/// A larger answer is not for sharing.
const LARGEST: usize = 1 << 20;
/// What an answer weighs besides its body.
const OVERHEAD: usize = 2048;

/// Which calls are equal: the same credentials, URL and headers. It holds none of them.
#[derive(Clone, Debug)]
pub(crate) struct ReadKey {
    digest: [u8; 32],
    account: Option<Arc<str>>,
}

/// An answer that several calls get.
#[derive(Clone, Debug)]
pub(crate) struct SharedAnswer {
    status: StatusCode,
    headers: Arc<HeaderMap>,
    body: Bytes,
    made: Instant,
}

/// Headers that make no difference to what the API answers.
const INDIFFERENT: [HeaderName; 14] = [
    header::USER_AGENT,
    header::HOST,
    header::ACCEPT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::DATE,
    header::VIA,
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("cf-trace-id"),
    HeaderName::from_static("priority"),
    HeaderName::from_static("sec-fetch-mode"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

fn is_indifferent(name: &HeaderName) -> bool {
    INDIFFERENT.contains(name) || name.as_str().starts_with("x-stainless-")
}

impl ReadKey {
    /// None for a call that wants an answer of its own: a fresh one, a part, or a conditional one.
    pub(crate) fn of(
        token: &TokenKey,
        url: &str,
        account: Option<&str>,
        parts: &request::Parts,
    ) -> Option<Self> {
        if wants_its_own(&parts.headers) {
            return None;
        }
        let mut hash = Sha256::new();
        hash.update(url);
        hash.update([0]);
        let counts = |name: &&HeaderName| !is_indifferent(name) && !CREDENTIALS.contains(name);
        let mut names: Vec<_> = parts.headers.keys().filter(counts).collect();
        names.sort_unstable_by_key(|name| name.as_str());
        for name in names {
            add(&mut hash, &parts.headers, name);
        }
        token.add_to(&mut hash);
        Some(Self { digest: hash.finalize().into(), account: account.map(Into::into) })
    }

    /// Whether a write to `account` may have changed this. What belongs to no account, such as a
    /// zone, may belong to any.
    pub(crate) fn is_touched_by(&self, account: Option<&str>) -> bool {
        match (account, self.account.as_deref()) {
            (Some(written), Some(own)) => written == own,
            _ => true,
        }
    }
}

impl PartialEq for ReadKey {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for ReadKey {}

impl Hash for ReadKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

fn wants_its_own(headers: &HeaderMap) -> bool {
    let conditional = [
        header::RANGE,
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_UNMODIFIED_SINCE,
        header::IF_RANGE,
    ];
    conditional.iter().any(|name| headers.contains_key(name))
        || says(headers, &header::CACHE_CONTROL, &["no-cache", "no-store", "max-age=0"])
        || says(headers, &header::PRAGMA, &["no-cache"])
}

/// Whether a header that is a list has one of these words.
fn says(headers: &HeaderMap, name: &HeaderName, words: &[&str]) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let mut said = values.flat_map(|value| value.split(',')).map(str::trim);
    said.any(|said| words.iter().any(|word| said.eq_ignore_ascii_case(word)))
}

/// Makes an answer one that can be shared, and says how long; or gives it back as it is.
pub(crate) async fn shared(
    answer: Response,
    keep: Duration,
) -> Result<Made<SharedAnswer>, Response> {
    let (parts, body) = answer.into_parts();
    let too_long = body.length().is_some_and(|length| length > LARGEST as u64);
    let own = is_its_callers_own(parts.status, &parts.headers) || too_long;
    if own {
        return Err(Response::from_parts(parts, body));
    }
    let body = match whole(body).await {
        Ok(body) => body,
        Err(body) => return Err(Response::from_parts(parts, body)),
    };
    let fresh = ["no-store", "no-cache", "max-age=0"];
    let keeps = parts.status == StatusCode::OK
        && !says(&parts.headers, &header::CACHE_CONTROL, &fresh)
        && !says(&parts.headers, &header::PRAGMA, &["no-cache"]);
    let weight = body.len() + OVERHEAD;
    let (status, headers) = (parts.status, Arc::new(parts.headers));
    let value = SharedAnswer { status, headers, body, made: Instant::now() };
    Ok(Made { value, keep: if keeps { keep } else { Duration::ZERO }, weight })
}

/// What is no JSON, sets a cookie or depends on who asks is not shared; nor is a failure.
fn is_its_callers_own(status: StatusCode, headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_json =
        kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/json"));
    let vary = headers.get_all(header::VARY).iter().filter_map(|value| value.to_str().ok());
    let mut vary = vary.flat_map(|value| value.split(',')).map(str::trim);
    let varies =
        vary.any(|name| name == "*" || name.parse().is_ok_and(|name| is_indifferent(&name)));
    let settled = status.is_success() || status.is_client_error();
    !settled
        || status == StatusCode::TOO_MANY_REQUESTS
        || !is_json
        || varies
        || headers.contains_key(header::SET_COOKIE)
}

/// The whole body, or one that goes on as if nobody had looked.
async fn whole(body: Body) -> Result<Bytes, Body> {
    let length = body.length();
    let mut rest = body.into_stream();
    let (mut chunks, mut size) = (Vec::new(), 0);
    while let Some(chunk) = rest.next().await {
        size += chunk.as_ref().map_or(0, Bytes::len);
        let ends = chunk.is_err() || size > LARGEST;
        chunks.push(chunk);
        if ends {
            return Err(Body::from_stream(stream::iter(chunks).chain(rest), length));
        }
    }
    let chunks: Vec<Bytes> = chunks.into_iter().flatten().collect();
    match <[Bytes; 1]>::try_from(chunks) {
        Ok([only]) => Ok(only),
        Err(chunks) => Ok(chunks.concat().into()),
    }
}

impl SharedAnswer {
    /// The answer for one of the calls.
    pub(crate) fn answer(&self, how: &'static str, source: AnswerSource) -> Response {
        let mut answer = Response::new(Body::from(self.body.clone()));
        *answer.status_mut() = self.status;
        *answer.headers_mut() = (*self.headers).clone();
        let headers = answer.headers_mut();
        headers.insert("cache-status", HeaderValue::from_static(how));
        if source == AnswerSource::Upstream {
            return answer;
        }
        headers.insert(header::AGE, HeaderValue::from(self.made.elapsed().as_secs()));
        // What was said then about the budget is not true any more.
        for gone in ["ratelimit", "ratelimit-policy"] {
            headers.remove(gone);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn key(token: u8, url: &str, headers: &[(&str, &str)]) -> Option<ReadKey> {
        let mut request = Request::get("/").header("authorization", format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        ReadKey::of(&TokenKey::of(&parts.headers), url, None, &parts)
    }

    #[test]
    fn only_what_makes_a_difference_tells_reads_apart() {
        let plain = key(1, "/zones", &[]);
        assert!(plain.is_some());
        for same in [
            key(1, "/zones", &[("user-agent", "wrangler/4.86.0"), ("cf-trace-id", "x")]),
            key(1, "/zones", &[("x-stainless-retry-count", "0"), ("traceparent", "y")]),
        ] {
            assert_eq!(plain, same);
        }
        for other in [
            key(2, "/zones", &[]),
            key(1, "/zones?page=2", &[]),
            key(1, "/zones", &[("cf-r2-jurisdiction", "eu")]),
            key(1, "/zones", &[("accept", "text/html")]),
            key(1, "/zones", &[("accept-encoding", "gzip")]),
            key(1, "/zones", &[("x-auth-email", "a@b.test")]),
        ] {
            assert!(other.is_some());
            assert_ne!(plain, other);
        }
    }

    #[test]
    fn a_read_that_wants_its_own_answer_gets_it() {
        for header in [
            ("cache-control", "no-cache"),
            ("cache-control", "foo, No-Store"),
            ("cache-control", "max-age=0"),
            ("pragma", "no-cache"),
            ("range", "bytes=0-1"),
            ("if-none-match", "\"x\""),
        ] {
            assert_eq!(key(1, "/zones", &[header]), None, "{header:?}");
        }
    }

    #[test]
    fn a_write_touches_its_account_and_whatever_may_belong_to_it() {
        let parts = Request::get("/").body(()).unwrap().into_parts().0;
        let token = TokenKey::of(&parts.headers);
        let read = |account| ReadKey::of(&token, "/", account, &parts).unwrap();
        for (written, own, touched) in [
            (Some("a"), Some("a"), true),
            (Some("a"), Some("b"), false),
            (Some("a"), None, true),
            (None, Some("b"), true),
            (None, None, true),
        ] {
            assert_eq!(read(own).is_touched_by(written), touched, "{written:?} {own:?}");
        }
    }

    #[tokio::test]
    async fn what_may_be_shared_and_kept_is_what_the_answer_says() {
        let json = ("content-type", "application/json; charset=utf-8");
        for (status, headers, expected) in [
            (200, &[json][..], Some(true)),
            (200, &[json, ("cache-control", "private, max-age=5")], Some(true)),
            (200, &[json, ("vary", "Accept-Encoding")], Some(true)),
            (200, &[json, ("cache-control", "no-store")], Some(false)),
            (200, &[json, ("pragma", "no-cache")], Some(false)),
            (404, &[json], Some(false)),
            (201, &[json], Some(false)),
            (200, &[json, ("vary", "*")], None),
            (200, &[json, ("vary", "User-Agent")], None),
            (200, &[json, ("set-cookie", "a=b")], None),
            (200, &[("content-type", "application/octet-stream")], None),
            (200, &[], None),
            (429, &[json], None),
            (500, &[json], None),
            (302, &[json], None),
        ] {
            let mut answer = http::Response::builder().status(status);
            for (name, value) in headers {
                answer = answer.header(*name, *value);
            }
            let made = shared(answer.body(Body::from("{}")).unwrap(), Duration::from_secs(2)).await;
            let kept = made.ok().map(|made| !made.keep.is_zero());
            assert_eq!(kept, expected, "{status} {headers:?}");
        }
    }

    #[tokio::test]
    async fn a_large_or_broken_answer_goes_on_as_if_nobody_had_looked() {
        let chunk = Bytes::from(vec![b'x'; 400 << 10]);
        let broken = || Err(clodo_http::BodyError::Interrupted("cable".into()));
        let json =
            |body| http::Response::builder().header("content-type", "application/json").body(body);
        let long: Vec<_> = (0..4).map(|_| Ok(chunk.clone())).collect();
        let answer = json(Body::from_stream(stream::iter(long), None)).unwrap();
        let own = shared(answer, Duration::ZERO).await.unwrap_err();
        assert_eq!(own.into_body().collect(usize::MAX).await.unwrap().len(), 4 * chunk.len());
        let cut = Body::from_stream(stream::iter([Ok(chunk.clone()), broken()]), None);
        let own = shared(json(cut).unwrap(), Duration::ZERO).await.unwrap_err();
        let mut body = own.into_body().into_stream();
        assert_eq!(body.next().await.unwrap().unwrap(), chunk);
        assert!(body.next().await.unwrap().is_err());
    }
}
