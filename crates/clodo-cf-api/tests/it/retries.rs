use crate::support::{HEX, ID, account, client, json, ok, refused};
use clodo_cf_api::{ApiErrorKind, Endpoint, Repeat, d1, identity, kv};
use clodo_http::{Answer, Body, TransportKind};
use http::{HeaderValue, Method};
use std::time::Duration;
use tokio::time::Instant;

fn endpoint(repeat: Repeat) -> Endpoint<()> {
    Endpoint::silent(Method::PUT, "/x", repeat).with_body("text/plain", "content")
}

fn faults() -> Vec<(&'static str, Answer, bool, bool, bool)> {
    let fail = Answer::fail;
    let waiting = |code| json(code, "").with_header("retry-after", HeaderValue::from_static("3"));
    // What happened, the answer, repeated when safe, repeated otherwise, may have happened.
    vec![
        ("connect", fail(TransportKind::Connect), true, true, false),
        ("timeout", fail(TransportKind::Timeout), true, false, true),
        ("reset", fail(TransportKind::Reset), true, false, true),
        ("other", fail(TransportKind::Other), false, false, false),
        ("hang", Answer::hang(), true, false, true),
        ("429", refused(429, 971), true, true, false),
        ("429 with a time", waiting(429), true, true, false),
        ("503 with a time", waiting(503), true, true, true),
        ("503", json(503, "<html>"), true, false, true),
        ("500", refused(500, 10002), true, false, true),
        ("502", json(502, ""), true, false, true),
        ("408", json(408, ""), true, false, true),
        ("cut off", ok("null").cut_off(), true, false, true),
        ("concurrent edit", refused(409, 10035), true, true, false),
        ("conflict", refused(409, 10018), false, false, false),
        ("400", refused(400, 10021), false, false, false),
        ("403", refused(403, 10000), false, false, false),
        ("404", refused(404, 10007), false, false, false),
        ("no envelope", json(200, "<html>"), false, false, true),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_call_is_repeated_by_its_fault_and_by_what_the_endpoint_says() {
    for repeat in [Repeat::Safe, Repeat::LookUp, Repeat::Never] {
        for (name, fault, when_safe, otherwise, _) in faults() {
            let (client, wire) = client([fault, ok("null")]);
            let outcome = client.send(endpoint(repeat)).await;
            let expected = if repeat == Repeat::Safe { when_safe } else { otherwise };
            assert_eq!(outcome.is_ok(), expected, "{name}, {repeat:?}");
            let asked = wire.asked();
            assert_eq!(asked.len(), 1 + usize::from(expected), "{name}, {repeat:?}");
            assert!(asked.iter().all(|asked| asked.body() == "content"), "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_says_whether_the_write_may_have_happened() {
    for (name, fault, _, _, may_have_happened) in faults() {
        let (client, _) = client(std::iter::repeat_n(fault, 4));
        let error = client.send(endpoint(Repeat::Never)).await.unwrap_err();
        assert_eq!(error.may_have_happened(), may_have_happened, "{name}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_never_may_have_happened() {
    for (name, fault, ..) in faults() {
        let (client, _) = client(std::iter::repeat_n(fault, 4));
        let read: Endpoint<()> = Endpoint::new(Method::GET, "/x", Repeat::Safe);
        let error = client.send(read).await.unwrap_err();
        assert!(!error.may_have_happened(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_early_timeout_is_not_forgotten_over_a_later_refusal() {
    let (client, _) = client([Answer::fail(TransportKind::Timeout), refused(409, 10018)]);
    let error = client.send(endpoint(Repeat::Safe)).await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::Conflict);
    assert!(error.may_have_happened());
}

#[tokio::test(start_paused = true)]
async fn attempts_end_with_the_last_error() {
    let (client, wire) = client((0..9).map(|_| refused(503, 10002)));
    let error = client.send(identity::user()).await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::Unavailable);
    assert_eq!(wire.asked().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_limited_call_waits_as_told_and_not_longer_than_a_minute() {
    let limited = |seconds: &'static str| {
        refused(429, 10013).with_header("retry-after", HeaderValue::from_static(seconds))
    };
    let (client, wire) = client([limited("7"), ok("null"), limited("61"), ok("null")]);
    let began = Instant::now();
    client.send(endpoint(Repeat::Never)).await.unwrap();
    assert!((7..=8).contains(&began.elapsed().as_secs()));

    let began = Instant::now();
    let error = client.send(endpoint(Repeat::Safe)).await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::RateLimited);
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(wire.asked().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_was_repeated_and_finds_nothing_is_done() {
    let database = ID.parse().unwrap();
    let remove = || d1::delete_database(&account(), &database);
    for lost in [Answer::fail(TransportKind::Reset), json(502, ""), ok("null").cut_off()] {
        let (client, wire) = client([lost, refused(404, 7404)]);
        client.send(remove()).await.unwrap();
        assert_eq!(wire.asked().len(), 2);
    }
    for never_arrived in [Answer::fail(TransportKind::Connect), refused(429, 0)] {
        let (client, _) = client([never_arrived, refused(404, 7404)]);
        assert!(client.send(remove()).await.unwrap_err().is_not_found());
    }
    let (client, _) = client([refused(404, 7404)]);
    assert!(client.send(remove()).await.unwrap_err().is_not_found());
}

#[tokio::test(start_paused = true)]
async fn a_streaming_value_is_sent_once_and_bytes_again() {
    let namespace = HEX.parse().unwrap();
    let put = |body: Body| kv::put_value(&account(), &namespace, kv::NewValue::new("k", body));
    let streaming = || {
        let chunks = [Ok("content".into())];
        Body::from_stream(futures_util::stream::iter(chunks), None)
    };
    let (once, wire) = client([Answer::fail(TransportKind::Connect), ok("null")]);
    once.send(put(streaming())).await.unwrap_err();
    assert_eq!(wire.asked().len(), 1);

    let (again, wire) = client([Answer::fail(TransportKind::Timeout), ok("null")]);
    again.send(put(Body::from("content"))).await.unwrap();
    assert_eq!(wire.asked()[1].body(), "content");
}

#[tokio::test(start_paused = true)]
async fn an_upload_has_longer_than_other_calls() {
    let slow = || ok("null").after(Duration::from_secs(100));
    let (client, _) = client([slow(), slow()]);
    let hasty = endpoint(Repeat::Never);
    assert_eq!(client.send(hasty).await.unwrap_err().kind(), ApiErrorKind::Transport);
    let patient = endpoint(Repeat::Never).with_time_limit(Duration::from_secs(300));
    client.send(patient).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn sql_that_may_write_is_not_repeated_and_sql_that_reads_is() {
    let (account, database) = (account(), ID.parse().unwrap());
    let sql = d1::Sql::new("select ?").bind(1);
    let (writing, wire) = client([json(500, ""), ok("[]")]);
    writing.send(d1::query(&account, &database, &sql)).await.unwrap_err();
    assert_eq!(wire.asked().len(), 1);
    let (reading, wire) = client([json(500, ""), ok("[]")]);
    reading.send(d1::read(&account, &database, &sql)).await.unwrap();
    assert_eq!(wire.asked()[1].body(), r#"{"sql":"select ?","params":[1]}"#);
    assert_eq!(clodo_http::Effect::of(&wire.asked()[0]), clodo_http::Effect::Read);
}
