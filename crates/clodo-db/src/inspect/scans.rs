//! How SQLite would run statements: asked on an empty database with the same schema.

use super::{
    diagnose::{Diagnosis, SourceStatement, Weight},
    facts::Facts,
    keys,
    literals::begins_like_sql,
    structure::Table,
};
use crate::{
    identifier::quoted,
    migrations::{
        meaning::{Meaning, steps},
        replay::{Replay, listed, said},
    },
    split::words,
};
use clodo_sqlite::rusqlite::{Error, params};
use std::collections::BTreeSet;

/// A line of `EXPLAIN QUERY PLAN` (<https://www.sqlite.org/eqp.html>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlanStep(String);

impl PlanStep {
    /// Whether all rows are read, by an index or not.
    pub(super) fn scans(&self) -> bool {
        self.0.starts_with("SCAN ")
    }

    /// Whether an index is made for this one statement, and thrown away.
    fn makes_its_own_index(&self) -> bool {
        self.0.contains("USING AUTOMATIC")
    }

    /// What is read, as the statement calls it.
    fn of(&self) -> &str {
        let rest = self.0.split_once(' ').map_or("", |(_, rest)| rest);
        // A name may hold blanks: it ends where SQLite goes on.
        let end = [" USING ", " VIRTUAL TABLE ", " LEFT-JOIN", " EXISTS"];
        end.iter().filter_map(|word| rest.find(word)).min().map_or(rest, |at| &rest[..at])
    }

    /// How much the index `name` narrows down what is read: a column that is looked for with `=` counts
    /// twice, one of which there is a range once.
    fn narrows(&self, of: &str, name: &str) -> usize {
        let uses = self.0.starts_with("SEARCH ") && self.of() == of;
        let by = self.0.split_once(&format!("INDEX {name} (")).map(|(_, terms)| terms);
        by.filter(|_| uses).map_or(0, |terms| {
            let range = usize::from(terms.contains(">?") || terms.contains("<?"));
            terms.matches("=?").count() * 2 + range
        })
    }
}

/// How SQLite would run a statement.
pub(super) fn plan(replay: &Replay, sql: &str) -> Result<Vec<PlanStep>, Error> {
    let mut statement = replay.connection().prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let mut found = Vec::new();
    // What is not bound is nothing; how it is run does not depend on it.
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        found.push(PlanStep(row.get(3)?));
    }
    Ok(found)
}

/// The tables that a statement reads in full, as it calls them, in lower case.
pub(crate) fn scanned(replay: &Replay, sql: &str) -> Result<Vec<String>, Error> {
    let steps = plan(replay, sql)?;
    Ok(steps
        .iter()
        .filter(|step| step.scans())
        .map(|step| step.of().to_ascii_lowercase())
        .collect())
}

pub(super) struct Scans<'a> {
    replay: &'a Replay,
    tables: &'a [Table],
    facts: &'a Facts,
    used: BTreeSet<String>,
    pub(super) looked_at: usize,
    pub(super) unfit: usize,
}

/// The name of an index that is only tried.
const TRIED: &str = "_clodo_tried";
/// So many columns an index has that is proposed.
const MOST_COLUMNS: usize = 3;
/// So many columns of a table are tried.
const MOST_TRIED: usize = 12;

impl<'a> Scans<'a> {
    pub(super) fn new(replay: &'a Replay, tables: &'a [Table], facts: &'a Facts) -> Self {
        Self { replay, tables, facts, used: BTreeSet::new(), looked_at: 0, unfit: 0 }
    }

    pub(super) fn find(&mut self, statements: &[SourceStatement]) -> Result<Vec<Diagnosis>, Error> {
        self.learn()?;
        let mut found: Vec<Diagnosis> = Vec::new();
        for statement in statements {
            for diagnosis in self.statement(statement)? {
                // One index helps many statements: it is told once.
                let known = |one: &Diagnosis| {
                    one.code == diagnosis.code
                        && one.object == diagnosis.object
                        && one.fix == diagnosis.fix
                };
                if !found.iter().any(known) {
                    found.push(diagnosis);
                }
            }
        }
        Ok(found)
    }

