//! What migrations read of tables that may be big, and what a database bills for it.

use super::{
    file::MigrationFile,
    meaning::{Meaning, Step},
    rebuild::Rebuild,
    replay::Replay,
};
use crate::{
    database::Database, error::DatabaseError, identifier::quoted, inspect::scanned, split::words,
    statement::Statement,
};
use clodo_sqlite::rusqlite::Error;
use clodo_types::{Finding, Location, Severity};
use std::collections::BTreeMap;

/// A statement that reads whole tables.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Read {
    at: Location,
    what: String,
    /// Which tables, and how often.
    tables: Vec<(String, u64)>,
}

/// The statements of migrations that read whole tables which are there before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reads {
    /// The tables that are there before, in lower case, each with the word for the numbers of its rows.
    tables: BTreeMap<String, &'static str>,
    found: Vec<Read>,
}

/// How often a table is read that is made anew: to be filled from, and by the proof that none is missing.
const ANEW: u64 = 4;
/// How often one is read whose rows are put aside and back.
const ASIDE: u64 = 5;
/// So many values come with one statement: D1 gives 100 columns at most.
const AT_ONCE: usize = 50;
/// A greater number of a row counts nothing: somebody made it up.
const MOST_ROWS: i64 = 10_000_000_000;

impl Reads {
    pub(super) fn on(replay: &Replay) -> Result<Self, Error> {
        let mut tables = BTreeMap::new();
        for name in replay.ordinary_tables()? {
            // One without numbers cannot be counted without being read.
            if let Some(word) = replay.row_number(&name)? {
                tables.insert(name.to_ascii_lowercase(), word);
            }
        }
        Ok(Self { tables, found: Vec::new() })
    }

    /// Before a statement is carried out on the schema.
    pub(super) fn before(&mut self, replay: &Replay, file: &MigrationFile, step: &Step<'_>) {
        let (what, tables) = match &step.meaning {
            Meaning::CreateIndex { table, .. } => ("makes an index", vec![table.clone()]),
            Meaning::DropColumn { table, .. } => ("drops a column", vec![table.clone()]),
            // A file may have thousands of those, which read nothing.
            Meaning::Insert { .. } if !selects(step.piece.text) => return,
            Meaning::Insert { .. }
            | Meaning::Update { .. }
            | Meaning::Delete { .. }
            | Meaning::Other => {
                // What does not run is for others to say.
                let names = scanned(replay, step.piece.text).unwrap_or_default();
                ("reads whole tables", names)
            }
            _ => return,
        };
        self.note(file, step, what.to_owned(), tables.into_iter().map(|table| (table, 1)));
    }

    /// Behind a whole file.
    pub(super) fn behind(
        &mut self,
        file: &MigrationFile,
        steps: &[Step<'_>],
        rebuilds: &[Rebuild],
    ) {
        for Rebuild { table, keeps } in rebuilds {
            let drops = |step: &&Step<'_>| match &step.meaning {
                Meaning::DropTable { name } => name.eq_ignore_ascii_case(table),
                _ => false,
            };
            let Some(step) = steps.iter().find(drops) else { continue };
            let kept = keeps.iter().map(|table| (table.clone(), ASIDE));
            let all = std::iter::once((table.clone(), ANEW)).chain(kept);
            self.note(file, step, format!("makes table {table} anew"), all);
        }
    }

    fn note(
        &mut self,
        file: &MigrationFile,
        step: &Step<'_>,
        what: String,
        tables: impl Iterator<Item = (String, u64)>,
    ) {
        let tables = tables.map(|(table, times)| (table.to_ascii_lowercase(), times));
        let tables: Vec<(String, u64)> =
            tables.filter(|(table, _)| self.tables.contains_key(table)).collect();
        if !tables.is_empty() {
            let at = Location::of_offset(&file.path, &file.sql, step.piece.offset);
            self.found.push(Read { at, what, tables });
        }
    }

    /// A note for each statement that reads more than `big` rows, as far as the greatest number of a row
    /// says how many there are: that costs one row of each table. Nothing is asked where no statement
    /// reads a whole table.
    pub(super) async fn costs(
        &self,
        database: &dyn Database,
        big: u64,
    ) -> Result<Vec<Finding>, DatabaseError> {
        let mut asked: Vec<&String> =
            self.found.iter().flat_map(|read| &read.tables).map(|(table, _)| table).collect();
        asked.sort_unstable();
        asked.dedup();
        let mut rows: BTreeMap<&str, u64> = BTreeMap::new();
        for some in asked.chunks(AT_ONCE) {
            let greatest = some.iter().map(|table| {
                let word = self.tables.get(*table).copied().unwrap_or("rowid");
                format!("(SELECT max({word}) FROM {})", quoted(table))
            });
            let sql = format!("SELECT {}", greatest.collect::<Vec<_>>().join(", "));
            let found = database.query(&Statement::new(sql)).await?;
            for (table, value) in some.iter().zip(found.rows.into_iter().flatten()) {
                let greatest = value.as_integer().filter(|number| *number <= MOST_ROWS);
                let greatest = greatest.and_then(|number| u64::try_from(number).ok());
                rows.insert(table, greatest.unwrap_or_default());
            }
        }
        let of = |table: &String| rows.get(table.as_str()).copied().unwrap_or_default();
        let costs = self.found.iter().filter_map(|Read { at, what, tables }| {
            let reads: u64 = tables.iter().map(|(table, times)| of(table) * times).sum();
            let each: Vec<String> =
                tables.iter().map(|(table, _)| format!("{table}: {}", of(table))).collect();
            (reads > big).then(|| Finding {
                rule: "reads-much".to_owned(),
                severity: Severity::Note,
                at: Some(at.clone()),
                message: format!(
                    "{what}, which is billed as about {reads} rows read ({})",
                    each.join(", ")
                ),
                hint: Some("choose a time when few wait for the database".to_owned()),
            })
        });
        Ok(costs.collect())
    }
}

fn selects(sql: &str) -> bool {
    words(sql).into_iter().any(|word| word.eq_ignore_ascii_case("select"))
}
