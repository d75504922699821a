//! Workers run when they are asked for; many changes cost little; versions are drawn.

use crate::support::{World, assets, binding, client, version, worker};
use clodo_workerd::{Outcome, ServedBinding, ServedVersion, ValidationError};
use http::Request;
use std::{collections::BTreeSet, time::Duration};
use tokio::time::Instant;

fn calls(script: &str, entrypoint: Option<&str>) -> ServedBinding {
    let entrypoint = entrypoint.map(str::to_owned);
    ServedBinding::Service { script: script.to_owned(), entrypoint, props: None }
}

fn hello(name: &str) -> ServedVersion {
    worker(name, &format!("{name}-1"), &format!("return new Response('{name}')"))
}

// conformance: runtime | Workers run from their first request on | guessed: a Worker runs from its first request on, since what Cloudflare does inside is not observable
#[tokio::test]
async fn nothing_runs_until_it_is_asked_for() {
    let world = World::new().await;
    let mut shop = worker("shop", "s1", "return env.STOCK.fetch('https://x/')");
    shop.bindings = vec![binding("STOCK", calls("stock", None))];
    world.deploy([shop, hello("stock")]);
    world.deploy((0..200).map(|n| hello(&format!("idle{n:03}"))));
    world.workers().settled(crate::support::ACCOUNT).await;
    assert_eq!(world.workers().status().processes, 0);
    assert_eq!(world.get("shop.test", "/").await.text(), "stock", "and what it reaches");
    assert_eq!(world.workers().status().processes, 1);
    for n in [7, 150, 33] {
        let name = format!("idle{n:03}");
        assert_eq!(world.get(&format!("{name}.test"), "/").await.text(), name);
    }
    assert_eq!(world.workers().status().processes, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_are_asked_for_at_once_start_together_in_few_processes() {
    let world = World::new().await;
    world.deploy((0..60).map(|n| hello(&format!("w{n:02}"))));
    let port = world.port;
    let asking: Vec<_> = (0..60)
        .map(|n| {
            tokio::spawn(async move {
                let answer = client::get(port, &format!("w{n:02}.test"), "/").await;
                assert_eq!(answer.text(), format!("w{n:02}"));
            })
        })
        .collect();
    for one in asking {
        one.await.unwrap();
    }
    assert_eq!(world.workers().status().processes, 3, "24 Workers share a process");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_that_are_checked_together_are_judged_one_by_one() {
    let world = World::new().await;
    let source = |n: usize| match n % 5 {
        1 => "export default {".to_owned(),
        2 => "throw new TypeError('at the top');".to_owned(),
        _ => format!("export default {{ fetch() {{}} }}; export const n{n} = {{ queue() {{}} }};"),
    };
    let workers = world.workers();
    let checks = (0..20).map(|n| {
        let (workers, upload) = (workers.clone(), version("w", &format!("v{n}"), &source(n)));
        tokio::spawn(async move { workers.validate(&upload).await })
    });
    for (n, check) in checks.collect::<Vec<_>>().into_iter().enumerate() {
        let outcome = check.await.unwrap();
        match n % 5 {
            1 | 2 => {
                let wanted = if n % 5 == 1 { "SyntaxError" } else { "TypeError: at the top" };
                let Err(ValidationError::Script { message }) = outcome else {
                    panic!("{outcome:?}")
                };
                assert!(message.contains(wanted) && message.contains("index.js:1"), "{message}");
            }
            _ => {
                let found = outcome.unwrap();
                assert_eq!(found.handlers, ["fetch"]);
                assert_eq!(found.named_handlers, [(format!("n{n}"), vec!["queue".to_owned()])]);
            }
        }
    }
}

// conformance: runtime | a service binding draws among the versions of a gradual deployment | documented
#[tokio::test]
async fn a_service_binding_draws_a_version_for_fetch_and_for_rpc() {
    let world = World::new().await;
    let api = |id: &str| {
        let source = format!(
            "import {{ WorkerEntrypoint }} from 'cloudflare:workers';
             export default class extends WorkerEntrypoint {{
               fetch() {{ return new Response('{id}'); }} name(n) {{ return '{id}' + n; }} }}
             export class Named extends WorkerEntrypoint {{ name(n) {{ return 'named {id}' + n; }} }}"
        );
        version("api", id, &source)
    };
    let split = vec![("a".to_owned(), 50.0), ("b".to_owned(), 50.0)];
    world.split("api".into(), split, vec![api("a"), api("b")]);
    let mut shop = worker(
        "shop",
        "s1",
        "if (url.pathname === '/rpc') return new Response(await env.API.name(7));
         if (url.pathname === '/named') return new Response(await env.NAMED.name(7));
         return env.API.fetch(request)",
    );
    shop.bindings =
        vec![binding("API", calls("api", None)), binding("NAMED", calls("api", Some("Named")))];
    world.deploy([shop]);
    for (path, first, second) in
        [("/", "a", "b"), ("/rpc", "a7", "b7"), ("/named", "named a7", "named b7")]
    {
        let mut seen = BTreeSet::new();
        for _ in 0..40 {
            seen.insert(world.get("shop.test", path).await.text());
        }
        assert_eq!(seen, BTreeSet::from([first.to_owned(), second.to_owned()]), "{path}");
    }
    // A key means the same version at the front and behind a binding.
    for user in 0..8 {
        let ask = async |host: &str| {
            let request = Request::get("/")
                .header("host", host)
                .header("cloudflare-workers-version-key", format!("user-{user}"));
            client::send(world.port, request, "").await.text()
        };
        let direct = ask("api.test").await;
        for _ in 0..3 {
            assert_eq!(ask("shop.test").await, direct);
        }
    }
    let request = Request::get("/")
        .header("host", "shop.test")
        .header("cloudflare-workers-version-overrides", "other=\"x\", api=\"b\"");
    assert_eq!(client::send(world.port, request, "").await.text(), "b");
}

// conformance: runtime | static assets belong to a version | documented
#[tokio::test]
async fn each_version_of_a_split_and_each_preview_has_its_own_assets() {
    let world = World::new().await;
    let with = |id: &str| {
        let mut one = worker("web", id, "return new Response('code')");
        let content = format!("<p>{id}</p>");
        let path = format!("/{id}.html");
        one.assets = Some(assets(&world, &[(&path, &content)]).into());
        one
    };
    let split = vec![("a".to_owned(), 100.0), ("b".to_owned(), 0.0)];
    world.split("web".into(), split, vec![with("a"), with("b"), with("old")]);
    world.changed();
    assert_eq!(world.get("web.test", "/a").await.text(), "<p>a</p>");
    assert_eq!(world.get("web.test", "/old").await.text(), "code");
    assert_eq!(world.get("old.web.test", "/old").await.text(), "<p>old</p>");
    let request = Request::get("/b")
        .header("host", "web.test")
        .header("cloudflare-workers-version-overrides", "web=\"b\"");
    let answer = client::send(world.port, request, "").await;
    assert_eq!((answer.text().as_str(), answer.header("x-clodo-version")), ("<p>b</p>", "b"));
}

// conformance: runtime | a Worker's own port (`--port-per-worker`) | guessed: a port serves one Worker at every path, since only the local Cloudflare has such ports
#[tokio::test]
async fn a_worker_has_the_same_port_again_and_its_headers_are_clean_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ports.json");
    let seen = "return Response.json({ url: request.url, \
                headers: Object.fromEntries(request.headers) }, { headers: { 'x-clodo-key': 'x' } })";
    let mut before = None;
    for _ in 0..2 {
        let file = file.clone();
        let world = World::with(move |options| options.ports = Some(file)).await;
        world.deploy([worker("seen", "v1", seen), hello("other")]);
        let port = loop {
            let ports = world.workers().status().ports;
            if let Some(own) = ports.iter().find(|own| own.script == "seen") {
                break own.port;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(*before.get_or_insert(port), port);
        let request = Request::get("/a?b")
            .header("host", format!("127.0.0.1:{port}"))
            .header("x-clodo-res", "smuggled")
            .header("cf-blob", "{}");
        let answer = client::send(port, request, "").await;
        assert_eq!((answer.header("x-clodo-version"), answer.header("x-clodo-key")), ("v1", ""));
        let told = answer.json();
        assert_eq!(told["url"], format!("http://127.0.0.1:{port}/a?b"));
        assert_eq!(told["headers"]["x-clodo-res"], serde_json::Value::Null);
        assert_eq!(told["headers"]["cf-blob"], serde_json::Value::Null);
        let posted =
            client::send(port, Request::post("/").header("host", "any.test"), "body").await;
        assert_eq!(posted.status, 200);
        // The next version at the same port; then the Worker is gone, and its port with it.
        world.deploy([worker("seen", "v2", "return new Response('v2')")]);
        assert_eq!(client::get(port, "x", "/").await.text(), "v2");
        world.shelf.generation.lock().unwrap().live.remove("seen");
        world.changed();
        while client::try_send(port, Request::get("/"), "").await.is_ok() {
            tokio::task::yield_now().await;
        }
        world.engine.stop().await;
    }
}

async fn own_port(world: &World, script: &str) -> u16 {
    loop {
        let ports = world.workers().status().ports;
        if let Some(own) = ports.iter().find(|own| own.script == script) {
            return own.port;
        }
        tokio::task::yield_now().await;
    }
}

/// Sends the bytes and reads until the server closes.
async fn raw(port: u16, bytes: &[u8]) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard).await;
    String::from_utf8_lossy(&heard).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_its_own_port_a_worker_answers_as_at_its_hostname() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ports.json");
    let world = World::with(move |options| options.ports = Some(file)).await;
    let source = r#"
        if (url.pathname === "/throw") throw new Error("boom");
        if (url.pathname === "/empty") return new Response(null, { status: 204 });
        if (url.pathname === "/stream") {
            const { readable, writable } = new TransformStream();
            const writer = writable.getWriter();
            ctx.waitUntil((async () => {
                for (let n = 0; n < 300; n++) await writer.write(new TextEncoder().encode("x".repeat(n)));
                await writer.close();
            })());
            return new Response(readable);
        }
        if (request.method === "POST") return new Response(request.body);
        return new Response("hello", { headers: { "x-clodo-evil": "1", "keep-alive": "timeout=9" } });"#;
    world.deploy([worker("shop", "v1", source)]);
    let port = own_port(&world, "shop").await;
    for path in ["/", "/empty", "/stream", "/throw"] {
        let there = world.get("shop.test", path).await;
        let here = client::get(port, "shop.test", path).await;
        assert_eq!((here.status, &here.body), (there.status, &there.body), "{path}");
        for gone in ["x-clodo-evil", "keep-alive"] {
            assert_eq!(here.header(gone), "", "{path}");
        }
        for same in ["x-clodo-version", "x-clodo-error", "content-type"] {
            assert_eq!(here.header(same), there.header(same), "{path} {same}");
        }
    }
    // Several on one connection, then one that has a body.
    let many = "GET / HTTP/1.1\r\nhost: a\r\n\r\nGET /stream HTTP/1.1\r\nhost: a\r\n\r\n\
                POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\nconnection: close\r\n\r\nlast";
    let heard = raw(port, many.as_bytes()).await;
    assert_eq!(heard.matches("HTTP/1.1 200 OK").count(), 3, "{heard}");
    assert!(heard.ends_with("last"), "{heard}");
    let head = raw(port, b"HEAD / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
    for bad in
        [&b"GET / HTTP/1.1\r\nhost : a\r\n\r\n"[..], b"\0\0\0\0\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"]
    {
        let heard = raw(port, bad).await;
        assert!(heard.is_empty() || heard.starts_with("HTTP/1.1 4"), "{heard}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_at_an_own_port_fails_while_versions_are_swapped() {
    use http_body_util::{BodyExt as _, Empty};
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ports.json");
    let world = World::with(move |options| options.ports = Some(file)).await;
    let of = |id: &str| worker("hello", id, &format!("return new Response('{id}')"));
    world.deploy([of("v0")]);
    let port = own_port(&world, "hello").await;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let stop = stop.clone();
            tokio::spawn(async move {
                let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let stream = hyper_util::rt::TokioIo::new(stream);
                let (mut sender, connection) =
                    hyper::client::conn::http1::handshake(stream).await.unwrap();
                tokio::spawn(connection);
                let mut done = 0;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let request = Request::get("/").header("host", "x");
                    let request = request.body(Empty::<bytes::Bytes>::new()).unwrap();
                    sender.ready().await.unwrap();
                    let answer = sender.send_request(request).await.unwrap();
                    assert_eq!(answer.status(), 200);
                    let version = answer.headers()["x-clodo-version"].clone();
                    let body = answer.into_body().collect().await.unwrap().to_bytes();
                    assert_eq!(body, version.as_bytes());
                    done += 1;
                }
                done
            })
        })
        .collect();
    for n in 1..=6 {
        let id = format!("v{n}");
        world.deploy([of(&id)]);
        assert_eq!(client::get(port, "x", "/").await.text(), id);
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut done = 0;
    for client in clients {
        done += client.await.unwrap();
    }
    assert!(done > 50, "{done}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_its_own_port_a_client_that_leaves_is_noticed_while_nothing_is_sent() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ports.json");
    let world = World::with(move |options| options.ports = Some(file)).await;
    let source = "if (url.pathname === '/wait') await scheduler.wait(60_000); \
                  const { readable, writable } = new TransformStream(); \
                  const writer = writable.getWriter(); \
                  ctx.waitUntil((async () => { \
                  await writer.write(new TextEncoder().encode('begun')); \
                  await scheduler.wait(60_000); await writer.close(); })()); \
                  return new Response(readable)";
    world.deploy([worker("slow", "v1", source)]);
    let port = own_port(&world, "slow").await;
    for (path, begun) in [("/wait", false), ("/stream", true)] {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: slow.test\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        if begun {
            let mut heard = Vec::new();
            while !heard.ends_with(b"begun\r\n") {
                assert_ne!(stream.read_buf(&mut heard).await.unwrap(), 0);
            }
        }
        drop(stream);
    }
    let since = Instant::now();
    let left = |world: &World| {
        let seen = world.observer.invocations();
        seen.iter().filter(|one| one.outcome == Outcome::ClientDisconnected).count()
    };
    while left(&world) < 2 {
        assert!(since.elapsed() < Duration::from_secs(30), "{:?}", world.observer.invocations());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_its_own_port_a_worker_that_breaks_off_is_not_taken_for_a_client_that_left() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ports.json");
    let world = World::with(move |options| options.ports = Some(file)).await;
    let source = "let pulled = 0; return new Response(new ReadableStream({ async pull(stream) { \
                  if (pulled++) { await scheduler.wait(1); throw new Error('no more'); } \
                  stream.enqueue(new TextEncoder().encode('begun')); } }))";
    world.deploy([worker("broken", "v1", source)]);
    let port = own_port(&world, "broken").await;
    let heard = raw(port, b"GET / HTTP/1.1\r\nhost: broken.test\r\n\r\n").await;
    assert!(heard.contains("200 OK") && !heard.ends_with("0\r\n\r\n"), "{heard}");
    let seen = world.observer.invocations();
    let outcomes: Vec<_> = seen.iter().map(|one| (one.outcome, one.status)).collect();
    assert_eq!(outcomes, [(Outcome::ScriptThrewException, Some(200))]);
}
