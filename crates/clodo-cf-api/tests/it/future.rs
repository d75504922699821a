//! Answers of the future: new fields and new words never break reading.

use crate::support::{HEX, ID, ok};
use clodo_cf_api::{
    Client, ClientOptions, Endpoint, ListEndpoint, analytics, d1, dns, durable_objects, identity,
    kv, queues, r2, secrets, tails, tokens, triggers, versions, worker_settings, workers, zones,
};
use clodo_http::Scripted;
use clodo_types::{AccountId, Secret};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

/// What the API documents, and how it is read.
type Fixture = (Value, fn(&Client) -> Result<(), String>);

fn read<A>(client: &Client, endpoint: Endpoint<A>) -> Result<(), String> {
    block(client.send(endpoint)).map(|_| ()).map_err(|error| error.to_string())
}

fn read_list<T>(client: &Client, list: ListEndpoint<T>) -> Result<(), String>
where
    T: serde::de::DeserializeOwned + Send + 'static,
{
    let all = block(client.list(list)).map_err(|error| error.to_string())?;
    if all.len() == 1 { Ok(()) } else { Err(format!("{} items instead of one", all.len())) }
}

fn block<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

fn account() -> AccountId {
    HEX.parse().unwrap()
}

fn web() -> clodo_types::WorkerName {
    "web".parse().unwrap()
}

fn media() -> clodo_types::BucketName {
    "media".parse().unwrap()
}

fn fixtures() -> Vec<Fixture> {
    let mut all = workers_fixtures();
    all.extend(data_fixtures());
    all.extend(other_fixtures());
    all
}

fn workers_fixtures() -> Vec<Fixture> {
    vec![
        (
            json!([{"id": HEX, "name": "web", "tags": ["a"], "created_on": "t", "logpush": false,
            "observability": {"enabled": true}, "tail_consumers": [{"name": "log"}],
            "subdomain": {"enabled": true, "previews_enabled": false, "url": "u"},
            "references": {"domains": [{"hostname": "a.test", "zone_id": HEX}],
                "workers": [{"id": "i", "name": "n"}]}}]),
            |c| read_list(c, workers::list_workers(&account())),
        ),
        (
            json!([{"id": "web", "tag": HEX, "etag": "e", "handlers": ["fetch"],
            "last_deployed_from": "wrangler", "tags": ["a"], "modified_on": "t"}]),
            |c| read_list(c, workers::list_scripts(&account())),
        ),
        (
            json!({"id": "web", "default_environment": {"environment": "production",
            "script": {"id": "web", "tag": HEX}}, "environments": []}),
            |c| read(c, workers::service(&account(), &web())),
        ),
        (
            json!({"items": [{"id": ID, "number": 1, "metadata": {"source": "wrangler",
            "has_preview": true, "author_email": "a@b"}, "annotations": {"workers/message": "m"},
            "resources": {"script": {"etag": "e", "handlers": ["fetch"]},
                "script_runtime": {"compatibility_date": "2026-01-01", "usage_model": "standard"},
                "bindings": [{"name": "A", "type": "plain_text", "text": "t"}]}}]}),
            |c| read_list(c, versions::list_versions(&account(), &web())),
        ),
        (
            json!({"deployments": [{"id": ID, "source": "api", "strategy": "percentage",
            "annotations": {"workers/triggered_by": "deployment"},
            "versions": [{"version_id": ID, "percentage": 100}]}]}),
            |c| read_list(c, versions::list_deployments(&account(), &web())),
        ),
        (
            json!({"bindings": [{"name": "A", "type": "kv_namespace", "namespace_id": HEX}],
            "compatibility_flags": ["f"], "tags": null, "logpush": false, "limits": {"cpu_ms": 5},
            "placement": {"mode": "smart"}, "tail_consumers": null}),
            |c| read(c, worker_settings::settings(&account(), &web())),
        ),
        (json!([{"name": "KEY", "type": "secret_text"}]), |c| {
            read_list(c, secrets::list_secrets(&account(), &web()))
        }),
        (json!({"KEY": {"name": "KEY", "type": "secret_text"}}), |c| {
            read(c, secrets::patch_secrets(&account(), &web(), &Default::default()))
        }),
        (
            json!([{"id": "d1", "hostname": "a.test", "service": "web", "zone_id": HEX,
            "zone_name": "a.test", "environment": "production", "enabled": true}]),
            |c| read_list(c, triggers::list_domains(&account())),
        ),
        (json!({"schedules": [{"cron": "* * * * *", "created_on": "t"}]}), |c| {
            read_list(c, triggers::list_schedules(&account(), &web()))
        }),
        (json!([{"id": "r1", "pattern": "a.test/*", "script": "web"}]), |c| {
            read_list(c, triggers::list_routes(&HEX.parse().unwrap()))
        }),
        (json!({"id": "t1", "url": "wss://a.test/x", "expires_at": "t"}), |c| {
            read(c, tails::create_tail(&account(), &web(), &[]))
        }),
        (
            json!({"services": {"incoming": [{"service": "a"}], "outgoing": []},
            "durable_objects": [{"id": "x"}], "dispatch_outbounds": []}),
            |c| read(c, workers::dependents(&account(), &web())),
        ),
    ]
}

