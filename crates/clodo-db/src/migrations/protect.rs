use super::{
    file::MigrationFile,
    meaning::{NoSql, Step, steps},
    reads::Reads,
    rebuild::Rebuild,
    replay::{Replay, said},
    schema::Schema,
    script::Script,
    untouched::{Tracing, Untouched},
    work::Work,
};
use clodo_sqlite::rusqlite;
use clodo_types::{Finding, Location, Severity};
use std::fmt;

/// A migration as it is carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Protected {
    /// All statements, in the order in which they run in one transaction.
    pub sql: String,
    /// The tables that are made anew.
    pub rebuilds: Vec<Rebuild>,
    /// The schema afterwards, as far as the file changes it.
    pub schema: Schema,
}

/// A migration that is not carried out; its finding says where and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub Box<Finding>);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = &self.0.at {
            write!(f, "{at}: ")?;
        }
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Refusal {}

/// Works out how a file is carried out on a database with this schema, so that no row is lost that
/// it does not name; nothing is asked and nothing is written.
///
/// A table that is made anew, filled from the old one and put in its place (as drizzle, Prisma, Atlas
/// and SQLite's own documentation do it) keeps the rows of all tables that refer to it. Every other
/// `DROP TABLE` is refused, unless a comment `-- clodo:allow drop-table REASON` stands before it.
///
/// # Errors
/// When the file is no SQL, does not fit the schema, or would lose rows.
pub fn protect(schema: &Schema, file: &MigrationFile) -> Result<Protected, Refusal> {
    let mut trial = Trial::on(schema.clone());
    let Tried { sql, rebuilds, .. } = trial.protect(file)?;
    Ok(Protected { sql, rebuilds, schema: trial.schema })
}

/// The schema that files make of one, each worked out on what those before it made, as [`protect`] does
/// it.
///
/// # Errors
/// As for [`protect`], for the first file that is refused.
pub fn protect_all<'f>(
    schema: &Schema,
    files: impl IntoIterator<Item = &'f MigrationFile>,
) -> Result<Schema, Refusal> {
    let mut trial = Trial::on(schema.clone());
    for file in files {
        trial.protect(file)?;
    }
    Ok(trial.schema)
}

/// Files that are tried one after the other, each on what those before it made.
#[derive(Debug)]
pub(super) struct Trial {
    schema: Schema,
    replay: Option<Replay>,
    /// Somebody asks what becomes of the values that are there, and what is read of them.
    watches: bool,
    watch: Option<Watch>,
}

/// What is seen of the rows that are there while files are tried.
#[derive(Debug)]
struct Watch {
    tracing: Tracing,
    reads: Reads,
}

impl Watch {
    fn on(replay: &Replay) -> Result<Self, rusqlite::Error> {
        Ok(Self { tracing: Tracing::on(replay)?, reads: Reads::on(replay)? })
    }
}

/// A file that fits.
#[derive(Debug)]
pub(super) struct Tried {
    pub(super) sql: String,
    pub(super) rebuilds: Vec<Rebuild>,
    /// The schema before it.
    pub(super) before: Schema,
}

impl Trial {
    pub(super) fn on(schema: Schema) -> Self {
        Self { schema, replay: None, watches: false, watch: None }
    }

    /// The same for who asks what becomes of the values that are there.
    pub(super) fn watching(schema: Schema) -> Self {
        Self { watches: true, ..Self::on(schema) }
    }

    /// What became of them; nothing where nobody asked, or before the first file.
    pub(super) fn watched(self) -> (Untouched, Reads) {
        self.watch.map(|Watch { tracing, reads }| (tracing.end(), reads)).unwrap_or_default()
    }

    /// The schema that the files so far make.
    pub(super) fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The same, for questions; none before the first file.
    pub(super) fn replay(&self) -> Option<&Replay> {
        self.replay.as_ref()
    }

