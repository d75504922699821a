//! Migrations: the files, what a database says it has, and what becomes of each statement.

mod column;
mod compose;
mod down;
mod drift;
mod file;
mod fill;
mod folder;
mod lint;
pub(crate) mod meaning;
mod pending;
mod protect;
mod rebuild;
mod records;
pub(crate) mod replay;
mod running;
mod schema;
mod script;
mod status;
mod up;
mod work;

pub use compose::{ComposeError, Composed, compose};
pub use down::{Back, DOWN, Reversal};
pub use drift::{SchemaDrift, SchemaDriftKind};
pub use file::{AppliedMigration, Checksum, ChecksumError, MigrationFile};
pub use folder::{FolderError, Migrations};
pub use lint::{lint, lint_on, replay};
pub use meaning::only_reads;
pub use pending::{AppliedFile, Look, Pending, PlannedMigration, UpPlan};
pub use protect::{Protected, Refusal, protect, protect_all};
pub use rebuild::Rebuild;
pub(crate) use records::SUMS;
pub use records::{RECORDS, checksum_prefix};
pub use running::{CodeCheck, RunningCode, check_code, may_break_code};
pub use schema::{Schema, SchemaObject};
pub use status::{Problem, ProblemKind, Standing, Status};
pub use up::{MigrateError, Migrator, UpReport};
