//! D1 import and export over REST: every state, every wrong turn, and a kill in between.

use crate::api_support::{Answer, Api};
use axum::body::Body;
use http::Request;
use md5::{Digest, Md5};
use serde_json::{Value, json};

async fn database(api: &Api) -> String {
    let made = api.json("POST", "{acc}/d1/database", json!({ "name": "shop-db" })).await.result();
    format!("{{acc}}/d1/database/{}", made["uuid"].as_str().unwrap())
}

async fn file(api: &Api, method: &str, url: &Value, body: &str) -> Answer {
    let path = url.as_str().unwrap().strip_prefix("http://127.0.0.1:8787").unwrap();
    let request = Request::builder().method(method).uri(path);
    api.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

fn etag(sql: &str) -> String {
    hex::encode(Md5::digest(sql))
}

async fn step(api: &Api, path: &str, body: Value) -> Answer {
    api.json("POST", &format!("{path}/import"), body).await
}

/// Uploads without ingesting.
async fn uploaded(api: &Api, path: &str, sql: &str) -> Value {
    let init = step(api, path, json!({ "action": "init", "etag": etag(sql) })).await.result();
    assert_eq!(file(api, "PUT", &init["upload_url"], sql).await.status, 200);
    init
}

/// Polls until the job ends.
async fn ended(api: &Api, path: &str, mut state: Value) -> Value {
    while state["status"] == "active" {
        let poll = json!({ "action": "poll", "current_bookmark": state["at_bookmark"] });
        state = step(api, path, poll).await.result();
    }
    state
}

async fn count(api: &Api, path: &str) -> Value {
    let sql = json!({ "sql": "SELECT count(*) AS n FROM t" });
    let rows = api.json("POST", &format!("{path}/query"), sql).await.result();
    rows[0]["results"][0]["n"].clone()
}

// conformance: d1 | `POST /accounts/{account}/d1/database/{database}/import` goes on at once with a file that is uploaded already | documented
#[tokio::test]
async fn a_file_that_was_uploaded_before_is_not_asked_for_again() {
    let api = Api::new().await;
    let path = database(&api).await;
    let sql = "CREATE TABLE IF NOT EXISTS t (a); INSERT INTO t VALUES (1);";
    uploaded(&api, &path, sql).await;
    let state = step(&api, &path, json!({ "action": "init", "etag": etag(sql) })).await.result();
    assert_eq!(state.get("upload_url"), None);
    let state = ended(&api, &path, state).await;
    assert_eq!((&state["status"], &state["success"]), (&json!("complete"), &json!(true)));
    assert_eq!(state["result"]["num_queries"], 2);
    assert_eq!(state["messages"], json!(["Processed 2 queries."]));
    let now = api.get(&format!("{path}/time_travel/bookmark")).await.result();
    assert_eq!(state["result"]["final_bookmark"], now["bookmark"]);
    assert_eq!(count(&api, &path).await, 1);
}

#[tokio::test]
async fn wrong_turns_of_an_import_are_refused_and_change_nothing() {
    let api = Api::new().await;
    let path = database(&api).await;
    let sql = "CREATE TABLE t (a);";
    let good = etag(sql);
    for bad in [
        json!({}),
        json!({ "action": "dance" }),
        json!({ "action": "init" }),
        json!({ "action": "init", "etag": "x" }),
        json!({ "action": "init", "etag": format!("{}/", &good[..31]) }),
        json!({ "action": "ingest", "filename": "../../state.sqlite", "etag": good }),
        json!({ "action": "ingest", "filename": format!("{good}.sql"), "etag": good }),
        json!({ "action": "poll", "current_bookmark": "x" }),
        json!({ "action": "poll",
            "current_bookmark": "00000000-00000009-00000000-00000000000000000000000000000000" }),
    ] {
        assert_eq!(step(&api, &path, bad.clone()).await.error(), (400, 7400), "{bad}");
    }
    let init = step(&api, &path, json!({ "action": "init", "etag": good })).await.result();
    let ingest = json!({ "action": "ingest", "filename": init["filename"], "etag": good });
    assert_eq!(step(&api, &path, ingest.clone()).await.error(), (400, 7400), "not uploaded");
    // What is cut off or differs is not taken; neither is a file by a forged address.
    assert_eq!(file(&api, "PUT", &init["upload_url"], "CREATE").await.status, 400);
    assert_eq!(step(&api, &path, ingest).await.error(), (400, 7400));
    let url = init["upload_url"].as_str().unwrap();
    for forged in [url.replace("signature=", "signature=0"), url.replace("expires=", "expires=9")] {
        assert_eq!(file(&api, "PUT", &json!(forged), sql).await.status, 403);
    }
    assert_eq!(file(&api, "GET", &init["upload_url"], "").await.status, 403);
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_file_applies_nothing() {
    let api = Api::new().await;
    let path = database(&api).await;
    let sql = format!("CREATE TABLE t (a);{}SELEC 1;", "INSERT INTO t VALUES (1);".repeat(9_000));
    let init = uploaded(&api, &path, &sql).await;
    let body = json!({ "action": "ingest", "filename": init["filename"], "etag": etag(&sql) });
    let state = step(&api, &path, body).await.result();
    let state = ended(&api, &path, state).await;
    assert_eq!(state["status"], "error");
    assert!(state["errors"][0].as_str().unwrap().starts_with("near \"SELEC\""), "{state}");
    let query = json!({ "sql": "SELECT * FROM t" });
    assert_eq!(api.json("POST", &format!("{path}/query"), query).await.error(), (400, 7500));
}

// conformance: d1 | an import that a kill interrupted is finished at the next poll, and never runs twice | guessed: the import goes on where it was, since nothing says what the real service does after a crash of its own
#[tokio::test]
async fn an_import_survives_a_kill_and_runs_once() {
    let api = Api::new().await;
    let path = database(&api).await;
    let sql = "CREATE TABLE IF NOT EXISTS t (a); INSERT INTO t VALUES (1);";
    let init = uploaded(&api, &path, sql).await;
    let body = json!({ "action": "ingest", "filename": init["filename"], "etag": etag(sql) });
    let state = step(&api, &path, body).await.result();
    let state = ended(&api, &path, state).await;
    let poll = json!({ "action": "poll", "current_bookmark": state["at_bookmark"] });

    // The process was killed after the import was done.
    let api = api.restarted().await;
    let again = ended(&api, &path, step(&api, &path, poll.clone()).await.result()).await;
    assert_eq!(again["result"], state["result"]);
    assert_eq!(count(&api, &path).await, 1);

    // Killed after it took effect, before that was written down.
    let job = job_file(&api);
    let mut note: Value = serde_json::from_slice(&std::fs::read(&job).unwrap()).unwrap();
    note["ran"] = note["done"]["Ok"].clone();
    note["done"] = Value::Null;
    std::fs::write(&job, note.to_string()).unwrap();
    let api = api.restarted().await;
    let again = ended(&api, &path, step(&api, &path, poll.clone()).await.result()).await;
    assert_eq!(again["result"], state["result"]);
    assert_eq!(count(&api, &path).await, 1);

    // Killed before it took effect: the database is still what it began from.
    let now = api.get(&format!("{path}/time_travel/bookmark")).await.result();
    note["began"] = now["bookmark"].clone();
    std::fs::write(&job, note.to_string()).unwrap();
    let api = api.restarted().await;
    let again = ended(&api, &path, step(&api, &path, poll).await.result()).await;
    assert_eq!(again["status"], "complete");
    assert_eq!(count(&api, &path).await, 2);
}

fn job_file(api: &Api) -> std::path::PathBuf {
    let entries = std::fs::read_dir(api.folder.path().join("transfers")).unwrap();
    let mut paths = entries.map(|entry| entry.unwrap().path());
    paths.find(|path| path.extension().is_some_and(|kind| kind == "job")).unwrap()
}

// conformance: d1 | `POST /accounts/{account}/d1/database/{database}/export` with `no_schema`, `no_data` and `tables` | documented
#[tokio::test]
async fn an_export_has_what_its_options_ask_for() {
    let api = Api::new().await;
    let path = database(&api).await;
    let sql = "CREATE TABLE a (x); CREATE TABLE b (y); INSERT INTO a VALUES (1); \
               INSERT INTO b VALUES (2); CREATE INDEX i ON a (x)";
    api.json("POST", &format!("{path}/query"), json!({ "sql": sql })).await.result();
    for (options, has, lacks) in [
        (json!({}), vec!["TABLE a", "TABLE b", "VALUES(1)", "INDEX i"], vec![]),
        (json!({ "no_data": true }), vec!["TABLE a", "INDEX i"], vec!["VALUES"]),
        (json!({ "no_schema": true }), vec!["VALUES(1)", "VALUES(2)"], vec!["TABLE", "INDEX"]),
        (json!({ "tables": ["b"] }), vec!["TABLE b", "VALUES(2)"], vec!["TABLE a", "VALUES(1)"]),
        (json!({ "tables": [] }), vec!["TABLE a", "TABLE b"], vec![]),
    ] {
        let body = json!({ "output_format": "polling", "dump_options": options });
        let state = exported(&api, &path, body).await;
        assert_eq!(state["status"], "complete", "{state}");
        let dump = file(&api, "GET", &state["result"]["signed_url"], "").await;
        let text = String::from_utf8(dump.bytes).unwrap();
        for part in has {
            assert!(text.contains(part), "{options} lacks {part}: {text}");
        }
        for part in lacks {
            assert!(!text.contains(part), "{options} has {part}: {text}");
        }
    }
    let both = json!({ "no_data": true, "no_schema": true });
    for bad in [
        json!({}),
        json!({ "output_format": "file" }),
        json!({ "output_format": "polling", "dump_options": both }),
        json!({ "output_format": "polling", "current_bookmark": "x" }),
    ] {
        let answer = api.json("POST", &format!("{path}/export"), bad.clone()).await;
        assert_eq!(answer.error(), (400, 7400), "{bad}");
    }
    let sql = json!({ "sql": "CREATE VIRTUAL TABLE f USING fts5(x)" });
    api.json("POST", &format!("{path}/query"), sql).await.result();
    let state = exported(&api, &path, json!({ "output_format": "polling" })).await;
    let expected = "D1 Export error: cannot export databases with Virtual Tables (fts5)";
    assert_eq!((&state["status"], &state["error"]), (&json!("error"), &json!(expected)));
}

async fn exported(api: &Api, path: &str, body: Value) -> Value {
    let export = format!("{path}/export");
    let mut state = api.json("POST", &export, body.clone()).await.result();
    while state["status"] == "active" {
        let mut poll = body.clone();
        poll["current_bookmark"] = state["at_bookmark"].clone();
        state = api.json("POST", &export, poll).await.result();
    }
    state
}

#[tokio::test]
async fn an_export_that_a_restart_forgot_begins_again_when_it_is_polled() {
    let api = Api::new().await;
    let path = database(&api).await;
    let state = exported(&api, &path, json!({ "output_format": "polling" })).await;
    let api = api.restarted().await;
    let dump = file(&api, "GET", &state["result"]["signed_url"], "").await;
    assert_eq!(dump.status, 200, "the file is still there");
    let body = json!({ "output_format": "polling", "current_bookmark": state["at_bookmark"] });
    assert_eq!(exported(&api, &path, body).await["status"], "complete");
}
