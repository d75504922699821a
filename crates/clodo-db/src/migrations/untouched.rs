//! What migrations leave as it is, and whether it is so.

use super::{
    fill::{Fill, FillColumn},
    meaning::{Meaning, Step},
    replay::{NUMBERS, Replay},
    trigger::{Event, Trigger},
};
use crate::{
    backup::{BackupError, Columns, Fingerprint, fingerprints},
    database::Database,
};
use clodo_sqlite::rusqlite::Error;
use std::collections::{BTreeMap, BTreeSet};

/// The values that migrations have no business with: of each ordinary table all columns that no statement
/// of theirs names, follows to or works out, under the names that they have before and behind.
///
/// Where nobody else writes meanwhile, they are the same before and behind, row for row, in whatever order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Untouched(Vec<Pair>);

/// What the untouched values were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frozen(Vec<Option<Fingerprint>>);

/// Some columns of a table, before and behind.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pair {
    before: Columns,
    behind: Columns,
}

impl Untouched {
    /// How many tables have such values.
    #[must_use]
    pub fn tables(&self) -> usize {
        self.0.len()
    }

    /// Reads all of them before the migrations.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn freeze(&self, database: &dyn Database) -> Result<Frozen, BackupError> {
        fingerprints(database, self.0.iter().map(|pair| &pair.before)).await.map(Frozen)
    }

    /// Reads all of them again, and says which tables hold others.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn changed(
        &self,
        database: &dyn Database,
        frozen: &Frozen,
    ) -> Result<Vec<String>, BackupError> {
        let now = fingerprints(database, self.0.iter().map(|pair| &pair.behind)).await?;
        let differs = self.0.iter().zip(frozen.0.iter().zip(&now));
        let differs = differs.filter(|(_, (before, now))| before != now);
        Ok(differs.map(|(pair, _)| pair.before.table.clone()).collect())
    }
}

impl Frozen {
    /// How many rows were read.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.0.iter().flatten().map(|one| one.rows).sum()
    }
}

/// Follows the values of tables through the statements of migrations.
#[derive(Debug)]
pub(super) struct Tracing {
    /// By the name that a table has now, in lower case.
    tables: BTreeMap<String, Traced>,
    /// Tables that are gone, with what they were at first, unless a new one in their place may have fewer rows.
    dropped: BTreeMap<String, String>,
    /// What was followed already, on the schema as it is.
    followed: BTreeSet<Meaning>,
    /// The columns of a table that a statement is about to alter.
    altered: Vec<String>,
}

#[derive(Clone, Debug)]
struct Traced {
    /// What the table was called at first.
    origin: String,
    /// The columns that hold what a column held at first: its name now, in lower case, and then.
    columns: BTreeMap<String, Origin>,
    /// It has the rows of another one, and not its name yet.
    is_copy: bool,
}

#[derive(Clone, Debug)]
struct Origin {
    name: String,
    /// The type that it was declared with: another one changes values.
    declared: String,
}

impl Tracing {
    pub(super) fn on(replay: &Replay) -> Result<Self, Error> {
        let mut tables = BTreeMap::new();
        for name in replay.ordinary_tables()? {
            let columns = replay.declared(&name)?.into_iter().map(|(column, declared)| {
                (column.to_ascii_lowercase(), Origin { name: column, declared })
            });
            let columns = columns.collect();
            let traced = Traced { origin: name.clone(), columns, is_copy: false };
            tables.insert(name.to_ascii_lowercase(), traced);
        }
        let (dropped, followed, altered) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        Ok(Self { tables, dropped, followed, altered })
    }

    /// Before a statement is carried out on the schema.
    pub(super) fn before(&mut self, replay: &Replay, step: &Step<'_>) -> Result<(), Error> {
        match &step.meaning {
            Meaning::Insert { into, from: Some(from), replaces: false, .. }
                if !replay.replaces(into)?
                    && !self.tables.contains_key(into)
                    && self.tables.contains_key(from) =>
            {
                self.copied(replay, step, (from, into))?;
            }
            meaning
            @ (Meaning::Insert { .. } | Meaning::Delete { .. } | Meaning::Update { .. }) => {
                self.follow(replay, meaning)?;
            }
            Meaning::DropTable { name } => {
                let gone = self.tables.remove(name).filter(|_| !step.allows("rebuild-filters"));
                if let Some(Traced { origin, .. }) = gone {
                    self.dropped.insert(name.clone(), origin);
                }
                // Rows that refer to others of it go by that, of which triggers hear.
                if replay.children(name)?.iter().any(|one| one.table.eq_ignore_ascii_case(name)) {
                    self.heard(replay, name, Event::Delete)?;
                    self.heard(replay, name, Event::Update)?;
                }
            }
            Meaning::DropColumn { table, column } => {
                if let Some(traced) = self.tables.get_mut(table) {
                    traced.columns.remove(column);
                }
            }
            Meaning::Alter { table } => self.altered = replay.columns(table)?,
            _ => {}
        }
        Ok(())
    }

