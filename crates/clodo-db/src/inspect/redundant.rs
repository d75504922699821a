//! Indexes that another one does the work of.

use super::{
    diagnose::{Diagnosis, Weight},
    structure::{Index, Table},
};
use crate::identifier::quoted;

pub(super) fn find(tables: &[Table]) -> Vec<Diagnosis> {
    let mut found = Vec::new();
    for table in tables {
        for (at, index) in table.indexes.iter().enumerate() {
            // One that a table's own statement asks for cannot be dropped; one for some rows, or of
            // expressions, is there for a reason that columns do not tell.
            if !index.own || !index.is_plain() {
                continue;
            }
            let by = match by_the_number(table, index) {
                true => Some("the rows are kept in this order anyway".to_owned()),
                false => table
                    .indexes
                    .iter()
                    .enumerate()
                    .find(|(other_at, other)| covers((*other_at, other), (at, index)))
                    .map(|(_, other)| match other.own {
                        true => format!("index {} begins with the same columns", other.name),
                        false => "a UNIQUE or PRIMARY KEY begins with the same columns".to_owned(),
                    }),
            };
            let Some(by) = by else { continue };
            let said = format!("index {} of table {} is not needed: {by}", index.name, table.name);
            let fix = format!("DROP INDEX {};", quoted(&index.name));
            found.push(
                Diagnosis::new("index-redundant", Weight::Advice, &index.name, said).fixed_by(fix),
            );
        }
    }
    found
}

/// An index on nothing but the column that is the number of the row.
fn by_the_number(table: &Table, index: &Index) -> bool {
    let first = index.parts.first().and_then(|part| part.column.as_deref());
    table.key_is_number
        && index.parts.len() == 1
        && table.key.iter().any(|key| first.is_some_and(|first| first.eq_ignore_ascii_case(key)))
}

/// Whether the first index finds all that the second one finds, and sees to what that one sees to.
fn covers((at, index): (usize, &Index), (needless_at, needless): (usize, &Index)) -> bool {
    if at == needless_at || !index.is_plain() || !index.parts.starts_with(&needless.parts) {
        return false;
    }
    let same = index.parts.len() == needless.parts.len();
    match (needless.unique, index.unique, same) {
        // It forbids equal rows, which no longer index does.
        (true, true, true) => !index.own || at < needless_at,
        (true, ..) => false,
        // Of two that are alike, the first one stays, unless only the other one is unique.
        (false, false, true) => at < needless_at,
        (false, ..) => true,
    }
}
