//! A schema in memory, without rows: SQLite itself says what a statement would do to it.

mod make;
mod references;

use super::{
    meaning::Meaning,
    protect::Failed,
    records::SUMS,
    schema::{Schema, SchemaObject},
    trigger::{Event, Trigger},
    witness::Witness,
};
use crate::{
    identifier::quoted,
    split::{first_word, folded, words},
};
use clodo_sqlite::rusqlite::{self, Connection, Error, OptionalExtension as _, config::DbConfig};
use std::{cell::RefCell, collections::BTreeSet};

/// A schema that statements are tried on.
#[derive(Debug)]
pub(crate) struct Replay {
    db: Connection,
    /// The table of applied migrations, which is there and no part of the schema.
    records: String,
    /// Collations and functions of the database's program, for which something stands in here.
    stand_ins: BTreeSet<String>,
    /// Virtual tables whose module is not known here.
    left_out: Vec<SchemaObject>,
    /// Tables that a statement of their own has made, in lower case: one that is called like those in which
    /// virtual tables keep their data is none of them, whatever SQLite says.
    ordinary: RefCell<BTreeSet<String>>,
    witness: Witness,
}

impl Replay {
    /// The database itself, for what is asked only once.
    pub(crate) fn connection(&self) -> &Connection {
        &self.db
    }

    /// Does what a statement does to the schema.
    pub(crate) fn run(&self, sql: &str) -> Result<(), Error> {
        self.witness.clear();
        let makes =
            ["create", "alter"].iter().any(|word| first_word(sql).eq_ignore_ascii_case(word));
        if !makes {
            return self.db.execute_batch(sql);
        }
        let (before, (_, virtuals)) = (self.table_names()?, self.virtuals()?);
        self.db.execute_batch(sql)?;
        let now = self.table_names()?;
        let (_, virtuals_now) = self.virtuals()?;
        // What comes and goes with a virtual table is that one's.
        if virtuals == virtuals_now {
            let new = now.into_iter().filter(|name| !before.contains(name));
            self.ordinary.borrow_mut().extend(new);
        }
        Ok(())
    }

    fn table_names(&self) -> Result<BTreeSet<String>, Error> {
        let sql = "SELECT lower(name) FROM sqlite_master WHERE type = ?";
        self.texts(sql, "table").map(BTreeSet::from_iter)
    }

    /// Sees whether a statement fits the schema; how many parameters it has.
    pub(crate) fn fits(&self, sql: &str) -> Result<usize, Error> {
        self.witness.clear();
        Ok(self.db.prepare(sql)?.parameter_count())
    }

    /// Refuses the statement that came last if SQLite reads it otherwise.
    pub(super) fn agrees(&self, meaning: &Meaning) -> Result<(), Failed> {
        self.witness.agrees(meaning)
    }

    /// The same where `"text"` in double quotes has to be a name.
    pub(super) fn fits_by_name(&self, sql: &str) -> Result<(), Failed> {
        self.take_names_for_text(false)?;
        let tried = self.db.prepare(sql).map(|_| ());
        self.take_names_for_text(true)?;
        tried.map_err(|error| {
            let why = format!("takes a text in double quotes for a value: {}", said(&error).0);
            Failed::Refused { rule: "quoted-text", why }
        })
    }

