//! Backups, restores and drills with the real program, on the local Cloudflare's D1 and on files.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

mod down;
mod odd;

use clodo_tests::{Run, Sandbox, Schema, Wrangler};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const ACME: [&str; 3] = ["catalog", "--customer", "acme"];
/// Values that a careless way through JSON or text would change.
const ROWS: &str = "CREATE TABLE odd (id INTEGER PRIMARY KEY, v, b BLOB);
INSERT INTO odd VALUES (1, 9223372036854775807, x'00ff00'), (2, 'it''s \"quoted\"; -- no end', NULL), (3, 9e999, x'');
CREATE VIRTUAL TABLE words USING fts5(t);
INSERT INTO words SELECT 'rocket number ' || value FROM json_each('[1,2,3,4,5,6,7,8,9]');
CREATE TABLE long (id INTEGER PRIMARY KEY, t TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
INSERT INTO long SELECT i, hex(zeroblob(500)) || i FROM n;
";

/// The storefront, with acme's catalog migrated and rows in it.
fn stocked() -> Sandbox {
    with(ROWS)
}

/// The same with so many rows that they come back in several requests.
#[cfg(unix)]
fn well_stocked() -> Sandbox {
    with(&ROWS.replace("i < 400", "i < 2000"))
}

fn with(rows: &str) -> Sandbox {
    let sandbox = Sandbox::storefront();
    sandbox.write("services/catalog/migrations/0003_odd.sql", rows);
    let _ = sandbox.db(&words("up", &["--yes"])).exits(0);
    sandbox
}

/// A call about acme's catalog.
fn words<'w>(command: &'w str, more: &[&'w str]) -> Vec<&'w str> {
    [&[command][..], more, &ACME].concat()
}

#[track_caller]
fn write(sandbox: &Sandbox, sql: &str) {
    let _ = sandbox.db(&words("query", &[sql, "--write", "--yes"])).exits(0);
}

/// The first value of a query.
#[track_caller]
fn value(sandbox: &Sandbox, sql: &str) -> Value {
    sandbox.db(&words("query", &[sql, "--json"])).exits(0).json()["rows"][0][0].clone()
}

/// All of it as text, for a comparison that Clodo has no part in.
#[track_caller]
fn all(sandbox: &Sandbox) -> Value {
    let sql = "SELECT (SELECT group_concat(quote(id) || quote(v) || quote(b)) FROM odd) || \
               (SELECT group_concat(name) FROM products) || (SELECT count(*) FROM words WHERE words \
               MATCH 'rocket') || (SELECT total(length(t)) || max(t) FROM long)";
    value(sandbox, sql)
}

/// A backup of acme's catalog: its document and its file.
#[track_caller]
fn back_up(sandbox: &Sandbox, more: &[&str]) -> (Value, PathBuf) {
    let document = sandbox.db(&words("backup", &[more, &["--json"]].concat())).exits(0).json();
    let path = document["databases"][0]["backup"]["path"].as_str().unwrap().to_owned();
    (document, path.into())
}

/// The folder in which acme's catalog is kept.
fn folder(sandbox: &Sandbox) -> PathBuf {
    let main = sandbox.project().join(".clodo/backups/local/main");
    let names = fs::read_dir(&main).unwrap().map(|entry| entry.unwrap().path());
    names.into_iter().find(|path| path.to_string_lossy().contains("acme")).unwrap()
}

/// What is left of work that was not done.
fn left_over(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".partial") || name == ".scratch").collect()
}

