//! The program without a platform: help, wrong usage, files, and plain SQLite databases.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

mod backups;

use assert_cmd::Command;
use clodo_sqlite::rusqlite::Connection;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A folder with migration files.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, sql) in files {
            folder.write(name, sql);
        }
        folder
    }

    fn write(&self, name: &str, sql: impl AsRef<[u8]>) {
        let path = self.path().join("migrations").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, sql).unwrap();
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// What a call in the folder prints, and its exit code. Nothing of the machine's environment is
    /// there.
    #[track_caller]
    fn run(&self, words: &[&str], code: i32) -> (String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clodo-db"));
        let output = command.env_clear().current_dir(self.path()).args(words).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{words:?}\n{stdout}\n{stderr}");
        (stdout, stderr)
    }

    #[track_caller]
    fn json(&self, words: &[&str], code: i32) -> Value {
        let (stdout, _) = self.run(&[words, &["--json"]].concat(), code);
        serde_json::from_str(&stdout).unwrap()
    }

    fn database(&self) -> Connection {
        self.database_named("app.db")
    }

    fn database_named(&self, name: &str) -> Connection {
        Connection::open(self.path().join(name)).unwrap()
    }
}

const UP: [&str; 4] = ["up", "--sqlite", "app.db", "--create"];
const STATUS: [&str; 3] = ["status", "--sqlite", "app.db"];

#[test]
fn every_command_has_a_help_with_an_example() {
    let folder = Folder::new(&[]);
    for command in [
        "new", "status", "up", "lint", "verify", "repair", "baseline", "rewind", "query", "backup",
        "backups", "restore", "drill", "down",
    ] {
        let (help, _) = folder.run(&[command, "--help"], 0);
        assert!(help.contains(&format!("Example:\n  clodo-db {command}")), "{help}");
        assert!(help.contains("--json"), "{help}");
    }
    let (help, _) = folder.run(&["--help"], 0);
    assert!(help.contains("Exit codes:") && !help.contains("local-cloud"), "{help}");
}

#[test]
fn new_takes_the_next_number_and_never_another_files_place() {
    let folder = Folder::new(&[("0001_a.sql", ""), ("7_b.sql", "")]);
    let words = ["new", "add stock", "--migrations", "migrations"];
    let (path, _) = folder.run(&words, 0);
    assert_eq!(PathBuf::from(path.trim()), Path::new("migrations").join("0008_add_stock.sql"));
    assert_eq!(folder.json(&words, 0)["name"], "0009_add_stock.sql");
    assert_eq!(fs::read_dir(folder.path().join("migrations")).unwrap().count(), 4);
    let (_, stderr) = folder.run(&["new", "../x", "--migrations", "migrations"], 2);
    assert!(stderr.contains("add_stock"), "{stderr}");
}

#[test]
fn a_plain_file_is_migrated_and_keeps_its_journal() {
    let folder = Folder::new(&[("0001_a.sql", "CREATE TABLE t (x);\nINSERT INTO t VALUES (1);\n")]);
    let (_, stderr) = folder.run(&["up", "--sqlite", "app.db"], 2);
    assert!(stderr.contains("--create"), "{stderr}");
    assert!(!folder.path().join("app.db").exists());
    folder.run(&[&UP[..], &["--dry-run"]].concat(), 0);
    assert!(!folder.path().join("app.db").exists(), "a dry run makes nothing");
    assert_eq!(folder.json(&UP, 0)["databases"][0]["existed"], false);
    assert_eq!(folder.json(&UP, 0)["outcome"], "nothing_to_do");
    let mode: String =
        folder.database().query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "delete");
    let (rows, _) =
        folder.run(&["query", "SELECT x FROM t", "--sqlite", "app.db", "--format=csv"], 0);
    assert_eq!(rows.trim(), "x\r\n1");
    let change = ["query", "DELETE FROM t", "--sqlite", "app.db"];
    let (_, stderr) = folder.run(&change, 3);
    assert!(stderr.contains("--write"), "{stderr}");
    assert_eq!(folder.json(&[&change[..], &["--write"]].concat(), 0)["changes"], 1);
}

#[test]
fn a_syntax_error_is_named_by_its_place_before_anything_is_written() {
    let broken = "SELECT 1;\n".repeat(6) + "  CREATE TABEL u (x);\nSELECT 8;\n";
    let folder = Folder::new(&[("0001_a.sql", "CREATE TABLE t (x);"), ("0002_b.sql", &broken)]);
    let (_, stderr) = folder.run(&UP, 3);
    assert!(stderr.contains("0002_b.sql:7:10: near \"TABEL\": syntax error"), "{stderr}");
    assert!(!folder.path().join("app.db").exists());
    let found = folder.json(&["lint", "--migrations", "migrations"], 3);
    let at = &found["error"]["at"];
    assert_eq!((&at["line"], &at["column"]), (&7.into(), &10.into()), "{found:#}");
    let (annotations, _) =
        folder.run(&["lint", "--migrations", "migrations", "--format", "github"], 3);
    assert!(annotations.contains("line=7,col=10,title=migration-unreadable::"), "{annotations}");
    let (sarif, _) = folder.run(&["lint", "--migrations", "migrations", "--format", "sarif"], 3);
    let sarif: Value = serde_json::from_str(&sarif).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "migration-unreadable");
    folder.run(&["lint", "--migrations", "migrations", "--after", "0002_b.sql"], 0);
    folder.run(&["lint", "--migrations", "migrations", "--after", "nothing.sql"], 2);
}

