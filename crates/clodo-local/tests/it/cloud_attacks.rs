//! The front door, tried with what no client sends.

use crate::{
    api_support::{Api, TOKEN},
    support::workerd,
};
use axum::body::Body;
use clodo_local::LocalCloud;
use clodo_types::SystemClock;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Sends bytes as they are.
async fn send(port: u16, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    // The other side may close before it has read all.
    let _ = stream.write_all(bytes).await;
    stream
}

/// Reads until the other side is done. Our half stays open until then: a server may take the end of
/// it for the end of its client, and answer nothing.
async fn answer_of(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answer: &str) -> Vec<&str> {
    let lines = answer.split("HTTP/1.1 ").skip(1);
    lines.filter_map(|line| line.split(' ').next()).collect()
}

/// What must not be taken for a request of its own.
const SECOND: &str = "GET /clodo/faults HTTP/1.1\r\nhost: evil.test\r\n\r\n";

/// What it is, the bytes, and the statuses that they are answered with.
#[expect(clippy::too_many_lines, reason = "a table")]
fn malformed(auth: &str) -> Vec<(&'static str, String, Vec<&'static str>)> {
    let many: String = (0..300).map(|n| format!("x-{n}: y\r\n")).collect();
    let long = "y".repeat(1024 * 1024);
    vec![
        (
            "a plain one",
            format!("GET /clodo/status HTTP/1.1\r\n{auth}connection: close\r\n\r\n"),
            vec!["200"],
        ),
        ("no Host", "GET /clodo/status HTTP/1.1\r\nconnection: close\r\n\r\n".into(), vec!["400"]),
        (
            "a foreign Host",
            "GET /clodo/status HTTP/1.1\r\nhost: 10.0.0.1\r\nconnection: close\r\n\r\n".into(),
            vec!["421"],
        ),
        (
            "a websocket of a foreign page",
            format!(
                "GET /clodo/tails/x HTTP/1.1\r\n{auth}origin: http://evil.test\r\nupgrade: websocket\r\n\
                 connection: upgrade, close\r\nsec-websocket-version: 13\r\n\
                 sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            ),
            vec!["403"],
        ),
        (
            "more than was announced",
            format!(
                "POST /clodo/faults HTTP/1.1\r\n{auth}content-length: 2\r\n\r\n{{}}{}",
                "x".repeat(100) + "\r\n\r\n"
            ),
            vec!["400", "400"],
        ),
        (
            "a chunk that has no size",
            format!(
                "POST /clodo/faults HTTP/1.1\r\n{auth}connection: close\r\n\
                 transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n{{}}\r\n0\r\n\r\n"
            ),
            vec!["400"],
        ),
        (
            "two lengths",
            format!(
                "POST /clodo/faults HTTP/1.1\r\n{auth}content-length: 2\r\ncontent-length: 40\r\n\r\n{{}}{SECOND}"
            ),
            vec!["400"],
        ),
        (
            "a length that is none",
            format!("POST /clodo/faults HTTP/1.1\r\n{auth}content-length: 2x\r\n\r\n{{}}"),
            vec!["400"],
        ),
        (
            "an unknown coding",
            format!(
                "POST /clodo/faults HTTP/1.1\r\n{auth}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n"
            ),
            vec!["400"],
        ),
        (
            "a space before the colon",
            format!("GET /clodo/status HTTP/1.1\r\n{auth}transfer-encoding : chunked\r\n\r\n"),
            vec!["400"],
        ),
        (
            "too many headers",
            format!("GET /clodo/status HTTP/1.1\r\n{auth}{many}\r\n"),
            vec!["431"],
        ),
        (
            "a header of 1 MiB",
            format!("GET /clodo/status HTTP/1.1\r\n{auth}x: {long}\r\n\r\n"),
            vec!["431"],
        ),
        ("a target of 1 MiB", format!("GET /{long} HTTP/1.1\r\n{auth}\r\n"), vec!["414"]),
        ("no HTTP", "\x16\x03\x01\x02\x00".into(), vec!["400"]),
        (
            "a newline in a header",
            format!("GET /clodo/status HTTP/1.1\r\n{auth}x: a\0b\r\n\r\n"),
            vec!["400"],
        ),
    ]
}

// conformance: security | no request is smuggled behind another, oversized heads are refused | guessed: the status and an end of the connection, since Cloudflare's edge answers for itself with words of its own
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_requests_are_refused_and_nothing_slips_in_behind_them() {
    let cloud = LocalCloud::builder(&workerd::binary().await, Arc::new(SystemClock));
    let cloud = cloud.start().await.unwrap();
    let auth = format!("host: 127.0.0.1\r\nauthorization: Bearer {}\r\n", cloud.token().expose());
    for (what, request, expected) in malformed(&auth) {
        let answer = answer_of(send(cloud.port(), request.as_bytes()).await).await;
        let seen = statuses(&answer);
        // A refusal closes the connection: there must be no second answer.
        assert!(seen == expected || (seen.is_empty() && expected != ["200"]), "{what}: {answer}");
    }
    // With both, the chunks count and the length does not: the rest is the next request, as the
    // client meant it, and stands on its own feet.
    let both = format!(
        "POST /clodo/faults HTTP/1.1\r\n{auth}content-length: 200\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{SECOND}"
    );
    let mut stream = send(cloud.port(), both.as_bytes()).await;
    // Whoever goes by the length would wait for more.
    let _ = stream.shutdown().await;
    let answer = answer_of(stream).await;
    assert!(!answer.contains("\"result\":[]"), "{answer}");
    cloud.stop().await;
}

// conformance: security | path traversal in names | documented
#[tokio::test]
async fn a_name_that_means_another_place_is_no_name() {
    let api = Api::new().await;
    let names = [
        "..",
        ".",
        "%2e%2e",
        "%2E%2e",
        "..%2f..%2fetc%2fpasswd",
        "%2fetc%2fpasswd",
        "a%2fb",
        "a%5cb",
        "..%5c..%5cx",
        "a%00b",
        "a%0ab",
        "%ff%fe",
        "a%7f",
        "%c0%ae%c0%ae",
    ];
    let long = "a".repeat(2_000);
    for name in names.into_iter().chain([long.as_str()]) {
        for path in [
            format!("{{acc}}/workers/scripts/{name}"),
            format!("{{acc}}/workers/scripts/{name}/settings"),
            format!("{{acc}}/workers/scripts/shop/secrets/{name}"),
            format!("{{acc}}/workers/services/{name}"),
            format!("{{acc}}/d1/database/{name}"),
            format!("{{acc}}/storage/kv/namespaces/{name}/keys"),
            format!("{{acc}}/r2/buckets/{name}"),
            format!("{{acc}}/r2/buckets/{name}/objects/x"),
            format!("{{acc}}/queues/{name}"),
            format!("/zones/{name}"),
            format!("/zones/{name}/dns_records"),
            format!("/accounts/{name}/workers/scripts"),
            format!("/user/tokens/{name}"),
        ] {
            for method in ["GET", "PUT", "DELETE"] {
                let answer = api.with_token(TOKEN, method, &path, Value::Null).await;
                let (status, code) = answer.error();
                assert!(
                    (status, code) == (404, 7003) || (status, code) == (405, 7001),
                    "{method} {path}: {status} {code}"
                );
            }
        }
    }
    let outside = api.folder.path().parent().unwrap().join("etc");
    assert!(!outside.exists());
}

// conformance: security | JSON bombs, wrong types, other encodings | documented
#[tokio::test]
async fn bodies_that_are_no_json_of_ours_are_refused_and_cost_little() {
    let api = Api::new().await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_object = "{\"a\":".repeat(100_000);
    let huge_number = format!("{{\"name\":{}}}", "9".repeat(100_000));
    let twice = r#"{"name":"a","name":"b"}"#;
    for (what, body) in [
        ("nothing", Vec::new()),
        ("depth", deep.into_bytes()),
        ("depth of objects", deep_object.into_bytes()),
        ("half", br#"{"name":"#.to_vec()),
        ("a number", huge_number.into_bytes()),
        ("no UTF-8", b"{\"name\":\"\xff\xfe\"}".to_vec()),
        ("UTF-16", "{\"name\":\"a\"}".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("a lone surrogate", br#"{"name":"\ud800"}"#.to_vec()),
        ("a key given twice", twice.as_bytes().to_vec()),
        ("a list", b"[]".to_vec()),
        ("a string", b"\"name\"".to_vec()),
        ("null", b"null".to_vec()),
        ("NUL", b"{\"name\":\"a\0b\"}".to_vec()),
    ] {
        let request = api.request("POST", "{acc}/d1/database").body(Body::from(body)).unwrap();
        let (status, _) = api.send(request).await.error();
        assert_eq!(status, 400, "{what}");
    }
    assert_eq!(api.get("{acc}/d1/database").await.result(), json!([]));
    // What a client calls its JSON does not matter.
    for kind in ["text/plain;charset=UTF-8", "application/x-www-form-urlencoded", "nonsense", ""] {
        let name = format!("db{}", kind.len());
        let request = api.request("POST", "{acc}/d1/database").header("content-type", kind);
        let body = Body::from(json!({ "name": name }).to_string());
        api.send(request.body(body).unwrap()).await.result();
    }
}

async fn uploaded(api: &Api, content_type: &str, body: Vec<u8>) -> (u16, bool) {
    let request = api.request("PUT", "{acc}/workers/scripts/evil");
    let request = request.header("content-type", content_type).body(Body::from(body)).unwrap();
    let answer = api.send(request).await;
    (answer.status, answer.json()["success"] == true)
}

// conformance: security | malformed and gigantic multipart bodies | documented
#[tokio::test]
async fn forms_that_are_none_are_refused() {
    let api = Api::new().await;
    let form = "multipart/form-data; boundary=B";
    let part = |head: &str, body: &str| format!("--B\r\n{head}\r\n\r\n{body}\r\n");
    let named = |name: &str| format!("content-disposition: form-data; name=\"{name}\"");
    let metadata = part(&named("metadata"), r#"{"main_module":"i.js"}"#);
    let module = part(
        "content-disposition: form-data; name=\"i.js\"; filename=\"i.js\"\r\ncontent-type: application/javascript+module",
        "export default 1",
    );
    let good = format!("{metadata}{module}--B--\r\n");
    let long = "x".repeat(1024 * 1024);
    let crowd: String = (0..30_000).map(|n| part(&named(&format!("m{n}")), "")).collect();
    for (what, content_type, body) in [
        ("another boundary", "multipart/form-data; boundary=C", good.clone()),
        (
            "a boundary of 1 MiB",
            &format!("multipart/form-data; boundary={}", &long[..60_000]),
            good.clone(),
        ),
        ("nothing", form, String::new()),
        ("only the end", form, "--B--\r\n".into()),
        ("no end", form, format!("{metadata}{module}")),
        ("no metadata", form, format!("{module}--B--\r\n")),
        (
            "metadata that is no JSON",
            form,
            format!("{}{module}--B--\r\n", part(&named("metadata"), "{")),
        ),
        ("metadata twice", form, format!("{metadata}{metadata}{module}--B--\r\n")),
        ("no disposition", form, format!("{metadata}{}--B--\r\n", part("x: y", "z"))),
        ("a header of 1 MiB", form, format!("{metadata}{}--B--\r\n", part(&named(&long), ""))),
        ("30,000 parts", form, format!("{metadata}{module}{crowd}--B--\r\n")),
        (
            "deep metadata",
            form,
            format!("{}{module}--B--\r\n", part(&named("metadata"), &"[".repeat(50_000))),
        ),
        (
            "metadata of a list",
            form,
            format!("{}{module}--B--\r\n", part(&named("metadata"), "[]")),
        ),
    ] {
        let (status, success) = uploaded(&api, content_type, body.into_bytes()).await;
        assert!((400..500).contains(&status) && !success, "{what}: {status}");
    }
    assert_eq!(uploaded(&api, form, good.clone().into_bytes()).await, (200, true));
    // Cloudflare's own SDKs leave it out, and the body says it all the same.
    assert_eq!(uploaded(&api, "multipart/form-data", good.into_bytes()).await, (200, true));
}

// conformance: security | an upload that never ends is refused at 300 MiB | guessed: 300 MiB with status 413, since Cloudflare refuses sooner, by plan
#[tokio::test]
async fn an_upload_without_end_is_refused_and_not_read_on() {
    let api = Api::new().await;
    let pulled = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&pulled);
    let chunk = bytes::Bytes::from(vec![b'x'; 1 << 20]);
    let endless = futures_util::stream::repeat_with(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok::<_, std::io::Error>(chunk.clone())
    });
    let request = api.request("PUT", "{acc}/workers/scripts/evil");
    let request = request.header("content-type", "multipart/form-data; boundary=B");
    let answer = api.send(request.body(Body::from_stream(endless)).unwrap()).await;
    assert_eq!(answer.status, 413);
    assert!(pulled.load(Ordering::Relaxed) <= 302, "{pulled:?} MiB were read");
    assert_eq!(api.get("{acc}/workers/scripts").await.result(), json!([]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_form_and_no_path_breaks_the_api(
        pieces in proptest::collection::vec(piece(), 0..12),
        path in "[ -~]{0,40}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let api = Api::new().await;
            let (status, _) = uploaded(&api, "multipart/form-data; boundary=B", pieces.concat()).await;
            prop_assert!(status < 500, "{status}");
            if let Ok(uri) = format!("/client/v4/{path}").parse::<http::Uri>() {
                let request = http::Request::builder().uri(uri).header("authorization", format!("Bearer {TOKEN}"));
                let answer = api.send(request.body(Body::empty()).unwrap()).await;
                prop_assert!(answer.status < 500, "{} {path}", answer.status);
            }
            Ok(())
        })?;
    }
}

/// What forms are made of, in any order, and noise.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(b"--B\r\n".to_vec()),
        Just(b"--B--\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"content-disposition: form-data; name=\"metadata\"\r\n\r\n".to_vec()),
        Just(b"content-disposition: form-data; name=\"i.js\"; filename=\"i.js\"\r\n".to_vec()),
        Just(b"content-type: application/javascript+module\r\n\r\n".to_vec()),
        Just(br#"{"main_module":"i.js","bindings":[{"type":"plain_text"}]}"#.to_vec()),
        proptest::collection::vec(any::<u8>(), 0..30),
    ]
}
