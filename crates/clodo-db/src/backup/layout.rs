use super::{cell::Cell, error::BackupError, order};
use crate::{
    database::Database,
    error::{DatabaseError, DatabaseErrorKind},
    identifier::{platforms, quoted},
    migrations::{Schema, SchemaObject, replay::Replay},
    statement::{Rows, Statement},
    value::Value,
};
use clodo_sqlite::rusqlite;
use std::collections::BTreeMap;

/// What a database holds, as far as a backup needs to know.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Layout {
    /// Ordinary tables: those that others refer to come first.
    pub(super) tables: Vec<Table>,
    pub(super) virtuals: Vec<Table>,
    /// Tables that hold the data of virtual ones.
    pub(super) shadows: Vec<Table>,
    pub(super) views: Vec<String>,
    /// Unique ones: references need them.
    pub(super) unique: Vec<String>,
    pub(super) indexes: Vec<String>,
    pub(super) triggers: Vec<String>,
    /// Whether some table counts its rows up.
    pub(super) counts: bool,
    /// What only the database's own program has: a collation or a function, as SQLite says that it misses it.
    pub(super) missed: Option<String>,
}

/// A table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) sql: String,
    /// Those with values of their own.
    pub(super) columns: Vec<String>,
    pub(super) key: Key,
    /// How the columns of [`Key::Columns`] are compared, which need not be as the columns are.
    pub(super) collations: Vec<String>,
    /// It refers to itself, or to a table that refers back to it: this group of tables.
    pub(super) cycle: Option<usize>,
}

/// What its rows are told apart by.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Key {
    /// The number of the row, by this name; no column of the table shows it.
    Hidden(&'static str),
    /// A column that is the number of the row.
    Alias(usize),
    /// These columns, of a table `WITHOUT ROWID`.
    Columns(Vec<usize>),
    /// Columns have taken all names that the number of the row goes by.
    None,
}

/// What a database keeps to itself, by the name of the table: SQLite's, D1's, Clodo's scratch.
pub(super) fn users(table: &str) -> String {
    format!(
        "{table} NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND NOT {} AND NOT ({})",
        platforms(table),
        scratch(table)
    )
}

/// Tables that a restore leaves only where it was stopped.
pub(super) fn scratch(table: &str) -> String {
    format!(
        "({table} IN ('{MARKER}', '_clodo_pieces', '_clodo_probe') OR {table} GLOB '_clodo_stage_[0-9]*')"
    )
}

/// The table that says how far a restore is.
pub(crate) const MARKER: &str = "_clodo_restore";

impl Layout {
    pub(super) async fn read(database: &dyn Database) -> Result<Self, BackupError> {
        let objects = Self::objects(database).await?;
        let columns = Self::columns(database).await?;
        let kinds = "SELECT m.name, m.type || m.wr FROM pragma_table_list m \
                     WHERE m.schema = 'main' AND m.type IN ('table', 'virtual', 'shadow') AND ";
        let kinds = texts(&ask(database, &format!("{kinds}{}", users("m.name"))).await?, 2);
        let own_keys = "SELECT m.name, c.name, c.coll FROM sqlite_master m, \
                        pragma_index_list(m.name) i, pragma_index_xinfo(i.name) c \
                        WHERE m.type = 'table' AND i.origin = 'pk' AND c.key = 1 AND ";
        let own_keys = texts(&ask(database, &format!("{own_keys}{}", users("m.name"))).await?, 3);
        let mut of_tables: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
        for row in &own_keys {
            of_tables.entry(&row[0]).or_default().push((&row[1], &row[2]));
        }
        let kinds: BTreeMap<&str, &str> =
            kinds.iter().map(|row| (row[0].as_str(), row[1].as_str())).collect();
        let mut layout = Self::default();
        let replay = replayed(&objects)?;
        layout.missed = replay.stands_in().map(str::to_owned);
        for Object { kind, name, sql, hidden } in objects {
            match kind.as_str() {
                "view" => layout.views.push(sql),
                "trigger" => layout.triggers.push(sql),
                "index" if hidden => layout.unique.push(sql),
                "index" => layout.indexes.push(sql),
                _ => {
                    let Some(found) = columns.get(&name) else {
                        let why = "SQLite does not tell its columns".to_owned();
                        return Err(BackupError::Unsupported { table: name, why });
                    };
                    let kind = kinds.get(name.as_str()).copied().unwrap_or_default();
                    let has_rowid = !kind.ends_with('1') || kind.starts_with("virtual");
                    let own_key = of_tables.get(name.as_str());
                    let own_key = own_key.map(Vec::as_slice).unwrap_or_default();
                    let table = Table::new(name, sql, found, (has_rowid, own_key));
                    match kind.trim_end_matches(['0', '1']) {
                        "virtual" => layout.virtuals.push(table),
                        "shadow" if replay.owns(&table.name).map_err(unmade)? => {
                            layout.shadows.push(table);
                        }
                        _ => layout.tables.push(table),
                    }
                }
            }
        }
        layout.counts = has_counters(database).await?;
        order::sort(&mut layout.tables, &Self::references(database).await?);
        Ok(layout)
    }

