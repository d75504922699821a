//! What grows, and where it ends.

use super::{
    diagnose::{Diagnosis, Weight},
    facts::Facts,
    structure::Table,
};
use crate::database::{Capabilities, Integers};

/// The largest whole number that JSON, and so JavaScript, carries exactly.
const EXACT: i64 = 1 << 53;
/// Less free space than this is nothing to speak of, in bytes.
const LITTLE: u64 = 1_000_000;

pub(super) fn find(
    tables: &[Table],
    facts: &Facts,
    most: &Capabilities,
    big: u64,
) -> Vec<Diagnosis> {
    let mut found = Vec::new();
    for table in tables {
        found.extend(wide(table, most));
        found.extend(large(table, facts, big));
        if table.counts_up {
            let said = format!(
                "table {} counts up with AUTOINCREMENT: each row that is added writes sqlite_sequence, too",
                table.name
            );
            let hint = "without it numbers are only given again once the greatest one was deleted; \
                        leave it if that may never happen";
            let note = Diagnosis::new("autoincrement", Weight::Note, &table.name, said);
            found.push(note.hinted(hint));
        }
    }
    found.extend(inexact(tables, facts, most));
    found.extend(free(facts));
    found
}

fn wide(table: &Table, most: &Capabilities) -> Option<Diagnosis> {
    let (has, most) = (table.columns.len(), most.columns);
    (has >= most / 5 * 4).then(|| {
        let said = format!("table {} has {has} columns of {most}", table.name);
        let hint = "put columns that belong together into a table of their own";
        Diagnosis::new("columns-near-limit", Weight::Advice, &table.name, said).hinted(hint)
    })
}

fn large(table: &Table, facts: &Facts, big: u64) -> Option<Diagnosis> {
    let rows = facts.rows(&table.name).filter(|rows| *rows > big)?;
    let said = format!(
        "table {} has about {rows} rows: each statement that reads all of it is billed as so many rows read",
        table.name
    );
    let hint =
        "see that no statement reads all of it; give --sql or --source to have them looked at";
    Some(Diagnosis::new("big-table", Weight::Note, &table.name, said).hinted(hint))
}

/// Whole numbers that JavaScript rounds, or soon will.
fn inexact(tables: &[Table], facts: &Facts, most: &Capabilities) -> Vec<Diagnosis> {
    let keys = tables.iter().filter(|table| table.key_is_number).filter_map(|table| {
        let greatest = facts.greatest.get(&table.name.to_ascii_lowercase())?;
        Some((table.name.as_str(), table.key.first()?.as_str(), *greatest))
    });
    let others = facts
        .numbers
        .iter()
        .map(|(table, column, greatest)| (table.as_str(), column.as_str(), *greatest));
    let mut found: Vec<Diagnosis> = Vec::new();
    for (table, column, greatest) in keys.chain(others) {
        let object = format!("{table}.{column}");
        if greatest < EXACT / 10 * 9 || found.iter().any(|one| one.object == object) {
            continue;
        }
        let beyond = greatest > EXACT;
        let said = match beyond {
            true => format!("{object} holds {greatest}, which JavaScript rounds"),
            false => {
                format!("{object} holds {greatest}, near 2^53, from where on JavaScript rounds")
            }
        };
        let weight = match (beyond, most.integers) {
            (true, Integers::UpTo53Bits) => Weight::Problem,
            _ => Weight::Advice,
        };
        let hint = "store it as text, or read it with CAST(… AS TEXT)";
        found.push(Diagnosis::new("integer-near-2-53", weight, object, said).hinted(hint));
    }
    found
}

/// Pages without content.
fn free(facts: &Facts) -> Option<Diagnosis> {
    let (free, all, page) = facts.pages?;
    (free * page >= LITTLE && free >= all / 4).then(|| {
        let megabytes = free * page / 1_000_000;
        let said = format!("{megabytes} MB of the file are free: {free} of {all} pages");
        Diagnosis::new("free-pages", Weight::Advice, "file", said)
            .hinted("run `VACUUM` when nobody needs it: it writes the whole file anew")
    })
}
