//! Time travel: every state comes back exactly, whatever happened in between.

use crate::d1_engine::database;
use clodo_storage::{
    Bookmark, D1, D1ErrorKind, D1Options, D1Request, DatabaseRef, TravelTo, Travelled,
};
use clodo_types::{Clock, ManualClock, Timestamp};
use serde_json::{Value, json};
use std::{path::PathBuf, sync::Arc, time::Duration};

const START: i64 = 1_790_000_000_000;

struct World {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    d1: D1,
    at: DatabaseRef,
}

impl World {
    async fn new() -> Self {
        Self::with(D1Options::default()).await
    }

    async fn with(options: D1Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(START)));
        let d1 = D1::new(folder.path(), Arc::clone(&clock) as Arc<dyn Clock>, options);
        let at = database("018f3c5e-0000-7000-8000-000000000001");
        d1.create(&at).await.unwrap();
        Self { folder, clock, d1, at }
    }

    async fn run(&self, sql: &str) -> Bookmark {
        let outcome = self.d1.query(&self.at, D1Request::sql(sql)).await;
        outcome.unwrap_or_else(|error| panic!("{sql:.200}: {error}")).bookmark
    }

    async fn rows(&self, sql: &str) -> Value {
        let answer = self.d1.query(&self.at, D1Request::sql(sql)).await.unwrap();
        serde_json::from_str(answer.results[0].results.get()).unwrap()
    }

    /// All that can be seen of the database.
    async fn seen(&self) -> Vec<Value> {
        let schema = self.rows("SELECT type, name, sql FROM sqlite_schema ORDER BY rowid").await;
        let mut seen = vec![schema.clone()];
        for entry in schema.as_array().unwrap() {
            if entry["type"] == "table" {
                let name = entry["name"].as_str().unwrap();
                // Shadow tables of full-text indexes hold blobs, which are seen too.
                seen.push(self.rows(&format!("SELECT * FROM \"{name}\"")).await);
            }
        }
        seen
    }

    async fn back_to(&self, bookmark: Bookmark) -> Travelled {
        self.d1.restore(&self.at, TravelTo::Bookmark(bookmark)).await.unwrap()
    }

    fn file(&self, suffix: &str) -> PathBuf {
        let folder = self.folder.path().join(self.at.account.as_str()).join("d1");
        folder.join(format!("{}.{suffix}", self.at.id))
    }

    fn history_bytes(&self) -> u64 {
        let entries = std::fs::read_dir(self.file("history")).unwrap();
        entries.map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
    }
}

/// Requests that change each thing that a database is made of.
const LIFE: &[&str] = &[
    "CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, t TEXT, b BLOB)",
    "INSERT INTO a (t, b) VALUES ('one', x'00ff'), ('two', zeroblob(9000))",
    "CREATE TABLE w (k TEXT PRIMARY KEY, v) WITHOUT ROWID; INSERT INTO w VALUES ('k', 1)",
    "CREATE VIRTUAL TABLE f USING fts5(body); INSERT INTO f VALUES ('the quick fox'), ('a dog')",
    "CREATE TRIGGER g AFTER INSERT ON a BEGIN INSERT INTO w VALUES ('t' || new.id, new.t); END",
    "INSERT INTO a (t) VALUES ('three')",
    "CREATE INDEX i ON a (t); ANALYZE",
    "ALTER TABLE a ADD COLUMN c DEFAULT 5; UPDATE a SET c = id * 2",
    "INSERT INTO a (t, b) SELECT 'bulk' || value, randomblob(700) FROM \
     (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 500) \
     SELECT value FROM n)",
    "DELETE FROM a WHERE id % 3 = 0",
    "UPDATE f SET body = 'a slow cat' WHERE rowid = 2",
    "DELETE FROM sqlite_sequence; INSERT INTO a (t) VALUES ('again')",
    "DROP TRIGGER g; DROP TABLE f",
    "CREATE TABLE big AS SELECT randomblob(1000) AS x FROM a",
    "DROP TABLE a",
    "DELETE FROM w",
];

// conformance: d1 | `POST /accounts/{account}/d1/database/{database}/time_travel/restore` brings back schema, FTS5, triggers, sqlite_sequence and WITHOUT ROWID exactly | documented
#[tokio::test]
async fn every_state_of_a_life_comes_back_exactly() {
    let world = World::new().await;
    let mut states = vec![(world.d1.info(&world.at).await.unwrap().bookmark, world.seen().await)];
    for (step, sql) in LIFE.iter().enumerate() {
        let bookmark = world.run(sql).await;
        states.push((bookmark, world.seen().await));
        if step % 5 == 4 {
            world.d1.close().await;
        }
    }
    // From the end back, then in leaps: each restore is a new state of the same database.
    let order: Vec<usize> = (0..states.len()).rev().chain([9, 2, 15, 0, 12, 4]).collect();
    for at in order {
        let (bookmark, seen) = &states[at];
        let previous = world.d1.info(&world.at).await.unwrap().bookmark;
        let travelled = world.back_to(*bookmark).await;
        assert_eq!(travelled.previous, previous);
        assert!(travelled.bookmark > previous, "bookmarks grow");
        assert_eq!(world.seen().await, *seen, "state {at}");
        assert_eq!(world.rows("PRAGMA quick_check").await[0]["quick_check"], "ok");
    }
    world.d1.close().await;
    world.back_to(states[6].0).await;
    assert_eq!(world.seen().await, states[6].1);
    let found = world.rows("SELECT rowid FROM f WHERE f MATCH 'dog'").await;
    assert_eq!(found, json!([{ "rowid": 2 }]));
}