    /// Refuses a file behind which a view or a trigger fails that worked before.
    fn still_works(
        &self,
        replay: &Replay,
        file: &MigrationFile,
        steps: &[Step<'_>],
    ) -> Result<(), Refusal> {
        const RULE: &str = "breaks-schema";
        let changes = |step: &&Step<'_>| step.meaning.changes_schema();
        let Some(last) = steps.iter().rev().find(changes) else { return Ok(()) };
        if steps.iter().any(|step| step.allows(RULE)) {
            return Ok(());
        }
        let failed = |error: rusqlite::Error| Failed::Sql(error).at(file, last);
        let broken = replay.broken().map_err(failed)?;
        if broken.is_empty() {
            return Ok(());
        }
        let earlier = Replay::of(&self.schema).map_err(failed)?;
        let before = earlier.broken().map_err(failed)?;
        let is_new = |(what, _): &&(String, String)| before.iter().all(|(known, _)| known != what);
        match broken.iter().find(is_new) {
            Some((what, why)) => {
                let (kind, name) = what.split_once(' ').unwrap_or_default();
                let (says, hint) = match earlier.has(kind, name).map_err(failed)? {
                    true => ("no longer works", hint(RULE)),
                    false => ("does not work", "make what it names first, or in the same file"),
                };
                let why = format!("{what} {says} behind it: {why}");
                Err(refusal(file, last.piece.offset, RULE, why, hint))
            }
            None => Ok(()),
        }
    }

    /// The next file, as [`protect`] does it. After a refusal there is no next one.
    pub(super) fn protect(&mut self, file: &MigrationFile) -> Result<Tried, Refusal> {
        let steps = steps(&file.sql).map_err(|NoSql { offset, message }| {
            refusal(file, offset, "migration-unreadable", message, "correct the statement")
        })?;
        let replay = match self.replay.take() {
            Some(replay) => replay,
            None => Replay::of(&self.schema).map_err(|error| {
                let why = said(&error).0;
                let message = format!("the schema of the database cannot be read: {why}");
                refusal(file, 0, "schema-unreadable", message, UNREADABLE)
            })?,
        };
        let unreadable = |error: rusqlite::Error| {
            refusal(file, 0, "schema-unreadable", said(&error).0, UNREADABLE)
        };
        if self.watches && self.watch.is_none() {
            self.watch = Some(Watch::on(&replay).map_err(unreadable)?);
        }
        let mut script = Script::on(&replay);
        let mut work = Work::of(&steps);
        for (at, step) in steps.iter().enumerate() {
            let failed = |error: rusqlite::Error| Failed::Sql(error).at(file, step);
            if let Some(watch) = &mut self.watch {
                watch.reads.before(&replay, file, step);
                watch.tracing.before(&replay, step).map_err(failed)?;
            }
            work.step(&mut script, at).map_err(|failed| replay.explained(failed).at(file, step))?;
            if let Some(watch) = &mut self.watch {
                watch.tracing.behind(&replay, step).map_err(failed)?;
            }
        }
        let rebuilds = work.rebuilds;
        if let Some(watch) = &mut self.watch {
            watch.reads.behind(file, &steps, &rebuilds);
        }
        self.still_works(&replay, file, &steps)?;
        let sql = match steps.iter().any(|step| step.meaning.is_hazard()) {
            true => script.guarded(&self.schema, !rebuilds.is_empty()),
            false => script.plain(),
        };
        let mut after = replay.schema().map_err(|error| {
            let message = format!("the schema that it makes cannot be read: {}", said(&error).0);
            refusal(file, 0, "schema-unreadable", message, "correct the last statement")
        })?;
        after.records.clone_from(&self.schema.records);
        self.replay = Some(replay);
        let before = std::mem::replace(&mut self.schema, after);
        Ok(Tried { sql, rebuilds, before })
    }
}

/// Why a statement is not carried out.
#[derive(Debug)]
pub(super) enum Failed {
    Sql(rusqlite::Error),
    Refused { rule: &'static str, why: String },
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl Failed {
    fn at(self, file: &MigrationFile, step: &Step<'_>) -> Refusal {
        match self {
            Self::Sql(error) => {
                let (message, offset) = said(&error);
                let offset = step.piece.offset + offset.min(step.piece.text.len());
                let there = ["already exists", "duplicate column name"];
                let hint = match there.iter().any(|said| message.contains(said)) {
                    true => format!(
                        "correct the statement; if the database has all of it for another reason, \
                         `clodo-db baseline {}` records it as applied",
                        file.name
                    ),
                    false => "correct the statement".to_owned(),
                };
                refusal(file, offset, "migration-fails", message, &hint)
            }
            Self::Refused { rule, why } => refusal(file, step.piece.offset, rule, why, hint(rule)),
        }
    }
}

fn hint(rule: &str) -> &'static str {
    match rule {
        "drop-table" => {
            "leave the table where it is, or write `-- clodo:allow drop-table REASON` on the line \
             before when nothing needs it any more"
        }
        "drop-referenced" => {
            "drop the tables that refer to it first, or make them anew without the reference"
        }
        "rebuild-by-renaming" => {
            "make the new table under another name, fill it from the old one, drop the old one and \
             rename the new one"
        }
        "rebuild-unfinished" => "rename the new table right after the old one is dropped",
        "drop-column" => {
            "leave the column where it is, or write `-- clodo:allow drop-column REASON` on the line \
             before when no version that serves reads it"
        }
        "breaks-schema" => "make it anew in the same file, or drop it",
        "quoted-text" => "write a text in single quotes, and a column that is there in double ones",
        "rebuild-mixes-columns" => "name the columns on both sides in the same order",
        "rebuild-renumbers" => {
            "copy `rowid`, too: `INSERT INTO new (rowid, …) SELECT rowid, … FROM old`"
        }
        "reserved" => "leave it as it is: `clodo-db repair` and `baseline` write the records",
        "delete-all" => {
            "say that it is meant on the line before: `-- clodo:allow delete-all REASON`"
        }
        "delete-cascades" => {
            "say that it is meant on the line before: `-- clodo:allow delete-cascades REASON`"
        }
        "replace-cascades" => {
            "say that it is meant on the line before: `-- clodo:allow replace-cascades REASON`"
        }
        "update-cascades" => {
            "say that it is meant on the line before: `-- clodo:allow update-cascades REASON`"
        }
        "transaction" => "leave it out: a file is applied whole or not at all",
        "parameters" => "write the values",
        "unknown-module" => "change it with the program that brings the module",
        _ => "write another migration that does it in smaller steps",
    }
}

fn refusal(
    file: &MigrationFile,
    offset: usize,
    rule: &str,
    message: String,
    hint: &str,
) -> Refusal {
    Refusal(Box::new(Finding {
        rule: rule.to_owned(),
        severity: Severity::Block,
        at: Some(Location::of_offset(&file.path, &file.sql, offset)),
        message,
        hint: Some(hint.to_owned()),
    }))
}

const UNREADABLE: &str =
    "it uses what is not known here, or it is damaged: `PRAGMA quick_check` tells";
