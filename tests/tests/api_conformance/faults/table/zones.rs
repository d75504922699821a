//! Zones and their records.

use crate::{
    cloud::parsed,
    faults::{look::Look, write::Write},
};
use clodo_cf_api::{
    dns::{self, NewRecord, RecordBatch, RecordChange, Reference},
    zones::{self, ZoneChange},
};

const NAMES: Look = Look::get("/zones/{zone}/dns_records").each("name");

pub(super) const WRITES: &[Write] = &[
    Write::new(
        "POST /zones",
        |w| {
            Box::pin(async move {
                w.client.ensure_zone(&w.account, &parsed("made.test")).await.map(drop)
            })
        },
        &[Look::get("/zones").each("name")],
    ),
    Write::new(
        "PATCH /zones/{zone}",
        |w| w.send(zones::patch_zone(&w.the("paused_zone"), &ZoneChange { paused: Some(true) })),
        &[Look::get("/zones/{paused_zone}").part("/paused")],
    ),
    Write::new(
        "DELETE /zones/{zone}",
        |w| w.send(zones::delete_zone(&w.the("doomed_zone"))),
        &[Look::get("/zones").each("name")],
    ),
    Write::new(
        "POST /zones/{zone}/dns_records",
        |w| w.send(dns::create_record(&w.the("zone"), &NewRecord::txt("made.acme.test", "text"))),
        &[NAMES],
    ),
    Write::new(
        "PUT /zones/{zone}/dns_records/{record}",
        |w| {
            let to = NewRecord::txt("replaced_record.acme.test", "another text");
            w.send(dns::put_record(&w.the("zone"), &w.the("replaced_record"), &to))
        },
        &[Look::get("/zones/{zone}/dns_records/{replaced_record}")],
    ),
    Write::new(
        "PATCH /zones/{zone}/dns_records/{record}",
        |w| {
            let change = RecordChange { content: Some("new".into()), ..RecordChange::default() };
            w.send(dns::patch_record(&w.the("zone"), &w.the("record"), &change))
        },
        &[Look::get("/zones/{zone}/dns_records/{record}")],
    ),
    Write::new(
        "POST /zones/{zone}/dns_records/batch",
        |w| {
            let batch = RecordBatch {
                deletes: vec![Reference { id: w.the("doomed_record") }],
                posts: vec![NewRecord::txt("batched.acme.test", "text")],
                ..RecordBatch::default()
            };
            w.send(dns::batch(&w.the("zone"), &batch))
        },
        &[NAMES],
    ),
    Write::new(
        "POST /zones/{zone}/dns_records/import",
        |w| {
            let file = "one.acme.test. 300 IN A 192.0.2.1\ntwo.acme.test. 300 IN A 192.0.2.2\n";
            let import = dns::import(&w.the("zone"), file, dns::ImportProxying::DnsOnly);
            w.send(import.unwrap())
        },
        &[NAMES],
    ),
    Write::new(
        "DELETE /zones/{zone}/dns_records/{record}",
        |w| w.send(dns::delete_record(&w.the("zone"), &w.the("record"))),
        &[NAMES],
    ),
];
