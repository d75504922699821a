//! SQLite behind async: one blocking thread per file, which runs closures one after the other.
//!
//! | you have | start at |
//! |---|---|
//! | a path | [`Sqlite::open`] with [`OpenOptions`] |
//! | a test | [`Sqlite::in_memory`] |
//! | SQL to run | [`Sqlite::call`] |
//! | work that waits on its way | [`Sqlite::hold`] |
//! | a schema that grows over the versions of a program | [`OpenOptions::with_format`] |
//! | a file to copy while it is in use | [`Sqlite::back_up_to`] |
//! | a connection of rusqlite's own | [`add_math_functions`], which all here have |
//! | an error to decide on | [`SqliteError::kind`] |
//!
//! # Example
//! ```
//! use clodo_sqlite::{OpenOptions, Sqlite};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! const FORMAT: &[&str] = &["CREATE TABLE note (id INTEGER PRIMARY KEY, body TEXT NOT NULL)"];
//!
//! let notes = Sqlite::in_memory(OpenOptions::default().with_format(FORMAT)).await?;
//! let id = notes
//!     .call(|db| {
//!         let tx = db.transaction()?;
//!         tx.prepare_cached("INSERT INTO note (body) VALUES (?1)")?.execute(["hello"])?;
//!         let id = tx.last_insert_rowid();
//!         tx.commit()?;
//!         Ok(id)
//!     })
//!     .await?;
//! assert_eq!(id, 1);
//! # Ok::<(), clodo_sqlite::SqliteError>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What this crate leaves to others
//! What the tables mean, and when to try again: a [`SqliteErrorKind::Busy`] comes up only after
//! the busy time-out, so another process really holds the file.
//!
//! # Features
//! None. [`rusqlite`] is re-exported with its features `bundled`, `backup` and `cache`.

mod backup;
mod error;
mod math;
mod options;
mod place;
mod sqlite;
mod thread;

pub use error::{SqliteError, SqliteErrorKind};
pub use math::add_math_functions;
pub use options::{Durability, OpenOptions};
pub use rusqlite;
pub use sqlite::{Closing, Sqlite};
