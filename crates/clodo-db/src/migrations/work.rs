//! Statement by statement: what each does to rows, and what is done in its place.

use super::{
    effects::{Effect, effects},
    meaning::{Meaning, Step},
    protect::Failed,
    rebuild::{Open, Rebuild},
    script::Script,
};
use crate::split::{folded, words};
use std::collections::{BTreeMap, BTreeSet};

/// How far a file is.
pub(super) struct Work<'a> {
    pub(super) steps: &'a [Step<'a>],
    /// Tables that the file made, and that took nobody's place; those it filled from one other table, from
    /// which.
    made: BTreeMap<String, Option<String>>,
    /// Statements that do nothing to other rows, on the schema as it is: a file may have thousands of one
    /// kind.
    harmless: BTreeSet<Meaning>,
    /// The tables of before that it dropped.
    dropped: BTreeSet<String>,
    open: Option<(Open, usize)>,
    pub(super) rebuilds: Vec<Rebuild>,
}

impl<'a> Work<'a> {
    pub(super) fn of(steps: &'a [Step<'a>]) -> Self {
        Self {
            steps,
            made: BTreeMap::new(),
            harmless: BTreeSet::new(),
            dropped: BTreeSet::new(),
            open: None,
            rebuilds: Vec::new(),
        }
    }

    pub(super) fn step(&mut self, script: &mut Script<'_>, at: usize) -> Result<(), Failed> {
        let step = &self.steps[at];
        let text = step.piece.text;
        let whole = if text.ends_with(';') { text.to_owned() } else { format!("{text}\n;") };
        if let Some(name) = script.replay.reserved(&step.meaning) {
            let why = format!("is about table {name}, in which Clodo keeps what it needs itself");
            return Err(Failed::Refused { rule: "reserved", why });
        }
        never(&step.meaning)?;
        script.replay.knows(&step.meaning)?;
        match &step.meaning {
            Meaning::DropTable { name } => return self.drop(script, at, name, whole),
            // Without effect in a transaction, or in the way of what is done instead. Switched off, the
            // references that are open so far would never be looked at.
            Meaning::Pragma { name, .. }
                if name.ends_with("foreign_keys") && (self.rebuilding() || switches_off(text)) => {}
            Meaning::Pragma { .. } => script.push(whole),
            Meaning::Insert { .. }
            | Meaning::Delete { .. }
            | Meaning::Update { .. }
            | Meaning::Other => {
                self.rows(script, step)?;
                if script.replay.fits(text)? > 0 {
                    let why = "a migration has no values for parameters".to_owned();
                    return Err(Failed::Refused { rule: "parameters", why });
                }
                script.replay.agrees(&step.meaning)?;
                if matches!(step.meaning, Meaning::Insert { from: Some(_), .. })
                    && !step.allows("quoted-text")
                {
                    script.replay.fits_by_name(text)?;
                }
                self.filled(&step.meaning);
                script.push(whole);
            }
            // What was copied into a new table comes from an old one.
            Meaning::DropColumn { table, column }
                if self.made.get(table) != Some(&None) && !step.allows("drop-column") =>
            {
                let why = format!("drops column {column} of table {table} and all its values");
                return Err(Failed::Refused { rule: "drop-column", why });
            }
            meaning => {
                let is_new = match meaning {
                    Meaning::CreateTable { name, .. } => !script.replay.has("table", name)?,
                    _ => false,
                };
                script.run(whole)?;
                script.replay.agrees(meaning)?;
                self.changed(meaning, is_new);
            }
        }
        self.close(script, at)
    }

    /// Whether the file makes a table anew.
    fn rebuilding(&self) -> bool {
        self.steps.iter().enumerate().any(|(at, step)| match &step.meaning {
            Meaning::DropTable { name } => self.steps[at..]
                .iter()
                .any(|later| matches!(&later.meaning, Meaning::Rename { to, .. } if to == name)),
            _ => false,
        })
    }

    /// Refuses what takes away rows, or what they refer to, that the statement does not name.
    fn rows(&mut self, script: &Script<'_>, step: &Step<'_>) -> Result<(), Failed> {
        let (Meaning::Delete { table, .. }
        | Meaning::Insert { into: table, .. }
        | Meaning::Update { table, .. }) = &step.meaning
        else {
            return Ok(());
        };
        if self.harmless.contains(&step.meaning) {
            return Ok(());
        }
        let is_all = matches!(step.meaning, Meaning::Delete { all: true, .. });
        if is_all && !step.allows("delete-all") && !self.is_own(script, table)? {
            let why = format!("deletes all rows of table {table}");
            return Err(Failed::Refused { rule: "delete-all", why });
        }
        let effects = effects(script.replay, &step.meaning)?;
        if effects.is_empty() && !is_all {
            self.harmless.insert(step.meaning.clone());
        }
        match effects.into_iter().find(|effect| !step.allows(effect.rule)) {
            Some(Effect { rule, why }) => Err(Failed::Refused { rule, why }),
            None => Ok(()),
        }
    }

    /// Whether the file made a table, and no other table refers to it: nothing is lost with its rows.
    fn is_own(&self, script: &Script<'_>, table: &str) -> Result<bool, Failed> {
        Ok(self.made.contains_key(table) && script.replay.descendants(table)?.is_empty())
    }

    fn filled(&mut self, meaning: &Meaning) {
        if let Meaning::Insert { into, from: Some(from), .. } = meaning
            && let Some(filled) = self.made.get_mut(into)
        {
            *filled = Some(from.clone());
        }
    }

    fn changed(&mut self, meaning: &Meaning, is_new: bool) {
        self.harmless.clear();
        match meaning {
            Meaning::CreateTable { name, .. } if is_new && !self.dropped.contains(name) => {
                self.made.insert(name.clone(), None);
            }
            Meaning::Rename { from, to } => {
                // In the place of one of before it is no new one any more.
                if let Some(filled) = self.made.remove(from)
                    && !self.dropped.contains(to)
                {
                    self.made.insert(to.clone(), filled);
                }
            }
            _ => {}
        }
    }

    fn drop(
        &mut self,
        script: &mut Script<'_>,
        at: usize,
        name: &str,
        whole: String,
    ) -> Result<(), Failed> {
        self.harmless.clear();
        let step = &self.steps[at];
        let (there, own) = (script.replay.has("table", name)?, self.is_own(script, name)?);
        let by = self.taken_by(at, name);
        if there && !own && by.is_none() && self.renamed_away(at, name) {
            let why =
                format!("drops table {name}, which it renamed: what refers to it goes with it");
            return Err(Failed::Refused { rule: "rebuild-by-renaming", why });
        }
        if let Some(by) = by.filter(|_| there && !own) {
            let rename = self.rename_after(at, &by, name)?;
            self.carries_all(script, at, (name, &by))?;
            let number = self.rebuilds.len();
            let filters = step.allows("rebuild-filters");
            let plain = self.carried(script, at, (name, &by))?;
            let same = (!filters).then_some(plain);
            let open = Open::begin(script, number, (name, &by), same.as_deref())?;
            script.run(whole)?;
            script.replay.agrees(&step.meaning)?;
            self.dropped.insert(name.to_owned());
            self.open = Some((open, self.end_of_rebuild(rename, name)));
            return Ok(());
        }
        if there && !own {
            if let Some(child) = script.replay.descendants(name)?.first() {
                let why = format!("drops table {name}, to which table {child} refers");
                return Err(Failed::Refused { rule: "drop-referenced", why });
            }
            if !step.allows("drop-table") {
                let why = format!("drops table {name} and all its rows");
                return Err(Failed::Refused { rule: "drop-table", why });
            }
        }
        script.run(whole)?;
        script.replay.agrees(&step.meaning)?;
        if self.made.remove(name).is_none() && there {
            self.dropped.insert(name.to_owned());
        }
        Ok(())
    }

    /// The table of this file that was filled from a table and from no other, and gets its name.
    fn taken_by(&self, at: usize, name: &str) -> Option<String> {
        let mut filled = self.made.iter().filter(|(_, from)| from.as_deref() == Some(name));
        filled.find(|(by, _)| self.renames(at, by, name)).map(|(by, _)| by.clone())
    }

    /// Whether a table gets a name from here on.
    fn renames(&self, at: usize, by: &str, name: &str) -> bool {
        self.steps[at..].iter().any(|step| {
            matches!(&step.meaning, Meaning::Rename { from, to } if from == by && to == name)
        })
    }

    /// Where the new table gets the old one's name: nothing about rows may lie between.
    fn rename_after(&self, at: usize, by: &str, name: &str) -> Result<usize, Failed> {
        for (later, step) in self.steps.iter().enumerate().skip(at + 1) {
            match &step.meaning {
                Meaning::Rename { from, to } if from == by && to == name => return Ok(later),
                Meaning::CreateIndex { .. } | Meaning::Pragma { .. } => {}
                _ => break,
            }
        }
        let why = format!("drops table {name}, and does not put table {by} in its place at once");
        Err(Failed::Refused { rule: "rebuild-unfinished", why })
    }

    /// The last step that belongs to a rebuild: its indexes come behind its new name, and others may refer
    /// to what they make unique.
    fn end_of_rebuild(&self, rename: usize, name: &str) -> usize {
        let belongs = |step: &Step<'_>| match &step.meaning {
            Meaning::CreateIndex { table, .. } => table == name,
            Meaning::Pragma { .. } => true,
            _ => false,
        };
        let more = self.steps[rename + 1..].iter().take_while(|step| belongs(step)).count();
        rename + more
    }

    /// Whether the file itself gave the table the name under which it is dropped.
    fn renamed_away(&self, at: usize, name: &str) -> bool {
        let renames =
            |step: &Step<'_>| matches!(&step.meaning, Meaning::Rename { to, .. } if to == name);
        self.steps[..at].iter().any(renames)
    }

    fn close(&mut self, script: &mut Script<'_>, at: usize) -> Result<(), Failed> {
        if let Some((open, _)) = self.open.take_if(|(_, end)| *end == at) {
            self.rebuilds.push(open.finish(script)?);
        }
        Ok(())
    }
}

