//! Migrations: the files, what a database says it has, and what becomes of each statement.

mod file;
mod folder;
mod lint;
mod meaning;
mod protect;
mod rebuild;
mod replay;
mod schema;
mod status;
mod up;

pub use file::{AppliedMigration, Checksum, ChecksumError, MigrationFile};
pub use folder::{FolderError, Migrations};
pub use lint::lint;
pub use protect::{Protected, Refusal, protect};
pub use rebuild::Rebuild;
pub use schema::{Schema, SchemaObject};
pub use status::{Problem, ProblemKind, Standing, Status};
pub use up::{MigrateError, Migrator, RECORDS, UpReport};
