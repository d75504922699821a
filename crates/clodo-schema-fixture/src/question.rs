use crate::{
    case::Case,
    kind::Kind,
    table::{Key, NAMES, quoted},
};
use std::collections::BTreeMap;

/// What is asked before a migration and after it: the answers must be the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// The statement before it.
    pub before: String,
    /// The statement after it, when something has another name.
    pub after: String,
    /// Whether its answer is rows that a table stores: not what a view or a check gives.
    pub stored: bool,
}

/// A text for each row, or what the database said instead.
pub type Answer = Result<Vec<String>, String>;

/// How answers compare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// So many rows of tables are gone, changed or more than before.
    pub rows: usize,
    /// The questions with another answer, and both.
    pub told: Vec<String>,
}

impl Verdict {
    /// Everything that the migration does not name is as it was.
    #[must_use]
    pub fn kept(&self) -> bool {
        self.told.is_empty()
    }
}

impl Case {
    /// About everything that the migration does not name, and whether the database is sound.
    #[must_use]
    pub fn questions(&self) -> Vec<Question> {
        let mut all = vec![
            check("PRAGMA foreign_key_check".to_owned()),
            check("PRAGMA quick_check".to_owned()),
            self.log(),
        ];
        all.extend((0..self.tables.len()).filter_map(|at| self.rows(at)));
        all.extend((0..self.tables.len()).flat_map(|at| self.views(at)));
        if self.search && !(self.names(0) && self.names_rows()) {
            let found = "SELECT rowid, quote(n) FROM words WHERE words MATCH 'row' ORDER BY rowid";
            all.push(Question { stored: true, ..check(found.to_owned()) });
        }
        all
    }

    /// Compares what the questions gave before and after.
    ///
    /// # Panics
    /// When there is not an answer to each question, or none before.
    #[must_use]
    pub fn judge(&self, before: &[Answer], after: &[Answer]) -> Verdict {
        let questions = self.questions();
        assert_eq!((before.len(), after.len()), (questions.len(), questions.len()));
        let mut verdict = Verdict::default();
        for (question, (before, after)) in questions.iter().zip(before.iter().zip(after)) {
            let there = before.as_ref().unwrap_or_else(|why| panic!("{}: {why}", question.before));
            if before == after {
                continue;
            }
            verdict.told.push(format!("{}\n  {before:?}\n  {after:?}", question.after));
            if question.stored {
                let after = after.as_deref().unwrap_or_default();
                verdict.rows += missing(there, after).max(missing(after, there));
            }
        }
        verdict
    }

    fn names(&self, at: usize) -> bool {
        self.at.contains(&at)
    }

    /// Whether rows or values are what the migration is about.
    fn names_rows(&self) -> bool {
        matches!(self.kind, Kind::DropTable | Kind::DeleteRow | Kind::ReplaceRow | Kind::Backfill)
    }

    /// A table's own triggers hear of what a migration says of its rows.
    fn log(&self) -> Question {
        let all = "SELECT rowid, said FROM log".to_owned();
        let named = format!("{all} WHERE said NOT LIKE '% {}'", self.at[0]);
        let sql = if self.names_rows() { named } else { all };
        Question { stored: true, ..check(sql) }
    }

    fn rows(&self, at: usize) -> Option<Question> {
        let (table, name) = (&self.tables[at], quoted(NAMES[at]));
        let columns = table.seen(Some("n"));
        let plain = format!("SELECT {columns} FROM {name} ORDER BY id");
        let mut question = Question { before: plain.clone(), after: plain, stored: true };
        if !self.names(at) {
            if table.key == Key::Hidden {
                // Nobody may give its rows other numbers.
                question.before = format!("SELECT rowid, {columns} FROM {name} ORDER BY id");
                question.after.clone_from(&question.before);
            }
            return Some(question);
        }
        match self.kind {
            Kind::DropTable => return None,
            Kind::DeleteRow | Kind::ReplaceRow => {
                let others = format!("SELECT {columns} FROM {name} WHERE id <> 1 ORDER BY id");
                question = Question { before: others.clone(), after: others, stored: true };
            }
            Kind::Backfill => {
                let columns = table.seen(None);
                let others = format!("SELECT {columns} FROM {name} ORDER BY id");
                question = Question { before: others.clone(), after: others, stored: true };
            }
            Kind::RenameColumn => {
                let columns = table.seen(Some("m"));
                question.after = format!("SELECT {columns} FROM {name} ORDER BY id");
            }
            Kind::RenameTable => {
                question.after = format!("SELECT {columns} FROM \"another\" ORDER BY id");
            }
            _ => {}
        }
        Some(question)
    }

    /// Views are there still, and give the same: those over rows that the migration names do not.
    fn views(&self, at: usize) -> Vec<Question> {
        let parent = self.tables[at].parents(self.tables.len()).next();
        let named = |at: usize| self.names(at) && self.names_rows();
        let view = |letter: char| check(format!("SELECT * FROM \"{letter}{at}\" ORDER BY id"));
        let mut all = Vec::new();
        if self.tables[at].views && !named(at) {
            all.push(view('v'));
            all.extend(parent.filter(|parent| !named(*parent)).map(|_| view('j')));
        }
        all
    }
}

fn check(sql: String) -> Question {
    Question { before: sql.clone(), after: sql, stored: false }
}

/// How many rows of `these` are not among `those`, each counted as often as it is there.
fn missing(these: &[String], those: &[String]) -> usize {
    let mut counts: BTreeMap<&str, isize> = BTreeMap::new();
    for row in these {
        *counts.entry(row).or_default() += 1;
    }
    for row in those {
        *counts.entry(row).or_default() -= 1;
    }
    counts.values().map(|count| count.max(&0).unsigned_abs()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::cases;

    fn texts(rows: &[&str]) -> Vec<String> {
        rows.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_row_that_is_gone_changed_or_more_counts_once() {
        let count = |before: &[&str], after: &[&str]| {
            let (before, after) = (texts(before), texts(after));
            missing(&before, &after).max(missing(&after, &before))
        };
        assert_eq!(count(&["a", "b"], &["b", "a"]), 0);
        assert_eq!(count(&["a", "a", "b"], &["a", "b"]), 1);
        assert_eq!(count(&["a", "b"], &["a", "c"]), 1);
        assert_eq!(count(&["a"], &["a", "b", "c"]), 2);
    }

    #[test]
    fn whatever_is_missing_or_broken_afterwards_is_told() {
        for case in cases(40) {
            let questions = case.questions();
            let before: Vec<Answer> = questions.iter().map(|_| Ok(texts(&["1", "2"]))).collect();
            assert!(case.judge(&before, &before).kept());
            for at in 0..questions.len() {
                let mut after = before.clone();
                after[at] = Ok(texts(&["1"]));
                let verdict = case.judge(&before, &after);
                assert!(!verdict.kept());
                assert_eq!(verdict.rows, usize::from(questions[at].stored));
                after[at] = Err("no such table".to_owned());
                assert!(!case.judge(&before, &after).kept());
            }
        }
    }

    #[test]
    fn fewer_cases_are_the_first_of_more_and_every_kind_is_among_them() {
        let (few, many) = (cases(5), cases(200));
        let told = |case: &Case| format!("{case:?}");
        assert!(few.iter().map(told).eq(many[..5].iter().map(told)));
        for kind in Kind::ALL {
            assert!(many.iter().any(|case| case.kind == kind), "{kind:?}");
        }
        assert!(many.iter().any(|case| case.tables.len() == NAMES.len()));
    }
}