fn switches_off(pragma: &str) -> bool {
    let value = words(pragma).into_iter().rfind(|word| !matches!(*word, ";" | ")"));
    let value = value.map(|word| folded(word).trim_matches('\'').to_owned());
    value.is_some_and(|value| ["off", "no", "false", "0"].contains(&value.as_str()))
}

/// Refuses what no migration may do.
fn never(meaning: &Meaning) -> Result<(), Failed> {
    let (rule, why) = match meaning {
        Meaning::Transaction => {
            ("transaction", "a migration is one transaction already".to_owned())
        }
        Meaning::Forbidden(what) => ("forbidden", format!("{what} cannot be part of a migration")),
        Meaning::Pragma { name, sets: true } => {
            let why = match name.as_str() {
                "writable_schema" => "rewrites the schema behind SQLite's back",
                // Every proof is a constraint.
                "ignore_check_constraints" => "lets rows in that break the rules of their tables",
                // Views and triggers would name what is no longer there, or another table than they did.
                "legacy_alter_table" => "leaves views and triggers behind when a table is renamed",
                // Then replacing a row would set off what deleting it does.
                "recursive_triggers" => "changes what every later statement does",
                _ => return Ok(()),
            };
            ("forbidden", why.to_owned())
        }
        _ => return Ok(()),
    };
    Err(Failed::Refused { rule, why })
}
