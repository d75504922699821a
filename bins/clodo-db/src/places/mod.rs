//! The databases that a command works on.

mod found;
mod place;

use crate::{
    args::{BackupsIn, WhereArgs},
    context::Context,
    failure,
    keeping::Kept,
    report::ApiCalls,
    running::Running,
};
use clodo::{Binder, CodeReader, DatabaseFinder};
use clodo_cli::{CliError, GlobalArgs, Session};
use clodo_config::{Platform, Protection};
use clodo_orchestrator::ResourceRef;
use clodo_sqlite::{OpenOptions, rusqlite};
use clodo_types::{AccountId, AccountName, DatabaseName as DbName};
use found::{of_file, of_targets};
use place::{Source, opened};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

pub(crate) use found::{described, existing, folder, planned};
pub(crate) use place::{Opened, Place, open_file};

/// The databases of a command, and what finds them.
pub(crate) struct Places<'a> {
    pub(crate) all: Vec<Place>,
    finder: Option<DatabaseFinder>,
    reader: Option<(CodeReader, BTreeMap<AccountName, AccountId>)>,
    context: Option<Context<'a>>,
    platform: Option<Platform>,
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
