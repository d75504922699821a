//! Routes: `pattern` → Worker, kept with the zone that the pattern's host lies in.

use super::{
    call::{Call, json as read_json},
    error::ApiError,
    reply::{Answer, Reply},
};
use crate::{
    routing::Pattern,
    state::{
        ids::random_hex,
        model::Cloud,
        zone::{Route, Zone},
    },
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Debug, Deserialize)]
struct Wire {
    pattern: String,
    script: Option<String>,
    zone_id: Option<String>,
    zone_name: Option<String>,
}

/// `GET /zones/{zone}/workers/routes`
pub(super) async fn list(call: Call) -> Answer {
    let found: Vec<Value> = call.zone()?.routes.iter().map(shown).collect();
    Reply::ok(&found)
}

/// `GET /zones/{zone}/workers/routes/{route}`
pub(super) async fn get(call: Call) -> Answer {
    let (zone, id) = (call.zone()?, call.params.get("route")?);
    Reply::ok(&shown(zone.routes.iter().find(|route| route.id == id).ok_or_else(missing)?))
}

/// `POST /zones/{zone}/workers/routes`
pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    let wire: Wire = read_json(&body)?;
    let zone_id = call.zone()?.id.clone();
    change(&call, move |cloud| {
        let route = checked(cloud, &zone_id, wire, None)?;
        let answer = shown(&route);
        zone_mut(cloud, &zone_id)?.routes.push(route);
        Ok(answer)
    })
    .await
}

/// `PUT /zones/{zone}/workers/routes/{route}`
pub(super) async fn update(call: Call, body: Bytes) -> Answer {
    let wire: Wire = read_json(&body)?;
    let (zone_id, id) = (call.zone()?.id.clone(), call.params.get("route")?.to_owned());
    change(&call, move |cloud| {
        let route = checked(cloud, &zone_id, wire, Some(&id))?;
        let answer = shown(&route);
        let zone = zone_mut(cloud, &zone_id)?;
        let at = zone.routes.iter().position(|known| known.id == id).ok_or_else(missing)?;
        zone.routes[at] = route;
        Ok(answer)
    })
    .await
}

/// `DELETE /zones/{zone}/workers/routes/{route}`
pub(super) async fn delete(call: Call) -> Answer {
    let (zone_id, id) = (call.zone()?.id.clone(), call.params.get("route")?.to_owned());
    change(&call, move |cloud| {
        let zone = zone_mut(cloud, &zone_id)?;
        let at = zone.routes.iter().position(|known| known.id == id).ok_or_else(missing)?;
        zone.routes.remove(at);
        Ok(json!({ "id": id }))
    })
    .await
}

/// `PUT /accounts/{account}/workers/scripts/{script}/routes`: these and no others.
pub(super) async fn replace(call: Call, body: Bytes) -> Answer {
    let wires: Vec<Wire> = read_json(&body)?;
    let (account_id, script) = (call.account_id()?, call.worker()?.name.clone());
    change(&call, move |cloud| {
        let mut wanted = Vec::new();
        for wire in wires {
            let zone_id = zone_of(cloud, &account_id, &wire)?;
            wanted.push((zone_id, Wire { script: Some(script.clone()), ..wire }));
        }
        drop_routes(cloud, &account_id, &script, &wanted);
        let mut answer = Vec::new();
        for (zone_id, wire) in wanted {
            answer.push(ensure(cloud, &zone_id, wire)?);
        }
        Ok(Value::Array(answer))
    })
    .await
}

/// Forgets every route of a Worker; `wanted` are the exceptions.
fn drop_routes(cloud: &mut Cloud, account_id: &str, script: &str, wanted: &[(String, Wire)]) {
    let zones = cloud.zones_of(account_id);
    let zones =
        zones.filter(|zone| zone.routes.iter().any(|r| r.script.as_deref() == Some(script)));
    let ids: Vec<String> = zones.map(|zone| zone.id.clone()).collect();
    for id in ids {
        let Some(zone) = cloud.zones.get_mut(&id).map(Arc::make_mut) else { continue };
        zone.routes.retain(|route| {
            let named =
                |(zone, wire): &(String, Wire)| *zone == id && wire.pattern == route.pattern;
            route.script.as_deref() != Some(script) || wanted.iter().any(named)
        });
    }
}

