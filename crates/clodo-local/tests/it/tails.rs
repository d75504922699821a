//! Tails of Workers, from `POST S/tails` to the events at the websocket, on real workerd.

use crate::{
    api_support::{Api, module},
    cloud::{call, deploy, started},
    support::{
        client,
        websocket::{PING, PONG, Socket, TEXT},
    },
};
use clodo_local::LocalCloud;
use http::Request;
use serde_json::{Value, json};
use std::time::Duration;

const CODE: &str = "export default { fetch(request) { \
    const path = new URL(request.url).pathname; console.log('at', path); \
    if (path === '/throw') throw new TypeError('boom'); return new Response('ok') } };";

async fn tail(cloud: &LocalCloud, filters: Value) -> (String, Socket) {
    let body = json!({ "filters": filters }).to_string();
    let tail = call(cloud, "POST", "/workers/scripts/shop/tails", body).await;
    let socket = Socket::open(cloud.port(), tail["url"].as_str().unwrap(), "trace-v1").await;
    assert_eq!(socket.status(), 101, "{}", socket.head);
    assert!(socket.head.contains("sec-websocket-protocol: trace-v1"), "{}", socket.head);
    (tail["id"].as_str().unwrap().to_owned(), socket)
}

async fn tails(cloud: &LocalCloud) -> Vec<Value> {
    let tails = call(cloud, "GET", "/workers/scripts/shop/tails", "").await;
    tails.as_array().unwrap().clone()
}

async fn until_nobody_listens(cloud: &LocalCloud) {
    let nobody = async { while !tails(cloud).await.is_empty() {} };
    tokio::time::timeout(Duration::from_secs(20), nobody).await.expect("the session ends");
}

// conformance: tails | `POST /accounts/{account}/workers/scripts/{script}/tails` | documented
// conformance: tails | `GET /accounts/{account}/workers/scripts/{script}/tails` | documented
// conformance: tails | websocket `trace-v1`, unmasked client frames, ping and pong | accepted by wrangler
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_hears_every_invocation_with_script_and_version() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = started(folder.path()).await;
    let deployed = deploy(&cloud, "shop", json!([]), CODE).await;
    let (id, mut socket) = tail(&cloud, json!([])).await;
    // As wrangler does it.
    socket.frame(TEXT, br#"{"debug":false}"#, false).await;
    socket.frame(PING, b"are you there", true).await;
    assert_eq!(socket.next().await, Some((PONG, b"are you there".to_vec())));
    for path in ["/a", "/throw"] {
        let _ = client::get(cloud.port(), "shop.acme.test", path).await;
    }
    // Each invocation's trace comes on its own, in any order.
    let mut events = [socket.event().await, socket.event().await];
    events.sort_by_key(|event| event["outcome"] == "exception");
    let [first, second] = events;
    assert_eq!((&first["scriptName"], &first["outcome"]), (&json!("shop"), &json!("ok")));
    let version = first["scriptVersion"]["id"].as_str().unwrap();
    assert_eq!(version.replace('-', ""), deployed["deployment_id"]);
    assert_eq!(first["logs"][0]["message"], json!(["at", "/a"]));
    assert_eq!(first["event"]["request"]["url"], "https://shop.acme.test/a");
    assert_eq!(first["event"]["response"]["status"], 200);
    assert_eq!(second["outcome"], "exception");
    assert_eq!(second["exceptions"][0]["name"], "TypeError");
    assert_eq!(tails(&cloud).await[0]["id"], id);
    drop(socket);
    until_nobody_listens(&cloud).await;
    // wrangler deletes what it has hung up on.
    call(&cloud, "DELETE", &format!("/workers/scripts/shop/tails/{id}"), "").await;
    cloud.stop().await;
}

