//! What is compared.

use crate::{
    args::WhereArgs,
    commands::new,
    context::Context,
    failure, findings,
    places::{self, Places},
    report::ApiCalls,
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_config::Platform;
use clodo_db::{MigrationFile, MigrationFolder, RECORDS, Schema, SqliteDatabase, replay};
use clodo_sqlite::OpenOptions;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A side as the command line names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// A database as it is, perhaps of another environment.
    Live(Option<String>),
    /// The migrations of the database.
    Migrations,
    /// A folder of migrations.
    Folder(PathBuf),
    /// A file of `CREATE` statements.
    File(PathBuf),
    /// A SQLite file.
    Sqlite(PathBuf),
}

/// A schema, and what was learned with it.
pub(super) struct Found {
    pub(super) schema: Schema,
    /// How messages call it.
    pub(super) shown: String,
    /// Where the migrations are that it comes from.
    pub(super) folder: Option<MigrationFolder>,
    /// Some of them cannot be carried out again, so that the schema lacks what they made.
    pub(super) unclear: bool,
    pub(super) calls: ApiCalls,
}

impl Side {
    pub(super) fn of(session: &Session, text: &str) -> Self {
        match text {
            "live" => return Self::Live(None),
            "migrations" => return Self::Migrations,
            _ => {}
        }
        if let Some(environment) = text.strip_prefix("live@") {
            return Self::Live(Some(environment.to_owned()));
        }
        let path = PathBuf::from(text);
        match path.extension() {
            Some(ending) if ending.eq_ignore_ascii_case("sql") => Self::File(path),
            _ if session.directory.join(&path).is_dir() => Self::Folder(path),
            _ => Self::Sqlite(path),
        }
    }

    pub(super) async fn read(
        &self,
        session: &Session,
        global: &GlobalArgs,
        args: &WhereArgs,
    ) -> Result<Found, CliError> {
        match self {
            Self::Live(environment) => {
                let mut args = args.clone();
                if let Some(environment) = environment {
                    args.environments = vec![environment.clone()];
                }
                live(session, global, &args).await
            }
            Self::Migrations => {
                let folder = match (&args.sqlite, &args.migrations) {
                    (None, None) => {
                        let context = Context::open(session, global)?;
                        new::only_folder(places::described(&context, args, Platform::Local)?)?
                    }
                    (_, given) => places::existing(session, global, given.as_deref())?,
                };
                of_folder(session, folder)
            }
            Self::Folder(path) => {
                of_folder(session, MigrationFolder::new(session.directory.join(path), path))
            }
            Self::File(path) => {
                let text = fs::read_to_string(session.directory.join(path));
                let text = text.map_err(|error| unreadable(path, error))?;
                let file = MigrationFile::new(path.display().to_string(), path, text);
                let schema = Schema::described(&file).map_err(|refusal| {
                    failure::of_refusal(&refusal).with_exit(Exit::Usage).with_kind("schema")
                })?;
                Ok(Found::new(schema, path.display().to_string()))
            }
            Self::Sqlite(path) => of_sqlite(session, path).await,
        }
    }
}

impl Found {
    fn new(schema: Schema, shown: String) -> Self {
        let calls = ApiCalls::default();
        Self { schema: schema.without_shadows(), shown, folder: None, unclear: false, calls }
    }
}

async fn live(session: &Session, global: &GlobalArgs, args: &WhereArgs) -> Result<Found, CliError> {
    let mut places = Places::open(session, global, args).await?;
    places.only()?;
    let opened = places.expect(0).await?;
    let place = &places.all[0];
    let schema = place.migrator(&opened).schema().await;
    let schema = schema.map_err(|error| failure::of_migrate(&place.shown(), error))?;
    Ok(Found { calls: places.calls(), ..Found::new(schema, place.shown()) })
}

fn of_folder(session: &Session, folder: MigrationFolder) -> Result<Found, CliError> {
    let files = folder.read().map_err(failure::of_folder)?;
    let (schema, unclear) = replay(files.files());
    findings::say(&session.ui, &unclear);
    let name = folder.shown.display().to_string();
    let unclear = !unclear.is_empty();
    Ok(Found { folder: Some(folder), unclear, ..Found::new(schema, name) })
}

async fn of_sqlite(session: &Session, path: &Path) -> Result<Found, CliError> {
    let shown = path.display().to_string();
    let full = session.directory.join(path);
    if !full.exists() {
        let message = format!("there is no `{shown}`");
        return Err(CliError::usage(message).with_hint(
            "give `live`, `live@ENVIRONMENT`, `migrations`, a file that ends in .sql, a folder of \
             migrations, or a SQLite file",
        ));
    }
    let failed = |error| failure::of_database(&shown, "its schema cannot be read", error);
    let database = SqliteDatabase::open(full, OpenOptions::read_only()).await.map_err(failed)?;
    let schema = Schema::read(&database, RECORDS).await.map_err(failed)?;
    Ok(Found::new(schema, shown))
}

fn unreadable(path: &Path, error: std::io::Error) -> CliError {
    CliError::new(Exit::Usage, "files", format!("could not read {}", path.display()))
        .with_source(error)
        .with_hint("check the path and its permissions; it has to be UTF-8 text")
}
