//! What a DNS record may be, and how a list is filtered.

use super::{call::Query, error::ApiError, zone_file::Entry};
use crate::state::{
    ids::Moment,
    zone::{DnsRecord, Zone},
};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use std::net::{Ipv4Addr, Ipv6Addr};

/// What a client sends of a record.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wire {
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

/// A record of a batch that is there already.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    pub(super) id: String,
    #[serde(flatten)]
    pub(super) record: Wire,
}

/// `POST …/batch`
#[derive(Debug, Deserialize)]
pub(super) struct Batch {
    pub(super) deletes: Option<Vec<Named>>,
    pub(super) patches: Option<Vec<Named>>,
    pub(super) puts: Option<Vec<Named>>,
    pub(super) posts: Option<Vec<Wire>>,
}

impl From<Entry> for Wire {
    fn from(entry: Entry) -> Self {
        Self {
            kind: Some(entry.kind),
            name: Some(entry.name),
            content: Some(entry.content),
            ttl: Some(entry.ttl),
            proxied: entry.proxied,
            priority: entry.priority,
            comment: entry.comment,
            tags: Some(entry.tags),
            data: entry.data,
        }
    }
}

impl Wire {
    /// The record `old` with what was sent put over it.
    pub(super) fn over(
        self,
        old: DnsRecord,
        now: Moment,
        zone: &Zone,
    ) -> Result<DnsRecord, ApiError> {
        let name = match self.name.map(|name| name.trim_end_matches('.').to_ascii_lowercase()) {
            None => old.name,
            Some(name) if name == "@" || name.is_empty() => zone.name.clone(),
            Some(name) if zone.holds(&name) => name,
            Some(name) => format!("{name}.{}", zone.name),
        };
        let kind = self.kind.map_or(old.kind, |kind| kind.to_ascii_uppercase());
        if kind.is_empty() || name.is_empty() {
            return Err(invalid(9000, "DNS name or type is missing."));
        }
        let data = self.data.or(old.data);
        let content = self.content.or_else(|| data.as_ref().and_then(|data| told(&kind, data)));
        Ok(DnsRecord {
            kind,
            name,
            content: content.unwrap_or(old.content),
            ttl: self.ttl.unwrap_or(old.ttl),
            proxied: self.proxied.unwrap_or(old.proxied),
            priority: self.priority.or(old.priority),
            comment: self.comment.or(old.comment),
            tags: self.tags.unwrap_or(old.tags),
            data,
            modified_on: now,
            ..old
        })
    }
}

