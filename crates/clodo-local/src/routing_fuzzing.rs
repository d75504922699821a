//! What is fuzzed of routing.

use super::{Pattern, RouteTable, plain_host};
use crate::state::{
    ids::Moment,
    model::Cloud,
    zone::{Route, Zone},
};
use std::sync::Arc;

/// A host, a path, and patterns of routes, a line each: the table finds the most specific pattern
/// of those that a naive matcher finds.
pub fn route_patterns(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.lines();
    let (Some(host), Some(path)) = (lines.next(), lines.next()) else { return };
    let host = plain_host(host);
    let patterns: Vec<&str> = lines.take(8).collect();
    let cloud = cloud(&patterns);
    let found = RouteTable::build(&cloud).find(&cloud, &host, path);
    let found = found.map(|found| found.script.parse::<usize>().expect("a number"));
    let fits =
        |at: &usize| Pattern::parse(patterns[*at]).is_ok() && naive(patterns[*at], &host, path);
    let candidates = || (0..patterns.len()).filter(fits);
    assert_eq!(found.is_some(), candidates().next().is_some(), "{patterns:?} {host:?} {path:?}");
    if let Some(found) = found {
        assert!(fits(&found), "{:?} does not match {host:?} {path:?}", patterns[found]);
        let best = candidates().map(|at| specific(patterns[at])).max();
        assert_eq!(Some(specific(patterns[found])), best, "{patterns:?} {host:?} {path:?}");
    }
}

fn cloud(patterns: &[&str]) -> Cloud {
    let routes = patterns.iter().enumerate().map(|(at, pattern)| Route {
        id: at.to_string(),
        pattern: (*pattern).to_owned(),
        script: Some(at.to_string()),
    });
    let zone = Zone {
        id: "z".into(),
        name: "acme.test".into(),
        account_id: "a".into(),
        created_on: Moment::default(),
        paused: false,
        dns: Vec::new(),
        routes: routes.collect(),
    };
    let mut cloud = Cloud::default();
    cloud.zones.insert("z".into(), Arc::new(zone));
    cloud
}

/// Host and path of a pattern.
fn halves(pattern: &str) -> (String, &str) {
    let rest = pattern.find("://").map_or(pattern, |at| &pattern[at + 3..]);
    let at = rest.find('/').unwrap_or(rest.len());
    let path = if at == rest.len() { "/" } else { &rest[at..] };
    (rest[..at].to_ascii_lowercase(), path)
}

/// `*` matches anything.
fn naive(pattern: &str, host: &str, path: &str) -> bool {
    let (on, below) = halves(pattern);
    glob(on.as_bytes(), host.as_bytes()) && glob(below.as_bytes(), path.as_bytes())
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|at| glob(rest, &text[at..])),
        Some((first, rest)) => {
            text.split_first().is_some_and(|(c, text)| c == first && glob(rest, text))
        }
    }
}

/// A host without a wildcard, then a long host, then a long path, then a path without a wildcard.
fn specific(pattern: &str) -> (bool, usize, usize, bool) {
    let (host, path) = halves(pattern);
    let exact = !host.starts_with('*');
    let length = if exact { 0 } else { host.len() };
    (exact, length, path.trim_end_matches('*').len(), !path.ends_with('*'))
}
