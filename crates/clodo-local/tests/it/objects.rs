//! Durable Objects on real workerd, from the upload to the object.

use crate::support::{
    client,
    live::{Live, options},
    websocket::{Socket, TEXT},
};
use clodo_local::{CloudErrorKind, LocalCloud};
use serde_json::{Value, json};
use std::time::Duration;

/// A Worker with a counter, whose class has the name `CLASS`.
const COUNTER: &str = r#"import { DurableObject } from "cloudflare:workers";
export class CLASS extends DurableObject {
  next() {
    const sql = this.ctx.storage.sql;
    sql.exec("CREATE TABLE IF NOT EXISTS n (x)");
    sql.exec("INSERT INTO n VALUES (1)");
    return sql.exec("SELECT count(*) AS n FROM n").one().n;
  }
  async ring(ms) { await this.ctx.storage.setAlarm(Date.now() + ms); return "set"; }
  async alarm() { await this.ctx.storage.put("rang", "rang"); }
  async rang() { return await this.ctx.storage.get("rang") ?? "silent"; }
  async fetch(request) {
    if (request.headers.get("upgrade") !== "websocket") return new Response("no websocket");
    const [client, server] = Object.values(new WebSocketPair());
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }
  async webSocketMessage(ws, message) { ws.send("MARK echo " + message); }
}
export default { async fetch(request, env) {
  const url = new URL(request.url);
  const stub = env.OBJ.get(env.OBJ.idFromName(url.searchParams.get("name") ?? "a"));
  if (url.pathname === "/ring") return new Response(await stub.ring(Number(url.searchParams.get("ms"))));
  if (url.pathname === "/rang") return new Response(await stub.rang());
  if (url.pathname === "/ws") return stub.fetch(request);
  return new Response("MARK " + await stub.next());
} };"#;

fn counter(class: &str, mark: &str) -> String {
    COUNTER.replace("CLASS", class).replace("MARK", mark)
}

fn bound(class: &str) -> Value {
    json!([{ "type": "durable_object_namespace", "name": "OBJ", "class_name": class }])
}

fn first(class: &str) -> Value {
    json!({ "bindings": bound(class),
        "migrations": { "new_tag": "v1", "steps": [{ "new_sqlite_classes": [class] }] } })
}

fn then(class: &str) -> Value {
    json!({ "bindings": bound(class) })
}

fn files(live: &Live) -> Vec<std::path::PathBuf> {
    let folder = live.folder.path().join("durable").join(live.account());
    let namespaces = std::fs::read_dir(folder).into_iter().flatten();
    namespaces.map(|entry| entry.unwrap().path()).collect()
}

// conformance: durable objects | RPC methods, `storage.sql`, and data that survive new versions, `renamed_classes` and a restart | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_outlive_versions_renames_and_restarts_until_their_class_is_deleted() {
    let live = Live::new().await;
    live.deploy("count", first("Counter"), &counter("Counter", "one")).await;
    live.until("count", "/", "one 1").await;
    live.put("count", then("Counter"), &counter("Counter", "two")).await;
    live.until("count", "/", "two 2").await;
    let rename = json!({ "bindings": bound("Tally"), "migrations": { "old_tag": "v1", "new_tag": "v2",
        "steps": [{ "renamed_classes": [{ "from": "Counter", "to": "Tally" }] }] } });
    live.put("count", rename, &counter("Tally", "three")).await;
    live.until("count", "/", "three 3").await;
    let live = live.restarted().await;
    live.until("count", "/", "three 4").await;
    let spaces = live.call("GET", "/workers/durable_objects/namespaces", "").await;
    let path = format!(
        "/workers/durable_objects/namespaces/{}/objects",
        spaces[0]["id"].as_str().unwrap()
    );
    assert_eq!(live.call("GET", &path, "").await[0]["hasStoredData"], true);
    assert_eq!(files(&live).len(), 1);

    let delete = json!({ "migrations": { "old_tag": "v2", "new_tag": "v3",
        "steps": [{ "deleted_classes": ["Tally"] }] } });
    let plain = "export default { fetch() { return new Response('none') } };";
    live.put("count", delete, plain).await;
    live.until("count", "/", "none").await;
    let gone = async {
        while !files(&live).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(20), gone).await;
    assert!(ended.is_ok(), "the objects' files stay: {:?}", files(&live));
    let again = json!({ "bindings": bound("Tally"), "migrations": { "old_tag": "v3", "new_tag": "v4",
        "steps": [{ "new_sqlite_classes": ["Tally"] }] } });
    live.put("count", again, &counter("Tally", "five")).await;
    live.until("count", "/", "five 1").await;
    live.cloud.stop().await;
}

