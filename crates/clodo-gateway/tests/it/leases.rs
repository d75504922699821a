use crate::world::{World, asks, ok, read, streamed, unshared};
use clodo_gateway::{
    BudgetCap, GatewayOptions, LEASE_HEADER, LEASE_REFUSED, LEASES_PATH, LeaseNote, LeaseStatus,
    ThingKind,
};
use clodo_http::{Answer, Body, TransportKind};
use clodo_types::{Clock as _, Timestamp};
use http::{Method, Request, StatusCode};
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const SHOP: &str = "/accounts/a1/workers/scripts/shop";
const DATABASE: &str = "/accounts/a1/d1/database/db/query";
const TTL: Duration = Duration::from_secs(30);
/// 2026-01-31T12:00:00Z.
const NOON: i64 = 1_769_860_800_000;

fn world() -> World {
    of(unshared())
}

fn of(options: GatewayOptions) -> World {
    let world = World::answering(options, |_| ok());
    world.clock.set(Timestamp::from_millis(NOON));
    world
}

/// A lease that was granted or renewed just now.
fn lease(world: &World, name: &str, number: u64) -> LeaseNote {
    let until = Timestamp::from_millis(world.clock.now().as_millis() + 30_000);
    LeaseNote::new(name, number, until, format!("laptop:4{number}:99")).with_store("s1")
}

fn writes(path: &str, note: Option<&LeaseNote>, body: Body) -> Request<Body> {
    let mut request = asks(Method::PUT, path).body(body).unwrap();
    if path.ends_with("/query") {
        *request.method_mut() = Method::POST;
    }
    if let Some(note) = note {
        request.headers_mut().insert(LEASE_HEADER, note.to_header());
    }
    request
}

async fn write(world: &World, path: &str, note: Option<&LeaseNote>) -> (u16, String) {
    read(world.send(writes(path, note, Body::from("{}"))).await).await
}

async fn says(world: &World, method: Method, note: &LeaseNote) -> u16 {
    let request = Request::builder().method(method).uri(LEASES_PATH).header("host", "localhost");
    let request = request.header(LEASE_HEADER, note.to_header()).body(Body::empty()).unwrap();
    read(world.send(request).await).await.0
}

