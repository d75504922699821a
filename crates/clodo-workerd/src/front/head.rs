//! Heads and framing of HTTP/1.1, as far as [`super::relay`] needs them.

#[cfg(any(test, feature = "fuzzing"))]
mod fuzzing;

#[cfg(any(test, feature = "fuzzing"))]
pub use fuzzing::http_heads;

use super::relay::is_uncaught;
use crate::runtime::Stream;
use bytes::{Buf as _, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header, request};
use std::io;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const MAX_HEADERS: usize = 64;
const MAX_HEAD: usize = 64 * 1024;
const CHUNKED: HeaderValue = HeaderValue::from_static("chunked");

/// Whoever sends one of these wants more than an answer, or says where a body ends.
const NOT_PLAIN: [HeaderName; 6] = [
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
    header::TE,
    header::TRAILER,
];

/// A request that has no body and asks for nothing special.
#[derive(Debug)]
pub(super) struct Plain {
    pub(super) parts: request::Parts,
    pub(super) host: String,
    /// Of the head, in bytes.
    pub(super) length: usize,
    pub(super) keep_alive: bool,
    pub(super) is_head: bool,
}

/// The request is for the ordinary server to read, and to refuse if need be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotPlain;

impl Plain {
    /// `None` as long as the head is not complete.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Self>, NotPlain> {
        let mut space = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Request::new(&mut space);
        let length = match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(NotPlain),
        };
        // What follows at once may be a body that was not announced, or the next request.
        if length != bytes.len() || parsed.version != Some(1) {
            return Err(NotPlain);
        }
        let method = parsed.method.and_then(|method| method.parse::<Method>().ok());
        let method = method.filter(|m| matches!(*m, Method::GET | Method::HEAD)).ok_or(NotPlain)?;
        let path = parsed.path.filter(|path| path.starts_with('/')).ok_or(NotPlain)?;
        let headers = headers(parsed.headers).ok_or(NotPlain)?;
        if NOT_PLAIN.iter().any(|name| headers.contains_key(name)) {
            return Err(NotPlain);
        }
        let keep_alive = match headers.get(header::CONNECTION).map(HeaderValue::as_bytes) {
            None => true,
            Some(value) if value.eq_ignore_ascii_case(b"keep-alive") => true,
            Some(value) if value.eq_ignore_ascii_case(b"close") => false,
            Some(_) => return Err(NotPlain),
        };
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(NotPlain) };
        let host = host.to_str().map_err(|_| NotPlain)?.to_owned();
        let is_head = method == Method::HEAD;
        let request = http::Request::builder().method(method).uri(path).version(Version::HTTP_11);
        let (mut parts, ()) = request.body(()).map_err(|_| NotPlain)?.into_parts();
        parts.headers = headers;
        Ok(Some(Self { parts, host, length, keep_alive, is_head }))
    }
}

