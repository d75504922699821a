//! Zones, and what a Worker does not own of them: their cache.
//!
//! # Example
//! ```
#![doc = include_str!("../docs/zones.rs")]
//! ```
#![doc = include_str!("../docs/zones.md")]

use crate::{
    api_error::ApiError,
    client::Client,
    endpoint::{Endpoint, Repeat},
    ensure::Ensured,
    paging::{ListEndpoint, Paging},
    wire::or_default,
};
use clodo_types::{AccountId, Hostname, ZoneId, ZoneName};
use http::Method;
use serde::{Deserialize, Serialize};
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
    /// `full`, `partial`, `secondary` …
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    /// Whether it is paused: then only its DNS is served.
    #[serde(default, deserialize_with = "or_default")]
    pub paused: bool,
    /// The servers that the registrar must name.
    #[serde(default, deserialize_with = "or_default")]
    pub name_servers: Vec<String>,
    /// In RFC 3339.
    #[serde(default)]
    pub created_on: Option<String>,
    /// In RFC 3339.
    #[serde(default)]
    pub modified_on: Option<String>,
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

/// Makes a zone whose DNS Cloudflare serves; [`Client::ensure_zone`] does it at most once.
#[must_use]
pub fn create_zone(account: &AccountId, name: &ZoneName) -> Endpoint<Zone> {
    Endpoint::new(Method::POST, "/zones", Repeat::LookUp)
        .with_json(&json!({ "account": { "id": account }, "name": name, "type": "full" }))
}

/// A change of a zone; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ZoneChange {
    /// Whether it is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
}

/// Changes a zone.
#[must_use]
pub fn patch_zone(zone: &ZoneId, change: &ZoneChange) -> Endpoint<Zone> {
    Endpoint::new(Method::PATCH, "/zones/{zone}", Repeat::Safe).at("zone", zone).with_json(change)
}

/// Removes a zone with everything in it.
#[must_use]
pub fn delete_zone(zone: &ZoneId) -> Endpoint<()> {
    Endpoint::delete("/zones/{zone}").at("zone", zone)
}

impl Client {
    /// Makes sure that an account has a zone of this name, and creates at most one.
    ///
    /// # Errors
    /// When it is not there in the end, such as when another account has it.
    pub async fn ensure_zone(
        &self,
        account: &AccountId,
        name: &ZoneName,
    ) -> Result<Ensured<Zone>, ApiError> {
        let look = || async {
            let found = self.list(list_zones_named(account, name)).await?;
            Ok(found.into_iter().find(|zone| zone.name == *name))
        };
        self.ensure(|| create_zone(account, name), look).await
    }
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
