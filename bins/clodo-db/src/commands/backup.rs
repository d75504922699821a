use crate::{
    args::BackupArgs,
    failure,
    keeping::{self, Kept, Taken, of_io},
    places::Places,
    report::{ApiCalls, DatabaseName, FORMAT},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session, counted};
use clodo_db::StoredBackup;
use clodo_types::{Clock as _, SystemClock};
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

#[derive(Serialize)]
struct BackupDocument<'a> {
    version: u32,
    outcome: &'static str,
    dry_run: bool,
    databases: &'a [Row],
    api_calls: ApiCalls,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

/// What became of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Fate {
    /// A backup of it is kept.
    Kept,
    /// One would be taken.
    Planned,
    /// There is no such database.
    Missing,
    /// None was made.
    Failed,
    /// It was not come to.
    NotReached,
}

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    name: DatabaseName,
    fate: Fate,
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<BackupRow>,
    removed: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

/// A backup that is kept.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BackupRow {
    pub(crate) name: String,
    path: PathBuf,
    bytes: u64,
    text_bytes: u64,
    tables: usize,
    rows: BTreeMap<String, u64>,
    consistent: bool,
    sha256: String,
    bookmark: Option<String>,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<String>,
}

impl From<&Taken> for BackupRow {
    fn from(taken: &Taken) -> Self {
        let summary = &taken.summary;
        Self {
            name: taken.name.clone(),
            path: taken.shown.clone(),
            bytes: taken.bytes,
            text_bytes: taken.text_bytes,
            tables: summary.rows.len(),
            rows: summary.rows.clone(),
            consistent: summary.consistent,
            sha256: summary.sha256.clone(),
            bookmark: summary.moment.clone(),
            attempts: taken.attempts,
            damage: summary.damage.clone(),
        }
    }
}

/// `clodo-db backup`: one database that fails does not keep the others from being backed up.
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &BackupArgs,
) -> Result<Exit, CliError> {
    let mut places = Places::open(session, global, &args.databases).await?;
    let mut rows = Vec::new();
    let mut failed: Vec<CliError> = Vec::new();
    for at in 0..places.all.len() {
        let kept = places.kept_in(session, global, at, args.to.as_ref()).await?;
        let mut row = Row {
            name: places.all[at].name.clone(),
            fate: Fate::NotReached,
            backup: None,
            removed: Vec::new(),
            error: None,
        };
        let stopped = failed.iter().any(|error| error.exit() == Exit::Interrupted);
        if !stopped && let Err(error) = one(session, &mut places, (at, &kept), args, &mut row).await
        {
            if row.fate == Fate::NotReached {
                row.fate = Fate::Failed;
            }
            row.error = Some(error.to_json());
            failed.push(error);
        }
        row.name = places.all[at].name.clone();
        rows.push(row);
    }
    conclude(session, &places, args, &rows, failed)
}

async fn one(
    session: &Session,
    places: &mut Places<'_>,
    (at, kept): (usize, &Kept),
    args: &BackupArgs,
    row: &mut Row,
) -> Result<(), CliError> {
    if session.cancel.is_cancelled() {
        return Err(failure::interrupted("run the same command again for the rest"));
    }
    let Some(opened) = places.find(at).await? else {
        row.fate = Fate::Missing;
        return Err(places.all[at].missing());
    };
    let retention = args.keep.retention();
    if args.dry_run {
        row.fate = Fate::Planned;
        let kept = kept.of_database(&opened);
        let mut all = kept.list_own().await?;
        let name = kept.free_name(SystemClock.now()).await?;
        all.push(StoredBackup::new(&name, 0));
        row.removed =
            retention.map(|rule| rule.expired(&all, SystemClock.now())).unwrap_or_default();
        return Ok(());
    }
    let claim = kept.claim(session)?;
    let taken = keeping::take(session, &places.all[at], &opened, (kept, &claim)).await?;
    row.fate = Fate::Kept;
    row.backup = Some(BackupRow::from(&taken));
    // One that is of no moment, or of what is left of a database, stands in for none that is whole.
    if let Some(rule) = retention
        && taken.summary.consistent
        && taken.summary.damage.is_none()
        && !taken.summary.rows.is_empty()
    {
        let store = kept.store()?;
        let kept = kept.of_database(&opened);
        for name in rule.expired(&kept.list_own().await?, SystemClock.now()) {
            // With a clock that was set back, the new one looks old.
            if name == taken.name {
                continue;
            }
            let removed = store.remove(&name).await;
            removed.map_err(|error| of_io(&format!("could not remove {name}"), error))?;
            row.removed.push(name);
        }
    }
    Ok(())
}