    /// Behind it.
    pub(super) fn behind(&mut self, replay: &Replay, step: &Step<'_>) -> Result<(), Error> {
        if step.meaning.changes_schema() {
            self.followed.clear();
        }
        match &step.meaning {
            Meaning::Rename { from, to } => self.renamed(replay, from, to),
            Meaning::Alter { table } => {
                let names = replay.columns(table)?;
                let Some(traced) = self.tables.get_mut(table) else { return Ok(()) };
                for (old, new) in std::mem::take(&mut self.altered).into_iter().zip(names) {
                    if old != new
                        && let Some(origin) = traced.columns.remove(&old.to_ascii_lowercase())
                    {
                        traced.columns.insert(new.to_ascii_lowercase(), origin);
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A new table gets the rows of an old one.
    fn copied(
        &mut self,
        replay: &Replay,
        step: &Step<'_>,
        (from, into): (&str, &str),
    ) -> Result<(), Error> {
        let (Some(source), Some(fill)) = (self.tables.get(from), Fill::of(step.piece.text)) else {
            return Ok(());
        };
        let (old, new) = (replay.visible_columns(from)?, replay.columns(into)?);
        let new: Vec<String> = new.iter().map(|name| name.to_ascii_lowercase()).collect();
        let plain = fill.pairs(&old, &new).filter_map(|(value, column)| match value {
            FillColumn::Plain(name) => Some((column.clone(), source.columns.get(&name)?.clone())),
            _ => None,
        });
        let columns = plain.collect();
        let traced = Traced { origin: source.origin.clone(), columns, is_copy: true };
        self.tables.insert(into.to_owned(), traced);
        self.heard(replay, into, Event::Insert)
    }

    fn renamed(&mut self, replay: &Replay, from: &str, to: &str) -> Result<(), Error> {
        let Some(mut traced) = self.tables.remove(from) else { return Ok(()) };
        if traced.is_copy && self.dropped.get(to) == Some(&traced.origin) {
            traced.is_copy = false;
            let declared = replay.declared(to)?;
            traced.columns.retain(|column, origin| {
                declared.iter().any(|(name, declared)| {
                    name.eq_ignore_ascii_case(column)
                        && declared.eq_ignore_ascii_case(&origin.declared)
                })
            });
        }
        self.tables.insert(to.to_owned(), traced);
        Ok(())
    }

    /// Leaves out all that a statement may change, by itself and by what it sets off.
    fn follow(&mut self, replay: &Replay, meaning: &Meaning) -> Result<(), Error> {
        if !self.followed.insert(meaning.clone()) {
            return Ok(());
        }
        match meaning {
            Meaning::Delete { table, .. } => {
                self.tables.remove(table);
                self.gone(replay, table)?;
                self.heard(replay, table, Event::Delete)
            }
            Meaning::Insert { into, replaces, upsert, .. } => {
                self.tables.remove(into);
                if *replaces || replay.replaces(into)? {
                    self.gone(replay, into)?;
                }
                if !upsert.is_empty() {
                    let (table, columns) = (into.clone(), upsert.clone());
                    self.follow(replay, &Meaning::Update { table, columns, replaces: false })?;
                }
                self.heard(replay, into, Event::Insert)
            }
            Meaning::Update { table, columns, replaces } => {
                if *replaces || replay.replaces(table)? {
                    self.tables.remove(table);
                    self.gone(replay, table)?;
                }
                let numbers = columns.iter().any(|column| NUMBERS.contains(&column.as_str()));
                let number = replay.number_column(table)?.filter(|_| numbers);
                if let Some(traced) = self.tables.get_mut(table) {
                    traced.columns.retain(|column, _| {
                        let is_number = |number: &String| number.eq_ignore_ascii_case(column);
                        !columns.contains(column) && !number.as_ref().is_some_and(is_number)
                    });
                }
                for child in replay.children(table)? {
                    if child.on_update != "NO ACTION"
                        && child.on_update != "RESTRICT"
                        && replay.is_referred(table, columns, child.to.as_deref())?
                    {
                        self.follow(replay, &update(&child.table, child.from))?;
                    }
                }
                self.heard(replay, table, Event::Update)
            }
            _ => Ok(()),
        }
    }

    /// Rows of a table go, or may.
    fn gone(&mut self, replay: &Replay, table: &str) -> Result<(), Error> {
        for child in replay.children(table)? {
            match child.on_delete.as_str() {
                "CASCADE" => {
                    let table = child.table.to_ascii_lowercase();
                    self.follow(replay, &Meaning::Delete { table, all: false })?;
                }
                "SET NULL" | "SET DEFAULT" => {
                    self.follow(replay, &update(&child.table, child.from))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What triggers do then; of an update, those on any of its columns.
    fn heard(&mut self, replay: &Replay, table: &str, event: Event) -> Result<(), Error> {
        for (_, Trigger { event: heard, acts, .. }) in replay.triggers(table)? {
            for act in acts.iter().filter(|_| heard == event) {
                self.follow(replay, act)?;
            }
        }
        Ok(())
    }

    /// What is left, by the names that tables and columns have now.
    pub(super) fn end(self) -> Untouched {
        let pairs = self.tables.into_iter().filter(|(_, traced)| !traced.is_copy);
        let pairs = pairs.map(|(table, Traced { origin, columns, .. })| {
            let (behind, before) = columns.into_iter().map(|(now, then)| (now, then.name)).unzip();
            Pair {
                before: Columns { table: origin, names: before },
                behind: Columns { table, names: behind },
            }
        });
        Untouched(pairs.collect())
    }
}

fn update(table: &str, column: String) -> Meaning {
    Meaning::Update { table: table.to_ascii_lowercase(), columns: vec![column], replaces: false }
}
