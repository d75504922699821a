use super::{ends::Both, job::Next};
use crate::{
    args::SyncDataArgs,
    commands::backup::BackupRow,
    failure,
    keeping::{Saved, counted_rows},
    report::{ApiCalls, DatabaseName, FORMAT, visible},
};
use clodo_cli::{CliError, Exit, Session, counted};
use clodo_db::{PlannedColumn, PlannedTable};
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, fmt::Write as _};

#[derive(Serialize)]
struct DataDocument<'a> {
    version: u32,
    outcome: &'static str,
    dry_run: bool,
    databases: Vec<RowDocument<'a>>,
    api_calls: ApiCalls,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

#[derive(Serialize)]
struct RowDocument<'a> {
    from: &'a DatabaseName,
    to: &'a DatabaseName,
    fate: Fate,
    tables: Vec<TableDocument<'a>>,
    kept: &'a BTreeMap<String, u64>,
    went_on: bool,
    half_filled: bool,
    saved: Option<BackupRow>,
    bookmark_before: Option<&'a str>,
}

#[derive(Serialize)]
struct TableDocument<'a> {
    name: &'a str,
    rows: u64,
    goes: u64,
    dropped: bool,
    columns: Vec<ColumnDocument<'a>>,
}

#[derive(Serialize)]
struct ColumnDocument<'a> {
    name: &'a str,
    rule: String,
    /// As `table.column`.
    follows: Option<String>,
}

/// What became of a database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Fate {
    /// It was not come to.
    #[default]
    NotReached,
    /// Rows would be copied.
    Planned,
    Copied,
    /// It is as it was.
    Failed,
    /// It is half filled.
    Half,
}

/// A database and what becomes of it.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) from: DatabaseName,
    pub(super) to: DatabaseName,
    pub(super) fate: Fate,
    pub(super) tables: Vec<PlannedTable>,
    pub(super) kept: BTreeMap<String, u64>,
    /// It was half filled before.
    pub(super) went_on: bool,
    pub(super) half_filled: bool,
    pub(super) saved: Saved,
}

impl Row {
    pub(super) fn planned(&mut self, next: &Next) {
        self.fate = Fate::Planned;
        match next {
            Next::Copy(plan) => {
                self.tables.clone_from(&plan.tables);
                self.kept.clone_from(&plan.kept);
            }
            Next::GoOn(_) => (self.went_on, self.half_filled) = (true, true),
        }
    }

    /// What was planned and not done was not come to.
    pub(super) fn settle(&mut self) {
        if self.fate == Fate::Planned {
            self.fate = Fate::NotReached;
        }
    }

    fn document(&self) -> RowDocument<'_> {
        RowDocument {
            from: &self.from,
            to: &self.to,
            fate: self.fate,
            tables: self.tables.iter().map(table).collect(),
            kept: &self.kept,
            went_on: self.went_on,
            half_filled: self.half_filled,
            saved: self.saved.taken.as_ref().map(BackupRow::from),
            bookmark_before: self.saved.bookmark.as_deref(),
        }
    }

    /// As `3 tables, 12 rows`.
    pub(super) fn counted(&self) -> String {
        let rows: Vec<u64> =
            self.tables.iter().map(|one| if one.dropped { 0 } else { one.rows }).collect();
        counted_rows(&rows)
    }
}

fn table(one: &PlannedTable) -> TableDocument<'_> {
    TableDocument {
        name: &one.name,
        rows: one.rows,
        goes: one.goes,
        dropped: one.dropped,
        columns: one.columns.iter().map(column).collect(),
    }
}

fn column(one: &PlannedColumn) -> ColumnDocument<'_> {
    ColumnDocument { name: &one.name, rule: one.rule.to_string(), follows: followed(one) }
}

fn followed(one: &PlannedColumn) -> Option<String> {
    one.follows.as_ref().map(|(table, column)| format!("{table}.{column}"))
}

/// Says what is done, or would be.
pub(super) fn conclude(
    session: &Session,
    args: &SyncDataArgs,
    (both, rows): (&Both<'_>, &[Row]),
    failed: Option<CliError>,
) -> Result<Exit, CliError> {
    let done = rows.iter().any(|row| row.fate == Fate::Copied);
    let failed = failed.map(|error| failure::after_a_part(error, done));
    let ui = &session.ui;
    ui.document(&DataDocument {
        version: FORMAT,
        outcome: failed.as_ref().map_or("done", |error| error.exit().outcome()),
        dry_run: args.dry_run,
        databases: rows.iter().map(Row::document).collect(),
        api_calls: both.from.calls().and(both.to.calls()),
        error: failed.as_ref().map(CliError::to_json),
    })?;
    ui.text(text(rows, args.dry_run).trim_end())?;
    for row in rows.iter().filter(|row| matches!(row.fate, Fate::Copied | Fate::Half)) {
        if let Some(way) = row.saved.way_back(&row.to) {
            ui.say(&way);
        }
    }
    let Some(error) = failed else { return Ok(Exit::Done) };
    ui.error(&error);
    Ok(error.exit())
}

/// Writing to a `String` cannot fail.
fn text(rows: &[Row], dry_run: bool) -> String {
    let mut text = String::new();
    for row in rows {
        let counted = row.counted();
        let state = match row.fate {
            Fate::Planned if row.half_filled => "would go on where it was stopped".to_owned(),
            Fate::Planned => format!("{counted} would be copied"),
            Fate::Copied if row.went_on => "copied; it went on where it was stopped".to_owned(),
            Fate::Copied => format!("{counted} copied"),
            Fate::Failed => "not copied; it is as it was".to_owned(),
            Fate::Half => "half filled".to_owned(),
            Fate::NotReached => "not reached".to_owned(),
        };
        let _ = writeln!(text, "{} from {}: {state}", row.to, row.from);
        if dry_run {
            row.tables.iter().for_each(|one| planned(&mut text, one));
            let kept = row.kept.iter().map(|(name, rows)| format!("{} ({rows})", visible(name)));
            let kept: Vec<String> = kept.collect();
            if !kept.is_empty() {
                let _ = writeln!(text, "  stays as it is: {}", kept.join(", "));
            }
        }
    }
    text
}

fn planned(text: &mut String, one: &PlannedTable) {
    let count = |rows: u64| counted(usize::try_from(rows).unwrap_or(usize::MAX), "row");
    let rows = if one.dropped { "no row".to_owned() } else { count(one.rows) };
    let goes = match one.goes {
        0 => String::new(),
        goes => format!(", in the place of {}", count(goes)),
    };
    let _ = writeln!(text, "  {}: {rows}{goes}", visible(&one.name));
    if one.dropped {
        return;
    }
    let width = one.columns.iter().map(|one| one.name.chars().count()).max().unwrap_or_default();
    for column in &one.columns {
        let follows = followed(column).map(|other| format!(", as {}", visible(&other)));
        let follows = follows.unwrap_or_default();
        let name = visible(&column.name);
        let _ = writeln!(text, "    {name:<width$}  {}{follows}", column.rule);
    }
}
