//! A schema in memory, without rows: SQLite itself says what a statement would do to it.

use super::{
    meaning::{Event, Meaning, Trigger},
    protect::Failed,
    records::{SUMS, tables},
    schema::{Schema, SchemaObject},
    witness::Witness,
};
use crate::{
    identifier::quoted,
    split::{folded, words},
};
use clodo_sqlite::rusqlite::{
    self, Connection, Error, OptionalExtension as _, config::DbConfig, functions::FunctionFlags,
    types::Null,
};
use std::collections::{BTreeMap, BTreeSet};

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
    ordinary: BTreeSet<String>,
    witness: Witness,
}

/// A reference to a table; names of columns are in lower case.
#[derive(Clone, Debug)]
pub(super) struct Child {
    pub(super) table: String,
    pub(super) from: String,
    /// None for the key.
    pub(super) to: Option<String>,
    pub(super) on_delete: String,
    pub(super) on_update: String,
}

impl Replay {
    /// A schema of nothing.
    pub(crate) fn empty() -> Result<Self, Error> {
        let mut db = Connection::open_in_memory()?;
        db.pragma_update(None, "foreign_keys", true)?;
        let (stand_ins, left_out) = (BTreeSet::new(), Vec::new());
        let witness = Witness::on(&mut db)?;
        let ordinary = BTreeSet::new();
        Ok(Self { db, records: String::new(), stand_ins, left_out, ordinary, witness })
    }

    /// The same as a database's, with the tables of records beside it. What its program brings along is
    /// not needed: no row is compared here.
    pub(crate) fn of(schema: &Schema) -> Result<Self, Error> {
        let mut replay = Self::beside(&schema.records)?;
        for (object, error) in replay.make_all(schema)? {
            match is_virtual(&object) {
                // Its module is not known here.
                true => replay.left_out.push(object),
                false => return Err(error),
            }
        }
        Ok(replay)
    }

    /// The same as a database's, as far as this SQLite can make it: what it cannot, and why, is given
    /// beside it.
    pub(crate) fn as_far_as_possible(
        schema: &Schema,
    ) -> Result<(Self, Vec<(String, String)>), Error> {
        let mut replay = Self::empty()?;
        let failed = replay.make_all(schema)?;
        let why =
            failed.iter().map(|(object, error)| (object.name.clone(), said(error).0)).collect();
        let failed = failed.into_iter().map(|(object, _)| object);
        replay.left_out = failed.filter(is_virtual).collect();
        Ok((replay, why))
    }

    /// Makes all of a schema; gives back what cannot be made. Virtual tables come first, as they bring their
    /// own tables along, which a `VACUUM` puts before them; one that shows another table comes behind that.
    fn make_all(&mut self, schema: &Schema) -> Result<Vec<(SchemaObject, Error)>, Error> {
        let (first, rest): (Vec<&SchemaObject>, Vec<&SchemaObject>) =
            schema.objects.iter().partition(|one| is_virtual(one));
        let mut later = Vec::new();
        for object in first {
            if self.make(object).is_err() {
                later.push(object);
            }
        }
        let may_be_of = |table: &&SchemaObject| {
            let name = table.name.to_ascii_lowercase();
            table.kind == "table"
                && later.iter().any(|one| {
                    let start = one.name.to_ascii_lowercase() + "_";
                    name.starts_with(&start)
                })
        };
        let (own, rest): (Vec<&SchemaObject>, Vec<&SchemaObject>) =
            rest.into_iter().partition(may_be_of);
        let mut failed = Vec::new();
        for object in rest.iter().filter(|one| one.kind == "table").chain(&later).chain(&own) {
            if let Err(error) = self.make(object) {
                failed.push(((*object).clone(), error));
            }
        }
        for object in rest.iter().filter(|one| one.kind != "table") {
            if let Err(error) = self.make(object) {
                failed.push(((*object).clone(), error));
            }
        }
        Ok(failed)
    }

