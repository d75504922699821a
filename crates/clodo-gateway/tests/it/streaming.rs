use crate::wire::{Running, in_front_of, json, raw_upstream, send, upstream};
use bytes::Bytes;
use clodo_http::{Body, BodyError, HttpService as _, ReqwestHttp, ReqwestOptions};
use futures_util::{StreamExt as _, stream};
use http::Request;
use http_body_util::BodyExt as _;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::{Notify, mpsc},
};

const OBJECT: &str = "/accounts/a/r2/buckets/b/objects/big";
const PIECE: usize = 64 << 10;
const PIECES: u64 = 4000;

fn pieces() -> impl futures_util::Stream<Item = Result<Bytes, BodyError>> + Send {
    stream::iter(0..PIECES).map(|number| Ok(Bytes::from(vec![number as u8; PIECE])))
}

/// Counts the bytes, and adds each piece's first byte up.
async fn weigh(body: Body) -> (u64, u64) {
    let mut chunks = body.into_stream();
    let (mut count, mut sum) = (0, 0);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.unwrap();
        count += chunk.len() as u64;
        sum += chunk.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    }
    (count, sum)
}

#[tokio::test]
async fn a_quarter_gigabyte_passes_both_ways() {
    let seen = Arc::new(AtomicU64::new(0));
    let port = upstream({
        let seen = seen.clone();
        move |request: Request<hyper::body::Incoming>| {
            let seen = seen.clone();
            async move {
                let mut body = request.into_body();
                while let Some(frame) = body.frame().await {
                    seen.fetch_add(
                        frame.unwrap().data_ref().map_or(0, Bytes::len) as u64,
                        Ordering::SeqCst,
                    );
                }
                http::Response::new(Body::from_stream(pieces(), None))
            }
        }
    })
    .await;
    let running = Running::start(in_front_of(port)).await;
    let whole = PIECE as u64 * PIECES;
    for length in [Some(whole), None] {
        seen.store(0, Ordering::SeqCst);
        let body = Body::from_stream(pieces(), length);
        let answer = send(Request::put(running.url(OBJECT)).body(body).unwrap()).await;
        let (count, sum) = weigh(answer.into_body()).await;
        assert_eq!((seen.load(Ordering::SeqCst), count), (whole, whole));
        assert_eq!(
            sum,
            (0..PIECES).map(|number| u64::from(number as u8) * PIECE as u64).sum::<u64>()
        );
    }
}

#[tokio::test]
async fn an_answer_streams_while_the_upstream_is_still_writing_it() {
    let (sender, receiver) = mpsc::channel::<Bytes>(1);
    let receiver = Arc::new(tokio::sync::Mutex::new(Some(receiver)));
    let port = upstream(move |_| {
        let receiver = receiver.clone();
        async move {
            let receiver = receiver.lock().await.take().unwrap();
            let chunks = stream::unfold(receiver, |mut receiver| async {
                Some((Ok(receiver.recv().await?), receiver))
            });
            http::Response::new(Body::from_stream(chunks, None))
        }
    })
    .await;
    let running = Running::start(in_front_of(port)).await;
    let answer = send(Request::get(running.url(OBJECT)).body(Body::empty()).unwrap()).await;
    let mut chunks = answer.into_body().into_stream();
    for piece in ["one", "two"] {
        sender.send(piece.into()).await.unwrap();
        assert_eq!(chunks.next().await.unwrap().unwrap(), piece, "it is not held back");
    }
    drop(sender);
    assert!(chunks.next().await.is_none());
}

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off_for_the_client_too() {
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"half\":",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n8\r\n{\"half\":\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
    ] {
        let port = raw_upstream(move |mut stream| async move {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(head.as_bytes()).await;
        })
        .await;
        let running = Running::start(in_front_of(port)).await;
        for path in ["/zones", OBJECT] {
            let http = ReqwestHttp::new(&ReqwestOptions::default()).unwrap();
            let request = Request::get(running.url(path)).body(Body::empty()).unwrap();
            // The head may or may not be out when the end comes; an answer it never is.
            if let Ok(answer) = http.call(request).await {
                assert_eq!(answer.status(), 200);
                assert!(answer.into_body().collect(1 << 20).await.is_err(), "{head:?}");
            }
        }
    }
}

#[tokio::test]
async fn compressed_bytes_pass_as_they_are() {
    let port = upstream(|request: Request<hyper::body::Incoming>| async move {
        let asked = request.headers().get("accept-encoding").cloned();
        let mut answer = http::Response::new(Body::from(b"\x1f\x8b not really".to_vec()));
        answer.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
        if let Some(asked) = asked {
            answer.headers_mut().insert("x-asked", asked);
        }
        answer
    })
    .await;
    let running = Running::start(in_front_of(port)).await;
    let answer = send(Request::get(running.url(OBJECT)).body(Body::empty()).unwrap()).await;
    assert_eq!(answer.headers()["content-encoding"], "gzip");
    assert!(
        !answer.headers().contains_key("x-asked"),
        "nothing is asked for that the client did not"
    );
    assert_eq!(answer.into_body().collect(1 << 20).await.unwrap(), &b"\x1f\x8b not really"[..]);
}

#[tokio::test]
async fn a_head_request_keeps_the_length_and_has_no_body() {
    let port = raw_upstream(|mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 123456\r\nconnection: close\r\n\r\n")
            .await;
    })
    .await;
    let running = Running::start(in_front_of(port)).await;
    let head = "HEAD /client/v4/zones HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answer = running.raw(head).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.contains("content-length: 123456\r\n") && answer.ends_with("\r\n\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn when_the_client_leaves_the_upstream_s_work_is_cancelled() {
    let (begun, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let port = raw_upstream({
        let (begun, ended) = (begun.clone(), ended.clone());
        move |mut stream| {
            let (begun, ended) = (begun.clone(), ended.clone());
            async move {
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await;
                begun.notify_one();
                // Nothing more comes but the end.
                while stream.read(&mut head).await.is_ok_and(|count| count > 0) {}
                ended.notify_one();
            }
        }
    })
    .await;
    let running = Running::start(in_front_of(port)).await;
    let mut client = running.connect().await;
    client.write_all(b"GET /client/v4/zones HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    begun.notified().await;
    drop(client);
    tokio::time::timeout(Duration::from_secs(10), ended.notified()).await.unwrap();
}

#[tokio::test]
async fn an_upstream_where_nobody_listens_is_a_502_that_clients_can_print() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let running = Running::start(in_front_of(nobody)).await;
    let answer = send(Request::get(running.url("/zones")).body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status(), 502);
    let text = answer.into_body().collect(1 << 20).await.unwrap();
    let text: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(text["success"], false);
    assert!(text["errors"][0]["message"].as_str().unwrap().contains("cannot be reached"));
}

#[tokio::test]
async fn one_connection_serves_many_calls() {
    let port = upstream(|_| async { json("{}") }).await;
    let running = Running::start(in_front_of(port)).await;
    let one = "GET /client/v4/zones HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let last = "GET /client/v4/user HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answer = running.raw(format!("{one}{one}{last}")).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 3, "{answer}");
    let ports: Vec<u16> = running.log.lines().iter().map(|line| line.peer).collect();
    assert_eq!(ports.len(), 3);
    assert!(ports.iter().all(|port| *port == ports[0]));
}
