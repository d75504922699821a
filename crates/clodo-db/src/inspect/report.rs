//! What was found out about how a database is.

use serde::Serialize;
use std::{fmt, time::Duration};

/// How a database is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealthReport {
    /// What was looked at, in order.
    pub checks: Vec<HealthCheck>,
    /// The median of a few round trips.
    pub latency: Option<Duration>,
    /// How large it is.
    pub bytes: Option<u64>,
    /// Rows that refer to nothing; no more than a hundred of them.
    pub violations: Vec<Violation>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HealthCheck {
    /// Which.
    pub check: CheckName,
    /// How it came out.
    pub verdict: Verdict,
    /// The same in words.
    pub message: String,
    /// Each thing that was found, or that is near.
    pub details: Vec<String>,
}

impl HealthCheck {
    /// What to try, when something was found.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        if self.verdict != Verdict::Found {
            return None;
        }
        Some(match self.check {
            CheckName::Connects => "see that it is there, is a database, and that nobody holds it",
            CheckName::Latency => "try it again from elsewhere; `--slow` sets what is too long",
            CheckName::Size | CheckName::Limits => {
                "delete what nobody needs, or spread it over several databases"
            }
            CheckName::Integrity => "bring it back from a backup",
            CheckName::ForeignKeys => {
                "write a migration that deletes these rows, or makes what they refer to"
            }
            CheckName::Migrations => "`clodo-db status` tells more, `clodo-db up` applies them",
        })
    }
}

/// The checks, by their stable names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CheckName {
    /// It is there, and is a database.
    Connects,
    /// How long it takes to answer.
    Latency,
    /// How large it is.
    Size,
    /// Its pages are what they should be.
    Integrity,
    /// What rows refer to is there.
    ForeignKeys,
    /// It has its migrations, and they are the files of now.
    Migrations,
    /// What it may hold at most is far away.
    Limits,
}

impl CheckName {
    const ALL: [Self; 7] = [
        Self::Connects,
        Self::Latency,
        Self::Size,
        Self::Integrity,
        Self::ForeignKeys,
        Self::Migrations,
        Self::Limits,
    ];
}

impl fmt::Display for CheckName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connects => "connects",
            Self::Latency => "latency",
            Self::Size => "size",
            Self::Integrity => "integrity",
            Self::ForeignKeys => "foreign-keys",
            Self::Migrations => "migrations",
            Self::Limits => "limits",
        })
    }
}

/// How a check came out. What could not be looked at is never well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing is wrong.
    Ok,
    /// Something is.
    Found,
    /// Nobody looked; the message says why.
    Skipped,
}

/// A row that refers to one that is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Violation {
    /// Its table.
    pub table: String,
    /// Its number; none in a table `WITHOUT ROWID`.
    pub rowid: Option<i64>,
    /// The columns that refer.
    pub columns: String,
    /// The table that they refer to.
    pub parent: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, rowid, columns, parent } = self;
        match rowid {
            Some(rowid) => write!(f, "row {rowid} of {table}")?,
            None => write!(f, "a row of {table}")?,
        }
        write!(f, ": {columns} refers to no row of {parent}")
    }
}

impl HealthReport {
    /// Whether anything is wrong.
    #[must_use]
    pub fn is_found(&self) -> bool {
        self.checks.iter().any(|check| check.verdict == Verdict::Found)
    }

    /// Of a database that cannot be opened.
    #[must_use]
    pub fn unreachable(why: impl Into<String>) -> Self {
        let mut report = Self::default();
        report.add(CheckName::Connects, Verdict::Found, why);
        report.skip_the_rest();
        report
    }

    pub(super) fn add(&mut self, check: CheckName, verdict: Verdict, message: impl Into<String>) {
        self.with(check, verdict, message, Vec::new());
    }

    pub(super) fn with(
        &mut self,
        check: CheckName,
        verdict: Verdict,
        message: impl Into<String>,
        details: Vec<String>,
    ) {
        self.checks.push(HealthCheck { check, verdict, message: message.into(), details });
    }

    fn skip_the_rest(&mut self) {
        let known = self.checks.len();
        for check in &CheckName::ALL[known.min(CheckName::ALL.len())..] {
            self.add(*check, Verdict::Skipped, "the database does not answer");
        }
    }
}
