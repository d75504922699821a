//! What is not as it should be: files that are damaged, backups that do not come back, names of others.

use crate::{stocked, value, words, write};
use clodo_sqlite::rusqlite::Connection;
use clodo_tests::{Run, Sandbox, Schema};
use serde_json::{Value, json};
use std::{fs, path::Path};

fn on_file(sandbox: &Sandbox, file: &Path, words: &[&str]) -> Run {
    sandbox.db(&[words, &["--sqlite", file.to_str().unwrap()]].concat())
}

fn made(file: &Path, sql: &str) {
    Connection::open(file).unwrap().execute_batch(sql).unwrap();
}

/// The folders of a file's backups.
fn kept(sandbox: &Sandbox, of: &str) -> std::path::PathBuf {
    let all = fs::read_dir(sandbox.project().join(".clodo/backups/file")).unwrap();
    let mut all = all.map(|entry| entry.unwrap().path());
    all.find(|path| path.file_name().unwrap().to_string_lossy().starts_with(of)).unwrap()
}

#[test]
fn a_damaged_file_is_kept_as_far_as_it_goes_and_takes_no_good_backup_along() {
    let sandbox = Sandbox::empty();
    let file = sandbox.project().join("app.db");
    made(
        &file,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v); WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 \
         FROM n WHERE i < 5000) INSERT INTO t SELECT i, hex(randomblob(20)) FROM n;",
    );
    let keep = ["backup", "--keep-last", "1", "--json"];
    let _ = on_file(&sandbox, &file, &keep).exits(0);
    // A leaf of the table says that it holds three rows.
    let mut bytes = fs::read(&file).unwrap();
    let size = usize::from(u16::from_be_bytes([bytes[16], bytes[17]]));
    let leaf = (1..bytes.len() / size).find(|page| bytes[page * size] == 13).unwrap() * size;
    bytes[leaf + 3..leaf + 5].copy_from_slice(&[0, 3]);
    fs::write(&file, bytes).unwrap();
    let damaged = on_file(&sandbox, &file, &keep).exits(5).json();
    Schema::of("clodo-db").check("backup", &damaged);
    assert_eq!(damaged["error"]["kind"], "damaged_file", "{damaged:#}");
    assert_eq!(damaged["databases"][0]["removed"], json!([]), "{damaged:#}");
    assert!(damaged["databases"][0]["backup"]["damage"].is_string(), "{damaged:#}");
    // Nor does what is left of one that was emptied.
    fs::write(&file, "").unwrap();
    let empty = on_file(&sandbox, &file, &keep).exits(0).json();
    assert_eq!(empty["databases"][0]["removed"], json!([]), "{empty:#}");
    let backups = on_file(&sandbox, &file, &["backups", "--json"]).exits(0).json();
    let backups = backups["databases"][0]["backups"].as_array().unwrap().clone();
    assert_eq!(backups.len(), 3, "{backups:#?}");
    // What was damaged is so for ever.
    fs::remove_file(kept(&sandbox, "app.db-").join(backups[2]["name"].as_str().unwrap())).unwrap();
    let drill = on_file(&sandbox, &file, &["drill"]).exits(4);
    assert!(drill.stdout.contains("was taken of a file that was damaged"), "{}", drill.stdout);
    let back = on_file(&sandbox, &file, &["restore", "latest", "--over", "--yes"]).exits(0);
    assert!(back.stderr.contains("was taken of a file that was damaged"), "{}", back.stderr);
}

/// Two projects whose databases are called alike, and one folder for their backups.
#[test]
fn projects_that_share_a_folder_take_nothing_from_each_other() {
    let shared = tempfile::tempdir().unwrap();
    let to = shared.path().to_str().unwrap();
    let projects = ["one", "two"].map(|name| {
        let sandbox = Sandbox::empty();
        let config =
            "name = \"shop\"\n[[d1_databases]]\nbinding = \"DB\"\ndatabase_name = \"shop\"\n";
        sandbox.write("wrangler.toml", config);
        let sql = format!("CREATE TABLE who (a); INSERT INTO who VALUES ('{name}');");
        sandbox.write("migrations/0001_who.sql", sql);
        let _ = sandbox.db(&["up", "--platform=local", "--yes"]).exits(0);
        let keep = ["backup", "--platform=local", "--to", to, "--keep-last=1", "--json"];
        for earlier in [0, 1] {
            let done = sandbox.db(&keep).exits(0).json();
            let removed = done["databases"][0]["removed"].as_array().map(Vec::len);
            assert_eq!(removed, Some(earlier), "{done:#}");
        }
        sandbox
    });
    let over = ["restore", "latest", "--platform=local", "--from", to, "--over", "--yes"];
    let refused = projects[0].db(&over).exits(3);
    assert!(refused.stderr.contains("is of another database"), "{}", refused.stderr);
    let _ = projects[1].db(&over).exits(0);
    // One that was made anew is another one, too: into nothing its backup goes with a word.
    let _ = projects[1].local(&["reset", "--yes"]);
    let into = ["restore", "latest", "--platform=local", "--from", to, "--yes"];
    let back = projects[1].db(&into).exits(0);
    assert!(back.stderr.contains("is of another database"), "{}", back.stderr);
    let who = ["query", "SELECT a FROM who", "--platform=local", "--json"];
    assert_eq!(projects[1].db(&who).exits(0).json()["rows"], json!([["two"]]));
}

