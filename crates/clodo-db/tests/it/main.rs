//! Migrations, backups, queries and the seam, over SQLite.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

mod applying;
mod backing_up;
mod building;
mod carrying;
mod composing;
mod constructs;
mod diagnosing;
mod freezing;
mod hazards;
mod health;
mod interrupting;
mod keeping;
mod linting;
mod oracle;
mod random;
mod rebuilding;
mod reverting;
mod roundtrips;
mod running;
mod seam;
mod transactions;
