//! Zones, and what a Worker does not own of them: their cache.

use crate::{
    endpoint::{Endpoint, Repeat},
    paging::{ListEndpoint, Paging},
};
use clodo_types::{AccountId, Hostname, ZoneId, ZoneName};
use http::Method;
use serde::Deserialize;
use serde_json::json;

/// A zone: a registered domain that one account manages.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Zone {
    /// Its id.
    pub id: ZoneId,
    /// Its name.
    pub name: ZoneName,
    /// `active`, `pending` …
    #[serde(default)]
    pub status: Option<String>,
    /// Who owns it.
    #[serde(default)]
    pub account: Option<ZoneAccount>,
}

/// Who owns a zone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ZoneAccount {
    /// The account's id.
    pub id: AccountId,
}

/// Every zone of an account.
#[must_use]
pub fn list_zones(account: &AccountId) -> ListEndpoint<Zone> {
    ListEndpoint::new("/zones", Paging::Numbered { per_page: 50 }).with_query("account.id", account)
}

/// The zones of this name: one or none.
#[must_use]
pub fn list_zones_named(account: &AccountId, name: &ZoneName) -> ListEndpoint<Zone> {
    list_zones(account).with_query("name", name)
}

/// One zone.
#[must_use]
pub fn zone(zone: &ZoneId) -> Endpoint<Zone> {
    Endpoint::get("/zones/{zone}").at("zone", zone)
}

/// What to forget of a zone's cache.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purge {
    /// Everything.
    Everything,
    /// These URLs.
    Files(Vec<String>),
    /// Everything of these hostnames.
    Hosts(Vec<Hostname>),
    /// Everything that carries one of these cache tags.
    Tags(Vec<String>),
    /// Everything below these prefixes, written without scheme.
    Prefixes(Vec<String>),
}

/// Makes a zone's cache forget something.
#[must_use]
pub fn purge_cache(zone: &ZoneId, what: &Purge) -> Endpoint<()> {
    let body = match what {
        Purge::Everything => json!({ "purge_everything": true }),
        Purge::Files(files) => json!({ "files": files }),
        Purge::Hosts(hosts) => json!({ "hosts": hosts }),
        Purge::Tags(tags) => json!({ "tags": tags }),
        Purge::Prefixes(prefixes) => json!({ "prefixes": prefixes }),
    };
    Endpoint::silent(Method::POST, "/zones/{zone}/purge_cache", Repeat::Safe)
        .at("zone", zone)
        .with_json(&body)
}
