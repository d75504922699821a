use crate::{
    binders::{Binder, FoundBinders, found_binders},
    code_reader::CodeReader,
    load_error::{LoadError, chain},
    platform::CloudflarePlatform,
    project::Project,
};
use async_trait::async_trait;
use clodo_cf_api::d1::D1Database;
use clodo_config::Platform;
use clodo_db::{
    MigrateError, MigrationFile, Migrations, Migrator, RunningCode, Schema, check_code, lint,
    may_break_code, protect_all,
};
use clodo_orchestrator::{Action, DatabaseRef, Desired, Gate, Migration, Plan, ResourceRef};
use clodo_types::{AccountName, Finding, Severity, TargetId, WorkerName};
use futures_util::{StreamExt as _, stream};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
};

/// How many databases are looked at side by side.
const AT_ONCE: usize = 8;

/// Refuses migrations that would lose rows, or that do not fit the schema of the database which is to
/// get them: each pending file is tried on that schema, without its rows, before anything is written.
///
/// What Workers run as they are deployed has to work on the schema that comes out, too: new code comes
/// after the migrations. These are the Workers of the plan's targets, and [within](Self::within) a
/// project all others that bind the database.
///
/// It reads the schema and the records of each database that has pending files, in one call, or up to
/// three where no migration was recorded yet; and the code of each Worker that binds one, where files do
/// more than add.
#[derive(Clone, Debug)]
pub struct MigrationGate {
    platform: Arc<CloudflarePlatform>,
    others: Option<(Project, Platform)>,
}

impl MigrationGate {
    /// Reads schemas through a platform's client.
    #[must_use]
    pub fn new(platform: Arc<CloudflarePlatform>) -> Self {
        Self { platform, others: None }
    }

    /// Looks for who binds a database in all of a project, and not only among the plan's targets.
    #[must_use]
    pub fn within(mut self, project: Project, platform: Platform) -> Self {
        self.others = Some((project, platform));
        self
    }

    /// The database as it is now; one that is yet to be made holds nothing.
    async fn read(&self, files: &[&Migration]) -> Result<Known, Finding> {
        let Some(first) = files.first() else { return Ok(Known::default()) };
        let known = match &first.database {
            ResourceRef::Id(id) => Some(id.clone()),
            ResourceRef::Name(name) => self.platform.database_named(&first.account, name),
        };
        let Some(id) = known else { return Ok(Known::default()) };
        let account = self
            .platform
            .account(&first.account)
            .map_err(|error| unread(first, &chain(&error), "the token needs to read D1"))?;
        let database = D1Database::new(self.platform.client().clone(), account.clone(), id);
        let of_migrate = |error: MigrateError| {
            let hint = error.hint();
            unread(first, &chain(&error), hint.as_deref().unwrap_or("the token needs to read D1"))
        };
        let mut known = Known::default();
        // Services that share a database may record in tables of their own.
        let tables: BTreeSet<&str> = files.iter().map(|one| one.table.as_str()).collect();
        for table in tables {
            let migrator = Migrator::new(&database).with_records(table);
            let (applied, schema) = match known.applied.is_empty() {
                true => migrator.applied_and_schema().await.map_err(of_migrate)?,
                false => (migrator.applied().await.map_err(of_migrate)?, known.schema),
            };
            let names = applied.into_iter().map(|done| done.name).collect();
            known.schema = schema;
            known.applied.insert(table.to_owned(), names);
        }
        Ok(known)
    }

    /// What one database's files would be refused for, or break.
    async fn judge(&self, work: &Work<'_>, (account, database, files): Files<'_>) -> Vec<Finding> {
        let known = match self.read(&files).await {
            Ok(known) => known,
            Err(finding) => return vec![finding],
        };
        // A deployment that takes over an interrupted one names files again that are applied already.
        let pending: Vec<MigrationFile> =
            files.iter().filter(|one| !known.has(one)).map(|one| file(&one.file)).collect();
        if let Err(refusal) = protect_all(&known.schema, &pending) {
            return vec![*refusal.0];
        }
        let pending: Vec<&MigrationFile> = pending.iter().collect();
        // Nothing works on a database of nothing.
        if known.schema.objects.is_empty() || !may_break_code(&pending) {
            return Vec::new();
        }
        let (code, mut findings) = self.running(work, account, database).await;
        findings.extend(check_code(&known.schema, &pending, &code).findings);
        findings
    }