    /// Says whether `"text"` in double quotes that is no name is taken for text, as SQLite does from of
    /// old (<https://www.sqlite.org/quirks.html#dblquote>).
    pub(crate) fn take_names_for_text(&self, takes: bool) -> Result<(), Error> {
        self.db.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, takes).map(|_| ())
    }

    pub(crate) fn has(&self, kind: &str, name: &str) -> Result<bool, Error> {
        let sql = "SELECT 1 FROM sqlite_master WHERE type = ? AND name = ? COLLATE NOCASE";
        self.db.prepare_cached(sql)?.exists([kind, name])
    }

    /// All that it holds.
    pub(crate) fn schema(&self) -> Result<Schema, Error> {
        let listed = Schema::listed(&self.records);
        let sql = format!("SELECT type, name, tbl_name, sql FROM {listed} ORDER BY rowid");
        let mut statement = self.db.prepare(&sql)?;
        let object = |row: &rusqlite::Row<'_>| {
            let (kind, name) = (row.get(0)?, row.get(1)?);
            Ok(SchemaObject { kind, name, table: row.get(2)?, sql: row.get(3)? })
        };
        let mut objects = statement.query_map([], object)?.collect::<Result<Vec<_>, _>>()?;
        objects.extend(self.left_out.iter().cloned());
        Ok(Schema::of(objects, &self.records))
    }

    /// The tables that hold the data of virtual ones, and the virtual ones, all in lower case.
    pub(crate) fn virtuals(&self) -> Result<(BTreeSet<String>, BTreeSet<String>), Error> {
        let sql = "SELECT lower(name) FROM pragma_table_list WHERE schema = 'main' AND type = ?";
        let mut shadows = BTreeSet::from_iter(self.texts(sql, "shadow")?);
        shadows.retain(|name| !self.ordinary.borrow().contains(name));
        Ok((shadows, BTreeSet::from_iter(self.texts(sql, "virtual")?)))
    }

    /// The statement that makes something.
    pub(crate) fn sql_of(&self, kind: &str, name: &str) -> Result<Option<String>, Error> {
        let sql = "SELECT sql FROM sqlite_master WHERE type = ? AND name = ? COLLATE NOCASE";
        self.db.prepare_cached(sql)?.query_row([kind, name], |row| row.get(0)).optional()
    }

    /// The tables with rows of their own, which no virtual one keeps its data in.
    pub(super) fn ordinary_tables(&self) -> Result<Vec<String>, Error> {
        let sql = format!(
            "SELECT l.name FROM pragma_table_list l WHERE l.schema = ? \
             AND l.type IN ('table', 'shadow') AND l.name IN (SELECT name FROM {})",
            Schema::listed(&self.records)
        );
        let mut names = self.texts(&sql, "main")?;
        let (shadows, _) = self.virtuals()?;
        names.retain(|name| !shadows.contains(&name.to_ascii_lowercase()));
        Ok(names)
    }

    /// The columns that hold values of their own, each with its type.
    pub(super) fn declared(&self, table: &str) -> Result<Vec<(String, String)>, Error> {
        let sql = "SELECT name, type FROM pragma_table_xinfo(?) WHERE hidden = 0";
        let mut statement = self.db.prepare_cached(sql)?;
        let columns = statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?;
        columns.collect()
    }

    /// The columns that hold values of their own: no generated and no hidden ones.
    pub(crate) fn columns(&self, table: &str) -> Result<Vec<String>, Error> {
        self.texts("SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0", table)
    }

    /// All columns that `*` stands for, in lower case.
    pub(crate) fn visible_columns(&self, table: &str) -> Result<Vec<String>, Error> {
        self.texts("SELECT lower(name) FROM pragma_table_xinfo(?) WHERE hidden <> 1", table)
    }

    /// A full-text index or a trigger that knows rows of a table by their numbers, where no column shows
    /// those; a full-text index itself, whose rows others know by theirs.
    pub(crate) fn searched_by_number(&self, table: &str) -> Result<Option<String>, Error> {
        if self.virtuals()?.1.contains(&table.to_ascii_lowercase()) {
            let sql = self.sql_of("table", table)?.unwrap_or_default();
            let is_search = words(&sql).iter().any(|word| folded(word).starts_with("fts"));
            return Ok(is_search.then(|| "whoever searches".to_owned()));
        }
        for (name, trigger) in self.triggers(table)? {
            // One that only finds rows of its own table again keeps no number.
            let stays = |act: &Meaning| {
                matches!(act, Meaning::Update { table: own, .. } | Meaning::Delete { table: own, .. }
                    if own.eq_ignore_ascii_case(table))
            };
            if trigger.acts.iter().all(stays) {
                continue;
            }
            let sql = self.sql_of("trigger", &name)?.unwrap_or_default();
            for three in words(&sql).windows(3) {
                let is_of_row = ["new", "old"].contains(&folded(three[0]).as_str());
                if is_of_row && three[1] == "." && self.is_number(table, &folded(three[2]))? {
                    return Ok(Some(format!("trigger {name}")));
                }
            }
        }
        let sql =
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = ? ORDER BY name";
        for name in self.texts(sql, "virtual")? {
            let sql = self.sql_of("table", &name)?.unwrap_or_default();
            let is_of = |three: &[&str]| {
                three[0].eq_ignore_ascii_case("content")
                    && three[1] == "="
                    && folded(three[2]).trim_matches('\'').eq_ignore_ascii_case(table)
            };
            if words(&sql).windows(3).any(is_of) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// The column that is the number of a row.
    pub(crate) fn number_column(&self, table: &str) -> Result<Option<String>, Error> {
        let plain = "SELECT name FROM pragma_table_list(?) WHERE schema = 'main' AND wr = 0 \
                     AND type IN ('table', 'shadow')";
        let indexed = "SELECT name FROM pragma_index_list(?) WHERE origin = 'pk'";
        let key = self.key(table)?;
        let is_it = key.len() == 1
            && !self.texts(plain, table)?.is_empty()
            && self.texts(indexed, table)?.is_empty();
        Ok(key.into_iter().next().filter(|_| is_it))
    }

    /// Whether a word or a column, in lower case, is the number of a row.
    pub(super) fn is_number(&self, table: &str, name: &str) -> Result<bool, Error> {
        let column = self.number_column(table)?;
        Ok(NUMBERS.contains(&name)
            || name == "docid"
            || column.is_some_and(|column| column.eq_ignore_ascii_case(name)))
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
                     WHERE l.schema = 'main' AND l.type IN ('table', 'shadow')) \
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
                     AND type IN ('table', 'shadow')";
        if self.texts(plain, table)?.is_empty() || self.is_shadow(table)? {
            return Ok(None);
        }
        let key = self.key(table)?;
        let indexed = "SELECT name FROM pragma_index_list(?) WHERE origin = 'pk'";
        let is_alias = key.len() == 1 && self.texts(indexed, table)?.is_empty();
        let all = self.texts("SELECT name FROM pragma_table_xinfo(?)", table)?;
        let hidden = |word: &str| all.iter().any(|column| column.eq_ignore_ascii_case(word));
        let word = NUMBERS.into_iter().find(|word| !hidden(word));
        Ok(word.filter(|_| !is_alias))
    }

    /// The word by which the rows' numbers can be read, whether a column shows them or not.
    pub(super) fn row_number(&self, table: &str) -> Result<Option<&'static str>, Error> {
        let sql = "SELECT name FROM pragma_table_list(?) WHERE schema = 'main' AND wr = 0";
        if self.texts(sql, table)?.is_empty() {
            return Ok(None);
        }
        let all = self.texts("SELECT name FROM pragma_table_xinfo(?)", table)?;
        let hidden = |word: &str| all.iter().any(|column| column.eq_ignore_ascii_case(word));
        Ok(NUMBERS.into_iter().find(|word| !hidden(word)))
    }

    /// Whether a table never gives the number of a row that is gone to another one.
    pub(crate) fn counts_up(&self, table: &str) -> Result<bool, Error> {
        let sql = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ? COLLATE NOCASE";
        let texts = self.texts(sql, table)?;
        // The word cannot stand in a table's statement with another meaning, but in a comment or a
        // default; then a number is kept that nobody asks for.
        Ok(texts.iter().any(|sql| sql.to_ascii_uppercase().contains("AUTOINCREMENT")))
    }

    /// Views that cannot be read and triggers that cannot run, each with what SQLite says.
    pub(super) fn broken(&self) -> Result<Vec<(String, String)>, Error> {
        let mut asked = Vec::new();
        let schema = self.schema()?;
        for object in &schema.objects {
            let table = quoted(&object.table);
            let sql = match object.kind.as_str() {
                "view" => format!("SELECT * FROM {table}"),
                "trigger" => match Trigger::read(&object.sql) {
                    Some(Trigger { event: Event::Delete, .. }) => format!("DELETE FROM {table}"),
                    Some(Trigger { event: Event::Insert, .. }) => {
                        format!("INSERT INTO {table} DEFAULT VALUES")
                    }
                    Some(Trigger { event: Event::Update, of, .. }) => {
                        let mut own = self.columns(&object.table)?;
                        if own.is_empty() {
                            // A view has none of its own, and gives them all.
                            own = self.visible_columns(&object.table)?;
                        }
                        let column = of.into_iter().chain(own).next().unwrap_or_default();
                        format!("UPDATE {table} SET {0} = {0}", quoted(&column))
                    }
                    None => continue,
                },
                _ => continue,
            };
            asked.push((format!("{} {}", object.kind, object.name), sql));
        }
        let failed = asked.into_iter().filter_map(|(what, sql)| {
            let error = self.db.prepare(&sql).err()?;
            Some((what, said(&error).0))
        });
        let mut failed: Vec<(String, String)> = failed.collect();
        // A full-text index looks for the table that it shows when it is asked, and not before.
        for object in schema.objects.iter().filter(|one| one.kind == "table") {
            let words = words(&object.sql);
            let is_search = words.get(1).is_some_and(|word| word.eq_ignore_ascii_case("virtual"))
                && words.iter().any(|word| folded(word).starts_with("fts"));
            let name = quoted(&object.name);
            let rebuild = format!("INSERT INTO {name} ({name}) VALUES ('rebuild')");
            if is_search && let Err(error) = self.db.execute_batch(&rebuild) {
                failed.push((format!("table {}", object.name), said(&error).0));
            }
        }
        Ok(failed)
    }

    /// The table of Clodo's own that a statement is about, if it is about one.
    pub(crate) fn reserved(&self, meaning: &Meaning) -> Option<String> {
        let made = match meaning {
            Meaning::CreateTable { name, .. } | Meaning::Rename { to: name, .. } => Some(name),
            _ => None,
        };
        let is_own =
            |name: &&String| self.records.eq_ignore_ascii_case(name) || name.as_str() == SUMS;
        let is_scratch = |name: &&String| name.starts_with("_clodo_");
        let own = meaning.tables().find(is_own);
        own.or(made.filter(is_scratch)).cloned()
    }

    pub(crate) fn texts(&self, sql: &str, argument: &str) -> Result<Vec<String>, Error> {
        let mut statement = self.db.prepare_cached(sql)?;
        let texts = statement.query_map([argument], |row| row.get(0))?;
        texts.collect()
    }
}

/// The words for the number of a row.
pub(super) const NUMBERS: [&str; 3] = ["rowid", "_rowid_", "oid"];

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