fn headers(parsed: &[httparse::Header<'_>]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(parsed.len() + 8);
    for one in parsed {
        let name = HeaderName::from_bytes(one.name.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_bytes(one.value).ok()?);
    }
    Some(headers)
}

/// A request's head as it is sent.
pub(super) fn request(parts: &request::Parts) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(parts.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(parts.uri.path_and_query().map_or("/", |path| path.as_str()).as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    fields(&mut out, &parts.headers);
    out
}

/// An answer's head as it is sent.
pub(super) fn answer(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or("").as_bytes());
    out.extend_from_slice(b"\r\n");
    fields(&mut out, headers);
    out
}

fn fields(out: &mut Vec<u8>, headers: &HeaderMap) {
    for (name, value) in headers {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    None,
    Length(u64),
    Chunked,
    UntilClosed,
}

/// What a Worker answers.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    framing: Framing,
    reusable: bool,
}

impl Answer {
    /// Reads the head; what is left in `buffer` belongs to the body. `None` if the connection broke
    /// or what came is not HTTP.
    pub(super) async fn read(
        from: &mut dyn Stream,
        buffer: &mut BytesMut,
        is_head: bool,
    ) -> Option<Self> {
        loop {
            if let Some((length, answer)) = Self::parse(buffer, is_head)? {
                buffer.advance(length);
                if !answer.status.is_informational() {
                    return Some(answer);
                }
                continue;
            }
            let got = from.read_buf(buffer).await;
            if !matches!(got, Ok(1..)) || buffer.len() > MAX_HEAD {
                return None;
            }
        }
    }

    /// The outer `None`: it never will be a head.
    fn parse(bytes: &[u8], is_head: bool) -> Option<Option<(usize, Self)>> {
        let mut space = [httparse::EMPTY_HEADER; 2 * MAX_HEADERS];
        let mut parsed = httparse::Response::new(&mut space);
        let length = match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Some(None),
            Err(_) => return None,
        };
        let status = StatusCode::from_u16(parsed.code?).ok()?;
        let headers = headers(parsed.headers)?;
        let chunked = headers.get(header::TRANSFER_ENCODING).is_some();
        let content = headers.get(header::CONTENT_LENGTH);
        let framing = match content {
            _ if is_head
                || status == StatusCode::NO_CONTENT
                || status == StatusCode::NOT_MODIFIED =>
            {
                Framing::None
            }
            _ if chunked => Framing::Chunked,
            Some(length) => Framing::Length(length.to_str().ok()?.parse().ok()?),
            None => Framing::UntilClosed,
        };
        let closes = headers.get(header::CONNECTION).is_some_and(|value| value == "close");
        let reusable = !closes && framing != Framing::UntilClosed && parsed.version == Some(1);
        Some(Some((length, Self { status, headers, framing, reusable })))
    }

    pub(super) fn is_uncaught(&self) -> bool {
        let length = match self.framing {
            Framing::Length(length) => Some(length),
            _ => None,
        };
        is_uncaught(self.status, &self.headers, length)
    }

    /// Sends it on; says how many bytes of body there were, and whether `from` can be asked again.
    pub(super) async fn pass(
        &mut self,
        from: &mut dyn Stream,
        buffer: &mut BytesMut,
        to: &mut (impl tokio::io::AsyncWrite + Unpin),
        keep_alive: bool,
    ) -> Result<(u64, bool), Cut> {
        if self.framing == Framing::Chunked {
            self.headers.insert(header::TRANSFER_ENCODING, CHUNKED);
        }
        if !keep_alive || !self.reusable {
            self.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let mut out = answer(self.status, &self.headers);
        let mut body = Body::new(self.framing);
        let mut sent = 0;
        loop {
            let here = body.take(buffer).map_err(Cut::Worker)?;
            sent += here as u64;
            out.extend_from_slice(&buffer[..here]);
            buffer.advance(here);
            if !out.is_empty() {
                to.write_all(&out).await.map_err(Cut::Client)?;
                out.clear();
            }
            if body.is_done() {
                // More than was announced is not an answer to anything.
                return Ok((sent, self.reusable && buffer.is_empty()));
            }
            if from.read_buf(buffer).await.map_err(Cut::Worker)? == 0 {
                return match self.framing {
                    Framing::UntilClosed => Ok((sent, false)),
                    _ => Err(Cut::Worker(io::ErrorKind::UnexpectedEof.into())),
                };
            }
        }
    }
}

/// Who broke off in the middle of an answer.
#[derive(Debug)]
pub(super) enum Cut {
    /// The Worker or its process.
    Worker(io::Error),
    /// The client.
    Client(io::Error),
}

/// Finds the end of a body.
#[derive(Debug)]
enum Body {
    Left(u64),
    Endless,
    Chunks(Chunks),
}

impl Body {
    fn new(framing: Framing) -> Self {
        match framing {
            Framing::None => Self::Left(0),
            Framing::Length(length) => Self::Left(length),
            Framing::Chunked => Self::Chunks(Chunks::Size(0)),
            Framing::UntilClosed => Self::Endless,
        }
    }

    /// How many of the bytes belong to it.
    fn take(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Endless => Ok(bytes.len()),
            Self::Left(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= here as u64;
                Ok(here)
            }
            Self::Chunks(chunks) => chunks.take(bytes),
        }
    }

    fn is_done(&self) -> bool {
        matches!(self, Self::Left(0) | Self::Chunks(Chunks::Done))
    }
}

