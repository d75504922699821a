//! A migration out of the difference between two schemas.

use super::{
    column::{Column, columns, renamed},
    drift::{Names, SchemaDrift},
    file::MigrationFile,
    protect::{Refusal, protect},
    replay::{Replay, listed, said},
    schema::{Schema, SchemaObject},
};
use crate::{
    identifier::quoted,
    split::{folded, words, words_with_places},
};
use clodo_sqlite::rusqlite;
use std::collections::BTreeSet;

/// The text of a migration file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Composed {
    /// The statements; empty when the schemas are the same.
    pub sql: String,
    /// What a person has to decide before it is applied.
    pub notes: Vec<String>,
}

/// There is no migration that could be written without guessing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ComposeError {
    /// Something has to be written by hand.
    #[error("{0}")]
    ByHand(String),
    /// A statement that was written does not run.
    #[error("`{statement}` does not run: {why}")]
    Fails {
        /// The statement.
        statement: String,
        /// What SQLite says.
        why: String,
    },
    /// What was written would not be applied.
    #[error(transparent)]
    Refused(Refusal),
    /// What was written makes another schema: the first of the differences.
    #[error("what was written would not make the desired schema: {} {} differs", .0.object, .0.name)]
    Differs(Box<SchemaDrift>),
    /// A schema cannot be made in memory.
    #[error("a schema cannot be read: {0}")]
    Schema(String),
}

impl From<rusqlite::Error> for ComposeError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Schema(said(&error).0)
    }
}

/// Writes the statements that turn one schema into another. Names are never guessed: what is gone is
/// dropped, what is new is made, and a note says where that may have been a rename. Whatever takes rows or
/// values away is written without the comment that would allow it, so that it is refused until a person
/// gives the reason.
///
/// What is given was tried: applied to `from`, it makes `desired`.
///
/// # Errors
/// When there is something that only a person can decide.
pub fn compose(from: &Schema, desired: &Schema) -> Result<Composed, ComposeError> {
    let (replay, wanted) = (Replay::of(from)?, Replay::of(desired)?);
    let mut work = Work {
        names: Names::of([from, desired]),
        shadows: replay.virtuals()?.0.into_iter().chain(wanted.virtuals()?.0).collect(),
        virtuals: replay.virtuals()?.1.into_iter().chain(wanted.virtuals()?.1).collect(),
        replay,
        from,
        desired,
        statements: Vec::new(),
        notes: Vec::new(),
    };
    let changes = work.changes()?;
    work.put_code_aside(&changes)?;
    work.make_tables()?;
    for change in &changes {
        work.change(change)?;
    }
    work.drop_tables()?;
    work.make_the_rest()?;
    work.prove()?;
    let sql = work.statements.iter().map(|sql| format!("{sql};\n")).collect();
    Ok(Composed { sql, notes: work.notes })
}

struct Work<'a> {
    /// The schema after all that is written so far.
    replay: Replay,
    names: Names,
    from: &'a Schema,
    desired: &'a Schema,
    shadows: BTreeSet<String>,
    virtuals: BTreeSet<String>,
    statements: Vec<String>,
    notes: Vec<String>,
}

/// What becomes of a table that both schemas have.
struct Change<'a> {
    table: &'a SchemaObject,
    /// The definitions of new columns.
    added: Vec<&'a str>,
    /// To add them is enough.
    adds: bool,
    drops: Vec<String>,
}

impl<'a> Work<'a> {
    fn push(&mut self, sql: impl Into<String>) -> Result<(), ComposeError> {
        let mut sql = sql.into();
        // A comment at the end would take the semicolon along.
        if let Some((at, word)) = words_with_places(&sql).pop() {
            sql.truncate(at + word.len());
        }
        if let Err(error) = self.replay.run(&sql) {
            return Err(ComposeError::Fails { statement: sql, why: said(&error).0 });
        }
        self.statements.push(sql);
        Ok(())
    }

    /// Tables of a schema, but for those that belong to virtual ones.
    fn tables(&self, schema: &'a Schema) -> impl Iterator<Item = &'a SchemaObject> + use<'a> {
        let shadows = self.shadows.clone();
        let own = move |one: &&SchemaObject| !shadows.contains(&one.name.to_ascii_lowercase());
        schema.objects.iter().filter(|one| one.kind == "table").filter(own)
    }

