//! A websocket client that says whatever a test wants to say, well-formed or not.

use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

pub(crate) const TEXT: u8 = 1;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

pub(crate) struct Socket {
    stream: TcpStream,
    pub(crate) head: String,
}

impl Socket {
    /// Asks for a websocket; the head of the answer is kept, whatever it says.
    pub(crate) async fn open(port: u16, url: &str, protocol: &str) -> Self {
        let rest = url.strip_prefix("ws://").unwrap();
        let (host, path) = rest.split_once('/').unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let request = format!(
            "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: {protocol}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        Self { stream, head: String::from_utf8(head).unwrap().to_ascii_lowercase() }
    }

    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// Bytes as they are.
    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        // The other side may have had enough already.
        let _ = self.stream.write_all(bytes).await;
    }

    /// A short frame, masked or not.
    pub(crate) async fn frame(&mut self, opcode: u8, payload: &[u8], masked: bool) {
        assert!(payload.len() < 126);
        let bit = if masked { 0x80 } else { 0 };
        let mut frame = vec![0x80 | opcode, bit | u8::try_from(payload.len()).unwrap()];
        if masked {
            frame.extend([0; 4]); // A mask that leaves everything as it is.
        }
        frame.extend(payload);
        self.raw(&frame).await;
    }

    /// The next frame: its kind and payload. `None` when the other side has hung up.
    pub(crate) async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        timeout(Duration::from_secs(20), self.read()).await.expect("a frame in time")
    }

    async fn read(&mut self) -> Option<(u8, Vec<u8>)> {
        let opcode = self.stream.read_u8().await.ok()? & 0x0f;
        let length = match self.stream.read_u8().await.ok()? {
            126 => u64::from(self.stream.read_u16().await.ok()?),
            127 => self.stream.read_u64().await.ok()?,
            short => u64::from(short),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut payload).await.ok()?;
        Some((opcode, payload))
    }

    /// The next text as JSON.
    pub(crate) async fn event(&mut self) -> serde_json::Value {
        loop {
            let (opcode, payload) = self.next().await.expect("an event");
            if opcode == TEXT {
                return serde_json::from_slice(&payload).unwrap();
            }
        }
    }

    /// Reads on until the other side closes; whether it said so.
    pub(crate) async fn until_closed(&mut self) -> bool {
        let mut said = false;
        while let Some((opcode, _)) = self.next().await {
            said |= opcode == CLOSE;
        }
        said
    }
}
