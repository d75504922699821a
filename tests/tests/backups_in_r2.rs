//! Backups in a bucket of R2, with the real program on the local Cloudflare.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

use clodo_tests::{Run, Sandbox, Schema, Wrangler};
use serde_json::{Value, json};
use std::{fs, path::Path};

const ACME: [&str; 3] = ["catalog", "--customer", "acme"];
const PLACE: &str = "r2://safe/nightly";

/// The storefront with acme's catalog migrated, and a bucket.
fn stocked() -> Sandbox {
    let sandbox = Sandbox::storefront();
    let _ = db(&sandbox, "up", &["--yes"]).exits(0);
    let words = ["r2", "bucket", "create", "safe"];
    let wrangler = Wrangler::v4_164();
    let made = wrangler.command(&sandbox, &sandbox.project(), &words).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    sandbox
}

/// A call about acme's catalog.
fn db(sandbox: &Sandbox, command: &str, more: &[&str]) -> Run {
    sandbox.db(&[&[command][..], more, &ACME].concat())
}

#[track_caller]
fn products(sandbox: &Sandbox) -> Value {
    let sql = "SELECT group_concat(quote(id) || quote(name)) FROM products";
    db(sandbox, "query", &[sql, "--json"]).exits(0).json()["rows"][0][0].clone()
}

fn files(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path.file_name().unwrap().to_string_lossy().into_owned()),
        }
    }
    found.retain(|name| name != ".lock");
    found
}

#[test]
fn a_bucket_keeps_lists_proves_and_gives_back_and_old_ones_go() {
    let schema = Schema::of("clodo-db");
    let sandbox = stocked();
    let insert = "INSERT INTO products (name, price_cents) VALUES ('it''s a rocket', 1)";
    let _ = db(&sandbox, "query", &[insert, "--write", "--yes"]).exits(0);
    let before = products(&sandbox);
    let taken = db(&sandbox, "backup", &["--to", PLACE, "--json"]).exits(0).json();
    schema.check("backup", &taken);
    let backup = &taken["databases"][0]["backup"];
    let path = backup["path"].as_str().unwrap();
    assert!(path.starts_with("r2://safe/nightly/local/main/"), "{path}");
    assert!(backup["bytes"].as_u64() > Some(100), "{backup}");
    let kept = sandbox.project().join(".clodo/backups");
    assert_eq!(files(&kept), [] as [&str; 0], "nothing stays here");

    let listed = db(&sandbox, "backups", &["--from", PLACE, "--json"]).exits(0).json();
    schema.check("backups", &listed);
    assert_eq!(listed["databases"][0]["backups"][0]["name"], backup["name"]);
    assert_eq!(listed["databases"][0]["backups"][0]["bytes"], backup["bytes"]);
    let here = db(&sandbox, "backups", &["--json"]).exits(0).json();
    assert_eq!(here["databases"][0]["backups"], json!([]));
    let drilled = db(&sandbox, "drill", &["--from", PLACE, "--compare", "--json"]).exits(0).json();
    schema.check("drill", &drilled);
    assert_eq!(drilled["databases"][0]["verdict"], "good");
    assert_eq!(drilled["databases"][0]["path"], path);

    let _ = db(&sandbox, "query", &["DELETE FROM products", "--write", "--yes"]).exits(0);
    let words = ["latest", "--from", PLACE, "--over", "--yes", "--json"];
    let done = db(&sandbox, "restore", &words).exits(0).json();
    schema.check("restore", &done);
    assert_eq!(products(&sandbox), before);
    let saved = done["saved"]["name"].as_str().unwrap();
    assert_eq!(files(&kept), [saved], "what went is kept here, and what was fetched is gone");

    // wrangler fetches it as well, and it restores from there.
    let object = format!("safe/{}", path.strip_prefix("r2://safe/").unwrap());
    let words = ["r2", "object", "get", &object, "--remote", "--file", "fetched.sql.zst"];
    let got = Wrangler::v4_164().command(&sandbox, &sandbox.project(), &words).output().unwrap();
    assert!(got.status.success(), "{got:?}");
    let file = sandbox.project().join("fetched.sql.zst");
    assert_eq!(fs::metadata(&file).unwrap().len(), backup["bytes"].as_u64().unwrap());
    let again = sandbox.project().join("again.sqlite");
    let words = [file.to_str().unwrap(), "--into-file", again.to_str().unwrap()];
    let _ = db(&sandbox, "restore", &words).exits(0);

    let words = ["--to", PLACE, "--keep-last", "1", "--json"];
    let dry = db(&sandbox, "backup", &[&words[..], &["--dry-run"]].concat()).exits(0).json();
    assert_eq!(dry["databases"][0]["removed"], json!([backup["name"]]));
    let next = db(&sandbox, "backup", &words).exits(0).json();
    assert_eq!(next["databases"][0]["removed"], json!([backup["name"]]));
    let listed = db(&sandbox, "backups", &["--from", PLACE, "--json"]).exits(0).json();
    assert_eq!(listed["databases"][0]["backups"].as_array().map(Vec::len), Some(1));
}

#[test]
fn what_is_no_bucket_of_the_account_is_told_and_nothing_is_left_behind() {
    let sandbox = Sandbox::storefront();
    let _ = db(&sandbox, "up", &["--yes"]).exits(0);
    let gone = db(&sandbox, "backup", &["--to", "r2://nowhere", "--json"]).exits(1).json();
    assert_eq!(gone["databases"][0]["fate"], "failed");
    let hint = gone["error"]["hint"].as_str().unwrap();
    assert!(hint.contains("wrangler r2 bucket create"), "{gone:#}");
    assert_eq!(files(&sandbox.project().join(".clodo/backups")), [] as [&str; 0]);
    for command in ["backups", "drill"] {
        let words = ["--from", "r2://nowhere", "--json"];
        let gone = db(&sandbox, command, &words).exits(1).json();
        assert!(gone["error"]["message"].as_str().unwrap().contains("r2://nowhere"), "{gone:#}");
    }
    for wrong in ["r2://", "r2://safe/../x", "r2://UPPER"] {
        let refused = db(&sandbox, "backup", &["--to", wrong]).exits(2);
        assert!(refused.stderr.contains("--to"), "{refused:?}");
    }
    sandbox.write("one.sql", "CREATE TABLE t (x);");
    let words = ["backup", "--sqlite", "one.db", "--to", "r2://safe", "--json"];
    let refused = sandbox.db(&words).exits(2).json();
    assert!(refused["error"]["hint"].as_str().unwrap().contains("folder"), "{refused:#}");
}

#[cfg(unix)]
#[test]
fn a_backup_into_a_bucket_that_is_killed_anywhere_is_whole_or_not_there() {
    let sandbox = stocked();
    let whole = db(&sandbox, "backup", &["--to", PLACE, "--json=events"]).exits(0);
    let lines = whole.stdout.lines().count();
    let mut stopped = 0;
    for at in (1..lines).step_by((lines / 4).max(1)) {
        let words = [&["backup", "--to", PLACE][..], &ACME].concat();
        stopped += usize::from(sandbox.kill_db(&words, at));
        let drilled = db(&sandbox, "drill", &["--from", PLACE, "--json"]).exits(0).json();
        assert_eq!(drilled["databases"][0]["verdict"], "good", "killed after line {at}");
        let kept = sandbox.project().join(".clodo/backups");
        assert_eq!(files(&kept), [] as [&str; 0], "killed after line {at}");
    }
    assert!(stopped > 0, "none of {lines} kills came in time");
}
