use crate::support::{BASE, HEX, TOKEN, account, json, ok, refused};
use clodo_cf_api::{
    ApiErrorKind, BreakerKey, BreakerOptions, BreakerState, Client, ClientOptions, Endpoint,
    Repeat, TripRule, kv,
};
use clodo_http::{Answer, RetryPolicy, Scripted, TransportKind};
use clodo_types::Secret;
use http::Method;
use std::{sync::Arc, time::Duration};

fn options() -> ClientOptions {
    let breaker = BreakerOptions::default()
        .with_trip(TripRule::InARow(3))
        .with_open_for(Duration::from_secs(20));
    ClientOptions::new(BASE, Secret::new(TOKEN))
        .with_retry(RetryPolicy::default().with_attempts(1))
        .with_breaker(breaker)
}

fn client(wire: &Arc<Scripted>) -> Client {
    Client::new(wire.clone(), options()).unwrap()
}

async fn call(client: &Client, account: &str) -> Result<(), ApiErrorKind> {
    let template = "/accounts/{account}/d1/database";
    let endpoint = Endpoint::silent(Method::POST, template, Repeat::Safe).at("account", account);
    client.send(endpoint).await.map_err(|error| error.kind())
}

fn key() -> BreakerKey {
    BreakerKey { scope: Some(HEX.to_owned()), group: "d1" }
}

#[tokio::test(start_paused = true)]
async fn after_too_many_failures_calls_are_refused_until_one_probe_succeeds() {
    let failures = [json(500, ""), json(502, ""), Answer::fail(TransportKind::Reset)];
    let wire = Arc::new(Scripted::new(failures));
    let client = client(&wire);
    for want in [ApiErrorKind::Unavailable, ApiErrorKind::Unavailable, ApiErrorKind::Transport] {
        assert_eq!(call(&client, HEX).await, Err(want));
    }
    assert_eq!(client.breaker_state(&key()), BreakerState::Open);
    assert_eq!(call(&client.clone(), HEX).await, Err(ApiErrorKind::CircuitOpen));
    assert_eq!(wire.asked().len(), 3, "clones share the breaker");

    tokio::time::advance(Duration::from_secs(21)).await;
    wire.push(json(503, ""));
    assert_eq!(call(&client, HEX).await, Err(ApiErrorKind::Unavailable));
    assert_eq!(call(&client, HEX).await, Err(ApiErrorKind::CircuitOpen));

    tokio::time::advance(Duration::from_secs(21)).await;
    wire.push(ok("null").after(Duration::from_secs(1)));
    wire.push(ok("null"));
    let (probe, meanwhile) = tokio::join!(call(&client, HEX), call(&client, HEX));
    assert_eq!((probe, meanwhile), (Ok(()), Err(ApiErrorKind::CircuitOpen)));
    assert_eq!(client.breaker_state(&key()), BreakerState::Closed);
    assert_eq!(call(&client, HEX).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn other_accounts_and_other_products_are_not_refused() {
    let wire = Arc::new(Scripted::new(std::iter::repeat_n(json(500, ""), 3)));
    let client = client(&wire);
    for _ in 0..3 {
        call(&client, HEX).await.unwrap_err();
    }
    wire.push(ok("null"));
    wire.push(ok("null"));
    assert_eq!(call(&client, "ffffffffffffffffffffffffffffffff").await, Ok(()));
    let other = kv::delete_value(&account(), &HEX.parse().unwrap(), "k");
    client.send(other).await.unwrap();
    let error =
        client.send(clodo_cf_api::d1::bookmark(&account(), &crate::support::ID.parse().unwrap()));
    let error = error.await.unwrap_err();
    assert!(error.to_string().contains("failed too often lately"), "{error}");
    assert!(!error.may_have_happened() && !error.advice().is_empty());
}

#[tokio::test(start_paused = true)]
async fn refusals_are_answers_of_an_api_that_works() {
    for answer in [refused(404, 7404), refused(400, 7500), refused(429, 971), refused(403, 10000)] {
        let wire = Arc::new(Scripted::new(std::iter::repeat_n(answer, 9)));
        let client = client(&wire);
        for _ in 0..9 {
            call(&client, HEX).await.unwrap_err();
        }
        assert_eq!(wire.asked().len(), 9);
    }
}

#[tokio::test(start_paused = true)]
async fn what_opened_the_circuit_is_told_rather_than_that_it_is_open() {
    let wire = Arc::new(Scripted::new(std::iter::repeat_n(json(500, ""), 9)));
    let options = options().with_retry(RetryPolicy::default().with_attempts(6));
    let client = Client::new(wire.clone(), options).unwrap();
    assert_eq!(call(&client, HEX).await, Err(ApiErrorKind::Unavailable));
    assert_eq!(wire.asked().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn without_a_breaker_nothing_is_refused() {
    let wire = Arc::new(Scripted::new(std::iter::repeat_n(json(500, ""), 50)));
    let client = Client::new(wire.clone(), options().with_breaker(None)).unwrap();
    for _ in 0..50 {
        assert_eq!(call(&client, HEX).await, Err(ApiErrorKind::Unavailable));
    }
    assert_eq!(client.breaker_state(&key()), BreakerState::Closed);
}
