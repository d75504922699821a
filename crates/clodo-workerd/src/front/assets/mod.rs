//! Static assets, served as Cloudflare serves a Worker's `assets`.

mod find;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzzing;
mod pattern;
mod rules;

#[cfg(any(test, feature = "fuzzing"))]
pub use fuzzing::asset_rules;

use super::body::FrontBody;
use crate::seams::{AssetEntry, Directory, RunWorkerFirst, ServedAssets, ServedVersion};
use find::Found;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::borrow::Cow;

/// From this date on a browser's navigation prefers assets to the Worker.
const NAVIGATION_DATE: &str = "2025-04-01";
const NAVIGATION_ON: &str = "assets_navigation_prefers_asset_serving";
const NAVIGATION_OFF: &str = "assets_navigation_has_no_effect";

/// What `encodeURIComponent` leaves alone, and `/`.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'/');

/// One request for an asset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AssetRequest<'a> {
    /// The account that the assets belong to.
    pub(crate) account: &'a str,
    /// The version that they belong to.
    pub(crate) version: &'a ServedVersion,
    /// The hostname, without port.
    pub(crate) host: &'a str,
    /// Method, target and headers.
    pub(crate) parts: &'a request::Parts,
}

/// What to answer, before the bytes are read.
enum Plan<'a> {
    Send { entry: &'a AssetEntry, status: u16 },
    Redirect { to: String, status: u16 },
}

/// Answers from the assets if the Worker need not be asked; `None` = ask it.
pub(crate) async fn before_worker(
    asked: AssetRequest<'_>,
    assets: &ServedAssets,
    directory: &dyn Directory,
) -> Option<Response<FrontBody>> {
    let has_worker = asked.version.main_module.is_some() || asked.version.body_part.is_some();
    if !has_worker {
        return Some(serve(asked, assets, directory).await);
    }
    match &assets.run_worker_first {
        RunWorkerFirst::Always(true) => return None,
        RunWorkerFirst::Always(false) => {}
        RunWorkerFirst::Paths(patterns) => {
            match rules::worker_first(patterns, &decoded(asked.parts.uri.path())) {
                Some(true) => return None,
                Some(false) => return Some(serve(asked, assets, directory).await),
                None => {}
            }
        }
    }
    if !matches!(asked.parts.method, Method::GET | Method::HEAD) {
        return None;
    }
    let plan = plan(asked, assets, is_navigation(asked))?;
    Some(answer(asked, assets, plan, directory).await)
}

/// Answers from the assets, whatever it is.
pub(crate) async fn serve(
    asked: AssetRequest<'_>,
    assets: &ServedAssets,
    directory: &dyn Directory,
) -> Response<FrontBody> {
    if !matches!(asked.parts.method, Method::GET | Method::HEAD) {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED);
        refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match plan(asked, assets, true) {
        Some(plan) => answer(asked, assets, plan, directory).await,
        None => plain(StatusCode::NOT_FOUND),
    }
}

// A browser that opens a page says so; scripts and programs do not.
fn is_navigation(asked: AssetRequest<'_>) -> bool {
    let has = |flag: &str| asked.version.compatibility_flags.iter().any(|own| own == flag);
    let recent =
        asked.version.compatibility_date.as_deref().is_some_and(|date| date >= NAVIGATION_DATE);
    let mode = asked.parts.headers.get("sec-fetch-mode");
    mode.is_some_and(|mode| mode == "navigate")
        && !has(NAVIGATION_OFF)
        && (recent || has(NAVIGATION_ON))
}

fn plan<'a>(
    asked: AssetRequest<'_>,
    assets: &'a ServedAssets,
    with_fallback: bool,
) -> Option<Plan<'a>> {
    let given = asked.parts.uri.path();
    let mut path = decoded(given).into_owned();
    if let Some(text) = &assets.redirects
        && let Some(redirect) = rules::redirect_for(text, asked.host, &path)
    {
        if redirect.status != 200 {
            let to = with_query(asked, redirect.to);
            return Some(Plan::Redirect { to, status: redirect.status });
        }
        path = redirect.to.split(['?', '#']).next().unwrap_or("/").to_owned();
    } else if collapsed(&path) != path {
        let to = with_query(asked, encoded(&collapsed(&path)));
        return Some(Plan::Redirect { to, status: 307 });
    }
    let found = find::find(assets, &path);
    let found = found.or_else(|| with_fallback.then(|| find::fallback(assets, &path)).flatten());
    Some(match found? {
        Found::File { entry, status } => Plan::Send { entry, status },
        Found::Elsewhere(to) => Plan::Redirect { to: with_query(asked, encoded(&to)), status: 307 },
    })
}

