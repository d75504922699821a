//! Everything in a state folder, by name, as something that can be compared.

mod durable;
mod records;

use super::SnapshotError;
use clodo_sqlite::rusqlite::{self, Connection, OpenFlags, types::ValueRef};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// From a name that people know, such as `d1 shop/table products`, to what it holds.
pub(super) type Inventory = BTreeMap<String, Content>;

/// From an id, which files are named by, to the name that people gave.
type Names = BTreeMap<String, String>;

/// What a thing holds; two equal ones are the same to every reader.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Content {
    /// A document; secrets may be in it, so its values are never shown.
    Document(Value),
    /// A table: how many rows, and a hash of them that does not depend on their order.
    Rows { count: u64, hash: u128 },
    /// A value, an object or a schema.
    Bytes { size: u64, hash: u128 },
}

/// Reads a state folder that nobody writes to.
pub(super) fn of(folder: &Path) -> Result<Inventory, SnapshotError> {
    let mut found = Inventory::new();
    let mut names = Names::new();
    documents(&folder.join("state.sqlite"), &mut found, &mut names)?;
    for account in below(&folder.join("data")) {
        for kind in ["d1", "kv", "queues", "workflows"] {
            for file in below(&account.join(kind)) {
                let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
                if file.extension().is_none_or(|end| end != "sqlite") {
                    continue;
                }
                let name = names.get(stem).map_or(stem, String::as_str);
                match kind {
                    "kv" => pairs(&file, &format!("kv {name}"), &mut found)?,
                    "queues" => {
                        with(&file, |db| {
                            records::messages(db, &format!("queue {name}"), &mut found)
                        })?;
                    }
                    "workflows" => with(&file, |db| {
                        records::instances(db, &format!("workflow {name}"), &mut found)
                    })?,
                    _ => with(&file, |db| user_tables(db, &format!("d1 {name}"), &mut found))?,
                }
            }
        }
        for bucket in below(&account.join("r2")) {
            let name = bucket.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            objects(&bucket.join("bucket.sqlite"), &format!("r2 {name}"), &mut found)?;
        }
    }
    durable::read(folder, &names, &mut found)?;
    Ok(found)
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    found.sort();
    found
}

/// Runs `work` on a database; one that is not there holds nothing.
fn with(
    path: &Path,
    work: impl FnOnce(&Connection) -> rusqlite::Result<()>,
) -> Result<(), SnapshotError> {
    if !path.is_file() {
        return Ok(());
    }
    // A log that was copied with its database can only be read by somebody who may write.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
        .and_then(|db| work(&db))
        .map_err(|source| SnapshotError::Database { path: path.to_owned(), source })
}

fn documents(path: &Path, found: &mut Inventory, names: &mut Names) -> Result<(), SnapshotError> {
    with(path, |db| {
        let sql = "SELECT kind, name, body, account FROM document ORDER BY kind, account, name";
        let mut statement = db.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (kind, id): (String, String) = (row.get(0)?, row.get(1)?);
            let body: String = row.get(2)?;
            let body: Value = serde_json::from_str(&body).unwrap_or(Value::String(body));
            let known = |key: &str| body[key].as_str().map(str::to_owned);
            if kind == "object namespace"
                && let (Some(script), Some(class)) = (known("script"), known("class"))
            {
                names.insert(id.clone(), format!("{script}/{class}"));
            }
            let name = known("name").or(known("title")).or(known("queue_name"));
            if let Some(name) = &name {
                names.insert(id.clone(), name.clone());
                // Files are named by ids, and Workflows are kept by name.
                names.extend(known("id").map(|id| (id, name.clone())));
            }
            let mut label = match kind.as_str() {
                "version" => format!("version {id} of {}", known("script").unwrap_or_default()),
                _ => format!("{kind} {}", name.unwrap_or_else(|| id.clone())),
            };
            // Tokens of one name, or Workers of two accounts.
            if found.contains_key(&label) {
                label = format!("{label} ({}/{id})", row.get::<_, String>(3)?);
            }
            found.insert(label, Content::Document(body));
        }
        Ok(())
    })
}

