use serde_json::Value;
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

/// What a URL answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The header lines, as sent.
    pub headers: String,
    /// The body as text.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A request to a URL under `http://<hostname>.localhost:<port>` or `http://127.0.0.1:<port>`.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// The whole URL.
    pub url: &'a str,
    /// Further header lines, such as `authorization: …`.
    pub headers: &'a [&'a str],
    /// The body.
    pub body: &'a str,
}

impl Request<'_> {
    /// Sends it. The connection goes to 127.0.0.1 whatever the hostname is, since not every
    /// resolver knows `*.localhost`.
    ///
    /// # Errors
    /// When nothing listens or the connection breaks.
    ///
    /// # Panics
    /// When the URL is not of the form above, or the answer is not HTTP/1.1.
    pub fn send(&self) -> std::io::Result<Answer> {
        let rest = self.url.strip_prefix("http://").expect("an http URL");
        let (host, path) = rest.split_once('/').map_or((rest, ""), |(host, path)| (host, path));
        let port = host.rsplit_once(':').map_or("80", |(_, port)| port);
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}"))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut head =
            format!("{} /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n", self.method);
        for line in self.headers {
            head += &format!("{line}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", self.body.len());
        stream.write_all(head.as_bytes())?;
        stream.write_all(self.body.as_bytes())?;
        let mut raw = Vec::new();
        stream.read_to_end(&mut raw)?;
        Ok(parse(&raw))
    }
}

/// GETs a URL.
///
/// # Panics
/// When nothing answers.
#[must_use]
pub fn fetch(url: &str) -> Answer {
    let request = Request { method: "GET", url, headers: &[], body: "" };
    request.send().unwrap_or_else(|error| panic!("GET {url}: {error}"))
}

/// GETs a URL that must answer 200 with JSON.
///
/// # Panics
/// When it does not.
#[must_use]
pub fn get_json(url: &str) -> Value {
    let answer = fetch(url);
    assert_eq!(answer.status, 200, "GET {url}: {answer:?}");
    answer.json()
}

fn parse(raw: &[u8]) -> Answer {
    let split = raw.windows(4).position(|four| four == b"\r\n\r\n").expect("an HTTP head");
    let headers = String::from_utf8_lossy(&raw[..split]).into_owned();
    let status = headers.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let chunked = headers.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { unchunk(&raw[split + 4..]) } else { raw[split + 4..].to_vec() };
    Answer { status, headers, body: String::from_utf8_lossy(&body).into_owned() }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end])
            .ok()
            .and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let Some(size) = size.filter(|size| *size > 0) else { break };
        let chunk = &rest[end + 2..];
        body.extend_from_slice(&chunk[..size.min(chunk.len())]);
        rest = chunk.get(size + 2..).unwrap_or_default();
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_body_is_put_together() {
        let raw = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        let answer = parse(raw);
        assert_eq!((answer.status, answer.body.as_str()), (200, "abcde"));
    }
}
