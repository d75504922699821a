//! Migrations, backups and the seam, over SQLite.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

mod applying;
mod backing_up;
mod interrupting;
mod keeping;
mod linting;
mod random;
mod rebuilding;
mod roundtrips;
mod schemas;
mod seam;
