//! What a path of the API is about: never who or what in particular.

use http::Method;
use percent_encoding::percent_decode_str;

/// What a call is about, read from its path below the base URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// The path with placeholders instead of ids, names and keys.
    pub(crate) template: String,
    /// The account, where the path names one.
    pub(crate) account: Option<String>,
}

/// A path that does not mean what it says: `..` would leave the base URL, or reach another object
/// than the one that the client named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DotSegment;

/// Words of the API itself. Everything else in a path is somebody's name, id or key.
const WORDS: [&str; 88] = [
    "account-settings",
    "accounts",
    "ai",
    "analytics",
    "analytics_engine",
    "api",
    "assets",
    "assets-upload-session",
    "async",
    "audit_logs",
    "batch",
    "bindings",
    "bookmark",
    "buckets",
    "bulk",
    "by-consumer",
    "certificate_packs",
    "client",
    "consumers",
    "content",
    "cors",
    "custom",
    "d1",
    "database",
    "delete",
    "deployments",
    "dns_records",
    "domains",
    "durable_objects",
    "environments",
    "events",
    "event-notifications",
    "export",
    "external",
    "get",
    "graphql",
    "hyperdrive",
    "import",
    "indexes",
    "instances",
    "jobs",
    "keys",
    "kv",
    "latest",
    "lifecycle",
    "lock",
    "managed",
    "memberships",
    "message-previews",
    "messages",
    "metadata",
    "metrics",
    "namespaces",
    "objects",
    "observability",
    "pages",
    "permission_groups",
    "pipelines",
    "previews",
    "projects",
    "purge",
    "purge_cache",
    "query",
    "queues",
    "r2",
    "raw",
    "records",
    "references",
    "restore",
    "routes",
    "schedules",
    "script-settings",
    "scripts",
    "secrets",
    "secrets-bulk",
    "services",
    "settings",
    "storage",
    "subdomain",
    "subdomains",
    "tails",
    "telemetry",
    "time_travel",
    "tokens",
    "upload",
    "usage",
    "user",
    "values",
];
/// As above; in two so that each list stays readable.
const MORE_WORDS: [&str; 15] = [
    "changeset",
    "ack",
    "graph",
    "pull",
    "sippy",
    "status",
    "step",
    "terminate",
    "vectorize",
    "verify",
    "versions",
    "workers",
    "workflows",
    "zones",
    "v2",
];
/// What follows one of these is one key to the end of the path, slashes included.
const KEYS: [&str; 2] = ["objects", "values"];

/// Reads a path such as `/accounts/0123…/workers/scripts/shop`.
pub(crate) fn route(path: &str) -> Result<Route, DotSegment> {
    let mut template = String::with_capacity(path.len());
    let (mut account, mut last) = (None, "");
    let mut segments = path.split('/').skip(1);
    while let Some(segment) = segments.next() {
        check(segment)?;
        template.push('/');
        if last == "accounts" && !segment.is_empty() {
            account = Some(decoded(segment));
        }
        if KEYS.contains(&last) {
            template.push_str("{key}");
            segments.try_for_each(check)?;
            break;
        }
        match word(segment).filter(|_| !names_follow(last)) {
            Some(word) => template.push_str(word),
            None if segment.is_empty() => {}
            None => template.push_str(placeholder(last)),
        }
        last = word(segment).filter(|_| !names_follow(last)).unwrap_or_default();
    }
    Ok(Route { template, account })
}

/// Also in its encoded forms: URL libraries climb on all of them.
fn check(segment: &str) -> Result<(), DotSegment> {
    if matches!(decoded(segment).as_str(), "." | "..") { Err(DotSegment) } else { Ok(()) }
}

fn decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().to_ascii_lowercase()
}

fn word(segment: &str) -> Option<&'static str> {
    WORDS.iter().chain(&MORE_WORDS).find(|word| **word == segment).copied()
}

/// After these comes a name, even one that looks like a word of the API.
fn names_follow(last: &str) -> bool {
    matches!(
        last,
        "accounts"
            | "zones"
            | "scripts"
            | "services"
            | "namespaces"
            | "buckets"
            | "queues"
            | "workflows"
            | "by-consumer"
    )
}

fn placeholder(last: &str) -> &'static str {
    match last {
        "accounts" => "{account}",
        "zones" => "{zone}",
        "scripts" | "services" | "workers" | "by-consumer" => "{script}",
        "namespaces" => "{namespace}",
        "buckets" => "{bucket}",
        "queues" => "{queue}",
        "workflows" => "{workflow}",
        "instances" => "{instance}",
        "database" => "{database}",
        "versions" => "{version}",
        "deployments" => "{deployment}",
        "secrets" | "keys" => "{name}",
        "dns_records" | "records" => "{record}",
        "routes" => "{route}",
        "tails" => "{tail}",
        "tokens" => "{token}",
        _ => "{id}",
    }
}

