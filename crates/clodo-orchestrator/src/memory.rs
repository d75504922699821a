//! A platform in memory, with real state and faults on demand.

mod apply;
mod meddle;
mod ports;
mod state;
mod telemetry;
mod undo;

pub use meddle::Meddling;
pub use ports::{MemorySecrets, MemoryVerifier};
pub use telemetry::MemoryTelemetry;

use crate::{
    change::{Applied, Before, Change, Inputs, Look, Undone},
    inspected::{BoundTo, Inspected},
    observed::{Observed, ObservedAccount, ObservedDatabase, ObservedWorker, Scope},
    planner::change_id,
    platform::{Platform, PlatformError, PlatformErrorKind},
    trigger::{Addresses, WorkerRef},
};
use async_trait::async_trait;
use clodo_saga::StepId;
use clodo_types::{AccountName, BindingName, Hostname, ZoneName};
use serde_json::Value;
use state::{Account, State, Worker};
use std::sync::{Mutex, MutexGuard};

/// Workers in memory. It keeps what it is told, so that planning again finds it, and it fails where
/// a test wants it to. It is a [`Migrator`](crate::Migrator) as well.
#[derive(Debug, Default)]
pub struct MemoryPlatform(Mutex<State>);

/// How a step goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The platform refuses the request.
    Refuse,
    /// The change lands, and its answer is lost.
    LandAndFail,
    /// The process dies before the request is sent: the call never returns.
    HangBefore,
    /// The process dies after the change has landed: the call never returns.
    HangAfter,
    /// Taking the change back fails.
    FailUndo,
    /// The process dies when the change has been taken back: that call never returns.
    HangUndo,
}

impl MemoryPlatform {
    /// Adds an account with its zones.
    pub fn add_account(&self, name: &AccountName, zones: impl IntoIterator<Item = ZoneName>) {
        let mut state = self.state();
        state.accounts.entry(name.clone()).or_default().zones.extend(zones);
    }

    /// Adds a Worker that somebody else deployed.
    pub fn add_foreign_worker(&self, worker: &WorkerRef) {
        let mut state = self.state();
        let version = state.next_version(None);
        let account = state.accounts.entry(worker.account.clone()).or_default();
        account.workers.insert(worker.worker.clone(), Worker::serving(version));
    }

    /// Makes a domain lead to a Worker.
    pub fn add_domain(&self, worker: &WorkerRef, hostname: &Hostname) {
        let mut state = self.state();
        let account = state.accounts.entry(worker.account.clone()).or_default();
        account.domains.insert(hostname.clone(), worker.worker.clone());
    }

    /// Makes the step of this name go wrong from now on: `upload main/orders`. A bookmark of a
    /// database is read as `bookmark main/orders-db`, and only refused.
    pub fn fail_at(&self, step: &str, fault: Fault) {
        self.state().faults.insert(step.to_owned(), fault);
    }

    /// Ends all faults.
    pub fn mend(&self) {
        self.state().faults.clear();
    }

    /// The steps that wrote, in order; an undo as `undo <step>`.
    #[must_use]
    pub fn writes(&self) -> Vec<String> {
        self.state().writes.clone()
    }

    /// Forgets the writes so far.
    pub fn forget_writes(&self) {
        self.state().writes.clear();
    }

    /// How many calls only read.
    #[must_use]
    pub fn reads(&self) -> usize {
        self.state().reads
    }

    /// All that can be seen from outside, without ids and without versions that get no traffic: two
    /// platforms that serve the same have the same picture.
    #[must_use]
    pub fn picture(&self) -> Value {
        self.state().picture()
    }

    /// How many versions a Worker has, those without traffic included; 0 for no Worker.
    #[must_use]
    pub fn version_count(&self, worker: &WorkerRef) -> usize {
        let state = self.state();
        let account = state.accounts.get(&worker.account);
        let found = account.and_then(|account| account.workers.get(&worker.worker));
        found.map_or(0, |worker| worker.versions.len())
    }

