//! The whole state in a file: saved while it runs, compared, and put back.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

use clodo_tests::{Request, Run, Sandbox, Schema};
use serde_json::{Value, json};
use std::fs;

/// A cloud with a database, a namespace and a bucket, asked through its API.
struct Cloud {
    sandbox: Sandbox,
}

impl Cloud {
    fn new() -> Self {
        let sandbox = Sandbox::empty();
        let _ = sandbox.local(&["up", "--detach", "--zone", "acme.test"]).exits(0);
        Self { sandbox }
    }

    fn call(&self, method: &str, path: &str, body: &str) -> Value {
        let settings = self.sandbox.settings();
        let of = |name: &str| {
            settings
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.clone())
                .unwrap()
        };
        let url = format!(
            "{}/accounts/{}{path}",
            of("CLOUDFLARE_API_BASE_URL"),
            of("CLOUDFLARE_ACCOUNT_ID")
        );
        let token = format!("authorization: Bearer {}", of("CLOUDFLARE_API_TOKEN"));
        let headers = [token.as_str()];
        let request = Request { method, url: &url, headers: &headers, body };
        let answer = request.send().unwrap();
        serde_json::from_str(&answer.body).unwrap_or_else(|_| json!(answer.body))
    }

    fn sql(&self, database: &str, sql: &str) -> Value {
        let path = format!("/d1/database/{database}/query");
        let answer = self.call("POST", &path, &json!({ "sql": sql }).to_string());
        assert_eq!(answer["success"], true, "{answer}");
        answer["result"][0]["results"].clone()
    }

    fn file(&self, name: &str) -> String {
        self.sandbox.project().join(name).to_string_lossy().into_owned()
    }

    fn local(&self, words: &[&str]) -> Run {
        self.sandbox.local(words)
    }
}

fn told(diff: &Value) -> Vec<String> {
    let all = diff["differences"].as_array().unwrap();
    let told =
        |one: &Value| format!("{} {}", one["how"].as_str().unwrap(), one["what"].as_str().unwrap());
    all.iter().map(told).collect()
}

#[test]
fn a_snapshot_of_a_running_cloud_brings_everything_back() {
    let cloud = Cloud::new();
    let made = cloud.call("POST", "/d1/database", r#"{"name":"shop"}"#);
    let database = made["result"]["uuid"].as_str().unwrap().to_owned();
    cloud.sql(&database, "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO item (name) VALUES ('a'), ('b');");
    let made = cloud.call("POST", "/storage/kv/namespaces", r#"{"title":"notes"}"#);
    let space = made["result"]["id"].as_str().unwrap().to_owned();
    let value = |key: &str| format!("/storage/kv/namespaces/{space}/values/{key}");
    cloud.call("PUT", &value("kept"), "one");
    let _ = cloud.call("POST", "/r2/buckets", r#"{"name":"pictures"}"#);
    cloud.call("PUT", "/r2/buckets/pictures/objects/cat.txt", "meow");

    let before = cloud.file("before.tar");
    let saved = cloud.local(&["snapshot", &before, "--json"]).exits(0).json();
    assert_eq!((&saved["outcome"], &saved["running"]), (&json!("done"), &json!(true)));
    Schema::of("clodo-local").check("snapshot", &saved);
    let same = cloud.local(&["diff", &before, "--json"]).exits(0).json();
    assert_eq!(same["differences"], json!([]));

    cloud.sql(&database, "UPDATE item SET name = 'c' WHERE id = 2; CREATE TABLE more (x);");
    cloud.call("PUT", &value("kept"), "two");
    cloud.call("PUT", &value("new"), "three");
    cloud.call("DELETE", "/r2/buckets/pictures/objects/cat.txt", "");
    let diff = cloud.local(&["diff", &before, "--json", "--exit-code"]).exits(4).json();
    Schema::of("clodo-local").check("diff", &diff);
    assert_eq!(
        told(&diff),
        [
            "changed d1 shop/table item",
            "added d1 shop/table more",
            "added d1 shop/table more (schema)",
            "changed kv notes/kept",
            "added kv notes/new",
            "removed r2 pictures/cat.txt",
        ]
    );

    let restored = cloud.local(&["restore", &before, "--yes", "--json"]).exits(0).json();
    assert_eq!((&restored["stopped"], &restored["replaced"]), (&json!(true), &json!(true)));
    Schema::of("clodo-local").check("restore", &restored);
    let _ = cloud.local(&["up", "--detach"]).exits(0);
    assert_eq!(
        cloud.sql(&database, "SELECT name FROM item ORDER BY id"),
        json!([{ "name": "a" }, { "name": "b" }])
    );
    assert_eq!(cloud.call("GET", &value("kept"), ""), json!("one"));
    assert_eq!(cloud.call("GET", "/r2/buckets/pictures/objects/cat.txt", ""), json!("meow"));
    let _ = cloud.local(&["diff", &before, "--exit-code"]).exits(0);

    let _ = cloud.local(&["down"]).exits(0);
    let again = cloud.file("again.tar");
    let saved = cloud.local(&["snapshot", &again, "--json"]).exits(0).json();
    assert_eq!(saved["running"], false);
    let _ = cloud.local(&["diff", &before, &again, "--exit-code"]).exits(0);
}

#[test]
fn what_is_no_whole_snapshot_changes_nothing() {
    let cloud = Cloud::new();
    let whole = cloud.file("whole.tar");
    let _ = cloud.local(&["snapshot", &whole]).exits(0);
    let there = cloud.local(&["snapshot", &whole]).exits(2);
    assert!(there.stderr.contains("--force"), "{there:?}");
    let _ = cloud.local(&["snapshot", &whole, "--force"]).exits(0);
    let bytes = fs::read(&whole).unwrap();
    let mut foreign = tar_of("../escape", b"x");
    foreign.splice(0..0, bytes[..1536].iter().copied());
    for (name, content) in [
        ("empty.tar", Vec::new()),
        ("cut.tar", bytes[..bytes.len() / 2].to_vec()),
        ("text.tar", b"this is no tar file".repeat(100)),
        ("escape.tar", foreign),
    ] {
        let file = cloud.file(name);
        fs::write(&file, content).unwrap();
        let refused = cloud.local(&["restore", &file, "--yes"]).exits(2);
        assert!(refused.stderr.contains("no whole snapshot"), "{name}: {refused:?}");
        let _ = cloud.local(&["up", "--detach"]).exits(0);
        let _ = cloud.local(&["diff", &whole, "--exit-code"]).exits(0);
    }
    assert!(!cloud.sandbox.project().join(".clodo/escape").exists());
    let none = cloud.local(&["restore", &cloud.file("none.tar"), "--yes"]).exits(2);
    assert!(none.stderr.contains("there is no file"), "{none:?}");
}

/// One entry of a tar file, and its end.
fn tar_of(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = vec![0_u8; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..107].copy_from_slice(b"0000644");
    let size = format!("{:011o}", content.len());
    header[124..135].copy_from_slice(size.as_bytes());
    header[136..147].copy_from_slice(b"00000000000");
    header[148..156].copy_from_slice(b"        ");
    header[156] = b'0';
    header[257..263].copy_from_slice(b"ustar\0");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    header.extend(content);
    header.resize(1024, 0);
    header.extend([0; 1024]);
    header
}
