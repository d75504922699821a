//! DNS records of a zone.
//!
//! # Example
//! ```
#![doc = include_str!("../docs/dns.rs")]
//! ```
#![doc = include_str!("../docs/dns.md")]

use crate::{
    endpoint::{Endpoint, Place, Reading, Repeat},
    envelope::ApiMessage,
    ids::RecordId,
    multipart::{FormError, Part, encode_form},
    paging::{ListEndpoint, Paging},
    wire::or_default,
};
use bytes::Bytes;
use clodo_http::Response;
use clodo_types::ZoneId;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::net::{Ipv4Addr, Ipv6Addr};

/// A record.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Record {
    /// Its id.
    pub id: RecordId,
    /// The full name, such as `www.example.com`.
    #[serde(default, deserialize_with = "or_default")]
    pub name: String,
    /// `A`, `AAAA`, `CNAME`, `TXT` …
    #[serde(default, rename = "type", deserialize_with = "or_default")]
    pub kind: String,
    /// What the name stands for.
    #[serde(default, deserialize_with = "or_default")]
    pub content: String,
    /// Seconds; 1 means that Cloudflare chooses.
    #[serde(default)]
    pub ttl: Option<u32>,
    /// Whether requests go through Cloudflare.
    #[serde(default, deserialize_with = "or_default")]
    pub proxied: bool,
    /// Whether they could.
    #[serde(default, deserialize_with = "or_default")]
    pub proxiable: bool,
    /// For people.
    #[serde(default)]
    pub comment: Option<String>,
    /// `name:value` tags.
    #[serde(default, deserialize_with = "or_default")]
    pub tags: Vec<String>,
    /// Of MX and URI records.
    #[serde(default)]
    pub priority: Option<u16>,
    /// The parts of the content, for kinds that have parts, as they travel.
    #[serde(default)]
    pub data: Option<Value>,
    /// Settings, as they travel.
    #[serde(default)]
    pub settings: Option<Value>,
    /// Where it comes from, as it travels; a custom domain's record says `read_only` here.
    #[serde(default, deserialize_with = "or_default")]
    pub meta: Map<String, Value>,
    /// In RFC 3339.
    #[serde(default)]
    pub created_on: Option<String>,
    /// In RFC 3339.
    #[serde(default)]
    pub modified_on: Option<String>,
}

/// A record to make, or what to make of one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NewRecord {
    /// The full name, such as `www.example.com`.
    pub name: String,
    /// `A`, `AAAA`, `CNAME`, `TXT` …
    #[serde(rename = "type")]
    pub kind: String,
    /// What the name stands for; kinds that have parts use `data` instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Seconds; 1 means that Cloudflare chooses.
    pub ttl: u32,
    /// Whether requests go through Cloudflare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxied: Option<bool>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// `name:value` tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Of MX and URI records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u16>,
    /// The parts of the content, for kinds that have parts (`SRV`, `CAA`, `HTTPS` …).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// Settings, as they travel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<Value>,
}

impl NewRecord {
    /// A record of any kind.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        kind: impl Into<String>,
        content: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            kind: kind.into(),
            content: Some(content.into()),
            ttl: 1,
            proxied: None,
            comment: None,
            tags: Vec::new(),
            priority: None,
            data: None,
            settings: None,
        }
    }

    /// An IPv4 address.
    #[must_use]
    pub fn a(name: impl Into<String>, address: Ipv4Addr) -> Self {
        Self::new(name, "A", address.to_string())
    }

    /// An IPv6 address.
    #[must_use]
    pub fn aaaa(name: impl Into<String>, address: Ipv6Addr) -> Self {
        Self::new(name, "AAAA", address.to_string())
    }

    /// Another name.
    #[must_use]
    pub fn cname(name: impl Into<String>, target: impl Into<String>) -> Self {
        Self::new(name, "CNAME", target)
    }

    /// Text.
    #[must_use]
    pub fn txt(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(name, "TXT", text)
    }

    /// A mail server.
    #[must_use]
    pub fn mx(name: impl Into<String>, server: impl Into<String>, priority: u16) -> Self {
        Self { priority: Some(priority), ..Self::new(name, "MX", server) }
    }

    /// Lets requests go through Cloudflare.
    #[must_use]
    pub fn proxied(mut self) -> Self {
        self.proxied = Some(true);
        self
    }

    /// Sets what people read about it.
    #[must_use]
    pub fn with_comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }
}

/// A change to a record; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RecordChange {
    /// The full name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the name stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Seconds; 1 means that Cloudflare chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u32>,
    /// Whether requests go through Cloudflare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxied: Option<bool>,
    /// For people; an empty one is removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// All tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// Of MX and URI records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u16>,
    /// The parts of the content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
}

/// Changes that are made together or not at all, in this order: removals, changes, replacements,
/// new ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RecordBatch {
    /// Records to remove.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deletes: Vec<Reference>,
    /// Records to change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<Identified<RecordChange>>,
    /// Records to replace.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub puts: Vec<Identified<NewRecord>>,
    /// Records to make.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub posts: Vec<NewRecord>,
}

