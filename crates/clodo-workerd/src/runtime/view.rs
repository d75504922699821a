//! What the front sees of one account's runtime.

use super::{
    layout::ShardId,
    pool::{Pool, Ticket},
};
use crate::seams::{ApartWorker, Directory, ServedVersion};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout},
};

/// Under what [`ShardView::pools`] knows the way for a version's events.
pub(crate) fn events_key(version: &str) -> String {
    format!("events/{version}")
}

/// Under what it knows the way for a version's Workflows.
pub(crate) fn workflows_key(version: &str) -> String {
    format!("workflows/{version}")
}

/// The processes that serve now.
#[derive(Debug, Default)]
pub(crate) struct View {
    /// The state of the account that the rest was planned from.
    pub(crate) planned: u64,
    /// From version id, or [`events_key`] or [`workflows_key`] of one, to the process that
    /// is to serve it.
    pub(crate) placement: HashMap<String, ShardId>,
    /// The processes.
    pub(crate) shards: HashMap<ShardId, ShardView>,
    /// Workers that run in a process of their own, and why.
    pub(crate) guilty: BTreeMap<String, &'static str>,
}

/// One process.
#[derive(Debug, Default)]
pub(crate) struct ShardView {
    /// The number of what it is to serve.
    pub(crate) given: u64,
    /// The number of what it serves, or tried to.
    pub(crate) reached: u64,
    /// From version id, or [`events_key`] or [`workflows_key`] of one, to the socket that
    /// leads to it.
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

/// One account's runtime, as everyone but its own tasks sees it.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) id: String,
    born: Instant,
    /// Counts changes of the desired state.
    wanted: AtomicU64,
    pub(crate) dirty: Notify,
    view: watch::Sender<View>,
    asked: RwLock<HashMap<String, Asked>>,
    versions: RwLock<HashMap<String, Arc<ServedVersion>>>,
}

/// When a Worker, or a preview of it, was asked for last: seconds since the account's runtime
/// began.
#[derive(Debug, Default)]
struct Asked {
    last: AtomicU64,
    previews: HashMap<String, AtomicU64>,
}

