mod domains;
mod errors;
mod inspect;
mod observe;
mod places;
mod queues;
mod resources;
mod settings;
mod traffic;
mod triggers;
mod upload;
mod workflows;
mod zones;

pub(crate) use errors::failed;

use crate::secrets::Secrets;
use async_trait::async_trait;
use clodo_cf_api::Client;
use clodo_orchestrator::{
    Addresses, Applied, Before, Change, Inputs, Inspected, Look, Observed, Platform, PlatformError,
    PlatformErrorKind, Scope, Undone, WorkerRef,
};
use clodo_types::{AccountId, AccountName, DatabaseId, DatabaseName, TargetId, ZoneId, ZoneName};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
};

/// How the URLs of Workers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlStyle {
    /// `https://shop.acme.test`
    Public,
    /// `http://shop.acme.test.localhost:8787`, for the local Cloudflare on this port.
    Localhost {
        /// The port that it listens on.
        port: u16,
    },
}

impl UrlStyle {
    /// The URL of a hostname, without a path.
    pub(crate) fn of_host(self, host: &str) -> String {
        match self {
            Self::Public => format!("https://{host}"),
            Self::Localhost { port } => format!("http://{host}.localhost:{port}"),
        }
    }
}

/// A Cloudflare, real or local, behind the orchestrator's [`Platform`] port.
#[derive(Debug)]
pub struct CloudflarePlatform {
    client: Client,
    accounts: BTreeMap<AccountName, AccountId>,
    style: UrlStyle,
    secrets: Arc<Secrets>,
    folders: BTreeMap<TargetId, PathBuf>,
    learned: Mutex<Learned>,
}

/// What `observe` found out that the plan has no use for.
#[derive(Debug, Default)]
struct Learned {
    zones: BTreeMap<AccountName, BTreeMap<ZoneName, ZoneId>>,
    subdomains: BTreeMap<AccountName, String>,
    databases: BTreeMap<AccountName, BTreeMap<DatabaseName, DatabaseId>>,
}

impl CloudflarePlatform {
    /// Talks to the accounts of a portfolio by their ids.
    #[must_use]
    pub fn new(
        client: Client,
        accounts: BTreeMap<AccountName, AccountId>,
        style: UrlStyle,
        secrets: Arc<Secrets>,
    ) -> Self {
        let (folders, learned) = (BTreeMap::new(), Mutex::default());
        Self { client, accounts, style, secrets, folders, learned }
    }

    /// Says in which folder the source of each target lies, as messages should show it: then an
    /// error of the runtime points at the source and not at the bundle.
    #[must_use]
    pub fn with_folders(mut self, folders: BTreeMap<TargetId, PathBuf>) -> Self {
        self.folders = folders;
        self
    }

    /// The API client, for adapters of other ports.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The id of an account of the portfolio.
    ///
    /// # Errors
    /// When nobody said which account the name means.
    pub fn account(&self, name: &AccountName) -> Result<&AccountId, PlatformError> {
        self.accounts.get(name).ok_or_else(|| {
            let doing = format!("the id of account `{name}` is not known");
            PlatformError::new(PlatformErrorKind::Refused, doing)
                .with_hint("add `id` to the account in clodo.toml, or set CLOUDFLARE_ACCOUNT_ID")
        })
    }

    /// The id of a database, as the last listing told it.
    pub(crate) fn database_named(
        &self,
        account: &AccountName,
        name: &DatabaseName,
    ) -> Option<DatabaseId> {
        self.learned().databases.get(account)?.get(name).cloned()
    }

    pub(crate) fn style(&self) -> UrlStyle {
        self.style
    }

    fn learned(&self) -> MutexGuard<'_, Learned> {
        self.learned.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn shown(&self, host: &str) -> String {
        self.style.of_host(host)
    }
}

