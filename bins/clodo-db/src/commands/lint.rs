use super::up::check::check;
use crate::{
    args::{LintArgs, LintFormat, WhereArgs},
    context::Context,
    failure, findings,
    places::{self, Places},
    report::FORMAT,
    running::{Code, CodeDocument, Running},
};
use clodo_cli::{CliError, Exit, GlobalArgs, OutputMode, Session};
use clodo_config::Platform;
use clodo_db::{MigrationFile, MigrationFolder, Migrations, check_code, may_break_code, replay};
use clodo_types::{Finding, ServiceName, Severity};
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

#[derive(Serialize)]
struct LintDocument<'a> {
    version: u32,
    outcome: &'static str,
    files: usize,
    findings: &'a [Finding],
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    code: &'a BTreeSet<CodeDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

/// What was checked, and what was found.
#[derive(Default)]
struct Checked {
    files: usize,
    findings: Vec<Finding>,
    code: BTreeSet<CodeDocument>,
}

/// `clodo-db lint`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &LintArgs,
) -> Result<Exit, CliError> {
    let checked = match args.deployed {
        true => deployed(session, global, args).await?,
        false => written(session, global, args)?,
    };
    let Checked { files, findings, code } = &checked;
    let blocks: Vec<&Finding> =
        findings.iter().filter(|finding| finding.severity == Severity::Block).collect();
    let error = blocks.first().map(|first| failure::of_finding(first, blocks.len()));
    session.ui.document(&LintDocument {
        version: FORMAT,
        outcome: if error.is_some() { "refused" } else { "done" },
        files: *files,
        findings,
        code,
        error: error.as_ref().map(CliError::to_json),
    })?;
    if session.ui.mode() == OutputMode::Text {
        session.ui.text(shown(args.format, &checked)?.trim_end())?;
    }
    match error {
        None => Ok(Exit::Done),
        Some(error) => {
            session.ui.error(&error);
            Ok(error.exit())
        }
    }
}

/// Checks files as they are written, without any database.
fn written(session: &Session, global: &GlobalArgs, args: &LintArgs) -> Result<Checked, CliError> {
    let folders = folders(session, global, args)?;
    let mut checked = Checked::default();
    let running = Running::new(session, None, Vec::new());
    for Folder { files, services } in &folders {
        let from = begin(files, args.after.as_deref());
        let (old, new) = files.files().split_at(from);
        checked.files += new.len();
        checked.findings.extend(clodo_db::lint(files, from));
        let new: Vec<&MigrationFile> = new.iter().collect();
        // Before the first file there is nothing that code could work with.
        if old.is_empty() || !may_break_code(&new) {
            continue;
        }
        let mut code = Code::default();
        for (service, home) in services {
            running.add_source(&mut code, home, service.as_str())?;
        }
        if !code.running.is_empty() {
            let check = check_code(&replay(old).0, &new, &code.running);
            checked.code.insert(CodeDocument::new(&code.running, &check));
            checked.findings.extend(check.findings);
        }
    }
    if let Some(after) = &args.after {
        let known = |one: &Folder| one.files.files().iter().any(|file| file.name == *after);
        if !folders.iter().any(known) {
            let error = CliError::usage(format!("there is no migration `{after}`"));
            return Err(error.with_hint("give the name of a file, such as 0007_users.sql"));
        }
    }
    Ok(checked)
}

/// Checks what is pending in databases that are there.
async fn deployed(
    session: &Session,
    global: &GlobalArgs,
    args: &LintArgs,
) -> Result<Checked, CliError> {
    let mut places = Places::open(session, global, &wanted(args)).await?;
    let running = places.running(session)?;
    let mut checked = Checked::default();
    for (at, opened) in places.find_all().await?.iter().enumerate() {
        if session.cancel.is_cancelled() {
            return Err(failure::interrupted("run it again"));
        }
        let one = check(&places.all[at], opened.as_ref(), &running, true).await?;
        if let Some(refused) = one.refused {
            return Err(refused);
        }
        checked.files += one.pending;
        checked.code.extend(one.code);
        for finding in one.findings {
            // The databases of all customers get the same files.
            if !checked.findings.contains(&finding) {
                checked.findings.push(finding);
            }
        }
    }
    Ok(checked)
}

fn shown(format: LintFormat, checked: &Checked) -> Result<String, CliError> {
    let Checked { files, findings: found, code } = checked;
    match format {
        LintFormat::Github => Ok(findings::github(found)),
        LintFormat::Sarif => {
            let log = serde_json::to_string_pretty(&findings::sarif(found));
            log.map_err(|error| CliError::of(Exit::Failed, "output", error))
        }
        LintFormat::Text => {
            let mut lines: Vec<String> = found.iter().map(findings::text).collect();
            lines.extend(code.iter().map(CodeDocument::text));
            let blocks = found.iter().filter(|one| one.severity == Severity::Block).count();
            let notes = found.len() - blocks;
            lines.push(format!("{files} files, {blocks} refused, {notes} notes"));
            Ok(lines.join("\n"))
        }
    }
}

/// Where the files begin that are checked; in a folder without that file, at the first one.
fn begin(files: &Migrations, after: Option<&str>) -> usize {
    let found = files.files().iter().position(|file| Some(file.name.as_str()) == after);
    found.map_or(0, |at| at + 1)
}

/// A folder of migrations, and the services whose databases get them, each with its folder.
struct Folder {
    files: Arc<Migrations>,
    services: BTreeMap<ServiceName, PathBuf>,
}

fn wanted(args: &LintArgs) -> WhereArgs {
    WhereArgs {
        services: args.services.clone(),
        environments: args.environments.clone(),
        customers: args.customers.clone(),
        binding: args.binding.clone(),
        platform: args.platform,
        ..WhereArgs::default()
    }
}

/// Each folder once, whoever uses it.
fn folders(
    session: &Session,
    global: &GlobalArgs,
    args: &LintArgs,
) -> Result<Vec<Folder>, CliError> {
    if let Some(given) = &args.migrations {
        let folder = places::existing(session, global, Some(given))?;
        let files = folder.read().map_err(failure::of_folder)?;
        return Ok(vec![Folder { files: Arc::new(files), services: BTreeMap::new() }]);
    }
    let context = Context::open(session, global)?;
    let mut seen: Vec<MigrationFolder> = Vec::new();
    let mut folders: Vec<Folder> = Vec::new();
    for database in places::described(&context, &wanted(args), Platform::Local)? {
        let known = seen.iter().position(|folder| *folder == database.folder);
        let at = known.unwrap_or(folders.len());
        if known.is_none() {
            seen.push(database.folder);
            folders.push(Folder { files: database.migrations, services: BTreeMap::new() });
        }
        folders[at].services.insert(database.target.service, database.home);
    }
    Ok(folders)
}