#[test]
fn what_was_damaged_comes_back_as_it_was() {
    let schema = Schema::of("clodo-db");
    let sandbox = stocked();
    let before = all(&sandbox);
    let (taken, _) = back_up(&sandbox, &[]);
    schema.check("backup", &taken);
    let backup = &taken["databases"][0]["backup"];
    assert_eq!((&backup["consistent"], &backup["attempts"]), (&json!(true), &json!(1)));
    assert_eq!((&backup["rows"]["odd"], &backup["rows"]["long"]), (&json!(3), &json!(400)));
    assert!(backup["bookmark"].is_string() && backup["bytes"].as_u64() > Some(100), "{taken:#}");
    let listed = sandbox.db(&words("backups", &["--json"])).exits(0).json();
    schema.check("backups", &listed);
    assert_eq!(listed["databases"][0]["backups"][0]["name"], backup["name"]);

    write(&sandbox, "DELETE FROM odd WHERE id <> 3");
    write(&sandbox, "DROP TABLE words");
    write(&sandbox, "CREATE TABLE stray (x)");
    let refused = sandbox.db(&words("restore", &["latest", "--json"])).exits(3).json();
    schema.check("restore", &refused);
    assert_eq!(refused["error"]["kind"], "not_empty");
    let unasked = sandbox.db(&words("restore", &["latest", "--over"])).exits(2);
    assert!(unasked.stderr.contains("--yes") && unasked.stderr.contains("rows go"), "{unasked:?}");
    assert_eq!(value(&sandbox, "SELECT count(*) FROM odd"), 1, "nothing was written");

    let over = ["latest", "--over", "--yes", "--json"];
    let done = sandbox.db(&words("restore", &over)).exits(0);
    schema.check("restore", &done.json());
    assert_eq!(all(&sandbox), before);
    assert_eq!(value(&sandbox, "SELECT count(*) FROM sqlite_master WHERE name = 'stray'"), 0);
    let _ = sandbox.db(&words("status", &["--exit-code"])).exits(0);
    let fresh = ["--fresh", "--compare", "--json"];
    let drilled = sandbox.db(&words("drill", &fresh)).exits(0).json();
    schema.check("drill", &drilled);
    assert_eq!(
        drilled["databases"][0]["compared"],
        json!({ "unchanged": true, "differences": [] })
    );

    // What went is kept, twice: as a backup and as a bookmark.
    let saved = done.json()["saved"]["name"].as_str().unwrap().to_owned();
    let _ = sandbox.db(&words("restore", &[&saved, "--over", "--yes"])).exits(0);
    assert_eq!(value(&sandbox, "SELECT count(*) FROM stray"), 0);
    let bookmark = done.json()["bookmark_before"].as_str().unwrap().to_owned();
    let _ = sandbox.db(&words("restore", &["latest", "--over", "--yes"])).exits(0);
    let _ = sandbox.db(&words("rewind", &[&bookmark, "--yes"])).exits(0);
    assert_eq!(value(&sandbox, "SELECT count(*) FROM stray"), 0);
}

#[test]
fn a_database_that_was_destroyed_is_made_again_from_its_backup() {
    let sandbox = stocked();
    let before = all(&sandbox);
    let _ = back_up(&sandbox, &[]);
    let _ = sandbox.local(&["down"]).exits(0);
    fs::remove_dir_all(sandbox.project().join(".clodo/local")).unwrap();
    let missing = sandbox.db(&words("backup", &["--json"])).exits(2).json();
    assert_eq!(missing["databases"][0]["fate"], "missing");
    let done = sandbox.db(&words("restore", &["latest", "--json"])).exits(0).json();
    assert_eq!((&done["into"], &done["saved"]), (&json!("database"), &Value::Null));
    assert_eq!(all(&sandbox), before);
}

#[test]
fn all_databases_are_backed_up_and_those_that_are_missing_are_said() {
    let sandbox = stocked();
    let some = sandbox.db(&["backup", "--json"]).exits(5).json();
    Schema::of("clodo-db").check("backup", &some);
    let fates = some["databases"].as_array().unwrap().iter().map(|one| &one["fate"]);
    let fates: Vec<&Value> = fates.collect();
    assert_eq!(fates.iter().filter(|fate| **fate == "kept").count(), 1, "{some:#}");
    assert_eq!(fates.iter().filter(|fate| **fate == "missing").count(), 3, "{some:#}");
    let _ = sandbox.db(&["up", "--yes"]).exits(0);
    let whole = sandbox.db(&["backup"]).exits(0);
    assert_eq!(whole.stdout.lines().count(), 4, "{}", whole.stdout);
    let drill = sandbox.db(&["drill"]).exits(0);
    assert_eq!(drill.stdout.matches(": restores,").count(), 4, "{}", drill.stdout);
}

