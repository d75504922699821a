//! The databases that a command works on.

use crate::{
    args::{BackupsIn, WhereArgs},
    context::Context,
    failure,
    keeping::Kept,
    report::{ApiCalls, DatabaseName},
    running::Running,
};
use clap::ValueEnum as _;
use clodo::{Binder, CodeReader, DatabaseFinder, FoundDatabase, TargetDatabase};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_config::{Platform, Protection, Rules};
use clodo_db::{
    Capabilities, Checksum, Database, MigrationFolder, MigrationPattern, Migrations, Migrator,
    RECORDS, SqliteDatabase, folder_name,
};
use clodo_orchestrator::ResourceRef;
use clodo_sqlite::{OpenOptions, rusqlite};
use clodo_types::{AccountId, AccountName, DatabaseName as DbName};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// The databases of a command, and what finds them.
pub(crate) struct Places<'a> {
    pub(crate) all: Vec<Place>,
    finder: Option<DatabaseFinder>,
    reader: Option<(CodeReader, BTreeMap<AccountName, AccountId>)>,
    context: Option<Context<'a>>,
    platform: Option<Platform>,
}

/// One database and the migrations that belong to it.
pub(crate) struct Place {
    pub(crate) name: DatabaseName,
    pub(crate) files: Arc<Migrations>,
    records: String,
    /// Where the files are.
    folder: MigrationFolder,
    protection: Protection,
    /// Real people's data is in it.
    in_production: bool,
    source: Source,
}

enum Source {
    D1(Box<TargetDatabase>),
    File(PathBuf),
}

/// A database that is there.
pub(crate) struct Opened {
    pub(crate) database: Arc<dyn Database>,
    /// For what only D1 can do.
    pub(crate) d1: Option<FoundDatabase>,
}

impl<'a> Places<'a> {
    /// Reads the files, and reaches the platform. Databases are looked for later.
    pub(crate) async fn open(
        session: &'a Session,
        global: &GlobalArgs,
        args: &WhereArgs,
    ) -> Result<Self, CliError> {
        let mut places = Self::describe(session, global, args)?;
        places.connect().await?;
        Ok(places)
    }

    /// Reads the files only.
    pub(crate) fn describe(
        session: &'a Session,
        global: &GlobalArgs,
        args: &WhereArgs,
    ) -> Result<Self, CliError> {
        if let Some(file) = &args.sqlite {
            let place = of_file(session, global, file, args.migrations.as_deref())?;
            return Ok(Self {
                all: vec![place],
                finder: None,
                reader: None,
                context: None,
                platform: None,
            });
        }
        let context = Context::open(session, global)?;
        let platform = context.platform(args)?;
        let all = of_targets(&context, args, platform)?;
        let (finder, reader) = (None, None);
        Ok(Self { all, finder, reader, context: Some(context), platform: Some(platform) })
    }

    /// Reaches the platform, where there is one, unless that is done already.
    pub(crate) async fn connect(&mut self) -> Result<(), CliError> {
        let (Some(context), Some(platform), None) = (&self.context, self.platform, &self.finder)
        else {
            return Ok(());
        };
        let to = context.connect(platform).await?;
        for place in &self.all {
            let Source::D1(database) = &place.source else { continue };
            let account = &database.target.account;
            if !to.accounts.contains_key(account) {
                let message = format!("the id of account `{account}` is not known");
                return Err(CliError::usage(message).with_hint(
                    "add `id` to the account in clodo.toml, or set CLOUDFLARE_ACCOUNT_ID",
                ));
            }
        }
        let client = context.client(&to, platform).await?;
        self.reader = Some((CodeReader::new(client.clone()), to.accounts.clone()));
        self.finder = Some(DatabaseFinder::new(client, to.accounts.clone()));
        Ok(())
    }

    /// The database at `at`, if it is there; the name learns its id.
    pub(crate) async fn find(&mut self, at: usize) -> Result<Option<Opened>, CliError> {
        match &self.all[at].source {
            Source::File(path) if !path.exists() => Ok(None),
            Source::File(path) => open_file(&self.all[at].name, path, false).await.map(Some),
            Source::D1(database) => {
                let finder = self.finder.as_mut().expect("databases of targets have a finder");
                let found = finder.find(database).await.map_err(failure::of_platform)?;
                Ok(found.map(|found| self.all[at].opened(found)))
            }
        }
    }