/// The content of a record that is sent in parts.
fn told(kind: &str, data: &Value) -> Option<String> {
    let fields: &[&str] = match kind {
        "SRV" => &["weight", "port", "target"],
        "CAA" => &["flags", "tag", "value"],
        "TLSA" => &["usage", "selector", "matching_type", "certificate"],
        "SSHFP" => &["algorithm", "type", "fingerprint"],
        "DS" => &["key_tag", "algorithm", "digest_type", "digest"],
        "HTTPS" | "SVCB" => &["priority", "target", "value"],
        _ => return None,
    };
    let word = |field: &&str| match &data[*field] {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    fields.iter().map(word).collect::<Option<Vec<_>>>().map(|words| words.join(" "))
}

/// Refuses what Cloudflare refuses: a record that makes no sense, or that another one excludes.
pub(super) fn check(record: &DnsRecord, zone: &Zone) -> Result<(), ApiError> {
    check_alone(record)?;
    let others = || zone.dns.iter().filter(|other| other.id != record.id);
    let mut namesakes = others().filter(|other| other.name == record.name);
    if others().any(|other| {
        (&other.kind, &other.name, &other.content) == (&record.kind, &record.name, &record.content)
    }) {
        return Err(ApiError::bad_request(81058, "An identical record already exists."));
    }
    let address = |kind: &str| matches!(kind, "A" | "AAAA" | "CNAME");
    let clash = match record.kind.as_str() {
        "CNAME" => namesakes.any(|other| address(&other.kind)),
        "A" | "AAAA" => namesakes.any(|other| other.kind == "CNAME"),
        _ => false,
    };
    if clash {
        let message = "An A, AAAA, or CNAME record with that host already exists.";
        return Err(ApiError::bad_request(81053, message));
    }
    Ok(())
}

fn check_alone(record: &DnsRecord) -> Result<(), ApiError> {
    let content = record.content.as_str();
    match record.kind.as_str() {
        "A" if content.parse::<Ipv4Addr>().is_err() => {
            return Err(invalid(9005, "Content for A record must be a valid IPv4 address."));
        }
        "AAAA" if content.parse::<Ipv6Addr>().is_err() => {
            return Err(invalid(9006, "Content for AAAA record must be a valid IPv6 address."));
        }
        "CNAME" | "MX" | "NS" if content.is_empty() || content.contains(char::is_whitespace) => {
            let message = format!("Content for {} record must be a hostname.", record.kind);
            return Err(invalid(9007, message));
        }
        "MX" if record.priority.is_none() => {
            return Err(invalid(9102, "An MX record needs a priority."));
        }
        _ if content.is_empty() => {
            return Err(invalid(9002, "Content for the record must not be empty."));
        }
        _ => {}
    }
    let proxiable = proxiable(&record.kind);
    if record.proxied && !proxiable {
        return Err(invalid(9004, "This record type cannot be proxied."));
    }
    if record.ttl != 1 && !(60..=86_400).contains(&record.ttl) {
        let message = "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.";
        return Err(invalid(9021, message));
    }
    Ok(())
}

/// Whether Cloudflare can stand in front of what a record of this type names.
pub(super) fn proxiable(kind: &str) -> bool {
    matches!(kind, "A" | "AAAA" | "CNAME")
}

fn invalid(code: u32, message: impl Into<String>) -> ApiError {
    ApiError {
        cause: Some((code, message.into())),
        ..ApiError::new(StatusCode::BAD_REQUEST, 1004, "DNS Validation Error")
    }
}

/// The conditions of a list's query.
#[derive(Debug)]
pub(super) struct Filter<'a> {
    query: &'a Query,
    any: bool,
}

impl<'a> Filter<'a> {
    pub(super) fn of(query: &'a Query) -> Self {
        Self { query, any: query.get("match") == Some("any") }
    }

    pub(super) fn takes(&self, record: &DnsRecord) -> bool {
        let mut answers = [
            self.text("name", &record.name),
            self.text("content", &record.content),
            self.text("comment", record.comment.as_deref().unwrap_or_default()),
            self.query.get("type").map(|kind| record.kind.eq_ignore_ascii_case(kind)),
            self.query.get("proxied").map(|wanted| (wanted == "true") == record.proxied),
            self.query.get("search").map(|wanted| {
                let wanted = wanted.to_ascii_lowercase();
                record.name.contains(&wanted)
                    || record.content.to_ascii_lowercase().contains(&wanted)
            }),
        ]
        .into_iter()
        .flatten()
        .peekable();
        if answers.peek().is_none() {
            return true;
        }
        if self.any { answers.any(|yes| yes) } else { answers.all(|yes| yes) }
    }

    /// `name`, `name.exact`, `name.contains`, `name.startswith`, `name.endswith`.
    fn text(&self, field: &str, value: &str) -> Option<bool> {
        let value = value.to_ascii_lowercase();
        let wanted =
            |how: &str| self.query.get(&format!("{field}{how}")).map(str::to_ascii_lowercase);
        let all = [
            wanted("").or_else(|| wanted(".exact")).map(|text| value == text),
            wanted(".contains").map(|text| value.contains(&text)),
            wanted(".startswith").map(|text| value.starts_with(&text)),
            wanted(".endswith").map(|text| value.ends_with(&text)),
        ];
        let mut all = all.into_iter().flatten().peekable();
        all.peek()?;
        Some(all.all(|yes| yes))
    }
}
