//! What tables demand of rules: columns that refer to each other change in the same way.

use super::{
    plan::{Fate, Plain},
    problem::{CopyProblem, CopyProblemKind},
    rule::MaskRule,
};
use crate::{
    backup::{
        error::BackupError,
        layout::{ask, texts, users},
    },
    database::Database,
};
use std::collections::{BTreeMap, BTreeSet};

/// What the source tells of its columns. All names are in lower case.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Tables and columns.
    generated: BTreeSet<(String, String)>,
    references: Vec<Reference>,
}

/// A foreign key.
#[derive(Debug)]
struct Reference {
    child: String,
    parent: String,
    /// From, and to.
    columns: Vec<(String, String)>,
}

impl Facts {
    pub(super) async fn read(source: &dyn Database) -> Result<Self, BackupError> {
        let generated = "SELECT lower(m.name), lower(c.name) FROM sqlite_master m, \
                         pragma_table_xinfo(m.name) c WHERE m.type = 'table' AND c.hidden IN (2, 3) AND ";
        let generated = texts(&ask(source, &format!("{generated}{}", users("m.name"))).await?, 2);
        let generated = generated.into_iter().filter_map(pair).collect();
        // A key that names no columns of its parent means the primary key.
        let keys = "SELECT lower(m.name), f.id || '', lower(f.\"table\"), lower(f.\"from\"), \
                    lower(coalesce(f.\"to\", (SELECT p.name FROM pragma_table_info(f.\"table\") p \
                    WHERE p.pk = f.seq + 1), '')) FROM sqlite_master m, \
                    pragma_foreign_key_list(m.name) f WHERE m.type = 'table' AND ";
        let keys = format!("{keys}{} ORDER BY 1, f.id, f.seq", users("m.name"));
        let rows = texts(&ask(source, &keys).await?, 5);
        let mut references: Vec<(String, Reference)> = Vec::new();
        for row in rows {
            let Ok([child, id, parent, from, to]) = <[String; 5]>::try_from(row) else { continue };
            match references.last_mut() {
                Some((last, reference)) if *last == id && reference.child == child => {
                    reference.columns.push((from, to));
                }
                _ => {
                    let columns = vec![(from, to)];
                    references.push((id, Reference { child, parent, columns }));
                }
            }
        }
        let references = references.into_iter().map(|(_, reference)| reference).collect();
        Ok(Self { generated, references })
    }

    pub(super) fn is_generated(&self, table: &str, column: &str) -> bool {
        let key = (table.to_ascii_lowercase(), column.to_ascii_lowercase());
        self.generated.contains(&key)
    }
}

fn pair(row: Vec<String>) -> Option<(String, String)> {
    let [one, other] = row.try_into().ok()?;
    Some((one, other))
}

/// A table and a column, in lower case.
type Place = (String, String);

/// Gives columns without a rule that of the column that they refer to, and says which; finds those whose
/// rules do not go together.
pub(super) fn references(
    tables: &mut BTreeMap<String, Plain>,
    facts: &Facts,
    problems: &mut Vec<CopyProblem>,
) -> BTreeMap<Place, Place> {
    let mut follows = BTreeMap::new();
    let pairs = || {
        facts.references.iter().flat_map(|one| {
            let place = |(from, to): &(String, String)| {
                ((one.child.clone(), from.clone()), (one.parent.clone(), to.clone()))
            };
            one.columns.iter().map(place)
        })
    };
    // A parent may be a child itself: as often as something changes.
    loop {
        let mut changed = false;
        for (child, parent) in pairs() {
            let rule = rule_of(tables, &parent).filter(|rule| rule.is_keyed()).cloned();
            if let (Some(rule), Some(none @ None)) = (rule, rule_mut(tables, &child)) {
                *none = Some(rule);
                follows.insert(child, parent);
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    for reference in &facts.references {
        problems.extend(broken(tables, reference));
    }
    let shown = |(table, column): &Place| {
        let plain = tables.get(table);
        let own =
            plain.and_then(|one| one.columns.iter().find(|own| own.eq_ignore_ascii_case(column)));
        let table = plain.map_or_else(|| table.clone(), |one| one.name.clone());
        (table, own.cloned().unwrap_or_else(|| column.clone()))
    };
    follows.into_iter().map(|(child, parent)| (child, shown(&parent))).collect()
}

fn place(table: &Plain, column: &str) -> Option<usize> {
    table.columns.iter().position(|own| own.eq_ignore_ascii_case(column))
}

fn rule_of<'t>(
    tables: &'t BTreeMap<String, Plain>,
    (table, column): &Place,
) -> Option<&'t MaskRule> {
    let table = tables.get(table).filter(|table| table.fate == Fate::Copied)?;
    table.rules[place(table, column)?].as_ref()
}

fn rule_mut<'t>(
    tables: &'t mut BTreeMap<String, Plain>,
    (table, column): &Place,
) -> Option<&'t mut Option<MaskRule>> {
    let table = tables.get_mut(table).filter(|table| table.fate == Fate::Copied)?;
    let at = place(table, column)?;
    table.rules.get_mut(at)
}

/// Why the rows of the child would refer to nothing.
fn broken(tables: &BTreeMap<String, Plain>, reference: &Reference) -> Option<CopyProblem> {
    let (child, parent) = (tables.get(&reference.child)?, tables.get(&reference.parent)?);
    if child.fate != Fate::Copied {
        return None;
    }
    let own = |from: &str| rule_of(tables, &(reference.child.clone(), from.to_owned()));
    // With one column that is NULL the row refers to nothing, and may.
    if reference.columns.iter().any(|(from, _)| is_null(own(from))) {
        return None;
    }
    let shown = |table: &Plain, column: &str| {
        place(table, column).map_or_else(|| column.to_owned(), |at| table.columns[at].clone())
    };
    let problem = |kind, from: &str| CopyProblem {
        kind,
        table: child.name.clone(),
        column: Some(shown(child, from)),
        known: Vec::new(),
    };
    if parent.fate == Fate::Dropped {
        let kind = CopyProblemKind::DroppedParent { table: parent.name.clone() };
        return Some(problem(kind, &reference.columns.first()?.0));
    }
    if parent.fate != Fate::Copied {
        return None;
    }
    let rule = |found: Option<&MaskRule>| found.cloned().unwrap_or(MaskRule::Keep);
    let (from, to) = reference.columns.iter().find(|(from, to)| {
        rule(own(from)) != rule(rule_of(tables, &(reference.parent.clone(), to.clone())))
    })?;
    let other = rule(rule_of(tables, &(reference.parent.clone(), to.clone())));
    let kind = CopyProblemKind::Reference {
        table: parent.name.clone(),
        column: shown(parent, to),
        rule: other.to_string(),
    };
    Some(problem(kind, from))
}

fn is_null(rule: Option<&MaskRule>) -> bool {
    matches!(rule, Some(MaskRule::Null | MaskRule::Constant(crate::value::Value::Null)))
}
