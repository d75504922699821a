//! A disk without room: what cannot be kept is refused, what was acknowledged stays, nothing is
//! there by half, and when there is room again everything goes on.

use crate::small_disk::{SmallDisk, on_a_disk_of};
use clodo_storage::{
    BodyFormat, BucketRef, D1Request, Data, DataPoint, DatabaseRef, DatasetRef, GetOptions,
    GetOutcome, KvPut, ListObjects, NamespaceRef, NewMessage, ObjectKey, PartEtag, PutOptions,
    QueueRef, body_of,
};
use clodo_types::{AccountId, ManualClock, Timestamp};
use futures_util::TryStreamExt as _;
use serde_json::{Value, json};
use std::{collections::BTreeSet, fmt::Display, path::Path, sync::Arc};

const DISK: u32 = 12 << 20;
const ID: &str = "0123456789abcdef0123456789abcdef";

fn account() -> AccountId {
    ID.parse().unwrap()
}

fn data(disk: &SmallDisk) -> Data {
    let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(1_800_000_000_000)));
    Data::at(disk.path().join("data"), clock)
}

/// Runs a test on a disk of its own.
fn on_a_disk<F: Future<Output = ()>>(body: impl FnOnce(SmallDisk) -> F) {
    on_a_disk_of(DISK, |disk| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(body(disk));
    });
}

/// What says that there is no room, to somebody who reads it.
#[track_caller]
fn says_full<T>(outcome: Result<T, impl Display>) {
    let Err(error) = outcome else { panic!("there is no room, and it was done all the same") };
    let text = error.to_string();
    let words = ["disk is full", "No space left on device"];
    assert!(words.iter().any(|word| text.contains(word)), "{text}");
}

/// Writes numbers until one is refused; returns those that were acknowledged.
async fn until_full<E: Display, F: Future<Output = Result<(), E>>>(
    mut write: impl FnMut(u32) -> F,
) -> BTreeSet<u32> {
    for number in 0..1_000 {
        if let Err(error) = write(number).await {
            says_full(Err::<(), _>(error));
            return (0..number).collect();
        }
    }
    panic!("a disk of {DISK} bytes took everything");
}

/// Files that were begun and not finished.
fn begun(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(begun(&path));
        } else if path.extension().is_some_and(|end| end == "partial") {
            found.push(path.display().to_string());
        }
    }
    found
}

// conformance: limits and faults | a full disk: the call says so, nothing acknowledged is lost (D1, KV, R2, queues) | guessed: an error of the platform's own and no half-done write, since Cloudflare's disks never show themselves
#[test]
fn d1_keeps_what_it_acknowledged_and_goes_on_when_there_is_room() {
    on_a_disk(|disk| async move {
        let data = data(&disk);
        let id = "018f3c5e-0000-7000-8000-000000000001";
        let at = DatabaseRef { account: account(), id: id.parse().unwrap() };
        data.d1.create(&at).await.unwrap();
        let ask = |sql: String| data.d1.query(&at, D1Request::sql(sql));
        ask("CREATE TABLE t (n INTEGER, x)".into()).await.unwrap();
        let write = |n: u32| {
            let asked = ask(format!("INSERT INTO t VALUES ({n}, zeroblob(60000))"));
            async move { asked.await.map(drop) }
        };
        let mut kept = until_full(write).await;
        disk.fill();
        says_full(write(2_000).await);
        let half = "INSERT INTO t VALUES (3000, 1); INSERT INTO t VALUES (3001, zeroblob(200000))";
        says_full(ask(half.into()).await);
        let rows = || async {
            let answer = ask("SELECT n FROM t".into()).await.unwrap();
            let rows: Vec<Value> = serde_json::from_str(answer.results[0].results.get()).unwrap();
            rows.iter().map(|row| row["n"].as_u64().unwrap() as u32).collect::<BTreeSet<_>>()
        };
        assert_eq!(rows().await, kept);
        let other = "018f3c5e-0000-7000-8000-000000000002";
        let other = DatabaseRef { account: account(), id: other.parse().unwrap() };
        says_full(data.d1.create(&other).await);
        disk.free();
        write(4_000).await.unwrap();
        kept.insert(4_000);
        assert_eq!(rows().await, kept);
        let check = ask("PRAGMA quick_check".into()).await.unwrap();
        assert!(check.results[0].results.get().contains("\"ok\""));
        data.d1.create(&other).await.unwrap();
        data.close().await;
        // Another process reads the same.
        let again = self::data(&disk);
        let answer = again.d1.query(&at, D1Request::sql("SELECT count(*) AS c FROM t")).await;
        let count: Value = serde_json::from_str(answer.unwrap().results[0].results.get()).unwrap();
        assert_eq!(count, json!([{ "c": kept.len() }]));
        assert!(begun(disk.path()).is_empty());
    });
}

