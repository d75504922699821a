use super::{Fault, MemoryPlatform, refused};
use crate::{
    migration::{AppliedMigration, MigrationFile, MigrationTarget},
    plan::{Action, Migration},
    planner::{migration_id, step_id},
    platform::PlatformError,
    ports::{Migrator, SecretSource, Verdict, Verifier},
    resource::ResourceRef,
    trigger::Check,
};
use async_trait::async_trait;
use clodo_saga::StepId;
use clodo_types::{Secret, SecretName, TargetId, VersionId};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

#[async_trait]
impl Migrator for MemoryPlatform {
    async fn applied(
        &self,
        database: &MigrationTarget,
    ) -> Result<Vec<AppliedMigration>, PlatformError> {
        let mut state = self.state();
        state.reads += 1;
        let account = state.accounts.get(&database.account);
        let found = account
            .and_then(|account| account.databases.values().find(|known| known.id == database.id));
        let unknown = || refused(format!("there is no database {}", database.id));
        found.map(|known| known.applied.clone()).ok_or_else(unknown)
    }

    async fn apply(
        &self,
        database: &MigrationTarget,
        file: &MigrationFile,
    ) -> Result<(), PlatformError> {
        let migration = Migration {
            account: database.account.clone(),
            database: match &database.name {
                Some(name) => ResourceRef::Name(name.clone()),
                None => ResourceRef::Id(database.id.clone()),
            },
            table: database.table.clone(),
            file: file.clone(),
        };
        self.write(migration_id(&migration), |state| {
            let applied_at = Some(state.next_hex());
            let account = state.accounts.get_mut(&database.account);
            let found = account.and_then(|account| {
                account.databases.values_mut().find(|known| known.id == database.id)
            });
            let unknown = || refused(format!("there is no database {}", database.id));
            let known = found.ok_or_else(unknown)?;
            if !known.applied.iter().any(|done| done.name == file.name) {
                known.moves_on();
                let (name, checksum) = (file.name.clone(), Some(file.checksum));
                known.applied.push(AppliedMigration { name, checksum, applied_at });
            }
            Ok(())
        })
        .await
    }

    async fn bookmark(&self, database: &MigrationTarget) -> Result<Option<String>, PlatformError> {
        let name = database.name.as_ref().map_or(database.id.as_str(), |name| name.as_str());
        let read = StepId::new(format!("bookmark {}/{name}", database.account));
        if self.fault(&read).is_some() {
            return Err(refused(format!("`{read}` was refused")));
        }
        let mut state = self.state();
        state.reads += 1;
        let account = state.accounts.get_mut(&database.account);
        let found = account.and_then(|account| {
            account.databases.values_mut().find(|known| known.id == database.id)
        });
        Ok(found.map(|known| known.bookmark()))
    }
}

/// Looks at a [`MemoryPlatform`] as a probe would: whether the right version gets the traffic.
#[derive(Debug)]
pub struct MemoryVerifier {
    platform: Arc<MemoryPlatform>,
    sick: Mutex<BTreeSet<TargetId>>,
}

impl MemoryVerifier {
    /// Looks at this platform.
    #[must_use]
    pub fn new(platform: Arc<MemoryPlatform>) -> Self {
        Self { platform, sick: Mutex::default() }
    }

    /// Makes the probe of a target fail from now on.
    pub fn make_sick(&self, target: &TargetId) {
        self.sick.lock().expect("no holder panics").insert(target.clone());
    }

    /// Makes all targets healthy again.
    pub fn heal(&self) {
        self.sick.lock().expect("no holder panics").clear();
    }
}

#[async_trait]
impl Verifier for MemoryVerifier {
    async fn verify(&self, check: &Check, urls: &[String], version: Option<&VersionId>) -> Verdict {
        let failed = |why: &str| Verdict::Failed { why: why.to_owned() };
        let worker = &check.addresses.worker;
        let step = step_id(&Action::Verify(check.clone()), &worker.to_string());
        match self.platform.fault(&step) {
            Some(Fault::HangBefore | Fault::HangAfter) => std::future::pending().await,
            Some(Fault::Refuse | Fault::LandAndFail) => return failed("a fault was asked for"),
            _ => {}
        }
        if self.sick.lock().expect("no holder panics").contains(&check.target) {
            return failed("it answered with status 500");
        }
        if urls.is_empty() {
            return Verdict::NotReachable;
        }
        let mut state = self.platform.state();
        let Ok(found) = state.worker(worker) else { return failed("nothing answers") };
        match version {
            None => Verdict::ProbedNotProved,
            Some(version) if found.traffic.iter().any(|share| share.version == *version) => {
                if check.knows_version { Verdict::Proved } else { Verdict::ProbedNotProved }
            }
            Some(_) => failed("another version answers"),
        }
    }
}

/// Secrets in memory.
#[derive(Debug, Default)]
pub struct MemorySecrets(BTreeMap<(TargetId, SecretName), Secret>);

impl MemorySecrets {
    /// Adds a value.
    #[must_use]
    pub fn with(mut self, target: &TargetId, name: &SecretName, value: Secret) -> Self {
        self.0.insert((target.clone(), name.clone()), value);
        self
    }
}

#[async_trait]
impl SecretSource for MemorySecrets {
    async fn resolve(
        &self,
        target: &TargetId,
        name: &SecretName,
    ) -> Result<Option<Secret>, PlatformError> {
        Ok(self.0.get(&(target.clone(), name.clone())).cloned())
    }
}