/// Forgets every route of a Worker that is being deleted.
pub(super) fn forget(cloud: &mut Cloud, account_id: &str, script: &str) {
    drop_routes(cloud, account_id, script, &[]);
}

fn ensure(cloud: &mut Cloud, zone_id: &str, wire: Wire) -> Result<Value, ApiError> {
    let zone = zone_mut(cloud, zone_id)?;
    if let Some(known) = zone.routes.iter().find(|route| route.pattern == wire.pattern)
        && known.script == wire.script
    {
        return Ok(with_zone(known, zone));
    }
    let route = checked(cloud, zone_id, wire, None)?;
    let zone = zone_mut(cloud, zone_id)?;
    let answer = with_zone(&route, zone);
    zone.routes.push(route);
    Ok(answer)
}

/// A route that may be stored: its pattern is good, free, and lies in the zone.
fn checked(cloud: &Cloud, zone_id: &str, wire: Wire, own: Option<&str>) -> Result<Route, ApiError> {
    let zone = cloud.zones.get(zone_id).ok_or_else(ApiError::forbidden)?;
    let pattern = Pattern::parse(&wire.pattern).map_err(|why| {
        ApiError::bad_request(10022, format!("Invalid route `{}`: {why}.", wire.pattern))
    })?;
    if !zone.holds(pattern.zone_host()) {
        let (pattern, zone) = (&wire.pattern, &zone.name);
        let message = format!("The route `{pattern}` does not lie in the zone {zone}.");
        return Err(ApiError::bad_request(10022, message));
    }
    let taken = |known: &&Route| known.pattern == wire.pattern && Some(known.id.as_str()) != own;
    if let Some(known) = zone.routes.iter().find(taken) {
        let holder = known.script.as_deref().unwrap_or("no Worker");
        let message = format!(
            "A route with the same pattern already exists: `{}` is assigned to {holder}.",
            wire.pattern
        );
        return Err(ApiError::conflict(10020, message));
    }
    let script = wire.script.filter(|script| !script.is_empty());
    if let Some(script) = &script {
        let account = cloud.accounts.get(&zone.account_id);
        if !account.is_some_and(|account| account.workers.contains_key(script)) {
            return Err(ApiError::no_worker());
        }
    }
    let id = own.map_or_else(random_hex, str::to_owned);
    Ok(Route { id, pattern: wire.pattern, script })
}

fn zone_of(cloud: &Cloud, account_id: &str, wire: &Wire) -> Result<String, ApiError> {
    let mut own = cloud.zones_of(account_id);
    let zone = match (&wire.zone_id, &wire.zone_name) {
        (Some(id), _) => own.find(|zone| zone.id == *id),
        (None, Some(name)) => own.find(|zone| zone.name.eq_ignore_ascii_case(name)),
        (None, None) => {
            let pattern = Pattern::parse(&wire.pattern).ok();
            pattern.and_then(|pattern| cloud.zone_for(account_id, pattern.zone_host()))
        }
    };
    zone.map(|zone| zone.id.clone()).ok_or_else(|| no_zone(&wire.pattern))
}

/// What Cloudflare says of a hostname that lies in no zone of the account.
pub(super) fn no_zone(what: &str) -> ApiError {
    let message = format!(
        "Could not find zone for `{what}`. Make sure the domain is set up to be proxied by Cloudflare."
    );
    ApiError::bad_request(10082, message)
}

async fn change(
    call: &Call,
    work: impl FnOnce(&mut Cloud) -> Result<Value, ApiError> + Send + 'static,
) -> Answer {
    Reply::ok(&call.state().write(move |cloud, _| work(cloud)).await?)
}

fn zone_mut<'a>(cloud: &'a mut Cloud, id: &str) -> Result<&'a mut Zone, ApiError> {
    cloud.zones.get_mut(id).map(Arc::make_mut).ok_or_else(ApiError::forbidden)
}

fn missing() -> ApiError {
    ApiError::not_found(10019, "This route does not exist.")
}

fn shown(route: &Route) -> Value {
    json!({ "id": route.id, "pattern": route.pattern, "script": route.script })
}

fn with_zone(route: &Route, zone: &Zone) -> Value {
    json!({
        "id": route.id,
        "pattern": route.pattern,
        "script": route.script,
        "zone_id": zone.id,
        "zone_name": zone.name,
    })
}