    async fn objects(database: &dyn Database) -> Result<Vec<Object>, BackupError> {
        let sql = "SELECT m.type, m.name, m.sql, EXISTS (SELECT 1 FROM pragma_index_list(m.tbl_name) i \
             WHERE m.type = 'index' AND i.name = m.name AND i.\"unique\"), hex(m.sql) \
             FROM sqlite_master m WHERE m.sql IS NOT NULL AND ";
        let rows = ask(database, &format!("{sql}{} ORDER BY m.rowid", users("m.tbl_name"))).await?;
        let object = |row: Vec<Value>| {
            let mut row = row.into_iter();
            let mut text = || match row.next() {
                Some(Value::Text(text)) => Some(text),
                _ => None,
            };
            let (kind, name, sql) = (text()?, text()?, text()?);
            let hidden = row.next()?.as_integer()? == 1;
            let same = row.next()?.as_text()? == hex::encode_upper(&sql);
            Some((Object { kind, name, sql, hidden }, same))
        };
        rows.rows
            .into_iter()
            .map(|row| match object(row) {
                Some((object, true)) => Ok(object),
                Some((object, false)) => Err(BackupError::Unsupported {
                    table: object.name,
                    why: "its definition is not UTF-8".to_owned(),
                }),
                None => Err(BackupError::Answer("the schema".to_owned())),
            })
            .collect()
    }

    /// The columns of each table: names, types, place in the key, and how hidden.
    async fn columns(
        database: &dyn Database,
    ) -> Result<BTreeMap<String, Vec<Column>>, BackupError> {
        let sql = "SELECT m.name, c.name, c.type, c.pk, c.hidden FROM sqlite_master m, \
                   pragma_table_xinfo(m.name) c WHERE m.type = 'table' AND ";
        let rows =
            ask(database, &format!("{sql}{} ORDER BY m.rowid, c.cid", users("m.name"))).await?;
        let mut columns: BTreeMap<String, Vec<Column>> = BTreeMap::new();
        for row in rows.rows {
            let [
                Value::Text(table),
                Value::Text(name),
                Value::Text(kind),
                Value::Integer(key),
                Value::Integer(hidden),
            ] = &row[..]
            else {
                return Err(BackupError::Answer("columns".to_owned()));
            };
            columns.entry(table.clone()).or_default().push(Column {
                name: name.clone(),
                whole: kind.eq_ignore_ascii_case("INTEGER"),
                key: *key,
                hidden: *hidden != 0,
            });
        }
        Ok(columns)
    }

    /// Which table refers to which.
    async fn references(database: &dyn Database) -> Result<Vec<(String, String)>, BackupError> {
        let sql = "SELECT m.name, f.\"table\" FROM sqlite_master m, pragma_foreign_key_list(m.name) f \
                   WHERE m.type = 'table' AND ";
        let rows = texts(&ask(database, &format!("{sql}{}", users("m.name"))).await?, 2);
        let pair = |row: Vec<String>| {
            let mut row = row.into_iter();
            Some((row.next()?, row.next()?))
        };
        Ok(rows.into_iter().filter_map(pair).collect())
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.virtuals.is_empty() && self.views.is_empty()
    }
}

/// The same in memory, without rows: SQLite takes each table for one of a virtual table's that is called
/// like one; only those are that come with it.
fn replayed(objects: &[Object]) -> Result<Replay, BackupError> {
    let objects = objects.iter().map(|one| SchemaObject {
        kind: one.kind.clone(),
        name: one.name.clone(),
        table: one.name.clone(),
        sql: one.sql.clone(),
    });
    let schema = Schema { objects: objects.collect(), records: String::new() };
    Ok(Replay::as_far_as_possible(&schema).map_err(unmade)?.0)
}

fn unmade(error: rusqlite::Error) -> BackupError {
    DatabaseError::new(DatabaseErrorKind::Other, "the schema cannot be made in memory")
        .with_source(error)
        .into()
}

#[derive(Debug)]
struct Object {
    kind: String,
    name: String,
    sql: String,
    /// A unique index.
    hidden: bool,
}

