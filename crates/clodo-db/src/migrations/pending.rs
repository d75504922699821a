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

/// What becomes of all files that are pending, on a database that is as it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UpPlan {
    /// File by file.
    pub files: Vec<PlannedMigration>,
    seen: Seen,
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
    /// What was worked out for them before, if it was.
    planned: std::vec::IntoIter<PlannedMigration>,
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
        let planned = self.planned.next().map(|planned| (planned.sql, planned.rebuilds));
        let applied = self.migrator.apply(file, &self.seen, planned);
        let rebuilds = applied.instrument(span).await?;
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
    pub fn plan(&self, migrator: &Migrator<'_>) -> Result<UpPlan, Refusal> {
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
        let (files, planned) = (pending(files, &status).into_iter(), Vec::new().into_iter());
        Ok(Pending { migrator: self, files, planned, seen: records.seen() })
    }

    /// Carries a plan for these files out, statement by statement as it is: without another look at the
    /// database, and not if somebody else migrated it meanwhile ([`MigrateError::Overtaken`]). Where
    /// only its schema is another one, a file is tried anew on that.
    #[must_use]
    pub fn carry_out<'a>(&'a self, files: &'a Migrations, plan: UpPlan) -> Pending<'a> {
        let file = |planned: &PlannedMigration| {
            files.files().iter().find(|file| file.name == planned.name)
        };
        let of_plan: Vec<&MigrationFile> = plan.files.iter().filter_map(file).collect();
        let (files, planned) = (of_plan.into_iter(), plan.files.into_iter());
        Pending { migrator: self, files, planned, seen: plan.seen }
    }

    /// Works out what [`Migrator::up`] would do, file by file; nothing is written.
    ///
    /// # Errors
    /// When files and database disagree, the database cannot be read, or a file is refused.
    pub async fn plan(&self, files: &Migrations) -> Result<UpPlan, MigrateError> {
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
            Some(last) => self.recorded_with_schema(Some(&last.name)).await?,
            None => self.recorded().await?,
        };
        let status = Status::of(files, &records.applied);
        let disagree = !status.problems.is_empty();
        let pending = if disagree { Vec::new() } else { pending(files, &status) };
        let seen = records.seen();
        Ok(Look { status, pending, schema: records.schema, seen })
    }

    fn plan_on(
        &self,
        mut schema: Schema,
        files: &[&MigrationFile],
        seen: Seen,
    ) -> Result<UpPlan, Refusal> {
        let mut plan = UpPlan { files: Vec::with_capacity(files.len()), seen };
        let mut seen = plan.seen.clone();
        schema.records.clone_from(&self.records);
        let mut trial = Trial::on(schema);
        for file in files {
            let Tried { sql, rebuilds, .. } = trial.protect(file)?;
            let sql = if drops(file) { sql } else { file.sql.clone() };
            let sql = format!("{}{sql}", self.head(file, &seen));
            plan.files.push(PlannedMigration { name: file.name.clone(), sql, rebuilds });
            seen.behind(file);
        }
        Ok(plan)
    }
}

/// The files that a status says are pending.
fn pending<'a>(files: &'a Migrations, status: &Status) -> Vec<&'a MigrationFile> {
    let is_pending = |file: &&MigrationFile| status.pending().any(|name| name == file.name);
    files.files().iter().filter(is_pending).collect()
}