#[test]
fn a_backup_becomes_a_file_and_loads_with_what_others_have() {
    let sandbox = stocked();
    let (_, backup) = back_up(&sandbox, &[]);
    let copy = sandbox.project().join("copy.db");
    let into = ["latest", "--into-file", copy.to_str().unwrap(), "--json"];
    let done = sandbox.db(&words("restore", &into)).exits(0).json();
    assert_eq!(done["into"], "file");
    let query = ["query", "SELECT count(*) FROM long", "--json", "--sqlite"];
    let count = sandbox.db(&[&query[..], &[copy.to_str().unwrap()]].concat()).exits(0).json();
    assert_eq!(count["rows"][0][0], 400);
    let again = sandbox.db(&words("restore", &into)).exits(2).json();
    assert!(again["error"]["message"].as_str().unwrap().contains("is there already"));

    // The text, as it is, in sqlite3 and in wrangler.
    let text = zstd::decode_all(fs::File::open(&backup).unwrap()).unwrap();
    let sql = sandbox.project().join("dump.sql");
    fs::write(&sql, &text).unwrap();
    let input = fs::File::open(&sql).unwrap();
    let loaded = sandbox.project().join("loaded.db");
    // It is not on every machine.
    if let Ok(run) = Command::new("sqlite3").arg("-bail").arg(&loaded).stdin(input).output() {
        let _ = Run::from(run).exits(0);
        let same = ["drill", "--compare", "--json", "--sqlite", loaded.to_str().unwrap()];
        let kept = ["backup", "--sqlite", copy.to_str().unwrap()];
        let _ = sandbox.db(&kept).exits(0);
        let _ = sandbox.db(&["backup", "--sqlite", loaded.to_str().unwrap()]).exits(0);
        let _ = sandbox.db(&same).exits(0);
        let counts = sandbox.db(&[&query[..], &[loaded.to_str().unwrap()]].concat()).exits(0);
        assert_eq!(counts.json()["rows"], count["rows"]);
    }
    sandbox.write(
        "theirs/wrangler.toml",
        "name = \"theirs\"\n[[d1_databases]]\nbinding = \"DB\"\ndatabase_name = \"theirs\"\n\
         database_id = \"00000000-0000-4000-8000-000000000001\"\n",
    );
    let theirs = sandbox.project().join("theirs");
    let wrangler = Wrangler::v4_164();
    let execute = ["d1", "execute", "theirs", "--local", "--yes"];
    let file = [&execute[..], &["--file", sql.to_str().unwrap()]].concat();
    let _ = wrangler.run(&sandbox, &theirs, &file).exits(0);
    let count = "SELECT count(*) AS n FROM words WHERE words MATCH 'rocket'";
    let asked = [&execute[..], &["--json", "--command", count]].concat();
    let answer = wrangler.run(&sandbox, &theirs, &asked).exits(0).json();
    assert_eq!(answer[0]["results"][0]["n"], 9, "{answer:#}");
}

#[test]
fn a_new_database_comes_with_what_to_change_for_the_workers() {
    let sandbox = stocked();
    let before = all(&sandbox);
    let _ = back_up(&sandbox, &[]);
    let wrong = sandbox.db(&words("restore", &["latest", "--new", "other", "--json"])).exits(2);
    let hint = wrong.json()["error"]["hint"].as_str().unwrap().to_owned();
    assert!(hint.contains("-development-acme"), "{hint}");
    let new = ["latest", "--new", "stock-development-acme"];
    let done = sandbox.db(&words("restore", &[&new[..], &["--json"]].concat())).exits(0).json();
    Schema::of("clodo-db").check("restore", &done);
    let change = &done["changes"][0];
    assert_eq!(change["database_name"], "stock");
    assert_eq!(change["targets"], json!(["catalog@development/acme"]));
    let deploy = "clodo-deploy deploy catalog --env development --customer acme";
    assert_eq!(change["deploy"], json!([deploy]));
    let others: Vec<&Value> = change["others"].as_array().unwrap().iter().collect();
    assert!(others.iter().any(|one| one["database_name"] == "stock-development-globex"));
    // The same again is refused: there is something in it.
    let again = sandbox.db(&words("restore", &new)).exits(3);
    assert!(again.stderr.contains("a name that no other has"), "{}", again.stderr);
    // What it says is what makes the Workers use it.
    sandbox.edit(
        "services/catalog/wrangler.jsonc",
        "\"binding\": \"DB\"",
        "\"binding\": \"DB\", \"database_name\": \"stock\"",
    );
    assert_eq!(all(&sandbox), before);
    let _ = sandbox.db(&words("status", &["--exit-code"])).exits(0);
}

