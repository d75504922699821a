//! A database that a command works on.

use crate::{failure, report::DatabaseName};
use clodo::{Binder, FoundDatabase, TargetDatabase};
use clodo_cli::{CliError, Exit};
use clodo_config::{Platform, Protection};
use clodo_db::{
    Capabilities, Checksum, Database, MigrationFolder, Migrations, Migrator, SqliteDatabase,
    folder_name,
};
use clodo_orchestrator::ResourceRef;
use clodo_sqlite::OpenOptions;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// One database and the migrations that belong to it.
pub(crate) struct Place {
    pub(crate) name: DatabaseName,
    pub(crate) files: Arc<Migrations>,
    pub(super) records: String,
    /// Where the files are.
    pub(super) folder: MigrationFolder,
    pub(super) protection: Protection,
    /// Real people's data is in it.
    pub(super) in_production: bool,
    pub(super) source: Source,
}

pub(super) enum Source {
    D1(Box<TargetDatabase>),
    File(PathBuf),
}

/// A database that is there.
pub(crate) struct Opened {
    pub(crate) database: Arc<dyn Database>,
    /// For what only D1 can do.
    pub(crate) d1: Option<FoundDatabase>,
}

impl Place {
    /// When it comes: those of a lower number are migrated before.
    pub(crate) fn wave(&self) -> usize {
        match &self.source {
            Source::D1(database) => database.wave,
            Source::File(_) => 0,
        }
    }

    /// What applies migrations to `database`.
    pub(crate) fn migrator<'d>(&self, database: &'d Opened) -> Migrator<'d> {
        Migrator::new(&*database.database).with_records(self.records.clone())
    }

    /// Whether a target binds it.
    pub(crate) fn is_bound(&self, by: &Binder) -> bool {
        match &self.source {
            Source::D1(own) => {
                by.target.account == own.target.account && by.resource == own.resource
            }
            Source::File(_) => false,
        }
    }

    /// The folder of the service that binds it; none for a file.
    pub(crate) fn home(&self) -> Option<&Path> {
        match &self.source {
            Source::D1(database) => Some(&database.home),
            Source::File(_) => None,
        }
    }

    /// The table that records its migrations.
    pub(crate) fn records(&self) -> &str {
        &self.records
    }

    /// The limits of the database, whether it is there or not.
    pub(crate) fn capabilities(&self) -> Capabilities {
        match self.source {
            Source::D1(_) => Capabilities::d1(),
            Source::File(_) => Capabilities::sqlite(),
        }
    }

    /// The folder of its migrations, as messages should show it.
    pub(crate) fn folder(&self) -> &Path {
        self.name.folder()
    }

    /// Where its migrations are.
    pub(crate) fn migrations(&self) -> &MigrationFolder {
        &self.folder
    }

    /// The SQLite file, if it is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.source {
            Source::File(path) => Some(path),
            Source::D1(_) => None,
        }
    }

    /// The folder of its backups, which no other database has, and how their files are called.
    pub(super) fn kept_as(&self, platform: Option<Platform>) -> (PathBuf, String) {
        match &self.source {
            Source::D1(database) => {
                let own = match &database.resource {
                    ResourceRef::Name(name) => name.to_string(),
                    ResourceRef::Id(id) => id.to_string(),
                };
                let platform = platform.map(|one| one.to_string()).unwrap_or_default();
                let account = folder_name(database.target.account.as_str());
                let folder = [&platform, &account, &folder_name(&own)];
                (folder.iter().collect(), self.name.called_by().unwrap_or(&own).to_owned())
            }
            Source::File(path) => {
                // Names of folders have an end.
                const LONGEST: usize = 60;
                // The file itself may be gone, which is what backups are for.
                let beside = || {
                    // Where a link leads that leads nowhere any more.
                    let parent = path.parent()?;
                    let leads =
                        path.read_link().map_or_else(|_| path.clone(), |to| parent.join(to));
                    let parent = leads.parent()?.canonicalize().ok()?;
                    Some(parent.join(leads.file_name()?))
                };
                // Whatever links lead to it.
                let whole =
                    path.canonicalize().ok().or_else(beside).unwrap_or_else(|| path.clone());
                let name = whole.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let which = Checksum::of(whole.as_os_str().as_encoded_bytes()).to_string();
                let mut folder = folder_name(&name);
                folder.truncate(LONGEST);
                let stem = whole.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                (Path::new("file").join(format!("{folder}-{}", &which[..16])), stem)
            }
        }
    }

    /// How messages call it.
    pub(crate) fn shown(&self) -> String {
        self.name.to_string()
    }

    /// Whether its environment takes changes only with an approval, which this program cannot give.
    pub(super) fn wants_approval(&self) -> bool {
        self.protection == Protection::Approve
    }

    /// Refuses a change of a database whose environment wants an approval; `hint` is another way.
    pub(crate) fn takes_changes(&self, hint: &str) -> Result<(), CliError> {
        if !self.wants_approval() {
            return Ok(());
        }
        let message = format!("{}: its environment takes changes only with an approval", self.name);
        Err(CliError::new(Exit::Refused, "wants_approval", message).with_hint(hint))
    }

    /// Whether made-up rows have no place in it, as far as its environment tells.
    pub(crate) fn is_protected(&self) -> bool {
        self.in_production || self.protection != Protection::None
    }

    /// The folder of its seeds, beside that of its migrations.
    pub(crate) fn seeds(&self) -> MigrationFolder {
        let beside = |folder: &Path| folder.with_file_name("seeds");
        MigrationFolder::new(beside(&self.folder.path), beside(&self.folder.shown))
    }

    pub(crate) fn missing(&self) -> CliError {
        let error = CliError::usage(format!("{}: there is no such database", self.name));
        let make = self.name.command("up --create");
        error.with_hint(match self.source {
            Source::D1(_) => format!("`{make}` makes it; so does `clodo-deploy deploy`"),
            Source::File(_) => format!("check the path; `{make}` makes a new file"),
        })
    }

    pub(super) fn opened(&mut self, found: FoundDatabase) -> Opened {
        self.name.found(&found.id);
        Opened { database: Arc::new(found.database.clone()), d1: Some(found) }
    }
}

pub(crate) async fn open_file(
    name: &DatabaseName,
    path: &Path,
    create: bool,
) -> Result<Opened, CliError> {
    // The file is somebody else's: how it keeps its journal is theirs to say.
    opened(name, path, OpenOptions::default().with_create(create).with_keep_journal()).await
}

pub(super) async fn opened(
    name: &DatabaseName,
    path: &Path,
    options: OpenOptions,
) -> Result<Opened, CliError> {
    let opened = SqliteDatabase::open(path, options).await;
    let opened = opened
        .map_err(|error| failure::of_database(&name.to_string(), "it cannot be opened", error))?;
    Ok(Opened { database: Arc::new(opened), d1: None })
}
