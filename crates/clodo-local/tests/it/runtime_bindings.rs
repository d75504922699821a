//! Every kind of binding, on real workerd.

use crate::support::{World, assets, binding, module, space, version, worker};
use clodo_types::Secret;
use clodo_workerd::ServedBinding;
use serde_json::json;

#[tokio::test]
async fn variables_secrets_and_metadata_arrive_as_they_were_uploaded() {
    let world = World::new().await;
    let hostile = "quotes \" and \\ and\r\nnew\tlines, \u{1}\u{7f}, é 漢 🦀, \"), (name = \"evil";
    let mut shop = worker(
        "shop",
        "v1",
        "return Response.json({ text: env.TEXT, json: env.JSON, secret: env.SECRET, meta: env.META })",
    );
    shop.tag = Some("a \"tag\"".into());
    shop.bindings = vec![
        binding("TEXT", ServedBinding::Text(hostile.into())),
        binding("JSON", ServedBinding::Json(json!({ "a": [1, null, hostile] }))),
        binding("SECRET", ServedBinding::Secret(Secret::new(hostile))),
        binding("META", ServedBinding::VersionMetadata),
    ];
    world.deploy([shop]);
    let seen = world.get("shop.test", "/").await.json();
    assert_eq!(
        seen,
        json!({
            "text": hostile,
            "json": { "a": [1, null, hostile] },
            "secret": hostile,
            "meta": { "id": "v1", "tag": "a \"tag\"", "timestamp": "2026-01-01T00:00:00Z" },
        })
    );
}

#[tokio::test]
async fn a_secret_is_in_no_file_below_the_state_folder() {
    let world = World::new().await;
    let mut shop = worker("shop", "v1", "return new Response(String(env.SECRET.length))");
    let secret = "correct horse battery staple";
    shop.bindings = vec![binding("SECRET", ServedBinding::Secret(Secret::new(secret)))];
    world.workers().validate(&shop).await.unwrap();
    world.deploy([shop]);
    assert_eq!(world.get("shop.test", "/").await.text(), "28");
    let mut folders = vec![world.folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if let Ok(content) = std::fs::read(entry.path()) {
                let found = String::from_utf8_lossy(&content).contains(secret);
                assert!(!found, "{}", entry.path().display());
            }
        }
    }
}

