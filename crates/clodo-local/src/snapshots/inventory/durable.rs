//! Durable Objects: databases that only workerd writes, one for each object.

use super::{Content, Inventory, Names, below, hash, table, user_tables, with, write};
use crate::{snapshots::SnapshotError, state::objects};
use clodo_sqlite::rusqlite::{self, Connection};
use std::path::Path;

/// Where workerd keeps what `storage.put` stores.
const PAIRS: &str = "_cf_KV";
/// When the objects of a namespace want to be woken; one file for all of them.
const ALARMS: &str = "_cf_ALARM";
/// That file's name, without its end.
const ALARMS_FILE: &str = "metadata";

pub(super) fn read(
    folder: &Path,
    names: &Names,
    found: &mut Inventory,
) -> Result<(), SnapshotError> {
    for account in below(&folder.join(objects::FOLDER)) {
        for namespace in below(&account) {
            let id = namespace.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let class = names.get(id).map_or(id, String::as_str);
            for file in below(&namespace) {
                if file.extension().is_some_and(|end| end == "sqlite") {
                    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
                    one(&file, stem, class, found)?;
                }
            }
        }
    }
    Ok(())
}

fn one(file: &Path, id: &str, class: &str, found: &mut Inventory) -> Result<(), SnapshotError> {
    with(file, |db| {
        if id == ALARMS_FILE {
            return alarms(db, class, found);
        }
        let label = format!("object {id} of {class}");
        // An object without anything stored is there all the same.
        found.insert(label.clone(), Content::Document(serde_json::Value::Null));
        user_tables(db, &label, found)?;
        match has(db, PAIRS)? {
            true => pairs(db, &label, found),
            false => Ok(()),
        }
    })
}

fn pairs(db: &Connection, label: &str, found: &mut Inventory) -> rusqlite::Result<()> {
    let mut statement = db.prepare(&format!("SELECT key, value FROM {PAIRS}"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let mut bytes = Vec::new();
        write(row.get_ref(1)?, &mut bytes);
        let key = String::from_utf8_lossy(row.get_ref(0)?.as_bytes()?).into_owned();
        let size = row.get_ref(1)?.as_bytes_or_null()?.map_or(0, |value| value.len() as u64);
        let content = Content::Bytes { size, hash: hash(&bytes) };
        found.insert(format!("{label}/key {key}"), content);
    }
    Ok(())
}

fn alarms(db: &Connection, class: &str, found: &mut Inventory) -> rusqlite::Result<()> {
    if has(db, ALARMS)? {
        found.insert(format!("objects of {class}/alarms"), table(db, ALARMS)?);
    }
    Ok(())
}

fn has(db: &Connection, name: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1";
    db.query_row(sql, [name], |row| row.get::<_, i64>(0)).map(|count| count > 0)
}
