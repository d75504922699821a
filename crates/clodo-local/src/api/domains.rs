//! Custom domains: a hostname in one of the account's zones that a Worker is the origin of.

use super::{
    call::{Call, json as read_json},
    error::ApiError,
    reply::{Answer, Reply},
    routes::no_zone,
};
use crate::state::{
    ids::derived,
    model::{Account, Cloud},
    zone::{Domain, Zone},
};
use bytes::Bytes;
use clodo_types::Hostname;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc};

/// A hostname as a client wants it.
#[derive(Clone, Debug, Deserialize)]
struct Origin {
    hostname: String,
    zone_id: Option<String>,
    zone_name: Option<String>,
    enabled: Option<bool>,
    previews_enabled: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Replacement {
    override_existing_origin: bool,
    override_existing_dns_record: bool,
    origins: Vec<Origin>,
}

#[derive(Debug, Deserialize)]
struct Attachment {
    service: String,
    #[serde(default)]
    override_existing_origin: bool,
    #[serde(default)]
    override_existing_dns_record: bool,
    #[serde(flatten)]
    origin: Origin,
}

/// Which foreign holders of a hostname are pushed aside.
#[derive(Clone, Copy, Debug)]
struct Overrides {
    origin: bool,
    dns: bool,
}

/// `GET /accounts/{account}/workers/domains` and `…/domains/records`
pub(super) async fn list(call: Call) -> Answer {
    let query = |name| call.query.get(name);
    let (hostname, service) = (query("hostname"), query("service"));
    let (zone_id, zone_name) = (query("zone_id"), query("zone_name"));
    let found: Vec<Value> = call
        .account()?
        .domains
        .values()
        .filter(|domain| hostname.is_none_or(|wanted| domain.hostname.eq_ignore_ascii_case(wanted)))
        .filter(|domain| service.is_none_or(|wanted| domain.service == wanted))
        .filter(|domain| zone_id.is_none_or(|wanted| domain.zone_id == wanted))
        .filter(|domain| zone_name.is_none_or(|wanted| domain.zone_name == wanted))
        .map(|domain| shown(domain))
        .collect();
    Reply::ok(&found)
}

/// `GET /accounts/{account}/workers/domains/{domain}` and `…/domains/records/{domain}`
pub(super) async fn get(call: Call) -> Answer {
    let id = call.params.get("domain")?;
    let found = call.account()?.domains.values().find(|domain| domain.id == id);
    Reply::ok(&shown(found.ok_or_else(missing)?))
}

/// `PUT /accounts/{account}/workers/domains`
pub(super) async fn attach(call: Call, body: Bytes) -> Answer {
    let wanted: Attachment = read_json(&body)?;
    let account_id = call.account_id()?;
    let over = Overrides {
        origin: wanted.override_existing_origin,
        dns: wanted.override_existing_dns_record,
    };
    let domain = call
        .state()
        .write(move |cloud, _| {
            let domain = planned(cloud, &account_id, &wanted.service, &wanted.origin)?;
            put(cloud, &account_id, domain, over)
        })
        .await?;
    Reply::ok(&shown(&domain))
}

/// `DELETE /accounts/{account}/workers/domains/{domain}`
pub(super) async fn detach(call: Call) -> Answer {
    let (account_id, id) = (call.account_id()?, call.params.get("domain")?.to_owned());
    let removed: Result<(), ApiError> = call
        .state()
        .write(move |cloud, _| {
            let account = account_mut(cloud, &account_id)?;
            let found = account.domains.values().find(|domain| domain.id == id);
            let hostname = found.ok_or_else(missing)?.hostname.clone();
            account.domains.remove(&hostname);
            Ok(())
        })
        .await;
    removed?;
    Reply::nothing()
}

/// `POST …/scripts/{script}/domains/changeset?replace_state=true`: what a `PUT` would do.
pub(super) async fn changeset(call: Call, body: Bytes) -> Answer {
    let origins: Vec<Origin> = read_json(&body)?;
    let (account, script) = (call.account()?, call.worker()?.name.clone());
    let (mut added, mut updated, mut conflicting) = (Vec::new(), Vec::new(), Vec::new());
    for origin in &origins {
        let domain = planned(&call.snapshot.cloud, account.id(), &script, origin)?;
        if let Some(record) = foreign_record(&call.snapshot.cloud, &domain) {
            let mut entry = shown(&domain);
            entry["external_dns_record_id"] = json!(record);
            conflicting.push(entry);
        } else if let Some(known) = account.domains.get(&domain.hostname) {
            let mut entry = shown(&domain);
            entry["modified"] = json!(**known != domain);
            updated.push(entry);
        } else {
            added.push(shown(&domain));
        }
    }
    let named: BTreeSet<String> = origins.iter().map(|o| o.hostname.to_ascii_lowercase()).collect();
    let gone =
        |domain: &&Arc<Domain>| domain.service == script && !named.contains(&domain.hostname);
    let removed: Vec<Value> = match call.query.is_true("replace_state") {
        true => account.domains.values().filter(gone).map(|domain| shown(domain)).collect(),
        false => Vec::new(),
    };
    let result = json!({
        "added": added, "removed": removed, "updated": updated, "conflicting": conflicting,
    });
    Ok(Reply::ok(&result)?.only_read())
}

/// `PUT …/scripts/{script}/domains/records`: these and no others.
pub(super) async fn replace(call: Call, body: Bytes) -> Answer {
    let wanted: Replacement = read_json(&body)?;
    let (account_id, script) = (call.account_id()?, call.worker()?.name.clone());
    let over = Overrides {
        origin: wanted.override_existing_origin,
        dns: wanted.override_existing_dns_record,
    };
    let result = call
        .state()
        .write(move |cloud, _| {
            let mut kept = BTreeSet::new();
            let mut answer = Vec::new();
            for origin in &wanted.origins {
                let domain = planned(cloud, &account_id, &script, origin)?;
                let domain = put(cloud, &account_id, domain, over)?;
                kept.insert(domain.hostname.clone());
                answer.push(shown(&domain));
            }
            if account_holds_others(cloud, &account_id, &script, &kept) {
                let account = account_mut(cloud, &account_id)?;
                account
                    .domains
                    .retain(|host, domain| domain.service != script || kept.contains(host));
            }
            Ok::<_, ApiError>(answer)
        })
        .await?;
    Reply::ok(&result)
}

fn account_holds_others(
    cloud: &Cloud,
    account_id: &str,
    script: &str,
    kept: &BTreeSet<String>,
) -> bool {
    let domains = cloud.accounts.get(account_id).map(|account| &account.domains);
    let mut domains = domains.into_iter().flatten();
    domains.any(|(host, domain)| domain.service == script && !kept.contains(host))
}

/// The domain as it would be stored; `Err` when its zone or its Worker is not there.
fn planned(
    cloud: &Cloud,
    account_id: &str,
    service: &str,
    origin: &Origin,
) -> Result<Domain, ApiError> {
    let hostname = origin.hostname.to_ascii_lowercase();
    if hostname.parse::<Hostname>().is_err() {
        let message = format!("`{}` is not a valid hostname.", origin.hostname);
        return Err(ApiError::bad_request(10082, message));
    }
    let zone = zone_of(cloud, account_id, origin, &hostname)?;
    let account = cloud.accounts.get(account_id).ok_or_else(ApiError::forbidden)?;
    if !account.workers.contains_key(service) {
        return Err(ApiError::no_worker());
    }
    let known = account.domains.get(&hostname);
    Ok(Domain {
        id: derived(&["domain", account_id, &hostname]),
        zone_id: zone.id.clone(),
        zone_name: zone.name.clone(),
        hostname,
        service: service.to_owned(),
        enabled: origin.enabled.unwrap_or(true),
        previews_enabled: origin
            .previews_enabled
            .unwrap_or_else(|| known.is_some_and(|domain| domain.previews_enabled)),
    })
}

fn zone_of<'a>(
    cloud: &'a Cloud,
    account_id: &'a str,
    origin: &Origin,
    hostname: &str,
) -> Result<&'a Arc<Zone>, ApiError> {
    let mut own = cloud.zones_of(account_id);
    let zone = match (&origin.zone_id, &origin.zone_name) {
        (Some(id), _) => own.find(|zone| zone.id == *id),
        (None, Some(name)) => own.find(|zone| zone.name.eq_ignore_ascii_case(name)),
        (None, None) => cloud.zone_for(account_id, hostname),
    };
    zone.filter(|zone| zone.holds(hostname)).ok_or_else(|| no_zone(&origin.hostname))
}

