use crate::world::{World, asks, ok, options, read, refused, streamed, unshared, with_budget};
use clodo_gateway::{BudgetCap, Caller};
use clodo_http::{Answer, Body, Scripted};
use http::{Method, StatusCode};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

fn cap(text: &str) -> Option<BudgetCap> {
    Some(text.parse().unwrap())
}

/// Sends all at once; how long each took in whole seconds, and its status.
async fn burst(world: &World, calls: u64) -> Vec<(u64, u16)> {
    let (mut all, began) = (JoinSet::new(), Instant::now());
    for call in 0..calls {
        let world = world.clone();
        all.spawn(async move {
            let (status, _) = world.get(&format!("/zones?page={call}")).await;
            (began.elapsed().as_secs(), status)
        });
    }
    let mut done = all.join_all().await;
    done.sort_unstable();
    done
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_is_set_bursts_and_then_waits() {
    let world = World::answering(unshared().with_budget(cap("30/10s")), |_| ok());
    let done = burst(&world, 70).await;
    let expected = [vec![(0, 200); 30], vec![(10, 200); 30], vec![(20, 200); 10]].concat();
    assert_eq!(done, expected);
}

/// How long an answer takes.
const SLOW: Duration = Duration::from_millis(20);

/// An API that counts as Cloudflare does, in windows that begin with their first call.
fn limited_upstream(quota: u64, window: u64) -> Scripted {
    let state = Arc::new(std::sync::Mutex::new((Instant::now(), 0_u64)));
    let refusals = Arc::new(AtomicU64::new(0));
    Scripted::answering(move |_| {
        let (mut state, window) = (state.lock().unwrap(), Duration::from_secs(window));
        if state.1 == 0 || state.0 + window <= Instant::now() {
            *state = (Instant::now(), 0);
        }
        state.1 += 1;
        let left = (state.0 + window - Instant::now()).as_secs_f64().ceil() as u64;
        let policy = format!("q={quota};w={}", window.as_secs());
        if state.1 > quota {
            refusals.fetch_add(1, Ordering::SeqCst);
            return with_budget(refused(left), 0, left, &policy).after(SLOW);
        }
        with_budget(ok(), quota - state.1, left, &policy).after(SLOW)
    })
}

#[tokio::test(start_paused = true)]
async fn the_budget_is_learned_from_the_answers_and_no_client_sees_a_429() {
    let world = World::new(unshared(), limited_upstream(30, 10));
    // The first answer names the budget; from then on nothing is sent that would be refused.
    assert_eq!(world.get("/user").await.0, 200);
    let done = burst(&world, 90).await;
    assert!(done.iter().all(|(_, status)| *status == 200), "{done:?}");
    assert_eq!(done.last().unwrap().0, 30);
    assert_eq!(world.gateway.status().calls.absorbed_429, 0);
    assert_eq!(world.asked(), 91);
}

#[tokio::test(start_paused = true)]
async fn before_the_budget_is_known_refusals_are_absorbed() {
    let world = World::new(unshared(), limited_upstream(30, 10));
    let done = burst(&world, 60).await;
    assert!(done.iter().all(|(_, status)| *status == 200), "{done:?}");
    assert!(world.gateway.status().calls.absorbed_429 > 0);
    assert_eq!(done.last().unwrap().0, 10);
}

#[tokio::test(start_paused = true)]
async fn a_refused_write_is_sent_again_whole() {
    for says_its_length in [true, false] {
        let world = World::new(options(), Scripted::new([refused(7), ok()]));
        let body = if says_its_length { streamed("content", true) } else { Body::from("content") };
        let began = Instant::now();
        let answer = world.send(asks(Method::POST, "/zones").body(body).unwrap()).await;
        assert_eq!(read(answer).await.0, 200);
        assert_eq!(began.elapsed(), Duration::from_secs(7));
        let bodies: Vec<_> =
            world.upstream.asked().iter().map(|asked| asked.body().clone()).collect();
        assert_eq!(bodies, ["content", "content"]);
        let line = world.log.lines().remove(0);
        assert_eq!(
            (line.attempts, line.waited_ms, line.bytes_in > 0),
            (2, 7_000, says_its_length || line.bytes_in > 0)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_can_be_read_only_once_is_sent_once() {
    let mut small = options();
    small.repeatable_bytes = 4;
    for body in [streamed("content", true), streamed("content", false)] {
        let world = World::new(small.clone(), Scripted::new([refused(7), ok()]));
        let answer = world.send(asks(Method::PUT, "/zones").body(body).unwrap()).await;
        assert_eq!(answer.headers()["retry-after"], "7");
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(world.asked(), 1);
        // Others wait all the same.
        let began = Instant::now();
        assert_eq!(world.get("/user").await.0, 200);
        assert_eq!(began.elapsed(), Duration::from_secs(7));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_without_a_time_is_waited_for_longer_each_time() {
    let plain = || Answer::status(StatusCode::TOO_MANY_REQUESTS);
    let world = World::new(options(), Scripted::new([plain(), plain(), plain(), ok()]));
    let began = Instant::now();
    assert_eq!(world.get("/zones").await.0, 200);
    assert_eq!(began.elapsed(), Duration::from_secs(1 + 2 + 4));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_is_too_long_to_wait_for_is_passed_on() {
    let world = World::new(
        options().with_longest_wait(Duration::from_secs(60)),
        Scripted::new([refused(61), ok()]),
    );
    let began = Instant::now();
    let (status, text) = world.get("/zones").await;
    assert_eq!((status, began.elapsed()), (429, Duration::ZERO));
    assert!(text.contains("971"), "it is the API's own: {text}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_would_wait_too_long_is_answered_429_with_a_time() {
    let options = unshared().with_budget(cap("1/10s")).with_longest_wait(Duration::from_secs(4));
    let world = World::answering(options, |_| ok());
    assert_eq!(world.get("/zones").await.0, 200);
    let answer = world.send(asks(Method::GET, "/zones").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.headers()["retry-after"], "10");
    let (status, text) = read(answer).await;
    assert_eq!(status, 429);
    assert!(text.contains(r#""success":false"#) && text.contains("budget"), "{text}");
    assert_eq!(world.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn another_limit_holds_up_only_the_call_that_met_it() {
    let world = World::answering(unshared(), {
        let asked = AtomicU64::new(0);
        move |request| {
            let first =
                request.uri().path().ends_with("/hot") && asked.fetch_add(1, Ordering::SeqCst) == 0;
            let answer = if first { refused(30) } else { ok() };
            with_budget(answer, 1000, 300, "q=1200;w=300")
        }
    });
    let began = Instant::now();
    let hot = tokio::spawn({
        let world = world.clone();
        async move { world.get("/hot").await.0 }
    });
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.get("/user").await.0, 200);
    assert_eq!(began.elapsed(), Duration::from_secs(1), "others pass meanwhile");
    assert_eq!(hot.await.unwrap(), 200);
    assert_eq!(began.elapsed(), Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn each_token_has_a_budget_of_its_own() {
    let world = World::answering(unshared().with_budget(cap("2/10s")), |_| ok());
    let began = Instant::now();
    for token in ["a", "b", "c"] {
        for _ in 0..2 {
            let got = world.get_with("/zones", "authorization", &format!("Bearer {token}")).await;
            assert_eq!(got.0, 200);
        }
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(world.get_with("/zones", "authorization", "Bearer a").await.0, 200);
    assert_eq!(began.elapsed(), Duration::from_secs(10));
    let budgets = world.gateway.status().budgets;
    assert_eq!(budgets.iter().map(|budget| budget.calls).collect::<Vec<_>>(), [3, 2, 2]);
}

#[tokio::test(start_paused = true)]
async fn one_call_does_not_wait_behind_a_thousand_of_another_program() {
    let world = World::answering(unshared().with_budget(cap("10/10s")), |_| ok());
    let began = Instant::now();
    let mut greedy = JoinSet::new();
    for call in 0..200_u64 {
        let world = world.clone();
        greedy.spawn(async move {
            let request =
                asks(Method::GET, &format!("/zones?page={call}")).header("user-agent", "greedy/1");
            let caller = Caller { port: 1, connection: call };
            let request = request.body(Body::empty()).unwrap();
            read(world.gateway.answer(caller, request).await).await.0
        });
    }
    sleep(Duration::from_millis(1)).await;
    assert_eq!(world.get_with("/user", "user-agent", "modest/1").await.0, 200);
    assert_eq!(began.elapsed().as_secs(), 10, "the modest program is served in the next window");
    assert!(greedy.join_all().await.into_iter().all(|status| status == 200));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_takes_nothing_from_the_budget() {
    let world = World::answering(unshared().with_budget(cap("1/10s")), |_| ok());
    assert_eq!(world.get("/zones").await.0, 200);
    for _ in 0..5 {
        let gone = tokio::time::timeout(Duration::from_secs(1), world.get("/zones")).await;
        assert!(gone.is_err());
    }
    let began = Instant::now();
    assert_eq!(world.get("/zones").await.0, 200);
    assert_eq!(began.elapsed(), Duration::from_secs(5));
    assert_eq!(world.asked(), 2);
    let left: Vec<_> =
        world.log.lines().iter().filter(|line| line.status.is_none()).cloned().collect();
    assert_eq!(left.len(), 5, "who left is in the log, without a status");
}