#[test]
fn kv_keeps_what_it_acknowledged_and_goes_on_when_there_is_room() {
    on_a_disk(|disk| async move {
        let data = data(&disk);
        let at = NamespaceRef { account: account(), id: ID.parse().unwrap() };
        data.kv.create(&at).await.unwrap();
        let value = |n: u32| vec![(n % 251) as u8; 60_000];
        let write =
            |n: u32| data.kv.put(&at, format!("k{n}").parse().unwrap(), KvPut::new(value(n)));
        let mut kept = until_full(write).await;
        disk.fill();
        says_full(write(2_000).await);
        // All or none of many.
        let many = [("a", 1), ("b", 200_000)]
            .map(|(key, size)| (key.parse().unwrap(), KvPut::new(vec![0; size])));
        says_full(data.kv.put_many(&at, many.into()).await);
        let other = NamespaceRef { id: ID.replace('0', "1").parse().unwrap(), ..at.clone() };
        says_full(data.kv.create(&other).await);
        disk.free();
        write(4_000).await.unwrap();
        kept.insert(4_000);
        data.kv.create(&other).await.unwrap();
        for data in [data.clone(), self::data(&disk)] {
            for n in &kept {
                let entry = data.kv.get(&at, &format!("k{n}").parse().unwrap()).await.unwrap();
                assert_eq!(entry.unwrap().value, value(*n), "{n}");
            }
            for gone in ["k2000", "a", "b"] {
                assert!(data.kv.get(&at, &gone.parse().unwrap()).await.unwrap().is_none());
            }
        }
    });
}

#[test]
fn r2_keeps_what_it_acknowledged_and_goes_on_when_there_is_room() {
    on_a_disk(|disk| async move {
        let data = data(&disk);
        let at = BucketRef { account: account(), name: "files".parse().unwrap() };
        data.r2.create(&at).await.unwrap();
        let key = |n: u32| format!("o{n}").parse::<ObjectKey>().unwrap();
        // In the bucket's own file, and in files beside it.
        let body =
            |n: u32| vec![(n % 251) as u8; if n.is_multiple_of(2) { 30_000 } else { 90_000 }];
        let write = |n: u32| {
            let (key, body, data, at) = (key(n), body_of(body(n)), &data, &at);
            async move { data.r2.put(at, &key, PutOptions::default(), body).await.map(drop) }
        };
        let mut kept = until_full(write).await;
        disk.fill();
        for n in [2_000, 2_001] {
            says_full(write(n).await);
        }
        disk.free();
        let upload = data.r2.create_upload(&at, &key(3_000), PutOptions::default()).await.unwrap();
        disk.fill();
        let part_key = key(3_000);
        let part = |n, size: usize| {
            data.r2.put_part(&at, &part_key, &upload, n, None, body_of(vec![7; size]))
        };
        says_full(part(1, 200_000).await);
        disk.free();
        let part: PartEtag = part(1, 90_000).await.unwrap();
        data.r2.complete_upload(&at, &key(3_000), &upload, vec![part]).await.unwrap();
        write(4_000).await.unwrap();
        kept.insert(4_000);
        for data in [data.clone(), self::data(&disk)] {
            for n in &kept {
                let got = data.r2.get(&at, &key(*n), GetOptions::default()).await.unwrap();
                let GetOutcome::Found(object) = got else { panic!("{n} is gone") };
                let chunks: Vec<_> = object.body.try_collect().await.unwrap();
                assert_eq!(chunks.concat(), body(*n), "{n}");
            }
            let page = data.r2.list(&at, ListObjects::default()).await.unwrap();
            assert_eq!(page.objects.len(), kept.len() + 1);
        }
        assert_eq!(begun(disk.path()), [""; 0], "what was cut off is gone");
    });
}

#[test]
fn queues_keep_what_they_acknowledged_and_go_on_when_there_is_room() {
    on_a_disk(|disk| async move {
        let data = data(&disk);
        let at = QueueRef { account: account(), id: ID.parse().unwrap() };
        data.queues.create(&at).await.unwrap();
        let write = |n: u32| {
            let body = format!("{n:06}").repeat(10_000);
            let message = NewMessage::new(BodyFormat::Text, body);
            let (data, at) = (&data, &at);
            async move { data.queues.send(at, vec![message], None).await.map(drop) }
        };
        let mut kept = until_full(write).await;
        disk.fill();
        says_full(write(2_000).await);
        disk.free();
        write(4_000).await.unwrap();
        kept.insert(4_000);
        let mut seen = BTreeSet::new();
        loop {
            let messages = data.queues.take(&at, 100).await.unwrap();
            if messages.is_empty() {
                break;
            }
            for message in &messages {
                seen.insert(std::str::from_utf8(&message.body[..6]).unwrap().parse().unwrap());
            }
        }
        assert_eq!(seen, kept);
    });
}

#[test]
fn data_points_are_kept_or_refused_and_go_on_when_there_is_room() {
    on_a_disk(|disk| async move {
        let data = data(&disk);
        let at = DatasetRef { account: account(), name: "visits".parse().unwrap() };
        let write = |n: u32| {
            let point = json!({ "blobs": ["x".repeat(15_000)], "doubles": [n] });
            let point: DataPoint = serde_json::from_value(point).unwrap();
            let (data, at) = (&data, &at);
            async move { data.analytics.write(at, point).await }
        };
        let kept = until_full(write).await;
        disk.fill();
        says_full(write(2_000).await);
        disk.free();
        write(4_000).await.unwrap();
        let question = "SELECT count() AS n FROM visits FORMAT JSON";
        let answer = data.analytics.query(&account(), question).await.unwrap();
        let answer: Value = serde_json::from_str(&answer.body()).unwrap();
        assert_eq!(
            answer["data"][0]["n"].to_string().trim_matches('"'),
            (kept.len() + 1).to_string()
        );
    });
}
