use crate::{
    endpoint::{Endpoint, Repeat},
    ids::DomainId,
    paging::{ListEndpoint, Paging},
    wire::or_default,
};
use clodo_types::{AccountId, Hostname, WorkerName, ZoneId, ZoneName};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

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
    /// Whether the Worker answers there.
    #[serde(default)]
    pub enabled: Option<bool>,
    /// Whether its versions do.
    #[serde(default)]
    pub previews_enabled: Option<bool>,
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

/// All custom domains of a Worker, as they shall be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WorkerDomains {
    /// Take domains that other Workers have.
    pub override_existing_origin: bool,
    /// Replace DNS records that point elsewhere.
    pub override_existing_dns_record: bool,
    /// The domains.
    pub origins: Vec<DomainOrigin>,
}

/// A custom domain of a Worker, as it shall be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DomainOrigin {
    /// The hostname.
    pub hostname: Hostname,
    /// The zone's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone_id: Option<ZoneId>,
    /// The zone's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone_name: Option<ZoneName>,
    /// Whether the Worker answers there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Whether its versions do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previews_enabled: Option<bool>,
}

impl DomainOrigin {
    /// A hostname whose zone Cloudflare finds.
    #[must_use]
    pub fn new(hostname: Hostname) -> Self {
        Self { hostname, zone_id: None, zone_name: None, enabled: None, previews_enabled: None }
    }
}

const DOMAINS: &str = "/accounts/{account}/workers/domains";

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

/// Sets the custom domains of a Worker; replaces all.
#[must_use]
pub fn put_worker_domains(
    account: &AccountId,
    worker: &WorkerName,
    domains: &WorkerDomains,
) -> Endpoint<Value> {
    let mut body = json!(domains);
    body["override_scope"] = true.into();
    let template = "/accounts/{account}/workers/scripts/{worker}/domains/records";
    Endpoint::new(Method::PUT, template, Repeat::Safe)
        .at("account", account)
        .at("worker", worker)
        .with_json(&body)
}

/// One custom domain.
#[must_use]
pub fn custom_domain(account: &AccountId, id: &DomainId) -> Endpoint<CustomDomain> {
    Endpoint::get("/accounts/{account}/workers/domains/{domain}")
        .at("account", account)
        .at("domain", id)
}

/// Every custom domain of an account, as wrangler asks for them;
/// [`ListEndpoint::with_query`] narrows it (`service`, `hostname` …).
#[must_use]
pub fn list_domain_records(account: &AccountId) -> ListEndpoint<CustomDomain> {
    ListEndpoint::new("/accounts/{account}/workers/domains/records", Paging::Single)
        .at("account", account)
}

/// One custom domain, as wrangler asks for it.
#[must_use]
pub fn domain_record(account: &AccountId, id: &DomainId) -> Endpoint<CustomDomain> {
    Endpoint::get("/accounts/{account}/workers/domains/records/{domain}")
        .at("account", account)
        .at("domain", id)
}
