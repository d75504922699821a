//! Looking at databases and working with them, with the real program: on the local Cloudflare's D1 and on
//! SQLite files.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

use clodo_sqlite::rusqlite::{Connection, TransactionBehavior};
use clodo_tests::{Run, Sandbox, Schema};
use serde_json::{Value, json};
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
};

const ACME: [&str; 3] = ["catalog", "--customer", "acme"];

fn schema() -> Schema {
    Schema::of("clodo-db")
}

/// A folder with a SQLite file; commands name it by its path.
fn file(sql: &str) -> (Sandbox, PathBuf) {
    let sandbox = Sandbox::empty();
    let path = sandbox.project().join("app.db");
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    (sandbox, path)
}

fn on(sandbox: &Sandbox, path: &Path, words: &[&str]) -> Run {
    let mut command = sandbox.command("clodo-db", words);
    command.arg("--sqlite").arg(path).output().unwrap().into()
}

/// Runs the shell with this input.
fn typed(sandbox: &Sandbox, path: &Path, words: &[&str], input: &[u8]) -> Run {
    let mut command = sandbox.command("clodo-db", &[&["shell"], words].concat());
    command.arg("--sqlite").arg(path).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may stop before it has read all.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap().into()
}

/// The verdict of a check.
fn verdict<'v>(health: &'v Value, name: &str) -> &'v Value {
    let checks = health["databases"][0]["checks"].as_array().unwrap();
    &checks.iter().find(|check| check["check"] == name).unwrap()["verdict"]
}

/// With what changes from run to run, and from machine to machine, made the same.
fn steady(text: &str, path: &Path) -> String {
    let text = text.replace(&path.display().to_string(), "app.db");
    let time = regex::Regex::new(r"\d+\.\d ms").unwrap();
    time.replace_all(&text, "1.0 ms").into_owned()
}

#[test]
fn a_shell_keeps_the_line_ends_that_are_within_a_text() {
    let sandbox = Sandbox::empty();
    let path = sandbox.project().join("app.db");
    let input = b"CREATE TABLE t (a);\r\nINSERT INTO t VALUES ('x\r\ny');\r\n.tables\r\n";
    std::fs::write(&path, "").unwrap();
    let _ = typed(&sandbox, &path, &["--write", "--yes"], input).exits(0);
    let found = typed(&sandbox, &path, &["--json"], b"SELECT hex(a) FROM t;\n").exits(0);
    assert_eq!(found.json()["results"][0]["rows"], json!([["780D0A79"]]), "{}", found.stdout);
}

#[test]
fn the_storefront_and_its_programs_are_looked_at_on_d1() {
    let schema = schema();
    let sandbox = Sandbox::storefront();
    let missing = sandbox.db(&[&["health", "--json"][..], &ACME].concat()).exits(4).json();
    schema.check("health", &missing);
    assert_eq!(verdict(&missing, "connects"), "found");
    assert_eq!(verdict(&missing, "integrity"), "skipped", "what nobody looked at is not well");
    let _ = sandbox.db(&["up"]).exits(0);
    let health = sandbox.db(&["health", "--json"]).exits(0).json();
    schema.check("health", &health);
    assert_eq!(health["databases"].as_array().map(Vec::len), Some(4));
    for check in
        ["connects", "latency", "size", "integrity", "foreign-keys", "migrations", "limits"]
    {
        assert_eq!(verdict(&health, check), "ok", "{check}: {health:#}");
    }
    assert!(health["databases"][0]["bytes"].as_u64().is_some_and(|bytes| bytes > 4_000));

    // The statements of the services' own programs are looked at.
    let diagnosed = sandbox.db(&["diagnose", "--json"]).exits(0).json();
    schema.check("diagnose", &diagnosed);
    assert!(diagnosed["databases"][0]["statements"].as_u64().is_some_and(|count| count >= 3));
    sandbox.write(
        "services/catalog/src/slow.ts",
        "export const slow = `SELECT id FROM products\n WHERE price_cents = ?`;\n",
    );
    let diagnosed = sandbox.db(&[&["diagnose", "--json"][..], &ACME].concat()).exits(4).json();
    let finding = &diagnosed["databases"][0]["findings"][0];
    assert_eq!(finding["code"], "full-scan", "{diagnosed:#}");
    assert!(finding["at"]["path"].as_str().unwrap().ends_with("slow.ts"), "{finding:#}");
    assert_eq!(
        finding["fix"],
        r#"CREATE INDEX "products_by_price_cents" ON "products" ("price_cents");"#
    );
}

