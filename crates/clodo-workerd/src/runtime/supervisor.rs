//! All accounts' runtimes.

use super::{
    blueprint::{Outbound, Surroundings},
    checks::Checks,
    keeper::Keeper,
    link::Link,
    probe,
    process::Launcher,
    shard::{Numbers, Starter},
    view::Account,
    watchdog::Watchdog,
};
use crate::{
    addresses::HostPort,
    front::Ports,
    observer::Observer,
    seams::{Directory, Handlers, RuntimeStatus, ServedVersion, ValidationError, Workers},
};
use async_trait::async_trait;
use clodo_types::{Clock, Secret};
use std::{
    collections::HashMap,
    fmt, io,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError, RwLock},
    time::Duration,
};
use tokio::{
    sync::{Notify, Semaphore},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// How long a change may take to be served.
const SETTLE_PATIENCE: Duration = Duration::from_secs(20);
/// Processes that start at once.
const STARTS: usize = 3;

/// What a runtime needs.
#[derive(Clone, Debug)]
pub(crate) struct RuntimeOptions {
    /// The workerd binary.
    pub(crate) binary: PathBuf,
    /// An existing folder that only this user may enter.
    pub(crate) run_folder: PathBuf,
    /// Durable Objects' files, one folder per account below it.
    pub(crate) durable_folder: PathBuf,
    /// How this process and workerd reach each other.
    pub(crate) link: Arc<dyn Link>,
    /// Address of the listener that serves bindings, in workerd's form.
    pub(crate) back_address: String,
    /// What proves to that listener that workerd is calling.
    pub(crate) back_key: Secret,
    /// Whether `fetch()` may leave this machine.
    pub(crate) outbound: Outbound,
    /// What of this machine and its network `fetch()` may reach.
    pub(crate) allow_private: Vec<HostPort>,
    /// Flags for V8.
    pub(crate) v8_flags: Vec<String>,
    /// The most memory that a process may take beside its code, in bytes.
    pub(crate) memory_limit: u64,
    /// How long a Worker that has a process to itself may compute without a pause.
    pub(crate) cpu_limit: Duration,
    /// Says what day it is.
    pub(crate) clock: Arc<dyn Clock>,
}

/// All accounts' runtimes.
pub(crate) struct Runtime {
    options: RuntimeOptions,
    launcher: Launcher,
    numbers: Arc<Numbers>,
    directory: OnceLock<Arc<dyn Directory>>,
    observer: OnceLock<Arc<dyn Observer>>,
    accounts: RwLock<HashMap<String, Arc<Account>>>,
    keepers: Mutex<JoinSet<()>>,
    stop: CancellationToken,
    starts: Arc<Semaphore>,
    checks: Checks,
    changes: Notify,
    ports: OnceLock<Arc<Ports>>,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Runtime {
    /// A runtime that runs nothing yet.
    pub(crate) fn new(options: RuntimeOptions) -> io::Result<Arc<Self>> {
        std::fs::create_dir_all(options.run_folder.join("empty"))?;
        let launcher = Launcher {
            binary: options.binary.clone(),
            folder: options.run_folder.clone(),
            link: Arc::clone(&options.link),
            watchdog: Arc::new(Watchdog::start()),
            newest_date: Arc::default(),
            version: Arc::default(),
        };
        Ok(Arc::new(Self {
            options,
            launcher,
            numbers: Arc::default(),
            directory: OnceLock::new(),
            observer: OnceLock::new(),
            accounts: RwLock::default(),
            keepers: Mutex::default(),
            stop: CancellationToken::new(),
            starts: Arc::new(Semaphore::new(STARTS)),
            checks: Checks::new(),
            changes: Notify::new(),
            ports: OnceLock::new(),
        }))
    }

    /// What of this machine and its network `fetch()` may reach.
    pub(crate) fn allow_private(&self) -> &[HostPort] {
        &self.options.allow_private
    }

    /// Waits for the next [`Workers::changed`] of any account.
    pub(crate) async fn anything_changed(&self) {
        self.changes.notified().await;
    }

    /// Whose ports [`Workers::status`] lists.
    pub(crate) fn set_ports(&self, ports: Arc<Ports>) {
        let _ = self.ports.set(ports);
    }

    /// Who hears of invocations, once there is somebody.
    pub(crate) fn observer(&self) -> Option<&Arc<dyn Observer>> {
        self.observer.get()
    }

    /// What time it is.
    pub(crate) fn now(&self) -> clodo_types::Timestamp {
        self.options.clock.now()
    }

    /// Starts what the directory says; it is read again after every [`Workers::changed`].
    pub(crate) fn serve(
        self: &Arc<Self>,
        directory: Arc<dyn Directory>,
        observer: Arc<dyn Observer>,
    ) {
        let _ = self.observer.set(observer);
        let accounts = directory.accounts();
        if self.directory.set(directory).is_ok() {
            for account in accounts {
                self.changed(&account);
            }
        }
    }

    /// Ends every process, letting requests in flight finish first.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        let mut keepers =
            std::mem::take(&mut *self.keepers.lock().unwrap_or_else(PoisonError::into_inner));
        while keepers.join_next().await.is_some() {}
    }

    /// Ends every process at once.
    pub(crate) fn abandon(&self) {
        self.stop.cancel();
        self.keepers.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }

    /// What is deployed; `None` until [`Runtime::serve`].
    pub(crate) fn directory(&self) -> Option<&Arc<dyn Directory>> {
        self.directory.get()
    }

    /// One account's runtime; `None` before [`Runtime::serve`].
    pub(crate) fn account(&self, id: &str) -> Option<Arc<Account>> {
        self.known_account(id).or_else(|| Some(self.account_or_new(id, self.directory.get()?)))
    }

    fn known_account(&self, id: &str) -> Option<Arc<Account>> {
        self.accounts.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    fn account_or_new(&self, id: &str, directory: &Arc<dyn Directory>) -> Arc<Account> {
        if let Some(account) = self.known_account(id) {
            return account;
        }
        let mut accounts = self.accounts.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = accounts.get(id) {
            return Arc::clone(account);
        }
        let account = Account::new(id);
        accounts.insert(id.to_owned(), Arc::clone(&account));
        self.keep(Arc::clone(&account), Arc::clone(directory));
        account
    }

    fn keep(&self, account: Arc<Account>, directory: Arc<dyn Directory>) {
        let durable = self.options.durable_folder.join(&account.id);
        let around = self.surroundings(&account.id, Some(durable));
        let starter = Starter {
            launcher: self.launcher.clone(),
            around,
            numbers: Arc::clone(&self.numbers),
            starts: Arc::clone(&self.starts),
            memory_limit: self.options.memory_limit,
            cpu_limit: self.options.cpu_limit,
        };
        let keeper = Keeper { account, directory, starter, stop: self.stop.clone() };
        self.keepers.lock().unwrap_or_else(PoisonError::into_inner).spawn(keeper.run());
    }

    fn surroundings(&self, account: &str, durable_folder: Option<PathBuf>) -> Surroundings {
        Surroundings {
            account: account.to_owned(),
            back_address: self.options.back_address.clone(),
            back_key: self.options.back_key.clone(),
            durable_folder,
            empty_folder: self.options.run_folder.join("empty"),
            outbound: self.options.outbound,
            private: !self.options.allow_private.is_empty(),
            v8_flags: self.options.v8_flags.clone(),
            newest_date: None,
        }
    }
}

#[async_trait]
impl Workers for Runtime {
    async fn validate(&self, version: &ServedVersion) -> Result<Handlers, ValidationError> {
        let today = day(self.options.clock.now());
        probe::look(version, &today)?;
        if version.main_module.is_none() && version.body_part.is_none() {
            return Ok(Handlers::default());
        }
        let around = self.surroundings("0".repeat(32).as_str(), None);
        self.checks.check(&self.launcher, &self.numbers, version, &around).await
    }

    fn changed(&self, account_id: &str) {
        // Before `serve` nothing runs, and it will look at everything.
        if let Some(directory) = self.directory.get() {
            self.account_or_new(account_id, directory).change();
            self.changes.notify_one();
        }
    }

    async fn settled(&self, account_id: &str) {
        if let Some(account) = self.account(account_id) {
            account.settled(SETTLE_PATIENCE).await;
        }
    }

    fn status(&self) -> RuntimeStatus {
        let mut status = RuntimeStatus::default();
        if let Some(ports) = self.ports.get() {
            status.ports = ports.list();
        }
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        for account in accounts.values() {
            status.processes += account.processes();
            status.apart.extend(account.guilty());
        }
        status
    }
}

/// `YYYY-MM-DD` in UTC.
fn day(at: clodo_types::Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis())
        .map(|time| time.strftime("%Y-%m-%d").to_string())
        .unwrap_or_default()
}