impl Account {
    pub(crate) fn new(id: &str) -> Arc<Self> {
        Arc::new(Self {
            id: id.to_owned(),
            born: Instant::now(),
            wanted: AtomicU64::new(0),
            dirty: Notify::new(),
            view: watch::channel(View::default()).0,
            asked: RwLock::default(),
            versions: RwLock::default(),
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

    /// Somebody wants this Worker to run, or this preview of it. It goes on running until nobody
    /// asked for a long time.
    pub(crate) fn ask(&self, script: &str, preview: Option<&str>) {
        let now = self.born.elapsed().as_secs();
        let note = |all: &HashMap<String, Asked>| {
            let asked = all.get(script)?;
            let last = match preview {
                Some(version) => asked.previews.get(version)?,
                None => &asked.last,
            };
            match last.load(Ordering::Relaxed) {
                // Known for a preview of it only: that it is to run itself is a change.
                0 => return None,
                // Most requests come within the same second: then nothing is written.
                before if before < now + 1 => last.store(now + 1, Ordering::Relaxed),
                _ => {}
            }
            Some(())
        };
        if note(&self.asked.read().unwrap_or_else(PoisonError::into_inner)).is_some() {
            return;
        }
        {
            let mut all = self.asked.write().unwrap_or_else(PoisonError::into_inner);
            let asked = all.entry(script.to_owned()).or_default();
            match preview {
                Some(version) => drop(asked.previews.insert(version.to_owned(), (now + 1).into())),
                None => asked.last = (now + 1).into(),
            }
        }
        self.change();
    }

    /// The Workers that were asked for, sorted.
    pub(crate) fn asked(&self) -> Vec<String> {
        let all = self.asked.read().unwrap_or_else(PoisonError::into_inner);
        let asked = all.iter().filter(|(_, asked)| asked.last.load(Ordering::Relaxed) > 0);
        let mut scripts: Vec<String> = asked.map(|(script, _)| script.clone()).collect();
        scripts.sort();
        scripts
    }

    /// The previews that were asked for: Worker and version, sorted.
    pub(crate) fn asked_previews(&self) -> Vec<(String, String)> {
        let all = self.asked.read().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<_> = all
            .iter()
            .flat_map(|(script, asked)| {
                asked.previews.keys().map(|version| (script.clone(), version.clone()))
            })
            .collect();
        found.sort();
        found
    }

    /// Forgets what nobody asked for during `idle`; true if there was any.
    pub(crate) fn forget_idle(&self, idle: Duration) -> bool {
        let Some(limit) = self.born.elapsed().as_secs().checked_sub(idle.as_secs()) else {
            return false;
        };
        let old = |last: &AtomicU64| (1..=limit).contains(&last.load(Ordering::Relaxed));
        let mut all = self.asked.write().unwrap_or_else(PoisonError::into_inner);
        let mut forgot = false;
        all.retain(|_, asked| {
            let previews = asked.previews.len();
            asked.previews.retain(|_, last| !old(last));
            forgot |= asked.previews.len() < previews;
            if old(&asked.last) {
                asked.last = AtomicU64::new(0);
                forgot = true;
            }
            asked.last.load(Ordering::Relaxed) > 0 || !asked.previews.is_empty()
        });
        forgot
    }

    /// One version with its code, read at most once as long as it is served.
    pub(crate) async fn version(
        &self,
        directory: &dyn Directory,
        script: &str,
        id: &str,
    ) -> Option<Arc<ServedVersion>> {
        if let Some(known) = self.loaded(id) {
            return Some(known);
        }
        let version = directory.version(&self.id, script, id).await?;
        let mut all = self.versions.write().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(all.entry(id.to_owned()).or_insert(version)))
    }

    /// A version that is served, or was asked for a moment ago.
    pub(crate) fn loaded(&self, id: &str) -> Option<Arc<ServedVersion>> {
        self.versions.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// Forgets the code of all other versions.
    pub(crate) fn keep_only(&self, ids: &BTreeSet<&str>) {
        let mut all = self.versions.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|id, _| ids.contains(id.as_str()));
    }

    /// Shows a new state of affairs to everyone who waits.
    pub(crate) fn show(&self, change: impl FnOnce(&mut View)) {
        self.view.send_modify(change);
    }

    /// The same for one process.
    pub(crate) fn show_shard(&self, id: ShardId, change: impl FnOnce(&mut ShardView)) {
        self.show(|view| change(view.shards.entry(id).or_default()));
    }

    /// How many processes serve.
    pub(crate) fn processes(&self) -> usize {
        self.view.borrow().shards.values().filter(|shard| !shard.pools.is_empty()).count()
    }

    /// The Workers that run in a process of their own, and why.
    pub(crate) fn guilty(&self) -> Vec<ApartWorker> {
        let one = |(script, why): (&String, &&str)| ApartWorker {
            account_id: self.id.clone(),
            script: script.clone(),
            why: (*why).to_owned(),
        };
        self.view.borrow().guilty.iter().map(one).collect()
    }

    /// Whether a version answered anything in the process that serves it now.
    pub(crate) fn has_answered(&self, version: &str) -> bool {
        let view = self.view.borrow();
        let pools = view.shards.values().filter_map(|shard| shard.pools.get(version));
        pools.into_iter().any(|pool| pool.answered() > 0)
    }

    /// Waits until the changes so far are served or have failed, for at most `patience`.
    pub(crate) async fn settled(&self, patience: Duration) {
        let wanted = self.wanted();
        let mut view = self.view.subscribe();
        let there = |view: &View| {
            view.planned >= wanted
                && view.shards.values().all(|shard| shard.reached >= shard.given && !shard.held)
        };
        let _ = timeout(patience, view.wait_for(there)).await;
    }

    /// Waits until a process serves the last that it was given, for at most `patience`.
    pub(crate) async fn shard_settled(&self, id: ShardId, patience: Duration) {
        let mut view = self.view.subscribe();
        let there = |view: &View| view.shards.get(&id).is_none_or(|s| s.reached >= s.given);
        let _ = timeout(patience, view.wait_for(there)).await;
    }

    /// Waits until a process serves what it was given under `number`, or failed to, or is gone.
    pub(crate) async fn reached(&self, id: ShardId, number: u64, patience: Duration) {
        let mut view = self.view.subscribe();
        let there = |view: &View| view.shards.get(&id).is_none_or(|shard| shard.reached >= number);
        let _ = timeout(patience, view.wait_for(there)).await;
    }

    /// The way to a version, with the request counted in: the process is not ended before that was
    /// answered. While a process starts this waits, for at most `patience`; so it does as long as
    /// the way is still `dead`, at which nobody answered. Whoever asks may have seen what is
    /// deployed before the account heard of it: nothing is called not served by a plan that is
    /// older than the question.
    pub(crate) async fn pool(
        &self,
        version: &str,
        dead: Option<&Arc<Pool>>,
        patience: Duration,
    ) -> Result<Ticket, Unavailable> {
        match self.look(&self.view.borrow(), version, dead) {
            Some(Err(Unavailable::NotServed)) => self.change(),
            Some(found) => return found,
            None => {}
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

    /// Whether a way is still the one that leads there, and not about to be given up; `None` if
    /// there is none now.
    pub(crate) fn is_current(&self, version: &str, pool: &Arc<Pool>) -> Option<bool> {
        let view = self.view.borrow();
        let known = |shard: &ShardView| {
            let now = shard.pools.get(version)?;
            Some(!shard.held && Arc::ptr_eq(now, pool))
        };
        view.shards.values().filter_map(known).reduce(|one, other| one || other)
    }

    /// `None` as long as it is worth waiting. The view is locked meanwhile: whoever changes it
    /// finds every request counted that was shown the old one.
    fn look(
        &self,
        view: &View,
        version: &str,
        dead: Option<&Arc<Pool>>,
    ) -> Option<Result<Ticket, Unavailable>> {
        let current = view.planned >= self.wanted();
        let Some(id) = view.placement.get(version) else {
            return current.then_some(Err(Unavailable::NotServed));
        };
        let shard = view.shards.get(id)?;
        if shard.held {
            return None;
        }
        if let Some(why) = shard.broken.get(version) {
            return Some(Err(Unavailable::Failed(why.clone())));
        }
        // On its way from one process to another it is still served by the first.
        let elsewhere = || view.shards.values().find_map(|shard| shard.pools.get(version));
        if let Some(pool) = shard.pools.get(version).or_else(elsewhere) {
            let usable = dead.is_none_or(|dead| !Arc::ptr_eq(dead, pool));
            return usable.then(|| Ok(Ticket::new(pool)));
        }
        if !current || shard.reached < shard.given {
            return None;
        }
        let why = shard.failure.clone().map_or(Unavailable::NotServed, Unavailable::Failed);
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

    const SHARD: ShardId = ShardId(1);

    fn pool() -> Arc<Pool> {
        Pool::new(Arc::new(TcpLink), Endpoint::Port(9), Arc::<Load>::default())
    }

    /// Everything that was wanted is planned: `v1` belongs to a process that has not started.
    fn planned(account: &Account) {
        let wanted = account.wanted();
        account.show(|view| {
            view.planned = wanted;
            view.placement.insert("v1".to_owned(), SHARD);
            view.shards.entry(SHARD).or_default().given += 1;
        });
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
        planned(&account);
        tokio::task::yield_now().await;
        account.show_shard(SHARD, |shard| {
            shard.reached = 1;
            shard.pools.insert("v1".to_owned(), pool());
        });
        assert!(waiting.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_a_version_that_will_not_come() {
        let account = Account::new("a");
        account.change();
        planned(&account);
        let keeper = keeper(&account);
        let patience = Duration::from_secs(5);
        assert_eq!(account.pool("v2", None, patience).await.unwrap_err(), Unavailable::NotServed);
        assert_eq!(account.pool("v1", None, patience).await.unwrap_err(), Unavailable::Late);
        account.show_shard(SHARD, |shard| shard.reached = 1);
        assert_eq!(account.pool("v1", None, patience).await.unwrap_err(), Unavailable::NotServed);
        account.show_shard(SHARD, |shard| shard.failure = Some("boom".to_owned()));
        let failed = Unavailable::Failed("boom".to_owned());
        assert_eq!(account.pool("v1", None, patience).await.unwrap_err(), failed);
        keeper.abort();
        account.change();
        assert_eq!(account.pool("v1", None, patience).await.unwrap_err(), Unavailable::Late);
    }

    // Found by a Workflow that went on in two versions at once.
    #[test]
    fn a_worker_that_is_asked_for_after_a_preview_of_it_is_a_change() {
        let account = Account::new("a");
        for (preview, wanted) in
            [(Some("v1"), 1), (None, 2), (None, 2), (Some("v1"), 2), (Some("v2"), 3)]
        {
            account.ask("shop", preview);
            assert_eq!(account.wanted(), wanted, "{preview:?}");
        }
    }

    /// Takes note of every change, and plans the same again.
    fn keeper(account: &Arc<Account>) -> tokio::task::JoinHandle<()> {
        let account = Arc::clone(account);
        tokio::spawn(async move {
            loop {
                account.dirty.notified().await;
                let wanted = account.wanted();
                account.show(|view| view.planned = wanted);
            }
        })
    }

    // Found by deploying under load: a version was drawn from the new split a moment before the
    // account was told of the change.
    #[tokio::test(start_paused = true)]
    async fn a_version_that_was_deployed_a_moment_ago_is_waited_for() {
        let account = Account::new("a");
        planned(&account);
        let asked = {
            let account = Arc::clone(&account);
            tokio::spawn(async move { account.pool("v2", None, Duration::from_secs(5)).await })
        };
        let told = timeout(Duration::from_secs(1), account.dirty.notified()).await;
        assert!(told.is_ok(), "the question leads to a new plan");
        let wanted = account.wanted();
        account.show(|view| {
            view.planned = wanted;
            view.placement.insert("v2".to_owned(), SHARD);
            view.shards.entry(SHARD).or_default().pools.insert("v2".to_owned(), pool());
        });
        assert!(asked.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_process_is_busy_as_soon_as_somebody_was_shown_the_way_to_it() {
        let account = Account::new("a");
        planned(&account);
        let load = Arc::<Load>::default();
        let way = Pool::new(Arc::new(TcpLink), Endpoint::Port(9), Arc::clone(&load));
        account.show_shard(SHARD, |shard| drop(shard.pools.insert("v1".to_owned(), way)));
        let chosen = account.pool("v1", None, Duration::from_secs(5)).await.unwrap();
        // Now the process is to be ended, and nothing has been sent to it yet.
        account.show_shard(SHARD, |shard| shard.held = true);
        assert_eq!(load.in_flight(), 1);
        drop(chosen);
        assert_eq!(load.in_flight(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_way_at_which_nobody_answers_is_not_offered_again() {
        let account = Account::new("a");
        planned(&account);
        let show = |pool: &Arc<Pool>| {
            let pool = Arc::clone(pool);
            account.show_shard(SHARD, |shard| drop(shard.pools.insert("v1".to_owned(), pool)));
        };
        let (dead, fresh) = (pool(), pool());
        show(&dead);
        let patience = Duration::from_secs(5);
        assert_eq!(account.is_current("v1", &dead), Some(true));
        assert_eq!(account.is_current("v2", &dead), None);
        let late = account.pool("v1", Some(&dead), patience).await.unwrap_err();
        assert_eq!(late, Unavailable::Late);
        show(&fresh);
        let is = |pool| account.is_current("v1", pool);
        assert_eq!((is(&dead), is(&fresh)), (Some(false), Some(true)));
        account.show_shard(SHARD, |shard| shard.held = true);
        assert_eq!(is(&fresh), Some(false), "it is about to be given up");
        account.show_shard(SHARD, |shard| shard.held = false);
        let found = account.pool("v1", Some(&dead), patience).await.unwrap();
        assert!(Arc::ptr_eq(found.pool(), &fresh));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_asked_for_is_forgotten_when_nobody_asks_for_long() {
        let account = Account::new("a");
        account.ask("shop", None);
        account.ask("shop", Some("v1"));
        account.ask("web", None);
        assert_eq!(account.wanted(), 3);
        assert_eq!(account.asked(), ["shop", "web"]);
        let idle = Duration::from_secs(60);
        tokio::time::advance(Duration::from_secs(50)).await;
        account.ask("web", None);
        assert_eq!(account.wanted(), 3, "asking again changes nothing");
        assert!(!account.forget_idle(idle));
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(account.forget_idle(idle));
        assert_eq!((account.asked(), account.asked_previews()), (vec!["web".to_owned()], vec![]));
        account.ask("shop", None);
        assert_eq!(account.wanted(), 4);
    }
}
