use super::{
    file::{AppliedMigration, MigrationFile},
    folder::Migrations,
    meaning::steps,
    migrate_error::{MigrateError, is_about_another_schema},
    pending::PlannedMigration,
    protect::protect,
    rebuild::Rebuild,
    records::{RECORDS, Records, Seen},
    schema::Schema,
    status::{Problem, Status},
};
use crate::{
    database::Database,
    error::DatabaseError,
    split::{Piece, split},
};
use clodo_types::Location;

/// Brings a database up to date.
///
/// A file, its record in wrangler's table and its checksum beside it are one transaction. What was seen
/// of the records is compared first, and the record's name is unique: both stop a second runner before
/// the file runs.
#[derive(Clone, Debug)]
pub struct Migrator<'d> {
    database: &'d dyn Database,
    pub(super) records: String,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UpReport {
    /// The names of the files that were applied, in order.
    pub applied: Vec<String>,
    /// The tables that they made anew.
    pub rebuilds: Vec<Rebuild>,
}

/// What became of a file.
#[derive(Debug)]
pub(super) enum Applied {
    /// It was applied, and made these tables anew.
    Now(Vec<Rebuild>),
    /// Somebody else had applied it: what the records say since, and what the database said here.
    Elsewhere(Records, DatabaseError),
}

impl<'d> Migrator<'d> {
    /// Works on a database that records in wrangler's usual table.
    #[must_use]
    pub fn new(database: &'d dyn Database) -> Self {
        Self { database, records: RECORDS.to_owned() }
    }

    /// Records in another table, as `migrations_table` in a wrangler config says.
    #[must_use]
    pub fn with_records(mut self, table: impl Into<String>) -> Self {
        self.records = table.into();
        self
    }

    pub(super) fn database(&self) -> &dyn Database {
        self.database
    }

