//! Zones.

use super::{
    call::{Call, json as read_json},
    error::ApiError,
    reply::{Answer, Reply},
};
use crate::state::{ids::derived, zone::Zone};
use bytes::Bytes;
use clodo_types::ZoneName;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// `GET /zones`
pub(super) async fn list(call: Call) -> Answer {
    let name = call.query.get("name").map(|name| name.rsplit(':').next().unwrap_or(name));
    let account = call.query.get("account.id");
    let found: Vec<Value> = call
        .snapshot
        .cloud
        .zones
        .values()
        .filter(|zone| call.token.may_see(zone))
        .filter(|zone| name.is_none_or(|name| zone.name.eq_ignore_ascii_case(name)))
        .filter(|zone| account.is_none_or(|id| zone.account_id == id))
        .map(|zone| shown(&call, zone))
        .collect();
    Reply::page(&found, &call.query, 20)
}

/// `GET /zones/{zone}`
pub(super) async fn get(call: Call) -> Answer {
    Reply::ok(&shown(&call, call.zone()?))
}

#[derive(Deserialize)]
struct NewZone {
    name: ZoneName,
    account: OfAccount,
}

#[derive(Deserialize)]
struct OfAccount {
    id: String,
}

/// `POST /zones`
pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    let new: NewZone = read_json(&body)?;
    let known = call.snapshot.cloud.accounts.contains_key(&new.account.id);
    if !known || !call.token.may_use(&new.account.id) {
        return Err(ApiError::forbidden());
    }
    let zone = call
        .state()
        .write(move |cloud, now| {
            let name = new.name.to_string();
            if cloud.zones.values().any(|zone| zone.name == name) {
                return Err(ApiError::bad_request(1061, format!("{name} already exists")));
            }
            let zone = Arc::new(Zone {
                id: derived(&["zone", &name]),
                name,
                account_id: new.account.id,
                created_on: now,
                paused: false,
                routes: Vec::new(),
                dns: Vec::new(),
            });
            cloud.zones.insert(zone.id.clone(), Arc::clone(&zone));
            Ok(zone)
        })
        .await?;
    Reply::ok(&shown(&call, &zone))
}

#[derive(Deserialize)]
struct ZoneChange {
    paused: Option<bool>,
}

/// `PATCH /zones/{zone}`
pub(super) async fn edit(call: Call, body: Bytes) -> Answer {
    let change: ZoneChange = read_json(&body)?;
    let id = call.zone()?.id.clone();
    let zone = call
        .state()
        .write(move |cloud, _| {
            let zone = cloud.zones.get_mut(&id).ok_or_else(ApiError::forbidden)?;
            if let Some(paused) = change.paused {
                Arc::make_mut(zone).paused = paused;
            }
            Ok::<_, ApiError>(Arc::clone(zone))
        })
        .await?;
    Reply::ok(&shown(&call, &zone))
}

/// The most things that one purge names.
const MOST_PURGED: usize = 100;

/// `POST /zones/{zone}/purge_cache`: nothing is cached here, so nothing has to be forgotten.
pub(super) async fn purge_cache(call: Call, body: Bytes) -> Answer {
    let wanted: Value = read_json(&body)?;
    let everything = wanted["purge_everything"] == true;
    let lists = ["files", "tags", "hosts", "prefixes"].map(|what| wanted[what].as_array());
    let given: Vec<_> = lists.into_iter().flatten().filter(|list| !list.is_empty()).collect();
    if given.len() + usize::from(everything) != 1 {
        let message = "Request must contain one of \"purge_everything\" or \"files\", \"tags\", \
                       \"hosts\" or \"prefixes\"";
        return Err(ApiError::bad_request(1012, message));
    }
    if given.iter().any(|list| MOST_PURGED < list.len()) {
        let message = format!("A purge names {MOST_PURGED} things at most.");
        return Err(ApiError::bad_request(1094, message));
    }
    Reply::ok(&json!({ "id": call.zone()?.id }))
}

/// `DELETE /zones/{zone}`: with its routes, records and custom domains.
pub(super) async fn delete(call: Call) -> Answer {
    let zone = Arc::clone(call.zone()?);
    let id = zone.id.clone();
    let removed: Result<(), ApiError> = call
        .state()
        .write(move |cloud, _| {
            cloud.zones.remove(&zone.id);
            if let Some(account) = cloud.account_mut(&zone.account_id) {
                account.domains.retain(|_, domain| domain.zone_id != zone.id);
            }
            Ok(())
        })
        .await;
    removed?;
    Reply::ok(&json!({ "id": id }))
}

fn shown(call: &Call, zone: &Zone) -> Value {
    let account = call.snapshot.cloud.accounts.get(&zone.account_id);
    let created = zone.created_on.to_string();
    json!({
        "id": zone.id,
        "name": zone.name,
        "status": "active",
        "paused": zone.paused,
        "type": "full",
        "development_mode": 0,
        "name_servers": ["ada.ns.clodo.test", "bob.ns.clodo.test"],
        "original_name_servers": null,
        "original_registrar": null,
        "original_dnshost": null,
        "created_on": created,
        "modified_on": created,
        "activated_on": created,
        "meta": { "page_rule_quota": 3, "phishing_detected": false },
        "owner": { "id": null, "type": "user", "email": null },
        "account": { "id": zone.account_id, "name": account.map(|account| &account.profile.name) },
        "permissions": ["#worker:edit", "#worker:read", "#zone:edit", "#zone:read"],
        "plan": { "id": "local", "name": "Local", "legacy_id": "free" },
    })
}
