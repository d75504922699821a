//! Tables and indexes as SQLite itself describes them, of a schema in memory.

use crate::migrations::replay::Replay;
use clodo_sqlite::rusqlite::{Error, Row};

/// An ordinary table.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: String,
    /// Names, and types as they are written.
    pub(super) columns: Vec<(String, String)>,
    /// The columns of its primary key.
    pub(super) key: Vec<String>,
    /// The only column of the key is the number of the row.
    pub(super) key_is_number: bool,
    /// By which word the number of a row goes; none `WITHOUT ROWID`.
    pub(super) number: Option<&'static str>,
    pub(super) indexes: Vec<Index>,
    pub(super) references: Vec<Reference>,
    pub(super) counts_up: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Index {
    pub(super) name: String,
    pub(super) unique: bool,
    /// A statement of its own made it; no `UNIQUE` or `PRIMARY KEY` of the table.
    pub(super) own: bool,
    pub(super) partial: bool,
    pub(super) parts: Vec<Part>,
}

/// A column of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// None for an expression.
    pub(super) column: Option<String>,
    descending: bool,
    collation: String,
}

/// A foreign key.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    pub(super) parent: String,
    pub(super) columns: Vec<String>,
}

impl Table {
    /// All of a schema, by name; no virtual tables and none that hold the data of those.
    pub(super) fn all(replay: &Replay) -> Result<Vec<Self>, Error> {
        let sql = "SELECT l.name, l.wr FROM pragma_table_list l WHERE l.schema = 'main' \
                   AND l.type IN ('table', 'shadow') AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1";
        let mut statement = replay.connection().prepare(sql)?;
        let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let found = found.collect::<Result<Vec<(String, bool)>, _>>()?;
        let (shadows, _) = replay.virtuals()?;
        let is_own = |name: &str| !shadows.contains(&name.to_ascii_lowercase());
        found
            .into_iter()
            .filter(|(name, _)| is_own(name))
            .map(|(name, without_rowid)| Self::of(replay, name, without_rowid))
            .collect()
    }

    fn of(replay: &Replay, name: String, without_rowid: bool) -> Result<Self, Error> {
        let columns = "SELECT name, type FROM pragma_table_xinfo(?) WHERE hidden <> 1";
        let columns: Vec<(String, String)> =
            rows(replay, columns, &name, |row| Ok((row.get(0)?, row.get(1)?)))?;
        let key = replay.key(&name)?;
        let indexes = Index::all(replay, &name)?;
        let key_has_index = "SELECT name FROM pragma_index_list(?) WHERE origin = 'pk'";
        let key_has_index = !replay.texts(key_has_index, &name)?.is_empty();
        let hidden = |word: &str| columns.iter().any(|(name, _)| name.eq_ignore_ascii_case(word));
        let number = ["rowid", "_rowid_", "oid"].into_iter().find(|word| !hidden(word));
        Ok(Self {
            key_is_number: key.len() == 1 && !key_has_index && !without_rowid,
            number: number.filter(|_| !without_rowid),
            references: Reference::all(replay, &name)?,
            counts_up: replay.counts_up(&name)?,
            name,
            columns,
            key,
            indexes,
        })
    }

    /// Columns of whole numbers whose greatest one an index gives at once.
    pub(super) fn indexed_numbers(&self) -> Vec<&str> {
        let whole = |column: &str| {
            self.columns.iter().any(|(name, kind)| {
                name.eq_ignore_ascii_case(column) && kind.to_ascii_uppercase().contains("INT")
            })
        };
        let mut found: Vec<&str> = Vec::new();
        for index in self.indexes.iter().filter(|index| !index.partial) {
            if let Some(Part { column: Some(column), .. }) = index.parts.first()
                && whole(column)
                && !found.contains(&column.as_str())
            {
                found.push(column);
            }
        }
        found
    }
}

impl Index {
    fn all(replay: &Replay, table: &str) -> Result<Vec<Self>, Error> {
        let sql =
            "SELECT name, \"unique\", origin, partial FROM pragma_index_list(?) ORDER BY seq DESC";
        let mut indexes = rows(replay, sql, table, |row| {
            Ok(Self {
                name: row.get(0)?,
                unique: row.get(1)?,
                own: row.get::<_, String>(2)? == "c",
                partial: row.get(3)?,
                parts: Vec::new(),
            })
        })?;
        let parts =
            "SELECT name, \"desc\", coll FROM pragma_index_xinfo(?) WHERE key ORDER BY seqno";
        for index in &mut indexes {
            index.parts = rows(replay, parts, &index.name, |row| {
                let collation: Option<String> = row.get(2)?;
                Ok(Part {
                    column: row.get(0)?,
                    descending: row.get(1)?,
                    collation: collation.unwrap_or_default(),
                })
            })?;
        }
        Ok(indexes)
    }

    /// Whether all of it are columns, for all rows.
    pub(super) fn is_plain(&self) -> bool {
        !self.partial && self.parts.iter().all(|part| part.column.is_some())
    }
}

impl Reference {
    fn all(replay: &Replay, table: &str) -> Result<Vec<Self>, Error> {
        let sql = "SELECT id, \"table\", \"from\" FROM pragma_foreign_key_list(?) ORDER BY id, seq";
        let columns: Vec<(i64, String, String)> =
            rows(replay, sql, table, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let mut found: Vec<(i64, Self)> = Vec::new();
        for (id, parent, column) in columns {
            match found.last_mut().filter(|(last, _)| *last == id) {
                Some((_, reference)) => reference.columns.push(column),
                None => found.push((id, Self { parent, columns: vec![column] })),
            }
        }
        Ok(found.into_iter().map(|(_, reference)| reference).collect())
    }
}

fn rows<T>(
    replay: &Replay,
    sql: &str,
    argument: &str,
    each: impl FnMut(&Row<'_>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut statement = replay.connection().prepare_cached(sql)?;
    statement.query_map([argument], each)?.collect()
}