#[test]
fn only_older_backups_of_the_same_database_go_and_only_when_the_new_one_is_kept() {
    let sandbox = stocked();
    let _ = sandbox.db(&["up", "catalog", "--yes"]).exits(0);
    let both = ["backup", "catalog", "--json"];
    for _ in 0..3 {
        let _ = sandbox.db(&both).exits(0);
    }
    let count = |sandbox: &Sandbox| {
        let listed = sandbox.db(&["backups", "catalog", "--json"]).exits(0).json();
        let databases = listed["databases"].as_array().unwrap().clone();
        databases.iter().map(|one| one["backups"].as_array().unwrap().len()).collect::<Vec<_>>()
    };
    assert_eq!(count(&sandbox), [3, 3]);
    let keep = ["--keep-last", "2", "--json"];
    let dry = sandbox.db(&words("backup", &[&keep[..], &["--dry-run"]].concat())).exits(0).json();
    Schema::of("clodo-db").check("backup", &dry);
    assert_eq!(dry["databases"][0]["removed"].as_array().map(Vec::len), Some(2));
    assert_eq!(count(&sandbox), [3, 3], "a dry run removes nothing");
    // A stray file, and a backup of something else, are nobody's business.
    let folder = folder(&sandbox);
    fs::write(folder.join("notes.txt"), "mine").unwrap();
    let done = sandbox.db(&words("backup", &keep)).exits(0).json();
    assert_eq!(done["databases"][0]["removed"], dry["databases"][0]["removed"]);
    assert_eq!(count(&sandbox), [2, 3]);
    assert!(folder.join("notes.txt").exists());
    // Where no new one comes about, none goes.
    let _ = sandbox.local(&["down"]).exits(0);
    fs::remove_dir_all(sandbox.project().join(".clodo/local")).unwrap();
    let _ = sandbox.db(&words("backup", &["--keep-last", "1"])).exits(2);
    assert_eq!(count(&sandbox), [2, 3]);
}

#[test]
fn a_drill_finds_what_would_not_have_helped() {
    let schema = Schema::of("clodo-db");
    let sandbox = stocked();
    let drill = |more: &[&str], code: i32| -> Value {
        let document = sandbox.db(&words("drill", &[more, &["--json"]].concat())).exits(code);
        let document = document.json();
        schema.check("drill", &document);
        document["databases"][0].clone()
    };
    assert_eq!(drill(&[], 4)["verdict"], "missing");
    let (_, path) = back_up(&sandbox, &[]);
    let good = drill(&["--max-age", "1h"], 0);
    assert_eq!((&good["verdict"], &good["rows"]["long"]), (&json!("good"), &json!(400)));
    assert_eq!(drill(&["--max-age", "1ms"], 4)["verdict"], "old");
    write(&sandbox, "DELETE FROM odd WHERE id = 2");
    let changed = drill(&["--compare"], 0);
    assert_eq!(changed["compared"]["unchanged"], false, "{changed:#}");
    assert_eq!(changed["compared"]["differences"][0]["name"], "odd");

    let whole = fs::read(&path).unwrap();
    for (damage, at) in [("cut", whole.len() / 2), ("cut", whole.len() - 1), ("flipped", 40)] {
        let mut bytes = whole.clone();
        match damage {
            "cut" => bytes.truncate(at),
            _ => bytes[whole.len() - at] ^= 1,
        }
        fs::write(&path, bytes).unwrap();
        let bad = drill(&[], 4);
        assert_eq!(bad["verdict"], "damaged", "{damage} at {at}: {bad:#}");
        let refused = sandbox.db(&words("restore", &["latest", "--over", "--yes"])).exits(3);
        assert!(refused.stderr.contains("hint:"), "{}", refused.stderr);
    }
    assert_eq!(value(&sandbox, "SELECT count(*) FROM odd"), 2, "nothing was written");
    assert_eq!(left_over(&folder(&sandbox)), [] as [&str; 0]);

    // Something that a clock which was wrong has named does not stand in for the newest.
    fs::write(&path, &whole).unwrap();
    fs::write(path.with_file_name("x-004102444800000.sql.zst"), "").unwrap();
    assert_eq!(drill(&[], 0)["backup"], path.file_name().unwrap().to_str().unwrap());
    assert_eq!(drill(&["--fresh"], 0)["verdict"], "good");
}

