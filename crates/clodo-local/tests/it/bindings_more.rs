//! Rate limits, Analytics Engine, parts of an upload: on real workerd.

use crate::{
    api_support::{Api, module as metadata},
    support::{World, binding, live::Live, module, version, worker},
};
use clodo_workerd::{PartKind, ServedBinding};
use serde_json::{Value, json};

fn limited(period: u32) -> Value {
    json!({ "bindings": [{ "type": "ratelimit", "name": "LIMIT", "namespace_id": "1001",
        "simple": { "limit": 3, "period": period } }] })
}

const LIMITED: &str = r#"export default { async fetch(request, env) {
    const url = new URL(request.url);
    if (url.pathname === "/bad") {
      try { await env.LIMIT.limit({}); } catch (error) { return new Response(error.message); }
    }
    const seen = [];
    for (let n = 0; n < 3; n++) seen.push((await env.LIMIT.limit({ key: url.pathname })).success);
    return new Response("VERSION " + seen.join());
} };"#;

// conformance: runtime | rate-limit binding, counted over versions and Workers of a namespace | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rate_limit_counts_over_versions_and_workers_of_its_namespace() {
    let live = Live::new().await;
    live.deploy("one", limited(60), &LIMITED.replace("VERSION", "a")).await;
    let first = live.get("one", "/x").await;
    assert_eq!(first, "a true,true,true");
    live.put("one", limited(60), &LIMITED.replace("VERSION", "b")).await;
    live.until("one", "/x", "b false,false,false").await;
    live.deploy("two", limited(60), LIMITED).await;
    assert_eq!(live.get("two", "/x").await, "VERSION false,false,false");
    assert_eq!(live.get("two", "/y").await, "VERSION true,true,true");
    assert_eq!(live.get("two", "/bad").await, "limit(): `key` must be a string.");
    live.cloud.stop().await;
}

// conformance: analytics | `writeDataPoint()` with its limits (20 blobs, 20 doubles, 1 index, 16 KiB of blobs) | documented
// conformance: analytics | GET /accounts/{account}/analytics_engine/sql | guessed: the dialect is SQLite's with a few of ClickHouse's functions, since no ClickHouse runs here
// conformance: analytics | POST /accounts/{account}/analytics_engine/sql | guessed: the dialect is SQLite's with a few of ClickHouse's functions, since no ClickHouse runs here
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn data_points_of_a_worker_are_kept_and_can_be_asked_for() {
    let live = Live::new().await;
    let more = json!({ "bindings": [
        { "type": "analytics_engine", "name": "VISITS", "dataset": "visits" }] });
    let source = r#"export default { async fetch(request, env) {
        const wrong = [];
        for (const point of [{ indexes: ["a", "b"] }, { blobs: new Array(21).fill("x") },
            { doubles: new Array(21).fill(1) }, { blobs: ["x".repeat(17000)] }, 7]) {
          try { env.VISITS.writeDataPoint(point); wrong.push("fine"); } catch (error) { wrong.push(error.name); }
        }
        env.VISITS.writeDataPoint({ indexes: ["u1"], blobs: ["tea", null, new Uint8Array([104, 105])], doubles: [2, NaN] });
        env.VISITS.writeDataPoint();
        return new Response(wrong.join());
    } };"#;
    live.deploy("shop", more, source).await;
    let wrong = live.get("shop", "/").await;
    assert_eq!(wrong, "TypeError,TypeError,TypeError,TypeError,TypeError");
    let question =
        "SELECT index1, blob1, blob2, blob3, double1, double2 FROM visits ORDER BY blob1 DESC";
    let kept = async {
        loop {
            // The dataset is there from its first data point on.
            let found = live.text("POST", "/analytics_engine/sql", question).await;
            let found: Value = serde_json::from_str(&found).unwrap_or_default();
            if found["rows"] == 2 {
                break found;
            }
            tokio::task::yield_now().await;
        }
    };
    let found = tokio::time::timeout(std::time::Duration::from_secs(20), kept).await.unwrap();
    let expected = json!({ "index1": "u1", "blob1": "tea", "blob2": "", "blob3": "hi",
        "double1": 2.0, "double2": 0.0 });
    assert_eq!(found["data"][0], expected);
    let tables = live.answer("GET", "/analytics_engine/sql?query=SHOW%20TABLES", "").await;
    assert_eq!(tables["data"], json!([{ "dataset": "visits" }]));
    live.cloud.stop().await;
}