/// A record, by its id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reference {
    /// The id.
    pub id: RecordId,
}

/// What to make of a record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Identified<T> {
    /// The record's id.
    pub id: RecordId,
    /// What to make of it.
    #[serde(flatten)]
    pub to: T,
}

/// What a batch did.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct BatchOutcome {
    /// Records that were removed.
    #[serde(default, deserialize_with = "or_default")]
    pub deletes: Vec<Record>,
    /// Records that were changed.
    #[serde(default, deserialize_with = "or_default")]
    pub patches: Vec<Record>,
    /// Records that were replaced.
    #[serde(default, deserialize_with = "or_default")]
    pub puts: Vec<Record>,
    /// Records that were made.
    #[serde(default, deserialize_with = "or_default")]
    pub posts: Vec<Record>,
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ImportOutcome {
    /// Records that were made.
    #[serde(default, rename = "recs_added")]
    pub added: u64,
    /// Records that the file holds.
    #[serde(default, rename = "total_records_parsed")]
    pub parsed: u64,
    /// Why the others were not made, as Cloudflare says it.
    #[serde(skip)]
    pub refused: Vec<ApiMessage>,
}

const RECORDS: &str = "/zones/{zone}/dns_records";
const RECORD: &str = "/zones/{zone}/dns_records/{record}";

/// Every record of a zone. [`ListEndpoint::with_query`] narrows it: `type`, `name.exact`,
/// `content.exact`, `search` …
#[must_use]
pub fn list_records(zone: &ZoneId) -> ListEndpoint<Record> {
    ListEndpoint::new(RECORDS, Paging::Numbered { per_page: 100 }).at("zone", zone)
}

/// One record.
#[must_use]
pub fn record(zone: &ZoneId, id: &RecordId) -> Endpoint<Record> {
    Endpoint::get(RECORD).at("zone", zone).at("record", id)
}

/// Makes a record. An identical one is refused, so look before repeating it.
#[must_use]
pub fn create_record(zone: &ZoneId, new: &NewRecord) -> Endpoint<Record> {
    Endpoint::new(Method::POST, RECORDS, Repeat::LookUp).at("zone", zone).with_json(new)
}

/// Replaces a record.
#[must_use]
pub fn put_record(zone: &ZoneId, id: &RecordId, to: &NewRecord) -> Endpoint<Record> {
    let endpoint = Endpoint::new(Method::PUT, RECORD, Repeat::Safe);
    endpoint.at("zone", zone).at("record", id).with_json(to)
}

/// Changes a record.
#[must_use]
pub fn patch_record(zone: &ZoneId, id: &RecordId, change: &RecordChange) -> Endpoint<Record> {
    let endpoint = Endpoint::new(Method::PATCH, RECORD, Repeat::Safe);
    endpoint.at("zone", zone).at("record", id).with_json(change)
}

/// Removes a record.
#[must_use]
pub fn delete_record(zone: &ZoneId, id: &RecordId) -> Endpoint<()> {
    Endpoint::delete(RECORD).at("zone", zone).at("record", id)
}

/// Makes changes together or not at all.
#[must_use]
pub fn batch(zone: &ZoneId, batch: &RecordBatch) -> Endpoint<BatchOutcome> {
    let repeatable = batch.deletes.is_empty() && batch.posts.is_empty();
    let repeat = if repeatable { Repeat::Safe } else { Repeat::Never };
    Endpoint::new(Method::POST, "/zones/{zone}/dns_records/batch", repeat)
        .at("zone", zone)
        .with_json(batch)
}

/// All records as a zone file (BIND), as a stream of bytes.
#[must_use]
pub fn export(zone: &ZoneId) -> Endpoint<Response> {
    Endpoint::raw(Method::GET, "/zones/{zone}/dns_records/export", Repeat::Safe).at("zone", zone)
}

/// Whether requests to imported names go through Cloudflare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ImportProxying {
    /// They do not.
    #[default]
    DnsOnly,
    /// They do, where that is possible.
    Proxied,
}

/// Makes records from a zone file (BIND), one by one: [`ImportOutcome::refused`] says which could
/// not be made.
///
/// # Errors
/// When the file cannot be written as a form.
pub fn import(
    zone: &ZoneId,
    file: impl Into<Bytes>,
    proxying: ImportProxying,
) -> Result<Endpoint<ImportOutcome>, FormError> {
    let proxied = if proxying == ImportProxying::Proxied { "true" } else { "false" };
    let parts = [Part::file("file", "text/plain", file), Part::field("proxied", proxied)];
    let form = encode_form(&parts)?;
    let place = Place::Template("/zones/{zone}/dns_records/import");
    let reading = Reading::Envelope(|envelope, within| {
        let outcome: ImportOutcome = envelope.result(within)?;
        Ok(ImportOutcome { refused: envelope.messages(), ..outcome })
    });
    let endpoint = Endpoint::reading(Method::POST, place, Repeat::Never, reading);
    Ok(endpoint.at("zone", zone).with_form(form))
}
