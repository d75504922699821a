//! What a statement does to rows that it does not name: by references, by triggers, by replacing, and by
//! what those set off in turn.

use super::{
    meaning::Meaning,
    replay::Replay,
    trigger::{Event, Trigger},
};
use clodo_sqlite::rusqlite::Error;
use std::collections::BTreeSet;

/// Rows that go, or lose what they refer to, with a statement that is about others.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Effect {
    pub(super) rule: &'static str,
    pub(super) why: String,
}

/// All effects of a statement, each rule once.
pub(super) fn effects(replay: &Replay, meaning: &Meaning) -> Result<Vec<Effect>, Error> {
    let (table, doing) = match meaning {
        Meaning::Delete { table, .. } => (table, "deletes rows of"),
        Meaning::Insert { into: table, .. } => (table, "inserts rows into"),
        Meaning::Update { table, .. } => (table, "updates rows of"),
        _ => return Ok(Vec::new()),
    };
    let root = Root { table, what: format!("{doing} table {table}") };
    let mut walk = Walk { replay, root, seen: BTreeSet::new(), found: Vec::new() };
    walk.act(meaning, &Way::default())?;
    Ok(walk.found)
}

#[derive(Debug)]
struct Root<'m> {
    table: &'m str,
    what: String,
}

/// How something came about.
#[derive(Clone, Debug, Default)]
struct Way {
    /// The first trigger on it.
    trigger: Option<String>,
    /// `OR REPLACE` of a statement holds for what its triggers do.
    replacing: bool,
}

struct Walk<'a> {
    replay: &'a Replay,
    root: Root<'a>,
    /// What was looked at already: triggers may go round in circles.
    seen: BTreeSet<(Meaning, bool)>,
    found: Vec<Effect>,
}

impl Walk<'_> {
    fn act(&mut self, act: &Meaning, way: &Way) -> Result<(), Error> {
        if !self.seen.insert((act.clone(), way.replacing)) {
            return Ok(());
        }
        match act {
            Meaning::Delete { table, .. } => {
                if way.trigger.is_some() && table != self.root.table {
                    self.report("delete-cascades", table, way);
                }
                self.rows_go("delete-cascades", table, way)?;
                self.triggers(table, (Event::Delete, &[]), way)
            }
            Meaning::Insert { into, replaces, upsert, .. } => {
                let way = self.replaced(into, *replaces, way)?;
                self.triggers(into, (Event::Insert, &[]), &way)?;
                if upsert.is_empty() {
                    return Ok(());
                }
                let update = Meaning::Update {
                    table: into.clone(),
                    columns: upsert.clone(),
                    replaces: false,
                };
                self.act(&update, &way)
            }
            Meaning::Update { table, columns, replaces } => {
                let way = self.replaced(table, *replaces, way)?;
                self.keys_change(table, columns, &way)?;
                self.triggers(table, (Event::Update, columns), &way)
            }
            _ => Ok(()),
        }
    }

    /// Rows that are replaced are deleted.
    fn replaced(&mut self, table: &str, by_word: bool, way: &Way) -> Result<Way, Error> {
        let by_word = by_word || way.replacing;
        if by_word || self.replay.replaces(table)? {
            self.rows_go("replace-cascades", table, way)?;
        }
        Ok(Way { replacing: by_word, ..way.clone() })
    }

    /// Rows of a table are deleted: what becomes of those that refer to them.
    fn rows_go(&mut self, rule: &'static str, table: &str, way: &Way) -> Result<(), Error> {
        for child in self.replay.children(table)? {
            if ["CASCADE", "SET NULL", "SET DEFAULT"].contains(&child.on_delete.as_str()) {
                self.report(rule, &child.table, way);
            }
        }
        Ok(())
    }

    /// Columns of a table get other values: what becomes of those that refer to them.
    fn keys_change(&mut self, table: &str, columns: &[String], way: &Way) -> Result<(), Error> {
        for child in self.replay.children(table)? {
            if !self.replay.is_referred(table, columns, child.to.as_deref())? {
                continue;
            }
            match child.on_update.as_str() {
                "CASCADE" => {
                    let table = child.table.to_ascii_lowercase();
                    let update =
                        Meaning::Update { table, columns: vec![child.from], replaces: false };
                    self.act(&update, way)?;
                }
                "SET NULL" | "SET DEFAULT" => self.report("update-cascades", &child.table, way),
                _ => {}
            }
        }
        Ok(())
    }

    fn triggers(
        &mut self,
        table: &str,
        (event, columns): (Event, &[String]),
        way: &Way,
    ) -> Result<(), Error> {
        for (name, Trigger { event: heard, of, acts }) in self.replay.triggers(table)? {
            let is_of = of.is_empty() || of.iter().any(|column| columns.contains(column));
            if heard != event || !is_of {
                continue;
            }
            let trigger = way.trigger.clone().or(Some(name));
            let way = Way { trigger, ..way.clone() };
            for act in &acts {
                self.act(act, &way)?;
            }
        }
        Ok(())
    }

    fn report(&mut self, rule: &'static str, other: &str, way: &Way) {
        if self.found.iter().any(|effect| effect.rule == rule) {
            return;
        }
        let (what, table) = (&self.root.what, self.root.table);
        let why = match (&way.trigger, rule) {
            (Some(trigger), "update-cascades") => {
                format!(
                    "{what}, whose trigger {trigger} takes the references of table {other} away"
                )
            }
            (Some(trigger), _) => {
                format!("{what}, whose trigger {trigger} deletes rows of table {other}")
            }
            (None, "update-cascades") => {
                format!("{what}, which takes the references of table {other} away")
            }
            (None, "replace-cascades") => format!(
                "may replace, which deletes, rows of table {table}, and rows of table {other} with them"
            ),
            (None, _) => format!("{what}, and rows of table {other} with them"),
        };
        self.found.push(Effect { rule, why });
    }
}
