//! The same files by `wrangler d1 migrations apply --local`.

use crate::{
    judged::{Fate, Tally},
    ways::questions,
};
use clodo_db::{
    Database as _, SqliteDatabase,
    conformance::{Answer, answers},
};
use clodo_schema_fixture::Case;
use clodo_tests::{Run, Sandbox, Wrangler};
use std::{
    fs,
    path::{Path, PathBuf},
};

pub(crate) const NAME: &str = "`wrangler` 4.164.0";

const CONFIG: &str = r#"{ "name": "web", "main": "index.js", "compatibility_date": "2026-04-01",
  "d1_databases": [{ "binding": "DB", "database_name": "web-db",
                     "database_id": "00000000-0000-4000-8000-000000000001" }] }
"#;

/// Each case has a folder of its own, with the schema and its rows as the first migration.
pub(crate) fn by_wrangler(cases: &[Case]) -> Tally {
    let (wrangler, sandbox) = (Wrangler::v4_164(), Sandbox::empty());
    let mut tally = Tally::default();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (at, case) in cases.iter().enumerate() {
        let folder = format!("case-{at}");
        let run = apply(&wrangler, &sandbox, (&folder, case));
        let done = run.code == Some(0);
        let file = stored(&sandbox.project().join(&folder)).unwrap_or_else(|| {
            panic!("wrangler made no database: {run:?}\n{}", case.schema());
        });
        let (before, after) = runtime.block_on(asked(case, &file, done));
        let fate = if done { Fate::Applied } else { Fate::Failed };
        let why = if done { String::new() } else { run.stderr };
        tally.add(case, (fate, why), &case.judge(&before, &after));
        fs::remove_dir_all(sandbox.project().join(&folder)).unwrap();
    }
    tally
}

fn apply(wrangler: &Wrangler, sandbox: &Sandbox, (folder, case): (&str, &Case)) -> Run {
    sandbox.write(&format!("{folder}/wrangler.jsonc"), CONFIG);
    sandbox.write(&format!("{folder}/index.js"), "export default {};\n");
    sandbox.write(&format!("{folder}/migrations/0001_schema.sql"), case.schema());
    sandbox.write(&format!("{folder}/migrations/0002_change.sql"), case.migration());
    let words = ["d1", "migrations", "apply", "DB", "--local"];
    let mut command = wrangler.offline(sandbox, &words);
    command.current_dir(sandbox.project().join(folder)).output().expect("node starts").into()
}

/// The file that the database is in.
fn stored(folder: &Path) -> Option<PathBuf> {
    let all = fs::read_dir(folder.join(".wrangler/state/v3/d1/miniflare-D1DatabaseObject")).ok()?;
    let mut paths = all.map(|entry| entry.unwrap().path());
    paths.find(|path| {
        path.extension().is_some_and(|end| end == "sqlite")
            && path.file_stem().is_some_and(|name| name != "metadata")
    })
}

/// What the schema gives in SQLite, and what wrangler's database gives.
async fn asked(case: &Case, file: &Path, done: bool) -> (Vec<Answer>, Vec<Answer>) {
    let original = SqliteDatabase::in_memory().await.unwrap();
    original.script(&case.schema()).await.unwrap();
    let questions = questions(case);
    let before = answers(&original, questions.iter().map(|(before, _)| before.as_str())).await;
    let theirs = SqliteDatabase::open(file, clodo_sqlite::OpenOptions::default()).await.unwrap();
    let text = |(before, after): &(String, String)| if done { after } else { before }.clone();
    let texts: Vec<String> = questions.iter().map(text).collect();
    (before, answers(&theirs, texts.iter().map(String::as_str)).await)
}
