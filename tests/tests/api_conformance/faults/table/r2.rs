//! Buckets, their objects and what they are told.

use crate::{
    cloud::parsed,
    faults::{look::Look, prepared::HEARS, write::Write},
};
use clodo_cf_api::{
    Repeat,
    r2::{self, CorsAllowed, CorsRule, LifecycleRule, NewBucket, NewObject},
};
use http::Method;
use serde_json::json;

const BUCKETS: Look = Look::get("/accounts/{account}/r2/buckets").part("/buckets").each("name");
const OBJECTS: Look = Look::get("/accounts/{account}/r2/buckets/base/objects").each("key");
const DOMAINS: Look = Look::get("/accounts/{account}/r2/buckets/base/domains/custom");
const CUSTOM: &str = "/accounts/{account}/r2/buckets/base/domains/custom";
const NOTIFIED: Look = Look::get("/accounts/{account}/event_notifications/r2/base/configuration");

pub(super) const WRITES: &[Write] = &[
    Write::new(
        "POST /accounts/{account}/r2/buckets",
        |w| {
            Box::pin(async move {
                let new = NewBucket::named(parsed("made"));
                w.client.ensure_bucket(&w.account, &new).await.map(drop)
            })
        },
        &[BUCKETS],
    ),
    Write::new(
        "PATCH /accounts/{account}/r2/buckets/{bucket}",
        |w| {
            let class = "InfrequentAccess";
            w.send(r2::set_storage_class(&w.account, &parsed("ruled"), class))
        },
        &[Look::get("/accounts/{account}/r2/buckets/ruled")],
    ),
    Write::new(
        "DELETE /accounts/{account}/r2/buckets/{bucket}",
        |w| w.send(r2::delete_bucket(&w.account, &parsed("doomed"))),
        &[BUCKETS],
    ),
    Write::new(
        "PUT /accounts/{account}/r2/buckets/{bucket}/objects/{*key}",
        |w| w.send(r2::put_object(&w.account, &parsed("base"), NewObject::new("a/o", "content"))),
        &[OBJECTS, Look::get("/accounts/{account}/r2/buckets/base/objects/a/o")],
    ),
    Write::new(
        "DELETE /accounts/{account}/r2/buckets/{bucket}/objects/{*key}",
        |w| w.send(r2::delete_object(&w.account, &parsed("base"), "doomed")),
        &[OBJECTS],
    ),
    Write::new(
        "PUT /accounts/{account}/r2/buckets/{bucket}/cors",
        |w| {
            let allowed = CorsAllowed {
                methods: vec!["GET".into()],
                origins: vec!["https://acme.test".into()],
                headers: Vec::new(),
            };
            let rule = CorsRule { allowed, ..CorsRule::default() };
            w.send(r2::put_cors(&w.account, &parsed("ruled"), &[rule]))
        },
        &[Look::get("/accounts/{account}/r2/buckets/ruled/cors")],
    ),
    Write::new(
        "DELETE /accounts/{account}/r2/buckets/{bucket}/cors",
        |w| w.send(r2::delete_cors(&w.account, &parsed("base"))),
        &[Look::get("/accounts/{account}/r2/buckets/base/cors")],
    ),
    Write::new(
        "PUT /accounts/{account}/r2/buckets/{bucket}/lifecycle",
        |w| {
            let rule = LifecycleRule::expire("old", "logs/", 30);
            w.send(r2::put_lifecycle(&w.account, &parsed("ruled"), &[rule]))
        },
        &[Look::get("/accounts/{account}/r2/buckets/ruled/lifecycle")],
    ),
    Write::new(
        "PUT /accounts/{account}/r2/buckets/{bucket}/lock",
        |w| {
            let rule = json!({ "id": "keep", "enabled": true, "prefix": "kept/",
                "condition": { "type": "Indefinite" } });
            let template = "/accounts/{account}/r2/buckets/ruled/lock";
            w.send(w.other((Method::PUT, Repeat::Safe), template, &json!({ "rules": [rule] })))
        },
        &[Look::get("/accounts/{account}/r2/buckets/ruled/lock")],
    ),
    Write::new(
        "PUT /accounts/{account}/r2/buckets/{bucket}/local-uploads",
        |w| {
            let template = "/accounts/{account}/r2/buckets/ruled/local-uploads";
            w.send(w.other((Method::PUT, Repeat::Safe), template, &json!({ "enabled": true })))
        },
        &[Look::get("/accounts/{account}/r2/buckets/ruled/local-uploads")],
    ),
    Write::new(
        "PUT /accounts/{account}/r2/buckets/{bucket}/domains/managed",
        |w| {
            let template = "/accounts/{account}/r2/buckets/ruled/domains/managed";
            w.send(w.other((Method::PUT, Repeat::Safe), template, &json!({ "enabled": true })))
        },
        &[Look::get("/accounts/{account}/r2/buckets/ruled/domains/managed").part("/enabled")],
    ),
    Write::new(
        "POST /accounts/{account}/r2/buckets/{bucket}/domains/custom",
        |w| {
            let new = json!({
                "domain": "made-files.acme.test", "zoneId": w.name("zone"), "enabled": true,
            });
            w.send(w.other((Method::POST, Repeat::LookUp), CUSTOM, &new))
        },
        &[DOMAINS],
    ),
    Write::new(
        "PUT /accounts/{account}/r2/buckets/{bucket}/domains/custom/{domain}",
        |w| {
            let template =
                "/accounts/{account}/r2/buckets/base/domains/custom/kept-files.acme.test";
            w.send(w.other((Method::PUT, Repeat::Safe), template, &json!({ "minTLS": "1.2" })))
        },
        &[DOMAINS],
    ),
    Write::new(
        "DELETE /accounts/{account}/r2/buckets/{bucket}/domains/custom/{domain}",
        |w| {
            let template =
                "/accounts/{account}/r2/buckets/base/domains/custom/doomed-files.acme.test";
            w.send(w.removal(template))
        },
        &[DOMAINS],
    ),
    Write::new(
        "DELETE /accounts/{account}/event_notifications/r2/{bucket}/configuration/queues/{queue}",
        |w| w.send(w.removal(HEARS)),
        &[NOTIFIED],
    ),
    Write::new(
        "PUT /accounts/{account}/event_notifications/r2/{bucket}/configuration/queues/{queue}",
        |w| {
            let rule = json!({ "rules": [{ "actions": ["DeleteObject"] }] });
            w.send(w.other((Method::PUT, Repeat::LookUp), HEARS, &rule))
        },
        &[NOTIFIED],
    ),
];
