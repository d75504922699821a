use super::{
    file::MigrationFile,
    folder::Migrations,
    meaning::{Meaning, Step, steps},
    protect::{Trial, Tried},
    records::RECORDS,
    replay::{Replay, said},
    schema::{Schema, SchemaObject},
};
use crate::{database::Capabilities, identifier::quoted};
use clodo_types::{Finding, Location, Severity};
use std::collections::HashSet;

/// Checks migration files without any database: each is tried on the schema that those before it
/// make. Files before `from` are only replayed: they are applied, and what they did is done. The
/// limits are those of D1.
///
/// What would be refused is a finding that blocks; what is worth knowing is a note.
#[must_use]
pub fn lint(files: &Migrations, from: usize) -> Vec<Finding> {
    let (old, new) = files.files().split_at(from.min(files.files().len()));
    let mut schema = replay(old).0;
    RECORDS.clone_into(&mut schema.records);
    lint_on(schema, &new.iter().collect::<Vec<_>>(), &Capabilities::d1())
}

/// Checks files that are to be applied to a database with this schema, and these limits.
#[must_use]
pub fn lint_on(
    schema: Schema,
    files: &[&MigrationFile],
    capabilities: &Capabilities,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut trial = Trial::on(schema);
    let mut unindexed = Vec::new();
    for file in files {
        findings.extend(notes(file, capabilities));
        match trial.protect(file) {
            Ok(tried) => {
                findings.extend(after(file, &tried, &trial));
                unindexed.extend(without_index(file, &tried, &trial));
            }
            Err(refusal) => {
                // What the files behind it would find is not known.
                findings.push(*refusal.0);
                break;
            }
        }
    }
    // A later file may have made the index.
    let is_still = |reference: &Unindexed| {
        trial.replay().is_none_or(|replay| {
            let now = replay.unindexed(&reference.table).unwrap_or_default();
            now.contains(&reference.column)
        })
    };
    findings.extend(unindexed.into_iter().filter(is_still).map(|one| one.finding));
    findings
}

/// A reference by which rows are found by reading all of them.
struct Unindexed {
    table: String,
    column: String,
    finding: Finding,
}

fn without_index(file: &MigrationFile, tried: &Tried, trial: &Trial) -> Vec<Unindexed> {
    let mut found = Vec::new();
    let Some(replay) = trial.replay() else { return found };
    let known: HashSet<(&str, &str)> =
        tried.before.objects.iter().map(|one| (one.name.as_str(), one.sql.as_str())).collect();
    let is_new = |one: &&SchemaObject| {
        one.kind == "table" && !known.contains(&(one.name.as_str(), one.sql.as_str()))
    };
    let steps = steps(&file.sql).unwrap_or_default();
    for table in trial.schema().objects.iter().filter(is_new) {
        let makes = |step: &&Step<'_>| {
            step.meaning.tables().any(|name| table.name.eq_ignore_ascii_case(name))
        };
        let at = steps.iter().find(makes).map_or(0, |step| step.piece.offset);
        for column in replay.unindexed(&table.name).unwrap_or_default() {
            let name = &table.name;
            let why = format!(
                "no index begins with {name}.{column}: each deleted row that it refers to reads all of {name}"
            );
            let index = quoted(&format!("{name}_{column}"));
            let hint =
                format!("add `CREATE INDEX {index} ON {} ({});`", quoted(name), quoted(&column));
            let finding = note(file, at, "foreign-key-without-index", why, &hint);
            found.push(Unindexed { table: name.clone(), column, finding });
        }
    }
    found
}

/// The schema that applied files made, and the statements that could not be carried out again: what
/// they made is not in it. Rows are left out.
#[must_use]
pub fn replay(files: &[MigrationFile]) -> (Schema, Vec<Finding>) {
    let mut findings = Vec::new();
    let Ok(replay) = Replay::empty() else { return (Schema::default(), findings) };
    for file in files {
        let steps = steps(&file.sql).unwrap_or_else(|error| {
            let why = format!("cannot be carried out again: {}", error.message);
            findings.push(note(file, error.offset, "replay-fails", why, BY_HAND));
            Vec::new()
        });
        for step in steps {
            if !step.meaning.changes_schema() {
                continue;
            }
            // It was carried out once, whatever this SQLite thinks of it.
            if let Err(error) = replay.run(step.piece.text) {
                let why = format!("cannot be carried out again: {}", said(&error).0);
                findings.push(note(file, step.piece.offset, "replay-fails", why, BY_HAND));
            }
        }
    }
    (replay.schema().unwrap_or_default(), findings)
}

const BY_HAND: &str = "compare by hand what it made";

