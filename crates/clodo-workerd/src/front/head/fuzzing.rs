//! What is fuzzed of HTTP/1.1's heads and framing.

use super::{Answer, Chunks, Framing, Plain, request};

/// Bytes of a client, of a Worker, and of a chunked body: what goes the short way is one request
/// and no more, and a body ends where it ends however it is cut.
pub fn http_heads(data: &[u8]) {
    if let Ok(Some(plain)) = Plain::parse(data) {
        assert_eq!(plain.length, data.len(), "nothing may follow");
        let sent = request(&plain.parts);
        let mut space = [httparse::EMPTY_HEADER; 64];
        let mut seen = httparse::Request::new(&mut space);
        let parsed = seen.parse(&sent).expect("what is sent is a request");
        assert_eq!(parsed, httparse::Status::Complete(sent.len()), "and one only");
        assert_eq!(seen.headers.len(), plain.parts.headers.len(), "with these headers");
        assert_eq!(seen.path, Some(plain.parts.uri.to_string().as_str()));
        let body = ["content-length", "transfer-encoding"];
        assert!(seen.headers.iter().all(|header| !body.contains(&header.name)), "and no body");
    }
    if let Some(Some((length, answer))) = Answer::parse(data, false) {
        assert!(length <= data.len());
        assert!(answer.framing != Framing::UntilClosed || !answer.reusable);
    }
    let whole = end_of(data, data.len().max(1));
    for step in [1, 2, 7] {
        assert_eq!(end_of(data, step), whole, "cut into pieces of {step}");
    }
    if let Some(end) = strict(data) {
        assert_eq!(whole, Ok((end, true)), "a body by the book");
    }
}

/// How many bytes belong to the body, and whether it is whole.
fn end_of(data: &[u8], step: usize) -> Result<(usize, bool), ()> {
    let (mut end, mut chunks) = (0, Chunks::Size(0));
    for piece in data.chunks(step) {
        end += chunks.take(piece).map_err(drop)?;
    }
    Ok((end, chunks == Chunks::Done))
}

/// Where a body ends that keeps to the letter of RFC 9112, 7.1, without extensions and trailers.
fn strict(data: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let line = data[at..].windows(2).position(|pair| pair == b"\r\n")?;
        let digits = std::str::from_utf8(&data[at..at + line]).ok()?;
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let size = usize::from_str_radix(digits, 16).ok().filter(|_| plain)?;
        at += line + 2;
        let end = at.checked_add(size)?;
        if data.get(end..end.checked_add(2)?)? != b"\r\n" {
            return None;
        }
        at = end + 2;
        if size == 0 {
            return Some(at);
        }
    }
}
