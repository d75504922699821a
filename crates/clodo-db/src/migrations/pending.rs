use super::{
    file::MigrationFile,
    folder::Migrations,
    lint::lint_on,
    protect::{Refusal, Trial, Tried},
    rebuild::Rebuild,
    records::Seen,
    running::{CodeCheck, RunningCode, check_code, may_break_code},
    schema::Schema,
    status::Status,
    up::{MigrateError, Migrator, drops},
};
use crate::database::Capabilities;
use clodo_types::Finding;
use tracing::Instrument as _;

/// What becomes of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedMigration {
    /// Its name.
    pub name: String,
    /// All statements that run for it, in one transaction.
    pub sql: String,
    /// The tables that are made anew.
    pub rebuilds: Vec<Rebuild>,
}

/// A file that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AppliedFile {
    /// Its name.
    pub name: String,
    /// The tables that it made anew.
    pub rebuilds: Vec<Rebuild>,
}

/// Files that are still to be applied, one with each call of [`Pending::next`].
#[derive(Debug)]
pub struct Pending<'a> {
    migrator: &'a Migrator<'a>,
    files: std::vec::IntoIter<&'a MigrationFile>,
    seen: Seen,
}

impl Pending<'_> {
    /// The file that the next call applies.
    #[must_use]
    pub fn peek(&self) -> Option<&MigrationFile> {
        self.files.as_slice().first().copied()
    }

    /// Applies the next file; none when all are applied.
    ///
    /// # Errors
    /// When it is refused or fails. What was applied before stays.
    pub async fn next(&mut self) -> Result<Option<AppliedFile>, MigrateError> {
        let Some(file) = self.files.next() else { return Ok(None) };
        let span = tracing::info_span!(
            "migration",
            db.system.name = "sqlite",
            db.operation.name = "MIGRATE",
            db.operation.parameter.file = file.name
        );
        let rebuilds = self.migrator.apply(file, &self.seen).instrument(span).await?;
        self.seen.behind(file);
        Ok(Some(AppliedFile { name: file.name.clone(), rebuilds }))
    }
}

/// A database as it was found, and the files that are pending there.
#[derive(Debug)]
#[non_exhaustive]
pub struct Look<'f> {
    /// How files and database compare.
    pub status: Status,
    pending: Vec<&'f MigrationFile>,
    schema: Schema,
    seen: Seen,
}

impl Look<'_> {
    /// What [`Migrator::resume`] goes on from.
    #[must_use]
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// What the pending files have to say, as [`lint_on`](crate::lint_on) finds it.
    #[must_use]
    pub fn findings(&self, capabilities: &Capabilities) -> Vec<Finding> {
        lint_on(self.schema.clone(), &self.pending, capabilities)
    }

    /// Whether the pending files can break code that runs, so that it is worth being read.
    #[must_use]
    pub fn may_break_code(&self) -> bool {
        !self.schema.objects.is_empty() && may_break_code(&self.pending)
    }

    /// Which statements of running code the pending files break, as [`check_code`](crate::check_code)
    /// finds it.
    #[must_use]
    pub fn check_code(&self, code: &[RunningCode]) -> CodeCheck {
        check_code(&self.schema, &self.pending, code)
    }

    /// What would run, file by file; nothing when files and database disagree.
    ///
    /// # Errors
    /// When a file is refused.
    pub fn plan(&self, migrator: &Migrator<'_>) -> Result<Vec<PlannedMigration>, Refusal> {
        migrator.plan_on(self.schema.clone(), &self.pending, self.seen.clone())
    }
}

impl Migrator<'_> {
    /// The same for who wants to hear of each file, or to stop between two.
    ///
    /// # Errors
    /// When files and database disagree, or the database cannot be read.
    pub async fn begin<'a>(&'a self, files: &'a Migrations) -> Result<Pending<'a>, MigrateError> {
        let records = self.recorded().await?;
        let status = Status::of(files, &records.applied);
        if !status.problems.is_empty() {
            return Err(MigrateError::Problems(status.problems));
        }
        Ok(self.resume(files, records.seen(status.pending().map(str::to_owned).collect())))
    }

    /// The same for a database that was looked at before, without another look: a file whose database
    /// is not as it was seen is not applied ([`MigrateError::Overtaken`]).
    #[must_use]
    pub fn resume<'a>(&'a self, files: &'a Migrations, seen: Seen) -> Pending<'a> {
        let lacks = |file: &&MigrationFile| seen.pending.contains(&file.name);
        let files: Vec<&MigrationFile> = files.files().iter().filter(lacks).collect();
        Pending { migrator: self, files: files.into_iter(), seen }
    }

    /// Works out what [`Migrator::up`] would do, file by file; nothing is written.
    ///
    /// # Errors
    /// When files and database disagree, the database cannot be read, or a file is refused.
    pub async fn plan(&self, files: &Migrations) -> Result<Vec<PlannedMigration>, MigrateError> {
        let look = self.look(files).await?;
        if !look.status.problems.is_empty() {
            return Err(MigrateError::Problems(look.status.problems));
        }
        look.plan(self).map_err(MigrateError::Refused)
    }

    /// Reads what is needed to judge the files that are pending, in one query.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn look<'f>(&self, files: &'f Migrations) -> Result<Look<'f>, MigrateError> {
        let records = match files.files().last() {
            Some(last) => self.recorded_before(&last.name).await?,
            None => self.recorded().await?,
        };
        let status = Status::of(files, &records.applied);
        let disagree = !status.problems.is_empty();
        let pending = if disagree { Vec::new() } else { pending(files, &status) };
        let seen = records.seen(pending.iter().map(|file| file.name.clone()).collect());
        Ok(Look { status, pending, schema: records.schema, seen })
    }

    fn plan_on(
        &self,
        mut schema: Schema,
        files: &[&MigrationFile],
        mut seen: Seen,
    ) -> Result<Vec<PlannedMigration>, Refusal> {
        let mut planned = Vec::new();
        schema.records.clone_from(&self.records);
        let mut trial = Trial::on(schema);
        for file in files {
            let Tried { sql, rebuilds, .. } = trial.protect(file)?;
            let sql = if drops(file) { sql } else { file.sql.clone() };
            let sql = format!("{}{sql}", self.head(file, &seen));
            planned.push(PlannedMigration { name: file.name.clone(), sql, rebuilds });
            seen.behind(file);
        }
        Ok(planned)
    }
}

/// The files that a status says are pending.
fn pending<'a>(files: &'a Migrations, status: &Status) -> Vec<&'a MigrationFile> {
    let is_pending = |file: &&MigrationFile| status.pending().any(|name| name == file.name);
    files.files().iter().filter(is_pending).collect()
}