#[test]
fn the_storefronts_products_are_seeded_compared_and_asked_for_on_d1() {
    let schema = schema();
    let sandbox = Sandbox::storefront();
    let _ = sandbox.db(&[&["up"][..], &ACME].concat()).exits(0);
    sandbox.write(
        "services/catalog/seeds/products.sql",
        "INSERT INTO products (id, name, price_cents) VALUES (900, 'Seed', 1) ON CONFLICT DO NOTHING;\n",
    );
    let dry = sandbox.db(&[&["seed", "--dry-run", "--json"][..], &ACME].concat()).exits(0).json();
    schema.check("seed", &dry);
    assert_eq!(dry["databases"][0]["files"][0]["fate"], "pending");
    let seeded = sandbox.db(&[&["seed", "--json"][..], &ACME].concat()).exits(0).json();
    schema.check("seed", &seeded);
    let row = &seeded["databases"][0]["files"][0];
    assert_eq!((&row["fate"], &row["changes"]), (&json!("run"), &json!(1)), "{seeded:#}");
    let again = sandbox.db(&[&["seed", "--json"][..], &ACME].concat()).exits(0).json();
    assert_eq!(again["databases"][0]["files"][0]["changes"], 0, "a seed may run again");

    // Made-up rows do not get into production unless somebody insists, and then somebody is asked.
    let words = [&["seed", "--env", "production"][..], &ACME].concat();
    let refused = sandbox.db(&[&words[..], &["--yes", "--json"]].concat()).exits(3).json();
    assert_eq!(refused["error"]["kind"], "protected", "{refused:#}");
    let _ = sandbox.db(&[&["up", "--env", "production", "--yes"][..], &ACME].concat()).exits(0);
    let _ = sandbox.db(&[&words[..], &["--into-protected"]].concat()).exits(2);
    let _ = sandbox.db(&[&words[..], &["--into-protected", "--yes"]].concat()).exits(0);

    let by_hand = ["query", "CREATE INDEX by_hand ON products (name)", "--write", "--yes"];
    let _ = sandbox.db(&[&by_hand[..], &ACME].concat()).exits(0);
    let diff = ["diff", "live@production", "live", "--json"];
    let diff = sandbox.db(&[&diff[..], &ACME].concat()).exits(4).json();
    schema.check("diff", &diff);
    assert_eq!(diff["differences"][0]["name"], "by_hand");
    let mut shell = sandbox.command("clodo-db", &[&["shell", "--json"][..], &ACME].concat());
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = shell.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b".tables\nSELECT name FROM products\nWHERE id = 900;\n")
        .unwrap();
    let shell = Run::from(child.wait_with_output().unwrap()).exits(0).json();
    schema.check("shell", &shell);
    assert_eq!(shell["results"][1]["rows"], json!([["Seed"]]), "{shell:#}");
}

#[test]
fn a_desired_schema_becomes_a_migration_that_makes_it() {
    let sandbox = Sandbox::storefront();
    let _ = sandbox.db(&[&["up"][..], &ACME].concat()).exits(0);
    let products = std::fs::read_to_string(
        sandbox.project().join("services/catalog/migrations/0001_products.sql"),
    )
    .unwrap();
    sandbox.write("schema.sql", products + ";\nCREATE TABLE stock (product INTEGER PRIMARY KEY REFERENCES products (id), count INTEGER NOT NULL);\n");
    let desired = sandbox.project().join("schema.sql").display().to_string();
    let words = ["diff", "migrations", &desired, "catalog", "--json"];
    let differs = sandbox.db(&words).exits(4).json();
    assert_eq!(differs["written"], Value::Null);
    let written = sandbox.db(&[&words[..], &["--write", "add stock"]].concat()).exits(0).json();
    schema().check("diff", &written);
    assert!(written["written"].as_str().unwrap().ends_with("0003_add_stock.sql"), "{written:#}");
    let same = sandbox.db(&words).exits(0).json();
    assert_eq!(same["differences"], json!([]));
    // Nothing was applied; now it is.
    let live = ["diff", "live", &desired, "catalog", "--customer", "acme"];
    let _ = sandbox.db(&live).exits(4);
    let _ = sandbox.db(&[&["up"][..], &ACME].concat()).exits(0);
    let _ = sandbox.db(&live).exits(0);

    sandbox.write(
        "schema.sql",
        "CREATE TABLE stock (product INTEGER PRIMARY KEY, count INTEGER NOT NULL);",
    );
    let written = sandbox.db(&[&words[..], &["--write", "drop"]].concat()).exits(0).json();
    assert!(written["notes"].to_string().contains("clodo:allow drop-table"), "{written:#}");
    let lint = sandbox.db(&["lint", "catalog", "--json"]).exits(3).json();
    assert_eq!(lint["findings"][0]["rule"], "drop-table", "{lint:#}");
}