#[derive(Debug)]
struct Column {
    name: String,
    whole: bool,
    key: i64,
    hidden: bool,
}

impl Table {
    fn new(
        name: String,
        sql: String,
        all: &[Column],
        (has_rowid, own_key): (bool, &[(&str, &str)]),
    ) -> Self {
        let shown: Vec<&Column> = all.iter().filter(|column| !column.hidden).collect();
        let mut keys: Vec<(i64, usize)> = shown
            .iter()
            .enumerate()
            .filter(|(_, column)| column.key > 0)
            .map(|(at, column)| (column.key, at))
            .collect();
        keys.sort_unstable();
        let keys: Vec<usize> = keys.into_iter().map(|(_, at)| at).collect();
        let taken = |name: &&str| all.iter().any(|column| column.name.eq_ignore_ascii_case(name));
        let free = ["rowid", "_rowid_", "oid"].into_iter().find(|name| !taken(name));
        let key = match (&keys[..], free) {
            _ if !has_rowid => Key::Columns(keys),
            // One with an index of its own is a column like others: `INTEGER PRIMARY KEY DESC`.
            ([one], _) if shown[*one].whole && own_key.is_empty() => Key::Alias(*one),
            (_, Some(free)) => Key::Hidden(free),
            (_, None) => Key::None,
        };
        let collation = |at: &usize| {
            let name = &shown[*at].name;
            let known = own_key.iter().find(|(column, _)| column == name);
            known.map_or("BINARY", |(_, collation)| collation).to_owned()
        };
        let collations = match &key {
            Key::Columns(all) => all.iter().map(collation).collect(),
            _ => Vec::new(),
        };
        let columns = shown.into_iter().map(|column| column.name.clone()).collect();
        Self { name, sql, columns, key, collations, cycle: None }
    }

    /// `"table" ("a", "b")`, with the number of the row in front when no column shows it.
    pub(super) fn target(&self) -> String {
        let mut target = format!("{} ({}", quoted(&self.name), self.key.name());
        if matches!(self.key, Key::Hidden(_)) {
            target.push_str(", ");
        }
        let columns: Vec<String> = self.columns.iter().map(|name| quoted(name)).collect();
        target + &columns.join(", ") + ")"
    }

    /// The key of a row as SQL.
    pub(super) fn key_of(&self, number: Option<i64>, row: &[Cell]) -> Option<String> {
        match &self.key {
            Key::Hidden(_) => number.map(|number| number.to_string()),
            Key::Alias(at) => row.get(*at).map(Cell::to_sql),
            Key::Columns(all) => {
                let parts: Vec<String> =
                    all.iter().filter_map(|at| row.get(*at)).map(Cell::to_sql).collect();
                Some(format!("({})", parts.join(", ")))
            }
            Key::None => None,
        }
    }

    /// The key as SQL names it.
    pub(super) fn key_sql(&self) -> Option<String> {
        let column = |at: &usize| format!("t.{}", quoted(&self.columns[*at]));
        match &self.key {
            Key::Hidden(name) => Some(format!("t.{name}")),
            Key::Alias(at) => Some(column(at)),
            Key::Columns(all) => {
                let collated = |(at, collation): (&usize, &String)| {
                    format!("{} COLLATE {}", column(at), quoted(collation))
                };
                let all: Vec<String> = all.iter().zip(&self.collations).map(collated).collect();
                Some(format!("({})", all.join(", ")))
            }
            Key::None => None,
        }
    }

    /// Whether a column is part of the key.
    pub(super) fn is_key(&self, at: usize) -> bool {
        match &self.key {
            Key::Alias(own) => *own == at,
            Key::Columns(all) => all.contains(&at),
            Key::Hidden(_) | Key::None => false,
        }
    }
}

impl Key {
    fn name(&self) -> &'static str {
        match self {
            Self::Hidden(name) => name,
            _ => "",
        }
    }
}

/// Whether some table counts its rows up.
pub(super) async fn has_counters(database: &dyn Database) -> Result<bool, DatabaseError> {
    let sql = "SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_sequence'";
    Ok(ask(database, sql).await?.rows[..] == [[1.into()]])
}

pub(super) async fn ask(database: &dyn Database, sql: &str) -> Result<Rows, DatabaseError> {
    database.query(&Statement::new(sql)).await
}

/// The rows whose first columns are texts.
pub(super) fn texts(rows: &Rows, columns: usize) -> Vec<Vec<String>> {
    let row = |row: &Vec<Value>| {
        let cells = row.iter().take(columns).map(|value| value.as_text().map(str::to_owned));
        cells.collect::<Option<Vec<String>>>()
    };
    rows.rows.iter().filter_map(row).collect()
}
