//! Which tables refer to which, and what hears of their rows.

use super::{NUMBERS, Replay};
use crate::{migrations::trigger::Trigger, split::words};
use clodo_sqlite::rusqlite::{self, Error};
use std::collections::{BTreeMap, BTreeSet};

/// A reference to a table; names of columns are in lower case.
#[derive(Clone, Debug)]
pub(crate) struct Child {
    pub(crate) table: String,
    pub(crate) from: String,
    /// None for the key.
    pub(crate) to: Option<String>,
    pub(crate) on_delete: String,
    pub(crate) on_update: String,
}

impl Replay {
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
    pub(crate) fn children(&self, table: &str) -> Result<Vec<Child>, Error> {
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
    pub(crate) fn is_referred(
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
    pub(crate) fn replaces(&self, table: &str) -> Result<bool, Error> {
        let sql = self.sql_of("table", table)?.unwrap_or_default();
        let is = |word: &str, name: &str| word.eq_ignore_ascii_case(name);
        Ok(words(&sql).windows(2).any(|two| is(two[0], "conflict") && is(two[1], "replace")))
    }

    /// The triggers on a table or view, with their names.
    pub(crate) fn triggers(&self, table: &str) -> Result<Vec<(String, Trigger)>, Error> {
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

    /// The foreign keys of a table whose rows are found by reading all of them: the first column of each.
    pub(crate) fn unindexed(&self, table: &str) -> Result<Vec<String>, Error> {
        let sql = "SELECT f.\"from\" FROM pragma_foreign_key_list(?1) f WHERE f.seq = 0 AND NOT EXISTS \
                   (SELECT 1 FROM pragma_index_list(?1) l, pragma_index_info(l.name) i \
                   WHERE i.seqno = 0 AND i.name = f.\"from\" COLLATE NOCASE) AND NOT EXISTS \
                   (SELECT 1 FROM pragma_table_info(?1) t WHERE t.pk = 1 \
                   AND t.name = f.\"from\" COLLATE NOCASE) ORDER BY 1";
        self.texts(sql, table)
    }
}