fn put(
    cloud: &mut Cloud,
    account_id: &str,
    domain: Domain,
    over: Overrides,
) -> Result<Domain, ApiError> {
    if foreign_record(cloud, &domain).is_some() && !over.dns {
        let message = format!(
            "Hostname '{}' already has externally managed DNS records (A, CNAME, etc). Either \
             delete them, try a different hostname, or use the option to override existing DNS \
             records.",
            domain.hostname
        );
        return Err(ApiError::conflict(100_117, message));
    }
    let account = account_mut(cloud, account_id)?;
    let known = account.domains.get(&domain.hostname);
    if let Some(other) = known.filter(|known| known.service != domain.service)
        && !over.origin
    {
        let message = format!(
            "Hostname '{}' is already attached to the Worker '{}'.",
            domain.hostname, other.service
        );
        return Err(ApiError::conflict(100_116, message));
    }
    if known.is_none_or(|known| **known != domain) {
        account.domains.insert(domain.hostname.clone(), Arc::new(domain.clone()));
    }
    if over.dns
        && let Some(zone) = cloud.zones.get_mut(&domain.zone_id)
        && zone.dns.iter().any(|record| is_address(&record.kind) && record.name == domain.hostname)
    {
        let zone = Arc::make_mut(zone);
        zone.dns.retain(|record| !is_address(&record.kind) || record.name != domain.hostname);
    }
    Ok(domain)
}

/// A record of the user's own that points the hostname elsewhere.
fn foreign_record(cloud: &Cloud, domain: &Domain) -> Option<String> {
    let records = &cloud.zones.get(&domain.zone_id)?.dns;
    let held = records.iter().find(|r| is_address(&r.kind) && r.name == domain.hostname);
    held.map(|record| record.id.clone())
}

fn is_address(kind: &str) -> bool {
    matches!(kind, "A" | "AAAA" | "CNAME")
}

fn account_mut<'a>(cloud: &'a mut Cloud, id: &str) -> Result<&'a mut Account, ApiError> {
    cloud.account_mut(id).ok_or_else(ApiError::forbidden)
}

fn missing() -> ApiError {
    ApiError::not_found(100_114, "This custom domain does not exist.")
}

pub(super) fn shown(domain: &Domain) -> Value {
    json!({
        "id": domain.id,
        "zone_id": domain.zone_id,
        "zone_name": domain.zone_name,
        "hostname": domain.hostname,
        "service": domain.service,
        "environment": "production",
        "cert_id": derived(&["certificate", &domain.hostname]),
        "enabled": domain.enabled,
        "previews_enabled": domain.previews_enabled,
    })
}
