use crate::{
    binders::{Binder, binders},
    code_reader::CodeReader,
    load_error::chain,
    platform::CloudflarePlatform,
    project::Project,
};
use async_trait::async_trait;
use clodo_cf_api::d1::D1Database;
use clodo_config::Platform;
use clodo_db::{
    MigrationFile, Migrations, Migrator, RunningCode, Schema, check_code, lint, may_break_code,
    protect,
};
use clodo_orchestrator::{
    Action, DatabaseRef, Desired, Gate, Migration, Plan, PlatformError, PlatformErrorKind,
    ResourceRef,
};
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
/// after the migrations. These are the Workers of the plan's targets, and of all others in the project
/// that bind the database.
///
/// It reads the schema and the records of each database that has pending files, in one call; and the
/// code of each Worker that binds one, where files do more than add.
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
    async fn read(&self, migration: &Migration) -> Result<Known, PlatformError> {
        let known = match &migration.database {
            ResourceRef::Id(id) => Some(id.clone()),
            ResourceRef::Name(name) => self.platform.database_named(&migration.account, name),
        };
        let Some(id) = known else { return Ok(Known::default()) };
        let account = self.platform.account(&migration.account)?.clone();
        let database = D1Database::new(self.platform.client().clone(), account, id);
        let migrator = Migrator::new(&database).with_records(&migration.table);
        let (applied, schema) = migrator.applied_and_schema().await.map_err(|error| {
            let doing = "could not read the schema of a database with pending migrations";
            PlatformError::new(PlatformErrorKind::Refused, doing).with_source(error)
        })?;
        Ok(Known { schema, applied: applied.into_iter().map(|done| done.name).collect() })
    }

    /// What one database's files would be refused for, or break.
    async fn judge(&self, work: &Work<'_>, (account, database, files): Files<'_>) -> Vec<Finding> {
        let Some(first) = files.first() else { return Vec::new() };
        let known = match self.read(first).await {
            Ok(known) => known,
            Err(error) => return vec![unread(&error)],
        };
        let (mut schema, mut pending) = (known.schema.clone(), Vec::new());
        // A deployment that takes over an interrupted one names files again that are applied already.
        for migration in files.iter().filter(|one| !known.applied.contains(&one.file.name)) {
            let file = file(&migration.file);
            // What a file would find behind one that is refused, nobody knows.
            match protect(&schema, &file) {
                Ok(fits) => schema = fits.schema,
                Err(refusal) => return vec![*refusal.0],
            }
            pending.push(file);
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
        match work.others.get_or_init(|| self.binders()) {
            Ok(all) => {
                let binds =
                    |one: &&Binder| one.target.account == *account && one.resource == *database;
                for other in all.iter().filter(binds) {
                    workers.entry(&other.worker).or_insert(&other.target);
                }
            }
            Err(why) => findings.push(unfound(why)),
        }
        for (worker, target) in workers {
            match work.reader.read(id, target, worker).await {
                Ok(running) => code.extend(running),
                Err(note) => findings.push(note),
            }
        }
        (code, findings)
    }

    fn binders(&self) -> Result<Vec<Binder>, String> {
        let Some((project, platform)) = &self.others else { return Ok(Vec::new()) };
        binders(project, *platform).map_err(|error| chain(&error))
    }
}

/// What all databases of a plan have in common.
struct Work<'a> {
    desired: &'a Desired,
    reader: CodeReader,
    /// Who binds databases, once somebody wants to know.
    others: OnceLock<Result<Vec<Binder>, String>>,
}

/// A database and what is to be applied there, in this order.
type Files<'a> = (&'a AccountName, &'a DatabaseRef, Vec<&'a Migration>);

/// What a database holds.
#[derive(Debug, Default)]
struct Known {
    schema: Schema,
    applied: BTreeSet<String>,
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

fn unread(error: &PlatformError) -> Finding {
    Finding {
        rule: "migrations-unchecked".to_owned(),
        severity: Severity::Block,
        at: None,
        message: chain(error),
        hint: Some("the token needs to read D1".to_owned()),
    }
}

fn unfound(why: &str) -> Finding {
    Finding {
        rule: "running-code-unread".to_owned(),
        severity: Severity::Note,
        at: None,
        message: format!("which other services bind the databases could not be read: {why}"),
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
        for finding in found.into_iter().filter(|one| one.severity == Severity::Block) {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    findings
}

/// A migration file as `clodo-db` knows it.
pub(crate) fn file(file: &clodo_orchestrator::MigrationFile) -> MigrationFile {
    MigrationFile::new(file.name.clone(), file.path.clone(), file.sql.clone())
}
