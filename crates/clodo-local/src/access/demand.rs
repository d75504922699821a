//! Which permission each route needs.
//!
//! Looked up by the route's template, so that handlers need not know. **Invariant:** a route that
//! the table does not name is only for tokens that may do everything.

use http::Method;

/// What a caller must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// The route looks at credentials itself.
    Open,
    /// Any token in force.
    Known,
    /// One of these groups, by name.
    OneOf(&'static [&'static str]),
    /// A token that may do everything.
    Everything,
}

/// How Cloudflare says no; it depends on the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 403, 10000 `Authentication error`.
    Authentication,
    /// 403, 9109 `Unauthorized to access requested resource`.
    Unauthorized,
}

/// What a route demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Demand {
    pub(crate) need: Need,
    pub(crate) refusal: Refusal,
}

use Need::{Known, OneOf, Open};
use Refusal::{Authentication, Unauthorized};

type Row = (&'static str, Need, Need, Refusal);

const SCRIPTS_READ: Need = OneOf(&["Workers Scripts Read", "Workers Scripts Write"]);
const SCRIPTS: Need = OneOf(&["Workers Scripts Write"]);
const TAIL: Need = OneOf(&["Workers Tail Read", "Workers Scripts Write"]);
const ROUTES_READ: Need = OneOf(&["Workers Routes Read", "Workers Routes Write"]);
const ROUTES: Need = OneOf(&["Workers Routes Write"]);
const D1_READ: Need = OneOf(&["D1 Read", "D1 Write"]);
const D1: Need = OneOf(&["D1 Write"]);
const KV_READ: Need = OneOf(&["Workers KV Storage Read", "Workers KV Storage Write"]);
const KV: Need = OneOf(&["Workers KV Storage Write"]);
const R2_READ: Need = OneOf(&["Workers R2 Storage Read", "Workers R2 Storage Write"]);
const R2: Need = OneOf(&["Workers R2 Storage Write"]);
const OBJECTS_READ: Need = OneOf(&[
    "Workers R2 Storage Read",
    "Workers R2 Storage Write",
    "Workers R2 Storage Bucket Item Read",
    "Workers R2 Storage Bucket Item Write",
]);
const OBJECTS: Need = OneOf(&["Workers R2 Storage Write", "Workers R2 Storage Bucket Item Write"]);
const QUEUES_READ: Need = OneOf(&["Queues Read", "Queues Write"]);
const QUEUES: Need = OneOf(&["Queues Write"]);
const ANALYTICS: Need = OneOf(&["Account Analytics Read", "Analytics Read"]);
const SETTINGS_READ: Need = OneOf(&["Account Settings Read", "Account Settings Write"]);
const SETTINGS: Need = OneOf(&["Account Settings Write"]);
const OBSERVE_READ: Need = OneOf(&["Workers Observability Read", "Workers Observability Write"]);
const OBSERVE: Need = OneOf(&["Workers Observability Write"]);
const ACCOUNT_TOKENS_READ: Need = OneOf(&["Account API Tokens Read", "Account API Tokens Write"]);
const ACCOUNT_TOKENS: Need = OneOf(&["Account API Tokens Write"]);
const TOKENS_READ: Need = OneOf(&["API Tokens Read", "API Tokens Write"]);
const TOKENS: Need = OneOf(&["API Tokens Write"]);
const USER_READ: Need = OneOf(&["User Details Read", "User Details Write"]);
const USER: Need = OneOf(&["User Details Write"]);
const MEMBERS_READ: Need = OneOf(&["Memberships Read", "Memberships Write"]);
const MEMBERS: Need = OneOf(&["Memberships Write"]);
const ZONE_READ: Need = OneOf(&["Zone Read", "Zone Write"]);
const ZONE: Need = OneOf(&["Zone Write"]);
const ZONE_SETTINGS_READ: Need = OneOf(&["Zone Settings Read", "Zone Settings Write"]);
const ZONE_SETTINGS: Need = OneOf(&["Zone Settings Write"]);
const DNS_READ: Need = OneOf(&["DNS Read", "DNS Write"]);
const DNS: Need = OneOf(&["DNS Write"]);
const PURGE: Need = OneOf(&["Cache Purge"]);

/// Prefix of the template (`$`: the whole of it), for reading, for anything else, how it is
/// refused. The first that fits counts.
const TABLE: &[Row] = &[
    ("/user/tokens/verify$", Open, Open, Authentication),
    ("/user/tokens", TOKENS_READ, TOKENS, Unauthorized),
    ("/user", USER_READ, USER, Unauthorized),
    ("/memberships", MEMBERS_READ, MEMBERS, Authentication),
    ("/graphql$", ANALYTICS, ANALYTICS, Authentication),
    ("/accounts$", Known, Need::Everything, Unauthorized),
    ("/accounts/{}$", SETTINGS_READ, SETTINGS, Unauthorized),
    ("/accounts/{}/tokens/verify$", Open, Open, Authentication),
    ("/accounts/{}/tokens", ACCOUNT_TOKENS_READ, ACCOUNT_TOKENS, Unauthorized),
    // The session's own token is what the upload shows.
    ("/accounts/{}/workers/assets/upload", Open, Open, Authentication),
    ("/accounts/{}/workers/scripts/{}/tails", TAIL, TAIL, Authentication),
    ("/accounts/{}/workers/scripts/{}/routes$", SCRIPTS_READ, ROUTES, Authentication),
    ("/accounts/{}/workers/observability", OBSERVE_READ, OBSERVE, Authentication),
    ("/accounts/{}/workers", SCRIPTS_READ, SCRIPTS, Authentication),
    ("/accounts/{}/workflows", SCRIPTS_READ, SCRIPTS, Authentication),
    ("/accounts/{}/d1", D1_READ, D1, Authentication),
    ("/accounts/{}/storage/kv/namespaces/{}/bulk/get$", KV_READ, KV_READ, Authentication),
    ("/accounts/{}/storage/kv", KV_READ, KV, Authentication),
    ("/accounts/{}/r2/buckets/{}/objects", OBJECTS_READ, OBJECTS, Authentication),
    ("/accounts/{}/r2", R2_READ, R2, Authentication),
    ("/accounts/{}/event_notifications/r2", R2_READ, R2, Authentication),
    ("/accounts/{}/queues", QUEUES_READ, QUEUES, Authentication),
    ("/accounts/{}/event_subscriptions", QUEUES_READ, QUEUES, Authentication),
    ("/accounts/{}/analytics_engine", ANALYTICS, ANALYTICS, Authentication),
    ("/zones$", Known, ZONE, Unauthorized),
    ("/zones/{}$", ZONE_READ, ZONE, Unauthorized),
    ("/zones/{}/dns_records", DNS_READ, DNS, Authentication),
    ("/zones/{}/workers", ROUTES_READ, ROUTES, Authentication),
    ("/zones/{}/purge_cache$", PURGE, PURGE, Authentication),
    ("/zones/{}/settings", ZONE_SETTINGS_READ, ZONE_SETTINGS, Unauthorized),
    ("/zones/{}/activation_check$", ZONE_READ, ZONE, Unauthorized),
];

impl Demand {
    /// What `method` at a route demands. The template is what follows `/client/v4`.
    pub(crate) fn of(method: &Method, template: &str) -> Self {
        let row = TABLE.iter().find(|(prefix, ..)| fits(prefix, template));
        let Some((_, read, write, refusal)) = row else {
            return Self { need: Need::Everything, refusal: Authentication };
        };
        let reads = matches!(*method, Method::GET | Method::HEAD);
        Self { need: if reads { *read } else { *write }, refusal: *refusal }
    }
}

fn fits(prefix: &str, template: &str) -> bool {
    let (prefix, whole) = match prefix.strip_suffix('$') {
        Some(prefix) => (prefix, true),
        None => (prefix, false),
    };
    let mut own = template.trim_end_matches('/').split('/');
    for wanted in prefix.split('/') {
        let Some(segment) = own.next() else { return false };
        if wanted != segment && !(wanted == "{}" && segment.starts_with('{')) {
            return false;
        }
    }
    !whole || own.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::group_by_name;

    #[test]
    fn each_route_needs_what_cloudflare_documents() {
        let scripts = "/accounts/{account}/workers/scripts";
        for (method, template, expected) in [
            ("GET", scripts.to_owned(), SCRIPTS_READ),
            ("PUT", format!("{scripts}/{{script}}"), SCRIPTS),
            ("POST", format!("{scripts}/{{script}}/tails"), TAIL),
            ("DELETE", format!("{scripts}/{{script}}/tails/{{tail}}"), TAIL),
            ("PUT", format!("{scripts}/{{script}}/routes"), ROUTES),
            ("PUT", format!("{scripts}/{{script}}/secrets"), SCRIPTS),
            ("POST", "/accounts/{a}/workers/assets/upload/{hash}".into(), Open),
            ("GET", "/accounts/{account}".into(), SETTINGS_READ),
            ("GET", "/accounts".into(), Known),
            ("GET", "/accounts/{account}/d1/database/{database}".into(), D1_READ),
            ("POST", "/accounts/{account}/d1/database/{database}/query".into(), D1),
            ("POST", "/accounts/{a}/storage/kv/namespaces/{n}/bulk/get".into(), KV_READ),
            ("PUT", "/accounts/{a}/storage/kv/namespaces/{n}/values/{key}".into(), KV),
            ("GET", "/accounts/{a}/r2/buckets/{b}/objects/{*key}".into(), OBJECTS_READ),
            ("POST", "/zones".into(), ZONE),
            ("GET", "/zones/{zone}/dns_records".into(), DNS_READ),
            ("DELETE", "/zones/{zone}/workers/routes/{route}".into(), ROUTES),
            ("GET", "/user/tokens/verify".into(), Open),
            ("POST", "/user/tokens".into(), TOKENS),
            ("GET", "/user".into(), USER_READ),
            ("GET", "/accounts/{account}/hyperdrive/configs".into(), Need::Everything),
            ("GET", "/zones/{zone}/unheard/of".into(), Need::Everything),
            ("GET", "/userland".into(), Need::Everything),
            ("GET", "/accounts/{account}/d1x".into(), Need::Everything),
        ] {
            let method: Method = method.parse().unwrap();
            assert_eq!(Demand::of(&method, &template).need, expected, "{method} {template}");
        }
    }

    #[test]
    fn every_group_that_the_table_names_exists() {
        for (prefix, read, write, _) in TABLE {
            for need in [read, write] {
                let OneOf(names) = need else { continue };
                assert!(names.iter().all(|name| group_by_name(name).is_some()), "{prefix}");
            }
        }
    }
}
