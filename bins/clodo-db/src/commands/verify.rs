use crate::{
    args::VerifyArgs,
    failure, findings,
    places::{Opened, Place, Places},
    report::{ApiCalls, DatabaseName, FORMAT},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session, counted};
use clodo_db::{MigrateError, MigrationFile, SchemaDrift, SchemaDriftKind, Standing, replay};
use clodo_types::Finding;
use serde::Serialize;
use std::fmt::Write as _;

#[derive(Serialize)]
struct VerifyDocument {
    version: u32,
    outcome: &'static str,
    databases: Vec<Verified>,
    findings: Vec<Finding>,
    api_calls: ApiCalls,
}

#[derive(Serialize)]
struct Verified {
    #[serde(flatten)]
    name: DatabaseName,
    migrations: usize,
    drifts: Vec<SchemaDrift>,
}

/// `clodo-db verify`: only reads.
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &VerifyArgs,
) -> Result<Exit, CliError> {
    let mut places = Places::open(session, global, &args.databases).await?;
    let (mut databases, mut notes) = (Vec::new(), Vec::new());
    for at in 0..places.all.len() {
        let opened = places.expect(at).await?;
        let place = &places.all[at];
        let verified = verify(place, &opened, &mut notes).await;
        databases.push(verified.map_err(|error| failure::of_migrate(&place.shown(), error))?);
    }
    let found = databases.iter().any(|database| !database.drifts.is_empty());
    let text = text(&databases);
    findings::say(&session.ui, &notes);
    session.ui.document(&VerifyDocument {
        version: FORMAT,
        outcome: if found { "found" } else { "done" },
        databases,
        findings: notes,
        api_calls: places.calls(),
    })?;
    session.ui.text(text.trim_end())?;
    Ok(if found { Exit::Found } else { Exit::Done })
}

/// Compares with what the files make that the database says it has.
async fn verify(
    place: &Place,
    opened: &Opened,
    notes: &mut Vec<Finding>,
) -> Result<Verified, MigrateError> {
    let migrator = place.migrator(opened);
    let status = migrator.status(&place.files).await?;
    if !status.problems.is_empty() {
        return Err(MigrateError::Problems(status.problems));
    }
    let has = |file: &&MigrationFile| {
        let applied = |standing| matches!(standing, Standing::Applied | Standing::Unproved);
        status.migrations.iter().any(|(name, standing)| *name == file.name && applied(*standing))
    };
    let files: Vec<MigrationFile> = place.files.files().iter().filter(has).cloned().collect();
    let (expected, unclear) = replay(&files);
    for note in unclear {
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    let drifts = expected.drift(&migrator.schema().await?);
    Ok(Verified { name: place.name.clone(), migrations: files.len(), drifts })
}

fn text(databases: &[Verified]) -> String {
    let mut text = String::new();
    for Verified { name, migrations, drifts } in databases {
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
