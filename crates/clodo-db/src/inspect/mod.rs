//! What there is to say about a database that is there: whether it is well, what makes it slow, and
//! how it differs from another one.

mod diagnose;
mod facts;
mod health;
mod keys;
mod lines;
mod literals;
mod numbers;
mod redundant;
mod report;
mod scans;
mod structure;

pub use diagnose::{DiagnoseOptions, DiagnoseReport, Diagnosis, SourceStatement, Weight, diagnose};
pub use health::{HealthOptions, check_health};
pub use lines::{Line, compare_lines};
pub use literals::sql_literals;
pub(crate) use scans::{is_statement_about_rows, scanned};

pub use report::{CheckName, HealthCheck, HealthReport, Verdict, Violation};