fn data_fixtures() -> Vec<Fixture> {
    vec![
        (
            json!([{"uuid": ID, "name": "db", "version": "production", "num_tables": 3,
            "file_size": 12288, "jurisdiction": "eu", "read_replication": {"mode": "auto"}}]),
            |c| read_list(c, d1::list_databases(&account())),
        ),
        (
            json!([{"results": [{"a": 1}], "success": true, "meta": {"served_by": "v3",
            "duration": 0.1, "changes": 0, "last_row_id": 0, "changed_db": false,
            "size_after": 1, "rows_read": 1, "rows_written": 0, "served_by_region": "WEUR"}}]),
            |c| read(c, d1::query(&account(), &ID.parse().unwrap(), &d1::Sql::new("s"))),
        ),
        (json!([{"results": {"columns": ["a"], "rows": [[1], [null]]}, "meta": {}}]), |c| {
            read(c, d1::raw(&account(), &ID.parse().unwrap(), &d1::Sql::new("s")))
        }),
        (
            json!({"success": true, "type": "export", "at_bookmark": "b", "messages": ["m"],
            "status": "complete", "result": {"filename": "f", "signed_url": "u"}}),
            |c| read(c, d1::export(&account(), &ID.parse().unwrap(), &Default::default(), None)),
        ),
        (
            json!([{"id": HEX, "title": "t", "supports_url_encoding": true, "jurisdiction": "eu"}]),
            |c| read_list(c, kv::list_namespaces(&account())),
        ),
        (json!([{"name": "k", "expiration": 1, "metadata": {"a": 1}}]), |c| {
            read_list(c, kv::list_keys(&account(), &HEX.parse().unwrap(), ""))
        }),
        (json!({"successful_key_count": 1, "unsuccessful_keys": ["k"]}), |c| {
            read(c, kv::put_bulk(&account(), &HEX.parse().unwrap(), &[]))
        }),
        (
            json!({"values": {"k": {"value": "v", "metadata": null, "expiration": 5}, "l": null}}),
            |c| read(c, kv::get_bulk(&account(), &HEX.parse().unwrap(), &[])),
        ),
        (
            json!({"buckets": [{"name": "media", "creation_date": "t", "location": "weur",
            "storage_class": "Standard", "jurisdiction": "default"}]}),
            |c| read_list(c, r2::list_buckets(&account())),
        ),
        (
            json!([{"key": "a", "etag": "e", "size": 1, "last_modified": "t",
            "http_metadata": {"contentType": "text/css"}, "custom_metadata": {"k": "v"},
            "storage_class": "Standard", "ssec": false}]),
            |c| read_list(c, r2::list_objects(&account(), &media(), "")),
        ),
        (
            json!({"rules": [{"id": "i", "enabled": true, "conditions": {"prefix": ""},
            "deleteObjectsTransition": {"condition": {"type": "Age", "maxAge": 5}}}]}),
            |c| read_list(c, r2::lifecycle(&account(), &media())),
        ),
        (
            json!({"rules": [{"id": "i", "allowed": {"methods": ["GET"], "origins": ["*"]},
            "maxAgeSeconds": 5}]}),
            |c| read_list(c, r2::cors(&account(), &media())),
        ),
    ]
}

