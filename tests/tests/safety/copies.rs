//! Backups of random databases, restored, against the tools of SQLite's authors: `sqldiff`, and
//! `dbhash` or the same hash by the shell's `.sha3sum`, which Debian has.

use crate::{cloud::Cloud, count};
use clodo_db::{
    BackupOptions, Database, Moments, RestoreOptions, SqliteDatabase, backup, compare,
    conformance::answers, restore,
};
use clodo_schema_fixture::{Case, cases};
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

/// Makes the schema, backs it up, and restores the backup into a file.
async fn copied<D: Database + Moments>(original: &D, to: &Path) -> SqliteDatabase {
    let mut dump = Vec::new();
    let report = backup(original, original, &mut dump, &BackupOptions::default()).await.unwrap();
    assert!(report.summary.consistent);
    let copy = opened(to).await;
    restore(&copy, &dump, &RestoreOptions::default()).await.unwrap();
    copy
}

/// Others' tools look at the file alone.
async fn close(database: SqliteDatabase) {
    let closing = database.sqlite().closing();
    drop(database);
    closing.done().await;
}

async fn opened(path: &Path) -> SqliteDatabase {
    SqliteDatabase::open(path, clodo_sqlite::OpenOptions::default()).await.unwrap()
}

/// The copy is the original: to us, and to the others' tools. What virtual tables keep behind them may
/// lie otherwise: they are asked, and go.
async fn check(case: &Case, tools: Option<&Tools>, (original, copy): (&Path, &Path)) {
    let (one, other) = (opened(original).await, opened(copy).await);
    let differences = compare(&one, &other).await.unwrap();
    assert!(differences.is_empty(), "{differences:?}\n{}", case.schema());
    let questions = case.questions();
    let all = || questions.iter().map(|one| one.before.as_str());
    assert_eq!(answers(&one, all()).await, answers(&other, all()).await, "{}", case.schema());
    let whole = answers(&other, ["PRAGMA integrity_check"].into_iter()).await;
    assert_eq!(whole, [Ok(vec!["ok".to_owned()])], "{}", case.schema());
    if case.search {
        for database in [&one, &other] {
            database.script("DROP TABLE words").await.unwrap();
        }
    }
    close(one).await;
    close(other).await;
    if let Some(tools) = tools {
        assert_eq!(tools.hash(original), tools.hash(copy), "{}", case.schema());
        assert_eq!(tools.differences(original, copy), "", "{}", case.schema());
    }
}

/// Programs that did not come from us.
#[derive(Debug)]
struct Tools {
    dbhash: bool,
}

impl Tools {
    /// `cargo xtask test` installs them where it may.
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    fn find() -> Option<Self> {
        let starts = |name: &str| Command::new(name).arg("--help").output().is_ok();
        if !starts("sqldiff") || !starts("sqlite3") {
            eprintln!("skipped: there is no sqldiff or no sqlite3 here to compare with");
            return None;
        }
        Some(Self { dbhash: starts("dbhash") })
    }

    /// Of all tables and the schema. Debian has no `dbhash`; the shell has the same hash in it.
    fn hash(&self, path: &Path) -> String {
        let output = match self.dbhash {
            true => Command::new("dbhash").arg(path).output(),
            false => Command::new("sqlite3").arg(path).arg(".sha3sum --schema").output(),
        };
        let said = said(output.unwrap());
        let hash = said.split_whitespace().next().unwrap_or_default();
        assert!(hash.len() >= 40, "no hash: {said}");
        hash.to_owned()
    }

    /// The SQL that would make one of the other. In which order the sequences stand means nothing;
    /// what they are is part of the hash.
    fn differences(&self, one: &Path, other: &Path) -> String {
        let all = said(Command::new("sqldiff").arg(one).arg(other).output().unwrap());
        let lines = all.lines().filter(|line| !line.contains(" sqlite_sequence"));
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn said(output: Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Each takes two files and five programs.
fn databases() -> Vec<Case> {
    cases(count("CLODO_SAFETY_CASES", 12).min(100))
}

#[tokio::test]
async fn a_restored_copy_of_a_file_is_the_same_to_others_tools() {
    let tools = Tools::find();
    let folder = tempfile::tempdir().unwrap();
    for (at, case) in databases().iter().enumerate() {
        let paths = ["original", "copy"].map(|name| folder.path().join(format!("{name}-{at}")));
        let original = opened(&paths[0]).await;
        original.script(&case.schema()).await.unwrap();
        close(copied(&original, &paths[1]).await).await;
        close(original).await;
        check(case, tools.as_ref(), (&paths[0], &paths[1])).await;
    }
}

#[tokio::test]
async fn a_restored_copy_of_d1_is_the_same_to_others_tools() {
    let tools = Tools::find();
    let folder = tempfile::tempdir().unwrap();
    let cloud = Cloud::start();
    for (at, case) in databases().iter().enumerate() {
        let paths = ["original", "copy"].map(|name| folder.path().join(format!("{name}-{at}")));
        let d1 = cloud.d1(cloud.create().await);
        d1.script(&case.schema()).await.unwrap();
        close(copied(&d1, &paths[1]).await).await;
        // The same statements, in a file that the tools can read.
        let original = opened(&paths[0]).await;
        original.script(&case.schema()).await.unwrap();
        close(original).await;
        check(case, tools.as_ref(), (&paths[0], &paths[1])).await;
    }
}

/// What would show if the hash or the difference said nothing.
#[tokio::test]
async fn one_value_that_differs_is_found_by_the_tools() {
    let Some(tools) = Tools::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let paths = ["one", "other"].map(|name| folder.path().join(name));
    let original = opened(&paths[0]).await;
    original.script("CREATE TABLE t (x); INSERT INTO t VALUES (1)").await.unwrap();
    close(original).await;
    fs::copy(&paths[0], &paths[1]).unwrap();
    assert_eq!(tools.hash(&paths[0]), tools.hash(&paths[1]));
    let other = opened(&paths[1]).await;
    other.script("UPDATE t SET x = '1'").await.unwrap();
    close(other).await;
    assert_ne!(tools.hash(&paths[0]), tools.hash(&paths[1]));
    assert_ne!(tools.differences(&paths[0], &paths[1]), "");
}
