use crate::{
    args::DiagnoseArgs,
    failure,
    places::Places,
    report::{ApiCalls, DatabaseName, FORMAT, visible},
    sources,
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session, counted};
use clodo_db::{DiagnoseOptions, Diagnosis, SourceStatement, Weight, diagnose};
use serde::Serialize;
use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

#[derive(Serialize)]
struct DiagnoseDocument {
    version: u32,
    outcome: &'static str,
    databases: Vec<Diagnosed>,
    api_calls: ApiCalls,
}

#[derive(Serialize)]
struct Diagnosed {
    #[serde(flatten)]
    name: DatabaseName,
    statements: usize,
    unfit: usize,
    findings: Vec<Diagnosis>,
    skipped: Vec<String>,
}

/// `clodo-db diagnose`: only reads.
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &DiagnoseArgs,
) -> Result<Exit, CliError> {
    let mut written = Vec::new();
    for file in &args.sql {
        written.extend(sources::of_sql(session, file)?);
    }
    for path in &args.source {
        written.extend(sources::of_programs(session, path)?);
    }
    let mut places = Places::open(session, global, &args.databases).await?;
    let mut homes: BTreeMap<PathBuf, Vec<SourceStatement>> = BTreeMap::new();
    let mut databases = Vec::new();
    for at in 0..places.all.len() {
        if session.cancel.is_cancelled() {
            return Err(failure::interrupted("run it again"));
        }
        let opened = places.expect(at).await?;
        let place = &places.all[at];
        let mut options = DiagnoseOptions::default();
        options.records = place.records().to_owned();
        options.big = args.big;
        options.statements.clone_from(&written);
        if let Some(home) = place.home().filter(|_| args.source.is_empty()) {
            if !homes.contains_key(home) {
                homes.insert(home.to_owned(), sources::of_programs(session, home)?);
            }
            options.statements.extend(homes[home].iter().cloned());
        }
        let report = diagnose(&*opened.database, &options).await.map_err(|error| {
            failure::of_database(&place.shown(), "it could not be looked at", error)
        })?;
        databases.push(Diagnosed {
            name: place.name.clone(),
            statements: report.statements,
            unfit: report.unfit,
            findings: report.findings,
            skipped: report.skipped,
        });
    }
    let weighs = |one: &Diagnosis| one.weight != Weight::Note;
    let found = databases.iter().any(|database| database.findings.iter().any(weighs));
    let text = text(&databases);
    session.ui.document(&DiagnoseDocument {
        version: FORMAT,
        outcome: if found { "found" } else { "done" },
        databases,
        api_calls: places.calls(),
    })?;
    session.ui.text(text.trim_end())?;
    Ok(if found { Exit::Found } else { Exit::Done })
}

fn text(databases: &[Diagnosed]) -> String {
    let mut text = String::new();
    for database in databases {
        let count = |weight| database.findings.iter().filter(|one| one.weight == weight).count();
        let state =
            [(Weight::Problem, "problem"), (Weight::Advice, "finding"), (Weight::Note, "note")]
                .map(|(weight, word)| counted(count(weight), word))
                .join(", ");
        let statements = counted(database.statements, "statement");
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{}: {state}; {statements} looked at", database.name);
        for one in &database.findings {
            let weight = match one.weight {
                Weight::Problem => "problem",
                Weight::Advice => "advice",
                Weight::Note => "note",
            };
            let _ = writeln!(text, "  {weight}: {} [{}]", visible(&one.message), one.code);
            if let Some(at) = &one.at {
                let _ = writeln!(text, "    at {}", visible(&at.to_string()));
            }
            for (title, line) in [("fix", &one.fix), ("hint", &one.hint)] {
                if let Some(line) = line {
                    let _ = writeln!(text, "    {title}: {}", visible(line));
                }
            }
        }
        for skipped in &database.skipped {
            let _ = writeln!(text, "  skipped: {}", visible(skipped));
        }
    }
    text
}
