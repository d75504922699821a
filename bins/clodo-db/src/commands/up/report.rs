use super::check::Checked;
use crate::{
    commands::backup::BackupRow,
    places::{Place, Places},
    report::{ApiCalls, DatabaseName, FORMAT},
    running::CodeDocument,
};
use clodo_cli::{CliError, counted};
use clodo_db::{PlannedMigration, Rebuild, UpPlan};
use clodo_types::Finding;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;

/// What became of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Fate {
    /// Something is to be applied.
    Pending,
    /// All is applied.
    Applied,
    /// There was nothing to apply.
    Unchanged,
    /// A file of it failed.
    Failed,
    /// Another one failed, or it was interrupted, before all was applied.
    Stopped,
    /// It cannot be carried out, or files and database disagree: nothing is applied anywhere.
    Refused,
}

/// What is known of all databases.
pub(super) struct UpReport {
    pub(super) databases: Vec<Row>,
    pub(super) findings: Vec<Finding>,
}

/// One database.
#[derive(Serialize)]
pub(super) struct Row {
    #[serde(flatten)]
    pub(super) name: DatabaseName,
    pub(super) fate: Fate,
    /// Whether it was there before.
    pub(super) existed: bool,
    pub(super) bookmark: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) saved: Option<BackupRow>,
    pub(super) applied: Vec<String>,
    pub(super) pending: Vec<String>,
    pub(super) rebuilds: Vec<RebuildDocument>,
    /// What was compared with how it was before, and is the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) frozen: Option<FrozenDocument>,
    /// The code that was tried on what the files make.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<CodeDocument>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) plan: Vec<PlanDocument>,
}

/// Values that no file names, and that are as they were.
#[derive(Serialize)]
pub(super) struct FrozenDocument {
    pub(super) tables: usize,
    pub(super) rows: usize,
}

/// A table that is made anew.
#[derive(Clone, Serialize)]
pub(crate) struct RebuildDocument {
    pub(crate) table: String,
    pub(crate) keeps: Vec<String>,
}

impl From<Rebuild> for RebuildDocument {
    fn from(rebuild: Rebuild) -> Self {
        Self { table: rebuild.table, keeps: rebuild.keeps }
    }
}

/// A file and the statements that would run for it.
#[derive(Serialize)]
pub(crate) struct PlanDocument {
    name: String,
    sql: String,
    rebuilds: Vec<RebuildDocument>,
}

impl From<PlannedMigration> for PlanDocument {
    fn from(planned: PlannedMigration) -> Self {
        let rebuilds = planned.rebuilds.into_iter().map(RebuildDocument::from).collect();
        Self { name: planned.name, sql: planned.sql.as_ref().to_owned(), rebuilds }
    }
}

impl PlanDocument {
    /// All statements, for a person.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("\n-- {}\n", self.name);
        for RebuildDocument { table, keeps } in &self.rebuilds {
            text += &format!("-- makes table {table} anew{}\n", kept(keeps));
        }
        text + self.sql.trim_end() + "\n\n"
    }
}

fn planned(checked: &Checked) -> impl Iterator<Item = &PlannedMigration> {
    checked.plan.iter().flat_map(UpPlan::files)
}

impl UpReport {
    /// What is known before anything runs; of a dry run, all statements too.
    pub(super) fn new(places: &Places<'_>, checked: &[Checked], dry_run: bool) -> Self {
        let row = |(place, checked): (&Place, &Checked)| Row {
            name: place.name.clone(),
            fate: match (checked.is_refused(), checked.planned() == 0) {
                (true, _) => Fate::Refused,
                (_, true) => Fate::Unchanged,
                (_, false) => Fate::Pending,
            },
            existed: checked.exists,
            bookmark: None,
            saved: None,
            applied: Vec::new(),
            pending: planned(checked).map(|file| file.name.clone()).collect(),
            rebuilds: Vec::new(),
            frozen: None,
            code: checked.code.clone(),
            plan: planned(checked).filter(|_| dry_run).cloned().map(PlanDocument::from).collect(),
        };
        let databases = places.all.iter().zip(checked).map(row).collect();
        Self { databases, findings: Vec::new() }
    }

