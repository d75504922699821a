//! A schema in memory, without rows: SQLite itself says what a statement would do to it.

use super::schema::{FOREIGN, Schema, SchemaObject};
use crate::identifier::quoted;
use clodo_sqlite::rusqlite::{self, Connection, Error, OptionalExtension as _, config::DbConfig};
use std::collections::{BTreeMap, BTreeSet};

/// A schema that statements are tried on.
#[derive(Debug)]
pub(crate) struct Replay(Connection);

impl Replay {
    /// A schema of nothing.
    pub(crate) fn empty() -> Result<Self, Error> {
        let db = Connection::open_in_memory()?;
        db.pragma_update(None, "foreign_keys", true)?;
        Ok(Self(db))
    }

    /// The same as a database's.
    pub(crate) fn of(schema: &Schema) -> Result<Self, Error> {
        let replay = Self::empty()?;
        for object in &schema.objects {
            // A virtual table brings its own tables along.
            if !replay.has(&object.kind, &object.name)? {
                replay.0.execute_batch(&object.sql)?;
            }
        }
        Ok(replay)
    }

    /// The same as a database's, as far as this SQLite can make it: what it cannot, and why, is given
    /// beside it.
    pub(crate) fn as_far_as_possible(
        schema: &Schema,
    ) -> Result<(Self, Vec<(String, String)>), Error> {
        let (replay, mut left_out) = (Self::empty()?, Vec::new());
        for object in &schema.objects {
            if replay.has(&object.kind, &object.name)? {
                continue;
            }
            if let Err(error) = replay.0.execute_batch(&object.sql) {
                left_out.push((object.name.clone(), said(&error).0));
            }
        }
        Ok((replay, left_out))
    }

    /// The database itself, for what is asked only once.
    pub(crate) fn connection(&self) -> &Connection {
        &self.0
    }

    /// Does what a statement does to the schema.
    pub(crate) fn run(&self, sql: &str) -> Result<(), Error> {
        self.0.execute_batch(sql)
    }

    /// Sees whether a statement fits the schema; how many parameters it has.
    pub(crate) fn fits(&self, sql: &str) -> Result<usize, Error> {
        Ok(self.0.prepare(sql)?.parameter_count())
    }