    /// What the database says it has, in the order in which it was applied.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn applied(&self) -> Result<Vec<AppliedMigration>, MigrateError> {
        Ok(self.recorded().await?.applied)
    }

    /// The same and what the database holds beside its records, in one query; up to three where no
    /// migration was recorded yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn applied_and_schema(
        &self,
    ) -> Result<(Vec<AppliedMigration>, Schema), MigrateError> {
        let records = self.recorded_with_schema(None).await?;
        Ok((records.applied, records.schema))
    }

    /// How files and database compare.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn status(&self, files: &Migrations) -> Result<Status, MigrateError> {
        Ok(Status::of(files, &self.applied().await?))
    }

    /// Applies what is pending, file by file. All files are tried on the schema before the first runs.
    ///
    /// # Errors
    /// When files and database disagree, or a file is refused: then nothing was applied. When a file
    /// fails; those before it stay applied.
    pub async fn up(&self, files: &Migrations) -> Result<UpReport, MigrateError> {
        let mut report = UpReport::default();
        let mut pending = self.begin(files).await?;
        while let Some(applied) = pending.next().await? {
            report.rebuilds.extend(applied.rebuilds);
            report.applied.push(applied.name);
        }
        Ok(report)
    }

    /// What the database holds, but for the records of migrations.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn schema(&self) -> Result<Schema, MigrateError> {
        let schema = Schema::read(self.database, &self.records).await;
        schema.map_err(|source| MigrateError::Database { doing: "read the schema", source })
    }

    /// Records files up to and with `last` as applied, without running any: for a database that has
    /// all that they make.
    ///
    /// # Errors
    /// When there is no such file, or the database cannot be written.
    pub async fn baseline(
        &self,
        files: &Migrations,
        last: &str,
    ) -> Result<Vec<String>, MigrateError> {
        let known = files.files();
        let end = known.iter().position(|file| file.name == last);
        let end = end.ok_or_else(|| MigrateError::Unknown(last.to_owned()))?;
        let records = self.recorded().await?;
        let is_new =
            |file: &&MigrationFile| records.applied.iter().all(|done| done.name != file.name);
        let new: Vec<&MigrationFile> = known[..=end].iter().filter(is_new).collect();
        let mut script = self.tables();
        for file in &new {
            script += &self.record(file);
        }
        self.write("record the migrations", &script).await?;
        Ok(new.into_iter().map(|file| file.name.clone()).collect())
    }

    /// Records applied files as they are now, and forgets those whose file is gone: for a database
    /// that is as the files say. Only what is among these problems is mended, and given back: what somebody
    /// else did since they were shown stays.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn repair(
        &self,
        files: &Migrations,
        problems: &[Problem],
    ) -> Result<Vec<Problem>, MigrateError> {
        let status = self.status(files).await?;
        let mut script = self.tables();
        let mut mended = Vec::new();
        for problem in status.problems.into_iter().filter(|one| problems.contains(one)) {
            let file = files.files().iter().find(|file| file.name == problem.name);
            match (problem.kind, file) {
                (super::ProblemKind::Edited, Some(file)) => script += &self.sum(file),
                (super::ProblemKind::Missing, _) => script += &self.removal(&problem.name),
                _ => continue,
            }
            mended.push(problem);
        }
        if !mended.is_empty() {
            self.write("mend the records", &script).await?;
        }
        Ok(mended)
    }

    async fn write(&self, doing: &'static str, script: &str) -> Result<(), MigrateError> {
        let written = self.database.script(script).await;
        written.map_err(|source| MigrateError::Database { doing, source })
    }

    /// Applies a file on records that are as they were seen, by the statements that were worked out for
    /// it, if they were.
    pub(super) async fn apply(
        &self,
        file: &MigrationFile,
        seen: &Seen,
        planned: Option<PlannedMigration>,
    ) -> Result<Applied, MigrateError> {
        if let Some(PlannedMigration { sql, rebuilds, .. }) = planned {
            match self.run(file, seen, (&sql, rebuilds)).await {
                // Somebody changed it; or two SQLites write the same change in different words.
                Err(MigrateError::Failed { source, .. }) if is_about_another_schema(&source) => {}
                done => return done,
            }
        }
        let (sql, rebuilds) = self.protected(file).await?;
        let script = format!("{}{sql}", self.head(file, seen));
        self.run(file, seen, (&script, rebuilds)).await
    }

    /// Runs all statements of a file. After a lost answer, or when somebody else was faster, the database
    /// knows what happened.
    async fn run(
        &self,
        file: &MigrationFile,
        seen: &Seen,
        (script, rebuilds): (&str, Vec<Rebuild>),
    ) -> Result<Applied, MigrateError> {
        let Err(source) = self.database.script(script).await else {
            return Ok(Applied::Now(rebuilds));
        };
        match self.recorded().await {
            Ok(records) if records.has(file) => match source.may_have_happened() {
                true => Ok(Applied::Now(rebuilds)),
                false => Ok(Applied::Elsewhere(records, source)),
            },
            Err(MigrateError::HalfRestored) => Err(MigrateError::HalfRestored),
            found => Err(self.failed((file, script), seen.last(), found.ok().as_ref(), source)),
        }
    }

    /// Why a file was not carried out, as this script, behind the migration that was seen as the last one.
    pub(super) fn failed(
        &self,
        (file, script): (&MigrationFile, &str),
        seen: Option<&str>,
        found: Option<&Records>,
        source: DatabaseError,
    ) -> MigrateError {
        let path = file.path.clone();
        match found.map(Records::last) {
            Some(now) if now != seen => {
                let name = |name: Option<&str>| name.unwrap_or("none").to_owned();
                MigrateError::Overtaken { path, seen: name(seen), now: name(now), source }
            }
            _ => {
                let at = place_in(file, script, &source);
                MigrateError::Failed { path, at, source }
            }
        }
    }

    /// All that applies a file, as one transaction, and which tables it makes anew. The schema is read
    /// only when the file can lose rows. `ready` says that both tables of records are there. It fails
    /// in a database that is half restored by then.
    ///
    /// # Errors
    /// When the file is refused, or the schema cannot be read.
    pub async fn request(
        &self,
        file: &MigrationFile,
        ready: bool,
    ) -> Result<(String, Vec<Rebuild>), MigrateError> {
        let (sql, rebuilds) = self.protected(file).await?;
        let tables = if ready { String::new() } else { self.tables() };
        Ok((format!("{tables}{}{}{sql}", self.whole(), self.record(file)), rebuilds))
    }

    async fn protected(
        &self,
        file: &MigrationFile,
    ) -> Result<(String, Vec<Rebuild>), MigrateError> {
        if !drops(file) {
            return Ok((file.sql.clone(), Vec::new()));
        }
        let schema = self.schema().await?;
        let protected = protect(&schema, file).map_err(MigrateError::Refused)?;
        Ok((protected.sql, protected.rebuilds))
    }
}

/// Whether a file needs to be looked at with the schema of the database.
pub(super) fn drops(file: &MigrationFile) -> bool {
    let steps = steps(&file.sql);
    // What is no SQL is refused with its place.
    steps.is_err() || steps.is_ok_and(|steps| steps.iter().any(|step| step.meaning.is_hazard()))
}

/// Where in a file the statement is that failed in a script which holds the file's own statements.
fn place_in(file: &MigrationFile, script: &str, error: &DatabaseError) -> Option<Location> {
    let bare = |piece: Piece<'_>| {
        let text = piece.text.trim_end().trim_end_matches(';').trim_end();
        (piece.offset, text.to_owned())
    };
    let (before, rest) = script.split_at_checked(error.place()?)?;
    let (_, failed) = split(rest).next().map(bare)?;
    let is_it = |(_, text): &(usize, String)| *text == failed;
    let earlier = split(before).map(bare).filter(is_it).count();
    let (offset, _) = split(&file.sql).map(bare).filter(is_it).nth(earlier)?;
    Some(Location::of_offset(&file.path, &file.sql, offset))
}