const HOSTILE: &str = "CREATE TABLE parents (id INTEGER PRIMARY KEY);
CREATE TABLE \"select\" (id INTEGER PRIMARY KEY, \"a\"\"b\nc\" REFERENCES parents (id), \"\u{1b}[31mred\" TEXT);
CREATE TABLE \"x'; DROP TABLE parents; --\" (v);
PRAGMA foreign_keys = OFF;
INSERT INTO \"select\" VALUES (1, 5, '\u{1b}]0;title\u{7}\u{1b}[2J'), (2, NULL, CAST(x'ff00fe' AS TEXT));
INSERT INTO \"x'; DROP TABLE parents; --\" VALUES (1);
";

#[test]
fn what_a_person_reads_keeps_to_its_lines_whatever_the_names_are() {
    let (sandbox, path) = file(HOSTILE);
    let health = on(&sandbox, &path, &["health"]).exits(4);
    let diagnosed = on(&sandbox, &path, &["diagnose"]).exits(4);
    sandbox.write("schema.sql", "CREATE TABLE other (\n\tid INTEGER PRIMARY KEY\n);");
    let desired = sandbox.project().join("schema.sql").display().to_string();
    let database = path.display().to_string();
    let diff = sandbox.db(&["diff", &database, &desired]).exits(4);
    let input =
        b".tables\n.schema select\nSELECT * FROM \"select\";\n.mode csv\nSELECT 1 AS \"a,b\";\n";
    let shell = typed(&sandbox, &path, &[], input).exits(0);
    let text = [&health.stdout, &diagnosed.stdout, &diff.stdout, &shell.stdout]
        .map(|text| steady(text, &path).replace(&desired, "schema.sql"))
        .join("----\n");
    assert!(!text.contains(['\u{1b}', '\u{7}']), "{text:?}");
    insta::assert_snapshot!(text);
    for (name, words) in
        [("health", &["health", "--json"][..]), ("diagnose", &["diagnose", "--json"])]
    {
        schema().check(name, &on(&sandbox, &path, words).exits(4).json());
    }
    let orphan = &on(&sandbox, &path, &["health", "--json"]).exits(4).json()["databases"][0]["violations"]
        [0];
    assert_eq!(
        *orphan,
        json!({ "table": "select", "rowid": 1, "columns": "a\"b\nc", "parent": "parents" })
    );
}

#[test]
fn what_is_no_database_or_is_locked_or_gone_is_said_by_each_command() {
    let (sandbox, path) = file("CREATE TABLE t (x PRIMARY KEY);");
    let other = sandbox.project().join("text.db");
    std::fs::write(&other, "this is no database, and never was one").unwrap();
    let gone = sandbox.project().join("gone.db");
    for (path, exits) in [(&other, 1), (&gone, 2)] {
        let _ = on(&sandbox, path, &["health"]).exits(4);
        for command in ["diagnose", "seed", "shell"] {
            let failed = on(&sandbox, path, &[command, "--json"]).exits(exits).json();
            assert!(failed["error"]["hint"].is_string(), "{command}: {failed:#}");
        }
    }
    let mut holder = Connection::open(&path).unwrap();
    let lock = holder.transaction_with_behavior(TransactionBehavior::Exclusive).unwrap();
    let locked = on(&sandbox, &path, &["health", "--json"]).exits(4).json();
    assert_eq!(verdict(&locked, "connects"), "found");
    let locked = on(&sandbox, &path, &["diagnose", "--json"]).exits(6).json();
    assert_eq!(locked["error"]["kind"], "locked");
    drop(lock);
    let _ = on(&sandbox, &path, &["health"]).exits(0);
}