/// What the text itself tells.
fn notes(file: &MigrationFile, capabilities: &Capabilities) -> Vec<Finding> {
    let Ok(steps) = steps(&file.sql) else { return Vec::new() };
    let made: Vec<&str> = steps.iter().filter_map(|step| made(&step.meaning)).collect();
    let mut findings = Vec::new();
    if steps.is_empty() {
        findings.push(note(file, 0, "empty-migration", "does nothing".to_owned(), EMPTY));
    }
    for step in &steps {
        findings.extend(of_step(file, step, &made, capabilities));
        for (code, _) in step.allows.iter().filter(|(_, reason)| reason.is_empty()) {
            let why = format!("allows {code} without a reason, which allows nothing");
            let hint = "write the reason behind the code";
            findings.push(note(file, step.piece.offset, "allow-without-reason", why, hint));
        }
    }
    findings
}

const EMPTY: &str = "delete the file, or write what it is for";

fn made(meaning: &Meaning) -> Option<&str> {
    match meaning {
        Meaning::CreateTable { name, may_exist: false } => Some(name),
        _ => None,
    }
}

fn of_step(
    file: &MigrationFile,
    step: &Step<'_>,
    made: &[&str],
    capabilities: &Capabilities,
) -> Option<Finding> {
    let (at, longest) = (step.piece.offset, capabilities.statement_bytes);
    if step.piece.text.len() > longest {
        let why =
            format!("a statement of {} bytes: the database takes {longest}", step.piece.text.len());
        let hint = "split it; rows can come in several INSERTs";
        return Some(Finding {
            severity: Severity::Block,
            ..note(file, at, "statement-too-long", why, hint)
        });
    }
    if let (Meaning::Pragma { name, .. }, Some(taken)) = (&step.meaning, capabilities.pragmas)
        && !taken.contains(&name.as_str())
    {
        let why = format!("PRAGMA {name} is none that the database takes");
        let hint = "leave it out";
        return Some(Finding {
            severity: Severity::Block,
            ..note(file, at, "pragma-not-taken", why, hint)
        });
    }
    let (rule, why, hint) = match &step.meaning {
        Meaning::AddColumn { table, column, needs_value: true } if !made.contains(&&**table) => (
            "needs-empty-table",
            format!(
                "adds column {column} that is NOT NULL without a default: it fails if {table} has rows"
            ),
            "give it a default, or fill it first and make the table anew",
        ),
        Meaning::CreateIndex { table, unique: true } if !made.contains(&&**table) => (
            "needs-unique-rows",
            format!("fails if rows of table {table} are alike"),
            "look for such rows before, and mend them in a statement before this one",
        ),
        Meaning::Pragma { name, sets: true } if WITHOUT_EFFECT.contains(&name.as_str()) => (
            "pragma-without-effect",
            format!("PRAGMA {name} does nothing in a transaction, and a migration is one"),
            match name.as_str() {
                "foreign_keys" => {
                    "leave it out: the rows of tables that refer to a table that is made anew are kept"
                }
                _ => "leave it out",
            },
        ),
        Meaning::CreateTrigger { name, .. } if step.piece.text.contains("\r\n") => (
            "crlf-in-trigger",
            format!(
                "trigger {name} keeps the line ends of the file, which are not everywhere the same"
            ),
            "save the file with line feeds alone",
        ),
        _ => return None,
    };
    (!step.allows(rule)).then(|| note(file, at, rule, why, hint))
}

const WITHOUT_EFFECT: [&str; 3] = ["foreign_keys", "journal_mode", "synchronous"];

/// What is no longer there, or not there yet, when the file is through.
fn after(file: &MigrationFile, tried: &Tried, trial: &Trial) -> Vec<Finding> {
    let mut findings = Vec::new();
    let (before, now) = (&tried.before, trial.schema());
    for rebuild in &tried.rebuilds {
        let gone = |one: &&SchemaObject| {
            one.kind != "table"
                && one.table.eq_ignore_ascii_case(&rebuild.table)
                && !now
                    .objects
                    .iter()
                    .any(|now| now.kind == one.kind && now.name.eq_ignore_ascii_case(&one.name))
        };
        for lost in before.objects.iter().filter(gone) {
            let (kind, name, table) = (&lost.kind, &lost.name, &rebuild.table);
            let why =
                format!("{kind} {name} goes with the old table {table}, and is not made again");
            let rule = format!("rebuild-loses-{kind}");
            let hint = "make it again behind the rename, if it is still wanted";
            findings.push(note(file, 0, &rule, why, hint));
        }
    }
    findings
}

fn note(file: &MigrationFile, offset: usize, rule: &str, why: String, hint: &str) -> Finding {
    Finding {
        rule: rule.to_owned(),
        severity: Severity::Note,
        at: Some(Location::of_offset(&file.path, &file.sql, offset)),
        message: why,
        hint: Some(hint.to_owned()),
    }
}