    /// Nothing but the tables of records, which views may ask.
    fn beside(records: &str) -> Result<Self, Error> {
        let mut replay = Self::empty()?;
        if !records.is_empty() {
            replay.db.execute_batch(&tables(records))?;
            records.clone_into(&mut replay.records);
        }
        Ok(replay)
    }

    fn make(&mut self, object: &SchemaObject) -> Result<(), Error> {
        if self.has(&object.kind, &object.name)? {
            return Ok(());
        }
        while let Err(error) = self.db.execute_batch(&object.sql) {
            if !self.stand_in(&said(&error).0)? {
                return Err(error);
            }
        }
        if object.kind == "table" && !is_virtual(object) {
            self.ordinary.insert(object.name.to_ascii_lowercase());
        }
        Ok(())
    }

    /// Makes the collation or function that SQLite misses, if it is one that is missed for the first time.
    fn stand_in(&mut self, said: &str) -> Result<bool, Error> {
        if !self.stand_ins.insert(said.to_owned()) {
            return Ok(false);
        }
        if let Some(name) = said.strip_prefix("no such collation sequence: ") {
            self.db.create_collation(name, str::cmp)?;
            return Ok(true);
        }
        let Some(name) = said.strip_prefix("no such function: ") else { return Ok(false) };
        // An index takes no other.
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
        self.db.create_scalar_function(name, -1, flags, |_| Ok(Null))?;
        Ok(true)
    }

    /// Refuses a statement about a table that is left out here, and is there in the database.
    pub(super) fn knows(&self, meaning: &Meaning) -> Result<(), Failed> {
        let is_it =
            |one: &&SchemaObject| meaning.tables().any(|name| one.name.eq_ignore_ascii_case(name));
        self.left_out.iter().find(is_it).map_or(Ok(()), |one| Err(unknown(one)))
    }

    /// The same for one that SQLite refuses here.
    pub(super) fn explained(&self, failed: Failed) -> Failed {
        let Failed::Sql(error) = &failed else { return failed };
        let (message, _) = said(error);
        let missing = message.rsplit_once("no such table: ").map(|(_, name)| name);
        let missing = missing.map(|name| name.strip_prefix("main.").unwrap_or(name));
        let is_it =
            |one: &&SchemaObject| missing.is_some_and(|name| name.eq_ignore_ascii_case(&one.name));
        self.left_out.iter().find(is_it).map_or(failed, unknown)
    }

    /// The database itself, for what is asked only once.
    pub(crate) fn connection(&self) -> &Connection {
        &self.db
    }

    /// Does what a statement does to the schema.
    pub(crate) fn run(&self, sql: &str) -> Result<(), Error> {
        self.witness.clear();
        self.db.execute_batch(sql)
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
        shadows.retain(|name| !self.ordinary.contains(name));
        Ok((shadows, BTreeSet::from_iter(self.texts(sql, "virtual")?)))
    }

    /// Whether a virtual table keeps its data in a table that is called like one for that. Of one that
    /// cannot be made here nobody knows better than its name.
    pub(crate) fn owns(&self, table: &str) -> Result<bool, Error> {
        let table = table.to_ascii_lowercase();
        let is_of = |one: &SchemaObject| table.starts_with(&(one.name.to_ascii_lowercase() + "_"));
        Ok(self.left_out.iter().any(is_of) || self.is_shadow(&table)?)
    }