    /// Says whether `"text"` in double quotes that is no name is taken for text, as SQLite does from of
    /// old (<https://www.sqlite.org/quirks.html#dblquote>).
    pub(crate) fn take_names_for_text(&self, takes: bool) -> Result<(), Error> {
        self.0.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, takes).map(|_| ())
    }

    pub(crate) fn has(&self, kind: &str, name: &str) -> Result<bool, Error> {
        let sql = "SELECT 1 FROM sqlite_master WHERE type = ? AND name = ? COLLATE NOCASE";
        self.0.prepare_cached(sql)?.exists([kind, name])
    }

    /// All that it holds.
    pub(crate) fn schema(&self) -> Result<Schema, Error> {
        let sql = format!(
            "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL AND {FOREIGN} \
             ORDER BY rowid"
        );
        let mut statement = self.0.prepare(&sql)?;
        let object = |row: &rusqlite::Row<'_>| {
            let (kind, name) = (row.get(0)?, row.get(1)?);
            Ok(SchemaObject { kind, name, table: row.get(2)?, sql: row.get(3)? })
        };
        let objects = statement.query_map([], object)?;
        Ok(Schema::of(objects.collect::<Result<Vec<_>, _>>()?, ""))
    }

    /// The tables that hold the data of virtual ones, and the virtual ones, all in lower case.
    pub(crate) fn virtuals(&self) -> Result<(BTreeSet<String>, BTreeSet<String>), Error> {
        let names = |kind: &str| {
            let sql =
                "SELECT lower(name) FROM pragma_table_list WHERE schema = 'main' AND type = ?";
            self.texts(sql, kind).map(BTreeSet::from_iter)
        };
        Ok((names("shadow")?, names("virtual")?))
    }

    /// The statement that makes something.
    pub(crate) fn sql_of(&self, kind: &str, name: &str) -> Result<Option<String>, Error> {
        let sql = "SELECT sql FROM sqlite_master WHERE type = ? AND name = ? COLLATE NOCASE";
        self.0.prepare_cached(sql)?.query_row([kind, name], |row| row.get(0)).optional()
    }

    /// The columns that hold values of their own: no generated and no hidden ones.
    pub(crate) fn columns(&self, table: &str) -> Result<Vec<String>, Error> {
        self.texts("SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0", table)
    }

    /// The columns of a table without a value in which no row gets in, in lower case. None for a table
    /// with a trigger that may keep a row out before that is looked at.
    pub(crate) fn required(&self, table: &str) -> Result<Vec<String>, Error> {
        // The number of a row is found where none is given.
        let sql = "SELECT lower(x.name) FROM pragma_table_xinfo(?1) x WHERE x.hidden = 0 \
                   AND x.\"notnull\" = 1 AND upper(coalesce(x.dflt_value, 'NULL')) = 'NULL' \
                   AND NOT (x.pk = 1 \
                     AND NOT EXISTS (SELECT 1 FROM pragma_table_xinfo(?1) WHERE pk = 2) \
                     AND NOT EXISTS (SELECT 1 FROM pragma_index_list(?1) WHERE origin = 'pk')) \
                   AND EXISTS (SELECT 1 FROM pragma_table_list(?1) l \
                     WHERE l.schema = 'main' AND l.type = 'table') \
                   AND NOT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'trigger' \
                     AND tbl_name = ?1 COLLATE NOCASE AND sql LIKE '%RAISE%')";
        self.texts(sql, table)
    }

    /// The columns of the primary key, in its order.
    pub(crate) fn key(&self, table: &str) -> Result<Vec<String>, Error> {
        self.texts("SELECT name FROM pragma_table_xinfo(?) WHERE pk > 0 ORDER BY pk", table)
    }

    /// The word by which the rows' numbers can be read and written, where they are no column: none
    /// for a table without such numbers, or one whose columns hide all words.
    pub(crate) fn rowid(&self, table: &str) -> Result<Option<&'static str>, Error> {
        let plain = "SELECT name FROM pragma_table_list(?) WHERE schema = 'main' AND wr = 0 \
                     AND type = 'table'";
        if self.texts(plain, table)?.is_empty() {
            return Ok(None);
        }
        let key = self.key(table)?;
        let indexed = "SELECT name FROM pragma_index_list(?) WHERE origin = 'pk'";
        let is_alias = key.len() == 1 && self.texts(indexed, table)?.is_empty();
        let all = self.texts("SELECT name FROM pragma_table_xinfo(?)", table)?;
        let hidden = |word: &str| all.iter().any(|column| column.eq_ignore_ascii_case(word));
        let word = ["rowid", "_rowid_", "oid"].into_iter().find(|word| !hidden(word));
        Ok(word.filter(|_| !is_alias))
    }

    /// Whether a table never gives the number of a row that is gone to another one.
    pub(crate) fn counts_up(&self, table: &str) -> Result<bool, Error> {
        let sql = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE";
        let texts = self.texts(sql, table)?;
        // The word cannot stand in a table's statement with another meaning, but in a comment or a
        // default; then a number is kept that nobody asks for.
        Ok(texts.iter().any(|sql| sql.to_ascii_uppercase().contains("AUTOINCREMENT")))
    }

    /// The tables that each table refers to, all names in lower case.
    pub(crate) fn references(&self) -> Result<BTreeMap<String, BTreeSet<String>>, Error> {
        let sql = "SELECT m.name, f.\"table\" FROM sqlite_master m, pragma_foreign_key_list(m.name) f \
                   WHERE m.type = 'table'";
        let mut statement = self.0.prepare(sql)?;
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (from, to): (String, String) = (row.get(0)?, row.get(1)?);
            found.entry(from.to_ascii_lowercase()).or_default().insert(to.to_ascii_lowercase());
        }
        Ok(found)
    }

    /// The tables whose rows could go or change when the rows of `table` go: those that refer to it,
    /// and those that refer to them. Whoever nobody else refers to comes first.
    pub(crate) fn descendants(&self, table: &str) -> Result<Vec<String>, Error> {
        let references = self.references()?;
        let table = table.to_ascii_lowercase();
        let (mut found, mut open) = (BTreeSet::new(), vec![table.clone()]);
        while let Some(parent) = open.pop() {
            for (child, parents) in &references {
                if parents.contains(&parent) && *child != table && found.insert(child.clone()) {
                    open.push(child.clone());
                }
            }
        }
        let mut order = Vec::new();
        while !found.is_empty() {
            let referred = |one: &&String| {
                found.iter().any(|other| {
                    other != *one && references.get(other).is_some_and(|to| to.contains(*one))
                })
            };
            // In a circle anybody may be the first: the checks come at the end.
            let next = found.iter().find(|one| !referred(one)).or(found.first()).cloned();
            order.extend(next.inspect(|next| {
                found.remove(next);
            }));
        }
        Ok(order)
    }

    /// A table whose rows go or change when a row of `table` is deleted.
    pub(crate) fn follows(&self, table: &str) -> Result<Option<String>, Error> {
        let sql = "SELECT m.name FROM sqlite_master m, pragma_foreign_key_list(m.name) f \
                   WHERE m.type = 'table' AND f.\"table\" = ? COLLATE NOCASE \
                   AND f.on_delete IN ('CASCADE', 'SET NULL', 'SET DEFAULT') ORDER BY 1 LIMIT 1";
        Ok(self.texts(sql, table)?.pop())
    }

    /// The foreign keys of a table whose rows are found by reading all of them: the first column of each.
    pub(crate) fn unindexed(&self, table: &str) -> Result<Vec<String>, Error> {
        let sql = "SELECT f.\"from\" FROM pragma_foreign_key_list(?1) f WHERE f.seq = 0 AND NOT EXISTS \
                   (SELECT 1 FROM pragma_index_list(?1) l, pragma_index_info(l.name) i \
                   WHERE i.seqno = 0 AND i.name = f.\"from\" COLLATE NOCASE) AND NOT EXISTS \
                   (SELECT 1 FROM pragma_table_info(?1) t WHERE t.pk = 1 \
                   AND t.name = f.\"from\" COLLATE NOCASE) ORDER BY 1";
        self.texts(sql, table)
    }

    pub(crate) fn texts(&self, sql: &str, argument: &str) -> Result<Vec<String>, Error> {
        let mut statement = self.0.prepare_cached(sql)?;
        let texts = statement.query_map([argument], |row| row.get(0))?;
        texts.collect()
    }
}

/// What SQLite says, without the statement, and where in it.
pub(crate) fn said(error: &Error) -> (String, usize) {
    match error {
        Error::SqlInputError { msg, offset, .. } => {
            (msg.clone(), usize::try_from(*offset).unwrap_or(0))
        }
        Error::SqliteFailure(_, Some(text)) => (text.clone(), 0),
        other => (other.to_string(), 0),
    }
}

/// Names as SQL text, with something before each.
pub(crate) fn listed(names: &[String], before: &str) -> String {
    names.iter().map(|name| format!("{before}{}", quoted(name))).collect::<Vec<_>>().join(", ")
}
