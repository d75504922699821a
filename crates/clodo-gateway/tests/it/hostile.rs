use crate::wire::{Running, in_front_of, json, upstream};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

async fn running() -> Running {
    let port = upstream(|_| async { json(r#"{"success":true}"#) }).await;
    Running::start(in_front_of(port)).await
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn malformed_requests_are_refused_and_the_next_one_is_served() {
    let running = running().await;
    let long = "x".repeat(100_000);
    let many: String = (0..200).map(|number| format!("x-{number}: 1\r\n")).collect();
    for (request, statuses) in [
        ("\r\n\r\n\0\0\0garbage\r\n\r\n".to_owned(), &["400", ""][..]),
        ("GET /client/v4/user HTTP/9.9\r\nhost: localhost\r\n\r\n".to_owned(), &["400", "505", ""]),
        (format!("GET /client/v4/{long} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"), &["414", "431", ""]),
        (format!("GET /client/v4/user HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx: {long}\r\n\r\n"), &["431", ""]),
        (format!("GET /client/v4/user HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{many}\r\n"), &["431", "400", ""]),
        ("GET /client/v4/user HTTP/1.0\r\n\r\n".to_owned(), &["403"]),
        ("GET /client/v4/user HTTP/1.1\r\nhost: \u{e9}vil\r\nconnection: close\r\n\r\n".to_owned(), &["403", "400"]),
        (
            "POST /client/v4/user HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\n\
             transfer-encoding: chunked\r\nconnection: close\r\n\r\n0\r\n\r\n"
                .to_owned(),
            &["200", "400", ""],
        ),
        (
            "POST /client/v4/user HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\n\
             content-length: 2\r\nconnection: close\r\n\r\nab"
                .to_owned(),
            &["400", ""],
        ),
        ("CONNECT 127.0.0.1:80 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".to_owned(), &["405"]),
        ("GET http://evil.test/client/v4/user HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".to_owned(), &["403"]),
        ("GET /client/v4/a/..\\..\\b HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".to_owned(), &["200"]),
    ] {
        let shown: String = request.chars().take(80).collect();
        let answer = timeout(Duration::from_secs(20), running.raw(&request)).await;
        let answer = answer.unwrap_or_else(|_| panic!("{shown:?} was not answered"));
        assert!(statuses.contains(&status(&answer)), "{shown:?} got {answer:?}");
    }
    let fine = "GET /client/v4/user HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert_eq!(status(&running.raw(fine).await), "200");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_never_sent_as_a_short_one() {
    let (sender, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let port = upstream(move |request: http::Request<hyper::body::Incoming>| {
        let sender = sender.clone();
        async move {
            let body = http_body_util::BodyExt::collect(request.into_body()).await;
            let _ = sender.send(body.map(|body| body.to_bytes().len()).ok());
            json("{}")
        }
    })
    .await;
    let mut options = in_front_of(port);
    for repeatable in [1 << 20, 0] {
        options.repeatable_bytes = repeatable;
        let running = Running::start(options.clone()).await;
        let mut client = running.connect().await;
        let half =
            "PUT /client/v4/zones HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\nhalf";
        client.write_all(half.as_bytes()).await.unwrap();
        drop(client);
        if repeatable == 0 {
            assert_eq!(seen.recv().await, Some(None), "the upstream sees that it broke off");
        } else {
            while running.log.lines().is_empty() {
                tokio::task::yield_now().await;
            }
            assert!(seen.try_recv().is_err(), "nothing was sent");
        }
    }
}

#[tokio::test]
async fn a_client_that_says_nothing_does_not_hold_up_the_others() {
    let running = running().await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        let mut client = running.connect().await;
        client.write_all(b"GET /client/v4/user HT").await.unwrap();
        silent.push(client);
    }
    let fine = "GET /client/v4/user HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert_eq!(status(&running.raw(fine).await), "200");
    drop(silent);
}

#[tokio::test]
async fn an_upstream_that_does_not_speak_http_is_a_502() {
    let port = crate::wire::raw_upstream(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"SSH-2.0-nonsense\r\n\r\n").await;
    })
    .await;
    let running = Running::start(in_front_of(port)).await;
    let request = "GET /client/v4/user HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answer = running.raw(request).await;
    assert_eq!(status(&answer), "502", "{answer}");
}
