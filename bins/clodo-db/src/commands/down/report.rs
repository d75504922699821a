use super::check::Checked;
use crate::{
    args::DownArgs,
    commands::{
        backup::BackupRow,
        up::{PlanDocument, kept},
    },
    failure,
    places::{Place, Places},
    report::{ApiCalls, DatabaseName, FORMAT},
};
use clodo_cli::{CliError, Exit, Session};
use clodo_db::PlannedMigration;
use clodo_types::Finding;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;

pub(super) use crate::commands::up::RebuildDocument;

/// What became of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Fate {
    /// Something is to be taken back.
    Pending,
    /// All is taken back.
    Reverted,
    /// There was nothing to take back.
    Unchanged,
    /// A file failed.
    Failed,
    /// It cannot be carried out: nothing is taken back anywhere.
    Refused,
}

/// What is known of all databases.
pub(super) struct DownReport {
    pub(super) databases: Vec<Row>,
    pub(super) findings: Vec<Finding>,
}

/// One database.
#[derive(Serialize)]
pub(super) struct Row {
    #[serde(flatten)]
    name: DatabaseName,
    pub(super) fate: Fate,
    pub(super) bookmark: Option<String>,
    pub(super) saved: Option<BackupRow>,
    pub(super) reverted: Vec<String>,
    pending: Vec<String>,
    pub(super) rebuilds: Vec<RebuildDocument>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    plan: Vec<PlanDocument>,
    #[serde(skip)]
    planned: Vec<PlannedMigration>,
}

#[derive(Serialize)]
struct DownDocument<'a> {
    version: u32,
    outcome: &'static str,
    dry_run: bool,
    databases: &'a [Row],
    findings: &'a [Finding],
    api_calls: ApiCalls,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
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
        Self { event: "reversal_started", database, migration }
    }

    pub(super) fn reverted(database: &'a DatabaseName, migration: &'a str) -> Self {
        Self { event: "migration_reverted", database, migration }
    }
}

impl DownReport {
    pub(super) fn new(places: &Places<'_>, checked: &[Checked]) -> Self {
        let row = |(place, checked): (&Place, &Checked)| Row {
            name: place.name.clone(),
            fate: match (checked.is_refused(), checked.plan.is_empty()) {
                (true, _) => Fate::Refused,
                (_, true) => Fate::Unchanged,
                (_, false) => Fate::Pending,
            },
            bookmark: None,
            saved: None,
            reverted: Vec::new(),
            pending: Vec::new(),
            rebuilds: Vec::new(),
            plan: Vec::new(),
            planned: checked.plan.clone(),
        };
        let databases = places.all.iter().zip(checked).map(row).collect();
        Self { databases, findings: Vec::new() }
    }

    /// Works out what is left.
    fn settle(&mut self, places: &Places<'_>, dry_run: bool) {
        for (row, place) in self.databases.iter_mut().zip(&places.all) {
            row.name = place.name.clone();
            let planned = std::mem::take(&mut row.planned);
            let left = planned.iter().filter(|one| !row.reverted.contains(&one.name));
            row.pending = left.map(|one| one.name.clone()).collect();
            if dry_run {
                row.plan = planned.into_iter().map(PlanDocument::from).collect();
            }
        }
    }

    fn text(&self, dry_run: bool) -> String {
        let mut text = String::new();
        for row in &self.databases {
            let (done, left) = (row.reverted.len(), row.pending.len());
            let state = match (row.fate, dry_run) {
                (Fate::Pending, true) => format!("{left} to take back"),
                (Fate::Pending, false) => format!("not reached, {left} left"),
                (Fate::Reverted, _) => format!("{done} taken back"),
                (Fate::Unchanged, _) => "nothing to take back".to_owned(),
                (Fate::Refused, _) => "refused, nothing was taken back".to_owned(),
                (Fate::Failed, _) => format!("failed: {done} taken back, {left} left"),
            };
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "{}: {state}", row.name);
            for planned in &row.plan {
                text += &planned.text();
            }
            for rebuild in &row.rebuilds {
                let _ =
                    writeln!(text, "  made table {} anew{}", rebuild.table, kept(&rebuild.keeps));
            }
        }
        text
    }

    /// How to have it again as it was.
    fn ways_back(&self) -> Vec<String> {
        let changed = self.databases.iter().filter(|row| !row.reverted.is_empty());
        let way = |row: &Row| {
            let words = match (&row.bookmark, &row.saved) {
                (Some(bookmark), _) => format!("rewind {bookmark}"),
                (None, Some(saved)) => format!("restore {} --over", saved.name),
                (None, None) => return None,
            };
            let command = row.name.command(&words);
            Some(format!("`{command}` takes {} back to what it was before.", row.name))
        };
        changed.filter_map(way).collect()
    }
}

/// Says who is where, and what there is to do.
pub(super) fn conclude(
    session: &Session,
    places: &Places<'_>,
    args: &DownArgs,
    mut report: DownReport,
    failed: Option<CliError>,
) -> Result<Exit, CliError> {
    report.settle(places, args.dry_run);
    let partly = report.databases.iter().any(|one| !one.reverted.is_empty());
    let failed = failed.map(|error| failure::after_a_part(error, partly));
    let idle = report.databases.iter().all(|row| row.fate == Fate::Unchanged);
    let outcome = match &failed {
        Some(error) => error.exit().outcome(),
        None if idle => "nothing_to_do",
        None => "done",
    };
    session.ui.document(&DownDocument {
        version: FORMAT,
        outcome,
        dry_run: args.dry_run,
        databases: &report.databases,
        findings: &report.findings,
        api_calls: places.calls(),
        error: failed.as_ref().map(CliError::to_json),
    })?;
    session.ui.text(report.text(args.dry_run).trim_end())?;
    for hint in report.ways_back() {
        session.ui.say(&hint);
    }
    let Some(error) = failed else { return Ok(Exit::Done) };
    session.ui.error(&error);
    Ok(error.exit())
}