#[async_trait]
impl Platform for CloudflarePlatform {
    async fn observe(&self, scope: &Scope) -> Result<Observed, PlatformError> {
        let mut observed = Observed::default();
        for (name, wanted) in &scope.accounts {
            let account = Box::pin(self.observe_account(name, wanted)).await?;
            observed.accounts.insert(name.clone(), account);
        }
        Ok(observed)
    }

    async fn inspect(&self, worker: &WorkerRef) -> Result<Option<Inspected>, PlatformError> {
        Box::pin(self.inspect_worker(worker)).await
    }

    async fn look(&self, change: &Change, inputs: &Inputs) -> Result<Look, PlatformError> {
        match change {
            Change::CreateDatabase { account, name } => {
                self.look_database(account, name, inputs).await
            }
            Change::CreateNamespace { account, title } => {
                self.look_namespace(account, title, inputs).await
            }
            Change::CreateBucket { account, name, .. } => {
                self.look_bucket(account, name, inputs).await
            }
            Change::RestoreDatabase { account, name, id, .. } => {
                self.look_restore(account, name, id).await
            }
            Change::CreateQueue { account, name } => self.look_queue(account, name, inputs).await,
            Change::CreateStub { .. } => Ok(Self::look_stub(inputs)),
            Change::Upload(upload) => self.look_upload(upload, inputs).await,
            Change::SetTraffic { worker, to } => self.look_traffic(worker, to, inputs).await,
            Change::SetWorkersDev { worker, to } => {
                self.look_workers_dev(worker, *to, inputs).await
            }
            Change::SetDomains { worker, to } => Ok(Self::look_domains(worker, to, inputs)),
            Change::SetRoutes { worker, to } => self.look_routes(worker, to, inputs).await,
            Change::SetSchedules { worker, to } => self.look_schedules(worker, to, inputs).await,
            Change::SetConsumers { worker, to } => self.look_consumers(worker, to).await,
            Change::SetWorkflows { worker, to } => self.look_workflows(worker, to).await,
            Change::Commit { worker, mark, settings } => {
                self.look_settings(worker, mark, settings, inputs).await
            }
            // What is gone already is found when it is to be removed: that costs no call more.
            Change::RemoveWorker { .. } if inputs.worker.is_none() => {
                Ok(Look::done(Before::Present, Applied::Done))
            }
            change if change.is_final().is_some() => Ok(Look::pending(Before::Present)),
            _ => Err(unknown()),
        }
    }

    async fn apply(&self, change: &Change, inputs: &Inputs) -> Result<Applied, PlatformError> {
        match change {
            Change::CreateDatabase { account, name } => self.create_database(account, name).await,
            Change::CreateNamespace { account, title } => {
                self.create_namespace(account, title).await
            }
            Change::CreateBucket { account, name, .. } => self.create_bucket(account, name).await,
            Change::RestoreDatabase { account, name, id, bookmark, .. } => {
                self.restore_database(account, (name, id), bookmark).await
            }
            Change::CreateQueue { account, name } => self.create_queue(account, name).await,
            Change::CreateStub { worker, owner, preview } => {
                self.create_stub(worker, owner, preview.as_ref()).await
            }
            Change::Upload(upload) => self.upload(upload, inputs).await,
            Change::SetTraffic { worker, to } => self.set_traffic(worker, to, inputs).await,
            Change::SetWorkersDev { worker, to } => self.set_workers_dev(worker, *to).await,
            Change::SetDomains { worker, to } => self.set_domains(worker, to, inputs).await,
            Change::SetRoutes { worker, to } => self.set_routes(worker, to).await,
            Change::SetSchedules { worker, to } => self.set_schedules(worker, to).await,
            Change::SetConsumers { worker, to } => self.set_consumers(worker, to).await,
            Change::SetWorkflows { worker, to } => Box::pin(self.set_workflows(worker, to)).await,
            Change::Commit { worker, mark, settings } => {
                self.commit(worker, mark, settings, inputs).await
            }
            Change::RemoveWorker { worker } => {
                self.remove_worker(worker).await.map(|_| Applied::Done)
            }
            Change::RemoveDatabase { account, name, id } => {
                self.remove_database(account, name, id).await
            }
            Change::RemoveNamespace { account, title, id } => {
                self.remove_namespace(account, title, id).await
            }
            Change::RemoveBucket { account, name } => {
                Box::pin(self.remove_bucket(account, name)).await
            }
            Change::RemoveQueue { account, name, id } => self.remove_queue(account, name, id).await,
            Change::RemoveWorkflow { account, name, worker, data } => {
                self.remove_workflow(account, name, (worker, *data)).await
            }
            _ => Err(unknown()),
        }
    }