    /// The code of the Workers that serve with a database.
    async fn running(
        &self,
        work: &Work<'_>,
        account: &AccountName,
        database: &DatabaseRef,
    ) -> (Vec<RunningCode>, Vec<Finding>) {
        let (mut code, mut findings): (Vec<RunningCode>, Vec<Finding>) = Default::default();
        let Ok(id) = self.platform.account(account) else { return (code, findings) };
        let own = work.desired.targets.iter().filter(|target| {
            let binds = target.databases.iter().any(|one| one.resource == *database);
            target.id.account == *account && binds
        });
        let mut workers: BTreeMap<&WorkerName, &TargetId> =
            own.map(|target| (&target.worker, &target.id)).collect();
        let (others, unread) = work.others.get_or_init(|| self.others());
        findings.extend(unread.iter().cloned());
        let binds = |one: &&Binder| one.target.account == *account && one.resource == *database;
        for other in others.iter().filter(binds) {
            workers.entry(&other.worker).or_insert(&other.target);
        }
        for (worker, target) in workers {
            match work.reader.read(id, target, worker).await {
                Ok(running) => code.extend(running),
                Err(note) => findings.push(note),
            }
        }
        (code, findings)
    }

    /// Who else binds databases, and which services' files do not say.
    fn others(&self) -> (Vec<Binder>, Vec<Finding>) {
        let Some((project, platform)) = &self.others else { return Default::default() };
        match found_binders(project, *platform) {
            Ok(FoundBinders { binders, unread }) => {
                let unread = unread.iter().map(|(service, error)| {
                    unfound(&format!("which databases service {service} binds"), error)
                });
                (binders, unread.collect())
            }
            Err(error) => {
                (Vec::new(), vec![unfound("which other services bind databases", &error)])
            }
        }
    }
}

/// What all databases of a plan have in common.
struct Work<'a> {
    desired: &'a Desired,
    reader: CodeReader,
    /// Who binds databases, once somebody wants to know.
    others: OnceLock<(Vec<Binder>, Vec<Finding>)>,
}

/// A database and what is to be applied there, in this order.
type Files<'a> = (&'a AccountName, &'a DatabaseRef, Vec<&'a Migration>);

/// What a database holds.
#[derive(Debug, Default)]
struct Known {
    schema: Schema,
    /// The names of what was applied, by the table that says so.
    applied: BTreeMap<String, BTreeSet<String>>,
}

impl Known {
    fn has(&self, migration: &Migration) -> bool {
        let recorded = self.applied.get(migration.table.as_str());
        recorded.is_some_and(|names| names.contains(&migration.file.name))
    }
}

#[async_trait]
impl Gate for MigrationGate {
    async fn check(&self, plan: &Plan, desired: &Desired) -> Vec<Finding> {
        let mut databases: BTreeMap<(&AccountName, &DatabaseRef), Vec<&Migration>> =
            BTreeMap::new();
        for step in plan.steps() {
            let Action::Migrate(migration) = &step.action else { continue };
            let database = (&migration.account, &migration.database);
            databases.entry(database).or_default().push(migration);
        }
        let reader = CodeReader::new(self.platform.client().clone());
        let work = Work { desired, reader, others: OnceLock::new() };
        let mut judged = Vec::with_capacity(databases.len());
        for ((account, database), files) in databases {
            judged.push(self.judge(&work, (account, database, files)));
        }
        let judged: Vec<Vec<Finding>> = stream::iter(judged).buffered(AT_ONCE).collect().await;
        let mut findings = Vec::new();
        for found in judged {
            add(&mut findings, found);
        }
        findings
    }
}

/// The databases of all customers get the same files.
fn add(findings: &mut Vec<Finding>, found: impl IntoIterator<Item = Finding>) {
    for finding in found {
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
}

fn unread(migration: &Migration, why: &str, hint: &str) -> Finding {
    let database = match &migration.database {
        ResourceRef::Id(id) => id.to_string(),
        ResourceRef::Name(name) => name.to_string(),
    };
    Finding {
        rule: "migrations-unchecked".to_owned(),
        severity: Severity::Block,
        at: None,
        message: format!(
            "database `{database}`, which has pending migrations, was not looked at: {why}"
        ),
        hint: Some(hint.to_owned()),
    }
}

fn unfound(what: &str, error: &LoadError) -> Finding {
    Finding {
        rule: "running-code-unread".to_owned(),
        severity: Severity::Note,
        at: None,
        message: format!("{what} could not be read: {}", chain(error)),
        hint: Some("`clodo-deploy validate` shows what is wrong".to_owned()),
    }
}

/// What a deployment of these targets would be refused for on databases that have none of the files
/// yet, as those of a new customer. Nothing is contacted.
#[must_use]
pub fn check_migrations(desired: &Desired) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for database in desired.targets.iter().flat_map(|target| &target.databases) {
        let files = database.migrations.iter().map(file).collect();
        let found = match Migrations::new(files) {
            Ok(files) => lint(&files, 0),
            Err(error) => vec![Finding {
                rule: "migrations-unordered".to_owned(),
                severity: Severity::Block,
                at: None,
                message: error.to_string(),
                hint: Some(error.hint().to_owned()),
            }],
        };
        add(&mut findings, found.into_iter().filter(|one| one.severity == Severity::Block));
    }
    findings
}

/// A migration file as `clodo-db` knows it.
pub(crate) fn file(file: &clodo_orchestrator::MigrationFile) -> MigrationFile {
    MigrationFile::new(file.name.clone(), file.path.clone(), file.sql.clone())
}
