//! `kill -9` at every API call of what writes to databases: afterwards the destination is as it was,
//! complete, or known to be half filled, and the next run goes on.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

use clodo_tests::{LastCall, Run, Sandbox};
use serde_json::Value;
use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::channel,
    thread,
    time::Duration,
};

const ACME: [&str; 3] = ["catalog", "--customer", "acme"];

/// The storefront on a Cloudflare of which every call can be counted.
struct Place {
    sandbox: Sandbox,
    settings: Vec<(String, String)>,
    port: u16,
}

impl Place {
    fn new(schema: &str) -> Self {
        let sandbox = Sandbox::storefront();
        sandbox.write("services/catalog/migrations/0003_more.sql", schema);
        let envs = ["--env", "development", "--env", "staging"];
        let _ = sandbox.db(&[&["up", "--yes"][..], &ACME, &envs].concat()).exits(0);
        let settings = sandbox.settings();
        let port = sandbox.status()["port"].as_u64().unwrap().try_into().unwrap();
        Self { sandbox, settings, port }
    }

    fn command(&self, words: &[&str], calls: &LastCall) -> Command {
        let mut command = self.sandbox.command("clodo-db", &[words, &ACME].concat());
        command.arg("--platform=cloudflare").envs(self.settings.iter().cloned());
        command.env("CLOUDFLARE_API_BASE_URL", calls.url());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// How many calls a whole run makes.
    fn calls(&self, words: &[&str]) -> usize {
        let calls = LastCall::before(self.port, None, || ());
        let _ = Run::from(self.command(words, &calls).output().unwrap()).exits(0);
        calls.calls()
    }

    /// Kills a run when its call of this number has been done and not been answered; false when it was done
    /// before.
    fn kill(&self, words: &[&str], at: usize) -> bool {
        let (tell, told) = channel();
        let reached = move || {
            // Whoever does not wait any more has seen it end.
            let _ = tell.send(());
        };
        let calls = LastCall::before(self.port, Some(at), reached);
        let mut child: Child = self.command(words, &calls).spawn().unwrap();
        loop {
            if told.recv_timeout(Duration::from_millis(20)).is_ok() {
                child.kill().unwrap();
                assert_eq!(child.wait().unwrap().code(), None, "killed at call {at}");
                return true;
            }
            if let Some(ended) = child.try_wait().unwrap() {
                assert_eq!(ended.code(), Some(0), "it ended before call {at}");
                return false;
            }
        }
    }

    fn run(&self, words: &[&str]) -> Run {
        let calls = LastCall::before(self.port, None, || ());
        self.command(words, &calls).output().unwrap().into()
    }

    #[track_caller]
    fn value(&self, environment: &str, sql: &str) -> Value {
        let run = self.run(&["query", sql, "--json", "--env", environment]).exits(0);
        run.json()["rows"][0][0].clone()
    }

    #[track_caller]
    fn write(&self, environment: &str, sql: &str) {
        let _ = self.run(&["query", sql, "--write", "--yes", "--env", environment]).exits(0);
    }

    /// Whether other commands say that the database is half there.
    fn is_half(&self, environment: &str) -> bool {
        let status = self.run(&["status", "--json", "--env", environment]);
        match status.code {
            Some(0) => false,
            _ => {
                assert_eq!(status.json()["error"]["kind"], "half_restored", "{}", status.stdout);
                true
            }
        }
    }
}

const SCHEMA: &str =
    "CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, note TEXT);
CREATE TABLE visits (id INTEGER PRIMARY KEY, person INTEGER NOT NULL REFERENCES people (id));
CREATE TABLE heard (what TEXT);
CREATE TRIGGER visits_heard AFTER INSERT ON visits BEGIN INSERT INTO heard VALUES ('visit'); END;
";
const FILL: &str = "INSERT INTO people SELECT value, 'p' || value || '@corp.test', hex(zeroblob(600)) FROM (
WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < 1500) SELECT value FROM n)";
/// All that counts of the destination, and of its schema.
const ALL: &str = "SELECT (SELECT count(*) || ' ' || total(length(email)) FROM people) || ' ' || \
    (SELECT count(*) FROM visits JOIN people p ON p.id = person) || ' ' || (SELECT count(*) FROM heard) || ' ' || \
    (SELECT count(*) FROM products) || ' ' || (SELECT group_concat(name) FROM (SELECT name FROM sqlite_master \
    WHERE name NOT LIKE '\\_%' ESCAPE '\\' ORDER BY name))";

/// The last calls of a sync: those that write.
const WRITING: usize = 16;

#[test]
fn a_sync_that_is_killed_while_it_writes_or_now_and_then_before_goes_on() {
    killed_syncs(|at, calls| at + WRITING > calls || at % 40 == 1);
}

#[test]
#[ignore = "takes many minutes: all calls that only read, too"]
fn a_sync_that_is_killed_at_any_call_is_as_it_was_or_goes_on() {
    killed_syncs(|_, _| true);
}

