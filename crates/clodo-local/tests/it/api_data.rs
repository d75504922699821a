//! D1, KV and R2 through the REST API.

use crate::api_support::Api;
use axum::body::Body;
use clodo_types::Clock as _;
use http::Request;
use md5::{Digest, Md5};
use serde_json::{Value, json};

async fn database(api: &Api) -> String {
    let made = api.json("POST", "{acc}/d1/database", json!({ "name": "shop-db" })).await.result();
    format!("{{acc}}/d1/database/{}", made["uuid"].as_str().unwrap())
}

#[tokio::test]
async fn a_database_is_made_found_by_name_queried_and_deleted() {
    let api = Api::new().await;
    let path = database(&api).await;
    let twice = api.json("POST", "{acc}/d1/database", json!({ "name": "shop-db" })).await;
    assert_eq!(twice.error(), (400, 7502));
    let by_name = api.get("{acc}/d1/database/shop-db").await.result();
    assert_eq!(by_name["num_tables"], 0);
    let list = api.get("{acc}/d1/database?per_page=10&page=1").await.result();
    assert_eq!(list[0]["name"], "shop-db");
    assert_eq!(api.get("{acc}/d1/database?page=2").await.result(), json!([]));

    let sql = "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2); SELECT * FROM t WHERE a > ?1";
    let query = format!("{path}/query");
    let rows = api.json("POST", &query, json!({ "sql": sql, "params": [1] })).await.result();
    assert_eq!(rows[2]["results"], json!([{ "a": 2 }]));
    let batch = json!({ "batch": [{ "sql": "SELECT 1 AS one" }, { "sql": "SELECT 2 AS two" }] });
    let rows = api.json("POST", &query, batch).await.result();
    assert_eq!(rows[1]["results"], json!([{ "two": 2 }]));
    let raw = api.json("POST", &format!("{path}/raw"), json!({ "sql": "SELECT a FROM t" })).await;
    assert_eq!(raw.result()[0]["results"], json!({ "columns": ["a"], "rows": [[1], [2]] }));
    let broken = api.json("POST", &query, json!({ "sql": "SELECT * FROM nope" })).await;
    assert_eq!(broken.error(), (400, 7500));
    assert_eq!(api.json("POST", &query, json!({})).await.error(), (400, 7400));
    api.delete(&path).await.result();
    assert_eq!(api.get(&path).await.error(), (404, 7404));
    assert_eq!(api.json("POST", &query, json!({ "sql": "SELECT 1" })).await.error(), (404, 7404));
}

// conformance: d1 | `POST /accounts/{account}/d1/database` with location, jurisdiction and replication | documented
// conformance: d1 | `GET /accounts/{account}/d1/database/{database}` with `fields` | accepted by wrangler
// conformance: d1 | PUT /accounts/{account}/d1/database/{database} | documented
// conformance: d1 | PATCH /accounts/{account}/d1/database/{database} | documented
#[tokio::test]
async fn a_database_keeps_what_it_was_made_with() {
    let api = Api::new().await;
    let body = json!({ "name": "shop-db", "primary_location_hint": "weur", "jurisdiction": "eu",
        "read_replication": { "mode": "auto" } });
    let made = api.json("POST", "{acc}/d1/database", body).await.result();
    assert_eq!(
        (&made["jurisdiction"], &made["read_replication"]["mode"]),
        (&json!("eu"), &json!("auto"))
    );
    let fields = api.get("{acc}/d1/database/shop-db?fields=uuid,num_tables").await.result();
    assert_eq!(fields, json!({ "uuid": made["uuid"], "num_tables": 0 }));
    for method in ["PUT", "PATCH"] {
        let body = json!({ "read_replication": { "mode": "disabled" } });
        let changed = api.json(method, "{acc}/d1/database/shop-db", body).await.result();
        assert_eq!(changed["read_replication"]["mode"], "disabled");
        let bad = json!({ "read_replication": { "mode": "sometimes" } });
        let refused = api.json(method, "{acc}/d1/database/shop-db", bad).await;
        assert_eq!(refused.error(), (400, 7400));
    }
    for bad in [
        json!({}),
        json!({ "name": "" }),
        json!({ "name": "x".repeat(65) }),
        json!({ "name": "a/b" }),
        json!({ "name": "ok", "primary_location_hint": "moon" }),
        json!({ "name": "ok", "jurisdiction": "moon" }),
        json!([]),
    ] {
        let answer = api.json("POST", "{acc}/d1/database", bad.clone()).await;
        assert_eq!(answer.error(), (400, 7400), "{bad}");
    }
}