/// The answer to a write that is refused for a lease; it was not sent.
#[track_caller]
fn refused(world: &World, before: usize, (status, text): &(u16, String), word: &str) -> String {
    let answer: Value = serde_json::from_str(text).unwrap();
    assert_eq!(*status, 409, "{text}");
    assert_eq!(answer["errors"][0]["code"], LEASE_REFUSED);
    assert_eq!(world.asked(), before, "it was sent");
    assert_eq!(world.log.lines().last().unwrap().refused, Some(word), "{text}");
    answer["errors"][0]["message"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn the_lease_stays_in_the_gateway_and_its_writes_pass() {
    let world = world();
    let own = lease(&world, "deploy/shop", 1);
    for path in [SHOP, DATABASE, "/zones/z/workers/routes", "/accounts/a1/workers/assets/upload"] {
        assert_eq!(write(&world, path, Some(&own)).await.0, 200, "{path}");
    }
    let read = asks(Method::GET, SHOP).header(LEASE_HEADER, "no lease at all");
    assert_eq!(world.send(read.body(Body::empty()).unwrap()).await.status(), 200);
    assert_eq!(world.asked(), 5);
    let leaked =
        world.upstream.asked().iter().any(|asked| asked.headers().contains_key(LEASE_HEADER));
    assert!(!leaked);
}

#[tokio::test(start_paused = true)]
async fn a_header_that_names_no_lease_is_refused_with_a_reason() {
    let world = world();
    for (header, says) in [
        (&b""[..], "`until` is missing"),
        (b"n; number=1; until=1", "`holder` is missing"),
        (b"n; number=1; number=2; until=1; holder=h", "`number` is given twice"),
        (b"n\xff; number=1; until=1; holder=h", "must be percent-encoded"),
        (&[b'x'; 9000], "longer than 2048 bytes"),
    ] {
        let request = asks(Method::PUT, SHOP).header(LEASE_HEADER, header);
        let answer = world.send(request.body(Body::from("{}")).unwrap()).await;
        assert_eq!(answer.headers()["x-clodo-error"], "bad_lease");
        let (status, text) = read(answer).await;
        assert_eq!(status, 400);
        assert!(text.contains(says) && text.contains("9900402"), "{text}");
    }
    let own = lease(&world, "deploy/shop", 1).to_header();
    let twice = asks(Method::PUT, SHOP).header(LEASE_HEADER, &own).header(LEASE_HEADER, &own);
    let (status, text) = read(world.send(twice.body(Body::empty()).unwrap()).await).await;
    assert!(status == 400 && text.contains("more than one lease"), "{text}");
    assert_eq!(world.asked(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_over_writes_nothing_anywhere() {
    let world = world();
    let (old, new) = (lease(&world, "deploy/shop", 7), lease(&world, "deploy/shop", 8));
    assert_eq!(write(&world, SHOP, Some(&old)).await.0, 200);
    // That a newer one was granted is enough: it need not have written anything.
    assert_eq!(says(&world, Method::PUT, &new).await, 200);
    for path in [SHOP, DATABASE, "/accounts/a1/queues"] {
        let message =
            refused(&world, 1, &write(&world, path, Some(&old)).await, "lease_superseded");
        assert_eq!(
            message,
            "clodo-gateway: lease `deploy/shop` number 7 is over: process 48 on laptop has number 8, \
             since 2026-01-31T12:00:00.000Z, until 2026-01-31T12:00:30.000Z; nothing was sent"
        );
    }
    assert_eq!(write(&world, SHOP, Some(&new)).await.0, 200);
    assert_eq!(says(&world, Method::DELETE, &new).await, 200);
    let message = refused(&world, 2, &write(&world, SHOP, Some(&new)).await, "lease_released");
    assert!(message.contains("given back at 2026-01-31T12:00:00.000Z"), "{message}");
    let message = refused(&world, 2, &write(&world, SHOP, Some(&old)).await, "lease_superseded");
    assert!(message.contains("given back at"), "{message}");
    let third = lease(&world, "deploy/shop", 9);
    world.clock.advance(TTL);
    refused(&world, 2, &write(&world, SHOP, Some(&third)).await, "lease_expired");
    let renewed = lease(&world, "deploy/shop", 9);
    assert_eq!(write(&world, SHOP, Some(&renewed)).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn one_number_is_one_process_s() {
    let world = world();
    let own = lease(&world, "deploy/shop", 1);
    assert_eq!(write(&world, SHOP, Some(&own)).await.0, 200);
    let mut other = own.clone();
    other.holder = "desktop:1:1".to_owned();
    refused(&world, 1, &write(&world, DATABASE, Some(&other)).await, "lease_superseded");
    // A fresh store counts from 1 again, and says so.
    assert_eq!(says(&world, Method::DELETE, &own).await, 200);
    assert_eq!(write(&world, SHOP, Some(&other.with_store("s2"))).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_ends_while_its_write_waits_for_the_budget_writes_nothing() {
    let budget = BudgetCap::new(1, Duration::from_secs(10)).unwrap();
    for newer in [false, true] {
        let world = of(unshared().with_budget(Some(budget)));
        world.get("/zones").await;
        let own = lease(&world, "deploy/shop", 1);
        let (waited, ()) = tokio::join!(write(&world, SHOP, Some(&own)), async {
            sleep(Duration::from_secs(5)).await;
            match newer {
                true => drop(says(&world, Method::PUT, &lease(&world, "deploy/shop", 2)).await),
                false => world.clock.advance(TTL),
            }
        });
        let word = if newer { "lease_superseded" } else { "lease_expired" };
        refused(&world, 1, &waited, word);
        assert_eq!(world.log.lines().last().unwrap().waited_ms, 10_000);
        // What was let pass and not sent is under way no more.
        assert_eq!(world.gateway.status().budgets[0].under_way, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_lease_holds_is_nobody_else_s_until_it_is_given_back_or_ends() {
    for ends in ["given back", "over"] {
        let world = world();
        let own = lease(&world, "deploy/shop", 3);
        let other = lease(&world, "deploy/blog", 900);
        assert_eq!(write(&world, SHOP, None).await.0, 200, "nobody holds it yet");
        assert_eq!(write(&world, SHOP, Some(&own)).await.0, 200);
        for (path, by) in [
            (SHOP, None),
            (SHOP, Some(&other)),
            ("/accounts/A1/workers/services/sh%6Fp/environments/production/settings", None),
            ("/accounts/a1/workers/workers/shop/versions", None),
            ("/accounts/a1/workers/scripts/shop/deployments?force=true", None),
        ] {
            let message = refused(&world, 2, &write(&world, path, by).await, "lease_held");
            assert_eq!(
                message,
                "clodo-gateway: Worker `shop` is held by process 43 on laptop under lease \
                 `deploy/shop` number 3, since 2026-01-31T12:00:00.000Z, until \
                 2026-01-31T12:00:30.000Z; nothing was sent"
            );
        }
        for path in [
            "/accounts/a1/workers/scripts/blog",
            "/accounts/a2/workers/scripts/shop",
            "/accounts/a1/workers/scripts/shop/tails",
        ] {
            assert_eq!(write(&world, path, None).await.0, 200, "{path}");
        }
        assert_eq!(world.get(SHOP).await.0, 200);
        match ends {
            "over" => world.clock.advance(TTL),
            _ => assert_eq!(says(&world, Method::DELETE, &own).await, 200),
        }
        assert_eq!(write(&world, SHOP, None).await.0, 200, "{ends}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_said_to_last_longer_holds_longer() {
    let world = world();
    assert_eq!(write(&world, SHOP, Some(&lease(&world, "deploy/shop", 1))).await.0, 200);
    for _ in 0..5 {
        world.clock.advance(Duration::from_secs(20));
        assert_eq!(says(&world, Method::PUT, &lease(&world, "deploy/shop", 1)).await, 200);
        refused(&world, 1, &write(&world, SHOP, None).await, "lease_held");
    }
}

#[tokio::test(start_paused = true)]
async fn a_database_that_is_held_can_be_asked_and_not_changed() {
    let world = world();
    let own = lease(&world, "deploy/shop", 1);
    assert_eq!(write(&world, DATABASE, Some(&own)).await.0, 200);
    let asks = async |sql: &str| {
        let body = Body::from(serde_json::json!({ "sql": sql }).to_string());
        read(world.send(writes(DATABASE, None, body)).await).await
    };
    assert_eq!(asks("SELECT name FROM d1_migrations ORDER BY id; SELECT 1").await.0, 200);
    let sent = world.upstream.asked().last().unwrap().body().clone();
    assert_eq!(sent, r#"{"sql":"SELECT name FROM d1_migrations ORDER BY id; SELECT 1"}"#);
    refused(&world, 2, &asks("SELECT 1; DROP TABLE orders").await, "lease_held");
    let chunked = writes(DATABASE, None, streamed(r#"{"sql":"SELECT 1"}"#, false));
    refused(&world, 2, &read(world.send(chunked).await).await, "lease_held");
    assert_eq!(says(&world, Method::DELETE, &own).await, 200);
    assert_eq!(asks("DROP TABLE orders").await.0, 200);
}

/// An upstream that takes ten seconds for what is written by hand or under number 1.
fn slow(options: GatewayOptions) -> World {
    let world = World::answering(options, |asked| match asked.body().as_ref() {
        b"slow" => ok().after(Duration::from_secs(10)),
        b"lost" => Answer::fail(TransportKind::Reset).after(Duration::from_secs(10)),
        b"silent" => Answer::hang(),
        _ => ok(),
    });
    world.clock.set(Timestamp::from_millis(NOON));
    world
}

/// Sends an older write, then a newer one after two seconds; when the newer one was answered.
async fn newer_after(world: &World, path: &str, older: Request<Body>, leaves: bool) -> Duration {
    let (began, new) = (Instant::now(), lease(world, "deploy/shop", 2));
    let (older_world, newer_world) = (world.clone(), world.clone());
    let older = tokio::spawn(async move { older_world.send(older).await });
    let newer = async {
        sleep(Duration::from_secs(1)).await;
        if leaves {
            older.abort();
        }
        sleep(Duration::from_secs(1)).await;
        assert_eq!(write(&newer_world, path, Some(&new)).await.0, 200);
        began.elapsed()
    };
    newer.await
}

#[tokio::test(start_paused = true)]
async fn a_newer_holder_s_write_waits_for_older_ones_that_are_under_way() {
    let ten = Duration::from_secs(10);
    let world = slow(unshared());
    let old = lease(&world, "deploy/shop", 1);
    // What a create makes is not in its path, so any write of the older holder counts.
    let create = writes("/zones/z/workers/routes", Some(&old), Body::from("slow"));
    assert_eq!(newer_after(&world, SHOP, create, false).await, ten);
    assert!(world.log.lines().iter().any(|line| (line.waited_ms, line.upstream_ms) == (8_000, 0)));
    // Also when its client is gone: what was sent goes on, and its end is known.
    let world = slow(unshared());
    let upload = writes(SHOP, Some(&old), Body::from("slow"));
    assert_eq!(newer_after(&world, SHOP, upload, true).await, ten);
    assert_eq!(world.asked(), 2);
    // A write by hand that came before the lease held anything.
    let world = slow(unshared());
    let by_hand = writes(SHOP, None, Body::from("slow"));
    assert_eq!(newer_after(&world, SHOP, by_hand, false).await, ten);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_nobody_knows_the_end_of_is_waited_for_until_its_time_is_over() {
    let options = unshared().with_write_limit(Duration::from_secs(60));
    let world = slow(options.clone());
    let old = lease(&world, "deploy/shop", 1);
    let lost = writes(SHOP, Some(&old), Body::from("lost"));
    assert_eq!(newer_after(&world, SHOP, lost, false).await, Duration::from_secs(60));
    // A stream that broke off was under way until then.
    let world = slow(options);
    let stream = writes(SHOP, Some(&old), streamed("silent", false));
    assert_eq!(newer_after(&world, SHOP, stream, true).await, Duration::from_secs(61));
}

#[tokio::test(start_paused = true)]
async fn writes_of_one_lease_and_of_others_to_other_things_do_not_wait() {
    let two = Duration::from_secs(2);
    let world = slow(unshared());
    let own = writes(
        "/zones/z/workers/routes",
        Some(&lease(&world, "deploy/shop", 2)),
        Body::from("slow"),
    );
    assert_eq!(newer_after(&world, SHOP, own, false).await, two);
    let world = slow(unshared());
    let blog = writes("/accounts/a1/workers/scripts/blog", None, Body::from("slow"));
    assert_eq!(newer_after(&world, SHOP, blog, false).await, two);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_older_writes_too_long_may_come_again() {
    let world = slow(unshared().with_longest_wait(Duration::from_secs(5)));
    let (old, new) = (lease(&world, "deploy/shop", 1), lease(&world, "deploy/shop", 2));
    let under_way = tokio::spawn({
        let (world, silent) = (world.clone(), writes(SHOP, Some(&old), Body::from("silent")));
        async move { world.send(silent).await }
    });
    sleep(Duration::from_secs(1)).await;
    let answer = world.send(writes(SHOP, Some(&new), Body::from("{}"))).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers()["retry-after"], "1");
    assert_eq!(world.asked(), 1);
    under_way.abort();
}

#[tokio::test(start_paused = true)]
async fn a_429_does_not_carry_a_write_past_the_end_of_its_lease() {
    let world = World::answering(unshared(), |_| crate::world::refused(40));
    world.clock.set(Timestamp::from_millis(NOON));
    let own = lease(&world, "deploy/shop", 1);
    let (answer, ()) = tokio::join!(write(&world, SHOP, Some(&own)), async {
        sleep(Duration::from_secs(35)).await;
        world.clock.advance(TTL);
    });
    refused(&world, 1, &answer, "lease_expired");
}

#[tokio::test(start_paused = true)]
async fn only_programs_that_name_a_lease_speak_for_it() {
    let world = world();
    let own = lease(&world, "deploy/shop", 1).to_header();
    let at = |method: Method| Request::builder().method(method).uri(LEASES_PATH);
    let local = |method: Method| at(method).header("host", "127.0.0.1:8790");
    for (request, status) in [
        (at(Method::DELETE).header("host", "evil.test").header(LEASE_HEADER, &own), 403),
        (at(Method::PUT).header(LEASE_HEADER, &own), 403),
        (local(Method::PUT).header("origin", "https://evil.test").header(LEASE_HEADER, &own), 403),
        (local(Method::PUT), 400),
        (local(Method::DELETE).header(LEASE_HEADER, "n; number=x"), 400),
        (local(Method::GET).header(LEASE_HEADER, &own), 405),
        (local(Method::POST).header(LEASE_HEADER, &own), 405),
        (local(Method::PUT).header(LEASE_HEADER, &own), 200),
    ] {
        let shown = format!("{request:?}");
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status().as_u16(), status, "{shown}");
    }
    assert_eq!(world.asked(), 0);
    assert_eq!(world.gateway.status().leases.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_status_shows_who_holds_what() {
    let world = world();
    let own = lease(&world, "deploy/shop", 3);
    write(&world, SHOP, Some(&own)).await;
    world.clock.advance(Duration::from_secs(1));
    write(&world, DATABASE, Some(&own)).await;
    write(&world, "/zones/z/workers/routes", Some(&lease(&world, "deploy/blog", 1))).await;
    let status = world.gateway.status();
    let names: Vec<_> = status.leases.iter().map(|lease| lease.name.as_str()).collect();
    assert_eq!(names, ["deploy/blog", "deploy/shop"]);
    let LeaseStatus { number, holder, since, until, holds, .. } = &status.leases[1];
    assert_eq!((*number, holder.as_str()), (3, "laptop:43:99"));
    assert_eq!(since, "2026-01-31T12:00:00.000Z");
    assert_eq!(until, "2026-01-31T12:00:30.000Z");
    let held: Vec<_> = holds.iter().map(|held| (held.kind, held.name.as_str())).collect();
    assert_eq!(held, [(ThingKind::Worker, "shop"), (ThingKind::Database, "db")]);
    assert_eq!(holds[1].since, "2026-01-31T12:00:01.000Z");
    world.clock.advance(Duration::from_secs(40));
    assert!(world.gateway.status().leases.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_newest_number_is_known_for_a_day_and_then_forgotten() {
    let world = world();
    assert_eq!(says(&world, Method::PUT, &lease(&world, "deploy/shop", 57)).await, 200);
    world.clock.advance(Duration::from_secs(24 * 3600));
    let late = lease(&world, "deploy/shop", 56);
    refused(&world, 0, &write(&world, SHOP, Some(&late)).await, "lease_superseded");
    world.clock.advance(Duration::from_secs(120));
    assert_eq!(write(&world, SHOP, Some(&lease(&world, "deploy/shop", 56))).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_far_ahead_is_noticed_and_teaches_nothing() {
    let world = world();
    let mut far = lease(&world, "deploy/shop", 9);
    far.until = Timestamp::from_millis(NOON + 3_700_000);
    let (status, text) = write(&world, SHOP, Some(&far)).await;
    assert!(status == 400 && text.contains("compare the clocks"), "{text}");
    assert_eq!(write(&world, SHOP, Some(&lease(&world, "deploy/shop", 1))).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn more_names_than_anybody_has_are_not_remembered() {
    let world = world();
    for number in 0..10_000 {
        let name = format!("deploy/{number}");
        assert_eq!(says(&world, Method::PUT, &lease(&world, &name, 1)).await, 200);
    }
    assert_eq!(says(&world, Method::PUT, &lease(&world, "deploy/more", 1)).await, 503);
    assert_eq!(write(&world, SHOP, Some(&lease(&world, "deploy/more", 1))).await.0, 503);
    assert_eq!(write(&world, SHOP, Some(&lease(&world, "deploy/7", 1))).await.0, 200);
    world.clock.advance(Duration::from_secs(25 * 3600));
    assert_eq!(write(&world, SHOP, Some(&lease(&world, "deploy/more", 1))).await.0, 200);
    assert_eq!(world.gateway.status().leases.len(), 1);
}
