use crate::{code_reader::CodeReader, load_error::chain, platform::CloudflarePlatform};
use async_trait::async_trait;
use clodo_cf_api::d1::D1Database;
use clodo_db::{
    MigrationFile, Migrations, Migrator, RunningCode, Schema, check_code, lint, may_break_code,
    protect,
};
use clodo_orchestrator::{
    Action, DatabaseRef, Desired, Gate, Migration, Plan, PlatformError, PlatformErrorKind,
    ResourceRef,
};
use clodo_types::{AccountName, Finding, Severity};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Refuses migrations that would lose rows, or that do not fit the schema of the database which is to
/// get them: each pending file is tried on that schema, without its rows, before anything is written.
///
/// What the Workers of the plan's targets run as they are deployed has to work on the schema that comes
/// out, too: new code comes after the migrations.
///
/// It reads the schema and the records of each database that has pending files, in two calls; and the
/// code of each Worker that binds one, where files do more than add.
#[derive(Clone, Debug)]
pub struct MigrationGate {
    platform: Arc<CloudflarePlatform>,
}

impl MigrationGate {
    /// Reads schemas through a platform's client.
    #[must_use]
    pub fn new(platform: Arc<CloudflarePlatform>) -> Self {
        Self { platform }
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
        let unread = |error: Box<dyn std::error::Error + Send + Sync>| {
            let doing = "could not read the schema of a database with pending migrations";
            PlatformError::new(PlatformErrorKind::Refused, doing).with_source(error)
        };
        let schema = Schema::read(&database, &migration.table).await;
        let schema = schema.map_err(|error| unread(error.into()))?;
        let applied = Migrator::new(&database).with_records(&migration.table).applied().await;
        let applied = applied.map_err(|error| unread(error.into()))?;
        Ok(Known { schema, applied: applied.into_iter().map(|done| done.name).collect() })
    }

    /// What the Workers that serve would no longer be able to do.
    async fn running(
        &self,
        desired: &Desired,
        (account, database): (&AccountName, &DatabaseRef),
        tried: &Tried,
    ) -> Vec<Finding> {
        let files: Vec<&MigrationFile> = tried.pending.iter().collect();
        // Nothing works on a database of nothing.
        if tried.known.schema.objects.is_empty() || !may_break_code(&files) {
            return Vec::new();
        }
        let Ok(id) = self.platform.account(account) else { return Vec::new() };
        let reader = CodeReader::new(self.platform.client().clone());
        let (mut code, mut findings): (Vec<RunningCode>, Vec<Finding>) = Default::default();
        for target in &desired.targets {
            let binds = target.databases.iter().any(|one| one.resource == *database);
            if target.id.account != *account || !binds {
                continue;
            }
            match reader.read(id, &target.id, &target.worker).await {
                Ok(running) => code.extend(running),
                Err(note) => findings.push(note),
            }
        }
        findings.extend(check_code(&tried.known.schema, &files, &code).findings);
        findings
    }
}

/// What a database holds.
#[derive(Debug, Default)]
struct Known {
    schema: Schema,
    /// A deployment that takes over an interrupted one names files again that are applied already.
    applied: BTreeSet<String>,
}

#[async_trait]
impl Gate for MigrationGate {
    async fn check(&self, plan: &Plan, desired: &Desired) -> Vec<Finding> {
        let mut databases: BTreeMap<(&AccountName, &DatabaseRef), Tried> = BTreeMap::new();
        let mut refused: BTreeSet<(&AccountName, &DatabaseRef)> = BTreeSet::new();
        let mut findings = Vec::new();
        for step in plan.steps() {
            let Action::Migrate(migration) = &step.action else { continue };
            let database = (&migration.account, &migration.database);
            // What a file would find behind one that is refused, nobody knows.
            if refused.contains(&database) {
                continue;
            }
            let known = match databases.remove(&database) {
                Some(tried) => Ok(tried),
                None => self.read(migration).await.map(Tried::on),
            };
            let checked = known.map_err(|error| unread(&error)).and_then(|mut tried| {
                if !tried.known.applied.contains(&migration.file.name) {
                    let file = file(&migration.file);
                    let fits = protect(&tried.schema, &file);
                    tried.schema = fits.map_err(|refusal| *refusal.0)?.schema;
                    tried.pending.push(file);
                }
                Ok(tried)
            });
            match checked {
                Ok(tried) => {
                    databases.insert(database, tried);
                }
                Err(finding) => {
                    refused.insert(database);
                    add(&mut findings, [finding]);
                }
            }
        }
        for ((account, database), tried) in databases {
            let found = self.running(desired, (account, database), &tried).await;
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

/// A database with what its files make of it.
#[derive(Debug)]
struct Tried {
    known: Known,
    pending: Vec<MigrationFile>,
    /// The schema behind them.
    schema: Schema,
}

impl Tried {
    fn on(known: Known) -> Self {
        Self { schema: known.schema.clone(), known, pending: Vec::new() }
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
