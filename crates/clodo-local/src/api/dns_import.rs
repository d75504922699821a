//! Records from a zone file.

use super::{
    call::Call,
    dns::add,
    dns_records::proxiable,
    error::ApiError,
    reply::{Answer, Message, Reply},
    zone_file::{self, Entry, LARGEST},
};
use crate::state::{ids::Moment, zone::Zone};
use axum::http::HeaderMap;
use bytes::Bytes;
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};

/// What an import did.
#[derive(Debug, Default)]
struct Done {
    parsed: usize,
    added: BTreeMap<String, usize>,
    refused: Vec<Message>,
}

/// `POST /zones/{zone}/dns_records/import`: record by record; those that cannot be are named in the
/// messages.
pub(super) async fn import(call: Call, headers: HeaderMap, body: Bytes) -> Answer {
    let form = Form::read(&headers, body).await?;
    let zone = call.zone()?;
    let entries = zone_file::read(&form.file, &zone.name).map_err(|error| {
        ApiError::bad_request(1004, format!("Could not parse the zone file, {error}"))
    })?;
    let zone_id = zone.id.clone();
    let done = call
        .state()
        .write(move |cloud, now| {
            let zone = cloud.zones.get_mut(&zone_id).map(Arc::make_mut);
            let zone = zone.ok_or_else(ApiError::forbidden)?;
            Ok::<_, ApiError>(add_all(zone, entries, form.proxied, now))
        })
        .await?;
    let result = json!({
        "recs_added": done.added.values().sum::<usize>(),
        "recs_added_by_type": done.added,
        "total_records_parsed": done.parsed,
    });
    Reply::with_messages(&result, &done.refused)
}

fn add_all(zone: &mut Zone, entries: Vec<Entry>, proxied: bool, now: Moment) -> Done {
    let mut done = Done { parsed: entries.len(), ..Done::default() };
    for mut entry in entries {
        // The zone's own are Cloudflare's.
        if entry.kind == "SOA" || (entry.kind == "NS" && entry.name == zone.name) {
            continue;
        }
        if !zone.holds(&entry.name) {
            let what = "The record is outside of the zone.";
            done.refused.push(Message::new(9001, format!("{}: {what}", entry.name)));
            continue;
        }
        // What the file says counts more than what the form says of all.
        entry.proxied = Some(entry.proxied.unwrap_or(proxied) && proxiable(&entry.kind));
        if entry.proxied == Some(true) {
            entry.ttl = 1;
        }
        let (name, kind) = (entry.name.clone(), entry.kind.clone());
        match add(zone, entry.into(), now) {
            Ok(_) => *done.added.entry(kind).or_default() += 1,
            Err(error) => {
                let (code, what) = error.cause.unwrap_or((error.code, error.message));
                done.refused.push(Message::new(code, format!("{name}: {what}")));
            }
        }
    }
    done
}

struct Form {
    file: String,
    proxied: bool,
}

impl Form {
    async fn read(headers: &HeaderMap, body: Bytes) -> Result<Self, ApiError> {
        let no_form = || {
            let what = "Failed to parse form data. Make sure the Content-Type is \
                        multipart/form-data.";
            ApiError::bad_request(1004, what)
        };
        let content_type = headers.get("content-type").and_then(|value| value.to_str().ok());
        let boundary = multer::parse_boundary(content_type.unwrap_or_default());
        let boundary = boundary.map_err(|_| no_form())?;
        let whole = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(body)]);
        let mut parts = multer::Multipart::new(whole, boundary);
        let (mut file, mut proxied) = (None, false);
        while let Some(part) = parts.next_field().await.map_err(|_| no_form())? {
            let name = part.name().unwrap_or_default().to_owned();
            let value = part.bytes().await.map_err(|_| no_form())?;
            match name.as_str() {
                "file" => file = Some(value),
                "proxied" => proxied = value.as_ref() == b"true",
                _ => {}
            }
        }
        let file = file.ok_or_else(no_form)?;
        if LARGEST < file.len() {
            let what = format!("The zone file is larger than {LARGEST} bytes.");
            return Err(ApiError::bad_request(1004, what));
        }
        Ok(Self { file: String::from_utf8_lossy(&file).into_owned(), proxied })
    }
}
