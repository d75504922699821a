mod text;

use crate::{
    args::StatusArgs,
    failure,
    places::{Opened, Place, Places},
    report::{ApiCalls, DatabaseName, FORMAT},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_db::{Checksum, Migrations, Problem, Standing, Status};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;

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
    /// Of all files together.
    files_sha256: Checksum,
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
    pub(crate) problem: Problem,
    message: String,
    hint: &'static str,
}

impl From<Problem> for ProblemDocument {
    fn from(problem: Problem) -> Self {
        Self { message: problem.to_string(), hint: problem.hint(), problem }
    }
}

impl DatabaseStatus {
    fn new(name: DatabaseName, exists: bool, files: &Migrations, status: Status) -> Self {
        let row = |(name, standing)| MigrationStatus { name, standing };
        Self {
            name,
            exists,
            files_sha256: files.checksum(),
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
    let found = places.find_all().await?;
    let looks = places.all.iter().zip(&found).map(|(place, opened)| look(place, opened.as_ref()));
    let looks = stream::iter(looks).buffered(args.at_once.concurrency.get());
    let databases: Vec<DatabaseStatus> = looks.try_collect().await?;
    let pending: usize = databases.iter().map(DatabaseStatus::pending).sum();
    let problems: usize = databases.iter().map(|database| database.problems.len()).sum();
    let text = text::of(&databases, global.verbose > 0);
    let (version, outcome, api_calls) = (FORMAT, "done", places.calls());
    let document = StatusDocument { version, outcome, pending, problems, databases, api_calls };
    session.ui.document(&document)?;
    session.ui.text(text.trim_end())?;
    match args.exit_code && pending + problems > 0 {
        true => Ok(Exit::Found),
        false => Ok(Exit::Done),
    }
}

async fn look(place: &Place, opened: Option<&Opened>) -> Result<DatabaseStatus, CliError> {
    let status = match opened {
        None => Status::of(&place.files, &[]),
        Some(opened) => {
            let status = place.migrator(opened).status(&place.files).await;
            status.map_err(|error| failure::of_migrate(&place.shown(), error))?
        }
    };
    Ok(DatabaseStatus::new(place.name.clone(), opened.is_some(), &place.files, status))
}
