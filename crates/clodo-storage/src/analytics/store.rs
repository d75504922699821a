//! The SQL beneath the datasets. All of it runs on the connection's thread.

use super::{
    DataPoint, MAX_MEMBERS,
    answer::{AnalyticsAnswer, Cell},
    functions,
    sql::Question,
};
use clodo_sqlite::{
    Durability, OpenOptions,
    rusqlite::{
        Connection, Result,
        hooks::{AuthAction, AuthContext, Authorization},
        params_from_iter,
        types::{Value, ValueRef},
    },
};
use std::{path::Path, time::Duration};
use tokio::time::Instant;

/// How long a question may take.
const PATIENCE: Duration = Duration::from_secs(10);

const FORMAT: &[&str] = &["CREATE TABLE point (
    id INTEGER PRIMARY KEY, dataset TEXT NOT NULL, timestamp INTEGER NOT NULL, index1 TEXT NOT NULL,
    blob1 TEXT, blob2 TEXT, blob3 TEXT, blob4 TEXT, blob5 TEXT, blob6 TEXT, blob7 TEXT, blob8 TEXT,
    blob9 TEXT, blob10 TEXT, blob11 TEXT, blob12 TEXT, blob13 TEXT, blob14 TEXT, blob15 TEXT,
    blob16 TEXT, blob17 TEXT, blob18 TEXT, blob19 TEXT, blob20 TEXT,
    double1 REAL, double2 REAL, double3 REAL, double4 REAL, double5 REAL, double6 REAL,
    double7 REAL, double8 REAL, double9 REAL, double10 REAL, double11 REAL, double12 REAL,
    double13 REAL, double14 REAL, double15 REAL, double16 REAL, double17 REAL, double18 REAL,
    double19 REAL, double20 REAL);
  CREATE INDEX point_by_time ON point (dataset, timestamp)"];

pub(super) fn opener(_: &Path) -> (OpenOptions, ()) {
    (OpenOptions::default().with_durability(Durability::Normal).with_format(FORMAT), ())
}

pub(super) fn write(db: &mut Connection, dataset: &str, now: i64, point: &DataPoint) -> Result<()> {
    // What is left out is empty, as ClickHouse has it, not NULL.
    let blob = |n: usize| point.blobs.get(n).cloned().unwrap_or_default();
    let double = |n: usize| point.doubles.get(n).copied().unwrap_or_default();
    let mut values = vec![
        Value::Text(dataset.to_owned()),
        Value::Integer(now),
        Value::Text(point.indexes.first().cloned().unwrap_or_default()),
    ];
    values.extend((0..MAX_MEMBERS).map(|n| Value::Text(blob(n))));
    values.extend((0..MAX_MEMBERS).map(|n| Value::Real(double(n))));
    let columns: Vec<String> = columns().collect();
    let marks = vec!["?"; values.len()].join(", ");
    let sql =
        format!("INSERT INTO point (dataset, timestamp, {}) VALUES ({marks})", columns.join(", "));
    db.prepare_cached(&sql)?.execute(params_from_iter(values))?;
    Ok(())
}

fn columns() -> impl Iterator<Item = String> {
    let numbered = |name: &'static str| (1..=MAX_MEMBERS).map(move |n| format!("{name}{n}"));
    ["index1".to_owned()].into_iter().chain(numbered("blob")).chain(numbered("double"))
}

/// Answers a question, which may read the datasets and nothing else.
pub(super) fn ask(db: &mut Connection, question: &Question, now: i64) -> Result<AnalyticsAnswer> {
    let datasets = datasets(db)?;
    for dataset in &datasets {
        let columns: Vec<String> = columns().collect();
        let view = format!(
            "CREATE TEMP VIEW IF NOT EXISTS \"{dataset}\" AS SELECT dataset, timestamp, \
             1 AS _sample_interval, {} FROM main.point WHERE dataset = '{dataset}'",
            columns.join(", ")
        );
        db.execute_batch(&view)?;
    }
    functions::install(db, now)?;
    let deadline = Instant::now() + PATIENCE;
    db.progress_handler(20_000, Some(move || Instant::now() > deadline))?;
    db.authorizer(Some(judge))?;
    let answer = run(db, question);
    db.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
    db.progress_handler(0, None::<fn() -> bool>)?;
    answer
}

fn datasets(db: &Connection) -> Result<Vec<String>> {
    let mut statement = db.prepare_cached("SELECT DISTINCT dataset FROM point")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

fn judge(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select | AuthAction::Recursive => Authorization::Allow,
        AuthAction::Read { table_name, .. } if !table_name.starts_with("sqlite_") => {
            Authorization::Allow
        }
        AuthAction::Function { function_name } if function_name != "load_extension" => {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    }
}

fn run(db: &Connection, question: &Question) -> Result<AnalyticsAnswer> {
    let mut statement = db.prepare(&question.sql)?;
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let cell = |n: usize| Ok(cell(&names[n], row.get_ref(n)?));
        found.push((0..names.len()).map(cell).collect::<Result<Vec<_>>>()?);
    }
    Ok(AnalyticsAnswer::new(names, found, question.format))
}

fn cell(name: &str, value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(seconds) if name == "timestamp" => Cell::Moment(seconds),
        ValueRef::Integer(number) => Cell::Integer(number),
        ValueRef::Real(number) => Cell::Real(number),
        ValueRef::Text(text) | ValueRef::Blob(text) => {
            Cell::Text(String::from_utf8_lossy(text).into_owned())
        }
    }
}