fn conclude(
    session: &Session,
    places: &Places<'_>,
    args: &BackupArgs,
    rows: &[Row],
    failed: Vec<CliError>,
) -> Result<Exit, CliError> {
    let others = failed.len().saturating_sub(1);
    let done = rows.iter().any(|row| row.fate == Fate::Kept);
    // Whoever interrupted it wants to hear that.
    let interrupted = failed.iter().position(|error| error.exit() == Exit::Interrupted);
    let first = failed.into_iter().nth(interrupted.unwrap_or_default());
    let error = first
        .or_else(|| damaged(rows))
        .or_else(|| not_consistent(rows))
        .map(|error| failure::after_a_part(error, done));
    session.ui.document(&BackupDocument {
        version: FORMAT,
        outcome: error.as_ref().map_or("done", |error| error.exit().outcome()),
        dry_run: args.dry_run,
        databases: rows,
        api_calls: places.calls(),
        error: error.as_ref().map(CliError::to_json),
    })?;
    session.ui.text(text(rows).trim_end())?;
    let Some(error) = error else { return Ok(Exit::Done) };
    if others > 0 {
        session.ui.say(&format!("{} more failed.", counted(others, "database")));
    }
    session.ui.error(&error);
    Ok(error.exit())
}

/// Backups of files that are damaged are kept, and said.
fn damaged(rows: &[Row]) -> Option<CliError> {
    let damage = |row: &Row| Some((row.name.to_string(), row.backup.as_ref()?.damage.clone()?));
    let (name, said) = rows.iter().find_map(damage)?;
    let message = format!("{name} is damaged, and the backup holds what can be read of it: {said}");
    let error = CliError::new(Exit::Partly, "damaged_file", message);
    Some(error.with_hint(
        "nothing was removed; where only an index is damaged, make that anew, else bring the file back from \
         an earlier backup",
    ))
}

/// Backups that are of no single moment are kept, and said.
fn not_consistent(rows: &[Row]) -> Option<CliError> {
    let is_loose = |row: &&Row| row.backup.as_ref().is_some_and(|backup| !backup.consistent);
    let names: Vec<String> = rows.iter().filter(is_loose).map(|row| row.name.to_string()).collect();
    let first = names.first()?;
    let more = match names.len() {
        1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    let message = format!(
        "{first}{more}: it was written to all the while, so the backup is of no one moment"
    );
    let error = CliError::new(Exit::Partly, "not_consistent", message);
    Some(error.with_hint("it is kept, and nothing was removed; run it again when less is written"))
}

fn text(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let state = match (row.fate, &row.backup) {
            (Fate::Kept, Some(backup)) => format!(
                "{}, {} in {}",
                keeping::counted_rows(backup.rows.values()),
                keeping::sized(backup.bytes),
                backup.path.display()
            ),
            (Fate::Planned, _) => "would be backed up".to_owned(),
            (Fate::Missing, _) => "not there".to_owned(),
            (Fate::NotReached, _) => "not reached".to_owned(),
            _ => "failed, no backup".to_owned(),
        };
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{}: {state}", row.name);
        if !row.removed.is_empty() {
            let doing = if row.fate == Fate::Planned { "would remove" } else { "removed" };
            let count = counted(row.removed.len(), "older backup");
            let _ = writeln!(text, "  {doing} {count}");
        }
    }
    text
}
