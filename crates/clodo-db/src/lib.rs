//! A database seam over SQLite and Cloudflare D1, migrations that lose no row, and backups that come
//! back as what they were of.
//!
//! | you have | start at |
//! |---|---|
//! | a SQLite file | [`SqliteDatabase`] |
//! | D1 through the API | `clodo_cf_api::d1::D1Database` (its feature `d1`) |
//! | a question or a change | [`query`], whose statements take values as parameters only |
//! | rows | [`Rows::typed`] with [`FromRow`] |
//! | several statements that belong together | [`Batch`] on any database, [`TransactionalExt::transaction`] where there are transactions |
//! | a folder of migration files | [`Migrations::read`] |
//! | a database to bring up to date, or back | [`Migrator`] |
//! | a file to check before it runs | [`lint`]; with the code that runs meanwhile, [`check_code`] |
//! | SQL text to cut into statements | [`split`] |
//! | a database to back up | [`backup`] with its [`Moments`]; [`Keeper`] puts it into a [`BackupStore`] |
//! | a backup | [`restore`], [`verify_text`]; [`held`] says what would go |
//! | two databases that should be the same | [`compare`] |
//! | rows for another database, masked | [`Masks`], [`plan_copy`], [`copy`], [`try_copy`], then [`restore`] |
//! | a schema that a database should get | [`Schema::described`], then [`compose`] |
//! | rows to develop with | [`Seed`] |
//! | a database that should be well | [`check_health`] |
//! | a database that is slow | [`diagnose`], with the statements of a program by [`sql_literals`] |
//! | more backups than are needed | [`Retention`] |
//! | a database of another kind | implement [`Database`], and [`Transactional`] if it can, and run [`conformance`] over it |
//!
//! # Example
//! ```
//! use clodo_db::{Database as _, MigrationFile, Migrations, Migrator, SqliteDatabase, Statement};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let database = SqliteDatabase::in_memory().await?;
//! let files = Migrations::new(vec![MigrationFile::new(
//!     "0001_notes.sql",
//!     "migrations/0001_notes.sql",
//!     "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL);",
//! )])?;
//! let report = Migrator::new(&database).up(&files).await?;
//! assert_eq!(report.applied, ["0001_notes.sql"]);
//! assert!(Migrator::new(&database).up(&files).await?.applied.is_empty());
//! let rows = database.query(&Statement::new("SELECT count(*) FROM notes")).await?;
//! assert_eq!(rows.rows[0][0], 0.into());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A backup is SQL text, and `sqlite3` reads it too:
//! ```
//! use clodo_db::{BackupOptions, Database as _, RestoreOptions, SqliteDatabase, backup, compare, restore};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let database = SqliteDatabase::in_memory().await?;
//! database.script("CREATE TABLE notes (body); INSERT INTO notes VALUES (x'00ff'), (9e999);").await?;
//! let mut dump = Vec::new();
//! let report = backup(&database, &database, &mut dump, &BackupOptions::default()).await?;
//! assert!(report.summary.consistent);
//!
//! let again = SqliteDatabase::in_memory().await?;
//! restore(&again, &dump, &RestoreOptions::default()).await?;
//! assert!(compare(&database, &again).await?.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What this crate leaves to others
//! Encryption of backups ([`Sealer`] is its seam), stores other than folders, when to back up. Where a database is, and who may reach it; when to try again; what a fleet of databases is.
//!
//! # Features
//! - `conformance`: what every [`Database`] and every [`Transactional`] must pass, as functions for tests.

mod backup;
mod batch;
mod database;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod held;
mod identifier;
mod inspect;
mod migrations;
mod row;
mod seed;
mod span;
mod split;
mod sqlite;
mod statement;
mod transaction;
mod value;

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod query;

pub use backup::{
    BACKUP_END, BackupError, BackupFolder, BackupOptions, BackupReport, BackupStore, BackupWriter,
    CopyError, CopyOptions, CopyPlan, CopyProblem, CopyProblemKind, Dangling, Difference,
    DumpSource, Ends, Existing, Fake, HalfRestored, Held, Keeper, KeptDump, MaskKey, MaskRule,
    Masks, MisfitError, Moments, PlannedColumn, PlannedTable, RestoreError, RestoreOptions,
    RestoreReport, Retention, Sealer, Sealing, ShortKey, Still, StoredBackup, Summary, TableMask,
    backup, backup_name, check_backup_name, compare, copy, folder_name, held, plan_copy, restore,
    try_copy, verify_text,
};
pub use batch::{Batch, BatchError};
pub use database::{Capabilities, Database, Integers};
pub use error::{DatabaseError, DatabaseErrorKind};
pub use identifier::{literal, quoted};
pub use inspect::{
    CheckName, DiagnoseOptions, DiagnoseReport, Diagnosis, HealthCheck, HealthOptions,
    HealthReport, Line, SourceStatement, Verdict, Violation, Weight, check_health, compare_lines,
    diagnose, sql_literals,
};
pub use migrations::{
    AppliedFile, AppliedMigration, Back, Checksum, ChecksumError, CodeCheck, ComposeError,
    Composed, DOWN, FolderError, Frozen, Look, MigrateError, MigrationFile, MigrationFolder,
    MigrationPattern, Migrations, Migrator, PatternError, Pending, PlannedMigration, Problem,
    ProblemKind, Protected, RECORDS, Rebuild, Refusal, Reversal, RunningCode, Schema, SchemaDrift,
    SchemaDriftKind, SchemaObject, Standing, Status, Untouched, UpPlan, UpReport, check_code,
    checksum_prefix, compose, lint, lint_on, may_break_code, only_reads, protect, protect_all,
    replay, why_no_sql,
};
pub use row::{FromRow, FromValue, Row, RowError, RowErrorKind};
pub use seed::Seed;
pub use span::call_span;
pub use split::{Piece, placeholders, split, unfinished};
pub use sqlite::SqliteDatabase;
pub use statement::{Rows, Statement, TooLarge};
pub use transaction::{OpenTransaction, Transaction, Transactional, TransactionalExt};
pub use value::Value;