// conformance: durable objects | `new_classes` has no `storage.sql`, `new_sqlite_classes` has | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_sqlite_classes_have_sql() {
    let live = Live::new().await;
    let source = r#"import { DurableObject } from "cloudflare:workers";
        export class Old extends DurableObject {
          async put() { await this.ctx.storage.put("a", 1); return await this.ctx.storage.get("a"); }
          sql() { try { this.ctx.storage.sql.exec("SELECT 1"); return "sql"; } catch (e) { return e.message; } }
        }
        export default { async fetch(request, env) {
          const stub = env.OBJ.getByName("a");
          return new Response(await stub.put() + " " + await stub.sql());
        } };"#;
    let old = json!({ "bindings": bound("Old"), "compatibility_date": "2026-04-01",
        "migrations": { "new_tag": "v1", "steps": [{ "new_classes": ["Old"] }] } });
    live.deploy("old", old, source).await;
    let said = live.get("old", "/").await;
    assert!(said.starts_with("1 ") && said.contains("new_sqlite_classes"), "{said}");
    live.cloud.stop().await;
}

// conformance: durable objects | alarms, also after a restart of the cloud | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_rings_and_one_that_was_due_while_the_cloud_was_down_rings_later() {
    let live = Live::new().await;
    live.deploy("count", first("Counter"), &counter("Counter", "m")).await;
    assert_eq!(live.get("count", "/ring?ms=1").await, "set");
    live.until("count", "/rang", "rang").await;
    assert_eq!(live.get("count", "/ring?name=b&ms=1500").await, "set");
    assert_eq!(live.get("count", "/rang?name=b").await, "silent");
    let live = live.restarted().await;
    live.until("count", "/rang?name=b", "rang").await;
    live.cloud.stop().await;
}

// conformance: durable objects | a Worker that binds another Worker's class by `script_name` | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_share_objects_and_an_old_binding_follows_a_rename() {
    let live = Live::new().await;
    live.deploy("count", first("Counter"), &counter("Counter", "own")).await;
    let far = json!({ "bindings": [{ "type": "durable_object_namespace", "name": "OBJ",
        "class_name": "Counter", "script_name": "count" }] });
    let source = r#"export default { async fetch(request, env) {
        try { return new Response("far " + await env.OBJ.getByName("a").next()); }
        catch (error) { return new Response(error.message); }
    } };"#;
    live.deploy("far", far, source).await;
    live.until("far", "/", "far 1").await;
    assert_eq!(live.get("count", "/").await, "own 2");
    let rename = json!({ "bindings": bound("Tally"), "migrations": { "old_tag": "v1", "new_tag": "v2",
        "steps": [{ "renamed_classes": [{ "from": "Counter", "to": "Tally" }] }] } });
    live.put("count", rename, &counter("Tally", "own")).await;
    live.until("far", "/", "far 3").await;
    live.call("DELETE", "/workers/services/count?force=true", "").await;
    let gone = "The Durable Object binding `OBJ` refers to a class that is no longer there: its \
                namespace was deleted, or the Worker that implements it is not deployed.";
    live.until("far", "/", gone).await;
    live.cloud.stop().await;
}