    fn changes(&self) -> Result<Vec<Change<'a>>, ComposeError> {
        let mut changes = Vec::new();
        for table in self.tables(self.desired) {
            let Some(old) = twin(self.from, table) else { continue };
            if self.names.make_same(&old.sql, &table.sql) {
                continue;
            }
            if self.virtuals.contains(&table.name.to_ascii_lowercase()) {
                let why = format!("virtual table {} is another one", table.name);
                return Err(ComposeError::ByHand(why));
            }
            let (before, after) = (columns(&old.sql), columns(&table.sql));
            let lacks = |all: &[Column<'_>], one: &Column<'_>| {
                all.iter().all(|other| other.name != one.name)
            };
            let added: Vec<&Column<'_>> = after.iter().filter(|one| lacks(&before, one)).collect();
            let dropped = before.iter().filter(|one| lacks(&after, one));
            let drops: Vec<String> = dropped.map(|one| one.name.clone()).collect();
            let added: Vec<&str> = added.iter().map(|one| one.definition).collect();
            let adds = drops.is_empty() && addable(self.from, table, &added, &self.names)?;
            changes.push(Change { table, added, adds, drops });
        }
        Ok(changes)
    }

    /// Drops indexes, views and triggers that are gone or others, and what stands in the way of a table
    /// that is made anew: it is made again behind it.
    fn put_code_aside(&mut self, changes: &[Change<'_>]) -> Result<(), ComposeError> {
        let moved = changes.iter().filter(|change| !change.adds);
        let moved: BTreeSet<String> =
            moved.map(|change| change.table.name.to_ascii_lowercase()).collect();
        let gone: BTreeSet<String> = self
            .tables(self.from)
            .filter(|table| twin(self.desired, table).is_none())
            .map(|table| table.name.to_ascii_lowercase())
            .collect();
        let mut names: BTreeSet<String> = moved.union(&gone).cloned().collect();
        let mut aside: Vec<&SchemaObject> = Vec::new();
        loop {
            let before = aside.len();
            for one in self.from.objects.iter().filter(|one| one.kind != "table") {
                let same = twin(self.desired, one)
                    .is_some_and(|twin| self.names.make_same(&twin.sql, &one.sql));
                let in_the_way = one.kind != "index" && mentions(&one.sql, &names);
                // It goes with its table.
                let goes = gone.contains(&one.table.to_ascii_lowercase()) && one.kind == "index";
                if (same && !in_the_way) || goes || aside.contains(&one) {
                    continue;
                }
                aside.push(one);
                if one.kind == "view" {
                    names.insert(one.name.to_ascii_lowercase());
                }
            }
            if aside.len() == before {
                break;
            }
        }
        let order = ["trigger", "view", "index"];
        aside.sort_by_key(|one| order.iter().position(|kind| *kind == one.kind));
        for one in aside {
            // A view has taken its triggers along.
            if self.replay.has(&one.kind, &one.name)? {
                let kind = one.kind.to_ascii_uppercase();
                self.push(format!("DROP {kind} {}", quoted(&one.name)))?;
            }
        }
        Ok(())
    }

    fn make_tables(&mut self) -> Result<(), ComposeError> {
        let is_new = |table: &&SchemaObject| twin(self.from, table).is_none();
        let new: Vec<&SchemaObject> = self.tables(self.desired).filter(is_new).collect();
        let is_gone = |table: &&SchemaObject| twin(self.desired, table).is_none();
        let gone: Vec<&SchemaObject> = self.tables(self.from).filter(is_gone).collect();
        if let ([new, ..], [gone, ..]) = (&new[..], &gone[..]) {
            self.notes.push(format!(
                "table {} is new and table {} is gone: if it is the same one under another name, write \
                 `ALTER TABLE {} RENAME TO {};` instead",
                new.name,
                gone.name,
                quoted(&gone.name),
                quoted(&new.name)
            ));
        }
        for table in new {
            self.push(table.sql.clone())?;
        }
        Ok(())
    }

    fn change(&mut self, change: &Change<'_>) -> Result<(), ComposeError> {
        let (name, table) = (&change.table.name, quoted(&change.table.name));
        for column in &change.drops {
            let sql = format!("ALTER TABLE {table} DROP COLUMN {}", quoted(column));
            if let Err(ComposeError::Fails { why, .. }) = self.push(sql) {
                return Err(ComposeError::ByHand(format!(
                    "column {column} of table {name} is gone, and cannot be dropped: {why}"
                )));
            }
            let renamed = match change.added.is_empty() {
                true => "",
                false => ", or `ALTER TABLE … RENAME COLUMN` if it only has another name",
            };
            self.notes.push(format!(
                "column {column} of table {name} goes with its values: write `-- clodo:allow drop-column \
                 REASON` before it{renamed}"
            ));
        }
        if change.adds || addable(&self.replay.schema()?, change.table, &change.added, &self.names)?
        {
            return self.add(change);
        }
        self.rebuild(change.table)
    }

    fn add(&mut self, change: &Change<'_>) -> Result<(), ComposeError> {
        let name = &change.table.name;
        for definition in &change.added {
            self.push(format!("ALTER TABLE {} ADD COLUMN {definition}", quoted(name)))?;
        }
        let added = columns(&change.table.sql);
        for column in added.into_iter().filter(|one| change.added.contains(&one.definition)) {
            let column = column.name;
            if needs_value(&self.replay, name, &column) {
                self.notes.push(format!(
                    "column {column} of table {name} is NOT NULL without a default: it can only be \
                     added while the table has no rows"
                ));
            }
        }
        Ok(())
    }

    /// In the way that is recognised and keeps the rows of all tables that refer to it.
    fn rebuild(&mut self, table: &SchemaObject) -> Result<(), ComposeError> {
        let (name, mut by) = (&table.name, format!("__new_{}", table.name));
        while self.replay.has("table", &by)?
            || self.replay.has("view", &by)?
            || self.replay.has("index", &by)?
        {
            by.push('_');
        }
        let Some(make) = renamed(&table.sql, &by) else {
            return Err(ComposeError::ByHand(format!("table {name} is another one")));
        };
        let before = self.replay.columns(name)?;
        let number = self.replay.rowid(name)?;
        self.push(make)?;
        let after = self.replay.columns(&by)?;
        let kept_by = |one: &&String| after.iter().any(|other| other.eq_ignore_ascii_case(one));
        // Those that the desired table does not have at all are gone by now.
        if let Some(lost) = before.iter().find(|one| !kept_by(one)) {
            let why = format!(
                "column {lost} of table {name} would be worked out anew, and its values would go"
            );
            return Err(ComposeError::ByHand(why));
        }
        let has = |one: &&String| before.iter().any(|other| other.eq_ignore_ascii_case(one));
        let (kept, new): (Vec<String>, Vec<String>) =
            after.iter().cloned().partition(|one| has(&one));
        if kept.is_empty() {
            let why = format!("table {name} keeps none of its columns");
            return Err(ComposeError::ByHand(why));
        }
        // Rows keep their numbers where no column shows them.
        let number = match (number, self.replay.rowid(&by)?) {
            (Some(one), Some(other)) if one == other => format!("{one}, "),
            _ => String::new(),
        };
        let (all, old, fresh) = (listed(&kept, ""), quoted(name), quoted(&by));
        self.push(format!("INSERT INTO {fresh} ({number}{all}) SELECT {number}{all} FROM {old}"))?;
        self.push(format!("DROP TABLE {old}"))?;
        self.push(format!("ALTER TABLE {fresh} RENAME TO {old}"))?;
        for column in new.into_iter().filter(|column| needs_value(&self.replay, name, column)) {
            self.notes.push(format!(
                "column {column} of table {name} is new, NOT NULL and without a default: write into the \
                 INSERT what rows that are there get"
            ));
        }
        Ok(())
    }

    /// Whoever refers to others goes first.
    fn drop_tables(&mut self) -> Result<(), ComposeError> {
        let is_gone = |table: &&SchemaObject| twin(self.desired, table).is_none();
        let mut gone: Vec<&SchemaObject> = self.tables(self.from).filter(is_gone).collect();
        while !gone.is_empty() {
            let references = self.replay.references()?;
            let referred = |one: &SchemaObject| {
                let name = one.name.to_ascii_lowercase();
                gone.iter().any(|other| {
                    let other = other.name.to_ascii_lowercase();
                    other != name && references.get(&other).is_some_and(|to| to.contains(&name))
                })
            };
            let at = gone.iter().position(|one| !referred(one)).unwrap_or(0);
            let table = gone.remove(at);
            match self.push(format!("DROP TABLE {}", quoted(&table.name))) {
                // Tables of a circle may need one another to go.
                Err(ComposeError::Fails { why, .. }) => {
                    let name = &table.name;
                    let why = format!("table {name} is gone, and cannot be dropped: {why}");
                    return Err(ComposeError::ByHand(why));
                }
                dropped => dropped?,
            }
            self.notes.push(format!(
                "table {} goes with its rows: write `-- clodo:allow drop-table REASON` before it",
                table.name
            ));
        }
        Ok(())
    }

    fn make_the_rest(&mut self) -> Result<(), ComposeError> {
        for one in &self.desired.objects {
            if one.kind != "table" && !self.replay.has(&one.kind, &one.name)? {
                self.push(one.sql.clone())?;
            }
        }
        Ok(())
    }

    /// Carries all of it out as it would be, and compares.
    fn prove(&self) -> Result<(), ComposeError> {
        let allowed = |sql: &String| {
            format!(
                "-- clodo:allow drop-table to try it\n-- clodo:allow drop-column to try it\n{sql};\n"
            )
        };
        let sql: String = self.statements.iter().map(allowed).collect();
        let file = MigrationFile::new("composed.sql", "composed.sql", sql);
        let made = protect(self.from, &file).map_err(ComposeError::Refused)?.schema;
        for made in [made, self.replay.schema()?] {
            if let Some(first) = self.desired.drift(&made).into_iter().next() {
                return Err(ComposeError::Differs(Box::new(first)));
            }
        }
        Ok(())
    }
}

/// Whether a table becomes what it is to be when columns are added to it.
fn addable(
    base: &Schema,
    table: &SchemaObject,
    added: &[&str],
    names: &Names,
) -> Result<bool, ComposeError> {
    let scratch = Replay::of(base)?;
    let name = quoted(&table.name);
    let before = scratch.sql_of("table", &table.name)?.unwrap_or_default();
    for definition in added {
        if scratch.run(&format!("ALTER TABLE {name} ADD COLUMN {definition}")).is_err() {
            return Ok(false);
        }
        // What SQLite refuses only where there are rows.
        let row = Replay::empty()?;
        let names: Vec<String> = columns(&before).into_iter().map(|one| one.name).collect();
        row.run(&format!("CREATE TABLE t ({}); INSERT INTO t DEFAULT VALUES", listed(&names, "")))?;
        match row.run(&format!("ALTER TABLE t ADD COLUMN {definition}")) {
            // Nor would it be copied: that is for a person to decide.
            Err(error) if !said(&error).0.contains("NOT NULL") => return Ok(false),
            _ => {}
        }
    }
    let made = scratch.sql_of("table", &table.name)?.unwrap_or_default();
    Ok(names.make_same(&made, &table.sql))
}

/// Whether rows that are there would have to get a value that nobody gave.
fn needs_value(replay: &Replay, table: &str, column: &str) -> bool {
    let sql =
        "SELECT name FROM pragma_table_info(?) WHERE \"notnull\" AND dflt_value IS NULL AND NOT pk";
    let all = replay.texts(sql, table).unwrap_or_default();
    all.iter().any(|name| name.eq_ignore_ascii_case(column))
}

/// The same thing in another schema.
fn twin<'s>(schema: &'s Schema, one: &SchemaObject) -> Option<&'s SchemaObject> {
    let is_it = |other: &&SchemaObject| {
        other.kind == one.kind && other.name.eq_ignore_ascii_case(&one.name)
    };
    schema.objects.iter().find(is_it)
}

/// Whether a statement may be about one of these, all in lower case.
pub(super) fn mentions(sql: &str, names: &BTreeSet<String>) -> bool {
    let sql = sql.to_ascii_lowercase();
    // A name with quotes in it is more than one word.
    words(&sql).into_iter().any(|word| names.contains(&folded(word)))
        || names.iter().any(|name| name.contains(['"', '`', '\'']) && sql.contains(&quoted(name)))
}
