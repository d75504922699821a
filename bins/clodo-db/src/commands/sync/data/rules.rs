//! The rules of a database, and what becomes of each column by them.

use super::{job::Work, masks::MasksFile};
use crate::{keeping::of_backup, places::Place};
use clodo_cli::{CliError, Exit};
use clodo_db::{
    CopyError, CopyOptions, CopyPlan, CopyProblem, CopyProblemKind, Database, plan_copy,
};
use std::fmt::Write as _;

/// Those that are named; else, for what leaves a protected environment, those beside the migrations; else
/// none.
pub(super) fn of(work: &Work<'_>, from: &Place) -> Result<MasksFile, CliError> {
    if let Some(path) = &work.args.mask {
        return MasksFile::read(&work.session.directory.join(path), path.clone());
    }
    let path = from.migrations().path.with_file_name("masks.toml");
    match from.is_protected() && path.exists() {
        true => MasksFile::read(&path, from.folder().with_file_name("masks.toml")),
        false => Ok(MasksFile::default()),
    }
}

/// Works out what is copied.
pub(super) async fn plan(
    work: &Work<'_>,
    (from, to): (&Place, &Place),
    (source, there): (&dyn Database, Option<&dyn Database>),
    masks: &MasksFile,
) -> Result<CopyPlan, CliError> {
    let options = CopyOptions::default()
        .with_tables(work.args.tables.iter().cloned())
        .with_records(from.records())
        .with_records(to.records())
        .with_every_column(from.is_protected());
    let planned = plan_copy(source, there, &masks.masks, &options).await;
    planned.map_err(|error| match error {
        CopyError::Problems(problems) => refused(work, from, masks, &problems),
        CopyError::Backup(error) => of_backup(&from.shown(), error),
        error => CliError::usage(format!("{}: {error}", from.name))
            .with_hint("apply its migrations, or name another source"),
    })
}

fn refused(work: &Work<'_>, from: &Place, masks: &MasksFile, problems: &[CopyProblem]) -> CliError {
    if let Some(error) = masks.located(problems) {
        return error;
    }
    let unnamed: Vec<&CopyProblem> =
        problems.iter().filter(|one| one.kind == CopyProblemKind::NoRule).collect();
    let Some(first) = problems.iter().find(|one| one.kind != CopyProblemKind::NoRule) else {
        return no_rules(work, from, masks, &unnamed);
    };
    let message = format!("{}: {first}", from.name);
    // A name on the command line, or rows that would refer to nothing.
    let (exit, hint) = match first.kind {
        CopyProblemKind::UnknownTable => (
            Exit::Usage,
            clodo_config::hint_for(&first.table, first.known.iter().map(String::as_str)),
        ),
        CopyProblemKind::Records | CopyProblemKind::Derived => {
            (Exit::Usage, first.hint().to_owned())
        }
        _ => (Exit::Refused, first.hint().to_owned()),
    };
    CliError::new(exit, "masks", message).with_hint(hint)
}

/// What leaves a protected environment is named, column by column.
fn no_rules(
    work: &Work<'_>,
    from: &Place,
    masks: &MasksFile,
    unnamed: &[&CopyProblem],
) -> CliError {
    let name =
        |one: &&CopyProblem| format!("{}.{}", one.table, one.column.as_deref().unwrap_or_default());
    let names: Vec<String> = unnamed.iter().map(name).collect();
    let file = match masks.path.as_os_str().is_empty() {
        true => from.folder().with_file_name("masks.toml"),
        false => masks.path.clone(),
    };
    work.session.ui.say(&format!(
        "In {} is still to be said:\n{}",
        file.display(),
        skeleton(unnamed)
    ));
    let message = format!(
        "{}: its environment is protected, and no rule says what becomes of {}",
        from.name,
        names.join(", ")
    );
    let hint = format!(
        "write `keep`, `null`, `hash`, `fake …` or a constant for each into {}",
        file.display()
    );
    CliError::new(Exit::Refused, "no_rule", message).with_hint(hint)
}

/// What to write into the file, without the rules.
fn skeleton(unnamed: &[&CopyProblem]) -> String {
    let key = |name: &str| {
        let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        match !name.is_empty() && name.chars().all(bare) {
            true => name.to_owned(),
            false => toml_edit::Value::from(name).to_string(),
        }
    };
    let (mut text, mut table) = (String::new(), None);
    for one in unnamed {
        // Writing to a `String` cannot fail.
        if table != Some(&one.table) {
            let _ = writeln!(text, "[tables.{}]", key(&one.table));
            table = Some(&one.table);
        }
        let _ = writeln!(text, "{} = \"\"", key(one.column.as_deref().unwrap_or_default()));
    }
    text.trim_end().to_owned()
}
