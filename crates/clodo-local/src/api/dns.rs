//! DNS records: kept and given back; nothing resolves them.

use super::{
    call::{Call, json as read_json},
    error::ApiError,
    reply::{Answer, Reply},
};
use crate::state::{
    ids::{Moment, random_hex},
    model::Cloud,
    zone::{DnsRecord, Zone},
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// What a client sends; a `PATCH` sends some of it.
#[derive(Debug, Default, Deserialize)]
struct Wire {
    #[serde(rename = "type")]
    kind: Option<String>,
    name: Option<String>,
    content: Option<String>,
    ttl: Option<u64>,
    proxied: Option<bool>,
    priority: Option<u64>,
    comment: Option<String>,
    tags: Option<Vec<String>>,
    data: Option<Value>,
}

/// `GET /zones/{zone}/dns_records`
pub(super) async fn list(call: Call) -> Answer {
    let zone = call.zone()?;
    let query = |name| call.query.get(name);
    let (kind, content) = (query("type"), query("content"));
    let name = query("name").or(query("name.exact"));
    let found: Vec<Value> = zone
        .dns
        .iter()
        .filter(|record| kind.is_none_or(|kind| record.kind == kind))
        .filter(|record| name.is_none_or(|name| record.name.eq_ignore_ascii_case(name)))
        .filter(|record| content.is_none_or(|content| record.content == content))
        .map(|record| shown(zone, record))
        .collect();
    Reply::page(&found, &call.query, 100)
}

/// `GET /zones/{zone}/dns_records/{record}`
pub(super) async fn get(call: Call) -> Answer {
    let (zone, id) = (call.zone()?, call.params.get("record")?);
    let record = zone.dns.iter().find(|record| record.id == id).ok_or_else(missing)?;
    Reply::ok(&shown(zone, record))
}

/// `POST /zones/{zone}/dns_records`
pub(super) async fn create(call: Call, body: Bytes) -> Answer {
    let wire: Wire = read_json(&body)?;
    let zone_id = call.zone()?.id.clone();
    let made = call
        .state()
        .write(move |cloud, now| {
            let zone = zone_mut(cloud, &zone_id)?;
            let record = merged(DnsRecord::empty(now), wire, now, zone)?;
            let same = |known: &DnsRecord| {
                (&known.kind, &known.name, &known.content)
                    == (&record.kind, &record.name, &record.content)
            };
            if zone.dns.iter().any(same) {
                return Err(ApiError::bad_request(81058, "An identical record already exists."));
            }
            let answer = shown(zone, &record);
            zone.dns.push(record);
            Ok::<_, ApiError>(answer)
        })
        .await?;
    Reply::ok(&made)
}

/// `PUT` and `PATCH /zones/{zone}/dns_records/{record}`
pub(super) async fn update(call: Call, body: Bytes) -> Answer {
    let wire: Wire = read_json(&body)?;
    let (zone_id, id) = (call.zone()?.id.clone(), call.params.get("record")?.to_owned());
    let made = call
        .state()
        .write(move |cloud, now| {
            let zone = zone_mut(cloud, &zone_id)?;
            let at = zone.dns.iter().position(|record| record.id == id).ok_or_else(missing)?;
            let record = merged(zone.dns[at].clone(), wire, now, zone)?;
            let answer = shown(zone, &record);
            zone.dns[at] = record;
            Ok::<_, ApiError>(answer)
        })
        .await?;
    Reply::ok(&made)
}

/// `DELETE /zones/{zone}/dns_records/{record}`
pub(super) async fn delete(call: Call) -> Answer {
    let (zone_id, id) = (call.zone()?.id.clone(), call.params.get("record")?.to_owned());
    let removed = call
        .state()
        .write(move |cloud, _| {
            let zone = zone_mut(cloud, &zone_id)?;
            let at = zone.dns.iter().position(|record| record.id == id).ok_or_else(missing)?;
            Ok::<_, ApiError>(zone.dns.remove(at).id)
        })
        .await?;
    Reply::ok(&json!({ "id": removed }))
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

fn merged(old: DnsRecord, new: Wire, now: Moment, zone: &Zone) -> Result<DnsRecord, ApiError> {
    let name = match new.name.map(|name| name.to_ascii_lowercase()) {
        None => old.name,
        Some(name) if name == "@" || name.is_empty() => zone.name.clone(),
        Some(name) if zone.holds(&name) => name,
        Some(name) => format!("{name}.{}", zone.name),
    };
    let kind = new.kind.unwrap_or(old.kind);
    if kind.is_empty() || name.is_empty() {
        return Err(ApiError::bad_request(9005, "A record needs a type and a name."));
    }
    Ok(DnsRecord {
        kind,
        name,
        content: new.content.unwrap_or(old.content),
        ttl: new.ttl.unwrap_or(old.ttl),
        proxied: new.proxied.unwrap_or(old.proxied),
        priority: new.priority.or(old.priority),
        comment: new.comment.or(old.comment),
        tags: new.tags.unwrap_or(old.tags),
        data: new.data.or(old.data),
        modified_on: now,
        ..old
    })
}

fn zone_mut<'a>(cloud: &'a mut Cloud, id: &str) -> Result<&'a mut Zone, ApiError> {
    cloud.zones.get_mut(id).map(Arc::make_mut).ok_or_else(ApiError::forbidden)
}

fn missing() -> ApiError {
    ApiError::not_found(81044, "Record does not exist.")
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
        "proxiable": matches!(record.kind.as_str(), "A" | "AAAA" | "CNAME"),
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
