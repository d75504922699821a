use super::{
    file::{Checksum, MigrationFile},
    folder::Migrations,
    lint::lint_on,
    migrate_error::MigrateError,
    protect::{Refusal, Trial, Tried},
    reads::Reads,
    rebuild::Rebuild,
    records::{Records, Seen},
    running::{CodeCheck, RunningCode, check_code, may_break_code},
    schema::Schema,
    status::Status,
    untouched::Untouched,
    up::{Applied, Migrator, drops},
};
use crate::{
    database::{Capabilities, Database},
    error::DatabaseError,
};
use clodo_types::Finding;
use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};
use tracing::Instrument as _;

/// What becomes of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedMigration {
    /// Its name.
    pub name: String,
    /// All statements that run for it, in one transaction.
    pub sql: Arc<str>,
    /// The tables that are made anew.
    pub rebuilds: Vec<Rebuild>,
    /// Of the file that it was worked out for.
    pub(super) checksum: Checksum,
}

/// What becomes of all files that are pending, on a database that is as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpPlan {
    files: Vec<PlannedMigration>,
    records: String,
    seen: Seen,
    untouched: Untouched,
    reads: Reads,
}

impl UpPlan {
    /// File by file, in the order in which they are applied.
    #[must_use]
    pub fn files(&self) -> &[PlannedMigration] {
        &self.files
    }

    /// The values that its files have no business with.
    #[must_use]
    pub fn untouched(&self) -> &Untouched {
        &self.untouched
    }

    /// A note for each statement that reads more than `big` rows of tables that are there: what that is
    /// billed as. One question, if any, which costs a row of each table.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn costs(
        &self,
        database: &dyn Database,
        big: u64,
    ) -> Result<Vec<Finding>, DatabaseError> {
        self.reads.costs(database, big).await
    }

    /// Keeps each text once, among those of other plans: in a fleet they are mostly the same.
    pub fn share_texts(&mut self, texts: &mut BTreeSet<Arc<str>>) {
        for file in &mut self.files {
            match texts.get(&file.sql) {
                Some(known) => file.sql = Arc::clone(known),
                None => {
                    texts.insert(Arc::clone(&file.sql));
                }
            }
        }
    }
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
    /// With what was worked out for each before, if it was.
    files: VecDeque<(&'a MigrationFile, Option<PlannedMigration>)>,
    seen: Seen,
}

impl Pending<'_> {
    /// The file that the next call applies.
    #[must_use]
    pub fn peek(&self) -> Option<&MigrationFile> {
        self.files.front().map(|(file, _)| *file)
    }

    /// Applies the next file; none when all are applied. What somebody else applies meanwhile is left to
    /// them.
    ///
    /// # Errors
    /// When it is refused or fails. What was applied before stays, and the file is still the next one.
    pub async fn next(&mut self) -> Result<Option<AppliedFile>, MigrateError> {
        while let Some((file, planned)) = self.files.front_mut() {
            let (file, planned) = (*file, planned.take());
            let span = tracing::info_span!(
                "migration",
                db.system.name = "sqlite",
                db.operation.name = "MIGRATE",
                db.operation.parameter.file = file.name
            );
            let applied = self.migrator.apply(file, &self.seen, planned);
            match applied.instrument(span).await? {
                Applied::Now(rebuilds) => {
                    self.files.pop_front();
                    self.seen.behind(file);
                    return Ok(Some(AppliedFile { name: file.name.clone(), rebuilds }));
                }
                Applied::Elsewhere(records, source) => self.leave(&records, source)?,
            }
        }
        Ok(None)
    }

    /// Goes on behind what somebody else has applied, if that is nothing but files of these.
    fn leave(&mut self, records: &Records, source: DatabaseError) -> Result<(), MigrateError> {
        while let Some((file, _)) = self.files.pop_front_if(|(file, _)| records.has(file)) {
            self.seen.behind(file);
        }
        match self.files.front() {
            Some((file, _)) if records.last() != self.seen.last() => {
                Err(self.migrator.failed((file, ""), self.seen.last(), Some(records), source))
            }
            _ => Ok(()),
        }
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
    /// As for [`Migrator::plan`].
    pub async fn begin<'a>(&'a self, files: &'a Migrations) -> Result<Pending<'a>, MigrateError> {
        self.carry_out(files, self.plan(files).await?)
    }

    /// Carries a plan for these files out, statement by statement as it is: without another look at the
    /// database, and not if somebody else migrated it meanwhile ([`MigrateError::Overtaken`]). Where
    /// only its schema is another one, a file is tried anew on that.
    ///
    /// # Errors
    /// When one of the plan's files is not among these, as it was.
    pub fn carry_out<'a>(
        &'a self,
        files: &'a Migrations,
        plan: UpPlan,
    ) -> Result<Pending<'a>, MigrateError> {
        let is_own = plan.records == self.records;
        let paired = plan.files.into_iter().map(|planned| {
            let is_it = |file: &&MigrationFile| {
                file.name == planned.name && file.checksum == planned.checksum
            };
            match files.files().iter().find(is_it) {
                Some(file) => Ok((file, Some(planned).filter(|_| is_own))),
                None => Err(MigrateError::Unknown(planned.name)),
            }
        });
        let files = paired.collect::<Result<_, _>>()?;
        Ok(Pending { migrator: self, files, seen: plan.seen })
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

    /// Reads what is needed to judge the files that are pending, in one query; up to three where no
    /// migration was recorded yet.
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
        let (first, mut seen, mut planned) = (seen.clone(), seen, Vec::with_capacity(files.len()));
        schema.records.clone_from(&self.records);
        let mut trial = Trial::watching(schema);
        for file in files {
            let Tried { sql, rebuilds, .. } = trial.protect(file)?;
            let sql = if drops(file) { sql } else { file.sql.clone() };
            let sql = format!("{}{sql}", self.head(file, &seen));
            planned.push(PlannedMigration {
                name: file.name.clone(),
                sql: sql.into(),
                rebuilds,
                checksum: file.checksum,
            });
            seen.behind(file);
        }
        let (untouched, reads) = trial.watched();
        let records = self.records.clone();
        Ok(UpPlan { files: planned, records, seen: first, untouched, reads })
    }
}

/// The files that a status says are pending.
fn pending<'a>(files: &'a Migrations, status: &Status) -> Vec<&'a MigrationFile> {
    let is_pending = |file: &&MigrationFile| status.pending().any(|name| name == file.name);
    files.files().iter().filter(is_pending).collect()
}
