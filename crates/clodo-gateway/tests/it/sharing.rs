use crate::world::{World, asks, ok, options, read, unshared, with_budget};
use clodo_gateway::AnswerSource;
use clodo_http::{Answer, Body, Scripted, TransportKind};
use http::{Method, StatusCode};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{advance, sleep},
};

const ACCOUNT: &str = "/accounts/a1/workers/scripts";

/// Answers with a number that grows, after a second.
fn counting() -> Scripted {
    let count = AtomicU64::new(0);
    Scripted::answering(move |_| {
        let body = format!(r#"{{"result":{}}}"#, count.fetch_add(1, Ordering::SeqCst));
        with_budget(Answer::json(StatusCode::OK, body), 1000, 300, "q=1200;w=300")
            .after(Duration::from_secs(1))
    })
}

fn world() -> World {
    World::new(options(), counting())
}

#[tokio::test(start_paused = true)]
async fn equal_reads_at_the_same_time_are_one_call() {
    let world = world();
    let mut all = JoinSet::new();
    for _ in 0..50 {
        let world = world.clone();
        all.spawn(async move { world.get(ACCOUNT).await });
    }
    assert!(all.join_all().await.iter().all(|got| *got == (200, r#"{"result":0}"#.to_owned())));
    assert_eq!(world.asked(), 1);
    let sources = |source| world.log.lines().iter().filter(|line| line.source == source).count();
    assert_eq!((sources(AnswerSource::Upstream), sources(AnswerSource::Shared)), (1, 49));
    assert_eq!(world.gateway.status().budgets[0].calls, 1, "they cost one call of the budget");
}

#[tokio::test(start_paused = true)]
async fn a_read_is_good_for_a_short_time() {
    let world = world();
    world.get(ACCOUNT).await;
    advance(Duration::from_millis(1900)).await;
    let kept = world.send(asks(Method::GET, ACCOUNT).body(Body::empty()).unwrap()).await;
    assert_eq!(kept.headers()["cache-status"], "clodo-gateway; hit");
    assert_eq!(kept.headers()["age"], "1");
    assert!(!kept.headers().contains_key("ratelimit"), "what was said of the budget is old");
    assert_eq!(read(kept).await.1, r#"{"result":0}"#);
    advance(Duration::from_millis(101)).await;
    assert_eq!(world.get(ACCOUNT).await.1, r#"{"result":1}"#);
}

#[tokio::test(start_paused = true)]
async fn nothing_crosses_from_one_token_to_another() {
    let world = world();
    let with = |name, value| world.get_with(ACCOUNT, name, value);
    let (mine, yours, key, cookie) = tokio::join!(
        with("authorization", "Bearer mine"),
        with("authorization", "Bearer yours"),
        with("x-auth-key", "mine"),
        with("cookie", "mine"),
    );
    let mut all = [mine.1, yours.1, key.1, cookie.1];
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3].map(|number| format!(r#"{{"result":{number}}}"#)));
}

#[tokio::test(start_paused = true)]
async fn a_write_makes_the_account_s_reads_untrue_for_every_token() {
    for (method, written, forgotten) in [
        (Method::PUT, "/accounts/a1/workers/scripts/x", true),
        (Method::DELETE, "/accounts/A1/d1/database/y", true),
        (Method::POST, "/accounts/%611/storage/kv/namespaces", true),
        (Method::PATCH, "/zones/z1", true),
        (Method::POST, "/accounts", true),
        (Method::PUT, "/accounts/a2/workers/scripts/x", false),
        (Method::POST, "/graphql", false),
        (Method::HEAD, "/accounts/a1/workers/scripts/x", false),
    ] {
        let world = world();
        let mine = world.get_with(ACCOUNT, "authorization", "Bearer mine").await.1;
        let with = |method: Method| {
            let request = asks(method, written).header("authorization", "Bearer other");
            world.send(request.body(Body::empty()).unwrap())
        };
        drop(with(method.clone()).await);
        let again = world.get_with(ACCOUNT, "authorization", "Bearer mine").await.1;
        assert_eq!(again != mine, forgotten, "{method} {written}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_began_before_a_write_ended_is_not_kept() {
    let world = world();
    let early = tokio::spawn({
        let world = world.clone();
        async move {
            sleep(Duration::from_millis(500)).await;
            world.get(ACCOUNT).await.1
        }
    });
    // The write is under way from 0 s to 1 s, the read from 0.5 s to 1.5 s.
    world.write(Method::PUT, "/accounts/a1/workers/scripts/x").await;
    let late = world.get(ACCOUNT).await.1;
    assert_ne!(
        early.await.unwrap(),
        late,
        "who asks after the write does not get the early answer"
    );
    assert_eq!(world.get(ACCOUNT).await.1, late);
}

#[tokio::test(start_paused = true)]
async fn who_wants_a_fresh_answer_gets_one() {
    let world = world();
    world.get(ACCOUNT).await;
    for (name, value) in [
        ("cache-control", "no-cache"),
        ("cache-control", "max-age=0"),
        ("pragma", "no-cache"),
        ("range", "bytes=0-1"),
    ] {
        let before = world.asked();
        world.get_with(ACCOUNT, name, value).await;
        assert_eq!(world.asked(), before + 1, "{name}: {value}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_shared_when_it_is_switched_off() {
    let world = World::new(unshared(), counting());
    let (one, other) = tokio::join!(world.get(ACCOUNT), world.get(ACCOUNT));
    assert_ne!(one, other);
    world.get(ACCOUNT).await;
    assert_eq!(world.asked(), 3);
    assert_eq!(world.gateway.status().cache.entries, 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_api_does_not_want_kept_is_not_kept() {
    for (name, value) in [("cache-control", "no-store"), ("set-cookie", "a=b"), ("vary", "*")] {
        let world =
            World::answering(options(), move |_| ok().with_header(name, value.parse().unwrap()));
        world.get(ACCOUNT).await;
        world.get(ACCOUNT).await;
        assert_eq!(world.asked(), 2, "{name}: {value}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_not_shared() {
    let down = || Answer::fail(TransportKind::Reset).after(Duration::from_secs(1));
    let world = World::new(options(), Scripted::new([down(), ok().after(Duration::from_secs(1))]));
    let (one, other) = tokio::join!(world.get(ACCOUNT), world.get(ACCOUNT));
    let mut both = [one.0, other.0];
    both.sort_unstable();
    assert_eq!(both, [200, 502]);
}

#[tokio::test(start_paused = true)]
async fn when_the_client_that_reads_leaves_another_one_takes_over() {
    let world = world();
    let leaves = tokio::spawn({
        let world = world.clone();
        async move { world.get(ACCOUNT).await }
    });
    let stays = tokio::spawn({
        let world = world.clone();
        async move {
            sleep(Duration::from_millis(100)).await;
            world.get(ACCOUNT).await
        }
    });
    sleep(Duration::from_millis(500)).await;
    leaves.abort();
    assert_eq!(stays.await.unwrap().0, 200);
}

#[tokio::test(start_paused = true)]
async fn keys_and_objects_are_never_shared() {
    let world = world();
    for path in [
        "/accounts/a1/storage/kv/namespaces/n/values/k",
        "/accounts/a1/r2/buckets/b/objects/k/with/slashes",
        "/accounts/a1/workers/scripts/s/content/v2",
        "/user/tokens/verify",
    ] {
        let before = world.asked();
        tokio::join!(world.get(path), world.get(path));
        assert_eq!(world.asked(), before + 2, "{path}");
    }
}
