use crate::wire::{Running, in_front_of, json, raw_upstream, upstream};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

const ASK: &str = "GET /client/v4/accounts/a/workers/tail HTTP/1.1\r\nhost: 127.0.0.1\r\n\
    connection: keep-alive, Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
    sec-websocket-protocol: trace-v1\r\nsec-websocket-key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n";

async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// Switches, and sends back whatever comes.
async fn echoing() -> u16 {
    raw_upstream(|mut stream| async move {
        let asked = head(&mut stream).await;
        assert!(asked.contains("sec-websocket-protocol: trace-v1\r\n"), "{asked}");
        assert!(asked.contains("upgrade: websocket\r\n"), "{asked}");
        let answer = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
            sec-websocket-protocol: trace-v1\r\nsec-websocket-accept: HSmrc0sMlYUkAGmm5OPpG2HaGWk=\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
        let mut bytes = [0; 1024];
        while let Ok(count @ 1..) = stream.read(&mut bytes).await {
            stream.write_all(&bytes[..count]).await.unwrap();
        }
    })
    .await
}

#[tokio::test]
async fn a_websocket_passes_byte_by_byte_even_unmasked_frames() {
    let running = Running::start(in_front_of(echoing().await)).await;
    let mut client = running.connect().await;
    client.write_all(ASK.as_bytes()).await.unwrap();
    let switched = head(&mut client).await;
    assert!(switched.starts_with("HTTP/1.1 101"), "{switched}");
    assert!(switched.contains("sec-websocket-protocol: trace-v1\r\n"), "{switched}");
    assert!(switched.contains("upgrade: websocket\r\n"), "{switched}");
    // A frame as wrangler sends it: not masked, though it should be.
    let frame = b"\x81\x0f{\"debug\":false}";
    client.write_all(frame).await.unwrap();
    let mut back = [0; 17];
    client.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, frame);
    drop(client);
    while running.log.lines().is_empty() {
        tokio::task::yield_now().await;
    }
    let line = running.log.lines().remove(0);
    assert_eq!((line.status, line.bytes_in, line.bytes_out), (Some(101), 17, 17));
    assert!(line.complete);
}

#[tokio::test]
async fn an_upgrade_that_is_refused_is_an_answer() {
    let port = upstream(|_| async {
        let mut answer = json(r#"{"success":false}"#);
        *answer.status_mut() = http::StatusCode::FORBIDDEN;
        answer
    })
    .await;
    let running = Running::start(in_front_of(port)).await;
    let mut client = running.connect().await;
    client.write_all(ASK.as_bytes()).await.unwrap();
    assert!(head(&mut client).await.starts_with("HTTP/1.1 403"));
}

#[tokio::test]
async fn a_websocket_ends_when_the_gateway_does() {
    let running = Running::start(in_front_of(echoing().await)).await;
    let mut client = running.connect().await;
    client.write_all(ASK.as_bytes()).await.unwrap();
    head(&mut client).await;
    running.stop.cancel();
    let drained = timeout(Duration::from_secs(10), running.served).await.unwrap().unwrap();
    assert_eq!(drained.cut, 0);
    assert_eq!(client.read(&mut [0; 10]).await.unwrap_or(0), 0);
}
