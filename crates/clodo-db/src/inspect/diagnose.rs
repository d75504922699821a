use super::{facts::Facts, keys, numbers, redundant, scans::Scans, structure::Table};
use crate::{
    database::Database,
    error::{DatabaseError, DatabaseErrorKind},
    migrations::{
        RECORDS, Schema,
        replay::{Replay, said},
    },
};
use clodo_sqlite::rusqlite;
use clodo_types::Location;
use serde::Serialize;

/// What [`diagnose`] needs to know.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DiagnoseOptions {
    /// The table that records migrations, which is left out.
    pub records: String,
    /// Statements that are run in the database. None of them is run here: SQLite is asked how it
    /// would, on an empty database with the same schema.
    pub statements: Vec<SourceStatement>,
    /// A table with more rows is big.
    pub big: u64,
}

impl Default for DiagnoseOptions {
    fn default() -> Self {
        Self { records: RECORDS.to_owned(), statements: Vec::new(), big: 1_000_000 }
    }
}

/// A statement that somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceStatement {
    /// Its text.
    pub sql: String,
    /// Where it stands.
    pub at: Option<Location>,
    /// It may belong to another database, or be no statement at all: that it does not fit is nothing
    /// to speak of.
    pub guessed: bool,
}

impl SourceStatement {
    /// One that is meant for this database.
    #[must_use]
    pub fn new(sql: impl Into<String>, at: Option<Location>) -> Self {
        Self { sql: sql.into(), at, guessed: false }
    }

    /// One that was found in a program.
    #[must_use]
    pub fn guessed(sql: impl Into<String>, at: Option<Location>) -> Self {
        Self { sql: sql.into(), at, guessed: true }
    }
}

/// What there is to say about a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiagnoseReport {
    /// What was found, what weighs most first.
    pub findings: Vec<Diagnosis>,
    /// How many statements were looked at.
    pub statements: usize,
    /// How many that were found in programs do not fit this database.
    pub unfit: usize,
    /// What could not be looked at, and why.
    pub skipped: Vec<String>,
}

/// Something that is wrong, slow or near its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Diagnosis {
    /// Its stable name.
    pub code: &'static str,
    /// How much it weighs.
    pub weight: Weight,
    /// The table, index or column that it is about.
    pub object: String,
    /// What it is.
    pub message: String,
    /// The statement that mends it, for a migration.
    pub fix: Option<String>,
    /// What to do where no single statement mends it.
    pub hint: Option<String>,
    /// Where the statement stands that it is about.
    pub at: Option<Location>,
}

/// How much a [`Diagnosis`] weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// Something does not work, or soon will not.
    Problem,
    /// It works, and costs more than it has to.
    Advice,
    /// Worth knowing.
    Note,
}

impl Diagnosis {
    pub(super) fn new(
        code: &'static str,
        weight: Weight,
        object: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        let (object, message) = (object.into(), message.into());
        Self { code, weight, object, message, fix: None, hint: None, at: None }
    }

    pub(super) fn fixed_by(mut self, sql: impl Into<String>) -> Self {
        self.fix = Some(sql.into());
        self
    }

    pub(super) fn hinted(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn at(mut self, at: Option<Location>) -> Self {
        self.at = at;
        self
    }
}

/// Says what makes a database slow, what it does not need, and what comes to an end. It only reads,
/// and reads no table: a few values that indexes give at once.
///
/// # Errors
/// When the database cannot be read.
pub async fn diagnose(
    database: &dyn Database,
    options: &DiagnoseOptions,
) -> Result<DiagnoseReport, DatabaseError> {
    let schema = Schema::read(database, &options.records).await?;
    let tables = {
        // A connection is not to be held while others are waited for.
        let (replay, _) = Replay::as_far_as_possible(&schema).map_err(inner)?;
        Table::all(&replay).map_err(inner)?
    };
    let facts = Facts::read(database, &tables).await?;
    let most = database.capabilities();
    let mut report = DiagnoseReport::default();
    let (replay, left_out) = Replay::as_far_as_possible(&schema).map_err(inner)?;
    for (name, why) in left_out {
        report.skipped.push(format!("{name}: {why}"));
    }
    let mut found = keys::find(&replay, &tables).map_err(inner)?;
    found.extend(redundant::find(&tables));
    found.extend(numbers::find(&tables, &facts, &most, options.big));
    let mut scans = Scans::new(&replay, &tables, &facts);
    found.extend(scans.find(&options.statements).map_err(inner)?);
    (report.statements, report.unfit) = (scans.looked_at, scans.unfit);
    found.extend(scans.unused().map_err(inner)?);
    found.sort_by_key(|diagnosis| diagnosis.weight);
    report.findings = found;
    Ok(report)
}

/// The database in memory does not do what it should.
fn inner(error: rusqlite::Error) -> DatabaseError {
    DatabaseError::new(DatabaseErrorKind::Other, format!("the schema: {}", said(&error).0))
}
