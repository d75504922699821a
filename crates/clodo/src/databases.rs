use crate::{
    load_error::{LoadError, LoadErrorKind},
    migrations,
    naming::Naming,
    platform::failed,
    project::{Project, ServiceConfig},
};
use clodo_cf_api::{
    Client,
    d1::{self, D1Database, NewDatabase},
    r2::R2Backups,
};
use clodo_config::{Platform, Selection};
use clodo_db::{MigrationFolder, Migrations};
use clodo_orchestrator::{DatabaseRef, PlatformError, PlatformErrorKind, ResourceRef};
use clodo_types::{
    AccountId, AccountName, BindingName, BucketName, DatabaseId, DatabaseName, EnvironmentName,
    ServiceName, TargetId,
};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

/// A D1 database that a target binds, with the migrations that belong to it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TargetDatabase {
    /// The target; of several that share the database, the first.
    pub target: TargetId,
    /// `env.NAME` in its code.
    pub binding: BindingName,
    /// Which database.
    pub resource: DatabaseRef,
    /// What it is called when it has to be made; of one that is meant by its id, as the config calls it.
    pub name: Option<DatabaseName>,
    /// The folder of the service that binds it.
    pub home: PathBuf,
    /// Where its migrations are.
    pub folder: MigrationFolder,
    /// The same as the config has it.
    named: PathBuf,
    /// The table that records applied migrations.
    pub records: String,
    /// The files.
    pub migrations: Arc<Migrations>,
    /// Databases of a lower number come first: as `[[waves]]` in clodo.toml say, then environment
    /// after environment.
    pub wave: usize,
}

impl TargetDatabase {
    /// Refuses a folder of migrations that the config names and that is not there.
    ///
    /// # Errors
    /// When it is not.
    pub fn expect_folder(&self) -> Result<(), LoadError> {
        migrations::expect(&self.folder, &self.named)
    }
}

/// The databases of the selected targets, in the order of those: only files are read, nothing is
/// built, and what else a wrangler config says is not looked at.
///
/// A database that several targets bind with the same migrations comes once.
///
/// # Errors
/// When a config or a migration file cannot be read, or files cannot be put in order.
pub fn databases(
    project: &Project,
    selection: &Selection,
    platform: Platform,
) -> Result<Vec<TargetDatabase>, LoadError> {
    let specs = project.portfolio().select(selection)?;
    let mut files = Files { project, configs: BTreeMap::new(), folders: BTreeMap::new() };
    let mut databases: Vec<TargetDatabase> = Vec::new();
    let mut known = BTreeMap::new();
    let mut environments: Vec<&EnvironmentName> = Vec::new();
    let waves = project.portfolio().waves();
    for spec in &specs {
        if !environments.contains(&&spec.id.environment) {
            environments.push(&spec.id.environment);
        }
        let described = waves.iter().position(|wave| wave.has(&spec.id));
        let wave = described.unwrap_or(waves.len() + environments.len());
        for mut database in files.of(&spec.id, platform)? {
            database.wave = wave;
            let same = (
                database.target.account.clone(),
                database.resource.clone(),
                database.folder.clone(),
                database.records.clone(),
            );
            let at = *known.entry(same).or_insert(databases.len());
            match databases.get_mut(at) {
                Some(shared) => shared.wave = shared.wave.min(wave),
                None => databases.push(database),
            }
        }
    }
    Ok(databases)
}

/// What is read once for all targets.
struct Files<'p> {
    project: &'p Project,
    configs: BTreeMap<(ServiceName, EnvironmentName), ServiceConfig>,
    folders: BTreeMap<MigrationFolder, Arc<Migrations>>,
}

impl Files<'_> {
    fn of(
        &mut self,
        target: &TargetId,
        platform: Platform,
    ) -> Result<Vec<TargetDatabase>, LoadError> {
        let key = (target.service.clone(), target.environment.clone());
        let files = match self.configs.remove(&key) {
            Some(files) => files,
            None => self.project.service(&target.service, &target.environment)?,
        };
        let unnamable = |error| {
            let message = format!("{}: {target} has no usable names", files.shown.display());
            LoadError::new(LoadErrorKind::Config, message).with_source(error)
        };
        let top_level = self.project.is_top_level(&target.environment);
        let naming = Naming::new(target, &files.config, top_level).map_err(unnamable)?;
        // An id belongs to one database of Cloudflare; customers and environments have their own.
        let ids_count = platform == Platform::Cloudflare && naming.is_plain();
        let mut found = Vec::new();
        for database in &files.config.d1_databases {
            let own = database.database_name.as_ref();
            let named = naming.database(&database.binding, own).map_err(unnamable)?;
            let id = database.database_id.clone().filter(|_| ids_count);
            let folder = migrations::folder(&files, database)?;
            found.push(TargetDatabase {
                target: target.clone(),
                binding: database.binding.clone(),
                name: if id.is_some() { own.cloned() } else { Some(named.clone()) },
                resource: id.map_or(ResourceRef::Name(named), ResourceRef::Id),
                migrations: self.migrations(&folder)?,
                home: files.folder.clone(),
                folder,
                named: database.migrations_dir.clone(),
                records: database.migrations_table.clone(),
                wave: 0,
            });
        }
        self.configs.insert(key, files);
        Ok(found)
    }

    fn migrations(&mut self, folder: &MigrationFolder) -> Result<Arc<Migrations>, LoadError> {
        if let Some(known) = self.folders.get(folder) {
            return Ok(Arc::clone(known));
        }
        let read = Arc::new(folder.read()?);
        self.folders.insert(folder.clone(), Arc::clone(&read));
        Ok(read)
    }
}