    /// Works out what is left to apply.
    pub(super) fn settle(&mut self, places: &Places<'_>) {
        for (row, place) in self.databases.iter_mut().zip(&places.all) {
            row.name = place.name.clone();
            row.pending.retain(|name| !row.applied.contains(name));
        }
    }

    /// Who is where; of a plan, all statements.
    pub(super) fn text(&self, dry_run: bool) -> String {
        let mut text = String::new();
        for row in &self.databases {
            let (applied, pending) = (row.applied.len(), row.pending.len());
            let made = if row.existed { "" } else { ", to be made" };
            let state = match (row.fate, dry_run) {
                (Fate::Pending, true) => format!("{pending} to apply{made}"),
                (Fate::Pending, false) => format!("not reached, {pending} pending"),
                (Fate::Applied, _) => format!("{applied} applied"),
                (Fate::Unchanged, _) => "up to date".to_owned(),
                (Fate::Refused, _) => "refused, nothing was applied".to_owned(),
                (Fate::Stopped, _) => format!("stopped: {applied} applied, {pending} pending"),
                (Fate::Failed, _) => format!("failed: {applied} applied, {pending} pending"),
            };
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{}: {state}", row.name);
            for planned in &row.plan {
                text += &planned.text();
            }
            for RebuildDocument { table, keeps } in &row.rebuilds {
                let _ = writeln!(text, "  made table {table} anew{}", kept(keeps));
            }
            if let Some(FrozenDocument { tables, rows }) = &row.frozen {
                let (tables, rows) = (counted(*tables, "table"), counted(*rows, "row"));
                let _ = writeln!(text, "  what no file names is as it was: {rows} of {tables}");
            }
        }
        text
    }

    /// How to go back to what was before, for each database that was changed.
    pub(super) fn ways_back(&self) -> Vec<String> {
        let changed = self.databases.iter().filter(|row| !row.applied.is_empty());
        let way = |row: &Row| {
            let words = match (&row.bookmark, &row.saved) {
                (Some(bookmark), _) => format!("rewind {bookmark}"),
                (None, Some(saved)) => format!("restore {} --over", saved.name),
                (None, None) => return None,
            };
            let command = row.name.command(&words);
            Some(format!("`{command}` takes {} back, and loses what was written since.", row.name))
        };
        changed.filter_map(way).collect()
    }
}

/// Whose rows a table keeps that is made anew.
pub(crate) fn kept(keeps: &[String]) -> String {
    match keeps {
        [] => ", to which no other table refers".to_owned(),
        keeps => format!(", and keeps the rows of {}", keeps.join(", ")),
    }
}

/// What `up` says as JSON.
#[derive(Serialize)]
pub(super) struct UpDocument<'a> {
    version: u32,
    outcome: &'static str,
    dry_run: bool,
    databases: &'a [Row],
    findings: &'a [Finding],
    api_calls: ApiCalls,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

impl<'a> UpDocument<'a> {
    pub(super) fn new(
        report: &'a UpReport,
        dry_run: bool,
        api_calls: ApiCalls,
        error: Option<&CliError>,
    ) -> Self {
        let idle = report.databases.iter().all(|row| row.fate == Fate::Unchanged);
        let outcome = match error {
            Some(error) => error.exit().outcome(),
            None if idle => "nothing_to_do",
            None => "done",
        };
        Self {
            version: FORMAT,
            outcome,
            dry_run,
            databases: &report.databases,
            findings: &report.findings,
            api_calls,
            error: error.map(CliError::to_json),
        }
    }
}

/// A line of `--json=events`.
#[derive(Serialize)]
pub(super) struct Event<'a> {
    event: &'static str,
    #[serde(flatten)]
    database: &'a DatabaseName,
    migration: &'a str,
}

impl<'a> Event<'a> {
    pub(super) fn started(database: &'a DatabaseName, migration: &'a str) -> Self {
        Self { event: "migration_started", database, migration }
    }

    pub(super) fn applied(database: &'a DatabaseName, migration: &'a str) -> Self {
        Self { event: "migration_applied", database, migration }
    }
}