/// Kills syncs at the calls that are chosen, of so many.
fn killed_syncs(chosen: impl Fn(usize, usize) -> bool) {
    let place = Place::new(SCHEMA);
    place.sandbox.write("masks.toml", "[tables.people]\nemail = \"fake email\"\n");
    place.sandbox.write("key.txt", "a key that nobody guesses");
    let in_project = |name: &str| place.sandbox.project().join(name).display().to_string();
    let (masks, key) = (in_project("masks.toml"), in_project("key.txt"));
    place.write("development", FILL);
    place.write("development", "INSERT INTO visits SELECT id, id FROM people WHERE id < 40");
    let words = ["sync", "data", "--from", "development", "--to", "staging", "--replace", "--yes"];
    let words = [&words[..], &["--mask", &masks, "--key-file", &key]].concat();
    let _ = place.run(&words).exits(0);
    // Of one that is filled already.
    let calls = place.calls(&words);
    let wanted = place.value("staging", ALL);
    let (mut untouched, mut halves, mut complete) = (0, 0, 0);
    for at in (1..=calls).filter(|at| chosen(*at, calls)) {
        place.write("staging", "INSERT INTO people (id, email) VALUES (-1, 'before')");
        let before = place.value("staging", ALL);
        assert_ne!(before, wanted);
        let _ = place.kill(&words, at);
        if place.is_half("staging") {
            halves += 1;
            let refused = place.run(&["seed", "--env", "staging"]);
            assert_ne!(refused.code, Some(0), "killed at call {at}: {}", refused.stdout);
        } else {
            let found = place.value("staging", ALL);
            assert!(found == before || found == wanted, "killed at call {at}: {found}");
            untouched += usize::from(found == before);
            complete += usize::from(found == wanted);
        }
        let _ = place.run(&words).exits(0);
        assert_eq!(place.value("staging", ALL), wanted, "killed at call {at}");
        assert!(!place.is_half("staging"), "killed at call {at}");
    }
    let seen =
        format!("{untouched} untouched, {halves} half, {complete} complete, of {calls} calls");
    assert!(untouched > 2 && halves > 1 && complete > 0, "{seen}");
}

#[test]
fn a_seed_that_is_killed_at_any_call_ran_whole_or_not_at_all() {
    let place = Place::new(SCHEMA);
    let rows = "INSERT OR IGNORE INTO people (id, email) VALUES (1, 'a'), (2, 'b');\nINSERT OR IGNORE INTO visits VALUES (1, 1);\n";
    place.sandbox.write("services/catalog/seeds/1_people.sql", rows);
    let more = "INSERT OR IGNORE INTO people (id, email) VALUES (3, 'c');\nINSERT OR IGNORE INTO visits VALUES (2, 3);\n";
    place.sandbox.write("services/catalog/seeds/2_more.sql", more);
    let words = ["seed", "--yes", "--env", "staging"];
    let calls = place.calls(&words);
    let count = "SELECT (SELECT count(*) FROM people) || ' ' || (SELECT count(*) FROM visits)";
    let mut seen = std::collections::BTreeSet::new();
    for at in 1..=calls {
        place.write("staging", "DELETE FROM visits");
        place.write("staging", "DELETE FROM people");
        let _ = place.kill(&words, at);
        let found = place.value("staging", count).as_str().unwrap().to_owned();
        assert!(["0 0", "2 1", "3 2"].contains(&found.as_str()), "killed at call {at}: {found}");
        seen.insert(found);
        let _ = place.run(&words).exits(0);
        assert_eq!(place.value("staging", count), "3 2", "killed at call {at}");
    }
    assert_eq!(seen.len(), 3, "{seen:?} of {calls} calls");
}

#[test]
fn a_diff_that_is_killed_at_any_call_has_written_a_whole_file_or_none() {
    let place = Place::new(SCHEMA);
    place.write("staging", "CREATE INDEX visits_by_person ON visits (person)");
    let folder = place.sandbox.project().join("services/catalog/migrations");
    let files = || -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> =
            std::fs::read_dir(&folder).unwrap().map(|one| one.unwrap().path()).collect();
        all.sort();
        all
    };
    let before = files();
    let words = ["diff", "migrations", "live", "--env", "staging", "--write", "by_person"];
    let calls = place.calls(&words);
    let written = files().pop().unwrap();
    let whole = std::fs::read_to_string(&written).unwrap();
    assert!(whole.contains("visits_by_person"), "{whole}");
    for at in 1..=calls {
        std::fs::remove_file(&written).unwrap();
        // All calls are made before the file is written.
        assert!(place.kill(&words, at), "call {at}");
        assert_eq!(files(), before, "killed at call {at}");
        let _ = place.run(&words).exits(0);
        assert_eq!(std::fs::read_to_string(&written).unwrap(), whole, "killed at call {at}");
    }
    // And at any moment behind the last call.
    for pause in 0..20_u64 {
        std::fs::remove_file(&written).unwrap();
        let counted = LastCall::before(place.port, None, || ());
        let mut child = place.command(&words, &counted).spawn().unwrap();
        while counted.calls() < calls {
            thread::yield_now();
        }
        // Nothing is waited for: this is the moment at which it dies.
        thread::sleep(Duration::from_micros(pause * 400));
        let _ = child.kill();
        child.wait().unwrap();
        if written.exists() {
            assert_eq!(std::fs::read_to_string(&written).unwrap(), whole);
        }
        let sql = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "sql");
        assert!(
            files()
                .iter()
                .filter(|path| sql(path))
                .all(|path| before.contains(path) || *path == written)
        );
        if !written.exists() {
            let _ = place.run(&words).exits(0);
        }
    }
}