/// Finds D1 databases of a platform. The databases of an account are listed once, when the first one is
/// looked for by its name.
#[derive(Debug)]
pub struct DatabaseFinder {
    client: Client,
    accounts: BTreeMap<AccountName, AccountId>,
    listed: BTreeMap<AccountName, BTreeMap<String, DatabaseId>>,
}

/// A database that is there.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FoundDatabase {
    /// Its id.
    pub id: DatabaseId,
    /// What runs statements in it.
    pub database: D1Database,
    client: Client,
    account: AccountId,
}

impl DatabaseFinder {
    /// Looks through `client`; `accounts` are those of the [`Connection`](crate::Connection).
    #[must_use]
    pub fn new(client: Client, accounts: BTreeMap<AccountName, AccountId>) -> Self {
        Self { client, accounts, listed: BTreeMap::new() }
    }

    /// The database, if it is there. One that is meant by its id is not asked for: its first
    /// statement shows whether it exists.
    ///
    /// # Errors
    /// When the databases of the account cannot be listed.
    pub async fn find(
        &mut self,
        wanted: &TargetDatabase,
    ) -> Result<Option<FoundDatabase>, PlatformError> {
        let account = self.account(&wanted.target.account)?.clone();
        let name = match &wanted.resource {
            ResourceRef::Id(id) => return Ok(Some(self.opened(account, id.clone()))),
            ResourceRef::Name(name) => name,
        };
        if !self.listed.contains_key(&wanted.target.account) {
            let doing =
                format!("could not list the databases of account {}", wanted.target.account);
            let list = self.client.list(d1::list_databases(&account)).await;
            let list = list.map_err(failed(doing))?;
            let list = list.into_iter().map(|one| (one.name, one.id)).collect();
            self.listed.insert(wanted.target.account.clone(), list);
        }
        let id = self.listed[&wanted.target.account].get(name.as_str()).cloned();
        Ok(id.map(|id| self.opened(account, id)))
    }

    /// The database, which is made when it is not there; at most one is made.
    ///
    /// # Errors
    /// When it is not there in the end.
    pub async fn ensure(
        &mut self,
        wanted: &TargetDatabase,
    ) -> Result<FoundDatabase, PlatformError> {
        if let Some(found) = self.find(wanted).await? {
            return Ok(found);
        }
        let account = self.account(&wanted.target.account)?.clone();
        let ResourceRef::Name(name) = &wanted.resource else {
            let doing = "a database that is meant by its id cannot be made";
            return Err(PlatformError::new(PlatformErrorKind::Refused, doing));
        };
        let made = self.client.ensure_database(&account, &NewDatabase::named(name.clone())).await;
        let made = made.map_err(failed(format!("could not create database `{name}`")))?;
        let id = made.resource.id;
        let listed = self.listed.entry(wanted.target.account.clone()).or_default();
        listed.insert(name.to_string(), id.clone());
        Ok(self.opened(account, id))
    }

    /// Backups under a prefix of a bucket of the account; see [`R2Backups::new`].
    ///
    /// # Errors
    /// When the account's id is not known, or the prefix is not made of plain words.
    pub fn backups(
        &self,
        account: &AccountName,
        bucket: BucketName,
        prefix: &str,
        scratch: impl Into<PathBuf>,
    ) -> Result<R2Backups, PlatformError> {
        let account = self.account(account)?.clone();
        let kept = R2Backups::new(self.client.clone(), account, bucket, prefix, scratch);
        kept.map_err(|error| PlatformError::new(PlatformErrorKind::Refused, error.to_string()))
    }

    fn opened(&self, account: AccountId, id: DatabaseId) -> FoundDatabase {
        let client = self.client.clone();
        let database = D1Database::new(client.clone(), account.clone(), id.clone());
        FoundDatabase { id, database, client, account }
    }

    fn account(&self, name: &AccountName) -> Result<&AccountId, PlatformError> {
        self.accounts.get(name).ok_or_else(|| {
            let doing = format!("the id of account `{name}` is not known");
            PlatformError::new(PlatformErrorKind::Refused, doing)
                .with_hint("add `id` to the account in clodo.toml, or set CLOUDFLARE_ACCOUNT_ID")
        })
    }
}

impl FoundDatabase {
    /// The present moment of its history, to which it can be put back.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn bookmark(&self) -> Result<String, PlatformError> {
        let now = self.client.send(d1::bookmark(&self.account, &self.id)).await;
        let doing = format!("could not read a bookmark of database {}", self.id);
        Ok(now.map_err(failed(doing))?.bookmark)
    }

    /// The newest moment of its history at or before a time in RFC 3339.
    ///
    /// # Errors
    /// When the database is younger, or has forgotten.
    pub async fn bookmark_at(&self, time: &str) -> Result<String, PlatformError> {
        let then = self.client.send(d1::bookmark_at(&self.account, &self.id, time)).await;
        let doing = format!("could not read the bookmark of database {} at {time}", self.id);
        Ok(then.map_err(failed(doing))?.bookmark)
    }

    /// How large it is, in bytes, if the platform tells it.
    ///
    /// # Errors
    /// When it cannot be asked for.
    pub async fn size(&self) -> Result<Option<u64>, PlatformError> {
        let found = self.client.send(d1::database(&self.account, &self.id)).await;
        Ok(found.map_err(failed(format!("could not read database {}", self.id)))?.file_size)
    }

    /// Puts it back to a moment of its history; what was written since is gone. Gives the moment
    /// before, to which one can go back, when the platform tells it.
    ///
    /// # Errors
    /// When it cannot be put back.
    pub async fn rewind(&self, bookmark: &str) -> Result<Option<String>, PlatformError> {
        let back = self.client.send(d1::restore(&self.account, &self.id, bookmark)).await;
        let doing = format!("could not put database {} back", self.id);
        Ok(back.map_err(failed(doing))?.previous_bookmark)
    }
}
