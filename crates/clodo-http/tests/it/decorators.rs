use bytes::Bytes;
use clodo_http::{
    Answer, Body, BodyError, Counted, Counter, Counts, Effect, HttpService, Repeatable, Request,
    Retry, RetryPolicy, Scripted, TimeLimit, Timeout, Trace, TransportKind,
};
use futures_util::{StreamExt, stream};
use http::{HeaderValue, Method, StatusCode};
use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;

fn request(method: Method) -> Request {
    let request = http::Request::builder().method(method).uri("http://api.test/thing?key=hunter2");
    request.body(Body::from("content")).unwrap()
}

fn status(code: u16) -> Answer {
    Answer::status(StatusCode::from_u16(code).unwrap())
}

fn retrying(answers: impl IntoIterator<Item = Answer>) -> (Retry<Arc<Scripted>>, Arc<Scripted>) {
    let wire = Arc::new(Scripted::new(answers));
    (Retry::new(wire.clone(), RetryPolicy::default()), wire)
}

#[tokio::test(start_paused = true)]
async fn a_timed_out_write_is_not_sent_twice() {
    let (http, wire) = retrying([Answer::fail(TransportKind::Timeout), status(200)]);
    let error = http.call(request(Method::PUT)).await.unwrap_err();
    assert_eq!(error.kind(), TransportKind::Timeout);
    assert_eq!(wire.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_repeat_carries_the_same_body_headers_and_extensions() {
    let (http, wire) = retrying([
        Answer::fail(TransportKind::Connect),
        Answer::fail(TransportKind::Reset),
        status(502),
        status(200),
    ]);
    let mut sent = request(Method::PUT);
    sent.headers_mut().insert("x-kept", HeaderValue::from_static("yes"));
    sent.extensions_mut().insert(Repeatable::Yes);
    assert_eq!(http.call(sent).await.unwrap().status(), 200);
    let asked = wire.asked();
    assert_eq!(asked.len(), 4);
    for asked in asked {
        assert_eq!(asked.body(), "content");
        assert_eq!(asked.headers()["x-kept"], "yes");
        assert_eq!(Repeatable::of(&asked), Repeatable::Yes);
    }
}

#[tokio::test(start_paused = true)]
async fn a_streaming_body_is_sent_once_even_if_it_never_arrived() {
    let (http, wire) = retrying([Answer::fail(TransportKind::Connect), status(200)]);
    let body = Body::from_stream(stream::iter([Ok(Bytes::from("once"))]), None);
    let sent = http::Request::get("http://api.test/").body(body).unwrap();
    let error = http.call(sent).await.unwrap_err();
    assert_eq!(error.kind(), TransportKind::Connect);
    assert_eq!(wire.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_limited_write_waits_as_long_as_it_is_told() {
    let limited = status(429).with_header("retry-after", HeaderValue::from_static("7"));
    let (http, wire) = retrying([limited, status(200)]);
    let began = Instant::now();
    assert_eq!(http.call(request(Method::POST)).await.unwrap().status(), 200);
    let waited = began.elapsed();
    assert!((7_000..7_510).contains(&waited.as_millis()), "{waited:?}");
    assert_eq!(wire.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_last_answer_is_given_when_attempts_run_out() {
    let (http, wire) = retrying([status(500), status(502), status(503), status(504), status(200)]);
    assert_eq!(http.call(request(Method::GET)).await.unwrap().status(), 504);
    assert_eq!(wire.asked().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_begin_in_time_is_a_timeout() {
    let wire = Scripted::new([Answer::hang(), status(200).after(Duration::from_secs(20))]);
    let http = Timeout::new(wire, Duration::from_secs(10), Duration::from_secs(5));
    let error = http.call(request(Method::GET)).await.unwrap_err();
    assert_eq!(error.kind(), TransportKind::Timeout);
    assert_eq!(error.to_string(), "GET api.test/thing got no answer in time");

    let mut slow = request(Method::PUT);
    slow.extensions_mut().insert(TimeLimit(Duration::from_secs(30)));
    assert_eq!(http.call(slow).await.unwrap().status(), 200);
}

#[derive(Debug)]
struct Stalling;

#[async_trait::async_trait]
impl HttpService for Stalling {
    async fn call(&self, _: Request) -> Result<clodo_http::Response, clodo_http::TransportError> {
        let chunks = stream::iter([Ok(Bytes::from("begins"))]).chain(stream::pending());
        Ok(http::Response::new(Body::from_stream(chunks, None)))
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_stalls_is_given_up() {
    let http = Timeout::new(Stalling, Duration::from_secs(10), Duration::from_secs(5));
    let response = http.call(request(Method::GET)).await.unwrap();
    let began = Instant::now();
    let error = response.into_body().collect(100).await.unwrap_err();
    assert!(matches!(error, BodyError::Stalled));
    assert_eq!(began.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn every_attempt_counts_as_what_it_does() {
    let counter = Counter::default();
    let wire = Scripted::new([status(500), status(200), status(200), status(200)]);
    let http = Retry::new(Counted::new(wire, counter.clone()), RetryPolicy::default());
    http.call(request(Method::GET)).await.unwrap();
    http.call(request(Method::PUT)).await.unwrap();
    let mut query = request(Method::POST);
    query.extensions_mut().insert(Effect::Read);
    http.call(query).await.unwrap();
    assert_eq!(counter.counts(), Counts { reads: 3, writes: 1 });
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_trace_names_the_request_and_leaks_nothing() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let http = Trace::new(Scripted::new([Answer::json(StatusCode::OK, "secret-answer")]));
    let mut sent = request(Method::PUT);
    sent.headers_mut().insert("authorization", HeaderValue::from_static("Bearer secret-token"));
    http.call(sent).await.unwrap();
    drop(guard);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for shown in ["method=PUT", "host=\"api.test\"", "path=\"/thing\"", "status=200"] {
        assert!(text.contains(shown), "{shown} is not in: {text}");
    }
    for hidden in ["hunter2", "secret", "content"] {
        assert!(!text.contains(hidden), "{hidden} is in: {text}");
    }
}

#[tokio::test]
async fn a_script_takes_whole_outcomes() {
    let wire = Scripted::default();
    wire.push(Ok(http::Response::new(Body::from("given"))));
    let response = wire.call(request(Method::GET)).await.unwrap();
    assert_eq!(response.into_body().collect(9).await.unwrap(), "given");
    let error = wire.call(request(Method::GET)).await.unwrap_err();
    assert_eq!(error.kind(), TransportKind::Other);
    wire.push(Err(error));
    assert_eq!(wire.call(request(Method::GET)).await.unwrap_err().kind(), TransportKind::Other);
}