// conformance: runtime | `wasm_module`, `text_blob` and `data_blob` of service workers | documented
#[tokio::test]
async fn parts_of_an_upload_are_bound_in_a_service_worker() {
    let world = World::new().await;
    let mut old = version("old", "v1", "");
    old.main_module = None;
    old.body_part = Some("script".into());
    let wasm = b"\0asm\x01\0\0\0";
    old.modules = vec![
        module(
            "script",
            "application/javascript",
            "addEventListener('fetch', (event) => event.respondWith(new Response(
                [TEXT, DATA.byteLength, WASM instanceof WebAssembly.Module].join())));",
        ),
        module("t", "text/plain", "quoted \" text"),
        module("d", "application/octet-stream", vec![0, 255, 10]),
        module("w", "application/wasm", wasm.to_vec()),
    ];
    let part = |kind, part: &str| ServedBinding::Part { kind, part: part.into() };
    old.bindings = vec![
        binding("TEXT", part(PartKind::Text, "t")),
        binding("DATA", part(PartKind::Data, "d")),
        binding("WASM", part(PartKind::Wasm, "w")),
    ];
    world.workers().validate(&old).await.unwrap();
    world.deploy([old]);
    assert_eq!(world.get("old.test", "/").await.text(), "quoted \" text,3,true");
}

// conformance: runtime | kinds of bindings that are stored and listed but do not run: ai, vectorize, browser, hyperdrive, dispatch_namespace and others | guessed: each use throws an error that names the binding, since a wrong result would be worse; on Cloudflare they run
#[tokio::test]
async fn a_binding_that_does_not_run_here_names_itself_when_it_is_used() {
    let world = World::new().await;
    let mut shop = worker(
        "shop",
        "v1",
        "const said = []; for (const [name, use] of [['AI', 'run'], ['INDEX', 'query'], ['PG', 'connectionString']]) {
           try { said.push(String(env[name][use])); } catch (error) { said.push(error.message); }
         }
         return Response.json(said);",
    );
    shop.bindings = [("AI", "ai"), ("INDEX", "vectorize"), ("PG", "hyperdrive")]
        .map(|(name, kind)| binding(name, ServedBinding::Unsupported { kind: kind.into() }))
        .into();
    world.deploy([shop]);
    let said = world.get("shop.test", "/").await.json();
    for (at, name, kind) in [(0, "AI", "ai"), (1, "INDEX", "vectorize"), (2, "PG", "hyperdrive")] {
        let expected = format!(
            "the binding `{name}` is of type `{kind}`, which the local Cloudflare stores but does not run"
        );
        assert_eq!(said[at], expected);
    }
}

// conformance: workers | bindings of rate limits, datasets and parts that cannot be are refused with code 10021 | guessed: code 10021 as for other faults of an upload, since Cloudflare's codes for these are not known
#[tokio::test]
async fn bindings_that_cannot_be_are_refused_at_the_upload() {
    let api = Api::new().await;
    let simple = |limit: i64, period: i64| json!({ "limit": limit, "period": period });
    for bad in [
        json!({ "type": "ratelimit", "name": "X", "namespace_id": "1", "simple": simple(1, 30) }),
        json!({ "type": "ratelimit", "name": "X", "namespace_id": "1", "simple": simple(0, 10) }),
        json!({ "type": "ratelimit", "name": "X", "namespace_id": "1", "simple": simple(-1, 10) }),
        json!({ "type": "ratelimit", "name": "X", "namespace_id": "a", "simple": simple(1, 10) }),
        json!({ "type": "analytics_engine", "name": "X", "dataset": "a b" }),
        json!({ "type": "wasm_module", "name": "X", "part": "gone" }),
        json!({ "type": "text_blob", "name": "X", "part": 7 }),
    ] {
        let answer = api.upload("PUT", "S/", metadata(json!([bad])), "export default {}").await;
        assert_eq!(answer.error(), (400, 10021), "{bad}");
    }
    // A dataset without a name has that of the binding.
    let good = json!([{ "type": "ratelimit", "name": "X", "namespace_id": "7", "simple": simple(5, 10) },
        { "type": "ai", "name": "AI" }, { "type": "analytics_engine", "name": "EVENTS" }]);
    api.upload("PUT", "S/", metadata(good.clone()), "export default {}").await.result();
    assert_eq!(api.get("S/settings").await.result()["bindings"], good);
}
