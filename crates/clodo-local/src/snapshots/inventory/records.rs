//! Queues and Workflows: their tables are our own affair, so a message and an instance are told,
//! not rows.

use super::{Content, Inventory, hash, write};
use clodo_sqlite::rusqlite::{self, Connection, Row, types::ValueRef};
use serde_json::{Map, Value, json};

/// What a column is called to people; columns that are not here are not compared.
type Words = &'static [(&'static str, &'static str)];

const MESSAGE: Words = &[
    ("sent", "time of sending"),
    ("visible", "time of delivery"),
    ("attempts", "attempts"),
    ("lease", "who has it"),
    ("run", "who has it"),
    ("format", "content type"),
    ("body", "body"),
];

const INSTANCE: Words = &[
    ("version", "version"),
    ("status", "status"),
    ("params", "params"),
    ("output", "output"),
    ("error", "error"),
    ("due", "time to go on"),
    ("ended", "end"),
    ("rolled_back", "rollback"),
];

/// What happened in an instance: each statement gives one field of it.
const HAPPENED: [(&str, &str); 2] = [
    (
        "steps",
        "SELECT s.kind, s.name, s.count, s.state, s.started, s.ended, s.due, s.attempts, s.error, \
         s.output, (SELECT group_concat(hex(body), ' ') FROM chunk WHERE step = s.seq) \
         FROM step AS s WHERE instance = ?1 ORDER BY s.seq",
    ),
    ("events", "SELECT type, sent, payload FROM event WHERE instance = ?1 ORDER BY seq"),
];

/// The messages that wait in a queue.
pub(super) fn messages(
    db: &Connection,
    label: &str,
    found: &mut Inventory,
) -> rusqlite::Result<()> {
    let mut statement = db.prepare("SELECT * FROM message")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let id: String = row.get("id")?;
        let content = Content::Document(Value::Object(fields(row, MESSAGE)?));
        found.insert(format!("{label}/message {id}"), content);
    }
    Ok(())
}

/// The instances of a Workflow, each with its steps and events.
pub(super) fn instances(
    db: &Connection,
    label: &str,
    found: &mut Inventory,
) -> rusqlite::Result<()> {
    let mut statement = db.prepare("SELECT * FROM instance")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (seq, id): (i64, String) = (row.get("seq")?, row.get("id")?);
        let mut about = fields(row, INSTANCE)?;
        for (field, sql) in HAPPENED {
            about.insert(field.to_owned(), json!(digest(db, sql, seq)?));
        }
        found.insert(format!("{label}/instance {id}"), Content::Document(Value::Object(about)));
    }
    Ok(())
}

/// The columns of a row under people's names, as hashes: values are compared and never shown.
fn fields(row: &Row<'_>, words: Words) -> rusqlite::Result<Map<String, Value>> {
    let mut found: Map<String, Value> = Map::new();
    for (column, word) in words {
        let mut bytes = Vec::new();
        // A column may be newer than the snapshot.
        write(row.get_ref(*column).unwrap_or(ValueRef::Null), &mut bytes);
        // Two columns may be one thing to people.
        let both = format!("{}{}", found.get(*word).unwrap_or(&Value::Null), hash(&bytes));
        found.insert((*word).to_owned(), json!(both));
    }
    Ok(found)
}

fn digest(db: &Connection, sql: &str, instance: i64) -> rusqlite::Result<String> {
    let mut statement = db.prepare_cached(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query([instance])?;
    let mut bytes = Vec::new();
    while let Some(row) = rows.next()? {
        (0..columns).try_for_each(|at| row.get_ref(at).map(|value| write(value, &mut bytes)))?;
    }
    Ok(hash(&bytes).to_string())
}
