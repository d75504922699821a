//! What makes a Worker run: `workers.dev`, routes, custom domains, schedules.

use crate::{
    endpoint::{Endpoint, Repeat},
    ids::{DomainId, RouteId},
    paging::{ListEndpoint, Paging},
    wire::or_default,
    workers::WorkerSubdomain,
};
use clodo_types::{AccountId, Hostname, WorkerName, ZoneId, ZoneName};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

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

/// A hostname at which one Worker answers; Cloudflare keeps its DNS record and certificate.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct CustomDomain {
    /// Its id.
    pub id: DomainId,
    /// The hostname.
    pub hostname: Hostname,
    /// The Worker.
    pub service: WorkerName,
    /// The zone's id.
    #[serde(default)]
    pub zone_id: Option<ZoneId>,
    /// The zone's name.
    #[serde(default)]
    pub zone_name: Option<ZoneName>,
    /// `production`, unless the Worker has legacy environments.
    #[serde(default)]
    pub environment: Option<String>,
    /// The certificate's id.
    #[serde(default)]
    pub cert_id: Option<String>,
}

/// A custom domain to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDomain {
    /// The hostname.
    pub hostname: Hostname,
    /// The Worker.
    pub worker: WorkerName,
    /// The zone that the hostname is in.
    pub zone: ZoneId,
}

/// What a change to a Worker's custom domains would do.
#[derive(Clone, Debug, Default, Deserialize)]
#[non_exhaustive]
pub struct DomainChangeset {
    /// New ones, as they travel.
    #[serde(default, deserialize_with = "or_default")]
    pub added: Vec<Value>,
    /// Ones that go.
    #[serde(default, deserialize_with = "or_default")]
    pub removed: Vec<Value>,
    /// Ones that another Worker has now.
    #[serde(default, deserialize_with = "or_default")]
    pub updated: Vec<Value>,
    /// Ones for which a DNS record of another origin exists.
    #[serde(default, deserialize_with = "or_default")]
    pub conflicting: Vec<Value>,
}

const SUBDOMAIN: &str = "/accounts/{account}/workers/scripts/{worker}/subdomain";
const ACCOUNT_SUBDOMAIN: &str = "/accounts/{account}/workers/subdomain";
const SCHEDULES: &str = "/accounts/{account}/workers/scripts/{worker}/schedules";
const ROUTES: &str = "/zones/{zone}/workers/routes";
const ROUTE: &str = "/zones/{zone}/workers/routes/{route}";
const DOMAINS: &str = "/accounts/{account}/workers/domains";

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

/// Every custom domain of an account.
#[must_use]
pub fn list_domains(account: &AccountId) -> ListEndpoint<CustomDomain> {
    ListEndpoint::new(DOMAINS, Paging::Single).at("account", account)
}

/// Makes a Worker answer at a hostname, whichever Worker answered there before. A hostname with DNS
/// records of another origin is refused.
#[must_use]
pub fn put_domain(account: &AccountId, new: &NewDomain) -> Endpoint<CustomDomain> {
    let NewDomain { hostname, worker, zone } = new;
    let body = json!({
        "hostname": hostname, "service": worker, "zone_id": zone, "environment": "production",
        "override_existing_origin": true,
    });
    Endpoint::new(Method::PUT, DOMAINS, Repeat::Safe).at("account", account).with_json(&body)
}

/// Removes a custom domain with its DNS record and certificate.
#[must_use]
pub fn delete_domain(account: &AccountId, id: &DomainId) -> Endpoint<()> {
    Endpoint::delete("/accounts/{account}/workers/domains/{domain}")
        .at("account", account)
        .at("domain", id)
}

/// What would change if these were all custom domains of a Worker; changes nothing.
#[must_use]
pub fn domain_changeset(
    account: &AccountId,
    worker: &WorkerName,
    hostnames: &[Hostname],
) -> Endpoint<DomainChangeset> {
    let template = "/accounts/{account}/workers/scripts/{worker}/domains/changeset";
    let body: Vec<_> = hostnames.iter().map(|name| json!({ "hostname": name })).collect();
    Endpoint::new(Method::POST, template, Repeat::Safe)
        .only_reading()
        .at("account", account)
        .at("worker", worker)
        .with_query("replace_state", true)
        .with_json(&body)
}