#[test]
fn a_reference_to_no_key_is_a_finding_of_the_drill() {
    let sandbox = Sandbox::empty();
    let file = sandbox.project().join("app.db");
    made(&file, "CREATE TABLE p (c); CREATE TABLE ch (c REFERENCES p (c)); CREATE TABLE o (a);");
    let _ = on_file(&sandbox, &file, &["backup"]).exits(0);
    let drill = on_file(&sandbox, &file, &["drill"]).exits(4);
    assert!(drill.stdout.contains("foreign key mismatch"), "{}", drill.stdout);
}

#[test]
fn files_that_are_called_like_anothers_backups_stay_where_they_are() {
    let sandbox = Sandbox::empty();
    let file = sandbox.project().join("app.db");
    made(&file, "CREATE TABLE t (a); INSERT INTO t VALUES (1);");
    let _ = on_file(&sandbox, &file, &["backup"]).exits(0);
    let folder = kept(&sandbox, "app.db-");
    let others = ["notes-000000000000005.sql.zst", "my-app-000000000000005.sql.zst"];
    for other in others {
        fs::write(folder.join(other), "precious").unwrap();
    }
    let done = on_file(&sandbox, &file, &["backup", "--keep-last", "1", "--json"]).exits(0).json();
    assert_eq!(done["databases"][0]["removed"].as_array().map(Vec::len), Some(1), "{done:#}");
    assert!(others.iter().all(|other| folder.join(other).exists()));
}

/// A program may count its own migrations in there.
#[test]
fn a_file_keeps_its_own_numbers_when_its_content_comes_back() {
    let sandbox = Sandbox::empty();
    let file = sandbox.project().join("app.db");
    made(
        &file,
        "CREATE TABLE t (a); INSERT INTO t VALUES (1); PRAGMA user_version = 77; PRAGMA application_id = 5;",
    );
    let _ = on_file(&sandbox, &file, &["backup"]).exits(0);
    let _ = on_file(&sandbox, &file, &["restore", "latest", "--over", "--yes"]).exits(0);
    let numbers = "SELECT user_version || ' ' || application_id FROM pragma_user_version, pragma_application_id";
    let found: String =
        Connection::open(&file).unwrap().query_row(numbers, [], |row| row.get(0)).unwrap();
    assert_eq!(found, "77 5");
}

#[cfg(unix)]
#[test]
fn a_file_is_the_same_whatever_link_leads_to_it() {
    let sandbox = Sandbox::empty();
    let (file, link) = (sandbox.project().join("app.db"), sandbox.project().join("link.db"));
    made(&file, "CREATE TABLE t (a); INSERT INTO t VALUES (1);");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let _ = on_file(&sandbox, &file, &["backup"]).exits(0);
    let listed = || {
        let backups = on_file(&sandbox, &link, &["backups", "--json"]).exits(0).json();
        backups["databases"][0]["backups"].as_array().map(Vec::len)
    };
    assert_eq!(listed(), Some(1));
    fs::remove_file(&file).unwrap();
    assert_eq!(listed(), Some(1), "the link leads to where it was");
}

/// D1 gives nothing up for a backup that does not come back.
#[test]
fn a_backup_is_tried_before_anything_goes() {
    let sandbox = stocked();
    write(&sandbox, "CREATE TABLE par (code TEXT, v)");
    write(&sandbox, "CREATE UNIQUE INDEX pu ON par (code)");
    write(&sandbox, "CREATE TABLE chi (code TEXT REFERENCES par (code), w)");
    write(&sandbox, "INSERT INTO par VALUES ('a', 1)");
    write(&sandbox, "INSERT INTO chi VALUES ('a', 2)");
    write(&sandbox, "DROP INDEX pu");
    let _ = sandbox.db(&words("backup", &[])).exits(0);
    let refused = sandbox.db(&words("restore", &["latest", "--over", "--yes"])).exits(3);
    assert!(refused.stderr.contains("nothing was changed"), "{}", refused.stderr);
    assert_eq!(value(&sandbox, "SELECT count(*) FROM chi"), Value::from(1));

    // What is another database's is said.
    let orders = ["orders", "--customer", "acme"];
    let _ = sandbox.db(&[&["up", "--yes"][..], &orders].concat()).exits(0);
    let document = sandbox.db(&[&["backup", "--json"][..], &orders].concat()).exits(0).json();
    let path = document["databases"][0]["backup"]["path"].as_str().unwrap();
    let path = sandbox.project().join(path).display().to_string();
    let done = sandbox.db(&words("restore", &[&path, "--over", "--yes"])).exits(0);
    assert!(done.stderr.contains("is called like a backup of another"), "{}", done.stderr);
}