fn other_fixtures() -> Vec<Fixture> {
    vec![
        (json!([{"id": HEX, "name": "acme", "type": "standard", "settings": {}}]), |c| {
            read_list(c, identity::list_accounts())
        }),
        (
            json!([{"id": "m", "status": "accepted", "account": {"id": HEX, "name": "acme"},
            "roles": ["Administrator"]}]),
            |c| read_list(c, identity::list_memberships()),
        ),
        (
            json!([{"id": "t1", "name": "ci", "status": "active", "policies": [{"id": "p",
            "effect": "allow", "permission_groups": [{"id": "g", "name": "n"}],
            "resources": {"com.cloudflare.api.account.x": "*"}}],
            "condition": {"request_ip": {"in": ["192.0.2.0/24"]}}}]),
            |c| read_list(c, tokens::list_tokens(&tokens::TokenOwner::User)),
        ),
        (
            json!([{"id": "g", "name": "Workers Scripts Write", "category": "developer_platform",
            "scopes": ["com.cloudflare.api.account"]}]),
            |c| read_list(c, tokens::list_permission_groups(&tokens::TokenOwner::User)),
        ),
        (
            json!([{"id": HEX, "name": "acme.test", "status": "active", "type": "full",
            "account": {"id": HEX}, "paused": false, "name_servers": ["a.test"]}]),
            |c| read_list(c, zones::list_zones(&account())),
        ),
        (
            json!([{"id": "r1", "name": "a.test", "type": "A", "content": "192.0.2.1", "ttl": 1,
            "proxied": true, "proxiable": true, "tags": [], "settings": {}, "meta": {},
            "comment": null, "priority": 10}]),
            |c| read_list(c, dns::list_records(&HEX.parse().unwrap())),
        ),
        (
            json!([{"id": "n1", "class": "Room", "script": "web", "use_sqlite": true, "name": "x"}]),
            |c| read_list(c, durable_objects::list_namespaces(&account())),
        ),
        (json!([{"id": "o1", "hasStoredData": true}]), |c| {
            read_list(c, durable_objects::list_objects(&account(), &"n1".parse().unwrap()))
        }),
        (
            json!([{"queue_id": HEX, "queue_name": "jobs", "producers": [{"type": "worker",
            "script": "web"}], "settings": {"delivery_delay": 0, "delivery_paused": false},
            "consumers": [{"consumer_id": "c1", "type": "worker", "script_name": "web",
                "settings": {"batch_size": 10}}]}]),
            |c| read_list(c, queues::list_queues(&account())),
        ),
        (
            json!({"message_backlog_count": 1, "messages": [{"id": "m", "lease_id": "l",
            "body": "eA==", "attempts": 1, "timestamp_ms": 5,
            "metadata": {"CF-Content-Type": "bytes"}}]}),
            |c| read(c, queues::pull(&account(), &HEX.parse().unwrap(), 1, 1)),
        ),
    ]
}

/// Words that stand for one of a set. The others are ids, names and times, which do not change
/// their form.
const WORDS: [&str; 33] = [
    "type",
    "status",
    "source",
    "strategy",
    "mode",
    "category",
    "effect",
    "storage_class",
    "jurisdiction",
    "location",
    "version",
    "served_by_region",
    "level",
    "outcome",
    "usage_model",
    "last_deployed_from",
    "environment",
    "action_type",
    "workers/triggered_by",
    "scopes",
    "handlers",
    "roles",
    "methods",
    "compatibility_flags",
    "served_by",
    "text",
    "category",
    "contentType",
    "expires_at",
    "created_on",
    "modified_on",
    "last_modified",
    "creation_date",
];

