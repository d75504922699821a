//! A process with Durable Objects: never two of them at once, and a start that failed is repeated.

use crate::support::{World, binding, client, space, version};
use clodo_workerd::{ServedBinding, ServedVersion};
use std::time::Duration;
use tokio::time::Instant;

/// A Worker that says which process it runs in, and eats memory or waits in an object when asked.
fn worker(id: &str) -> ServedVersion {
    let source = r#"import { DurableObject } from "cloudflare:workers";
        let me;
        const kept = [];
        export class Counter extends DurableObject {
          async fetch(request) {
            me ??= crypto.randomUUID();
            const path = new URL(request.url).pathname;
            if (path === "/eat") {
              for (let n = 0; n < 40; n++) kept.push(new Uint8Array(1024 * 1024).fill(1));
            }
            if (path === "/wait") await scheduler.wait(60_000);
            return new Response(me);
          }
        }
        export default { fetch: (request, env) =>
          env.COUNTER.get(env.COUNTER.idFromName("a")).fetch(request) };"#;
    let mut version = version("count", id, source);
    let counter = ServedBinding::DurableObject {
        class_name: "Counter".into(),
        script_name: None,
        namespace_id: None,
    };
    version.bindings = vec![binding("COUNTER", counter)];
    version
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_outgrew_its_memory_is_closed_before_it_is_opened_again() {
    let world = World::with(|options| options.memory_limit = 200 * 1024 * 1024).await;
    world.namespaces([space("c0", "count", "Counter")]);
    world.deploy([worker("v1")]);
    let first = world.get("count.test", "/").await.text();
    assert_eq!(first.len(), 36, "{first}");
    let port = world.port;
    let waits = tokio::spawn(async move {
        let answer = client::get(port, "count.test", "/wait").await;
        (answer.status.as_u16(), Instant::now())
    });
    let since = Instant::now();
    let other = loop {
        let answer = world.get("count.test", "/eat").await;
        if answer.status == 200 && answer.text() != first {
            break Instant::now();
        }
        assert!(since.elapsed() < Duration::from_secs(45), "it was never replaced");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let (status, at) = waits.await.unwrap();
    assert!(status >= 500, "whoever waited in the old process is told, and does not wait on");
    assert!(at < other, "two processes had the same object");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_failed_is_tried_again_without_a_deploy() {
    let world = World::new().await;
    world.namespaces([space("c0", "count", "Counter")]);
    world.deploy([worker("v1")]);
    assert_eq!(world.get("count.test", "/").await.status, 200);
    // Its objects' folder is out of reach when the next process is to open it.
    let (folder, aside) = (world.folder.path().join("do"), world.folder.path().join("aside"));
    std::fs::rename(&folder, &aside).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    world.deploy([worker("v2")]);
    let failed = world.get("count.test", "/").await;
    assert!(failed.text().contains("cannot be used"), "{} {}", failed.status, failed.text());
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&aside, &folder).unwrap();
    let since = Instant::now();
    while world.get("count.test", "/").await.status != 200 {
        assert!(since.elapsed() < Duration::from_secs(45), "it was never tried again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