// conformance: d1 | `GET /accounts/{account}/d1/database/{database}/time_travel/bookmark` | documented
// conformance: d1 | `POST /accounts/{account}/d1/database/{database}/time_travel/restore` | documented
#[tokio::test]
async fn a_database_travels_to_a_bookmark_or_a_moment_and_back() {
    let api = Api::new().await;
    let path = database(&api).await;
    let query = format!("{path}/query");
    let run = |sql: &'static str| api.json("POST", &query, json!({ "sql": sql }));
    let moment = |api: &Api| {
        jiff::Timestamp::from_millisecond(api.clock.now().as_millis()).unwrap().to_string()
    };
    let created = moment(&api);
    api.tick();
    run("CREATE TABLE t (a); INSERT INTO t VALUES (1)").await.result();
    let bookmark =
        api.get(&format!("{path}/time_travel/bookmark")).await.result()["bookmark"].clone();
    let one = moment(&api);
    api.tick();
    run("DELETE FROM t").await.result();
    let then = api.get(&format!("{path}/time_travel/bookmark?timestamp={one}")).await.result();
    assert_eq!(then["bookmark"], bookmark);
    let restore = |query: String| {
        let path = format!("{path}/time_travel/restore?{query}");
        let api = &api;
        async move { api.raw("POST", &path, "").await }
    };
    let back = restore(format!("timestamp={one}")).await.result();
    let rows = run("SELECT a FROM t").await.result();
    assert_eq!(rows[0]["results"], json!([{ "a": 1 }]));
    let previous = back["previous_bookmark"].as_str().unwrap();
    restore(format!("bookmark={previous}")).await.result();
    assert_eq!(run("SELECT a FROM t").await.result()[0]["results"], json!([]));
    restore(format!("timestamp={created}")).await.result();
    assert_eq!(run("SELECT a FROM t").await.error(), (400, 7500));

    for bad in [
        "".to_owned(),
        "bookmark=x".to_owned(),
        "bookmark=00000000-0000ffff-00000000-00000000000000000000000000000000".to_owned(),
        "timestamp=yesterday".to_owned(),
        "timestamp=2001-01-01T00:00:00Z".to_owned(),
        "timestamp=2999-01-01T00:00:00Z".to_owned(),
        format!("timestamp={one}&bookmark={previous}"),
    ] {
        assert_eq!(restore(bad.clone()).await.error(), (400, 7400), "{bad}");
    }
    let unknown = "{acc}/d1/database/00000000-0000-4000-8000-000000000000/time_travel/bookmark";
    assert_eq!(api.get(unknown).await.error(), (404, 7404));
}

#[tokio::test]
async fn a_select_by_post_counts_as_a_read() {
    let api = Api::new().await;
    let path = database(&api).await;
    let query = format!("{path}/query");
    api.json("POST", &query, json!({ "sql": "SELECT 1" })).await.result();
    api.json("POST", &query, json!({ "sql": "CREATE TABLE t (a)" })).await.result();
    let count = Request::builder().uri("/clodo/requests/count").body(Body::empty()).unwrap();
    assert_eq!(api.send(count).await.result(), json!({ "reads": 1, "writes": 2 }));
}

async fn file(api: &Api, method: &str, url: &Value, body: &str) -> crate::api_support::Answer {
    let path = url.as_str().unwrap().strip_prefix("http://127.0.0.1:8787").unwrap();
    let request = Request::builder().method(method).uri(path);
    api.send(request.body(body.to_owned().into()).unwrap()).await
}

#[tokio::test]
async fn a_file_is_imported_in_three_steps_and_exported_again() {
    let api = Api::new().await;
    let path = database(&api).await;
    let import = format!("{path}/import");
    let sql = "CREATE TABLE t (a);\nINSERT INTO t VALUES (7);\n";
    let etag = hex::encode(Md5::digest(sql));
    let init = api.json("POST", &import, json!({ "action": "init", "etag": etag })).await.result();
    let wrong = file(&api, "PUT", &init["upload_url"], "something else").await;
    assert_eq!(wrong.status, 400);
    let put = file(&api, "PUT", &init["upload_url"], sql).await;
    assert_eq!(put.headers["etag"], format!("\"{etag}\""));
    let ingest = json!({ "action": "ingest", "filename": init["filename"], "etag": etag });
    let mut state = api.json("POST", &import, ingest).await.result();
    while state["status"] == "active" {
        let poll = json!({ "action": "poll", "current_bookmark": state["at_bookmark"] });
        state = api.json("POST", &import, poll).await.result();
    }
    assert_eq!(state["status"], "complete", "{state}");
    assert_eq!(state["result"]["num_queries"], 2);

    let export = format!("{path}/export");
    let mut state = api.json("POST", &export, json!({ "output_format": "polling" })).await.result();
    while state["status"] == "active" {
        let poll = json!({ "output_format": "polling", "current_bookmark": state["at_bookmark"] });
        state = api.json("POST", &export, poll).await.result();
    }
    let dump = file(&api, "GET", &state["result"]["signed_url"], "").await;
    let text = String::from_utf8(dump.bytes).unwrap();
    assert!(text.contains("CREATE TABLE t") && text.contains("VALUES(7)"), "{text}");
    let unknown = file(&api, "GET", &json!("http://127.0.0.1:8787/clodo/transfers/x"), "").await;
    assert_eq!(unknown.status, 403);
    api.clock.advance(std::time::Duration::from_secs(3601));
    assert_eq!(file(&api, "GET", &state["result"]["signed_url"], "").await.status, 403);
}