/// Slashes in a row are one; also keeps `//host` from leaving the site.
fn collapsed(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !out.ends_with('/') {
            out.push(c);
        }
    }
    out
}

fn decoded(path: &str) -> Cow<'_, str> {
    percent_decode_str(path).decode_utf8().unwrap_or(Cow::Borrowed(path))
}

fn encoded(path: &str) -> String {
    utf8_percent_encode(path, KEPT).to_string()
}

fn with_query(asked: AssetRequest<'_>, to: String) -> String {
    match asked.parts.uri.query() {
        Some(query) if !to.contains(['?', '#']) => format!("{to}?{query}"),
        _ => to,
    }
}

async fn answer(
    asked: AssetRequest<'_>,
    assets: &ServedAssets,
    plan: Plan<'_>,
    directory: &dyn Directory,
) -> Response<FrontBody> {
    let mut answer = match plan {
        Plan::Redirect { to, status } => redirect(&to, status),
        Plan::Send { entry, status } => if is_known(&asked.parts.headers, &entry.hash) {
            plain(StatusCode::NOT_MODIFIED)
        } else {
            match directory.asset(asked.account, &entry.hash).await {
                Some(bytes) => sent(asked, status, bytes),
                None => return plain(StatusCode::INTERNAL_SERVER_ERROR),
            }
        }
        .describing(entry),
    };
    let path = decoded(asked.parts.uri.path());
    if let Some(text) = &assets.headers {
        custom(answer.headers_mut(), &rules::headers_for(text, asked.host, &path));
    }
    answer
}

fn sent(asked: AssetRequest<'_>, status: u16, bytes: bytes::Bytes) -> Response<FrontBody> {
    let length = HeaderValue::from(bytes.len());
    let body = if asked.parts.method == Method::HEAD {
        FrontBody::empty()
    } else {
        FrontBody::full(bytes)
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    answer.headers_mut().insert(header::CONTENT_LENGTH, length);
    answer
}

trait Describing {
    fn describing(self, entry: &AssetEntry) -> Self;
}

impl Describing for Response<FrontBody> {
    fn describing(mut self, entry: &AssetEntry) -> Self {
        let headers = self.headers_mut();
        if let Ok(etag) = HeaderValue::from_str(&format!("\"{}\"", entry.hash)) {
            headers.insert(header::ETAG, etag);
        }
        if let Some(kind) = &entry.content_type
            && let Ok(kind) = HeaderValue::from_str(kind)
        {
            headers.insert(header::CONTENT_TYPE, kind);
        }
        let cache = HeaderValue::from_static("public, max-age=0, must-revalidate");
        headers.insert(header::CACHE_CONTROL, cache);
        headers.insert("cf-cache-status", HeaderValue::from_static("HIT"));
        self
    }
}

fn is_known(headers: &HeaderMap, hash: &str) -> bool {
    let tags = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    tags.is_some_and(|tags| {
        tags.split(',').any(|tag| {
            let tag = tag.trim();
            tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"') == hash
        })
    })
}

/// Headers from `_headers`: the first mention of a name replaces ours, later ones add to it.
fn custom(headers: &mut HeaderMap, changes: &[(String, Option<String>)]) {
    let mut touched = Vec::new();
    for (name, value) in changes {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { continue };
        match value.as_deref().map(HeaderValue::from_str) {
            None => drop(headers.remove(&name)),
            Some(Ok(value)) if touched.contains(&name) => drop(headers.append(&name, value)),
            Some(Ok(value)) => {
                headers.insert(&name, value);
                touched.push(name);
            }
            Some(Err(_)) => {}
        }
    }
}

fn redirect(to: &str, status: u16) -> Response<FrontBody> {
    let mut answer = plain(StatusCode::from_u16(status).unwrap_or(StatusCode::FOUND));
    if let Ok(to) = HeaderValue::from_str(to) {
        answer.headers_mut().insert(header::LOCATION, to);
    }
    answer
}

fn plain(status: StatusCode) -> Response<FrontBody> {
    let mut answer = Response::new(FrontBody::empty());
    *answer.status_mut() = status;
    answer
}

#[cfg(test)]
mod tests;
