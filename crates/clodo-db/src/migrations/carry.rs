//! Which values of an old table a new one gets, and whether each is where it belongs.

use super::{
    fill::{Fill, FillColumn},
    meaning::{Meaning, Step},
    protect::Failed,
    script::Script,
    work::Work,
};

impl<'a> Work<'a> {
    /// What fills a new table from an old one up to here.
    fn fills(
        &self,
        at: usize,
        (table, by): (&'a str, &'a str),
    ) -> impl Iterator<Item = (&'a Step<'a>, Fill)> {
        self.steps[..at].iter().filter_map(move |step| match &step.meaning {
            Meaning::Insert { into, from: Some(from), .. } if into == by && from == table => {
                Some((step, Fill::of(step.piece.text)?))
            }
            _ => None,
        })
    }

    /// The columns of the old table whose values are in the new one as they are, each with the column that
    /// has them there.
    pub(super) fn carried(
        &self,
        script: &Script<'_>,
        at: usize,
        (table, by): (&str, &str),
    ) -> Result<Vec<(String, String)>, Failed> {
        let old = script.replay.visible_columns(table)?;
        let new = script.replay.columns(by)?;
        let new: Vec<String> = new.iter().map(|name| name.to_ascii_lowercase()).collect();
        let mut carried: Option<Vec<(String, String)>> = None;
        for (_, fill) in self.fills(at, (table, by)) {
            let plain = fill.pairs(&old, &new).filter_map(|(source, target)| match source {
                FillColumn::Plain(source) => Some((source, target.clone())),
                _ => None,
            });
            let plain: Vec<(String, String)> = plain.collect();
            carried = Some(match carried {
                Some(known) => known.into_iter().filter(|pair| plain.contains(pair)).collect(),
                None => plain,
            });
        }
        let is_changed = |column: &String| {
            self.steps[..at].iter().any(|step| match &step.meaning {
                Meaning::Update { table, columns, .. } => table == by && columns.contains(column),
                _ => false,
            })
        };
        let mut carried = carried.unwrap_or_default();
        carried.retain(|(_, target)| !is_changed(target));
        Ok(carried)
    }

    /// Refuses a new table that gets none of the values of an old one's column, or another one's; and one
    /// whose rows get other numbers, where these are known elsewhere.
    pub(super) fn carries_all(
        &self,
        script: &Script<'_>,
        at: usize,
        (table, by): (&str, &str),
    ) -> Result<(), Failed> {
        let drop = &self.steps[at];
        let fills = self.fills(at, (table, by));
        let (own, old) = (script.replay.columns(table)?, script.replay.visible_columns(table)?);
        let new = script.replay.columns(by)?;
        let new: Vec<String> = new.iter().map(|name| name.to_ascii_lowercase()).collect();
        let searched = script.replay.searched_by_number(table)?;
        for (step, fill) in fills {
            let refuse =
                |rule: &'static str, why: String| match step.allows(rule) || drop.allows(rule) {
                    true => Ok(()),
                    false => Err(Failed::Refused { rule, why }),
                };
            let pairs: Vec<(FillColumn, &String)> = fill.pairs(&old, &new).collect();
            let is_lost = |column: &&String| {
                let name = column.to_ascii_lowercase();
                !pairs.iter().any(|(source, _)| source.has(&name))
            };
            if let Some(column) = own.iter().find(is_lost) {
                let why = format!("makes table {table} anew without the values of column {column}");
                refuse("drop-column", why)?;
            }
            let is_mixed = |(source, target): &&(FillColumn, &String)| match source {
                FillColumn::Plain(source) => {
                    source != *target && old.contains(target) && new.contains(source)
                }
                _ => false,
            };
            if let Some((FillColumn::Plain(source), target)) = pairs.iter().find(is_mixed) {
                let why = format!("fills column {target} of table {table} from column {source}");
                refuse("rebuild-mixes-columns", why)?;
            }
            let mut keeps_numbers = false;
            for (source, target) in &pairs {
                if let FillColumn::Plain(source) = source {
                    keeps_numbers |= script.replay.is_number(table, source)?
                        && script.replay.is_number(by, target)?;
                }
            }
            if let Some(index) = &searched
                && !keeps_numbers
            {
                let why = format!(
                    "gives the rows of table {table} other numbers, by which {index} finds them"
                );
                refuse("rebuild-renumbers", why)?;
            }
        }
        Ok(())
    }
}
