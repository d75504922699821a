use clodo_db::MigrateError;
use clodo_schema_fixture::{Case, Kind, Verdict};
use std::{collections::BTreeMap, fmt};

/// How a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Applied,
    /// Before anything was written.
    Refused,
    /// By the database, which took everything back.
    Failed,
}

impl Fate {
    pub(crate) fn of<T>(result: &Result<T, MigrateError>) -> Self {
        match result {
            Ok(_) => Self::Applied,
            Err(MigrateError::Refused(_)) => Self::Refused,
            Err(MigrateError::Failed { .. }) => Self::Failed,
            Err(error) => panic!("the case cannot be tried: {error:?}"),
        }
    }
}

/// What came of the cases of one kind.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    pub(crate) kept: usize,
    pub(crate) refused: usize,
    pub(crate) failed: usize,
    /// Those in which something is gone or changed that the file does not name.
    pub(crate) lost: usize,
    /// How many rows that is.
    pub(crate) rows: usize,
}

/// What came of a set in one way.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) counts: BTreeMap<Kind, Count>,
    /// What was lost, and what was not carried out although it loses nothing.
    told: Vec<String>,
}

impl Tally {
    pub(crate) fn add(&mut self, case: &Case, (fate, why): (Fate, String), verdict: &Verdict) {
        let count = self.counts.entry(case.kind).or_default();
        let lost = !verdict.kept();
        match fate {
            _ if lost => {
                count.lost += 1;
                count.rows += verdict.rows;
            }
            Fate::Applied => count.kept += 1,
            Fate::Refused => count.refused += 1,
            Fate::Failed => count.failed += 1,
        }
        if lost || (fate != Fate::Applied && !case.kind.is_careless()) {
            let (schema, file) = (case.schema(), case.migration());
            let told = verdict.told.join("\n");
            self.told.push(format!("{:?}, {fate:?}: {why}\n{told}\n{schema}\n{file}", case.kind));
        }
    }

    pub(crate) fn cases(&self) -> usize {
        let all = |count: &Count| count.kept + count.refused + count.failed + count.lost;
        self.counts.values().map(all).sum()
    }

    pub(crate) fn rows(&self) -> usize {
        self.counts.values().map(|count| count.rows).sum()
    }

    /// No row is lost, and what need not lose one is carried out.
    #[track_caller]
    pub(crate) fn assert_nothing_is_lost(&self) {
        assert!(self.told.is_empty(), "{} cases:\n{}", self.told.len(), self.told.join("\n---\n"));
        let kept: usize = self.counts.values().map(|count| count.kept).sum();
        assert!(kept > 0, "nothing was carried out");
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told.join("\n---\n"))
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kept, refused, failed, lost, rows } = self;
        let mut parts = Vec::new();
        match (lost, rows) {
            (0, _) => {}
            (lost, 0) => parts.push(format!("**a view broken in {lost}**")),
            (lost, rows) => parts.push(format!("**{rows} rows lost in {lost}**")),
        }
        for (count, word) in [(kept, "kept"), (refused, "refused"), (failed, "failed")] {
            if *count > 0 {
                parts.push(format!("{count} {word}"));
            }
        }
        if parts.is_empty() { f.write_str("–") } else { f.write_str(&parts.join(", ")) }
    }
}