#[tokio::test]
async fn a_restore_is_undone_by_going_back_to_the_previous_bookmark() {
    let world = World::new().await;
    world.run("CREATE TABLE t (a)").await;
    let one = world.run("INSERT INTO t VALUES (1)").await;
    world.run("INSERT INTO t VALUES (2); CREATE INDEX i ON t (a)").await;
    let full = world.seen().await;
    let travelled = world.back_to(one).await;
    assert_eq!(world.rows("SELECT a FROM t").await, json!([{ "a": 1 }]));
    world.run("INSERT INTO t VALUES (3)").await;
    world.back_to(travelled.previous).await;
    assert_eq!(world.seen().await, full);
    world.back_to(travelled.bookmark).await;
    assert_eq!(world.rows("SELECT a FROM t").await, json!([{ "a": 1 }]));
}

// conformance: d1 | `GET /accounts/{account}/d1/database/{database}/time_travel/bookmark?timestamp=` is the newest state at or before the moment | documented
#[tokio::test]
async fn a_moment_means_the_newest_state_at_or_before_it() {
    let world = World::new().await;
    let at = |seconds: i64| Timestamp::from_millis(START + seconds * 1_000);
    let created = world.d1.info(&world.at).await.unwrap().bookmark;
    let mut bookmarks = vec![created];
    for n in 0..5 {
        world.clock.advance(Duration::from_secs(10));
        bookmarks.push(world.run(&format!("CREATE TABLE t{n} (a)")).await);
        if n == 2 {
            world.d1.close().await;
        }
    }
    world.clock.advance(Duration::from_secs(10));
    let asked = |seconds| world.d1.bookmark_at(&world.at, at(seconds));
    for (seconds, expected) in [(0, 0), (9, 0), (10, 1), (39, 3), (40, 4), (55, 5), (99, 5)] {
        assert_eq!(asked(seconds).await.unwrap(), bookmarks[expected], "{seconds}");
    }
    assert_eq!(asked(-1).await.unwrap_err().kind(), D1ErrorKind::NoSuchState);
    world.d1.restore(&world.at, TravelTo::Moment(at(25))).await.unwrap();
    let tables = world.rows("SELECT name FROM sqlite_schema").await;
    assert_eq!(tables, json!([{ "name": "t0" }, { "name": "t1" }]));
    assert_eq!(asked(55).await.unwrap(), bookmarks[5], "the past stays what it was");
}

#[tokio::test]
async fn bookmarks_of_no_kept_state_change_nothing() {
    let world = World::new().await;
    let before = world.run("CREATE TABLE t (a)").await;
    let other = World::new().await;
    let text = before.to_string();
    assert_eq!(text.parse::<Bookmark>().unwrap(), before);
    let forged = text.replace(&text[28..], &"0".repeat(32 - 1)).replacen("-0", "-00", 1);
    for bad in ["", "x", &text[1..], &format!("{text}0"), &text.replace('-', "_"), "+0000000-"] {
        assert!(bad.parse::<Bookmark>().is_err(), "{bad}");
    }
    let never = "00000000-0000ffff-00000000-00000000000000000000000000000000";
    for bookmark in [never.parse().ok(), forged.parse().ok()].into_iter().flatten() {
        let error = world.d1.restore(&world.at, TravelTo::Bookmark(bookmark)).await.unwrap_err();
        assert_eq!(error.kind(), D1ErrorKind::NoSuchState);
    }
    // Same id, so the same bookmark: but that database never was in that state.
    let error = other.d1.restore(&other.at, TravelTo::Bookmark(before)).await.unwrap_err();
    assert_eq!(error.kind(), D1ErrorKind::NoSuchState);
    assert_eq!(world.d1.info(&world.at).await.unwrap().bookmark, before);
}

#[tokio::test]
async fn many_small_writes_cost_little_history() {
    let world = World::new().await;
    world.run("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)").await;
    let mut middle = None;
    for n in 0..3_000 {
        let bookmark = world.run(&format!("INSERT INTO t (a) VALUES ('value {n}')")).await;
        middle = if n == 1_499 { Some(bookmark) } else { middle };
    }
    world.d1.close().await;
    let per_write = world.history_bytes() / 3_000;
    assert!(per_write < 300, "{per_write} bytes of history per insert");
    world.back_to(middle.unwrap()).await;
    assert_eq!(world.rows("SELECT count(*) AS n FROM t").await, json!([{ "n": 1_500 }]));
}