    /// All of them, in their order.
    pub(crate) async fn find_all(&mut self) -> Result<Vec<Option<Opened>>, CliError> {
        let mut found = Vec::with_capacity(self.all.len());
        for at in 0..self.all.len() {
            found.push(self.find(at).await?);
        }
        Ok(found)
    }

    /// The same; what is not there is an error that says how to make it.
    pub(crate) async fn expect(&mut self, at: usize) -> Result<Opened, CliError> {
        let found = self.find(at).await?;
        found.ok_or_else(|| self.all[at].missing())
    }

    /// The same, whose statements end when somebody interrupts the command: for those that only read, or
    /// are one transaction each.
    pub(crate) async fn expect_stoppable(
        &mut self,
        at: usize,
        cancel: &CancellationToken,
    ) -> Result<Opened, CliError> {
        let (Source::File(path), cancel) = (&self.all[at].source, cancel.clone()) else {
            return self.expect(at).await;
        };
        if !path.exists() {
            return Err(self.all[at].missing());
        }
        // So many steps of SQLite's machine take less than a moment.
        let stops = move |db: &mut rusqlite::Connection| {
            let cancel = cancel.clone();
            db.progress_handler(100_000, Some(move || cancel.is_cancelled()))
        };
        let options = OpenOptions::default().with_create(false).with_keep_journal();
        opened(&self.all[at].name, path, options.with_init(stops)).await
    }

    /// What databases may be made with by several tasks at once.
    pub(crate) fn maker(&mut self) -> (&mut [Place], Maker<'_>) {
        (&mut self.all, Maker(Mutex::new(self.finder.as_mut())))
    }

    /// A new database of this name in the account of the one at `at`; one of the same name is given
    /// as it is.
    pub(crate) async fn make(&mut self, at: usize, name: &DbName) -> Result<Opened, CliError> {
        let Source::D1(like) = &self.all[at].source else {
            return Err(CliError::usage("a SQLite file is on no platform"));
        };
        let mut new = like.clone();
        new.resource = ResourceRef::Name(name.clone());
        let finder = self.finder.as_mut().expect("databases of targets have a finder");
        let found = finder.ensure(&new).await.map_err(failure::of_platform)?;
        Ok(Opened { database: Arc::new(found.database.clone()), d1: Some(found) })
    }

    /// The backups of the database at `at` where a person has them.
    pub(crate) async fn kept_in(
        &mut self,
        session: &Session,
        global: &GlobalArgs,
        at: usize,
        place: Option<&BackupsIn>,
    ) -> Result<Kept, CliError> {
        let kept = self.kept(session, global, at);
        let (own, _) = self.all[at].kept_as(self.platform);
        let (bucket, prefix) = match place {
            None => return Ok(kept),
            Some(BackupsIn::Folder(folder)) => {
                return Ok(kept.in_folder(session, session.directory.join(folder).join(&own)));
            }
            Some(BackupsIn::Bucket { bucket, prefix }) => (bucket.clone(), prefix),
        };
        let Source::D1(database) = &self.all[at].source else {
            let error = CliError::usage("a SQLite file has no account, and so no bucket");
            return Err(error.with_hint("keep its backups in a folder"));
        };
        let account = database.target.account.clone();
        self.connect().await?;
        let words = own.iter().map(|word| word.to_string_lossy().into_owned());
        let own: Vec<String> = Some(prefix.clone()).into_iter().chain(words).collect();
        let prefix = own.join("/");
        let prefix = prefix.trim_start_matches('/');
        let finder = self.finder.as_ref().expect("databases of targets have a finder");
        let shown = format!("r2://{bucket}/{prefix}");
        let store = finder.backups(&account, bucket, prefix, kept.scratch());
        Ok(kept.in_bucket(store.map_err(failure::of_platform)?, shown))
    }

    /// The backups of the database at `at`, in Clodo's own folder.
    pub(crate) fn kept(&self, session: &Session, global: &GlobalArgs, at: usize) -> Kept {
        let clodo = match &self.context {
            Some(context) => context.project.clodo_folder(),
            None => {
                let project = global.project.as_deref().unwrap_or(Path::new(""));
                session.directory.join(project).join(".clodo")
            }
        };
        let (own, of) = self.all[at].kept_as(self.platform);
        Kept::new(session, clodo, (&own, &of))
    }

