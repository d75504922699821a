//! The whole state in one file, back from it, and what differs between two of them.
//!
//! A snapshot is a tar file: first [`ABOUT`], then every file below the state folder except what
//! belongs to one run. Databases are copied by SQLite itself; those of D1, whose history hangs on
//! the exact pages, are closed and copied as they are.

mod archive;
mod diff;
mod error;
mod inventory;
mod online;
mod restore;

pub use diff::{Difference, Differing, StateDiff, diff_states};
pub use error::{SnapshotError, SnapshotErrorKind};
pub(crate) use online::{Pause, Source, answering, paused};
pub use online::{save_running, save_stopped};
pub use restore::{Restored, check_snapshot, restore, unpack};