// conformance: tails | filters by outcome, method, header, client IP, text, version | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_hears_only_what_its_filters_let_pass() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = started(folder.path()).await;
    deploy(&cloud, "shop", json!([]), CODE).await;
    let filters = json!([
        { "outcome": ["exception"] },
        { "method": ["POST"] },
        { "header": { "key": "X-Mark", "query": "it is" } },
        { "client_ip": ["self"] },
        { "query": "/throw" },
        { "sampling_rate": 1 },
    ]);
    let (_, mut narrow) = tail(&cloud, filters).await;
    let (_, mut wide) = tail(&cloud, json!([])).await;
    for (method, path, mark) in [
        ("POST", "/fine", "here"),
        ("GET", "/throw", "here"),
        ("POST", "/throw", "there"),
        ("POST", "/throw", "it is here"),
    ] {
        let request = Request::builder().method(method).uri(path).header("host", "shop.acme.test");
        let _ = client::send(cloud.port(), request.header("x-mark", mark), "").await;
    }
    let heard = narrow.event().await;
    assert_eq!(heard["event"]["request"]["headers"]["x-mark"], "it is here");
    // workerd reports each invocation on its own, in whatever order.
    let mut marks = Vec::new();
    for _ in 0..4 {
        marks.push(wide.event().await["event"]["request"]["headers"]["x-mark"].clone());
    }
    marks.sort_by_key(ToString::to_string);
    assert_eq!(marks, ["here", "here", "it is here", "there"]);
    cloud.stop().await;
}

// conformance: tails | `DELETE /accounts/{account}/workers/scripts/{script}/tails/{tail}` | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_for_its_listener_when_it_or_its_worker_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = started(folder.path()).await;
    deploy(&cloud, "shop", json!([]), CODE).await;
    let (id, mut socket) = tail(&cloud, json!([])).await;
    call(&cloud, "DELETE", &format!("/workers/scripts/shop/tails/{id}"), "").await;
    assert!(socket.until_closed().await, "it is told");
    let (_, mut socket) = tail(&cloud, json!([])).await;
    call(&cloud, "DELETE", "/workers/scripts/shop", "").await;
    assert!(socket.until_closed().await, "it is told");
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_listener_loses_its_session_and_hurts_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = started(folder.path()).await;
    deploy(&cloud, "shop", json!([]), CODE).await;
    let (_, mut witness) = tail(&cloud, json!([])).await;
    for hostile in [
        &b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0"[..], // A frame of 2^64 bytes.
        b"\x81\xff\0\0\0\0\x40\0\0\0\0\0\0\0",                    // A frame of a gigabyte.
        b"\x81\x02\xff\xfe",                                      // Text that is not UTF-8.
        b"\xf1\x00",                                              // Reserved bits.
        b"\x8f\x00",                                              // A kind that does not exist.
        &[&b"\x89\x7e\x01\x00"[..], &[b'x'; 256]].concat(),       // A ping of 256 bytes.
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        let (_, mut socket) = tail(&cloud, json!([])).await;
        socket.raw(hostile).await;
        let _ = socket.until_closed().await;
    }
    // A frame that breaks off is none.
    let (_, mut broken) = tail(&cloud, json!([])).await;
    broken.raw(b"\x81\x7e").await;
    drop(broken);
    while tails(&cloud).await.len() > 1 {}
    let _ = client::get(cloud.port(), "shop.acme.test", "/still").await;
    assert_eq!(witness.event().await["logs"][0]["message"], json!(["at", "/still"]));
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_right_protocol_at_the_right_address_opens_a_socket_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = started(folder.path()).await;
    deploy(&cloud, "shop", json!([]), CODE).await;
    let made = call(&cloud, "POST", "/workers/scripts/shop/tails", "").await;
    let url = made["url"].as_str().unwrap();
    assert_eq!(Socket::open(cloud.port(), url, "chat").await.status(), 400);
    let elsewhere = url.replace(made["id"].as_str().unwrap(), "00000000000000000000000000000000");
    assert_eq!(Socket::open(cloud.port(), &elsewhere, "trace-v1").await.status(), 404);
    let path = url.split_once("/clodo").unwrap().1;
    let plain = client::get(cloud.port(), "127.0.0.1", &format!("/clodo{path}")).await;
    assert!(plain.status.is_client_error(), "{}", plain.status);
    let mut first = Socket::open(cloud.port(), url, "chat, trace-v1").await;
    assert_eq!(first.status(), 101);
    let mut second = Socket::open(cloud.port(), url, "trace-v1").await;
    assert!(second.until_closed().await, "one listener each");
    let _ = client::get(cloud.port(), "shop.acme.test", "/a").await;
    assert_eq!(first.event().await["scriptName"], "shop");
    cloud.stop().await;
}

