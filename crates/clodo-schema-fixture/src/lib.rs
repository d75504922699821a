//! For tests: random schemas with rows, migrations of them, and what these must leave alone.
//!
//! | you have | start at |
//! |---|---|
//! | a test that wants schemas with rows | [`table`], [`schema`] |
//! | a test of migrations that shrinks what fails | [`case`] |
//! | several ways to migrate that are compared | [`cases`], the same each time |
//! | answers of a database before and after | [`Case::judge`] |
//!
//! # Example
//! ```
//! use clodo_schema_fixture::cases;
//!
//! let case = &cases(1)[0];
//! let schema = case.schema();
//! assert!(schema.starts_with("PRAGMA defer_foreign_keys = ON;\nCREATE TABLE"));
//! // Every question is asked before the migration and after it.
//! let same: Vec<_> = case.questions().iter().map(|_| Ok(vec!["a row".to_owned()])).collect();
//! assert!(case.judge(&same, &same).kept());
//! ```
//!
//! # What this crate leaves to others
//! Databases: it writes SQL and reads texts. What it writes, SQLite 3.40 reads.

mod case;
mod kind;
mod question;
mod schema;
mod table;

pub use case::{Case, case, cases};
pub use kind::Kind;
pub use question::{Answer, Question, Verdict};
pub use schema::schema;
pub use table::{Key, NAMES, Table, table};