#[test]
fn a_drill_that_cannot_be_done_for_one_database_is_done_for_the_others() {
    let sandbox = stocked();
    let _ = back_up(&sandbox, &[]);
    let lock = fs::File::open(folder(&sandbox).join(".lock")).unwrap();
    lock.lock().unwrap();
    let drilled = sandbox.db(&["drill", "catalog", "--json"]).exits(6).json();
    Schema::of("clodo-db").check("drill", &drilled);
    assert_eq!(drilled["error"]["kind"], "locked");
    let verdicts: Vec<&Value> =
        drilled["databases"].as_array().unwrap().iter().map(|one| &one["verdict"]).collect();
    assert!(verdicts.len() > 1 && verdicts.contains(&&json!("missing")), "{verdicts:?}");
    assert_eq!(verdicts.iter().filter(|one| ***one == "not-tried").count(), 1, "{verdicts:?}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_between_two_calls_and_the_next_run_goes_on() {
    let sandbox = well_stocked();
    let wanted = all(&sandbox);
    let _ = back_up(&sandbox, &[]);
    let (code, last) = sandbox.signal_db(&words("backup", &[]), (4, "-INT"), |_| true);
    let last: Value = serde_json::from_str(&last).unwrap();
    assert_eq!((code, &last["error"]["kind"]), (Some(130), &json!("interrupted")), "{last:#}");
    assert_eq!(left_over(&folder(&sandbox)), [] as [&str; 0]);
    // Its rows come in several requests; the first of them is done.
    let written = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["doing"] == "written" && line["bytes"].as_u64() > Some(800_000)
    };
    let over = words("restore", &["latest", "--over", "--yes"]);
    for signal in ["-INT", "-TERM"] {
        let (code, last) = sandbox.signal_db(&over, (1, signal), written);
        let last: Value = serde_json::from_str(&last).unwrap();
        assert_eq!((code, &last["half_restored"]), (Some(130), &json!(true)), "{last:#}");
        let hint = last["error"]["hint"].as_str().unwrap();
        assert!(hint.contains("it goes on"), "{hint}");
        let done = sandbox.db(&[&over[..], &["--json"]].concat()).exits(0).json();
        assert!(done["statements_before"].as_u64() > Some(0), "{done:#}");
        assert_eq!(all(&sandbox), wanted);
    }
}

#[cfg(unix)]
#[test]
fn a_backup_that_is_killed_anywhere_leaves_nothing_that_looks_like_one() {
    let sandbox = stocked();
    let (_, first) = back_up(&sandbox, &[]);
    let whole = sandbox.db(&words("backup", &["--json=events"])).exits(0);
    let lines: Vec<Value> =
        whole.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines[..lines.len() - 1] {
        Schema::of("clodo-db").check("event", line);
    }
    let mut stopped = 0;
    for at in (1..lines.len()).step_by(4) {
        let before = fs::read_dir(folder(&sandbox)).unwrap().count();
        stopped += usize::from(sandbox.kill_db(&words("backup", &[]), at));
        // Whatever has a name is whole.
        let good = sandbox.db(&words("drill", &["--json"])).exits(0).json();
        assert_eq!(good["databases"][0]["verdict"], "good", "killed after line {at}");
        assert_eq!(left_over(&folder(&sandbox)), [] as [&str; 0], "killed after line {at}");
        assert!(fs::read_dir(folder(&sandbox)).unwrap().count() <= before + 1);
    }
    assert!(stopped > 2 && first.exists(), "{stopped} of {} lines", lines.len());
}

#[cfg(unix)]
#[test]
fn a_restore_that_is_killed_anywhere_goes_on_and_is_never_taken_for_whole() {
    let sandbox = well_stocked();
    let wanted = all(&sandbox);
    let _ = back_up(&sandbox, &[]);
    let over = ["latest", "--over", "--yes"];
    let whole = sandbox.db(&words("restore", &[&over[..], &["--json=events"]].concat())).exits(0);
    let lines = whole.stdout.lines().count();
    let elsewhere = sandbox.project().join("elsewhere");
    let elsewhere = elsewhere.to_str().unwrap();
    let mut went_on = 0;
    // A third of it is the trial, and a third the backup before.
    for at in (1..lines).step_by((lines / 12).max(1)) {
        write(&sandbox, "CREATE TABLE stray (x)");
        let _ = sandbox.kill_db(&words("restore", &over), at);
        // Elsewhere, so that it is not `latest`.
        let half = sandbox.db(&words("backup", &["--json", "--to", elsewhere]));
        let is_half = half.code == Some(1);
        if is_half {
            assert_eq!(half.json()["error"]["kind"], "half_restored");
        }
        let done =
            sandbox.db(&words("restore", &[&over[..], &["--json"]].concat())).exits(0).json();
        went_on += usize::from(done["statements_before"].as_u64() > Some(0));
        assert_eq!(all(&sandbox), wanted, "killed after line {at}");
        // `latest` is what it was: what is taken before a change never stands in for it.
        assert_eq!(done["backup"]["consistent"], true);
        assert_eq!(value(&sandbox, "SELECT count(*) FROM sqlite_master WHERE name = 'stray'"), 0);
    }
    assert!(went_on > 0, "no kill came between two requests, of {lines} lines");
}

