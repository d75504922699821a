//! A Worker that harms its neighbours gets a process of its own.

use crate::support::{World, binding, client, version, worker};
use clodo_workerd::ServedBinding;
use std::time::Duration;
use tokio::time::Instant;

fn calls(script: &str) -> ServedBinding {
    ServedBinding::Service { script: script.to_owned(), entrypoint: None, props: None }
}

/// Asks all the while `busy` goes on, and says how long the slowest answer took.
async fn longest_meanwhile<T>(
    world: &World,
    host: &str,
    busy: &tokio::task::JoinHandle<T>,
) -> Duration {
    let mut longest = Duration::ZERO;
    while !busy.is_finished() {
        let since = Instant::now();
        let _ = world.get(host, "/").await;
        longest = longest.max(since.elapsed());
    }
    longest
}

// conformance: runtime | a Worker that loops keeps others waiting for two seconds at most, once | guessed: two seconds until the process is ended, since workerd alone has no CPU limit as Cloudflare has
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_loops_harms_its_neighbours_once_and_a_slow_one_is_not_blamed() {
    let world = World::with(|options| options.cpu_limit = Duration::from_secs(3)).await;
    let slow =
        "await scheduler.wait(url.pathname === '/slow' ? 8000 : 0); return new Response('slow')";
    world.deploy([
        worker("busy", "b1", "if (url.pathname === '/loop') for (;;); return new Response('b1')"),
        worker("slow", "s1", slow),
        worker("quiet", "q1", "return new Response('quiet')"),
    ]);
    let patience = world.patience("quiet.test").await;
    for host in ["busy.test", "slow.test"] {
        assert_eq!(world.get(host, "/").await.status, 200);
    }
    assert_eq!(world.workers().status().processes, 1);
    let port = world.port;
    let ask = |host: &'static str, path: &'static str| {
        tokio::spawn(async move { client::get(port, host, path).await.status.as_u16() })
    };
    let _waits = ask("slow.test", "/slow");
    let looping = ask("busy.test", "/loop");
    let first = longest_meanwhile(&world, "quiet.test", &looping).await;
    assert!(first < patience, "{first:?} of {patience:?}");
    // Now it has a process of its own, and everyone else is served while it loops again.
    assert_eq!(world.get("quiet.test", "/").await.text(), "quiet");
    assert_eq!(world.get("busy.test", "/").await.text(), "b1");
    let again = ask("busy.test", "/loop");
    let second = longest_meanwhile(&world, "quiet.test", &again).await;
    assert!(second < patience - Duration::from_millis(1_600), "{second:?} of {patience:?}");
    let apart = loop {
        let apart = world.workers().status().apart;
        if !apart.is_empty() {
            break apart;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(apart.len(), 1, "{apart:?}");
    assert_eq!(
        (apart[0].script.as_str(), apart[0].why.as_str()),
        ("busy", "it computed without end")
    );
    assert_eq!(world.get("slow.test", "/").await.text(), "slow");
    // A new version has a clean record.
    world.deploy([worker("busy", "b2", "return new Response('b2')")]);
    assert_eq!(world.get("busy.test", "/").await.text(), "b2");
    world.workers().settled(crate::support::ACCOUNT).await;
}

// conformance: runtime | service bindings of a Worker with a process of its own carry fetch() only | guessed: what is reached and how it is said, since Cloudflare has no such state
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_apart_is_reached_by_fetch_and_says_why_not_by_rpc() {
    let world = World::with(|options| options.cpu_limit = Duration::from_millis(500)).await;
    let api = "import { WorkerEntrypoint } from 'cloudflare:workers';
        export default class extends WorkerEntrypoint {
          fetch(request) { if (request.url.endsWith('/loop')) for (;;); return new Response('api'); }
          name() { return 'rpc'; } }";
    let mut shop = worker(
        "shop",
        "s1",
        "if (url.pathname === '/rpc') {
           try { return new Response(await env.API.name()); } catch (e) { return new Response(e.message); }
         }
         return env.API.fetch(request)",
    );
    shop.bindings = vec![binding("API", calls("api"))];
    world.deploy([
        shop,
        version("api", "a1", api),
        worker("quiet", "q1", "return new Response('q')"),
    ]);
    assert_eq!(world.get("shop.test", "/rpc").await.text(), "rpc");
    assert_eq!(world.get("quiet.test", "/").await.text(), "q");
    // Directly, and by way of its caller, until it was alone with its loop.
    for _ in 0..4 {
        let port = world.port;
        let looping = tokio::spawn(async move { client::get(port, "api.test", "/loop").await });
        let _ = longest_meanwhile(&world, "quiet.test", &looping).await;
        if !world.workers().status().apart.is_empty() {
            break;
        }
    }
    let apart = world.workers().status().apart;
    assert_eq!(apart.iter().map(|one| one.script.as_str()).collect::<Vec<_>>(), ["api"]);
    assert_eq!(world.get("shop.test", "/").await.text(), "api", "fetch passes");
    let said = world.get("shop.test", "/rpc").await.text();
    assert!(said.contains("only fetch() passes") && said.contains("`api`"), "{said}");
}

// conformance: runtime | a Worker that takes too much memory costs its neighbours no request for long | guessed: what counts is the memory of the process, since workerd alone does not hold a Worker to Cloudflare's 128 MB
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_eats_memory_is_put_apart_and_the_others_go_on() {
    let world = World::with(|options| options.memory_limit = 200 * 1024 * 1024).await;
    let eats = "globalThis.kept ??= [];
        for (let n = 0; n < 40; n++) globalThis.kept.push(new Uint8Array(1024 * 1024).fill(1));
        return new Response('ate ' + globalThis.kept.length)";
    world.deploy([
        worker("eats", "e1", eats),
        worker("quiet", "q1", "return new Response('quiet')"),
    ]);
    let patience = world.patience("quiet.test").await;
    let port = world.port;
    let eating = tokio::spawn(async move {
        loop {
            let _ = client::get(port, "eats.test", "/").await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let since = Instant::now();
    let mut longest = Duration::ZERO;
    while world.workers().status().processes < 2 {
        let began = Instant::now();
        let answer = world.get("quiet.test", "/").await;
        assert!(answer.status == 200 || answer.status == 502, "{}", answer.status);
        longest = longest.max(began.elapsed());
        assert!(since.elapsed() < Duration::from_secs(60), "it was never put apart");
    }
    assert!(longest < patience, "{longest:?} of {patience:?}");
    assert_eq!(world.get("quiet.test", "/").await.text(), "quiet");
    eating.abort();
}

// conformance: runtime | a Worker that crashes the runtime is put apart | guessed: what is reached and how it is said, since Cloudflare has no such state
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_ends_the_process_is_put_apart() {
    let world = World::with(|options| {
        options.v8_flags = vec!["--max-old-space-size=64".into()];
        options.memory_limit = u64::MAX;
    })
    .await;
    let crash = "if (url.pathname !== '/crash') return new Response('fine');
        const all = []; for (;;) all.push({ n: all.length, text: 'x' + all.length });";
    world.deploy([
        worker("crash", "c1", crash),
        worker("quiet", "q1", "return new Response('quiet')"),
    ]);
    let patience = world.patience("quiet.test").await;
    assert_eq!(world.get("crash.test", "/").await.text(), "fine");
    for _ in 0..2 {
        let port = world.port;
        let crashing = tokio::spawn(async move { client::get(port, "crash.test", "/crash").await });
        let longest = longest_meanwhile(&world, "quiet.test", &crashing).await;
        assert!(longest < patience, "{longest:?} of {patience:?}");
        assert!(crashing.await.unwrap().status.is_server_error());
        assert_eq!(world.get("quiet.test", "/").await.text(), "quiet");
        assert_eq!(world.get("crash.test", "/").await.text(), "fine");
    }
}
