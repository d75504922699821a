//! D1 and KV.

use crate::{
    cloud::parsed,
    faults::{look::Look, prepared::IMPORT_MD5, write::Write},
};
use clodo_cf_api::{
    Repeat,
    d1::{self, ImportStep, ReadReplication, ReplicationMode, Sql},
    kv::{self, BulkValue, NewValue},
};
use http::Method;
use serde_json::json;

const DATABASES: Look = Look::get("/accounts/{account}/d1/database").each("name");
const ROWS: Look =
    Look::post("/accounts/{account}/d1/database/{database}/query", r#"{"sql":"SELECT * FROM t"}"#);
const REPLICATION: Look =
    Look::get("/accounts/{account}/d1/database/{set_database}").part("/read_replication");
const NAMESPACES: Look = Look::get("/accounts/{account}/storage/kv/namespaces").each("title");
const KEYS: Look =
    Look::get("/accounts/{account}/storage/kv/namespaces/{namespace}/keys").each("name");

pub(super) const WRITES: &[Write] = &[
    Write::new(
        "POST /accounts/{account}/d1/database",
        |w| {
            Box::pin(async move {
                let new = d1::NewDatabase::named(parsed("made"));
                w.client.ensure_database(&w.account, &new).await.map(drop)
            })
        },
        &[DATABASES],
    ),
    Write::new(
        "PUT /accounts/{account}/d1/database/{database}",
        |w| {
            let to = ReadReplication { mode: ReplicationMode::Auto };
            w.send(d1::put_database(&w.account, &w.the("set_database"), &to))
        },
        &[REPLICATION],
    ),
    Write::new(
        "PATCH /accounts/{account}/d1/database/{database}",
        |w| {
            let to = ReadReplication { mode: ReplicationMode::Disabled };
            w.send(d1::patch_database(&w.account, &w.the("set_database"), &to))
        },
        &[REPLICATION],
    ),
    Write::new(
        "DELETE /accounts/{account}/d1/database/{database}",
        |w| w.send(d1::delete_database(&w.account, &w.the("doomed_database"))),
        &[DATABASES],
    ),
    // A key of the caller's own makes a second row impossible.
    Write::new(
        "POST /accounts/{account}/d1/database/{database}/query",
        |w| {
            let sql = Sql::new("INSERT INTO t (id, a) VALUES (1, 'query')");
            w.send(d1::query(&w.account, &w.the("database"), &sql))
        },
        &[ROWS],
    ),
    Write::new(
        "POST /accounts/{account}/d1/database/{database}/raw",
        |w| {
            let sql = Sql::new("INSERT INTO t (id, a) VALUES (2, 'raw')");
            w.send(d1::raw(&w.account, &w.the("database"), &sql))
        },
        &[ROWS],
    ),
    // The step that runs the file; those before it only announce and send it.
    Write::new(
        "POST /accounts/{account}/d1/database/{database}/import",
        |w| {
            let (filename, etag) = (w.name("import").to_owned(), IMPORT_MD5.to_owned());
            let ingest = ImportStep::Ingest { filename, etag };
            w.send(d1::import(&w.account, &w.the("database"), &ingest))
        },
        &[ROWS],
    ),
    Write::new(
        "POST /accounts/{account}/d1/database/{database}/time_travel/restore",
        |w| w.send(d1::restore(&w.account, &w.the("past_database"), w.name("past"))),
        &[Look::post(
            "/accounts/{account}/d1/database/{past_database}/query",
            r#"{"sql":"SELECT * FROM t"}"#,
        )],
    ),
    Write::new(
        "POST /accounts/{account}/storage/kv/namespaces",
        |w| {
            Box::pin(async move {
                w.client.ensure_namespace(&w.account, &parsed("made")).await.map(drop)
            })
        },
        &[NAMESPACES],
    ),
    Write::new(
        "PUT /accounts/{account}/storage/kv/namespaces/{namespace}",
        |w| {
            let (id, title) = (w.the("renamed_namespace"), parsed("another title"));
            w.send(kv::rename_namespace(&w.account, &id, &title))
        },
        &[NAMESPACES],
    ),
    Write::new(
        "DELETE /accounts/{account}/storage/kv/namespaces/{namespace}",
        |w| w.send(kv::delete_namespace(&w.account, &w.the("doomed_namespace"))),
        &[NAMESPACES],
    ),
    Write::new(
        "PUT /accounts/{account}/storage/kv/namespaces/{namespace}/values/{key}",
        |w| w.send(kv::put_value(&w.account, &w.the("namespace"), NewValue::new("k", "v"))),
        &[KEYS, Look::get("/accounts/{account}/storage/kv/namespaces/{namespace}/values/k")],
    ),
    Write::new(
        "PUT /accounts/{account}/storage/kv/namespaces/{namespace}/bulk",
        |w| {
            let values = [BulkValue::text("a", "1"), BulkValue::text("b", "2")];
            w.send(kv::put_bulk(&w.account, &w.the("namespace"), &values))
        },
        &[KEYS],
    ),
    Write::new(
        "DELETE /accounts/{account}/storage/kv/namespaces/{namespace}/values/{key}",
        |w| w.send(kv::delete_value(&w.account, &w.the("namespace"), "doomed")),
        &[KEYS],
    ),
    Write::new(
        "POST /accounts/{account}/storage/kv/namespaces/{namespace}/bulk/delete",
        |w| {
            let keys = ["doomed-1".to_owned(), "doomed-2".to_owned()];
            w.send(kv::delete_bulk(&w.account, &w.the("namespace"), &keys))
        },
        &[KEYS],
    ),
    Write::new(
        "DELETE /accounts/{account}/storage/kv/namespaces/{namespace}/bulk",
        |w| {
            let template = "/accounts/{account}/storage/kv/namespaces/{namespace}/bulk";
            w.send(w.other((Method::DELETE, Repeat::Safe), template, &json!(["doomed-3"])))
        },
        &[KEYS],
    ),
];