#[test]
fn odd_files_are_applied_or_named() {
    let folder = Folder::new(&[
        ("0001_empty.sql", ""),
        ("0002_bom.sql", "\u{feff}CREATE TABLE a (x);"),
        ("0003_crlf.sql", "CREATE TABLE b (x);\r\nINSERT INTO b VALUES (1);\r\n-- the end\r\n"),
        ("0004_select.sql", "CREATE TABLE \"select\" (\"from\" TEXT);\n"),
        (
            "0005_rebuild.sql",
            "CREATE TABLE [n w] (\"from\" TEXT, x);\nINSERT INTO [n w] (\"from\") SELECT \"from\" FROM \"select\";\nDROP TABLE \"select\";\nALTER TABLE [n w] RENAME TO \"select\";\n",
        ),
    ]);
    let (_, stderr) = folder.run(&UP, 0);
    assert!(stderr.contains("[empty-migration]"), "{stderr}");
    folder.run(&["verify", "--sqlite", "app.db"], 0);
    folder.write("0006_bytes.sql", [0xff, 0xfe]);
    for words in [&UP[..], &STATUS, &["lint", "--migrations", "migrations"]] {
        let (_, stderr) = folder.run(words, 3);
        assert!(stderr.contains("0006_bytes.sql is not UTF-8 text"), "{stderr}");
    }
    fs::remove_file(folder.path().join("migrations/0006_bytes.sql")).unwrap();
    folder.write("5_twin.sql", "");
    let (_, stderr) = folder.run(&STATUS, 3);
    assert!(stderr.contains("have the same number"), "{stderr}");
}

#[test]
fn a_database_that_cannot_be_used_is_told_apart() {
    let folder = Folder::new(&[("0001_a.sql", "CREATE TABLE t (x);")]);
    fs::write(folder.path().join("notes.db"), "These are no tables. ".repeat(300)).unwrap();
    let document = folder.json(&["status", "--sqlite", "notes.db"], 1);
    assert_eq!(document["error"]["kind"], "not_a_database", "{document:#}");
    let db = folder.database();
    db.execute_batch("CREATE TABLE s (x); BEGIN EXCLUSIVE;").unwrap();
    let document = folder.json(&UP, 6);
    assert_eq!(document["error"]["kind"], "locked", "{document:#}");
    db.execute_batch("ROLLBACK").unwrap();
    folder.run(&UP, 0);
}

#[test]
fn an_existing_database_is_adopted_by_a_baseline() {
    let files = [("0001_a.sql", "CREATE TABLE t (x);"), ("0002_b.sql", "ALTER TABLE t ADD y;")];
    let folder = Folder::new(&files);
    folder.database().execute_batch("CREATE TABLE t (x);").unwrap();
    let (_, stderr) = folder.run(&UP, 3);
    assert!(stderr.contains("already exists"), "{stderr}");
    folder.run(&["baseline", "nothing.sql", "--sqlite", "app.db"], 2);
    let recorded = folder.json(&["baseline", "0001_a.sql", "--sqlite", "app.db"], 0);
    assert_eq!(recorded["databases"][0]["recorded"], serde_json::json!(["0001_a.sql"]));
    assert_eq!(folder.json(&[&STATUS[..], &["--exit-code"]].concat(), 4)["pending"], 1);
    folder.run(&UP, 0);
    folder.run(&["verify", "--sqlite", "app.db"], 0);
    folder.database().execute_batch("CREATE VIEW v AS SELECT 1").unwrap();
    let drift = folder.json(&["verify", "--sqlite", "app.db"], 4);
    assert_eq!(drift["databases"][0]["drifts"][0]["name"], "v", "{drift:#}");
}

#[test]
fn what_would_lose_rows_is_refused_with_its_rule_and_hint() {
    let folder = Folder::new(&[("0001_a.sql", "CREATE TABLE t (x);\nINSERT INTO t VALUES (1);")]);
    folder.run(&UP, 0);
    folder.write("0002_b.sql", "-- tidy up\nDROP TABLE t;\n");
    let document = folder.json(&UP, 3);
    let finding = &document["findings"][0];
    assert_eq!((&finding["rule"], &finding["at"]["line"]), (&"drop-table".into(), &2.into()));
    assert_eq!(document["databases"][0]["fate"], "refused");
    assert!(document["error"]["hint"].as_str().unwrap().contains("clodo:allow drop-table"));
    folder.write("0002_b.sql", "-- clodo:allow drop-table nobody reads it\nDROP TABLE t;\n");
    folder.run(&UP, 0);
}

#[test]
fn nobody_is_asked_without_a_terminal() {
    let folder = Folder::new(&[]);
    let (_, stderr) = folder.run(&["status"], 2);
    assert!(stderr.contains("no clodo.toml and no wrangler config"), "{stderr}");
    fs::write(folder.path().join("wrangler.toml"), "name = \"hello\"\n").unwrap();
    let (_, stderr) = folder.run(&["status"], 2);
    assert!(stderr.contains("--platform local"), "{stderr}");
    let (_, stderr) = folder.run(&["status", "--platform", "local"], 2);
    assert!(stderr.contains("--sqlite"), "{stderr}");
}
