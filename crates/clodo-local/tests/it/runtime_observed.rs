//! What the engine tells of the Workers that run: invocations always, traces when asked.

use crate::support::{ACCOUNT, World, client, version, worker};
use clodo_types::Timestamp;
use clodo_workerd::{Invoked, Outcome, ScheduledEvent, Tails};
use http::Request;
use serde_json::Value;

/// Waits until `look` finds something.
async fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), looking).await.unwrap()
}

async fn tail(world: &World, script: &str, tails: Tails) {
    world.shelf.generation.lock().unwrap().tails.insert(script.into(), tails);
    world.changed();
    world.workers().settled(ACCOUNT).await;
}

fn observed() -> Tails {
    Tails { observed: true, consumers: Vec::new() }
}

async fn traces(world: &World, count: usize) -> Vec<(String, String, Value)> {
    let seen = until(|| {
        let mut seen = Vec::new();
        for (script, version, events) in world.observer.traces() {
            let events: Vec<Value> = serde_json::from_slice(&events).unwrap();
            seen.extend(events.into_iter().map(|event| (script.clone(), version.clone(), event)));
        }
        (seen.len() >= count).then_some(seen)
    });
    seen.await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_that_reached_a_worker_is_told_once_with_how_it_ended() {
    let world = World::new().await;
    let code = "if (url.pathname === '/throw') throw new Error('boom'); \
                return new Response('hello', { status: url.pathname === '/404' ? 404 : 200 })";
    world.deploy([worker("hello", "v1", code)]);
    for path in ["/", "/404", "/throw"] {
        let _ = world.get("hello.test", path).await;
    }
    let _ = world.get("nobody.test", "/").await;
    let seen = until(|| Some(world.observer.invocations()).filter(|seen| seen.len() >= 3)).await;
    let of = |outcome, status, response_bytes| Invoked {
        script: "hello".into(),
        version_id: "v1".into(),
        outcome,
        status: Some(status),
        response_bytes,
    };
    assert_eq!(
        seen,
        [
            of(Outcome::Success, 200, 5),
            of(Outcome::Success, 404, 5),
            of(Outcome::ScriptThrewException, 500, 0),
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_early_is_told_as_such() {
    let world = World::new().await;
    let code = "globalThis.here ??= 0; \
                if (url.pathname === '/here') return new Response(String(globalThis.here)); \
                globalThis.here += 1; \
                await new Promise((done) => setTimeout(done, 60000)); return new Response()";
    world.deploy([worker("slow", "v1", code)]);
    let port = world.port;
    let waiting = tokio::spawn(async move { client::get(port, "slow.test", "/").await });
    while world.get("slow.test", "/here").await.text().parse::<u32>().unwrap() < 1 {}
    waiting.abort();
    let left = |seen: Vec<Invoked>| {
        seen.into_iter().find(|one| one.outcome == Outcome::ClientDisconnected)
    };
    let left = until(|| left(world.observer.invocations())).await;
    assert_eq!((left.script.as_str(), left.status, left.response_bytes), ("slow", None, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_worker_that_somebody_tails_is_traced_and_from_the_next_request_on() {
    let world = World::new().await;
    let code = "console.log('seen', url.pathname); return new Response('ok')";
    world.deploy([worker("quiet", "q1", code), worker("tailed", "t1", code)]);
    let _ = world.get("tailed.test", "/before").await;
    tail(&world, "tailed", observed()).await;
    let _ = world.get("quiet.test", "/").await;
    let _ = world.get("tailed.test", "/after").await;
    let (script, version, event) = traces(&world, 1).await.remove(0);
    assert_eq!((script.as_str(), version.as_str()), ("tailed", "t1"));
    assert_eq!(event["logs"][0]["message"], serde_json::json!(["seen", "/after"]));
    assert_eq!(event["event"]["request"]["url"], "https://tailed.test/after");
    assert_eq!(
        (&event["outcome"], &event["event"]["response"]["status"]),
        (&"ok".into(), &200.into())
    );
    tail(&world, "tailed", Tails::default()).await;
    let _ = world.get("tailed.test", "/later").await;
    assert_eq!(world.observer.traces().len(), 1);
}

// conformance: runtime | tail workers (`tail_consumers`): `tail()` with scriptName and scriptVersion | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_worker_hears_whose_traces_it_gets_whatever_its_syntax() {
    let world = World::new().await;
    let producer = "if (url.pathname === '/throw') throw new TypeError('boom'); \
                    console.log('made'); return new Response('ok')";
    let tell = "const [e] = events; globalThis.got = [...(globalThis.got ?? []), \
                [e.scriptName, e.scriptVersion?.id, e.outcome, e.exceptions[0]?.message, e.logs.length]]";
    let object = format!(
        "export default {{ async fetch() {{ return Response.json(globalThis.got ?? []) }}, \
         async tail(events) {{ {tell} }} }}"
    );
    let class = format!(
        "import {{ WorkerEntrypoint }} from 'cloudflare:workers'; \
         export default class extends WorkerEntrypoint {{ \
         fetch() {{ return Response.json(globalThis.got ?? []) }} tail(events) {{ {tell} }} }}"
    );
    world.deploy([
        worker("shop", "s1", producer),
        version("object", "o1", &object),
        version("class", "c1", &class),
        worker("deaf", "d1", "return new Response('no tail() here')"),
    ]);
    let consumers = ["object", "class", "deaf", "missing"].map(str::to_owned).into();
    tail(&world, "shop", Tails { observed: false, consumers }).await;
    assert_eq!(world.get("shop.test", "/").await.text(), "ok");
    assert_eq!(world.get("shop.test", "/throw").await.status, 500);
    for consumer in ["object.test", "class.test"] {
        let got = loop {
            let got = world.get(consumer, "/").await.json();
            if got.as_array().is_some_and(|got| got.len() >= 2) {
                break got;
            }
        };
        let expected = serde_json::json!([
            ["shop", "s1", "ok", null, 1],
            ["shop", "s1", "exception", "boom", 0],
        ]);
        assert_eq!(got, expected, "{consumer}");
    }
    assert!(world.observer.traces().is_empty(), "nobody observes");
    assert_eq!(world.get("deaf.test", "/").await.text(), "no tail() here");
}

// conformance: front | error pages 1101 and 1019 as HTML, JSON or text, with `cf-ray` | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_have_cloudflares_numbers_in_the_form_that_is_asked_for() {
    let world = World::new().await;
    world.deploy([
        worker("bad", "v1", "throw new Error('secret of the code')"),
        worker("good", "v2", "return new Response(request.headers.get('cf-ray'))"),
        worker("ping", "v3", "return fetch(new Request('https://pong.test/', request))"),
        worker("pong", "v4", "return fetch(new Request('https://ping.test/', request))"),
    ]);
    let good = world.get("good.test", "/").await;
    assert_eq!(good.header("cf-ray"), good.text());
    let as_text = world.get("bad.test", "/").await;
    assert_eq!((as_text.status.as_u16(), as_text.header("x-clodo-error")), (500, "1101"));
    assert!(as_text.text().starts_with("error code: 1101\n"), "{}", as_text.text());
    assert!(!as_text.text().contains("secret of the code"));
    let asked = Request::get("/").header("host", "bad.test").header("accept", "application/json");
    let as_json = client::send(world.port, asked, "").await;
    assert_eq!(as_json.json()["error_code"], 1101);
    assert_eq!(as_json.json()["ray_id"], as_json.header("cf-ray"));
    let looped = world.get("ping.test", "/").await;
    assert_eq!(looped.status, 508);
    assert!(looped.text().starts_with("error code: 1019\n"), "{}", looped.text());
}

#[tokio::test]
async fn a_cron_run_is_an_invocation_and_leaves_a_trace() {
    let world = World::new().await;
    let code = "export default { fetch() { return new Response() }, \
                scheduled(controller) { if (controller.cron === 'bad') throw new Error('no') } }";
    world.deploy_for_events([version("clock", "v1", code)]);
    tail(&world, "clock", observed()).await;
    let scheduled_time = Timestamp::from_millis(1_790_000_040_000);
    for cron in ["good", "bad"] {
        let event = ScheduledEvent { cron: cron.into(), scheduled_time };
        world.engine.dispatch().scheduled(ACCOUNT, "clock", &event).await.unwrap();
    }
    let seen = world.observer.invocations();
    let outcomes: Vec<_> = seen.iter().map(|one| (one.outcome, one.status)).collect();
    assert_eq!(outcomes, [(Outcome::Success, None), (Outcome::ScriptThrewException, None)]);
    let traces = traces(&world, 2).await;
    assert_eq!(traces[1].2["event"]["cron"], "bad", "{traces:?}");
    assert_eq!(traces[1].2["outcome"], "exception");
}

// conformance: front | error page 1102 for a Worker that was ended for its time or memory | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_loops_alone_exceeds_its_resources() {
    let world = World::new().await;
    world.deploy([worker("busy", "v1", "for (;;);")]);
    let lost = world.get("busy.test", "/").await;
    assert_eq!((lost.status.as_u16(), lost.header("x-clodo-error")), (503, "1102"));
    assert!(lost.text().starts_with("error code: 1102\n"), "{}", lost.text());
    let seen = until(|| world.observer.invocations().pop()).await;
    assert_eq!((seen.outcome, seen.status), (Outcome::ExceededResources, Some(503)));
}