// conformance: durable objects | no request fails while a new version takes the objects over | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_and_no_count_is_lost_while_versions_change() {
    let live = Live::new().await;
    live.deploy("count", first("Counter"), &counter("Counter", "m")).await;
    let port = live.cloud.port();
    let asking = tokio::spawn(async move {
        for n in 1..=300 {
            let answer = client::get(port, "count.acme.test", "/?name=steady").await;
            let said = answer.text();
            assert!(answer.status == 200 && said.ends_with(&format!(" {n}")), "{n}: {said}");
        }
    });
    for mark in ["a", "b", "c"] {
        live.put("count", then("Counter"), &counter("Counter", mark)).await;
    }
    asking.await.unwrap();
    live.cloud.stop().await;
}

// conformance: durable objects | during a gradual deployment every object runs in one version | guessed: all of them run in the version with the largest share, since workerd opens an object's files once; on Cloudflare each object is assigned a version
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_live_in_the_version_with_the_largest_share() {
    let live = Live::new().await;
    // What an object says of itself, beside what the Worker says.
    let source = |mark: &str| {
        counter("Counter", mark).replace(
            "rang() { return await this.ctx.storage.get(\"rang\") ?? \"silent\"; }",
            &format!("rang() {{ return \"object {mark}\"; }}"),
        )
    };
    live.deploy("count", first("Counter"), &source("old")).await;
    let old = live.call("GET", "/workers/scripts/count/deployments", "").await;
    let old = old["deployments"][0]["versions"][0]["version_id"].clone();
    let new = live.version("count", then("Counter"), &source("new")).await;
    for (share, expected) in [(10, "object old"), (90, "object new")] {
        let split = json!({ "strategy": "percentage", "versions": [
            { "version_id": new, "percentage": share },
            { "version_id": old, "percentage": 100 - share }] });
        live.call("POST", "/workers/scripts/count/deployments", split.to_string()).await;
        live.until("count", "/rang", expected).await;
        for _ in 0..20 {
            assert_eq!(live.get("count", "/rang").await, expected);
        }
    }
    live.cloud.stop().await;
}

// conformance: durable objects | hibernating websockets (`acceptWebSocket`, `webSocketMessage`) through a Worker | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_talks_over_a_websocket() {
    let live = Live::new().await;
    live.deploy("count", first("Counter"), &counter("Counter", "m")).await;
    live.until("count", "/", "m 1").await;
    let url = "ws://count.acme.test/ws";
    let mut socket = Socket::open(live.cloud.port(), url, "chat").await;
    assert_eq!(socket.status(), 101, "{}", socket.head);
    socket.frame(TEXT, b"hello", true).await;
    let (opcode, said) = socket.next().await.unwrap();
    assert_eq!((opcode, said.as_slice()), (TEXT, &b"m echo hello"[..]));
    live.cloud.stop().await;
}

// conformance: durable objects | a folder that a newer workerd wrote is refused with a hint | guessed: a refusal with a hint is the safest, since Cloudflare has no such folder
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_that_a_newer_workerd_wrote_are_refused_and_left_alone() {
    let live = Live::new().await;
    live.deploy("count", first("Counter"), &counter("Counter", "m")).await;
    live.until("count", "/", "m 1").await;
    let Live { cloud, folder } = live;
    cloud.stop().await;
    let stamp = folder.path().join("durable/workerd");
    let version = std::fs::read_to_string(&stamp).unwrap();
    std::fs::write(&stamp, "2099-01-01").unwrap();
    let error = LocalCloud::start(options(folder.path()).await).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::Storage);
    assert!(error.hint().unwrap().contains("clodo-local reset"), "{:?}", error.hint());
    std::fs::write(&stamp, version).unwrap();
    let live = Live::over(folder).await.unwrap();
    live.until("count", "/", "m 2").await;
    live.cloud.stop().await;
}
