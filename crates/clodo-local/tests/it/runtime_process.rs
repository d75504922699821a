//! workerd's life: swaps, crashes, loops, and uploads that are refused.

use crate::support::{ACCOUNT, World, binding, client, module, version, worker};
use bytes::Bytes;
use clodo_types::Secret;
use clodo_workerd::{Handlers, LinkKind, ServedBinding, ValidationError};
use http::Request;
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_generations_are_swapped() {
    let world = World::new().await;
    let hello = |id: &str| worker("hello", id, &format!("return new Response('{id}')"));
    world.deploy([hello("v0")]);
    assert_eq!(world.get("hello.test", "/").await.text(), "v0");
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (stop, done, port) = (Arc::clone(&stop), Arc::clone(&done), world.port);
            tokio::spawn(async move {
                let mut seen = BTreeSet::new();
                while !stop.load(Ordering::Relaxed) {
                    let answer = client::get(port, "hello.test", "/").await;
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    assert_eq!(answer.header("x-clodo-version"), answer.text());
                    seen.insert(answer.text());
                    done.fetch_add(1, Ordering::Relaxed);
                }
                seen
            })
        })
        .collect();
    for n in 1..=6 {
        let id = format!("v{n}");
        world.deploy([hello(&id)]);
        // What was deployed answers the very next request.
        assert_eq!(world.get("hello.test", "/").await.text(), id);
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    assert!(done.load(Ordering::Relaxed) > 50);
}

#[tokio::test]
async fn many_changes_at_once_lead_to_the_last_state() {
    let world = World::new().await;
    for n in 0..50 {
        world.deploy([worker("hello", &format!("v{n}"), &format!("return new Response('{n}')"))]);
    }
    assert_eq!(world.get("hello.test", "/").await.text(), "49");
}

