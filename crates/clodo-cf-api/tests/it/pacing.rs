use crate::support::{TOKEN, client_of, ok};
use clodo_cf_api::{
    Client, ClientOptions, Pacer, PacerError, RateLimits, TokenBucket, Unpaced, conformance,
    identity,
};
use clodo_http::{Answer, HttpService, Request, Response, Scripted, TransportError, TransportKind};
use clodo_types::Secret;
use futures_util::future::join_all;
use http::HeaderValue;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

fn user() -> Answer {
    ok(r#"{"id":"u"}"#)
}

#[tokio::test(start_paused = true)]
async fn the_token_bucket_conforms() {
    conformance::check(|| async { TokenBucket::cloudflare() }).await;
    conformance::check_limits(|| async { TokenBucket::cloudflare() }).await;
}

#[tokio::test(start_paused = true)]
async fn no_pacing_conforms() {
    conformance::check(|| async { Unpaced }).await;
}

#[tokio::test(start_paused = true)]
async fn calls_wait_when_the_server_says_that_the_budget_is_used_up() {
    let wire = Arc::new(Scripted::answering(|_| {
        user().with_header("ratelimit", HeaderValue::from_static(r#""default";r=0;t=25"#))
    }));
    let client = client_of(&wire);
    let began = Instant::now();
    client.send(identity::user()).await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
    client.send(identity::user()).await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(25));
}

#[tokio::test(start_paused = true)]
async fn clones_share_one_budget_and_so_do_clients_of_one_pacer() {
    let wire = Arc::new(Scripted::answering(|_| {
        user().with_header("ratelimit", HeaderValue::from_static(r#""default";r=0;t=25"#))
    }));
    let pacer = Arc::new(TokenBucket::cloudflare());
    let sharing = || {
        let options = ClientOptions::new(crate::support::BASE, Secret::new(TOKEN));
        Client::new(wire.clone(), options.with_pacer(pacer.clone())).unwrap()
    };
    let (one, other) = (sharing(), sharing());
    for second in [one.clone(), other] {
        let began = Instant::now();
        one.send(identity::user()).await.unwrap();
        let already = began.elapsed();
        second.send(identity::user()).await.unwrap();
        assert_eq!(began.elapsed() - already, Duration::from_secs(25));
    }
    let began = Instant::now();
    client_of(&wire).send(identity::user()).await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO, "another budget knows nothing of it");
}

#[tokio::test(start_paused = true)]
async fn a_server_without_a_word_about_budgets_is_never_waited_for() {
    let client = client_of(&Arc::new(Scripted::answering(|_| user())));
    let began = Instant::now();
    for _ in 0..2000 {
        client.send(identity::user()).await.unwrap();
    }
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[derive(Debug, Default)]
struct Busy {
    now: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait::async_trait]
impl HttpService for Busy {
    async fn call(&self, _: Request) -> Result<Response, TransportError> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        Ok(http::Response::new(r#"{"success":true,"result":{"id":"u"}}"#.into()))
    }
}

#[tokio::test(start_paused = true)]
async fn only_so_many_calls_are_under_way_at_once() {
    let wire = Arc::new(Busy::default());
    let options = ClientOptions::cloudflare(Secret::new(TOKEN)).with_at_once(3);
    let client = Client::new(wire.clone(), options).unwrap();
    let began = Instant::now();
    join_all((0..9).map(|_| client.send(identity::user()))).await;
    assert_eq!(wire.most.load(Ordering::SeqCst), 3);
    assert_eq!(began.elapsed(), Duration::from_secs(3));
}

#[derive(Debug)]
struct Broken;

#[async_trait::async_trait]
impl Pacer for Broken {
    async fn acquire(&self) -> Result<(), PacerError> {
        Err(PacerError("the store is away".into()))
    }
    async fn observe(&self, _: &RateLimits) -> Result<(), PacerError> {
        Err(PacerError("the store is away".into()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_cannot_be_asked_stops_the_call_before_it_is_sent() {
    let wire = Arc::new(Scripted::new([user()]));
    let options = ClientOptions::cloudflare(Secret::new(TOKEN)).with_pacer(Arc::new(Broken));
    let client = Client::new(wire.clone(), options).unwrap();
    let error = client.send(identity::user()).await.unwrap_err();
    assert!(!error.may_have_happened());
    assert!(wire.asked().is_empty());
}

#[derive(Debug, Default)]
struct Told(std::sync::Mutex<Vec<RateLimits>>);

#[async_trait::async_trait]
impl Pacer for Told {
    async fn acquire(&self) -> Result<(), PacerError> {
        Ok(())
    }
    async fn observe(&self, said: &RateLimits) -> Result<(), PacerError> {
        self.0.lock().unwrap().push(*said);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn the_budget_is_told_of_a_call_that_got_no_answer() {
    let wire = Arc::new(Scripted::new([Answer::fail(TransportKind::Reset), user()]));
    let pacer = Arc::new(Told::default());
    let options = ClientOptions::cloudflare(Secret::new(TOKEN)).with_pacer(pacer.clone());
    Client::new(wire, options).unwrap().send(identity::user()).await.unwrap();
    assert_eq!(*pacer.0.lock().unwrap(), [RateLimits::default(); 2]);
}