#[cfg(unix)]
#[test]
fn a_file_that_is_restored_is_whole_or_what_it_was() {
    let sandbox = stocked();
    let _ = back_up(&sandbox, &[]);
    let copy = sandbox.project().join("copy.db");
    let name = copy.to_str().unwrap();
    let into = words("restore", &["latest", "--into-file", name]);
    let whole = sandbox.db(&[&into[..], &["--json=events"]].concat()).exits(0);
    fs::remove_file(&copy).unwrap();
    for at in (1..whole.stdout.lines().count()).step_by(2) {
        if sandbox.kill_db(&into, at) && copy.exists() {
            let _ = sandbox.db(&["drill", "--fresh", "--sqlite", name]).exits(0);
        }
        if !copy.exists() {
            let _ = sandbox.db(&into).exits(0);
        }
        fs::remove_file(&copy).unwrap();
        let beside = fs::read_dir(sandbox.project()).unwrap().map(|one| one.unwrap().file_name());
        let beside: Vec<_> =
            beside.filter(|name| name.to_string_lossy().contains("restoring")).collect();
        assert!(beside.len() < 2, "{beside:?}");
    }
}

#[test]
fn who_may_not_is_told_so_and_nothing_is_written() {
    let sandbox = stocked();
    let (_, path) = back_up(&sandbox, &[]);
    let settings = sandbox.settings();
    let cloudflare = |words: &[&str], more: &[(&str, &str)]| -> Run {
        let mut command = sandbox.command("clodo-db", words);
        command.args(["--platform=cloudflare", "--json"]).envs(settings.iter().cloned());
        command.envs(more.iter().copied()).output().unwrap().into()
    };
    let token = sandbox.local(&["token", "ci", "--permission", "D1 Read", "--json"]).exits(0);
    let token = token.json()["token"].as_str().unwrap().to_owned();
    let reader = ("CLOUDFLARE_API_TOKEN", token.as_str());
    let refused = cloudflare(&words("backup", &[]), &[reader]).exits(6).json();
    assert_eq!(refused["error"]["kind"], "not_allowed");
    let file = path.to_str().unwrap();
    let unasked = cloudflare(&words("restore", &[file, "--over"]), &[]).exits(2);
    assert!(unasked.stderr.contains("--yes"), "{}", unasked.stderr);
    let gone = ("CLOUDFLARE_API_BASE_URL", "http://127.0.0.1:9/client/v4");
    let _ = cloudflare(&words("backup", &[]), &[gone]).exits(7);
    // A drill of kept backups needs no platform at all.
    let kept = path.ancestors().nth(4).unwrap();
    let moved = sandbox.project().join("elsewhere/cloudflare/main");
    fs::create_dir_all(&moved).unwrap();
    let own = path.parent().unwrap();
    Command::new("cp").arg("-r").arg(own).arg(&moved).status().unwrap();
    assert!(kept.ends_with("backups"), "{}", kept.display());
    let from = sandbox.project().join("elsewhere");
    let _ = cloudflare(&words("drill", &["--from", from.to_str().unwrap()]), &[gone]).exits(0);

    sandbox.edit(
        "clodo.toml",
        "vars = { ENVIRONMENT = \"development\"",
        "protection = \"approve\"\nvars = { ENVIRONMENT = \"development\"",
    );
    let refused = sandbox.db(&words("restore", &[file, "--over", "--yes", "--json"])).exits(3);
    assert_eq!(refused.json()["error"]["kind"], "wants_approval");
    assert_eq!(value(&sandbox, "SELECT count(*) FROM odd"), 3);
}