#[tokio::test]
async fn modules_of_every_kind_are_found_under_their_names() {
    let world = World::new().await;
    let mut shop = version(
        "shop",
        "v1",
        r#"import text from "./a b.txt";
           import data from "./deep/data.bin";
           import wasm from "./empty.wasm";
           import json from "./conf.json";
           import common from "./old.cjs";
           import { helper } from "./deep/helper.mjs";
           export default { fetch() {
             return Response.json([text, data.byteLength, wasm instanceof WebAssembly.Module,
               json.x, common.y, helper()]);
           } };"#,
    );
    let wasm = b"\0asm\x01\0\0\0";
    shop.modules.extend([
        module("./a b.txt", "text/plain", "text \" \\ é"),
        module("deep/data.bin", "application/octet-stream", vec![0, 255, 10]),
        module("./empty.wasm", "application/wasm", wasm.to_vec()),
        module("./conf.json", "application/json", r#"{"x":1}"#),
        module("./old.cjs", "application/javascript", "module.exports = { y: 2 };"),
        module(
            "./deep/helper.mjs",
            "application/javascript+module",
            "export const helper = () => 3;",
        ),
    ]);
    shop.modules.rotate_left(2);
    let handlers = world.workers().validate(&shop).await.unwrap();
    assert_eq!(handlers.handlers, ["fetch"]);
    world.deploy([shop]);
    let seen = world.get("shop.test", "/").await.json();
    assert_eq!(seen, json!(["text \" \\ é", 3, true, 1, 2, 3]));
}

#[tokio::test]
async fn a_service_binding_calls_the_other_worker_by_fetch_and_by_method() {
    let world = World::new().await;
    let catalog = version(
        "catalog",
        "c1",
        r#"import { WorkerEntrypoint } from "cloudflare:workers";
           export class Prices extends WorkerEntrypoint {
             of(item) { return `${item}: ${this.ctx.props.currency} 7`; }
           }
           export default { fetch(request) { return new Response("catalog " + new URL(request.url).pathname); } };"#,
    );
    let service = |entrypoint: Option<&str>, props| ServedBinding::Service {
        script: "catalog".into(),
        entrypoint: entrypoint.map(str::to_owned),
        props,
    };
    let mut orders = worker(
        "orders",
        "o1",
        r#"const a = await (await env.CATALOG.fetch("https://x/items")).text();
           const b = await env.PRICES.of("tea");
           const gone = await env.GONE.fetch("https://x/");
           const no = await env.NO_ENTRY.fetch("https://x/");
           return Response.json([a, b, gone.status, await gone.text(), no.status]);"#,
    );
    orders.bindings = vec![
        binding("CATALOG", service(None, None)),
        binding("PRICES", service(Some("Prices"), Some(json!({ "currency": "EUR" })))),
        binding("NO_ENTRY", service(Some("Nope"), None)),
        binding(
            "GONE",
            ServedBinding::Service { script: "gone".into(), entrypoint: None, props: None },
        ),
    ];
    world.deploy([catalog, orders]);
    let seen = world.get("orders.test", "/").await.json();
    assert_eq!(seen[0], "catalog /items");
    assert_eq!(seen[1], "tea: EUR 7");
    assert_eq!(seen[2], 503);
    assert_eq!(
        seen[3],
        "The service binding `GONE` refers to the Worker `gone`, which is not deployed."
    );
    assert_eq!(seen[4], 503);
}

#[tokio::test]
async fn durable_objects_keep_their_rows_over_a_new_generation() {
    let world = World::new().await;
    let counter = |id: &str, mark: &str| {
        let source = r#"import { DurableObject } from "cloudflare:workers";
           export class Counter extends DurableObject {
             next() {
               this.ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS n (x)");
               this.ctx.storage.sql.exec("INSERT INTO n VALUES (1)");
               return this.ctx.storage.sql.exec("SELECT count(*) AS n FROM n").one().n;
             }
           }
           export default { async fetch(request, env) {
             const stub = env.COUNTER.get(env.COUNTER.idFromName("a"));
             return new Response("MARK" + await stub.next());
           } };"#;
        let mut version = version("count", id, &source.replace("MARK", mark));
        version.bindings = vec![binding(
            "COUNTER",
            ServedBinding::DurableObject {
                class_name: "Counter".into(),
                script_name: None,
                namespace_id: None,
            },
        )];
        version
    };
    world.namespaces([space("c0", "count", "Counter")]);
    world.deploy([counter("v1", "old ")]);
    assert_eq!(world.get("count.test", "/").await.text(), "old 1");
    assert_eq!(world.get("count.test", "/").await.text(), "old 2");
    world.deploy([counter("v2", "new ")]);
    assert_eq!(world.get("count.test", "/").await.text(), "new 3");
}

#[tokio::test]
async fn assets_answer_by_hostname_and_through_the_binding() {
    let world = World::new().await;
    let mut web = worker(
        "web",
        "w1",
        r#"if (url.pathname === "/api") {
             const page = await env.ASSETS.fetch(new URL("/about", request.url));
             return new Response("api: " + await page.text());
           }
           return new Response("worker", { status: 404 });"#,
    );
    web.assets = Some(assets(&world, &[("/index.html", "home"), ("/about.html", "about")]).into());
    web.bindings = vec![binding("ASSETS", ServedBinding::Assets)];
    let mut plain = worker("plain", "p1", "");
    plain.main_module = None;
    plain.modules.clear();
    plain.assets = web.assets.clone();
    let mut caller = worker("caller", "c1", "return env.PLAIN.fetch('https://x/about')");
    caller.bindings = vec![binding(
        "PLAIN",
        ServedBinding::Service { script: "plain".into(), entrypoint: None, props: None },
    )];
    world.deploy([web, plain, caller]);
    for (host, path, expected) in [
        ("web.test", "/", "home"),
        ("web.test", "/about", "about"),
        ("web.test", "/api", "api: about"),
        ("web.test", "/nothing", "worker"),
        ("plain.test", "/about", "about"),
        ("plain.test", "/nothing", ""),
        ("caller.test", "/", "about"),
    ] {
        assert_eq!(world.get(host, path).await.text(), expected, "{host}{path}");
    }
}

#[tokio::test]
async fn fetch_reaches_other_hostnames_of_the_cloud_and_nothing_else() {
    let world = World::new().await;
    let asker = worker(
        "asker",
        "a1",
        r#"const seen = await Promise.all(
             ["https://other.test/x", "https://example.com/", "https://asker.test/", "http://127.0.0.1:1/"]
               .map(async (to) => { const got = await fetch(to); return [got.status, await got.text()]; }));
           return Response.json(seen);"#,
    );
    world.deploy([asker, worker("other", "o1", "return new Response(request.url)")]);
    let seen = world.get("asker.test", "/").await.json();
    assert_eq!(seen[0], json!([200, "https://other.test/x"]));
    assert_eq!(seen[1][0], 530);
    assert!(seen[1][1].as_str().unwrap().contains("--outbound internet"), "{seen}");
    assert_eq!(seen[2][0], 502);
    assert_eq!(seen[3][0], 530);
}

#[tokio::test]
async fn kinds_that_do_not_run_here_say_so_only_when_used() {
    let world = World::new().await;
    let mut shop = worker(
        "shop",
        "v1",
        r#"try { env.AI.run("x"); } catch (error) { return new Response(error.message); }"#,
    );
    shop.bindings = vec![binding("AI", ServedBinding::Unsupported { kind: "ai".into() })];
    world.deploy([shop]);
    let answer = world.get("shop.test", "/").await;
    assert_eq!(
        answer.text(),
        "the binding `AI` is of type `ai`, which the local Cloudflare stores but does not run"
    );
}
