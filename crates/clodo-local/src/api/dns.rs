//! DNS records: kept and given back; nothing resolves them.

use super::dns_records::{Batch, Filter, Named, Wire, check, proxiable};
use super::{
    call::{Call, json as read_json},
    error::ApiError,
    reply::{Answer, Reply},
    zone_file,
};
use crate::state::{
    ids::{Moment, random_hex},
    zone::{DnsRecord, Zone},
};
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;

/// `GET /zones/{zone}/dns_records`
pub(super) async fn list(call: Call) -> Answer {
    let zone = call.zone()?;
    let filter = Filter::of(&call.query);
    let mut found: Vec<&DnsRecord> = zone.dns.iter().filter(|r| filter.takes(r)).collect();
    match call.query.get("order") {
        Some("type") => found.sort_by(|a, b| a.kind.cmp(&b.kind)),
        Some("name") => found.sort_by(|a, b| a.name.cmp(&b.name)),
        Some("content") => found.sort_by(|a, b| a.content.cmp(&b.content)),
        Some("ttl") => found.sort_by_key(|record| record.ttl),
        Some("proxied") => found.sort_by_key(|record| record.proxied),
        _ => {}
    }
    if call.query.get("direction") == Some("desc") {
        found.reverse();
    }
    let found: Vec<Value> = found.into_iter().map(|record| shown(zone, record)).collect();
    Reply::page(&found, &call.query, 100)
}

/// `GET /zones/{zone}/dns_records/{record}`
pub(super) async fn get(call: Call) -> Answer {
    let (zone, id) = (call.zone()?, call.params.get("record")?);
    Reply::ok(&shown(zone, &zone.dns[position(zone, id)?]))
}

/// `POST /zones/{zone}/dns_records`
pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    let wire = read_json(&body)?;
    change(call, move |zone, now| add(zone, wire, now)).await
}

/// `PUT /zones/{zone}/dns_records/{record}`: all of it; what is not sent is gone.
pub(super) async fn replace(call: Call, body: Bytes) -> Answer {
    let (wire, id) = (read_json(&body)?, call.params.get("record")?.to_owned());
    change(call, move |zone, now| put(zone, &id, wire, now)).await
}

/// `PATCH /zones/{zone}/dns_records/{record}`: only what is sent.
pub(super) async fn patch(call: Call, body: Bytes) -> Answer {
    let (wire, id) = (read_json(&body)?, call.params.get("record")?.to_owned());
    change(call, move |zone, now| merge(zone, &id, wire, now)).await
}

/// `DELETE /zones/{zone}/dns_records/{record}`
pub(super) async fn delete(call: Call) -> Answer {
    let id = call.params.get("record")?.to_owned();
    change(call, move |zone, _| {
        let at = position(zone, &id)?;
        Ok(json!({ "id": zone.dns.remove(at).id }))
    })
    .await
}

/// `POST /zones/{zone}/dns_records/batch`: deletes, patches, puts, posts, in this order; all of
/// them or none.
pub(super) async fn batch(call: Call, body: Bytes) -> Answer {
    let wire: Batch = read_json(&body)?;
    change(call, move |zone, now| {
        let (mut deleted, mut patched, mut replaced, mut created) =
            (vec![], vec![], vec![], vec![]);
        for Named { id, .. } in wire.deletes.unwrap_or_default() {
            let at = position(zone, &id)?;
            let gone = zone.dns.remove(at);
            deleted.push(shown(zone, &gone));
        }
        for Named { id, record } in wire.patches.unwrap_or_default() {
            patched.push(merge(zone, &id, record, now)?);
        }
        for Named { id, record } in wire.puts.unwrap_or_default() {
            replaced.push(put(zone, &id, record, now)?);
        }
        for record in wire.posts.unwrap_or_default() {
            created.push(add(zone, record, now)?);
        }
        Ok(json!({ "deletes": deleted, "patches": patched, "puts": replaced, "posts": created }))
    })
    .await
}

/// `GET /zones/{zone}/dns_records/export`: a zone file as BIND reads it.
pub(super) async fn export(call: Call) -> Answer {
    let zone = call.zone()?;
    Ok(Reply::raw(zone_file::write(zone, proxiable), "text/plain; charset=utf-8"))
}

async fn change(
    call: Call,
    work: impl FnOnce(&mut Zone, Moment) -> Result<Value, ApiError> + Send + 'static,
) -> Answer {
    let zone_id = call.zone()?.id.clone();
    let shown = call
        .state()
        .write(move |cloud, now| {
            let zone = cloud.zones.get_mut(&zone_id).map(Arc::make_mut);
            work(zone.ok_or_else(ApiError::forbidden)?, now)
        })
        .await?;
    Reply::ok(&shown)
}

fn position(zone: &Zone, id: &str) -> Result<usize, ApiError> {
    let at = zone.dns.iter().position(|record| record.id == id);
    at.ok_or_else(|| ApiError::not_found(81044, "Record does not exist."))
}

pub(super) fn add(zone: &mut Zone, wire: Wire, now: Moment) -> Result<Value, ApiError> {
    let record = wire.over(DnsRecord::empty(now), now, zone)?;
    check(&record, zone)?;
    let answer = shown(zone, &record);
    zone.dns.push(record);
    Ok(answer)
}

fn put(zone: &mut Zone, id: &str, wire: Wire, now: Moment) -> Result<Value, ApiError> {
    let at = position(zone, id)?;
    let old = &zone.dns[at];
    let blank =
        DnsRecord { id: old.id.clone(), created_on: old.created_on, ..DnsRecord::empty(now) };
    set(zone, at, wire, blank, now)
}

fn merge(zone: &mut Zone, id: &str, wire: Wire, now: Moment) -> Result<Value, ApiError> {
    let at = position(zone, id)?;
    let old = zone.dns[at].clone();
    set(zone, at, wire, old, now)
}

fn set(
    zone: &mut Zone,
    at: usize,
    wire: Wire,
    over: DnsRecord,
    now: Moment,
) -> Result<Value, ApiError> {
    let record = wire.over(over, now, zone)?;
    check(&record, zone)?;
    let answer = shown(zone, &record);
    zone.dns[at] = record;
    Ok(answer)
}

impl DnsRecord {
    fn empty(now: Moment) -> Self {
        Self {
            id: random_hex(),
            kind: String::new(),
            name: String::new(),
            content: String::new(),
            ttl: 1,
            proxied: false,
            priority: None,
            comment: None,
            tags: Vec::new(),
            data: None,
            created_on: now,
            modified_on: now,
        }
    }
}

fn shown(zone: &Zone, record: &DnsRecord) -> Value {
    json!({
        "id": record.id,
        "zone_id": zone.id,
        "zone_name": zone.name,
        "type": record.kind,
        "name": record.name,
        "content": record.content,
        "ttl": record.ttl,
        "proxied": record.proxied,
        "proxiable": proxiable(&record.kind),
        "priority": record.priority,
        "comment": record.comment,
        "tags": record.tags,
        "data": record.data,
        "settings": {},
        "meta": {},
        "created_on": record.created_on.to_string(),
        "modified_on": record.modified_on.to_string(),
    })
}