    /// What `ANALYZE` found out counts here, too.
    fn learn(&self) -> Result<(), Error> {
        if self.facts.statistics.is_empty() {
            return Ok(());
        }
        let db = self.replay.connection();
        db.execute_batch("ANALYZE; DELETE FROM sqlite_stat1;")?;
        for (table, index, stat) in &self.facts.statistics {
            db.execute("INSERT INTO sqlite_stat1 VALUES (?, ?, ?)", params![table, index, stat])?;
        }
        db.execute_batch("ANALYZE sqlite_schema")
    }

    fn statement(&mut self, statement: &SourceStatement) -> Result<Vec<Diagnosis>, Error> {
        if !is_about_rows(&statement.sql) {
            return Ok(Vec::new());
        }
        let plan = match plan(self.replay, &statement.sql) {
            Ok(plan) => plan,
            Err(_) if statement.guessed => {
                self.unfit += 1;
                return Ok(Vec::new());
            }
            Err(error) => {
                let said = format!("the statement does not fit the schema: {}", said(&error).0);
                let unfit = Diagnosis::new("statement-does-not-fit", Weight::Problem, "", said);
                return Ok(vec![unfit.at(statement.at.clone())]);
            }
        };
        self.looked_at += 1;
        self.remember(&plan);
        let mut found = Vec::new();
        for step in plan.iter().filter(|step| step.scans() || step.makes_its_own_index()) {
            if let Some(table) = self.table(step.of(), &statement.sql) {
                found.extend(self.scan(statement, step, table)?);
            }
        }
        Ok(found)
    }

    fn scan(
        &self,
        statement: &SourceStatement,
        step: &PlanStep,
        table: &Table,
    ) -> Result<Option<Diagnosis>, Error> {
        let index = self.helping(&statement.sql, step.of(), table)?;
        let words = words(&statement.sql);
        let has = |word: &str| words.iter().any(|one| one.eq_ignore_ascii_case(word));
        // Whoever asks for all rows gets them, and whoever asks for a few does not read on.
        if index.is_none() && (!has("WHERE") || has("LIMIT")) {
            return Ok(None);
        }
        let rows = self.facts.rows(&table.name).map(|rows| format!(", about {rows}"));
        let rows = rows.unwrap_or_default();
        let name = &table.name;
        let said = match step.makes_its_own_index() {
            true => {
                format!("a statement makes an index of all rows of {name}{rows}, each time it runs")
            }
            false => format!("a statement reads all rows of {name}{rows}"),
        };
        let diagnosis = match index {
            Some(columns) => {
                let fix = keys::create_index(self.replay, name, &columns)?;
                Diagnosis::new("full-scan", Weight::Advice, name, said).fixed_by(fix)
            }
            None => Diagnosis::new("full-scan", Weight::Note, name, said)
                .hinted("no index on a column would help: see whether it has to read them all"),
        };
        Ok(Some(diagnosis.at(statement.at.clone())))
    }

