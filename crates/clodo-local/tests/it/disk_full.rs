//! The API on a disk without room.

use crate::{
    api_support::{Answer, Api, module},
    small_disk::{SmallDisk, on_a_disk_of},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs};

const DISK: u32 = 12 << 20;

/// What says that there is no room: 500, in Cloudflare's envelope, with the reason.
#[track_caller]
fn says_full(answer: &Answer) {
    let (status, code) = answer.error();
    let text = answer.json()["errors"][0]["message"].to_string();
    let words = ["disk is full", "No space left on device"];
    assert!(status == 500 && words.iter().any(|word| text.contains(word)), "{code} {text}");
}

/// One write of each kind, all of them about number `n`, and what they are about.
async fn write(api: &Api, n: usize) -> Vec<(String, Answer)> {
    let code = format!("export default {{ n: {n} }} // {}", format!("{n:06} ").repeat(15_000));
    let script = format!("{{acc}}/workers/scripts/s{n}");
    let text = "x".repeat(5_000);
    let secret = json!({ "name": format!("S{n}"), "text": text, "type": "secret_text" });
    let record =
        json!({ "type": "TXT", "name": format!("n{n}.acme.test"), "content": &text[..2_000] });
    let zone = format!("/zones/{}/dns_records", zone(api).await);
    let namespaces = "{acc}/storage/kv/namespaces";
    let mut done =
        vec![(format!("script s{n}"), api.upload("PUT", &script, module(json!([])), &code).await)];
    for (what, method, path, body) in [
        (format!("secret S{n}"), "PUT", "{acc}/workers/scripts/s0/secrets", secret),
        (format!("record n{n}"), "POST", &zone, record),
        (format!("namespace kv{n}"), "POST", namespaces, json!({ "title": format!("kv{n}") })),
        (
            format!("database db{n}"),
            "POST",
            "{acc}/d1/database",
            json!({ "name": format!("db{n}") }),
        ),
        (
            format!("bucket bucket{n}"),
            "POST",
            "{acc}/r2/buckets",
            json!({ "name": format!("bucket{n}") }),
        ),
        (format!("queue q{n}"), "POST", "{acc}/queues", json!({ "queue_name": format!("q{n}") })),
    ] {
        done.push((what, api.json(method, path, body).await));
    }
    done
}

async fn zone(api: &Api) -> String {
    let zones = api.get("/zones?name=acme.test").await.result();
    zones[0]["id"].as_str().unwrap().to_owned()
}

/// All that the API says is there.
async fn listed(api: &Api) -> BTreeSet<String> {
    let records = format!("/zones/{}/dns_records", zone(api).await);
    let mut found = BTreeSet::new();
    for (kind, path, field) in [
        ("script", "{acc}/workers/scripts", "id"),
        ("secret", "{acc}/workers/scripts/s0/secrets", "name"),
        ("record", &records, "name"),
        ("namespace", "{acc}/storage/kv/namespaces", "title"),
        ("database", "{acc}/d1/database", "name"),
        ("bucket", "{acc}/r2/buckets", "name"),
        ("queue", "{acc}/queues", "queue_name"),
    ] {
        for page in 1.. {
            let list = api.get(&format!("{path}?per_page=100&page={page}")).await.result();
            let list = if kind == "bucket" { list["buckets"].clone() } else { list };
            let list = list.as_array().unwrap().clone();
            let name = |item: &Value| item[field].as_str().unwrap().replace(".acme.test", "");
            let before = found.len();
            found.extend(list.iter().map(|item| format!("{kind} {}", name(item))));
            if list.len() < 100 || found.len() == before {
                break;
            }
        }
    }
    found
}

/// Writes until a good many were refused; returns what was acknowledged, and the number at which
/// there was no room.
async fn until_full(api: &Api, disk: &SmallDisk) -> (BTreeSet<String>, usize) {
    let (mut kept, mut refused, mut full) = (BTreeSet::new(), 0, None);
    for n in 0..500 {
        for (what, answer) in write(api, n).await {
            if answer.status == 200 {
                kept.insert(what);
            } else {
                says_full(&answer);
                refused += 1;
            }
        }
        if refused > 0 && full.is_none() {
            disk.fill();
            full = Some(n + 1);
        }
        if refused > 20 {
            break;
        }
    }
    (kept, full.expect("a small disk is full at some time"))
}

// conformance: limits and faults | a full disk: API writes are refused with 500 and change nothing | guessed: an error of the platform's own and no half-done write, since Cloudflare's disks never show themselves
#[test]
fn the_api_keeps_what_it_acknowledged_and_goes_on_when_there_is_room() {
    on_a_disk_of(DISK, |disk| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir_in(disk.path()).unwrap();
            let api = Api::in_folder(folder).await;
            let (mut kept, full) = until_full(&api, &disk).await;
            assert_eq!(listed(&api).await, kept, "what was refused is not there");
            disk.free();
            // The very names that were refused are free.
            for (what, answer) in write(&api, full).await {
                assert_eq!(answer.status, 200, "{what}: {:?}", answer.json());
                kept.insert(what);
            }
            assert_eq!(listed(&api).await, kept);
            let api = api.restarted().await;
            assert_eq!(listed(&api).await, kept, "another process reads the same");
            for script in kept.iter().filter_map(|what| what.strip_prefix("script ")) {
                let code = api.get(&format!("{{acc}}/workers/scripts/{script}/content/v2")).await;
                assert_eq!(code.status, 200, "{script}");
            }
            let log = fs::read_to_string(api.folder.path().join("requests.jsonl")).unwrap();
            for line in log.lines() {
                assert!(serde_json::from_str::<Value>(line).is_ok(), "half a line: {line}");
            }
        });
    });
}
