//! How a schema is made here, with what this SQLite does not know of it.

use super::{Replay, said};
use crate::{
    migrations::{
        meaning::Meaning,
        protect::Failed,
        records::tables,
        schema::{Schema, SchemaObject},
        witness::Witness,
    },
    split::words,
};
use clodo_sqlite::{
    add_math_functions,
    rusqlite::{Connection, Error, functions::FunctionFlags, types::Null},
};
use std::{cell::RefCell, collections::BTreeSet};

impl Replay {
    /// A schema of nothing.
    pub(crate) fn empty() -> Result<Self, Error> {
        let mut db = Connection::open_in_memory()?;
        db.pragma_update(None, "foreign_keys", true)?;
        add_math_functions(&db)?;
        let (stand_ins, left_out) = (BTreeSet::new(), Vec::new());
        let witness = Witness::on(&mut db)?;
        let ordinary = RefCell::default();
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
            self.ordinary.borrow_mut().insert(object.name.to_ascii_lowercase());
        }
        Ok(())
    }

    /// What SQLite said that it misses, and something stands in for here.
    pub(crate) fn stands_in(&self) -> Option<&str> {
        let is_own = |said: &&String| {
            said.starts_with("no such collation") || said.starts_with("no such function")
        };
        self.stand_ins.iter().find(is_own).map(String::as_str)
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
    pub(in crate::migrations) fn knows(&self, meaning: &Meaning) -> Result<(), Failed> {
        let is_it =
            |one: &&SchemaObject| meaning.tables().any(|name| one.name.eq_ignore_ascii_case(name));
        self.left_out.iter().find(is_it).map_or(Ok(()), |one| Err(unknown(one)))
    }

    /// The same for one that SQLite refuses here.
    pub(in crate::migrations) fn explained(&self, failed: Failed) -> Failed {
        let Failed::Sql(error) = &failed else { return failed };
        let (message, _) = said(error);
        let missing = message.rsplit_once("no such table: ").map(|(_, name)| name);
        let missing = missing.map(|name| name.strip_prefix("main.").unwrap_or(name));
        let is_it =
            |one: &&SchemaObject| missing.is_some_and(|name| name.eq_ignore_ascii_case(&one.name));
        self.left_out.iter().find(is_it).map_or(failed, unknown)
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
        Ok(is_called_so && !self.ordinary.borrow().contains(&table.to_ascii_lowercase()))
    }
}

fn is_virtual(object: &SchemaObject) -> bool {
    words(&object.sql).get(1).is_some_and(|word| word.eq_ignore_ascii_case("virtual"))
}

fn unknown(table: &SchemaObject) -> Failed {
    let why = format!("is about table {}, whose module is not known here", table.name);
    Failed::Refused { rule: "unknown-module", why }
}
