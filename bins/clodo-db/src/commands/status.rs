use crate::{
    args::StatusArgs,
    failure,
    places::Places,
    report::{ApiCalls, DatabaseName, FORMAT},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_db::{Problem, Standing, Status};
use serde::Serialize;
use std::fmt::Write as _;

#[derive(Serialize)]
struct StatusDocument {
    version: u32,
    outcome: &'static str,
    pending: usize,
    problems: usize,
    databases: Vec<DatabaseStatus>,
    api_calls: ApiCalls,
}

/// How one database stands.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DatabaseStatus {
    #[serde(flatten)]
    name: DatabaseName,
    exists: bool,
    migrations: Vec<MigrationStatus>,
    problems: Vec<ProblemDocument>,
}

#[derive(Clone, Debug, Serialize)]
struct MigrationStatus {
    name: String,
    standing: Standing,
}

/// Something in which files and database disagree.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ProblemDocument {
    #[serde(flatten)]
    problem: Problem,
    message: String,
    hint: &'static str,
}

impl From<Problem> for ProblemDocument {
    fn from(problem: Problem) -> Self {
        Self { message: problem.to_string(), hint: problem.hint(), problem }
    }
}

impl DatabaseStatus {
    fn new(name: DatabaseName, exists: bool, status: Status) -> Self {
        let row = |(name, standing)| MigrationStatus { name, standing };
        Self {
            name,
            exists,
            migrations: status.migrations.into_iter().map(row).collect(),
            problems: status.problems.into_iter().map(ProblemDocument::from).collect(),
        }
    }

    fn pending(&self) -> usize {
        self.migrations.iter().filter(|one| one.standing == Standing::Pending).count()
    }
}

/// `clodo-db status`
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &StatusArgs,
) -> Result<Exit, CliError> {
    let mut places = Places::open(session, global, &args.databases).await?;
    let mut databases = Vec::new();
    for at in 0..places.all.len() {
        let opened = places.find(at).await?;
        let place = &places.all[at];
        let status = match &opened {
            None => Status::of(&place.files, &[]),
            Some(opened) => {
                let status = place.migrator(opened).status(&place.files).await;
                status.map_err(|error| failure::of_migrate(&place.shown(), error))?
            }
        };
        databases.push(DatabaseStatus::new(place.name.clone(), opened.is_some(), status));
    }
    let pending: usize = databases.iter().map(DatabaseStatus::pending).sum();
    let problems: usize = databases.iter().map(|database| database.problems.len()).sum();
    let text = text(&databases);
    let (version, outcome, api_calls) = (FORMAT, "done", places.calls());
    let document = StatusDocument { version, outcome, pending, problems, databases, api_calls };
    session.ui.document(&document)?;
    session.ui.text(text.trim_end())?;
    match args.exit_code && pending + problems > 0 {
        true => Ok(Exit::Found),
        false => Ok(Exit::Done),
    }
}

fn text(databases: &[DatabaseStatus]) -> String {
    let mut text = String::new();
    for database in databases {
        let state = match (database.exists, database.problems.len(), database.pending()) {
            (_, problems, _) if problems > 0 => "files and database disagree".to_owned(),
            (false, ..) => "not there yet".to_owned(),
            (true, _, 0) if database.migrations.is_empty() => "no migrations".to_owned(),
            (true, _, 0) => "up to date".to_owned(),
            (true, _, pending) => format!("{pending} pending"),
        };
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{}: {state}", database.name);
        for migration in &database.migrations {
            let _ = writeln!(text, "  {:<24} {}", word(migration.standing), migration.name);
        }
        for problem in &database.problems {
            let _ = writeln!(text, "  {}\n    hint: {}", problem.message, problem.hint);
        }
    }
    text
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Applied => "applied",
        Standing::Unproved => "applied by wrangler",
        Standing::Pending => "pending",
        Standing::Edited => "edited since",
        Standing::Missing => "applied, file gone",
        Standing::OutOfOrder => "not applied, out of order",
        _ => "unknown",
    }
}
