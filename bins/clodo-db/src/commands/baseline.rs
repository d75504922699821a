use crate::{
    args::BaselineArgs,
    failure,
    places::Places,
    report::{ApiCalls, DatabaseName, FORMAT},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_db::MigrateError;
use serde::Serialize;
use std::fmt::Write as _;

#[derive(Serialize)]
struct BaselineDocument {
    version: u32,
    outcome: &'static str,
    databases: Vec<Baselined>,
    api_calls: ApiCalls,
}

#[derive(Serialize)]
struct Baselined {
    #[serde(flatten)]
    name: DatabaseName,
    recorded: Vec<String>,
}

/// `clodo-db baseline`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &BaselineArgs,
) -> Result<Exit, CliError> {
    let mut places = Places::open(session, global, &args.databases).await?;
    let mut opened = Vec::new();
    for at in 0..places.all.len() {
        let place = &places.all[at];
        // Before the first database is changed.
        if !place.files.files().iter().any(|file| file.name == args.name) {
            let unknown = MigrateError::Unknown(args.name.clone());
            return Err(failure::of_migrate(&place.shown(), unknown));
        }
        opened.push(places.expect(at).await?);
    }
    let which: Vec<usize> = (0..opened.len()).collect();
    let doing = format!("Record everything up to {} as applied", args.name);
    places.confirm(session, &which, &doing, args.yes)?;
    let mut databases = Vec::new();
    for (place, opened) in places.all.iter().zip(&opened) {
        let recorded = place.migrator(opened).baseline(&place.files, &args.name).await;
        let recorded = recorded.map_err(|error| failure::of_migrate(&place.shown(), error))?;
        databases.push(Baselined { name: place.name.clone(), recorded });
    }
    let mut text = String::new();
    for Baselined { name, recorded } in &databases {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{name}: {} recorded as applied", recorded.len());
    }
    let (version, outcome, api_calls) = (FORMAT, "done", places.calls());
    session.ui.document(&BaselineDocument { version, outcome, databases, api_calls })?;
    session.ui.text(text.trim_end())?;
    Ok(Exit::Done)
}