    /// What finds the code that runs with the databases.
    pub(crate) fn running(&self, session: &'a Session) -> Result<Running<'a>, CliError> {
        let binders = match (&self.context, self.platform) {
            (Some(context), Some(platform)) => {
                clodo::binders(&context.project, platform).map_err(failure::of_load)?
            }
            _ => Vec::new(),
        };
        Ok(Running::new(session, self.reader.clone(), binders))
    }

    /// Every target of the portfolio that binds the database at `at`, and all others with a binding.
    pub(crate) fn binders(&self, at: usize) -> Result<(Vec<Binder>, Vec<Binder>), CliError> {
        let (Some(context), Some(platform)) = (&self.context, self.platform) else {
            return Ok((Vec::new(), Vec::new()));
        };
        let own = &self.all[at];
        if own.file().is_some() {
            return Ok((Vec::new(), Vec::new()));
        }
        let all = clodo::binders(&context.project, platform).map_err(failure::of_load)?;
        Ok(all.into_iter().partition(|one| own.is_bound(one)))
    }

    /// Whether a database that is not there is made without being asked to: on the local Cloudflare
    /// nobody else would, and nothing is lost with one.
    pub(crate) fn makes_its_own(&self) -> bool {
        self.platform == Some(Platform::Local)
    }

    /// The only database, for commands about one.
    pub(crate) fn only(&self) -> Result<(), CliError> {
        if self.all.len() == 1 {
            return Ok(());
        }
        let names: Vec<String> = self.all.iter().map(|place| place.name.to_string()).collect();
        let message = format!("this is about one database, and there are {}", names.join(", "));
        Err(CliError::usage(message)
            .with_hint("name a service, `--env`, `--customer` or `--binding`"))
    }

    pub(crate) fn calls(&self) -> ApiCalls {
        self.context.as_ref().map(|context| context.calls().into()).unwrap_or_default()
    }

    /// Asks a person before something is changed in the databases at `which`, where their environment or
    /// the platform wants that. `doing` is such as `apply 3 migrations`.
    pub(crate) fn confirm(
        &self,
        session: &Session,
        which: &[usize],
        doing: &str,
        yes: bool,
    ) -> Result<(), CliError> {
        let places = which.iter().map(|at| &self.all[*at]);
        let protected = places.clone().any(|place| place.protection != Protection::None);
        if yes || !(protected || self.platform == Some(Platform::Cloudflare)) {
            return Ok(());
        }
        let names: BTreeSet<String> = places.map(|place| place.name.to_string()).collect();
        let names = names.into_iter().collect::<Vec<_>>().join(", ");
        let platform = self.platform.map(|one| format!(" on {one}")).unwrap_or_default();
        if session.ui.confirm(&format!("{doing} in {names}{platform}?"), "--yes")? {
            return Ok(());
        }
        Err(failure::not_confirmed())
    }
}

/// Makes databases that are not there, one after the other.
pub(crate) struct Maker<'p>(Mutex<Option<&'p mut DatabaseFinder>>);

