use crate::{
    args::{LintArgs, LintFormat, WhereArgs},
    context::Context,
    failure, findings, places,
    report::FORMAT,
};
use clodo_cli::{CliError, Exit, GlobalArgs, OutputMode, Session};
use clodo_config::Platform;
use clodo_db::Migrations;
use clodo_types::{Finding, Severity};
use serde::Serialize;
use serde_json::Value;
use std::{path::PathBuf, sync::Arc};

#[derive(Serialize)]
struct LintDocument<'a> {
    version: u32,
    outcome: &'static str,
    files: usize,
    findings: &'a [Finding],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

/// `clodo-db lint`
pub(crate) fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &LintArgs,
) -> Result<Exit, CliError> {
    let folders = folders(session, global, args)?;
    let mut found = Vec::new();
    let mut checked = 0;
    for files in &folders {
        let from = begin(files, args.after.as_deref());
        checked += files.files().len() - from;
        found.extend(clodo_db::lint(files, from));
    }
    if let Some(after) = &args.after {
        let known = |files: &Arc<Migrations>| files.files().iter().any(|one| one.name == *after);
        if !folders.iter().any(known) {
            let error = CliError::usage(format!("there is no migration `{after}`"));
            return Err(error.with_hint("give the name of a file, such as 0007_users.sql"));
        }
    }
    let blocks: Vec<&Finding> =
        found.iter().filter(|finding| finding.severity == Severity::Block).collect();
    let error = blocks.first().map(|first| failure::of_finding(first, blocks.len()));
    session.ui.document(&LintDocument {
        version: FORMAT,
        outcome: if error.is_some() { "refused" } else { "done" },
        files: checked,
        findings: &found,
        error: error.as_ref().map(CliError::to_json),
    })?;
    if session.ui.mode() == OutputMode::Text {
        session.ui.text(shown(args.format, &found, checked)?.trim_end())?;
    }
    match error {
        None => Ok(Exit::Done),
        Some(error) => {
            session.ui.error(&error);
            Ok(error.exit())
        }
    }
}

fn shown(format: LintFormat, found: &[Finding], files: usize) -> Result<String, CliError> {
    match format {
        LintFormat::Github => Ok(findings::github(found)),
        LintFormat::Sarif => {
            let log = serde_json::to_string_pretty(&findings::sarif(found));
            log.map_err(|error| CliError::of(Exit::Failed, "output", error))
        }
        LintFormat::Text => {
            let lines: Vec<String> = found.iter().map(findings::text).collect();
            let blocks = found.iter().filter(|one| one.severity == Severity::Block).count();
            let notes = found.len() - blocks;
            Ok(format!("{}\n{files} files, {blocks} refused, {notes} notes", lines.join("\n"))
                .trim_start()
                .to_owned())
        }
    }
}

/// Where the files begin that are checked; in a folder without that file, at the first one.
fn begin(files: &Migrations, after: Option<&str>) -> usize {
    let found = files.files().iter().position(|file| Some(file.name.as_str()) == after);
    found.map_or(0, |at| at + 1)
}

/// Each folder once, whoever uses it.
fn folders(
    session: &Session,
    global: &GlobalArgs,
    args: &LintArgs,
) -> Result<Vec<Arc<Migrations>>, CliError> {
    if let Some(given) = &args.migrations {
        let (folder, shown) = places::folder(session, global, Some(given));
        let files = Migrations::read(&folder, &shown).map_err(failure::of_folder)?;
        return Ok(vec![Arc::new(files)]);
    }
    let context = Context::open(session, global)?;
    let wanted = WhereArgs {
        services: args.services.clone(),
        binding: args.binding.clone(),
        ..WhereArgs::default()
    };
    let mut seen: Vec<PathBuf> = Vec::new();
    let mut folders = Vec::new();
    for database in places::described(&context, &wanted, Platform::Local)? {
        if !seen.contains(&database.folder) {
            seen.push(database.folder);
            folders.push(database.migrations);
        }
    }
    Ok(folders)
}