    /// The id of the database or namespace that a binding of the newest version points at.
    #[must_use]
    pub fn bound_id(&self, worker: &WorkerRef, binding: &BindingName) -> Option<String> {
        let state = self.state();
        let worker = state.accounts.get(&worker.account)?.workers.get(&worker.worker)?;
        match worker.versions.last()?.bindings.get(binding.as_str())? {
            BoundTo::Database(id) => Some(id.to_string()),
            BoundTo::Namespace(id) => Some(id.to_string()),
            _ => None,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no holder panics")
    }

    fn fault(&self, step: &StepId) -> Option<Fault> {
        self.state().faults.get(step.as_str()).copied()
    }

    /// Runs one write with the faults that are set for it.
    async fn write<T>(
        &self,
        step: StepId,
        work: impl FnOnce(&mut State) -> Result<T, PlatformError> + Send,
    ) -> Result<T, PlatformError> {
        let fault = self.fault(&step);
        match fault {
            Some(Fault::Refuse) => return Err(refused(format!("`{step}` was refused"))),
            Some(Fault::HangBefore) => std::future::pending().await,
            _ => {}
        }
        let done = {
            let mut state = self.state();
            let done = work(&mut state);
            if done.is_ok() {
                state.writes.push(step.to_string());
            }
            done
        };
        match fault {
            Some(Fault::HangAfter) => std::future::pending().await,
            Some(Fault::LandAndFail) => {
                let doing = format!("the answer to `{step}` was lost");
                Err(PlatformError::new(PlatformErrorKind::Unavailable, doing))
            }
            _ => done,
        }
    }
}

fn refused(doing: impl Into<String>) -> PlatformError {
    PlatformError::new(PlatformErrorKind::Refused, doing)
}

fn observed(account: &Account) -> ObservedAccount {
    let workers = account.workers.iter().map(|(name, worker)| {
        let (tags, settings) = (worker.tags.clone(), worker.settings.clone());
        let workers_dev = Some(worker.workers_dev);
        let migration_tag = worker.migration_tag.clone();
        let called_by = account.callers_of(name);
        let updated_on = Some(worker.changes.to_string());
        let seen =
            ObservedWorker { tags, workers_dev, settings, updated_on, migration_tag, called_by };
        (name.clone(), seen)
    });
    let routes = account.workers.iter().flat_map(|(name, worker)| {
        worker.routes.iter().map(|route| (route.pattern.clone(), name.clone()))
    });
    let workflows = account.workflows.iter();
    let workflows = workflows.map(|(name, known)| (name.clone(), known.observed()));
    let databases = account.databases.iter();
    let databases =
        databases.map(|(name, known)| (name.clone(), ObservedDatabase::new(known.id.clone())));
    ObservedAccount {
        workers: workers.collect(),
        databases: databases.collect(),
        namespaces: account.namespaces.clone(),
        buckets: account.buckets.clone(),
        queues: Some(account.queues.clone()),
        workflows: Some(workflows.collect()),
        zones: account.zones.clone(),
        domains: account.domains.clone(),
        routes: Some(routes.collect()),
    }
}

#[async_trait]
impl Platform for MemoryPlatform {
    async fn observe(&self, scope: &Scope) -> Result<Observed, PlatformError> {
        let mut state = self.state();
        state.reads += 1;
        let mut accounts = std::collections::BTreeMap::new();
        for name in scope.accounts.keys() {
            let known = state.accounts.get(name);
            let known = known.ok_or_else(|| refused(format!("there is no account `{name}`")))?;
            accounts.insert(name.clone(), observed(known));
        }
        Ok(Observed { accounts })
    }

    async fn inspect(&self, worker: &WorkerRef) -> Result<Option<Inspected>, PlatformError> {
        let mut state = self.state();
        state.reads += 1;
        Ok(state.worker(worker).ok().map(|worker| worker.inspected()))
    }

    async fn look(&self, change: &Change, inputs: &Inputs) -> Result<Look, PlatformError> {
        let mut state = self.state();
        state.reads += 1;
        state.look(change, inputs)
    }

    async fn apply(&self, change: &Change, inputs: &Inputs) -> Result<Applied, PlatformError> {
        self.write(change_id(change), |state| state.apply(change, inputs)).await
    }

    async fn undo(
        &self,
        change: &Change,
        before: &Before,
        _applied: Option<&Applied>,
        _inputs: &Inputs,
    ) -> Result<Undone, PlatformError> {
        let step = change_id(change);
        let fault = self.fault(&step);
        if fault == Some(Fault::FailUndo) {
            return Err(refused(format!("`{step}` cannot be undone")));
        }
        let undone = {
            let mut state = self.state();
            state.writes.push(format!("undo {step}"));
            state.count(change);
            state.undo(change, before)
        };
        match fault {
            Some(Fault::HangUndo) => std::future::pending().await,
            _ => Ok(undone),
        }
    }

    fn urls(&self, addresses: &Addresses) -> Vec<String> {
        let mut urls: Vec<String> =
            addresses.domains.iter().map(|host| format!("https://{host}")).collect();
        if addresses.workers_dev {
            let WorkerRef { account, worker } = &addresses.worker;
            urls.push(format!("https://{worker}.{account}.workers.dev"));
        }
        urls
    }
}