impl Maker<'_> {
    /// The database of a place, which is made when it is not there.
    pub(crate) async fn ensure(&self, place: &mut Place) -> Result<Opened, CliError> {
        match &place.source {
            Source::File(path) => open_file(&place.name, path, true).await,
            Source::D1(database) => {
                let mut finder = self.0.lock().await;
                let finder = finder.as_mut().expect("databases of targets have a finder");
                let found = finder.ensure(database).await.map_err(failure::of_platform)?;
                Ok(place.opened(found))
            }
        }
    }
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
    fn kept_as(&self, platform: Option<Platform>) -> (PathBuf, String) {
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
                    let parent = path.parent()?.canonicalize().ok()?;
                    Some(parent.join(path.file_name()?))
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
    fn wants_approval(&self) -> bool {
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

    fn opened(&mut self, found: FoundDatabase) -> Opened {
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

async fn opened(
    name: &DatabaseName,
    path: &Path,
    options: OpenOptions,
) -> Result<Opened, CliError> {
    let opened = SqliteDatabase::open(path, options).await;
    let opened = opened
        .map_err(|error| failure::of_database(&name.to_string(), "it cannot be opened", error))?;
    Ok(Opened { database: Arc::new(opened), d1: None })
}

fn of_file(
    session: &Session,
    global: &GlobalArgs,
    file: &Path,
    migrations: Option<&Path>,
) -> Result<Place, CliError> {
    let folder = existing(session, global, migrations)?;
    let files = folder.read().map_err(failure::of_folder)?;
    Ok(Place {
        name: DatabaseName::of_file(file.to_owned(), folder.shown.clone()),
        folder,
        files: Arc::new(files),
        records: RECORDS.to_owned(),
        protection: Protection::None,
        in_production: false,
        source: Source::File(session.directory.join(file)),
    })
}

/// A folder of migrations that no config names; one that was given has to be there.
pub(crate) fn existing(
    session: &Session,
    global: &GlobalArgs,
    given: Option<&Path>,
) -> Result<MigrationFolder, CliError> {
    let folder = folder(session, global, given)?;
    if given.is_some() && !folder.path.is_dir() {
        let message = format!("there is no folder {}", folder.shown.display());
        return Err(
            CliError::usage(message).with_hint("`clodo-db new` makes it with its first file")
        );
    }
    Ok(folder)
}

/// A folder of migrations that no config names: as it was given, else `migrations` in the project. What is
/// given may end in a pattern: `prisma/migrations/*/migration.sql`.
pub(crate) fn folder(
    session: &Session,
    global: &GlobalArgs,
    given: Option<&Path>,
) -> Result<MigrationFolder, CliError> {
    let Some(given) = given else {
        let project = global.project.as_deref().unwrap_or(Path::new(""));
        let shown = project.join("migrations");
        return Ok(MigrationFolder::new(session.directory.join(&shown), shown));
    };
    let mut shown = PathBuf::new();
    let mut parts = given.components();
    // Behind the last folder that there is a sign is one of a pattern.
    while let Some(part) = parts.clone().next() {
        let is_pattern =
            part.as_os_str().as_encoded_bytes().iter().any(|byte| b"*?[{".contains(byte));
        if is_pattern && !session.directory.join(&shown).join(part).is_dir() {
            let glob = parts.as_path().to_string_lossy();
            let pattern = MigrationPattern::new(glob).map_err(|error| {
                let hint = "give a folder, or one with a pattern: 'DIR/*/migration.sql'";
                CliError::usage(error.to_string()).with_hint(hint)
            })?;
            let folder = MigrationFolder::new(session.directory.join(&shown), shown);
            return Ok(folder.with_pattern(pattern));
        }
        shown.push(part);
        parts.next();
    }
    Ok(MigrationFolder::new(session.directory.join(given), given))
}

/// The databases of the selected targets, as the files describe them.
pub(crate) fn described(
    context: &Context<'_>,
    args: &WhereArgs,
    platform: Platform,
) -> Result<Vec<TargetDatabase>, CliError> {
    let found = planned(context, args, platform)?;
    found.iter().try_for_each(TargetDatabase::expect_folder).map_err(failure::of_load)?;
    Ok(found)
}

/// The same, though the folders of their migrations may still have to be made.
pub(crate) fn planned(
    context: &Context<'_>,
    args: &WhereArgs,
    platform: Platform,
) -> Result<Vec<TargetDatabase>, CliError> {
    let selection = context.selection(args)?;
    let mut found =
        clodo::databases(&context.project, &selection, platform).map_err(failure::of_load)?;
    if let Some(binding) = &args.binding {
        found.retain(|database| database.binding.as_str() == binding);
    }
    if found.is_empty() {
        let message = match &args.binding {
            Some(binding) => format!("no selected service has a D1 database `{binding}`"),
            None => "no selected service has a D1 database".to_owned(),
        };
        let hint = "add one under `d1_databases` in its wrangler config, or give --sqlite FILE";
        return Err(CliError::usage(message).with_hint(hint));
    }
    Ok(found)
}

fn of_targets(
    context: &Context<'_>,
    args: &WhereArgs,
    platform: Platform,
) -> Result<Vec<Place>, CliError> {
    let environments = context.project.portfolio().environments();
    let given = args.platform.and_then(|choice| choice.to_possible_value());
    let given = given.map(|value| value.get_name().to_owned());
    let place = |database: TargetDatabase| {
        let (target, binding) = (&database.target, database.binding.as_str());
        let id = match &database.resource {
            ResourceRef::Id(id) => Some(id.to_string()),
            ResourceRef::Name(_) => None,
        };
        let own = database.name.as_ref().map(ToString::to_string);
        let described = environments.get(&target.environment);
        Place {
            name: DatabaseName::of_target(target, binding, database.folder.shown.clone())
                .called(own, id)
                .on(given.clone()),
            files: Arc::clone(&database.migrations),
            records: database.records.clone(),
            folder: database.folder.clone(),
            protection: described.map_or(Protection::None, |environment| environment.protection),
            in_production: described.is_some_and(|one| one.rules == Rules::Production),
            source: Source::D1(Box::new(database)),
        }
    };
    Ok(described(context, args, platform)?.into_iter().map(place).collect())
}
