use crate::world::{World, asks, ok, options, read, streamed};
use clodo_gateway::{AnswerSource, CallLine, CallSink as _, LogFile};
use clodo_http::{Answer, Body, Scripted};
use http::{Method, StatusCode};
use serde_json::{Value, json};

#[tokio::test(start_paused = true)]
async fn a_line_says_what_happened_and_nothing_that_is_secret() {
    let world =
        World::answering(options(), |_| Answer::json(StatusCode::OK, r#"{"result":"hidden"}"#));
    let request = asks(Method::PUT, "/accounts/0123abcd/workers/scripts/my-shop/secrets?key=hush")
        .header("authorization", "Bearer hunter2")
        .header("user-agent", "wrangler/4.86.0");
    read(world.send(request.body(streamed("the-secret", true)).unwrap()).await).await;
    let line = world.log.lines().remove(0);
    assert_eq!(
        serde_json::to_value(&line).unwrap(),
        json!({
            "at": "1970-01-01T00:00:00.000Z",
            "client": "wrangler/4.86.0",
            "peer": 50_000,
            "token": 1,
            "method": "PUT",
            "route": "/accounts/{account}/workers/scripts/{script}/secrets",
            "status": 200,
            "source": "upstream",
            "waited_ms": 0,
            "upstream_ms": 0,
            "attempts": 1,
            "bytes_in": 10,
            "bytes_out": 19,
            "complete": true,
        })
    );
    let text = serde_json::to_string(&line).unwrap();
    for secret in ["hunter2", "my-shop", "hush", "the-secret", "hidden", "0123abcd"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_is_not_read_is_not_complete() {
    let body = "x".repeat(100);
    let cut = Answer::json(StatusCode::OK, body.clone()).cut_off();
    let world = World::new(options(), Scripted::new([cut, Answer::json(StatusCode::OK, body)]));
    let object =
        || asks(Method::GET, "/accounts/a/r2/buckets/b/objects/k").body(Body::empty()).unwrap();
    assert!(world.send(object()).await.into_body().collect(1 << 20).await.is_err());
    drop(world.send(object()).await);
    let noted: Vec<_> =
        world.log.lines().iter().map(|line| (line.complete, line.bytes_out)).collect();
    assert_eq!(noted, [(false, 100), (false, 0)]);
}

#[tokio::test]
async fn refusals_are_in_the_log_with_their_reason() {
    let world = World::answering(options(), |_| ok());
    let request = asks(Method::GET, "/a/../b").body(Body::empty()).unwrap();
    read(world.send(request).await).await;
    let line = world.log.lines().remove(0);
    assert_eq!((line.status, line.source), (Some(400), AnswerSource::Gateway));
    assert_eq!(line.refused, Some("bad_path"));
    assert_eq!(line.route, "{unknown}", "what was not understood is not repeated");
}

fn line() -> CallLine {
    let world = World::answering(options(), |_| ok());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(world.get("/zones"));
    world.log.lines().remove(0)
}

#[test]
fn the_file_holds_one_object_a_line_and_grows_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.jsonl");
    for _ in 0..2 {
        let log = LogFile::open(&path).unwrap();
        for _ in 0..500 {
            log.record(&line_of(&path));
        }
        log.close();
        assert_eq!(log.lost(), 0);
        log.record(&line_of(&path));
        assert_eq!(log.lost(), 1, "after the end a line is lost, and counted");
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 1000);
    assert_eq!(lines[0]["route"], "/zones");
    assert!(lines[0].get("refused").is_none());
}

fn line_of(_: &std::path::Path) -> CallLine {
    static LINE: std::sync::OnceLock<CallLine> = std::sync::OnceLock::new();
    LINE.get_or_init(line).clone()
}

#[cfg(unix)]
#[test]
fn only_this_user_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.jsonl");
    let _log = LogFile::open(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_loses_lines_and_counts_them() {
    let log = LogFile::open(std::path::Path::new("/dev/full")).unwrap();
    for _ in 0..10 {
        log.record(&line());
    }
    log.close();
    assert_eq!(log.lost(), 10);
}