    async fn undo(
        &self,
        change: &Change,
        before: &Before,
        applied: Option<&Applied>,
        inputs: &Inputs,
    ) -> Result<Undone, PlatformError> {
        if let Some(stays) = change.is_final() {
            return Ok(stays);
        }
        match (change, before) {
            (Change::Upload(upload), Before::Present) if upload.migrates && applied.is_some() => {
                Ok(Undone::Kept(upload.no_way_back()))
            }
            (_, Before::Present) => Ok(Undone::Restored),
            (Change::CreateDatabase { account, name }, _) => {
                self.undo_database(account, name, applied).await
            }
            (Change::CreateNamespace { account, title }, _) => {
                self.undo_namespace(account, title, applied).await
            }
            (Change::CreateBucket { account, name, .. }, _) => {
                self.undo_bucket(account, name).await
            }
            (Change::CreateQueue { account, name }, _) => self.undo_queue(account, name).await,
            (Change::CreateStub { worker, .. }, _) => self.remove_worker(worker).await,
            (Change::Upload(upload), Before::Absent) => self.undo_upload(upload).await,
            (Change::SetTraffic { worker, to }, Before::Traffic(shares)) => {
                self.undo_traffic(worker, to, inputs, shares).await
            }
            (Change::SetWorkersDev { worker, .. }, Before::WorkersDev(was)) => {
                self.set_workers_dev(worker, *was).await.map(|_| Undone::Restored)
            }
            (Change::SetDomains { worker, to }, Before::Domains(were)) => {
                self.undo_domains(worker, to, were).await
            }
            (Change::SetRoutes { worker, .. }, Before::Routes(were)) => {
                self.set_routes(worker, were).await.map(|_| Undone::Restored)
            }
            (Change::SetSchedules { worker, .. }, Before::Schedules(were)) => {
                self.set_schedules(worker, were).await.map(|_| Undone::Restored)
            }
            (Change::SetConsumers { worker, .. }, Before::Consumers(were)) => {
                self.undo_consumers(worker, were).await
            }
            (Change::SetWorkflows { worker, .. }, Before::Workflows(were)) => {
                Box::pin(self.undo_workflows(worker, were)).await
            }
            (Change::Commit { worker, .. }, Before::Settings { tags, settings }) => {
                self.patch(worker, tags.clone(), settings, inputs).await.map(|_| Undone::Restored)
            }
            // A Worker that was created by this deployment goes as a whole.
            (_, Before::Absent) => Ok(Undone::Restored),
            _ => Ok(Undone::Kept("its former state is not known".to_owned())),
        }
    }

    fn urls(&self, addresses: &Addresses) -> Vec<String> {
        let mut urls: Vec<String> =
            addresses.domains.iter().map(|host| self.shown(host.as_str())).collect();
        if addresses.workers_dev
            && let Some(subdomain) = self.learned().subdomains.get(&addresses.worker.account)
        {
            let worker = addresses.worker.worker.as_str().to_ascii_lowercase();
            urls.push(self.shown(&format!("{worker}.{subdomain}.workers.dev")));
        }
        urls
    }
}

fn unknown() -> PlatformError {
    let doing = "this kind of change is not known to the adapter";
    PlatformError::new(PlatformErrorKind::Refused, doing)
}