#[tokio::test]
async fn history_keeps_to_its_bounds() {
    let mut options = D1Options::default();
    options.history.max_bytes = 300_000;
    let world = World::with(options).await;
    let first = world.run("CREATE TABLE t (a)").await;
    let mut last = first;
    for _ in 0..20 {
        last = world.run("INSERT INTO t VALUES (randomblob(50000)); UPDATE t SET a = randomblob(50000) WHERE rowid = 1").await;
        world.d1.close().await;
        assert!(world.history_bytes() <= 320_000, "{}", world.history_bytes());
    }
    let seen = world.seen().await;
    world.run("DELETE FROM t").await;
    world.back_to(last).await;
    assert_eq!(world.seen().await, seen);
    let error = world.d1.restore(&world.at, TravelTo::Bookmark(first)).await.unwrap_err();
    assert_eq!(error.kind(), D1ErrorKind::NoSuchState);
    // What alone is larger than all of history may be begins it anew, and is no error.
    world.run("UPDATE t SET a = randomblob(50000)").await;
    world.run("DELETE FROM t").await;
    world.d1.close().await;
    let error = world.d1.restore(&world.at, TravelTo::Bookmark(last)).await.unwrap_err();
    assert_eq!(error.kind(), D1ErrorKind::NoSuchState);
    let empty = world.run("CREATE TABLE u (a)").await;
    world.run("DROP TABLE u").await;
    world.back_to(empty).await;
}

#[tokio::test]
async fn states_older_than_thirty_days_are_dropped() {
    let world = World::new().await;
    let old = world.run("CREATE TABLE t (a); INSERT INTO t VALUES (randomblob(400000))").await;
    world.run("UPDATE t SET a = randomblob(400000)").await;
    world.d1.close().await;
    world.clock.advance(Duration::from_secs(31 * 24 * 3600));
    let recent = world.run("DELETE FROM t").await;
    world.run("DROP TABLE t").await;
    let error = world.d1.restore(&world.at, TravelTo::Bookmark(old)).await.unwrap_err();
    assert_eq!(error.kind(), D1ErrorKind::NoSuchState);
    world.back_to(recent).await;
    assert_eq!(world.rows("SELECT count(*) AS n FROM t").await, json!([{ "n": 0 }]));
}

#[tokio::test]
async fn what_another_program_wrote_is_noticed_and_never_mixed() {
    let world = World::new().await;
    let one = world.run("CREATE TABLE t (a); INSERT INTO t VALUES (1)").await;
    world.run("INSERT INTO t VALUES (2)").await;
    world.d1.close().await;
    let foreign = rusqlite_write(&world.file("sqlite"), "UPDATE t SET a = 7");
    assert_eq!(foreign, 2);
    let error = world.d1.restore(&world.at, TravelTo::Bookmark(one)).await.unwrap_err();
    assert_eq!(error.kind(), D1ErrorKind::Storage, "{error}");
    assert!(error.to_string().contains("something else wrote"), "{error}");
    assert_eq!(world.rows("SELECT a FROM t").await, json!([{ "a": 7 }, { "a": 7 }]));
}

fn rusqlite_write(path: &std::path::Path, sql: &str) -> usize {
    let db = rusqlite::Connection::open(path).unwrap();
    db.execute(sql, []).unwrap()
}

#[tokio::test]
async fn a_state_folder_copied_after_a_kill_has_all_of_its_history() {
    let world = World::new().await;
    let one = world.run("CREATE TABLE t (a); INSERT INTO t VALUES (1)").await;
    world.d1.close().await;
    world.run("INSERT INTO t VALUES (2)").await;
    let three = world.run("INSERT INTO t VALUES (3)").await;
    // What lies on the disk now is what a killed process would leave: the log was not emptied.
    let copy = tempfile::tempdir().unwrap();
    copy_folder(world.folder.path(), copy.path());
    let d1 = D1::new(copy.path(), Arc::clone(&world.clock) as Arc<dyn Clock>, D1Options::default());
    assert_eq!(d1.info(&world.at).await.unwrap().bookmark, three);
    d1.restore(&world.at, TravelTo::Bookmark(one)).await.unwrap();
    d1.restore(&world.at, TravelTo::Bookmark(three)).await.unwrap();
    let rows = d1.query(&world.at, D1Request::sql("SELECT count(*) AS n FROM t")).await.unwrap();
    assert_eq!(rows.results[0].results.get(), "[{\"n\":3}]");
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else if !entry.file_name().to_str().unwrap().ends_with("-shm") {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn damaged_history_is_an_end_of_history_and_not_of_the_database() {
    let world = World::new().await;
    let one = world.run("CREATE TABLE t (a)").await;
    world.run("INSERT INTO t VALUES (2)").await;
    world.d1.close().await;
    for entry in std::fs::read_dir(world.file("history")).unwrap() {
        let path = entry.unwrap().path();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    }
    let error = world.d1.restore(&world.at, TravelTo::Bookmark(one)).await.unwrap_err();
    assert_eq!(error.kind(), D1ErrorKind::NoSuchState, "{error}");
    let two = world.run("INSERT INTO t VALUES (3)").await;
    world.run("DELETE FROM t").await;
    world.back_to(two).await;
    assert_eq!(world.rows("SELECT a FROM t").await, json!([{ "a": 2 }, { "a": 3 }]));
}
