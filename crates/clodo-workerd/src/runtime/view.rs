//! What the front sees of one account's runtime.

use super::pool::Pool;
use crate::seams::Generation;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

/// Under what [`View::pools`] knows the way for a version's events.
pub(crate) fn events_key(version: &str) -> String {
    format!("events/{version}")
}

/// The process that serves now.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// The state of the account that the process was started from.
    pub(crate) epoch: u64,
    /// From version id, or [`events_key`] of one, to the socket that leads to it.
    pub(crate) pools: HashMap<String, Arc<Pool>>,
    /// Versions that could not be started, and why.
    pub(crate) broken: BTreeMap<String, String>,
    /// Why there is no process, or only an older one.
    pub(crate) failure: Option<String>,
    /// Requests wait: Durable Objects are between two processes.
    pub(crate) held: bool,
}

/// Why a version cannot answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unavailable {
    /// workerd refused the version, or did not start.
    #[error("{0}")]
    Failed(String),
    /// The version is not part of what the account serves.
    #[error("the version is not deployed")]
    NotServed,
    /// The runtime was not ready in time.
    #[error("the Workers runtime was not ready in time")]
    Late,
}

/// One account's runtime, as everyone but its own task sees it.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) id: String,
    /// Counts changes of the desired state.
    wanted: AtomicU64,
    pub(crate) dirty: Notify,
    view: watch::Sender<View>,
    read: RwLock<(u64, Arc<Generation>)>,
}

impl Account {
    pub(crate) fn new(id: &str) -> Arc<Self> {
        Arc::new(Self {
            id: id.to_owned(),
            wanted: AtomicU64::new(0),
            dirty: Notify::new(),
            view: watch::channel(View::default()).0,
            read: RwLock::default(),
        })
    }

    /// The desired state changed.
    pub(crate) fn change(&self) {
        self.wanted.fetch_add(1, Ordering::AcqRel);
        self.dirty.notify_one();
    }

    /// How often the desired state changed.
    pub(crate) fn wanted(&self) -> u64 {
        self.wanted.load(Ordering::Acquire)
    }

    /// The desired state, read again only after a change. The number says which one it is.
    pub(crate) fn generation(&self, read: impl FnOnce() -> Generation) -> (u64, Arc<Generation>) {
        // Looked at before reading: a change in between makes the next caller read again.
        let wanted = self.wanted();
        let known = self.read.read().unwrap_or_else(PoisonError::into_inner).clone();
        if known.0 == wanted {
            return known;
        }
        let fresh = (wanted, Arc::new(read()));
        *self.read.write().unwrap_or_else(PoisonError::into_inner) = fresh.clone();
        fresh
    }

    /// Shows a new state of affairs to everyone who waits.
    pub(crate) fn show(&self, change: impl FnOnce(&mut View)) {
        self.view.send_modify(change);
    }

    /// The way to a version. While a process starts this waits, for at most `patience`; so it
    /// does as long as the way is still `dead`, at which nobody answered.
    pub(crate) async fn pool(
        &self,
        version: &str,
        dead: Option<&Arc<Pool>>,
        patience: Duration,
    ) -> Result<Arc<Pool>, Unavailable> {
        if let Some(found) = self.look(&self.view.borrow(), version, dead) {
            return found;
        }
        let mut view = self.view.subscribe();
        let ready = async {
            loop {
                if let Some(found) = self.look(&view.borrow_and_update(), version, dead) {
                    return found;
                }
                if view.changed().await.is_err() {
                    return Err(Unavailable::Late);
                }
            }
        };
        timeout(patience, ready).await.unwrap_or(Err(Unavailable::Late))
    }

    /// Waits until the changes so far are served or have failed, for at most `patience`.
    pub(crate) async fn settled(&self, patience: Duration) {
        let wanted = self.wanted();
        let mut view = self.view.subscribe();
        let _ = timeout(patience, view.wait_for(|view| view.epoch >= wanted && !view.held)).await;
    }

    /// `None` as long as it is worth waiting.
    fn look(
        &self,
        view: &View,
        version: &str,
        dead: Option<&Arc<Pool>>,
    ) -> Option<Result<Arc<Pool>, Unavailable>> {
        if view.held {
            return None;
        }
        if let Some(why) = view.broken.get(version) {
            return Some(Err(Unavailable::Failed(why.clone())));
        }
        if let Some(pool) = view.pools.get(version) {
            let usable = dead.is_none_or(|dead| !Arc::ptr_eq(dead, pool));
            return usable.then(|| Ok(Arc::clone(pool)));
        }
        if view.epoch < self.wanted() {
            return None;
        }
        let why = view.failure.clone().map_or(Unavailable::NotServed, Unavailable::Failed);
        Some(Err(why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{
        link::{Endpoint, TcpLink},
        pool::Load,
    };

    fn pool(load: &Arc<Load>) -> Arc<Pool> {
        Pool::new(Arc::new(TcpLink), Endpoint::Port(9), Arc::clone(load))
    }

    #[tokio::test(start_paused = true)]
    async fn requests_wait_for_a_version_that_is_on_its_way() {
        let account = Account::new("a");
        account.change();
        let waiting = {
            let account = Arc::clone(&account);
            tokio::spawn(
                async move { account.pool("v1", None, Duration::from_secs(5)).await.is_ok() },
            )
        };
        tokio::task::yield_now().await;
        account.show(|view| {
            view.epoch = 1;
            view.pools.insert("v1".to_owned(), pool(&Arc::default()));
        });
        assert!(waiting.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_version_that_will_not_come() {
        let account = Account::new("a");
        account.change();
        account.show(|view| view.epoch = 1);
        let patience = Duration::from_secs(5);
        assert_eq!(account.pool("v1", None, patience).await.unwrap_err(), Unavailable::NotServed);
        account.show(|view| view.failure = Some("boom".to_owned()));
        let failed = Unavailable::Failed("boom".to_owned());
        assert_eq!(account.pool("v1", None, patience).await.unwrap_err(), failed);
        account.change();
        assert_eq!(account.pool("v1", None, patience).await.unwrap_err(), Unavailable::Late);
    }

    #[tokio::test(start_paused = true)]
    async fn a_way_at_which_nobody_answers_is_not_offered_again() {
        let account = Account::new("a");
        let show = |pool: &Arc<Pool>| {
            let pool = Arc::clone(pool);
            account.show(|view| drop(view.pools.insert("v1".to_owned(), pool)));
        };
        let (dead, fresh) = (pool(&Arc::default()), pool(&Arc::default()));
        show(&dead);
        let patience = Duration::from_secs(5);
        let late = account.pool("v1", Some(&dead), patience).await.unwrap_err();
        assert_eq!(late, Unavailable::Late);
        show(&fresh);
        assert!(Arc::ptr_eq(&account.pool("v1", Some(&dead), patience).await.unwrap(), &fresh));
    }

    #[tokio::test]
    async fn the_desired_state_is_read_once_per_change() {
        let account = Account::new("a");
        account.change();
        let (first, _) = account.generation(Generation::default);
        let (again, _) = account.generation(|| panic!("read twice"));
        assert_eq!((first, again), (1, 1));
        account.change();
        assert_eq!(account.generation(Generation::default).0, 2);
    }
}
