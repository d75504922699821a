//! A database of a gigabyte, out through the API and back.

use crate::{measure::timed, memory::Peak, table::Table};
use clodo_tests::Sandbox;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Of about 400 bytes each.
const ROWS: usize = 2_500_000;
/// The most memory that a backup may take, in megabytes.
const MEMORY: f64 = 256.0;

pub(crate) fn run(table: &mut Table) {
    let what = "backup of a 1 GB database through the API: speed against `sqlite3 .dump`";
    let bar = ">= 1/3, <= 256 MB";
    if sqlite3(Path::new(":memory:")).arg("SELECT 1").output().is_err() {
        table.skipped(what, bar, "no sqlite3 on this machine");
        return;
    }
    let sandbox = Sandbox::empty();
    let file = full(&sandbox);
    let dump = sandbox.project().join("theirs.sql");
    let mut theirs = sqlite3(&file);
    theirs.arg(".dump").stdin(Stdio::null());
    let theirs = ended(theirs, File::create(&dump).expect("a file").into());
    let (ours, peak) = watched(&sandbox, &["backup", "--platform", "local", "--json"]);
    let size = fs::metadata(&file).expect("the database").len() as f64 / 1e9;
    let ratio = theirs.div_duration_f64(ours);
    let measured = format!(
        "{ratio:.2} ({size:.2} GB in {:.1} s, against {:.1} s), {peak:.0} MB",
        ours.as_secs_f64(),
        theirs.as_secs_f64()
    );
    table.row(what, bar, measured, ratio >= 1.0 / 3.0 && peak <= MEMORY);

    let mut load = sqlite3(&sandbox.project().join("again.db"));
    load.stdin(File::open(&dump).expect("the dump"));
    let theirs = ended(load, Stdio::null());
    let words =
        ["restore", "latest", "--new", "web-db-2", "--platform", "local", "--yes", "--json"];
    let (ours, peak) = watched(&sandbox, &words);
    let ratio = theirs.div_duration_f64(ours);
    let measured = format!(
        "{ratio:.2} ({:.1} s, against {:.1} s), {peak:.0} MB",
        ours.as_secs_f64(),
        theirs.as_secs_f64()
    );
    let what = "restore of the same into a new database, against `sqlite3 < dump`";
    table.row(what, ">= 1/3", measured, ratio >= 1.0 / 3.0);
}

/// A local Cloudflare with a D1 database of so many rows; and its file.
fn full(sandbox: &Sandbox) -> PathBuf {
    sandbox.write(
        "wrangler.toml",
        "name = \"web\"\nmain = \"index.js\"\ncompatibility_date = \"2026-04-01\"\n\
         [[d1_databases]]\nbinding = \"DB\"\ndatabase_name = \"web-db\"\n",
    );
    sandbox.write(
        "migrations/0001_big.sql",
        "CREATE TABLE big (id INTEGER PRIMARY KEY, name TEXT NOT NULL, body TEXT, price REAL, data BLOB);\n",
    );
    let _ = sandbox.db(&["up", "--platform", "local", "--yes"]).exits(0);
    let _ = sandbox.local(&["down"]).exits(0);
    let file = the_only_database(&sandbox.project().join(".clodo/local/data"));
    let rows = format!(
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT {ROWS}) \
         INSERT INTO big SELECT i, 'product number ' || i, hex(randomblob(110)), i * 0.25, \
         randomblob(100) FROM n;"
    );
    let _ = timed(sqlite3(&file).arg(rows));
    let _ = sandbox.local(&["up", "--detach"]).exits(0);
    file
}

fn the_only_database(folder: &Path) -> PathBuf {
    let accounts = fs::read_dir(folder).expect("the data of accounts").flatten();
    let mut files = accounts.flat_map(|account| {
        let files = fs::read_dir(account.path().join("d1")).into_iter().flatten();
        files.map(|entry| entry.expect("a file").path())
    });
    let is_database = |path: &PathBuf| path.extension().is_some_and(|end| end == "sqlite");
    files.find(is_database).expect("the database's file")
}

fn sqlite3(file: &Path) -> Command {
    let mut command = Command::new("sqlite3");
    command.arg(file);
    command
}

fn ended(mut command: Command, out: Stdio) -> Duration {
    let began = Instant::now();
    let status = command.stdout(out).status().expect("sqlite3 starts");
    assert!(status.success(), "{command:?} ended with {status}");
    began.elapsed()
}

/// How long a command of `clodo-db` took, and the most memory of its own process, in megabytes.
fn watched(sandbox: &Sandbox, words: &[&str]) -> (Duration, f64) {
    let began = Instant::now();
    let peak = Peak::of(&mut sandbox.command("clodo-db", words));
    (began.elapsed(), peak.pss)
}