/// Where in a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunks {
    /// In the digits of a size.
    Size(u64),
    /// After the digits, until the line ends.
    Extension(u64),
    /// So many bytes of data are left, with the line end after them.
    Data(u64),
    /// In the trailers; so many bytes of the line are read.
    Trailer(usize),
    Done,
}

impl Chunks {
    fn take(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut at = 0;
        while at < bytes.len() && *self != Self::Done {
            if let Self::Data(left) = self {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len() - at);
                *left -= here as u64;
                at += here;
                if *left == 0 {
                    *self = Self::Size(0);
                }
                continue;
            }
            *self = self.after(bytes[at])?;
            at += 1;
        }
        Ok(at)
    }

    fn after(self, byte: u8) -> io::Result<Self> {
        Ok(match (self, byte) {
            (Self::Size(size) | Self::Extension(size), b'\n') => match size {
                0 => Self::Trailer(0),
                size => Self::Data(size.saturating_add(2)),
            },
            (Self::Size(size), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                let size = size.checked_mul(16).ok_or(io::ErrorKind::InvalidData)?;
                Self::Size(size + u64::from(digit))
            }
            (Self::Size(size), b';' | b'\r' | b' ' | b'\t') => Self::Extension(size),
            (Self::Extension(size), _) => Self::Extension(size),
            (Self::Trailer(0), b'\n') => Self::Done,
            (Self::Trailer(_), b'\n') | (Self::Trailer(0), b'\r') => Self::Trailer(0),
            (Self::Trailer(read), _) => Self::Trailer(read + 1),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Result<Option<(String, bool)>, NotPlain> {
        let found = Plain::parse(text.as_bytes())?;
        Ok(found.map(|found| (found.parts.uri.to_string(), found.keep_alive)))
    }

    #[test]
    fn only_a_request_without_a_body_is_plain() {
        assert_eq!(plain("GET /a?b HTTP/1.1\r\nhost: x\r\n\r\n"), Ok(Some(("/a?b".into(), true))));
        let closes = "HEAD / HTTP/1.1\r\nhost: x\r\nconnection: Close\r\n\r\n";
        assert_eq!(plain(closes), Ok(Some(("/".into(), false))));
        assert_eq!(plain("GET / HTTP/1.1\r\nhost: x\r\n"), Ok(None));
        for other in [
            "POST / HTTP/1.1\r\nhost: x\r\n\r\n",
            "GET / HTTP/1.0\r\nhost: x\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\r\nconnection: keep-alive, x-hop\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\n\r\n",
            "GET http://x/ HTTP/1.1\r\nhost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\n",
            "GET / HTTP/1.1\r\nhost : x\r\n\r\n",
            "GET / HTTP/1.1\r\n folded: x\r\n\r\n",
            "\0\0\0",
        ] {
            assert_eq!(plain(other), Err(NotPlain), "{other:?}");
        }
    }

    #[test]
    fn a_chunked_body_ends_where_it_ends_however_it_is_cut() {
        let body = b"4\r\nWiki\r\nA;x=\"1\"\r\n0123456789\r\n0\r\nx-trailer: 1\r\n\r\n";
        let after = [&body[..], b"HTTP/1.1 200"].concat();
        for step in 1..after.len() {
            let (mut body_end, mut chunks) = (0, Chunks::Size(0));
            for piece in after.chunks(step) {
                body_end += chunks.take(piece).unwrap();
            }
            assert_eq!((body_end, chunks), (body.len(), Chunks::Done), "{step}");
        }
        for bad in [&b"x\r\n"[..], b"11111111111111111\r\n", b"-1\r\n"] {
            assert!(Chunks::Size(0).take(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_answer_says_how_long_it_is() {
        let framing = |text: &str, is_head| {
            Answer::parse(text.as_bytes(), is_head).unwrap().unwrap().1.framing
        };
        let sized = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
        assert_eq!(framing(sized, false), Framing::Length(5));
        assert_eq!(framing(sized, true), Framing::None);
        assert_eq!(framing("HTTP/1.1 304 X\r\ncontent-length: 5\r\n\r\n", false), Framing::None);
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(framing(chunked, false), Framing::Chunked);
        assert_eq!(framing("HTTP/1.1 200 OK\r\n\r\n", false), Framing::UntilClosed);
        assert!(Answer::parse(b"nonsense\r\n\r\n", false).is_none());
    }
}