#[tokio::test]
async fn an_import_that_fails_says_so_in_its_polling_object() {
    let api = Api::new().await;
    let import = format!("{}/import", database(&api).await);
    let sql = "CREATE TABLE t (a); SELECT * FROM nope;";
    let etag = hex::encode(Md5::digest(sql));
    let init = api.json("POST", &import, json!({ "action": "init", "etag": etag })).await.result();
    file(&api, "PUT", &init["upload_url"], sql).await;
    let ingest = json!({ "action": "ingest", "filename": init["filename"], "etag": etag });
    let mut state = api.json("POST", &import, ingest).await.result();
    while state["status"] == "active" {
        let poll = json!({ "action": "poll", "current_bookmark": state["at_bookmark"] });
        state = api.json("POST", &import, poll).await.result();
    }
    assert_eq!(state["status"], "error");
    assert!(state["error"].as_str().unwrap().contains("no such table: nope"), "{state}");
}

async fn namespace(api: &Api) -> String {
    let body = json!({ "title": "shop-kv" });
    let made = api.json("POST", "{acc}/storage/kv/namespaces", body).await.result();
    format!("{{acc}}/storage/kv/namespaces/{}", made["id"].as_str().unwrap())
}

// conformance: kv | DELETE /accounts/{account}/storage/kv/namespaces/{namespace}/bulk | accepted by wrangler
#[tokio::test]
async fn a_namespace_holds_values_with_metadata_until_it_is_deleted() {
    let api = Api::new().await;
    let path = namespace(&api).await;
    let twice =
        api.json("POST", "{acc}/storage/kv/namespaces", json!({ "title": "shop-kv" })).await;
    assert_eq!(twice.error(), (400, 10014));
    let value = format!("{path}/values/a%2Fb");
    api.raw("PUT", &value, "raw bytes").await.result();
    assert_eq!(api.get(&value).await.bytes, b"raw bytes");
    assert_eq!(api.get(&format!("{path}/values/none")).await.error(), (404, 10009));
    let bulk = json!([
        { "key": "x1", "value": "1", "metadata": { "m": 1 } },
        { "key": "x2", "value": "aGk=", "base64": true, "expiration_ttl": 100 },
    ]);
    api.json("PUT", &format!("{path}/bulk"), bulk).await.result();
    assert_eq!(api.get(&format!("{path}/metadata/x1")).await.result(), json!({ "m": 1 }));
    let listed = api.get(&format!("{path}/keys?prefix=x&limit=10")).await.json();
    assert_eq!(listed["result"][0], json!({ "name": "x1", "metadata": { "m": 1 } }));
    assert_eq!(listed["result_info"]["cursor"], "");
    let wanted = json!({ "keys": ["x1", "x2", "none"] });
    let got = api.json("POST", &format!("{path}/bulk/get"), wanted).await.result();
    assert_eq!(got["values"], json!({ "x1": "1", "x2": "hi", "none": null }));
    api.json("DELETE", &format!("{path}/bulk"), json!(["x1"])).await.result();
    api.json("POST", &format!("{path}/bulk/delete"), json!(["x2"])).await.result();
    api.delete(&value).await.result();
    assert_eq!(api.get(&format!("{path}/keys")).await.result(), json!([]));
    let renamed = api.json("PUT", &path, json!({ "title": "new" })).await.result();
    assert_eq!(renamed["title"], "new");
    api.delete(&path).await.result();
    assert_eq!(api.get(&path).await.error(), (404, 10013));
    assert_eq!(api.get(&format!("{path}/keys")).await.error(), (404, 10013));
}

#[tokio::test]
async fn a_bucket_holds_objects_and_is_deleted_only_when_empty() {
    let api = Api::new().await;
    let body = json!({ "name": "shop-bucket" });
    assert_eq!(api.get("{acc}/r2/buckets/shop-bucket").await.error(), (404, 10006));
    api.json("POST", "{acc}/r2/buckets", body.clone()).await.result();
    assert_eq!(api.json("POST", "{acc}/r2/buckets", body).await.error(), (409, 10004));
    let bad = api.json("POST", "{acc}/r2/buckets", json!({ "name": "No_Good" })).await;
    assert_eq!(bad.error(), (400, 10005));
    let list = api.get("{acc}/r2/buckets").await.result();
    assert_eq!(list["buckets"][0]["name"], "shop-bucket");
    let object = "{acc}/r2/buckets/shop-bucket/objects/a/b%20c.txt";
    let put = api.request("PUT", object).header("content-type", "text/plain");
    api.send(put.body("hello".into()).unwrap()).await.result();
    let got = api.get(object).await;
    assert_eq!(
        (got.bytes.as_slice(), &got.headers["content-type"]),
        (&b"hello"[..], &"text/plain".parse().unwrap())
    );
    let objects = api.get("{acc}/r2/buckets/shop-bucket/objects?prefix=a/").await.result();
    assert_eq!(objects[0]["key"], "a/b c.txt");
    assert_eq!(api.delete("{acc}/r2/buckets/shop-bucket").await.error(), (409, 10008));
    api.delete(object).await.result();
    assert_eq!(api.get(object).await.error(), (404, 10007));
    api.delete("{acc}/r2/buckets/shop-bucket").await.result();
}
