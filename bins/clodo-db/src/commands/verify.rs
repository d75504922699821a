use crate::{
    args::VerifyArgs,
    failure, findings,
    places::{Opened, Place, Places},
    report::{ApiCalls, DatabaseName, FORMAT},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session, counted};
use clodo_db::{
    MigrateError, MigrationFile, SchemaDrift, SchemaDriftKind, Standing, Status, replay,
};
use clodo_types::Finding;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write as _;

#[derive(Serialize)]
struct VerifyDocument {
    version: u32,
    outcome: &'static str,
    databases: Vec<Verified>,
    findings: Vec<Finding>,
    api_calls: ApiCalls,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

#[derive(Serialize)]
struct Verified {
    #[serde(flatten)]
    name: DatabaseName,
    migrations: usize,
    drifts: Vec<SchemaDrift>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

/// `clodo-db verify`: only reads.
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &VerifyArgs,
) -> Result<Exit, CliError> {
    let mut places = Places::open(session, global, &args.databases).await?;
    let (mut databases, mut notes, mut failed) = (Vec::new(), Vec::new(), None);
    for at in 0..places.all.len() {
        let opened = places.expect(at).await?;
        let place = &places.all[at];
        match verify(place, &opened, &mut notes).await {
            Ok(verified) => databases.push(verified),
            // What the others are is told all the same.
            Err(error @ MigrateError::Problems(_)) => {
                let error = failure::of_migrate(&place.shown(), error);
                databases.push(Verified {
                    name: place.name.clone(),
                    migrations: 0,
                    drifts: Vec::new(),
                    error: Some(error.to_json()),
                });
                failed.get_or_insert(error);
            }
            Err(error) => return Err(failure::of_migrate(&place.shown(), error)),
        }
    }
    let found = databases.iter().any(|database| !database.drifts.is_empty());
    let text = text(&databases);
    findings::say(&session.ui, &notes);
    session.ui.document(&VerifyDocument {
        version: FORMAT,
        outcome: match &failed {
            Some(error) => error.exit().outcome(),
            None if found => "found",
            None => "done",
        },
        databases,
        findings: notes,
        api_calls: places.calls(),
        error: failed.as_ref().map(CliError::to_json),
    })?;
    session.ui.text(text.trim_end())?;
    if let Some(error) = failed {
        session.ui.error(&error);
        return Ok(error.exit());
    }
    Ok(if found { Exit::Found } else { Exit::Done })
}

/// Compares with what the files make that the database says it has.
async fn verify(
    place: &Place,
    opened: &Opened,
    notes: &mut Vec<Finding>,
) -> Result<Verified, MigrateError> {
    let status = place.migrator(opened).status(&place.files).await?;
    if !status.problems.is_empty() {
        return Err(MigrateError::Problems(status.problems));
    }
    let (migrations, drifts) = drift(place, opened, &status, notes).await?;
    Ok(Verified { name: place.name.clone(), migrations, drifts, error: None })
}

/// How many files are applied, and in what the database differs from what they make.
pub(crate) async fn drift(
    place: &Place,
    opened: &Opened,
    status: &Status,
    notes: &mut Vec<Finding>,
) -> Result<(usize, Vec<SchemaDrift>), MigrateError> {
    let has = |file: &&MigrationFile| {
        status
            .migrations
            .iter()
            .any(|(name, standing)| *name == file.name && *standing != Standing::Pending)
    };
    let files: Vec<MigrationFile> = place.files.files().iter().filter(has).cloned().collect();
    let (expected, unclear) = replay(&files);
    for note in unclear {
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    // What belongs to a virtual table comes and goes with it.
    let live = place.migrator(opened).schema().await?.without_shadows();
    Ok((files.len(), expected.without_shadows().drift(&live)))
}

fn text(databases: &[Verified]) -> String {
    let mut text = String::new();
    for Verified { name, migrations, drifts, error } in databases {
        if error.is_some() {
            let _ = writeln!(text, "{name}: not compared, its files and its records disagree");
            continue;
        }
        let files = counted(*migrations, "file");
        let state = match drifts.len() {
            0 => format!("as its migrations make it ({files})"),
            count => {
                let count = counted(count, "difference");
                format!("{count} from what its migrations make ({files})")
            }
        };
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{name}: {state}");
        for drift in drifts {
            let what = match drift.kind {
                SchemaDriftKind::Lacking => "is lacking",
                SchemaDriftKind::Foreign => "is made by no migration",
                _ => "is another one",
            };
            let _ = writeln!(text, "  {} {} {what}", drift.object, drift.name);
            for (title, sql) in [("expected", &drift.expected), ("found", &drift.found)] {
                if let Some(sql) = sql {
                    let _ = writeln!(text, "    {title}: {}", sql.replace('\n', "\n      "));
                }
            }
        }
    }
    text
}
