//! What is asked of databases, and what is said of them.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

use clodo_sqlite::rusqlite::Connection;
use clodo_tests::{Run, Sandbox, Schema};
use serde_json::json;
use std::path::PathBuf;

/// A SQLite file with a table of so many rows, in the sandbox's project.
fn file(sandbox: &Sandbox, rows: usize) -> PathBuf {
    let file = sandbox.project().join("app.db");
    let sql = format!(
        "CREATE TABLE p (id INTEGER PRIMARY KEY, t); WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL \
         SELECT i + 1 FROM n WHERE i < {rows}) INSERT INTO p SELECT i, hex(randomblob(8)) FROM n;"
    );
    Connection::open(&file).unwrap().execute_batch(&sql).unwrap();
    file
}

fn query(sandbox: &Sandbox, file: &std::path::Path, words: &[&str]) -> Run {
    sandbox.db(&[&["query"][..], words, &["--sqlite", file.to_str().unwrap()]].concat())
}

#[test]
fn a_typo_is_no_write_and_infinity_no_null() {
    let sandbox = Sandbox::empty();
    let file = file(&sandbox, 3);
    let typo = query(&sandbox, &file, &["SELEC 1", "--json"]).exits(3);
    assert!(typo.stderr.contains("is no SQL: near \"SELEC\""), "{}", typo.stderr);
    let write = query(&sandbox, &file, &["DELETE FROM p"]).exits(3);
    assert!(write.stderr.contains("give --write"), "{}", write.stderr);
    let found = query(&sandbox, &file, &["SELECT 9e999, -9e999, NULL", "--json"]).exits(0).json();
    assert_eq!(found["rows"], json!([["Infinity", "-Infinity", null]]));
    let pragma = query(&sandbox, &file, &["PRAGMA journal_mode"]).exits(3);
    assert!(!pragma.stderr.contains("token"), "{}", pragma.stderr);
}

/// A statement that would run for minutes, and a shell that waits for a line.
#[cfg(unix)]
#[test]
fn who_interrupts_waits_for_nothing() {
    use std::{
        io::{BufRead as _, BufReader, Read as _},
        process::{Command, Stdio},
    };
    let sandbox = Sandbox::empty();
    let file = file(&sandbox, 200_000);
    let endless = "SELECT count(*) FROM p a, p b WHERE a.t < b.t";
    let on = ["--sqlite", file.to_str().unwrap()];
    let started = |words: &[&str]| {
        let mut command = sandbox.command("clodo-db", &[words, &on].concat());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let interrupt = |id: u32| {
        let done = Command::new("kill").args(["-INT", &id.to_string()]).status().unwrap();
        assert!(done.success());
    };
    // It has answered once, and waits for another line; then a statement of it runs.
    for last in ["", endless] {
        let mut child = started(&["shell"]);
        let mut input = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut input, b"SELECT 1;\n").unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.next().unwrap().is_ok());
        if !last.is_empty() {
            std::io::Write::write_all(&mut input, format!("{last};\n").as_bytes()).unwrap();
        }
        interrupt(child.id());
        let code = child.wait().unwrap().code();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(code, Some(130), "{last}: {said}");
        drop(input);
    }
}

/// Each database is compared, whatever the others are; and what is recorded anew is looked at.
#[test]
fn one_edited_file_hides_no_other_database() {
    let schema = Schema::of("clodo-db");
    let sandbox = Sandbox::storefront();
    let _ = sandbox.db(&["up", "--yes"]).exits(0);
    let name = "services/orders/migrations/0001_orders.sql";
    let text = std::fs::read_to_string(sandbox.project().join(name)).unwrap();
    sandbox.write(name, format!("{text}\nCREATE TABLE more (a);\n"));
    let found = sandbox.db(&["verify", "--json"]).exits(3);
    schema.check("verify", &found.json());
    let databases = found.json()["databases"].as_array().unwrap().clone();
    assert_eq!(databases.iter().filter(|one| one.get("error").is_some()).count(), 2);
    assert_eq!(databases.len(), 4);
    let repaired = sandbox.db(&["repair", "--yes"]).exits(0);
    assert!(repaired.stderr.contains("is not as the files say now"), "{}", repaired.stderr);
    std::fs::remove_file(sandbox.project().join(name)).unwrap();
    let gone = sandbox.db(&["repair", "--yes", "orders"]).exits(0);
    assert!(gone.stdout.contains("1 forgotten"), "{}", gone.stdout);
}

#[test]
fn going_back_takes_a_bookmark_a_time_or_how_long_ago() {
    let sandbox = Sandbox::storefront();
    let acme = ["catalog", "--customer", "acme"];
    let _ = sandbox.db(&[&["up", "--yes"][..], &acme].concat()).exits(0);
    let rewind = |to: &str| sandbox.db(&[&["rewind", to, "--yes"][..], &acme].concat());
    for wrong in ["tomorrow", "30 bananas", "x-y-z-w"] {
        let refused = rewind(wrong).exits(2);
        assert!(refused.stderr.contains("is no bookmark and no time"), "{}", refused.stderr);
    }
    let done = rewind("0s").exits(0);
    assert!(done.stderr.contains("catalog --env"), "a whole command: {}", done.stderr);
}