    /// The table that a statement calls by a name.
    fn table(&self, called: &str, sql: &str) -> Option<&'a Table> {
        let bare = |word: &str| word.trim_matches(['"', '`', '[', ']']).to_owned();
        let by_name =
            |name: &str| self.tables.iter().find(|table| table.name.eq_ignore_ascii_case(name));
        let words: Vec<String> = words(sql).into_iter().map(bare).collect();
        for (at, word) in words.iter().enumerate().skip(1) {
            if !word.eq_ignore_ascii_case(called) {
                continue;
            }
            let before = match words[at - 1].eq_ignore_ascii_case("AS") && at > 1 {
                true => &words[at - 2],
                false => &words[at - 1],
            };
            if let Some(table) = by_name(before) {
                return Some(table);
            }
        }
        by_name(called)
    }

    /// The columns of an index with which SQLite would no longer read all rows, found by trying.
    fn helping(
        &self,
        sql: &str,
        called: &str,
        table: &Table,
    ) -> Result<Option<Vec<String>>, Error> {
        let bare = |word: &str| word.trim_matches(['"', '`', '[', ']']).to_ascii_lowercase();
        let words: BTreeSet<String> = words(sql).into_iter().map(bare).collect();
        let named = |name: &&String| words.contains(&name.to_ascii_lowercase());
        let columns = table.columns.iter().map(|(name, _)| name).filter(named);
        let columns: Vec<&String> = columns.take(MOST_TRIED).collect();
        let mut best: (usize, Vec<String>) = (0, Vec::new());
        for width in 1..=MOST_COLUMNS {
            let (before, so_far) = best.clone();
            for column in columns.iter().filter(|column| !so_far.contains(column)) {
                let mut wider = so_far.clone();
                wider.push((*column).clone());
                let narrows = self.tried(sql, called, table, &wider)?;
                if narrows > best.0 {
                    best = (narrows, wider);
                }
            }
            if best.0 == before || best.1.len() < width {
                break;
            }
        }
        Ok((best.0 > 0).then_some(best.1))
    }

    /// How much an index would narrow down what is read.
    fn tried(
        &self,
        sql: &str,
        called: &str,
        table: &Table,
        columns: &[String],
    ) -> Result<usize, Error> {
        let db = self.replay.connection();
        let make = format!(
            "SAVEPOINT clodo; CREATE INDEX {TRIED} ON {} ({});",
            quoted(&table.name),
            listed(columns, "")
        );
        let tried = db.execute_batch(&make).and_then(|()| plan(self.replay, sql));
        db.execute_batch("ROLLBACK TO clodo; RELEASE clodo;")?;
        let narrows = |plan: Vec<PlanStep>| {
            plan.iter().map(|step| step.narrows(called, TRIED)).max().unwrap_or_default()
        };
        // A column that no index takes helps nobody.
        Ok(tried.map(narrows).unwrap_or_default())
    }

    fn remember(&mut self, plan: &[PlanStep]) {
        for step in plan {
            let Some((_, rest)) = step.0.split_once(" INDEX ") else { continue };
            for table in self.tables {
                for index in &table.indexes {
                    let name = &index.name;
                    if rest
                        .strip_prefix(name.as_str())
                        .is_some_and(|end| end.is_empty() || end.starts_with(" ("))
                    {
                        self.used.insert(name.clone());
                    }
                }
            }
        }
    }

    /// Indexes that none of the statements uses, and no foreign key.
    pub(super) fn unused(&mut self) -> Result<Vec<Diagnosis>, Error> {
        if self.looked_at == 0 {
            return Ok(Vec::new());
        }
        for table in self.tables {
            for reference in &table.references {
                let plan = plan(self.replay, &keys::lookup(table, reference))?;
                self.remember(&plan);
            }
        }
        let mut found = Vec::new();
        for table in self.tables {
            let idle = |index: &&super::structure::Index| {
                index.own && !index.unique && !self.used.contains(&index.name)
            };
            for index in table.indexes.iter().filter(idle) {
                let said = format!(
                    "none of the {} statements that were looked at uses index {} of table {}",
                    self.looked_at, index.name, table.name
                );
                let note = Diagnosis::new("index-unused", Weight::Note, &index.name, said);
                found.push(note.hinted("look whether anybody else uses it before you drop it"));
            }
        }
        Ok(found)
    }
}

/// Whether a text looks like one statement that reads or changes rows.
pub(crate) fn is_statement_about_rows(sql: &str) -> bool {
    begins_like_sql(sql) && is_about_rows(sql)
}

/// Whether a text is one statement that reads or changes rows. Of what our grammar does not know SQLite
/// itself has to say what it is.
fn is_about_rows(sql: &str) -> bool {
    let Ok(steps) = steps(sql) else { return true };
    let about = |meaning: &Meaning| {
        matches!(
            meaning,
            Meaning::Insert { .. }
                | Meaning::Delete { .. }
                | Meaning::Update { .. }
                | Meaning::Other
        )
    };
    matches!(&steps[..], [one] if about(&one.meaning))
}
