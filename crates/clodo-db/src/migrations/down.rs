use super::{
    file::{AppliedMigration, MigrationFile},
    folder::Migrations,
    migrate_error::MigrateError,
    pending::PlannedMigration,
    protect::{Protected, protect},
    rebuild::Rebuild,
    records::Records,
    status::Status,
    up::{Migrator, drops},
};
use crate::{error::DatabaseError, identifier::quoted, statement::Statement};

/// The folder within that of the migrations whose files take them back: `down/0003_stock.sql` takes
/// back `0003_stock.sql`. wrangler applies the files of the upper folder only, unless a pattern says more.
pub const DOWN: &str = "down";

/// How far back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Back {
    /// So many migrations, the last one first.
    Steps(usize),
    /// All that were applied after this one, which stays.
    To(String),
}

/// A migration that is to be taken back, with the file that does it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reversal {
    /// What was applied.
    pub name: String,
    /// What takes it back.
    pub file: MigrationFile,
}

impl Migrator<'_> {
    /// What would be taken back, the last one first; each has a file, or nothing is.
    ///
    /// # Errors
    /// When files and database disagree, the database cannot be read, there is no such migration, or one
    /// has no file that takes it back.
    pub async fn reversals(
        &self,
        files: &Migrations,
        downs: &Migrations,
        back: &Back,
    ) -> Result<Vec<Reversal>, MigrateError> {
        let applied = self.applied().await?;
        let status = Status::of(files, &applied);
        if !status.problems.is_empty() {
            return Err(MigrateError::Problems(status.problems));
        }
        let from = match back {
            Back::Steps(steps) => applied.len().saturating_sub(*steps),
            Back::To(name) => {
                let at = applied.iter().position(|done| done.name == *name);
                at.ok_or_else(|| MigrateError::Unknown(name.clone()))? + 1
            }
        };
        let reversal = |done: &AppliedMigration| {
            let file = downs.files().iter().find(|file| file.name == done.name).cloned();
            let name = done.name.clone();
            match file {
                Some(file) => Ok(Reversal { name, file }),
                None => Err(MigrateError::NoDown(name)),
            }
        };
        applied[from..].iter().rev().map(reversal).collect()
    }

    /// Works out what [`Migrator::revert`] would do with each of them; nothing is written.
    ///
    /// # Errors
    /// When the schema cannot be read, or a file is refused.
    pub async fn plan_down(
        &self,
        reversals: &[Reversal],
    ) -> Result<Vec<PlannedMigration>, MigrateError> {
        if reversals.is_empty() {
            return Ok(Vec::new());
        }
        let Records { ready, mut schema, .. } = self.recorded_with_schema(None).await?;
        let mut planned = Vec::new();
        for (at, Reversal { name, file }) in reversals.iter().enumerate() {
            schema.records.clone_from(&self.records);
            let protected = protect(&schema, file).map_err(MigrateError::Refused)?;
            let Protected { sql, rebuilds, schema: after } = protected;
            let sql = if drops(file) { sql } else { file.sql.clone() };
            let sql = format!("{}{sql}", self.forget(name, ready || at > 0));
            planned.push(PlannedMigration {
                name: name.clone(),
                sql: sql.into(),
                rebuilds,
                checksum: file.checksum,
            });
            schema = after;
        }
        Ok(planned)
    }

    /// Takes one migration back, with its records, in one transaction. Only the last one goes: of two
    /// runners the second finds another one there and does nothing.
    ///
    /// # Errors
    /// When the file is refused or fails; then nothing of it happened, unless the error says that it may
    /// have.
    pub async fn revert(&self, reversal: &Reversal) -> Result<Vec<Rebuild>, MigrateError> {
        let Reversal { name, file } = reversal;
        let ready = self.recorded().await?.ready;
        let (sql, rebuilds) = match drops(file) {
            false => (file.sql.clone(), Vec::new()),
            true => {
                let schema = self.schema().await?;
                let protected = protect(&schema, file).map_err(MigrateError::Refused)?;
                (protected.sql, protected.rebuilds)
            }
        };
        let script = format!("{}{sql}", self.forget(name, ready));
        let Err(source) = self.database().script(&script).await else { return Ok(rebuilds) };
        // After a lost answer the database knows.
        let found = match self.recorded().await {
            Err(half @ MigrateError::HalfRestored) => return Err(half),
            found => found.ok(),
        };
        let is_gone = |records: &Records| records.applied.iter().all(|done| done.name != *name);
        if source.may_have_happened() && found.as_ref().is_some_and(|one| one.ready && is_gone(one))
        {
            return Ok(rebuilds);
        }
        Err(self.failed((file, &script), Some(name), found.as_ref(), source))
    }

    /// When a migration was recorded, as the database writes it: `2026-11-29 12:00:00`, in UTC.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn applied_at(&self, name: &str) -> Result<Option<String>, DatabaseError> {
        let sql = format!("SELECT applied_at FROM {} WHERE name = ?", quoted(&self.records));
        let rows = self.database().query(&Statement::new(sql).bind(name)).await?;
        Ok(rows.rows.first().and_then(|row| row.first()?.as_text().map(str::to_owned)))
    }
}