// conformance: tails | ten sessions per Worker, expiry, `POST …/tails/{tail}/heartbeat` | guessed: the codes of a tenth session too many and of an unknown one, since the documentation lists none
#[tokio::test]
async fn sessions_are_counted_and_end_by_themselves() {
    let api = Api::new().await;
    assert_eq!(api.raw("POST", "S/tails", "").await.error(), (404, 10007));
    api.upload("PUT", "S/", module(json!([])), "export default {}").await.result();
    let made = api.json("POST", "S/tails", json!({ "filters": [{ "query": "x" }] })).await.result();
    let id = made["id"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 32);
    assert_eq!(made["url"], format!("ws://127.0.0.1:8787/clodo/tails/{id}"));
    assert_eq!(made["expires_at"], "2025-11-20T18:00:00.000000Z");
    for _ in 1..10 {
        api.raw("POST", "S/tails", "{}").await.result();
    }
    let (status, _) = api.raw("POST", "S/tails", "{}").await.error();
    assert_eq!(status, 400);
    assert_eq!(api.get("S/tails").await.result().as_array().unwrap().len(), 10);
    api.clock.advance(Duration::from_secs(599));
    let later = api.raw("POST", &format!("S/tails/{id}/heartbeat"), "").await.result();
    assert_eq!(later["expires_at"], "2025-11-20T18:09:59.000000Z");
    api.tick();
    let left = api.get("S/tails").await.result();
    assert_eq!(left.as_array().unwrap().len(), 1, "nobody came to listen to the others");
    api.delete(&format!("S/tails/{id}")).await.result();
    api.delete(&format!("S/tails/{id}")).await.result();
    assert_eq!(api.delete("S/tails/unknown").await.error(), (404, 10061));
    assert_eq!(api.raw("POST", &format!("S/tails/{id}/heartbeat"), "").await.error(), (404, 10061));
    for bad in ["{", "[1]", r#"{"filters":{}}"#, r#"{"filters":[{"sampling_rate":7}]}"#] {
        assert_eq!(api.raw("POST", "S/tails", bad).await.error(), (400, 10026), "{bad}");
    }
}

// conformance: tails | `GET /accounts/{account}/workers/tails/by-consumer/{script}` | accepted by wrangler
// conformance: tails | `tail_consumers` in metadata and script-settings | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_was_set_is_told_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = started(folder.path()).await;
    let consumer = "let seen = []; export default { fetch() { return Response.json(seen) }, \
        tail(events) { seen.push(...events.map((e) => [e.scriptName, e.logs[0].message[1]])) } };";
    deploy(&cloud, "logs", json!([]), consumer).await;
    deploy(&cloud, "shop", json!([]), CODE).await;
    let set = json!({ "tail_consumers": [{ "service": "logs" }, { "service": "not-there" }] });
    let path = "/workers/scripts/shop/script-settings";
    let shown = call(&cloud, "PATCH", path, set.to_string()).await;
    assert_eq!(shown["tail_consumers"][0]["service"], "logs");
    let by = call(&cloud, "GET", "/workers/tails/by-consumer/logs", "").await;
    assert_eq!(by[0]["producer"]["script"], "shop");
    let none = call(&cloud, "GET", "/workers/tails/by-consumer/shop", "").await;
    assert_eq!(none, json!([]));
    let _ = client::get(cloud.port(), "shop.acme.test", "/sold").await;
    let seen = async {
        loop {
            let seen = client::get(cloud.port(), "logs.acme.test", "/").await.json();
            if seen != json!([]) {
                return seen;
            }
        }
    };
    let seen = tokio::time::timeout(Duration::from_secs(20), seen).await.unwrap();
    assert_eq!(seen, json!([["shop", "/sold"]]));
    cloud.stop().await;
}
