//! Every route that the local Cloudflare serves is in `docs/conformance.md`, and every one that writes
//! is in the fault matrix.

use crate::faults::{KEPT_APART, writes};
use clodo_local::api_routes;
use std::{collections::BTreeSet, fs, path::Path};

/// `PUT /accounts/{account}/…/{key}`, with all names in braces made equal: they differ from page to
/// page.
fn nameless(route: &str) -> String {
    let path = route.split('?').next().unwrap_or_default();
    let parts = path.trim_end_matches('/').split('/');
    let nameless =
        |part: &str| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() };
    parts.map(nameless).collect::<Vec<_>>().join("/")
}

fn served() -> BTreeSet<String> {
    api_routes().into_iter().map(|route| format!("{} {}", route.method, route.template)).collect()
}

#[test]
fn every_route_has_its_line() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/conformance.md");
    let page = fs::read_to_string(page).unwrap();
    let features = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let told: BTreeSet<String> = features.map(nameless).collect();
    let served = served();
    let missing: Vec<_> = served.iter().filter(|route| !told.contains(&nameless(route))).collect();
    assert!(missing.is_empty(), "docs/conformance.md does not tell of {missing:#?}");
    let served: BTreeSet<String> = served.iter().map(|route| nameless(route)).collect();
    let methods = ["GET /", "POST /", "PUT /", "PATCH /", "DELETE /"];
    let is_route = |told: &&String| methods.iter().any(|method| told.starts_with(method));
    let stale: Vec<_> = told
        .iter()
        .filter(is_route)
        .filter(|told| !told.contains(" /clodo/"))
        .filter(|told| !served.contains(told.as_str()))
        .collect();
    assert!(stale.is_empty(), "docs/conformance.md tells of what is not served: {stale:#?}");
}

#[test]
fn every_route_that_writes_is_in_the_fault_matrix() {
    let mut missing: BTreeSet<String> =
        served().into_iter().filter(|route| !route.starts_with("GET ")).collect();
    for route in writes().map(|write| write.route).chain(KEPT_APART.map(|(route, _)| route)) {
        assert!(missing.remove(route), "{route} is not served, or is there twice");
    }
    assert!(missing.is_empty(), "neither in the matrix nor kept apart for a reason: {missing:#?}");
}