/// Every table and what belongs to it, except those of SQLite and of the platform.
fn user_tables(db: &Connection, label: &str, found: &mut Inventory) -> rusqlite::Result<()> {
    let sql = "SELECT type, name, coalesce(sql, '') FROM sqlite_schema \
               WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
               AND tbl_name NOT LIKE '\\_cf\\_%' ESCAPE '\\' ORDER BY name";
    let mut statement = db.prepare(sql)?;
    let text = |row: &rusqlite::Row<'_>, at| row.get::<_, String>(at);
    let listed: Vec<(String, String, String)> = statement
        .query_map([], |row| Ok((text(row, 0)?, text(row, 1)?, text(row, 2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (kind, name, sql) in listed {
        let schema = Content::Bytes { size: sql.len() as u64, hash: hash(sql.as_bytes()) };
        found.insert(format!("{label}/{kind} {name} (schema)"), schema);
        if kind == "table" {
            found.insert(format!("{label}/table {name}"), table(db, &name)?);
        }
    }
    Ok(())
}

fn table(db: &Connection, name: &str) -> rusqlite::Result<Content> {
    let quoted = name.replace('"', "\"\"");
    rows(db, &format!("SELECT * FROM \"{quoted}\""))
}

fn rows(db: &Connection, sql: &str) -> rusqlite::Result<Content> {
    let mut statement = db.prepare(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    let (mut count, mut sum) = (0, 0_u128);
    while let Some(row) = rows.next()? {
        let mut bytes = Vec::new();
        for column in 0..columns {
            write(row.get_ref(column)?, &mut bytes);
        }
        count += 1;
        // A sum does not depend on the order, and two equal rows count twice.
        sum = sum.wrapping_add(hash(&bytes));
    }
    Ok(Content::Rows { count, hash: sum })
}

fn write(value: ValueRef<'_>, out: &mut Vec<u8>) {
    let (kind, bytes) = match value {
        ValueRef::Null => (b'n', Vec::new()),
        ValueRef::Integer(number) => (b'i', number.to_le_bytes().to_vec()),
        ValueRef::Real(number) => (b'r', number.to_bits().to_le_bytes().to_vec()),
        ValueRef::Text(text) => (b't', text.to_vec()),
        ValueRef::Blob(blob) => (b'b', blob.to_vec()),
    };
    out.push(kind);
    out.extend((bytes.len() as u64).to_le_bytes());
    out.extend(bytes);
}

fn pairs(path: &Path, label: &str, found: &mut Inventory) -> Result<(), SnapshotError> {
    with(path, |db| {
        let sql = "SELECT key, value, expiration, metadata FROM pair";
        let mut statement = db.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let key = String::from_utf8_lossy(row.get_ref(0)?.as_bytes()?).into_owned();
            let size = row.get_ref(1)?.as_bytes()?.len() as u64;
            let mut bytes = Vec::new();
            (1..4).try_for_each(|at| row.get_ref(at).map(|value| write(value, &mut bytes)))?;
            found.insert(format!("{label}/{key}"), Content::Bytes { size, hash: hash(&bytes) });
        }
        Ok(())
    })
}

fn objects(path: &Path, label: &str, found: &mut Inventory) -> Result<(), SnapshotError> {
    with(path, |db| {
        let mut statement = db.prepare("SELECT key, size, etag, about FROM object")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let key = String::from_utf8_lossy(row.get_ref(0)?.as_bytes()?).into_owned();
            let mut bytes = Vec::new();
            (2..4).try_for_each(|at| row.get_ref(at).map(|value| write(value, &mut bytes)))?;
            let size = u64::try_from(row.get::<_, i64>(1)?).unwrap_or_default();
            found.insert(format!("{label}/{key}"), Content::Bytes { size, hash: hash(&bytes) });
        }
        Ok(())
    })
}

fn hash(bytes: &[u8]) -> u128 {
    let hash = blake3::hash(bytes);
    u128::from_le_bytes(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_things_of_one_name_are_two() {
        let folder = tempfile::tempdir().unwrap();
        let db = Connection::open(folder.path().join("state.sqlite")).unwrap();
        let sql = "CREATE TABLE document (kind TEXT, account TEXT, name TEXT, body TEXT);
            INSERT INTO document VALUES ('token', '', 't1', '{\"name\":\"ci\"}'),
                ('token', '', 't2', '{\"name\":\"ci\"}'), ('worker', 'a', 'shop', '{}'),
                ('worker', 'b', 'shop', '{}')";
        db.execute_batch(sql).unwrap();
        let found = of(folder.path()).unwrap();
        let labels: Vec<&str> = found.keys().map(String::as_str).collect();
        assert_eq!(labels, ["token ci", "token ci (/t2)", "worker shop", "worker shop (b/shop)"]);
    }
}