/// Adds a field to every object, and replaces words, as `seed` says.
fn aged(value: &Value, key: &str, extra: &Value, word: &str) -> Value {
    let swap = |value: &Value| match value {
        Value::String(_) if WORDS.contains(&key) => Value::from(word),
        other => aged(other, key, extra, word),
    };
    match value {
        Value::Object(fields) => {
            let mut fields: serde_json::Map<_, _> = fields
                .iter()
                .map(|(key, value)| {
                    (
                        key.clone(),
                        match value {
                            Value::String(_) if WORDS.contains(&key.as_str()) => Value::from(word),
                            other => aged(other, key, extra, word),
                        },
                    )
                })
                .collect();
            // A map by name takes no foreign entries; everything else does.
            if !matches!(key, "values" | "resources" | "custom_metadata" | "annotations") {
                fields.insert("field_of_2031".to_owned(), extra.clone());
            }
            fields.into()
        }
        Value::Array(each) => each.iter().map(swap).collect(),
        other => other.clone(),
    }
}

fn check(body: &Value, read: fn(&Client) -> Result<(), String>) -> Result<(), String> {
    let wire = Arc::new(Scripted::new([ok(&body.to_string())]));
    let options = ClientOptions::new(crate::support::BASE, Secret::new("t"));
    read(&Client::new(wire, options).unwrap()).map_err(|error| format!("{error}\n{body:#}"))
}

#[test]
fn every_documented_answer_is_read() {
    for (body, read) in fixtures() {
        check(&body, read).unwrap();
    }
}

fn extra() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::collection::vec(any::<i32>(), 0..3).prop_map(Value::from),
        Just(json!({"id": 7, "name": [], "type": {}})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn new_fields_and_new_words_break_no_answer(extra in extra(), word in "[a-zA-Z _-]{0,16}") {
        for (body, read) in fixtures() {
            let aged = aged(&body, "", &extra, &word);
            prop_assert_eq!(check(&aged, read), Ok(()));
        }
    }

    #[test]
    fn no_event_breaks_a_tail(extra in extra(), word in ".{0,16}") {
        let event = json!({
            "outcome": "ok", "scriptName": "web", "scriptVersion": {"id": ID},
            "executionModel": "stateless", "cpuTime": 1, "wallTime": 2.5, "truncated": false,
            "eventTimestamp": 5, "diagnosticsChannelEvents": [],
            "logs": [{"message": ["a", 1], "level": "log", "timestamp": 5}],
            "exceptions": [{"name": "Error", "message": "m", "stack": "s", "timestamp": 5}],
            "event": {"request": {"url": "u", "method": "GET", "headers": {"a": "b"}, "cf": {}},
                "response": {"status": 200}},
        });
        let event = aged(&event, "", &extra, &word);
        let read: tails::TraceEvent = serde_json::from_value(event).unwrap();
        prop_assert_eq!(read.outcome.as_str(), word.as_str());
        prop_assert_eq!(&read.other["field_of_2031"], &extra);
    }

    #[test]
    fn no_answer_of_graphql_makes_reading_panic(body in extra(), errors in extra()) {
        let time = analytics::TimeRange::new("a", "b");
        for data in [body.clone(), json!({"viewer": body}), json!({"viewer": {"accounts": [body]}})] {
            let body = json!({"data": data, "errors": errors}).to_string();
            let wire = Arc::new(Scripted::new([crate::support::json(200, body)]));
            let client = Client::new(wire, ClientOptions::cloudflare(Secret::new("t"))).unwrap();
            let _ = block(client.send(analytics::d1_queries(&account(), &time)));
        }
    }
}
