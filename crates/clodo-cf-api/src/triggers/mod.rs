//! What makes a Worker run: `workers.dev`, routes, custom domains, schedules.
//!
//! # Example
//! ```
#![doc = include_str!("../../docs/triggers.rs")]
//! ```
#![doc = include_str!("../../docs/triggers.md")]

mod domains;

pub use domains::{
    CustomDomain, DomainChangeset, DomainOrigin, NewDomain, WorkerDomains, custom_domain,
    delete_domain, domain_changeset, domain_record, list_domain_records, list_domains, put_domain,
    put_worker_domains,
};

use crate::{
    endpoint::{Endpoint, Repeat},
    ids::RouteId,
    paging::{ListEndpoint, Paging},
    workers::WorkerSubdomain,
};
use clodo_types::{AccountId, WorkerName, ZoneId, ZoneName};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Whether a Worker and its versions answer below `workers.dev`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SubdomainChange {
    /// Whether the Worker answers there.
    pub enabled: bool,
    /// Whether its versions do; as `enabled` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previews_enabled: Option<bool>,
}

/// An account's name below `workers.dev`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountSubdomain {
    /// `acme` of `acme.workers.dev`.
    pub subdomain: String,
}

/// A cron expression at which a Worker runs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Schedule {
    /// Five fields, in UTC.
    pub cron: String,
    /// In RFC 3339.
    #[serde(default)]
    pub created_on: Option<String>,
    /// In RFC 3339.
    #[serde(default)]
    pub modified_on: Option<String>,
}

/// A pattern of URLs of a zone and the Worker that answers them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Route {
    /// Its id.
    pub id: RouteId,
    /// Such as `shop.example.com/api/*`.
    pub pattern: String,
    /// The Worker; none for a pattern at which no Worker answers.
    #[serde(default)]
    pub script: Option<String>,
}

/// A route to make, or what to make of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewRoute {
    /// Such as `shop.example.com/api/*`.
    pub pattern: String,
    /// The Worker; none keeps Workers away from the pattern.
    #[serde(rename = "script", skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerName>,
}

/// A pattern for a Worker, and its zone when it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoutePattern {
    /// Such as `shop.example.com/api/*`.
    pub pattern: String,
    /// The zone's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone_id: Option<ZoneId>,
    /// The zone's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone_name: Option<ZoneName>,
}

const SUBDOMAIN: &str = "/accounts/{account}/workers/scripts/{worker}/subdomain";
const ACCOUNT_SUBDOMAIN: &str = "/accounts/{account}/workers/subdomain";
const SCHEDULES: &str = "/accounts/{account}/workers/scripts/{worker}/schedules";
const ROUTES: &str = "/zones/{zone}/workers/routes";
const ROUTE: &str = "/zones/{zone}/workers/routes/{route}";

/// Where a Worker answers below `workers.dev`.
#[must_use]
pub fn subdomain(account: &AccountId, worker: &WorkerName) -> Endpoint<WorkerSubdomain> {
    Endpoint::get(SUBDOMAIN).at("account", account).at("worker", worker)
}

/// Sets where a Worker answers below `workers.dev`.
#[must_use]
pub fn set_subdomain(
    account: &AccountId,
    worker: &WorkerName,
    change: SubdomainChange,
) -> Endpoint<WorkerSubdomain> {
    Endpoint::new(Method::POST, SUBDOMAIN, Repeat::Safe)
        .at("account", account)
        .at("worker", worker)
        // Since this date versions get URLs of their own only where that is asked for.
        .with_header("cloudflare-workers-script-api-date", "2025-08-01")
        .with_json(&change)
}

/// The account's name below `workers.dev`; not found when it has none.
#[must_use]
pub fn account_subdomain(account: &AccountId) -> Endpoint<AccountSubdomain> {
    Endpoint::get(ACCOUNT_SUBDOMAIN).at("account", account)
}

/// Gives the account a name below `workers.dev`.
#[must_use]
pub fn set_account_subdomain(
    account: &AccountId,
    subdomain: &AccountSubdomain,
) -> Endpoint<AccountSubdomain> {
    Endpoint::new(Method::PUT, ACCOUNT_SUBDOMAIN, Repeat::Safe)
        .at("account", account)
        .with_json(subdomain)
}

/// Whether a name below `workers.dev` is taken. The API says it with errors: not found (10032) is a
/// name that is free, a conflict (10031) one that is taken.
#[must_use]
pub fn look_up_subdomain(account: &AccountId, subdomain: &str) -> Endpoint<AccountSubdomain> {
    Endpoint::get("/accounts/{account}/workers/subdomains/{subdomain}")
        .at("account", account)
        .at("subdomain", subdomain)
}

/// Ends that a Worker answers below `workers.dev`.
#[must_use]
pub fn delete_subdomain(account: &AccountId, worker: &WorkerName) -> Endpoint<()> {
    Endpoint::delete(SUBDOMAIN).at("account", account).at("worker", worker)
}

/// When a Worker runs.
#[must_use]
pub fn list_schedules(account: &AccountId, worker: &WorkerName) -> ListEndpoint<Schedule> {
    let list = ListEndpoint::new(SCHEDULES, Paging::Single).within("schedules");
    list.at("account", account).at("worker", worker)
}

/// Sets when a Worker runs; replaces all.
#[must_use]
pub fn put_schedules(
    account: &AccountId,
    worker: &WorkerName,
    crons: &[String],
) -> Endpoint<Vec<Schedule>> {
    let body: Vec<_> = crons.iter().map(|cron| json!({ "cron": cron })).collect();
    Endpoint::new(Method::PUT, SCHEDULES, Repeat::Safe)
        .within("schedules")
        .at("account", account)
        .at("worker", worker)
        .with_json(&body)
}

/// Every route of a zone, whoever answers it.
#[must_use]
pub fn list_routes(zone: &ZoneId) -> ListEndpoint<Route> {
    ListEndpoint::new(ROUTES, Paging::Single).at("zone", zone)
}

/// One route.
#[must_use]
pub fn route(zone: &ZoneId, id: &RouteId) -> Endpoint<Route> {
    Endpoint::get(ROUTE).at("zone", zone).at("route", id)
}

/// Adds a route.
#[must_use]
pub fn create_route(zone: &ZoneId, new: &NewRoute) -> Endpoint<Route> {
    Endpoint::new(Method::POST, ROUTES, Repeat::LookUp).at("zone", zone).with_json(new)
}

/// Changes a route.
#[must_use]
pub fn put_route(zone: &ZoneId, id: &RouteId, new: &NewRoute) -> Endpoint<Route> {
    Endpoint::new(Method::PUT, ROUTE, Repeat::Safe).at("zone", zone).at("route", id).with_json(new)
}

/// Removes a route.
#[must_use]
pub fn delete_route(zone: &ZoneId, id: &RouteId) -> Endpoint<()> {
    Endpoint::delete(ROUTE).at("zone", zone).at("route", id)
}

/// Sets the routes of a Worker in all zones; replaces all.
#[must_use]
pub fn put_worker_routes(
    account: &AccountId,
    worker: &WorkerName,
    patterns: &[RoutePattern],
) -> Endpoint<Vec<Route>> {
    Endpoint::new(Method::PUT, "/accounts/{account}/workers/scripts/{worker}/routes", Repeat::Safe)
        .at("account", account)
        .at("worker", worker)
        .with_json(&patterns)
}
