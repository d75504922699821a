//! What is fuzzed of D1, and what it is held against.

use super::{
    D1, D1Error, D1Options, D1Request, D1Statement, DatabaseRef, Param, RowFormat,
    json::push_value,
    split::{Splitter, skip_blank},
};
use clodo_sqlite::rusqlite::{
    Batch, Connection, Error, Statement, fallible_iterator::FallibleIterator as _, types::ValueRef,
};
use clodo_types::{ManualClock, Timestamp};
use serde_json::Value;
use std::{path::Path, sync::Arc, time::Duration};

/// The statements of a text, without the blanks before each, and the refusal that ended it.
pub(super) type Pieces = (Vec<String>, Option<String>);

/// A statement that is longer is refused, so that short inputs reach the windows.
const LONGEST: usize = 96;

fn bare(statement: &Statement<'_>) -> String {
    skip_blank(&statement.expanded_sql().unwrap_or_default()).text.to_owned()
}

/// What SQLite's own tail pointer makes of a text.
pub(super) fn by_tail(db: &Connection, text: &str) -> Pieces {
    let (mut found, mut batch) = (Vec::new(), Batch::new(db, text));
    loop {
        match batch.next() {
            Ok(Some(statement)) => found.push(bare(&statement)),
            Ok(None) => return (found, None),
            // Offsets count from where the preparing began, which is up to the splitter.
            Err(Error::SqlInputError { msg, .. }) => return (found, Some(msg)),
            Err(error) => return (found, Some(error.to_string())),
        }
    }
}

/// What our splitter makes of one.
pub(super) fn collected(
    split: impl FnOnce(&mut dyn FnMut(Statement<'_>) -> Result<(), D1Error>) -> Result<(), D1Error>,
) -> Pieces {
    let mut found = Vec::new();
    let outcome = split(&mut |statement| {
        found.push(bare(&statement));
        Ok(())
    });
    let plain = |error: D1Error| {
        let text = error.to_string();
        let text = text.strip_suffix(": SQLITE_ERROR").unwrap_or(&text).to_owned();
        text.split(" at offset ").next().unwrap_or_default().to_owned()
    };
    (found, outcome.err().map(plain))
}

fn database() -> Connection {
    let db = Connection::open_in_memory().expect("memory");
    db.execute_batch("CREATE TABLE t (a, [a;b])").expect("a table");
    db
}

/// A text is split where SQLite's tail pointer says, whether it is shown whole or in pieces.
pub fn d1_statements(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Some pragmas act when they are prepared: each reader gets a database of its own.
    let (expected, refusal) = by_tail(&database(), text);
    let (db, whole) = (
        database(),
        collected(|run| Splitter::with_longest(&database(), usize::MAX / 16).text(text, run)),
    );
    assert_eq!(whole, (expected.clone(), refusal.clone()), "as a whole");
    let (other, pieces) = (database(), Splitter::with_longest(&db, LONGEST));
    agree(&expected, refusal.as_deref(), collected(|run| pieces.text(text, run)));
    let pieces = Splitter::with_longest(&other, LONGEST);
    agree(&expected, refusal.as_deref(), collected(|run| pieces.file(text.as_bytes(), run)));
}

/// As the tail pointer says, up to a statement that is too long or has parameters.
fn agree(expected: &[String], refusal: Option<&str>, (found, own): Pieces) {
    assert!(found.len() <= expected.len(), "{found:?} instead of {expected:?}");
    assert_eq!(found, expected[..found.len()]);
    match own.as_deref() {
        Some("statement too long: SQLITE_TOOBIG") => {
            let next = expected.get(found.len());
            assert!(next.is_none_or(|next| next.len() > LONGEST), "{next:?} is not too long");
        }
        Some("Wrong number of parameter bindings for SQL query.") => {}
        // Of a statement that is too long SQLite may see half a name, and complain of that.
        own => assert_eq!((found.len(), own.is_some()), (expected.len(), refusal.is_some())),
    }
}

/// JSON as parameters: what was bound is what comes back, through JavaScript's numbers.
pub fn d1_params(data: &[u8]) {
    let Ok(params) = serde_json::from_slice::<Vec<Param>>(data) else {
        let readable = serde_json::from_slice::<Vec<Value>>(data).is_ok();
        assert!(!readable, "any list of JSON values can be read");
        return;
    };
    let Ok(given) = serde_json::from_slice::<Vec<Value>>(data) else { return };
    assert_eq!(params.len(), given.len());
    for (param, given) in params.iter().zip(&given) {
        let value = match param {
            Param::Null => ValueRef::Null,
            Param::Integer(number) => ValueRef::Integer(*number),
            Param::Real(number) => ValueRef::Real(*number),
            Param::Text(text) => ValueRef::Text(text.as_bytes()),
            Param::Blob(bytes) => ValueRef::Blob(bytes),
            Param::Unsupported(_) => {
                assert!(given.is_array() || given.is_object(), "{given}");
                continue;
            }
        };
        let mut written = String::new();
        push_value(&mut written, value);
        let back: Value = serde_json::from_str(&written).expect("what is written is JSON");
        let number = |value: &Value| value.as_bool().map_or(value.clone(), |b| u8::from(b).into());
        let expected = match given {
            Value::Array(items) => items.iter().map(number).collect(),
            other => number(other),
        };
        match (back.as_f64(), expected.as_f64()) {
            (Some(back), Some(expected)) => assert_eq!(back, expected, "{given}"),
            _ => assert_eq!(back, expected),
        }
    }
}

/// SQL of anybody's, on the real engine: it stays within its database, which stays whole.
pub fn d1_queries(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let folder = tempfile::tempdir().expect("a folder");
    runtime.expect("a runtime").block_on(hostile(folder.path(), text));
}

async fn hostile(folder: &Path, text: &str) {
    let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(1_790_000_000_000)));
    let options = D1Options { max_duration: Duration::from_millis(300), ..D1Options::default() };
    let d1 = D1::new(folder, clock, options);
    let at = DatabaseRef {
        account: "0123456789abcdef0123456789abcdef".parse().expect("an id"),
        id: "018f3c5e-0000-7000-8000-000000000001".parse().expect("an id"),
    };
    d1.create(&at).await.expect("a database");
    let setup = "CREATE TABLE t (a UNIQUE, b); INSERT INTO t VALUES (1, 'x'), (2, NULL);";
    d1.query(&at, D1Request::sql(setup)).await.expect("SQL of ours");
    let (sql, params) = text.split_once('\0').unwrap_or((text, ""));
    let params = params.split('\0').map(|param| Param::Text(param.to_owned())).collect();
    for format in [RowFormat::Objects, RowFormat::ColumnsAndRows] {
        let mut statement = D1Statement::new(sql);
        statement.params = if text.contains('\0') { Vec::clone(&params) } else { Vec::new() };
        let mut request = D1Request::sql("");
        request.statements = vec![statement];
        request.format = format;
        if let Ok(answer) = d1.query(&at, request).await {
            for result in &answer.results {
                let rows: Result<Value, _> = serde_json::from_str(result.results.get());
                assert!(rows.is_ok(), "rows are JSON");
            }
        }
    }
    let check =
        d1.query(&at, D1Request::sql("PRAGMA quick_check")).await.expect("it still answers");
    let said = format!("{:?}", check.results);
    assert!(said.contains("ok"), "{said}");
    d1.close().await;
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let name = entry.expect("an entry").file_name();
        assert_eq!(name.to_str(), Some("0123456789abcdef0123456789abcdef"), "a file outside");
    }
}
