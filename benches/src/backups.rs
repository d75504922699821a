//! A database of a gigabyte, out through the API and back.

use crate::{
    measure::{median, timed},
    memory::Peak,
    table::Table,
};
use clodo_tests::Sandbox;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Of about 400 bytes each.
const ROWS: usize = 2_500_000;
/// How often a backup is taken.
const PAIRS: usize = 3;
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
    let size = fs::metadata(&file).expect("the database").len() as f64 / 1e9;
    let dump = sandbox.project().join("theirs.sql");
    let out = Pairs::of(PAIRS, || {
        let mut theirs = sqlite3(&file);
        theirs.arg(".dump").stdin(Stdio::null());
        let theirs = ended(theirs, File::create(&dump).expect("a file").into());
        let words = ["backup", "--platform", "local", "--keep-last", "1", "--json"];
        (theirs, watched(&sandbox, &words))
    });
    let measured = format!("{} ({size:.2} GB in {})", out.ratio(), out.shown());
    table.row(what, bar, measured, out.ratio >= 1.0 / 3.0 && out.peak <= MEMORY);

    let back = Pairs::of(1, || {
        let mut load = sqlite3(&sandbox.project().join("again.db"));
        load.stdin(File::open(&dump).expect("the dump"));
        let theirs = ended(load, Stdio::null());
        let words =
            ["restore", "latest", "--new", "web-db-2", "--platform", "local", "--yes", "--json"];
        (theirs, watched(&sandbox, &words))
    });
    let what = "restore of the same into a new database, against `sqlite3 < dump`";
    let measured = format!("{} ({})", back.ratio(), back.shown());
    table.row(what, ">= 1/3", measured, back.ratio >= 1.0 / 3.0);
}

/// What sqlite3 and `clodo-db` took for the same, one right after the other.
struct Pairs {
    theirs: Duration,
    ours: Duration,
    /// The median of the pairs' own.
    ratio: f64,
    /// The most memory of `clodo-db`, in megabytes.
    peak: f64,
}

impl Pairs {
    fn of(count: usize, pair: impl Fn() -> (Duration, (Duration, f64))) -> Self {
        let pairs: Vec<_> = (0..count).map(|_| pair()).collect();
        let mut ratios: Vec<f64> =
            pairs.iter().map(|(theirs, (ours, _))| theirs.div_duration_f64(*ours)).collect();
        let mut theirs: Vec<Duration> = pairs.iter().map(|(theirs, _)| *theirs).collect();
        let mut ours: Vec<Duration> = pairs.iter().map(|(_, (ours, _))| *ours).collect();
        let peak = pairs.iter().map(|(_, (_, peak))| *peak).fold(0.0, f64::max);
        Self {
            theirs: median(&mut theirs),
            ours: median(&mut ours),
            ratio: median(&mut ratios),
            peak,
        }
    }

    fn ratio(&self) -> String {
        format!("{:.2}", self.ratio)
    }

    fn shown(&self) -> String {
        let (ours, theirs) = (self.ours.as_secs_f64(), self.theirs.as_secs_f64());
        format!("{ours:.1} s, against {theirs:.1} s; {:.0} MB", self.peak)
    }
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

/// Nobody pays for what others have not written to the disk yet.
fn settled() {
    let _ = Command::new("sync").status();
}

fn ended(mut command: Command, out: Stdio) -> Duration {
    settled();
    let began = Instant::now();
    let status = command.stdout(out).status().expect("sqlite3 starts");
    assert!(status.success(), "{command:?} ended with {status}");
    began.elapsed()
}

/// How long a command of `clodo-db` took, and the most memory of its own process, in megabytes.
fn watched(sandbox: &Sandbox, words: &[&str]) -> (Duration, f64) {
    settled();
    let began = Instant::now();
    let peak = Peak::of(&mut sandbox.command("clodo-db", words));
    (began.elapsed(), peak.pss)
}