#[tokio::test]
async fn a_split_reaches_every_version_and_a_preview_its_own() {
    let world = World::new().await;
    let of = |id: &str| worker("canary", id, &format!("return new Response('{id}')"));
    let split = vec![("a".to_owned(), 50.0), ("b".to_owned(), 50.0), ("c".to_owned(), 0.0)];
    world.split("canary".into(), split, vec![of("a"), of("b"), of("c"), of("preview")]);
    world.changed();
    let mut seen = BTreeSet::new();
    for _ in 0..60 {
        seen.insert(world.get("canary.test", "/").await.text());
    }
    assert_eq!(seen, BTreeSet::from(["a".to_owned(), "b".to_owned()]));
    assert_eq!(world.get("preview.canary.test", "/").await.text(), "preview");
    let overridden = Request::get("/")
        .header("host", "canary.test")
        .header("cloudflare-workers-version-overrides", "canary=\"c\"");
    assert_eq!(client::send(world.port, overridden, "").await.text(), "c");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_workerd_costs_the_requests_in_flight_and_is_back_for_the_next() {
    let world = World::new().await;
    let slow = "if (url.pathname === '/arrived') return new Response(String(globalThis.arrived)); \
                if (url.pathname === '/slow') { globalThis.arrived = true; \
                await new Promise((done) => setTimeout(done, 30000)); } \
                return new Response('ok')";
    world.deploy([worker("hello", "v1", slow)]);
    assert_eq!(world.get("hello.test", "/").await.text(), "ok");
    let port = world.port;
    let waiting = tokio::spawn(async move { client::get(port, "hello.test", "/slow").await });
    // The request counts as in flight only once workerd has it.
    while world.get("hello.test", "/arrived").await.text() != "true" {}
    for pid in workerds_below(std::process::id()) {
        kill(pid);
    }
    let lost = waiting.await.unwrap();
    assert_eq!(lost.status, 502);
    assert!(lost.text().contains("being started again"), "{}", lost.text());
    assert_eq!(world.get("hello.test", "/").await.text(), "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_loops_keeps_its_neighbours_waiting_for_two_seconds_at_most() {
    let world = World::new().await;
    let quiet = worker("quiet", "v1", "return new Response('quiet')");
    world.deploy([worker("busy", "b1", "for (;;);"), quiet]);
    let patience = world.patience("quiet.test").await;
    let port = world.port;
    let looping = tokio::spawn(async move { client::get(port, "busy.test", "/").await });
    // Asked all the while, so that one of the questions meets the loop whenever it begins.
    let mut longest = Duration::ZERO;
    while !looping.is_finished() {
        let since = tokio::time::Instant::now();
        let answer = world.get("quiet.test", "/").await;
        longest = longest.max(since.elapsed());
        assert!(answer.status == 200 || answer.status == 502, "{}", answer.status);
    }
    // Whether it was the only one at work decides whether it is blamed at once.
    assert!(matches!(looping.await.unwrap().status.as_u16(), 502 | 503));
    assert_eq!(world.get("quiet.test", "/").await.text(), "quiet");
    assert!(longest < patience, "{longest:?} of {patience:?}");
}

#[tokio::test]
async fn an_upload_that_does_not_start_is_refused_in_cloudflares_words() {
    let world = World::new().await;
    for (source, expected) in [
        (
            "export default { fetch() { return new Response('a' + 'bc' } };",
            "Uncaught SyntaxError: missing ) after argument list\n  at index.js:1:53",
        ),
        (
            "const a = 1;\nthrow new TypeError('at the top');",
            "Uncaught TypeError: at the top\n  at index.js:2:7",
        ),
        ("import x from './nope.js'; export default {};", "nope.js"),
    ] {
        let error = world.workers().validate(&version("bad", "v", source)).await.unwrap_err();
        let ValidationError::Script { message } = error else { panic!("{error:?}") };
        assert!(message.contains(expected), "{message}");
    }
    let mut future = version("bad", "v", "export default {};");
    future.compatibility_date = Some("2999-01-01".into());
    let error = world.workers().validate(&future).await.unwrap_err();
    assert!(error.to_string().starts_with("Can't set compatibility date in the future"), "{error}");
    let mut huge = version("bad", "v", "export default {};");
    huge.bindings = vec![binding("S", ServedBinding::Secret(Secret::new("x".repeat(40_000))))];
    assert!(world.workers().validate(&huge).await.is_err());
    let mut missing = version("bad", "v", "");
    missing.main_module = Some("other.js".into());
    let error = world.workers().validate(&missing).await.unwrap_err();
    assert_eq!(error.to_string(), "No such module \"other.js\".");
}

#[tokio::test]
async fn an_upload_that_loops_while_it_starts_is_refused() {
    let world = World::new().await;
    let error = world.workers().validate(&version("bad", "v", "for (;;);")).await.unwrap_err();
    let expected = "Script startup exceeded CPU time limit.".to_owned();
    assert_eq!(error, ValidationError::Script { message: expected });
}

#[tokio::test]
async fn a_check_finds_out_what_the_worker_exports() {
    let world = World::new().await;
    let source = r#"
        import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
        export class Room extends DurableObject { alarm() {} }
        export class Api extends WorkerEntrypoint { fetch() {} secret() {} }
        export const jobs = { queue() {} };
        export const VERSION = 7;
        export default class extends WorkerEntrypoint { fetch() {} scheduled() {} };"#;
    let found = world.workers().validate(&version("w", "v", source)).await.unwrap();
    assert_eq!(found.handlers, ["fetch", "scheduled"]);
    let named = |name: &str, handlers: &[&str]| {
        (name.to_owned(), handlers.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(
        found.named_handlers,
        [named("Api", &["fetch"]), named("Room", &["alarm"]), named("jobs", &["queue"])]
    );
    let mut old = version(
        "w",
        "v",
        "addEventListener('fetch', (event) => event.respondWith(new Response(TEXT)));",
    );
    old.body_part = old.main_module.take();
    old.bindings = vec![binding("TEXT", ServedBinding::Text("from a service worker".into()))];
    let found = world.workers().validate(&old).await.unwrap();
    assert_eq!((found.handlers, found.named_handlers), (vec!["fetch".to_owned()], vec![]));
    world.deploy([old]);
    assert_eq!(world.get("w.test", "/").await.text(), "from a service worker");
    let mut assets_only = version("w", "v", "");
    assets_only.main_module = None;
    assert_eq!(world.workers().validate(&assets_only).await.unwrap(), Handlers::default());
}

#[tokio::test]
async fn one_broken_worker_does_not_keep_its_neighbours_from_being_deployed() {
    let world = World::new().await;
    let mut flagged = worker("flagged", "f1", "return new Response('x')");
    flagged.compatibility_flags = vec!["no_such_flag".into()];
    let broken = version("broken", "b1", "export default {");
    world.deploy([worker("fine", "v1", "return new Response('fine')"), broken, flagged]);
    assert_eq!(world.get("fine.test", "/").await.text(), "fine");
    let answer = world.get("broken.test", "/").await;
    assert_eq!(answer.status, 500);
    assert!(answer.text().contains("SyntaxError"), "{}", answer.text());
    assert!(world.get("flagged.test", "/").await.text().contains("no_such_flag"));
}

#[tokio::test]
async fn exceptions_unknown_hosts_and_other_statuses_are_told_apart() {
    let world = World::new().await;
    let odd = r#"if (url.pathname === "/throw") throw new Error("boom");
                 return new Response("Internal Server Error", { status: 500 });"#;
    world.deploy([worker("odd", "v1", odd)]);
    let thrown = world.get("odd.test", "/throw").await;
    assert_eq!((thrown.status.as_u16(), thrown.header("x-clodo-error")), (500, "1101"));
    let own = world.get("odd.test", "/").await;
    assert_eq!((own.status.as_u16(), own.header("x-clodo-error")), (500, ""));
    let unknown = world.get("nobody.example", "/").await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.text().contains("Deployed Workers: odd"), "{}", unknown.text());
    assert_eq!(world.get("127.0.0.1:1", "/").await.text(), "the API");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_megabytes_stream_both_ways() {
    let world = World::new().await;
    world.deploy([worker("echo", "v1", "return new Response(request.body)")]);
    let sent = Bytes::from((0..20 * 1024 * 1024_u32).map(|n| (n % 251) as u8).collect::<Vec<_>>());
    let request = Request::post("/").header("host", "echo.test");
    let answer = client::send(world.port, request, sent.clone()).await;
    assert_eq!(answer.body.len(), sent.len());
    assert!(answer.body == sent, "the bytes changed on their way");
}

#[tokio::test]
async fn a_worker_sees_the_public_url_and_no_header_of_ours() {
    let world = World::new().await;
    let seen = "return Response.json({ url: request.url, cf: request.cf.colo, \
                headers: Object.fromEntries(request.headers) })";
    world.deploy([worker("seen", "v1", seen)]);
    let request = Request::get("/a%20b?c=d")
        .header("host", "seen.test.localhost:8787")
        .header("x-clodo-res", "smuggled")
        .header("cf-blob", "{\"colo\":\"EVIL\"}")
        .header("connection", "x-hop")
        .header("x-hop", "1");
    let answer = client::send(world.port, request, "").await.json();
    assert_eq!(answer["url"], "https://seen.test/a%20b?c=d");
    assert_eq!(answer["cf"], "LOC");
    let headers = answer["headers"].as_object().unwrap();
    assert_eq!(headers["host"], "seen.test");
    assert_eq!(headers["cf-connecting-ip"], "127.0.0.1");
    for gone in ["x-clodo-res", "cf-blob", "x-hop"] {
        assert!(!headers.contains_key(gone), "{gone}");
    }
}

#[tokio::test]
async fn a_websocket_passes_through() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let world = World::new().await;
    let source = r#"const [client, server] = Object.values(new WebSocketPair());
        server.accept();
        server.addEventListener("message", (event) => server.send("echo " + event.data));
        return new Response(null, { status: 101, webSocket: client });"#;
    world.deploy([worker("ws", "v1", source)]);
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", world.port)).await.unwrap();
    let request = "GET / HTTP/1.1\r\nhost: ws.test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                   sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    // One masked text frame with a mask of zeros.
    stream.write_all(b"\x81\x82\0\0\0\0hi").await.unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(&frame, b"\x81\x07echo hi");
}

#[tokio::test]
async fn everything_works_over_loopback_tcp_as_well() {
    let world = World::with(|options| options.link = LinkKind::Tcp).await;
    let mut shop = worker(
        "shop",
        "v1",
        "return new Response(await (await env.OTHER.fetch('https://x/')).text())",
    );
    let other = ServedBinding::Service { script: "other".into(), entrypoint: None, props: None };
    shop.bindings = vec![binding("OTHER", other)];
    let asks = worker("other", "o1", "return fetch('https://third.test/')");
    let mut third = version("third", "t1", "");
    third.modules = vec![module(
        "index.js",
        "application/javascript+module",
        "export default { fetch() { return new Response('third') } }",
    )];
    world.deploy([shop, asks, third]);
    assert_eq!(world.get("shop.test", "/").await.text(), "third");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn stopping_leaves_no_process_behind() {
    let world = World::new().await;
    world.deploy([worker("hello", "v1", "return new Response('ok')")]);
    assert_eq!(world.get("hello.test", "/").await.text(), "ok");
    let running = workerds_below(std::process::id());
    assert!(!running.is_empty());
    world.engine.stop().await;
    assert_eq!(workerds_below(std::process::id()), Vec::<i32>::new());
    assert!(client::try_send(world.port, Request::get("/"), "").await.is_err());
    world.workers().changed(ACCOUNT);
}

/// Children of a process that run workerd.
#[cfg(target_os = "linux")]
fn workerds_below(parent: u32) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((name, rest)) = stat.rsplit_once(')') else { continue };
        let mut fields = rest.split_whitespace();
        let (state, ppid) = (fields.next(), fields.next());
        let ours = ppid.and_then(|ppid| ppid.parse().ok()) == Some(parent);
        if ours && name.ends_with("(workerd") && state != Some("Z") {
            found.push(pid);
        }
    }
    found
}

#[cfg(target_os = "linux")]
fn kill(pid: i32) {
    let killed = std::process::Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(killed.unwrap().success());
}