#[test]
fn two_at_once_do_not_get_in_each_others_way() {
    let sandbox = stocked();
    let start = || {
        let mut command = sandbox.command("clodo-db", &words("backup", &["--json"]));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let all = [start(), start(), start()];
    let runs: Vec<Run> = all.map(|child| child.wait_with_output().unwrap().into()).into();
    for run in &runs {
        assert!(matches!(run.code, Some(0 | 6)), "{run:?}");
    }
    assert!(runs.iter().any(|run| run.code == Some(0)), "{runs:?}");
    let _ = sandbox.db(&words("drill", &[])).exits(0);
    assert_eq!(left_over(&folder(&sandbox)), [] as [&str; 0]);
}

/// Short rows are what most join tables have: D1 takes programs of 25,000 steps.
#[test]
fn many_short_rows_come_back_into_d1() {
    let sandbox = with(
        "CREATE TABLE votes (id INTEGER PRIMARY KEY, post INTEGER, value INTEGER);\n\
         CREATE TABLE pairs (a INTEGER, b INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID;\n\
         CREATE TABLE ones (a);\n\
         CREATE TABLE texts (a, b, c, d, e);\n\
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000)\n\
         INSERT INTO votes SELECT i, i % 100, 1 FROM n;\n\
         INSERT INTO pairs SELECT id, 1 FROM votes;\nINSERT INTO ones SELECT 1 FROM votes;\n\
         INSERT INTO texts SELECT char(10), char(13), NULL, 1.5, x'00' FROM votes;\n",
    );
    let _ = back_up(&sandbox, &[]);
    let count = "SELECT (SELECT sum(id + post) FROM votes) || ' ' || (SELECT count(*) FROM pairs) || ' ' || \
                 (SELECT count(*) FROM ones) || ' ' || (SELECT sum(length(a || b)) FROM texts)";
    let before = value(&sandbox, count);
    let _ = sandbox.db(&words("restore", &["latest", "--over", "--yes"])).exits(0);
    assert_eq!(value(&sandbox, count), before);
}

/// An application may call its tables so, too.
#[test]
fn tables_that_are_called_like_clodo_s_own_are_kept() {
    let sandbox = with("CREATE TABLE plain (a);\n");
    write(&sandbox, "CREATE TABLE _clodo_notes (a)");
    write(&sandbox, "INSERT INTO _clodo_notes VALUES ('precious')");
    write(&sandbox, "CREATE UNIQUE INDEX _clodo_mail ON plain (a)");
    let _ = back_up(&sandbox, &[]);
    write(&sandbox, "DROP TABLE _clodo_notes");
    write(&sandbox, "DROP INDEX _clodo_mail");
    let _ = sandbox.db(&words("restore", &["latest", "--over", "--yes"])).exits(0);
    assert_eq!(value(&sandbox, "SELECT a FROM _clodo_notes"), "precious");
    let index = "SELECT count(*) FROM sqlite_master WHERE name = '_clodo_mail'";
    assert_eq!(value(&sandbox, index), 1);
}

/// What others write while a backup is taken is in no backup.
#[test]
fn the_moment_to_go_back_to_is_noted_again_behind_the_backup() {
    let sandbox = with("CREATE TABLE plain (a);\n");
    let _ = back_up(&sandbox, &[]);
    let log = || {
        let _ = sandbox.local(&["down"]).exits(0);
        let log = fs::read_to_string(sandbox.project().join(".clodo/local/requests.jsonl"));
        log.unwrap().lines().map(str::to_owned).collect::<Vec<String>>()
    };
    let before = log().len();
    let _ = sandbox.db(&words("restore", &["latest", "--over", "--yes"])).exits(0);
    let calls = log().split_off(before);
    let all = |end: &str| -> Vec<usize> {
        (0..calls.len()).filter(|at| calls[*at].contains(end)).collect()
    };
    let (bookmarks, reads, writes) = (all("/bookmark\""), all("/raw\""), all("/query\""));
    let [first, .., last] = bookmarks[..] else { panic!("{bookmarks:?} of {calls:#?}") };
    assert!(reads.iter().any(|at| (first..last).contains(at)), "a backup is read between them");
    assert!(writes.first().is_some_and(|write| last < *write), "{last} {writes:?}");
}
