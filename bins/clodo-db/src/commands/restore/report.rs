use super::{
    Work,
    anew::{Change, Other},
};
use crate::{
    commands::backup::BackupRow,
    keeping::{self, Saved},
    report::{ApiCalls, DatabaseName, FORMAT},
};
use clodo_cli::{CliError, Exit};
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

/// What a backup is restored into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Into {
    /// The D1 database that it is about.
    #[default]
    Database,
    /// A SQLite file.
    File,
    /// A new D1 database.
    New,
}

/// What became of it.
#[derive(Debug, Default)]
pub(super) struct RestoreReport {
    pub(super) into: Into,
    pub(super) file: Option<PathBuf>,
    pub(super) new_name: Option<String>,
    pub(super) new_id: Option<String>,
    pub(super) restored: Option<clodo_db::RestoreReport>,
    /// The database is half restored.
    pub(super) half: bool,
    /// What there was before.
    pub(super) saved: Saved,
    pub(super) changes: Vec<Change>,
}

#[derive(Serialize)]
struct RestoreDocument<'a> {
    version: u32,
    outcome: &'static str,
    database: &'a DatabaseName,
    backup: Source<'a>,
    into: Into,
    file: Option<&'a PathBuf>,
    new: Option<New<'a>>,
    statements: u64,
    statements_before: u64,
    rows: BTreeMap<&'a str, u64>,
    half_restored: bool,
    saved: Option<BackupRow>,
    bookmark_before: Option<&'a str>,
    changes: &'a [Change],
    api_calls: ApiCalls,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

#[derive(Serialize)]
struct Source<'a> {
    path: &'a PathBuf,
    sha256: &'a str,
    consistent: bool,
    bookmark: Option<&'a str>,
}

#[derive(Serialize)]
struct New<'a> {
    name: &'a str,
    id: Option<&'a str>,
}

pub(super) fn conclude(
    work: &Work<'_, '_>,
    report: &RestoreReport,
    failed: Option<CliError>,
) -> Result<Exit, CliError> {
    let summary = &work.dump.summary;
    let done = report.restored.as_ref();
    let rows = summary.rows.iter().map(|(table, rows)| (table.as_str(), *rows));
    let ui = &work.session.ui;
    ui.document(&RestoreDocument {
        version: FORMAT,
        outcome: failed.as_ref().map_or("done", |error| error.exit().outcome()),
        database: &work.places.all[0].name,
        backup: Source {
            path: &work.dump.file.shown,
            sha256: &summary.sha256,
            consistent: summary.consistent,
            bookmark: summary.moment.as_deref(),
        },
        into: report.into,
        file: report.file.as_ref(),
        new: report.new_name.as_deref().map(|name| New { name, id: report.new_id.as_deref() }),
        statements: done.map_or(0, |done| done.statements),
        statements_before: done.map_or(0, |done| done.before),
        rows: if done.is_some() { rows.collect() } else { BTreeMap::new() },
        half_restored: report.half,
        saved: report.saved.taken.as_ref().map(BackupRow::from),
        bookmark_before: report.saved.bookmark.as_deref(),
        changes: &report.changes,
        api_calls: work.places.calls(),
        error: failed.as_ref().map(CliError::to_json),
    })?;
    if done.is_some() {
        ui.text(text(work, report).trim_end())?;
    }
    if let Some(way) = report.saved.way_back(&work.places.all[0].name) {
        ui.say(&way);
    }
    let Some(error) = failed else { return Ok(Exit::Done) };
    ui.error(&error);
    Ok(error.exit())
}

fn text(work: &Work<'_, '_>, report: &RestoreReport) -> String {
    let name = &work.places.all[0].name;
    let (name, id) = match (&report.file, &report.new_name) {
        (Some(file), _) => (file.display().to_string(), None),
        (_, Some(new)) => (format!("database {new}"), report.new_id.as_deref()),
        _ => (name.to_string(), None),
    };
    let id = id.map(|id| format!(" ({id})")).unwrap_or_default();
    let rows = keeping::counted_rows(work.dump.summary.rows.values());
    let mut text =
        format!("{name}{id}: restored, {rows}, from {}\n", work.dump.file.shown.display());
    if report.restored.as_ref().is_some_and(|done| done.before > 0) {
        text += "  it went on where an earlier restore was stopped\n";
    }
    if report.changes.is_empty() {
        return text;
    }
    text += "\nD1 cannot rename: the database that is there stays as it is, and Workers use the new one \
             once they are deployed with it.\n";
    for change in &report.changes {
        changed(change, &mut text);
    }
    text
}

/// Writing to a `String` cannot fail.
fn changed(change: &Change, text: &mut String) {
    let section = match &change.section {
        Some(name) => format!(", environment {name}"),
        None => String::new(),
    };
    let config = change.config.display();
    let _ = writeln!(text, "\nIn {config}{section}, at the binding {}:", change.binding);
    let is_toml = change.config.extension().is_some_and(|kind| kind == "toml");
    let mut line = |key: &str, value: &str| {
        let _ = match is_toml {
            true => writeln!(text, "  {key} = \"{value}\""),
            false => writeln!(text, "  \"{key}\": \"{value}\","),
        };
    };
    line("database_name", &change.database_name);
    if let Some(id) = &change.database_id {
        line("database_id", id);
    }
    for command in &change.deploy {
        let _ = writeln!(text, "then `{command}`");
    }
    for Other { target, database_name } in &change.others {
        let _ = writeln!(
            text,
            "  {target} reads the same lines and would bind `{database_name}`: restore that, too"
        );
    }
}
