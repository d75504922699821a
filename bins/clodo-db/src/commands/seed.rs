use crate::{
    args::SeedArgs,
    failure,
    places::{Opened, Place, Places},
    report::{ApiCalls, DatabaseName, FORMAT, visible},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session, counted};
use clodo_db::{MigrationFile, Seed};
use serde::Serialize;
use serde_json::Value;
use std::{fmt::Write as _, fs};

#[derive(Serialize)]
struct SeedDocument {
    version: u32,
    outcome: &'static str,
    dry_run: bool,
    databases: Vec<Seeded>,
    api_calls: ApiCalls,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

#[derive(Serialize)]
struct Seeded {
    #[serde(flatten)]
    name: DatabaseName,
    files: Vec<SeededFile>,
}

#[derive(Serialize)]
struct SeededFile {
    name: String,
    fate: Fate,
    changes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Fate {
    Run,
    Pending,
    Failed,
}

/// `clodo-db seed`: every file is checked on every database before the first one is changed.
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &SeedArgs,
) -> Result<Exit, CliError> {
    let mut places = Places::open(session, global, &args.databases).await?;
    for place in &places.all {
        refuse_protected(place, args)?;
    }
    let given = args.file.iter().map(|path| {
        let text = fs::read_to_string(session.directory.join(path));
        let text = text.map_err(|error| {
            CliError::new(Exit::Usage, "files", format!("could not read {}", path.display()))
                .with_source(error)
                .with_hint("check the path and its permissions; it has to be UTF-8 text")
        })?;
        Ok(MigrationFile::new(path.display().to_string(), path, text))
    });
    let given: Vec<MigrationFile> = given.collect::<Result<_, CliError>>()?;
    let mut work = Vec::new();
    for at in 0..places.all.len() {
        let opened = places.expect(at).await?;
        let place = &places.all[at];
        // What is half restored is left alone.
        let known = place.migrator(&opened).applied().await;
        known.map_err(|error| failure::of_migrate(&place.shown(), error))?;
        let seeds = check(place, &opened, &given).await?;
        work.push((opened, seeds));
    }
    let row = |(at, (_, seeds)): (usize, &(Opened, Vec<Seed>))| Seeded {
        name: places.all[at].name.clone(),
        files: seeds
            .iter()
            .map(|seed| SeededFile {
                name: seed.name().to_owned(),
                fate: Fate::Pending,
                changes: 0,
            })
            .collect(),
    };
    let mut rows: Vec<Seeded> = work.iter().enumerate().map(row).collect();
    let which: Vec<usize> = (0..work.len()).filter(|at| !work[*at].1.is_empty()).collect();
    if args.dry_run || which.is_empty() {
        return conclude(session, &places, args, rows, None);
    }
    let files: usize = rows.iter().map(|row| row.files.len()).sum();
    places.confirm(session, &which, &format!("Run {}", counted(files, "seed")), args.yes)?;
    let mut failed = None;
    'databases: for (at, (opened, seeds)) in work.iter().enumerate() {
        for (place, seed) in seeds.iter().enumerate() {
            let file = &mut rows[at].files[place];
            if let Err(error) = plant(session, &places.all[at], opened, seed, file).await {
                failed = Some(error);
                break 'databases;
            }
        }
    }
    conclude(session, &places, args, rows, failed)
}

fn refuse_protected(place: &Place, args: &SeedArgs) -> Result<(), CliError> {
    place.takes_changes(
        "write a migration: `clodo-deploy deploy` asks for an approval and applies it",
    )?;
    if place.is_protected() && !args.into_protected {
        let name = &place.name;
        let message = format!("{name}: its environment is protected, and seeds are made up");
        return Err(CliError::new(Exit::Refused, "protected", message).with_hint(
            "name another `--env`; give --into-protected when real data may get these rows",
        ));
    }
    Ok(())
}

/// The files for a database, each of which fits it.
async fn check(
    place: &Place,
    opened: &Opened,
    given: &[MigrationFile],
) -> Result<Vec<Seed>, CliError> {
    let read;
    let files = if given.is_empty() {
        read = place.seeds().read_any().map_err(failure::of_folder)?;
        read.files()
    } else {
        given
    };
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let schema = place.migrator(opened).schema().await;
    let schema = schema.map_err(|error| failure::of_migrate(&place.shown(), error))?;
    let limits = place.capabilities();
    let check = |file| Seed::check(&schema, file, &limits);
    let seeds: Result<Vec<Seed>, _> = files.iter().map(check).collect();
    seeds.map_err(|refusal| failure::of_refusal(&refusal))
}

async fn plant(
    session: &Session,
    place: &Place,
    opened: &Opened,
    seed: &Seed,
    file: &mut SeededFile,
) -> Result<(), CliError> {
    if session.cancel.is_cancelled() {
        return Err(failure::interrupted("run the same command again"));
    }
    match seed.run(&*opened.database).await {
        Ok(changes) => {
            (file.fate, file.changes) = (Fate::Run, changes);
            Ok(())
        }
        Err(error) => {
            file.fate = Fate::Failed;
            let constraint = error.kind() == clodo_db::DatabaseErrorKind::Constraint;
            let doing = format!("{} did not run, and nothing of it is there", seed.name());
            let doing = match error.may_have_happened() {
                true => format!("nobody knows whether {} ran", seed.name()),
                false => doing,
            };
            let failed = failure::of_database(&place.shown(), &doing, error);
            match constraint {
                true => Err(failed.with_hint(
                    "a seed runs each time: write INSERT OR IGNORE, or ON CONFLICT DO NOTHING",
                )),
                false => Err(failed),
            }
        }
    }
}

/// Says what ran.
fn conclude(
    session: &Session,
    places: &Places<'_>,
    args: &SeedArgs,
    databases: Vec<Seeded>,
    failed: Option<CliError>,
) -> Result<Exit, CliError> {
    let has = |fate| databases.iter().flat_map(|one| &one.files).any(|file| file.fate == fate);
    let failed = failed.map(|error| match has(Fate::Run) && error.exit() != Exit::Interrupted {
        true => error.with_exit(Exit::Partly),
        false => error,
    });
    let outcome = match &failed {
        Some(error) => error.exit().outcome(),
        None if databases.iter().all(|one| one.files.is_empty()) => "nothing_to_do",
        None => "done",
    };
    let text = text(&databases, args);
    session.ui.document(&SeedDocument {
        version: FORMAT,
        outcome,
        dry_run: args.dry_run,
        databases,
        api_calls: places.calls(),
        error: failed.as_ref().map(CliError::to_json),
    })?;
    session.ui.text(text.trim_end())?;
    let Some(error) = failed else { return Ok(Exit::Done) };
    session.ui.error(&error);
    Ok(error.exit())
}

fn text(databases: &[Seeded], args: &SeedArgs) -> String {
    let mut text = String::new();
    for Seeded { name, files } in databases {
        // Writing to a `String` cannot fail.
        let _ = match files.is_empty() {
            true => writeln!(
                text,
                "{name}: no seeds in {}",
                name.folder().with_file_name("seeds").display()
            ),
            false => writeln!(text, "{name}: {}", counted(files.len(), "seed")),
        };
        for file in files {
            let fate = match file.fate {
                Fate::Run => format!("{} changed", counted(usize_of(file.changes), "row")),
                Fate::Pending if args.dry_run => "would run".to_owned(),
                Fate::Pending => "did not run".to_owned(),
                Fate::Failed => "failed".to_owned(),
            };
            let _ = writeln!(text, "  {:<20} {fate}", visible(&file.name));
        }
    }
    text
}

fn usize_of(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
