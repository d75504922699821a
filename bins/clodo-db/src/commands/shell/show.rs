//! What statements gave, in the chosen form.

use crate::{
    args::ShellMode,
    rows::{as_json, csv, table},
};
use clap::ValueEnum as _;
use clodo_cli::{CliError, Exit, OutputMode, Session, counted};
use clodo_db::{Rows, Value};
use serde::Serialize;
use serde_json::Value as Json;

/// What one statement gave.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    line: usize,
    columns: Vec<String>,
    rows: Vec<Vec<Json>>,
    changes: u64,
}

#[derive(Serialize)]
struct Event<'a> {
    event: &'static str,
    #[serde(flatten)]
    shown: &'a Shown,
}

pub(super) struct Shower<'a> {
    session: &'a Session,
    mode: ShellMode,
    /// For the document of `--json`.
    pub(super) results: Vec<Shown>,
}

impl<'a> Shower<'a> {
    pub(super) fn new(session: &'a Session, mode: ShellMode) -> Self {
        Self { session, mode, results: Vec::new() }
    }

    pub(super) fn set_mode(&mut self, text: &str) -> Result<(), CliError> {
        self.mode = ShellMode::from_str(text, false).map_err(|_| {
            CliError::new(Exit::Failed, "usage", format!("there is no form `{text}`"))
                .with_hint("give `.mode table`, `.mode csv` or `.mode json`")
        })?;
        Ok(())
    }

    /// Shows what a statement gave.
    pub(super) fn rows(&mut self, line: usize, rows: Rows, changed: bool) -> Result<(), CliError> {
        let ui = &self.session.ui;
        if ui.mode() != OutputMode::Text {
            return self.keep(line, rows);
        }
        let changes = usize::try_from(rows.changes).unwrap_or(usize::MAX);
        if !rows.columns.is_empty() {
            ui.text(&match self.mode {
                ShellMode::Table => table(&rows),
                ShellMode::Csv => csv(&rows),
                ShellMode::Json => {
                    let shown = serde_json::to_string(&shown(line, rows));
                    shown.map_err(|error| CliError::of(Exit::Failed, "output", error))?
                }
            })?;
        }
        if changed {
            ui.say(&format!("{} changed.", counted(changes, "row")));
        }
        Ok(())
    }

    /// Shows texts, each as it is where people read.
    pub(super) fn texts(&mut self, line: usize, rows: Rows) -> Result<(), CliError> {
        if self.mode != ShellMode::Table || self.session.ui.mode() != OutputMode::Text {
            return self.rows(line, rows, false);
        }
        // They could move the terminal's cursor.
        let shown = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
        for row in &rows.rows {
            if let Some(Value::Text(text)) = row.first() {
                self.session.ui.text(&text.replace(|c| !shown(c), "\u{fffd}"))?;
            }
        }
        Ok(())
    }

    fn keep(&mut self, line: usize, rows: Rows) -> Result<(), CliError> {
        let shown = shown(line, rows);
        self.session.ui.event(&Event { event: "rows", shown: &shown })?;
        // Whoever hears of each as it comes has it already.
        if self.session.ui.mode() == OutputMode::Json {
            self.results.push(shown);
        }
        Ok(())
    }
}

fn shown(line: usize, rows: Rows) -> Shown {
    let (columns, changes) = (rows.columns, rows.changes);
    let rows = rows.rows.into_iter().map(|row| row.into_iter().map(as_json).collect()).collect();
    Shown { line, columns, rows, changes }
}
