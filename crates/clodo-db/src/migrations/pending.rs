use super::{
    file::MigrationFile,
    folder::Migrations,
    protect::{Protected, Refusal, protect},
    rebuild::Rebuild,
    schema::Schema,
    status::Status,
    up::{MigrateError, Migrator, drops},
};
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
    /// Both tables of records are there.
    ready: bool,
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
        let rebuilds = self.migrator.apply(file, self.ready).instrument(span).await?;
        self.ready = true;
        Ok(Some(AppliedFile { name: file.name.clone(), rebuilds }))
    }
}

impl Migrator<'_> {
    /// The same for who wants to hear of each file, or to stop between two.
    ///
    /// # Errors
    /// When files and database disagree, or the database cannot be read.
    pub async fn begin<'a>(&'a self, files: &'a Migrations) -> Result<Pending<'a>, MigrateError> {
        let (applied, ready) = self.recorded().await?;
        let status = Status::of(files, &applied);
        if !status.problems.is_empty() {
            return Err(MigrateError::Problems(status.problems));
        }
        let files = pending(files, &status);
        Ok(Pending { migrator: self, files: files.into_iter(), ready })
    }

    /// Works out what [`Migrator::up`] would do, file by file; nothing is written.
    ///
    /// # Errors
    /// When files and database disagree, the database cannot be read, or a file is refused.
    pub async fn plan(&self, files: &Migrations) -> Result<Vec<PlannedMigration>, MigrateError> {
        let (applied, ready) = self.recorded().await?;
        let status = Status::of(files, &applied);
        if !status.problems.is_empty() {
            return Err(MigrateError::Problems(status.problems));
        }
        let files = pending(files, &status);
        if files.is_empty() {
            return Ok(Vec::new());
        }
        self.plan_on(self.schema().await?, &files, ready).map_err(MigrateError::Refused)
    }

    fn plan_on(
        &self,
        mut schema: Schema,
        files: &[&MigrationFile],
        mut ready: bool,
    ) -> Result<Vec<PlannedMigration>, Refusal> {
        let mut planned = Vec::new();
        for file in files {
            schema.records.clone_from(&self.records);
            let Protected { sql, rebuilds, schema: after } = protect(&schema, file)?;
            let sql = if drops(file) { sql } else { file.sql.clone() };
            let tables = if ready { String::new() } else { self.tables() };
            let sql = format!("{tables}{}{sql}", self.record(file));
            planned.push(PlannedMigration { name: file.name.clone(), sql, rebuilds });
            (schema, ready) = (after, true);
        }
        Ok(planned)
    }
}

/// The files that a status says are pending.
fn pending<'a>(files: &'a Migrations, status: &Status) -> Vec<&'a MigrationFile> {
    let is_pending = |file: &&MigrationFile| status.pending().any(|name| name == file.name);
    files.files().iter().filter(is_pending).collect()
}