/// Whether a call may change something. Reads by POST are few: all but these count as writes.
pub(crate) fn is_write(method: &Method, route: &Route) -> bool {
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    !reads && route.template != "/graphql"
}

/// Whether equal reads of this may share one answer: what is large, secret or new each time is
/// not for sharing.
pub(crate) fn is_shareable(method: &Method, route: &Route) -> bool {
    let template = route.template.as_str();
    let alone = ["/{key}", "/content", "/v2", "/export", "/verify", "/bookmark"];
    *method == Method::GET
        && !alone.iter().any(|end| template.ends_with(end))
        && !template.contains("/tails")
        && !template.contains("/messages")
        && !template.contains("/instances")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(path: &str) -> String {
        route(path).unwrap().template
    }

    #[test]
    fn ids_names_and_keys_become_placeholders() {
        let account = "/accounts/0123456789abcdef0123456789abcdef";
        for (path, expected) in [
            ("/zones", "/zones"),
            ("/zones/fedcba/dns_records/1/", "/zones/{zone}/dns_records/{record}/"),
            ("/user/tokens/verify", "/user/tokens/verify"),
            ("/workers/scripts", "/workers/scripts"),
            (
                "/workers/scripts/my-shop/secrets/DB_PASSWORD",
                "/workers/scripts/{script}/secrets/{name}",
            ),
            ("/workers/scripts/secrets/settings", "/workers/scripts/{script}/settings"),
            ("/workers/scripts/x/content/v2", "/workers/scripts/{script}/content/v2"),
            (
                "/storage/kv/namespaces/0f/values/user:ann@x.test",
                "/storage/kv/namespaces/{namespace}/values/{key}",
            ),
            (
                "/storage/kv/namespaces/0f/metadata/ann",
                "/storage/kv/namespaces/{namespace}/metadata/{id}",
            ),
            ("/r2/buckets/b/objects/a/b/zones/c", "/r2/buckets/{bucket}/objects/{key}"),
            ("/r2/buckets/objects", "/r2/buckets/{bucket}"),
            ("/d1/database/0a1b/query", "/d1/database/{database}/query"),
            ("/queues/q1/messages/pull", "/queues/{queue}/messages/pull"),
            ("/workflows/step/instances/i1", "/workflows/{workflow}/instances/{instance}"),
            (
                "/workflows/orders/instances/i1/events/paid",
                "/workflows/{workflow}/instances/{instance}/events/{id}",
            ),
            ("/something/new", "/{id}/{id}"),
        ] {
            assert_eq!(template(path), expected);
            assert_eq!(
                template(&format!("{account}{path}")),
                format!("/accounts/{{account}}{expected}")
            );
        }
        assert_eq!(template(""), "");
        assert_eq!(template("//accounts//x"), "//accounts//{id}");
    }

    #[test]
    fn the_account_is_found_however_it_is_written() {
        for path in ["/accounts/ab/d1", "/accounts/AB", "/accounts/%61b/x"] {
            assert_eq!(route(path).unwrap().account.as_deref(), Some("ab"), "{path}");
        }
        assert_eq!(route("/zones/ab").unwrap().account, None);
        assert_eq!(route("/accounts").unwrap().account, None);
    }

    #[test]
    fn paths_that_climb_are_refused_in_every_spelling() {
        for path in [
            "/..",
            "/a/../b",
            "/a/./b",
            "/%2e%2E/x",
            "/.%2e",
            "/accounts/x/r2/buckets/b/objects/a/%2e%2e/c",
        ] {
            assert_eq!(route(path), Err(DotSegment), "{path}");
        }
        for path in ["/...", "/a..b", "/.well-known", "/..%2f"] {
            assert!(route(path).is_ok(), "{path}");
        }
    }

    #[test]
    fn only_plain_reads_are_shared() {
        for (method, path, write, shared) in [
            (Method::GET, "/accounts/x/workers/scripts", false, true),
            (Method::GET, "/accounts/x/r2/buckets/b/objects", false, true),
            (Method::GET, "/accounts/x/r2/buckets/b/objects/k", false, false),
            (Method::GET, "/accounts/x/storage/kv/namespaces/n/values/k", false, false),
            (Method::GET, "/accounts/x/workers/scripts/s/content/v2", false, false),
            (Method::GET, "/zones/z/dns_records/export", false, false),
            (Method::GET, "/user/tokens/verify", false, false),
            (Method::HEAD, "/zones", false, false),
            (Method::POST, "/graphql", false, false),
            (Method::POST, "/accounts/x/d1/database/d/query", true, false),
            (Method::DELETE, "/zones/z", true, false),
        ] {
            let route = route(path).unwrap();
            assert_eq!(is_write(&method, &route), write, "{method} {path}");
            assert_eq!(is_shareable(&method, &route), shared, "{method} {path}");
        }
    }
}
