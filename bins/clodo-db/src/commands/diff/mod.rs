mod side;

use crate::{
    args::DiffArgs,
    commands::new,
    report::{ApiCalls, FORMAT, visible},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session, counted};
use clodo_db::{ComposeError, Line, SchemaDrift, SchemaDriftKind, compare_lines, compose};
use serde::Serialize;
use side::{Found, Side};
use std::{fmt::Write as _, path::PathBuf};

#[derive(Serialize)]
struct DiffDocument {
    version: u32,
    outcome: &'static str,
    from: String,
    to: String,
    differences: Vec<Difference>,
    /// Only with `--write`.
    written: Option<PathBuf>,
    sql: Option<String>,
    notes: Vec<String>,
    api_calls: ApiCalls,
}

/// Something that two schemas do not have alike.
#[derive(Serialize)]
pub(crate) struct Difference {
    /// `removed`, `added` or `changed`.
    pub(crate) kind: &'static str,
    pub(crate) object: String,
    pub(crate) name: String,
    from: Option<String>,
    to: Option<String>,
}

impl From<SchemaDrift> for Difference {
    fn from(drift: SchemaDrift) -> Self {
        let kind = match drift.kind {
            SchemaDriftKind::Lacking => "removed",
            SchemaDriftKind::Foreign => "added",
            _ => "changed",
        };
        let SchemaDrift { object, name, expected: from, found: to, .. } = drift;
        Self { kind, object, name, from, to }
    }
}

/// `clodo-db diff`: reads both sides, and writes at most one file.
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &DiffArgs,
) -> Result<Exit, CliError> {
    let (from, to) = (Side::of(session, &args.from), Side::of(session, &args.to));
    let name = args.write.as_deref().map(new::words).transpose()?;
    if name.is_some() && !matches!(from, Side::Migrations | Side::Folder(_)) {
        let error = CliError::usage("a migration goes on where migrations end, and FROM is none");
        return Err(error.with_hint("give `migrations` or a folder of migrations as FROM"));
    }
    let from = from.read(session, global, &args.databases).await?;
    let to = to.read(session, global, &args.databases).await?;
    let differences: Vec<Difference> =
        from.schema.drift(&to.schema).into_iter().map(Into::into).collect();
    let mut document = DiffDocument {
        version: FORMAT,
        outcome: if differences.is_empty() { "done" } else { "found" },
        from: from.shown.clone(),
        to: to.shown.clone(),
        differences,
        written: None,
        sql: None,
        notes: Vec::new(),
        api_calls: from.calls.and(to.calls),
    };
    if let (Some(name), false) = (name, document.differences.is_empty()) {
        write(&from, &to, &name, &mut document)?;
    }
    session.ui.document(&document)?;
    session.ui.text(text(&document).trim_end())?;
    for note in &document.notes {
        session.ui.warn(&visible(note));
    }
    match document.outcome {
        "found" => Ok(Exit::Found),
        _ => Ok(Exit::Done),
    }
}

/// Writes the migration, which is tried before.
fn write(
    from: &Found,
    to: &Found,
    name: &str,
    document: &mut DiffDocument,
) -> Result<(), CliError> {
    if from.unclear {
        let message = "what the migrations make is not known: some cannot be carried out again";
        return Err(CliError::new(Exit::Refused, "unclear", message)
            .with_hint("compare with `live`, and write the migration by hand"));
    }
    let composed = compose(&from.schema, &to.schema).map_err(|error| {
        let refused = match error {
            ComposeError::Refused(refusal) => CliError::new(
                Exit::Refused,
                "refused",
                format!("{} [{}]", refusal.0.message, refusal.0.rule),
            ),
            error => CliError::of(Exit::Refused, "by_hand", error),
        };
        refused.with_hint("`clodo-db new` makes a file to write it into by hand")
    })?;
    let folder = from.folder.as_ref().ok_or_else(|| CliError::usage("FROM is no folder"))?;
    let head = "-- Written by `clodo-db diff`: read it before it is applied.\n";
    let written = new::next(folder, name, &format!("{head}{}", composed.sql))?;
    document.outcome = "done";
    document.written = Some(folder.shown.join(written));
    document.sql = Some(composed.sql);
    document.notes = composed.notes;
    Ok(())
}

fn text(document: &DiffDocument) -> String {
    let (from, to) = (visible(&document.from), visible(&document.to));
    if document.differences.is_empty() {
        return format!("{from} and {to} have the same schema");
    }
    let mut text =
        format!("from {from} to {to}: {}\n", counted(document.differences.len(), "difference"));
    for one in &document.differences {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "  {} {} {}", one.kind, one.object, visible(&one.name));
        changed_lines(&mut text, one);
    }
    if let Some(written) = &document.written {
        let _ = writeln!(text, "written: {}", written.display());
    }
    text
}

/// The lines of both statements, with what became of each.
pub(crate) fn changed_lines(text: &mut String, one: &Difference) {
    let (from, to) = (one.from.as_deref(), one.to.as_deref());
    for line in compare_lines(from.unwrap_or_default(), to.unwrap_or_default()) {
        let (sign, line) = match line {
            Line::Same(line) => (' ', line),
            Line::Removed(line) => ('-', line),
            Line::Added(line) => ('+', line),
        };
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "    {sign} {}", visible(line).trim_end());
    }
}