#[test]
fn a_seed_is_run_whole_or_not_at_all_and_only_about_rows() {
    let (sandbox, path) = file("CREATE TABLE t (x PRIMARY KEY);");
    let count = || -> i64 {
        let db = Connection::open(&path).unwrap();
        db.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
    };
    let nothing = on(&sandbox, &path, &["seed", "--json"]).exits(0).json();
    assert_eq!(nothing["outcome"], "nothing_to_do");
    sandbox.write("seeds/1_a.sql", "INSERT INTO t VALUES (1), (2);");
    sandbox.write("seeds/2_b.sql", "INSERT INTO t VALUES (3);\nINSERT INTO t VALUES (1);");
    let half = on(&sandbox, &path, &["seed", "--json"]).exits(5).json();
    schema().check("seed", &half);
    assert_eq!(count(), 2, "of the second file nothing is there");
    assert!(half["error"]["hint"].as_str().unwrap().contains("ON CONFLICT"), "{half:#}");
    for (text, place, rule) in [
        ("SELECT 1;\n  DROP TABLE t;", (2, 3), "seed-not-rows"),
        ("BEGIN;", (1, 1), "seed-not-rows"),
        ("INSERT INTO t VALUES (?);", (1, 1), "parameters"),
        ("INSERT INTO u VALUES (1);", (1, 1), "seed-fails"),
        ("INSERT INTO t VALUES (1;", (1, 24), "seed-unreadable"),
        ("PRAGMA user_version = 3;", (1, 1), "seed-not-rows"),
    ] {
        sandbox.write("seeds/2_b.sql", text);
        let refused = on(&sandbox, &path, &["seed", "--json"]).exits(3).json();
        let at = &refused["error"]["at"];
        assert_eq!((&at["line"], &at["column"]), (&json!(place.0), &json!(place.1)), "{refused:#}");
        assert!(refused["error"]["message"].as_str().unwrap().contains(rule), "{refused:#}");
    }
    sandbox.write("seeds/2_b.sql", [0xff, 0xfe]);
    let _ = on(&sandbox, &path, &["seed"]).exits(3);
    assert_eq!(count(), 2);
}

#[test]
fn the_shell_reads_a_pipe_and_stops_where_something_fails() {
    let (sandbox, path) = file("CREATE TABLE t (x PRIMARY KEY); INSERT INTO t VALUES (1);");
    let place = |run: Run| {
        let document = run.json();
        schema().check("shell", &document);
        let at = &document["error"]["at"];
        (at["line"].as_u64().unwrap_or(0), at["column"].as_u64().unwrap_or(0))
    };
    let json = |words: &[&str], input: &[u8]| {
        typed(&sandbox, &path, &[&["--json"], words].concat(), input)
    };
    assert_eq!(place(json(&[], b"SELECT 1; SELECT\n 2; SELECT nope; SELECT 3;").exits(1)), (2, 5));
    assert_eq!(place(json(&[], b"SELECT 1;\n DELETE FROM t;").exits(3)), (2, 2));
    assert_eq!(place(json(&["--write"], b"DELETE FROM t").exits(1)), (1, 1));
    assert_eq!(place(json(&[], b"SELECT 1;\n.nope\n").exits(1)), (2, 1));
    assert_eq!(place(json(&[], b"SELECT 1;\n\xff\n").exits(1)), (2, 1));
    let trigger = b"CREATE TRIGGER g AFTER DELETE ON t BEGIN\nSELECT 1; SELECT 2;\nEND; INSERT INTO t VALUES\n(2);";
    let done = json(&["--write"], trigger).exits(0).json();
    assert_eq!(done["results"][1]["changes"], 1, "{done:#}");
    let quit =
        typed(&sandbox, &path, &["--mode", "json"], b"SELECT x FROM t;\n.quit\nSELECT nope;")
            .exits(0);
    assert_eq!(quit.stdout, "{\"line\":1,\"columns\":[\"x\"],\"rows\":[[1],[2]],\"changes\":0}\n");
    let huge = format!("SELECT '{}' AS x;\n", "y".repeat(2_000_000));
    let huge = typed(&sandbox, &path, &["--mode", "csv"], huge.as_bytes()).exits(0);
    assert_eq!(huge.stdout.trim_end().len(), 2_000_003);
    let events = typed(&sandbox, &path, &["--json=events"], b"SELECT 1;").exits(0);
    let first: Value = serde_json::from_str(events.stdout.lines().next().unwrap()).unwrap();
    schema().check("shell_event", &first);
    assert!(!sandbox.project().join(".clodo_history").exists());
}