    /// Whether a virtual table keeps its data in a table.
    pub(crate) fn is_shadow(&self, table: &str) -> Result<bool, Error> {
        let sql = "SELECT name FROM pragma_table_list(?) WHERE schema = 'main' AND type = 'shadow'";
        let is_called_so = !self.texts(sql, table)?.is_empty();
        Ok(is_called_so && !self.ordinary.contains(&table.to_ascii_lowercase()))
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
        if self.rowid(table)?.is_none() {
            return Ok(None);
        }
        let sql = "SELECT name || char(10) || sql FROM sqlite_master WHERE type = 'trigger' \
                   AND tbl_name = ? COLLATE NOCASE ORDER BY name";
        for text in self.texts(sql, table)? {
            let (name, sql) = text.split_once('\n').unwrap_or_default();
            let is_number = |three: &[&str]| {
                ["new", "old"].contains(&folded(three[0]).as_str())
                    && three[1] == "."
                    && NUMBERS.contains(&folded(three[2]).as_str())
            };
            if words(sql).windows(3).any(is_number) {
                return Ok(Some(format!("trigger {name}")));
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

    /// The tables that each table refers to, all names in lower case.
    pub(crate) fn references(&self) -> Result<BTreeMap<String, BTreeSet<String>>, Error> {
        let sql = "SELECT m.name, f.\"table\" FROM sqlite_master m, pragma_foreign_key_list(m.name) f \
                   WHERE m.type = 'table'";
        let mut statement = self.db.prepare(sql)?;
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

    /// Who refers to a table.
    pub(super) fn children(&self, table: &str) -> Result<Vec<Child>, Error> {
        let sql = "SELECT m.name, lower(f.\"from\"), lower(f.\"to\"), f.on_delete, f.on_update \
                   FROM sqlite_master m, pragma_foreign_key_list(m.name) f \
                   WHERE m.type = 'table' AND f.\"table\" = ? COLLATE NOCASE ORDER BY 1";
        let mut statement = self.db.prepare_cached(sql)?;
        let child = |row: &rusqlite::Row<'_>| {
            Ok(Child {
                table: row.get(0)?,
                from: row.get(1)?,
                to: row.get(2)?,
                on_delete: row.get(3)?,
                on_update: row.get(4)?,
            })
        };
        statement.query_map([table], child)?.collect()
    }

    /// Whether a reference to a column of `table`, or to its key, is to one of these.
    pub(super) fn is_referred(
        &self,
        table: &str,
        columns: &[String],
        to: Option<&str>,
    ) -> Result<bool, Error> {
        let key: Vec<String> =
            self.key(table)?.iter().map(|column| column.to_ascii_lowercase()).collect();
        let is_number = |column: &str| NUMBERS.contains(&column);
        let is_it = |column: &String| match to {
            Some(to) => to == column || key.iter().any(|one| one == to) && is_number(column),
            // Without a column it is the key that is referred to.
            None => key.contains(column) || is_number(column),
        };
        Ok(columns.iter().any(is_it))
    }

    /// Whether a table replaces rows on its own: `ON CONFLICT REPLACE`.
    pub(super) fn replaces(&self, table: &str) -> Result<bool, Error> {
        let sql = self.sql_of("table", table)?.unwrap_or_default();
        let is = |word: &str, name: &str| word.eq_ignore_ascii_case(name);
        Ok(words(&sql).windows(2).any(|two| is(two[0], "conflict") && is(two[1], "replace")))
    }

    /// The triggers on a table or view, with their names.
    pub(super) fn triggers(&self, table: &str) -> Result<Vec<(String, Trigger)>, Error> {
        let sql = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' \
                   AND tbl_name = ? COLLATE NOCASE ORDER BY name";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query([table])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (name, sql): (String, String) = (row.get(0)?, row.get(1)?);
            found.extend(Trigger::read(&sql).map(|trigger| (name, trigger)));
        }
        Ok(found)
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
        Ok(failed.collect())
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
        let mut statement = self.db.prepare_cached(sql)?;
        let texts = statement.query_map([argument], |row| row.get(0))?;
        texts.collect()
    }
}

/// The words for the number of a row.
pub(super) const NUMBERS: [&str; 3] = ["rowid", "_rowid_", "oid"];

fn is_virtual(object: &SchemaObject) -> bool {
    words(&object.sql).get(1).is_some_and(|word| word.eq_ignore_ascii_case("virtual"))
}

fn unknown(table: &SchemaObject) -> Failed {
    let why = format!("is about table {}, whose module is not known here", table.name);
    Failed::Refused { rule: "unknown-module", why }
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
