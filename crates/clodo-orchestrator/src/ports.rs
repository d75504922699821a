use crate::{
    desired::Desired,
    migration::{AppliedMigration, MigrationFile, MigrationTarget},
    plan::Plan,
    platform::PlatformError,
    trigger::Check,
};
use async_trait::async_trait;
use clodo_types::{Finding, Secret, SecretName, TargetId, VersionId};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Applies migration files to D1 databases.
///
/// # Contract
/// - `applied` lists in the order of application; a database without the table has none.
/// - `apply` runs the whole file and records its name (in the database's table) and its checksum
///   (in `clodo_migrations`), all or nothing, in one request.
/// - `apply` of a file that the database already has does nothing and is no error: after a crash
///   nobody knows whether the last request arrived.
/// - Nothing is ever undone.
/// - `bookmark` names the present moment of the database's history for
///   [`Change::RestoreDatabase`](crate::Change::RestoreDatabase); `None` where there is no such thing.
#[async_trait]
pub trait Migrator: fmt::Debug + Send + Sync + 'static {
    /// What the database says it has.
    ///
    /// # Errors
    /// When the database cannot be read.
    async fn applied(
        &self,
        database: &MigrationTarget,
    ) -> Result<Vec<AppliedMigration>, PlatformError>;

    /// Applies one file.
    ///
    /// # Errors
    /// When SQLite refuses a statement, or the database cannot be reached.
    async fn apply(
        &self,
        database: &MigrationTarget,
        file: &MigrationFile,
    ) -> Result<(), PlatformError>;

    /// The present moment of the database's history.
    ///
    /// # Errors
    /// When the database cannot be read.
    async fn bookmark(&self, database: &MigrationTarget) -> Result<Option<String>, PlatformError> {
        let _ = database;
        Ok(None)
    }
}

/// Looks at a target that should answer by now.
///
/// # Contract
/// - Waits, within its own time-out, until the new version answers; it never sleeps longer than the
///   platform takes.
/// - Only reads: a probe must not change the service.
/// - A target that cannot be reached at all is [`Verdict::Failed`], not an error.
#[async_trait]
pub trait Verifier: fmt::Debug + Send + Sync + 'static {
    /// Probes the target at `urls`; `version` is the version that should answer.
    async fn verify(&self, check: &Check, urls: &[String], version: Option<&VersionId>) -> Verdict;
}

/// What a probe says while a deployment runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// The new version answered, and said that it is the new version.
    Proved,
    /// The target answered; which version it was cannot be told.
    ProbedNotProved,
    /// There is no URL to ask.
    NotReachable,
    /// Nobody asked, as [`DeployOptions::no_tests`](crate::DeployOptions::no_tests) wanted it.
    Skipped,
    /// It did not answer, or not well.
    Failed {
        /// Why: a lower-case phrase.
        why: String,
    },
}

/// Can refuse a plan before anything is written.
///
/// # Contract
/// - Writes nothing.
/// - A finding with [`Severity::Block`](clodo_types::Severity::Block) stops the deployment.
/// - Gates are asked in order, each only while none before it blocked; a prompt that asks a person
///   to confirm is the last one.
#[async_trait]
pub trait Gate: fmt::Debug + Send + Sync + 'static {
    /// Looks at the plan.
    async fn check(&self, plan: &Plan, desired: &Desired) -> Vec<Finding>;
}

/// Where the values of secrets come from.
///
/// # Contract
/// - `None` means that nobody has a value. An error means that it could not be found out.
/// - The same name gives the same value for the whole deployment.
#[async_trait]
pub trait SecretSource: fmt::Debug + Send + Sync + 'static {
    /// The value of one secret for one target.
    ///
    /// # Errors
    /// When the source cannot be read.
    async fn resolve(
        &self,
        target: &TargetId,
        name: &SecretName,
    ) -> Result<Option<Secret>, PlatformError>;
}
