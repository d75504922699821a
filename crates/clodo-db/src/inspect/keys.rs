//! Primary keys and foreign keys.

use super::{
    diagnose::{Diagnosis, Weight},
    scans::plan,
    structure::{Reference, Table},
};
use crate::{
    identifier::quoted,
    migrations::replay::{Replay, listed, said},
};
use clodo_sqlite::rusqlite::Error;

pub(super) fn find(replay: &Replay, tables: &[Table]) -> Result<Vec<Diagnosis>, Error> {
    let mut found = Vec::new();
    for table in tables {
        if table.key.is_empty() {
            let said = format!("table {} has no primary key", table.name);
            let hint = "rows are told apart by a number that no column shows, and that VACUUM may change: \
                        make the table anew with a key";
            found.push(
                Diagnosis::new("no-primary-key", Weight::Note, &table.name, said).hinted(hint),
            );
        }
        found.extend(broken(replay, table, tables)?);
        for reference in &table.references {
            found.extend(unindexed(replay, table, reference)?);
        }
    }
    Ok(found)
}

/// A foreign key that lets every change of its table fail.
fn broken(replay: &Replay, table: &Table, tables: &[Table]) -> Result<Option<Diagnosis>, Error> {
    let missing = |reference: &&Reference| {
        !tables.iter().any(|one| one.name.eq_ignore_ascii_case(&reference.parent))
    };
    if let Some(Reference { parent, .. }) = table.references.iter().find(missing) {
        let said = format!("table {} refers to table {parent}, which is not there", table.name);
        let hint = "make the table, or make this one anew without the reference";
        let broken = Diagnosis::new("foreign-key-broken", Weight::Problem, &table.name, said);
        return Ok(Some(broken.hinted(hint)));
    }
    // It complains about the schema before it looks at any row.
    let check = format!("PRAGMA foreign_key_check({})", quoted(&table.name));
    match replay.run(&check) {
        Err(error) if said(&error).0.contains("foreign key mismatch") => {
            let hint = "add a unique index on the columns that are referred to";
            let said = format!("table {}: {}", table.name, said(&error).0);
            let broken = Diagnosis::new("foreign-key-broken", Weight::Problem, &table.name, said);
            Ok(Some(broken.hinted(hint)))
        }
        _ => Ok(None),
    }
}

/// A foreign key whose rows are found by reading all of them.
fn unindexed(
    replay: &Replay,
    table: &Table,
    reference: &Reference,
) -> Result<Option<Diagnosis>, Error> {
    if !plan(replay, &lookup(table, reference))?.iter().any(|step| step.scans()) {
        return Ok(None);
    }
    let columns = &reference.columns;
    let (name, parent) = (&table.name, &reference.parent);
    let shown = columns.join(", ");
    let said = format!(
        "no index finds the rows of {name} by {shown}: each row of {parent} that is \
                        deleted reads all of {name}"
    );
    let fix = create_index(replay, name, columns)?;
    let object = format!("{name}.{shown}");
    Ok(Some(
        Diagnosis::new("foreign-key-without-index", Weight::Advice, object, said).fixed_by(fix),
    ))
}

/// What SQLite looks for when a row of the parent goes.
pub(super) fn lookup(table: &Table, reference: &Reference) -> String {
    let columns = reference.columns.iter().map(|column| format!("{} = ?", quoted(column)));
    let columns = columns.collect::<Vec<_>>().join(" AND ");
    format!("SELECT 1 FROM {} WHERE {columns}", quoted(&table.name))
}

/// The statement that makes an index, under a name that is free.
pub(super) fn create_index(
    replay: &Replay,
    table: &str,
    columns: &[String],
) -> Result<String, Error> {
    let plain = |c: char| if c.is_alphanumeric() { c } else { '_' };
    let base = format!("{table}_by_{}", columns.join("_"));
    let base: String = base.chars().map(plain).collect();
    let mut name = base.clone();
    let mut number = 2;
    while replay.has("index", &name)? || replay.has("table", &name)? || replay.has("view", &name)? {
        name = format!("{base}_{number}");
        number += 1;
    }
    Ok(format!("CREATE INDEX {} ON {} ({});", quoted(&name), quoted(table), listed(columns, "")))
}
