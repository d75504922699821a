mod tally;

use self::tally::{Next, Tally};
use async_trait::async_trait;
use clodo_cf_api::{Pacer, PacerError, RateLimits};
use clodo_saga::{BudgetReport, BudgetStore, BudgetWord, StoreError};
use clodo_types::{Clock, Secret, Timestamp};
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use ring::digest::{SHA256, digest};
use std::{
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, Weak},
    time::Duration,
};
use tokio::{task::JoinSet, time::sleep};

/// Calls that are taken from the store at a time, so that most calls need not ask it.
const BLOCK: u64 = 5;
/// How long calls that were taken may lie unused before they are given back.
const HOLD: Duration = Duration::from_secs(2);
/// The longest wait that a server can talk us into.
const LONGEST: Duration = Duration::from_secs(3600);

/// A token's budget of calls, kept in a store that processes and machines share.
///
/// It takes small blocks of calls, tells what became of them together with the next block, and
/// gives back what it does not use. Clones share their blocks.
#[derive(Clone, Debug)]
pub struct SharedPacer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Arc<dyn BudgetStore>,
    clock: Arc<dyn Clock>,
    name: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    tally: Tally,
    /// The question that is on its way to the store.
    asking: Option<Asking>,
    /// Whether somebody looks after what lies unused.
    watched: bool,
    tasks: JoinSet<()>,
}

type Asking = Shared<BoxFuture<'static, Result<(), Arc<StoreError>>>>;

impl SharedPacer {
    /// The budget of this token. The store gets to know a hash of the token only.
    #[must_use]
    pub fn new(store: Arc<dyn BudgetStore>, clock: Arc<dyn Clock>, token: &Secret) -> Self {
        let name = name_of(token);
        Self(Arc::new(Inner { store, clock, name, state: Mutex::default() }))
    }

    /// The name under which the store keeps the budget.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Gives back what was not used. Calls may be made afterwards; then it is needed again.
    ///
    /// # Errors
    /// When the store fails: then nobody has those calls until their window ends.
    pub async fn give_back(&self) -> Result<(), StoreError> {
        let report = self.0.locked(|tally, now| tally.give_up(now));
        self.0.tell(report).await
    }
}

fn name_of(token: &Secret) -> String {
    let hash = digest(&SHA256, token.expose().as_bytes());
    hash.as_ref()[..16].iter().fold(String::from("token/"), |mut name, byte| {
        write!(name, "{byte:02x}").expect("writing into a string never fails");
        name
    })
}

#[async_trait]
impl Pacer for SharedPacer {
    async fn acquire(&self) -> Result<(), PacerError> {
        loop {
            match self.0.locked(Tally::next) {
                Next::Go => {
                    self.0.watch();
                    return Ok(());
                }
                Next::Wait(time) => sleep(time).await,
                Next::Ask => self.0.ask().await.map_err(|error| PacerError(Box::new(error)))?,
            }
        }
    }

    async fn observe(&self, said: &RateLimits) -> Result<(), PacerError> {
        let report = self.0.locked(|tally, now| tally.ended(word_of(said, now)));
        match report {
            Some(report) => {
                self.0.tell(Some(report)).await.map_err(|error| PacerError(Box::new(error)))
            }
            None => Ok(()),
        }
    }
}

/// What an answer says, in moments instead of spans: the store hears of it later.
fn word_of(said: &RateLimits, now: Timestamp) -> BudgetWord {
    let moment = |span: Duration| {
        let millis = i64::try_from(span.min(LONGEST).as_millis()).unwrap_or(0);
        Timestamp::from_millis(now.as_millis().saturating_add(millis))
    };
    BudgetWord {
        at: now,
        remaining: said.remaining,
        resets_at: said.resets_in.map(moment),
        quota: said.quota,
        window: said.window,
        refused_until: said.refused_for.map(moment),
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }

    fn locked<T>(&self, act: impl FnOnce(&mut Tally, Timestamp) -> T) -> T {
        let now = self.clock.now();
        act(&mut self.state().tally, now)
    }

    fn named(&self, mut report: BudgetReport) -> BudgetReport {
        report.name.clone_from(&self.name);
        report
    }

    async fn tell(&self, report: Option<BudgetReport>) -> Result<(), StoreError> {
        match report {
            Some(report) => self.store.tell(&self.named(report)).await,
            None => Ok(()),
        }
    }

    /// Asks the store for a block, together with whoever asks already. The task goes on when all
    /// who wait give up, so that no call is counted and lost.
    fn ask(self: &Arc<Self>) -> Asking {
        let now = self.clock.now();
        let mut state = self.state();
        if let Some(asking) = &state.asking {
            return asking.clone();
        }
        while state.tasks.try_join_next().is_some() {}
        let report = self.named(state.tally.report(now));
        let own = Arc::clone(self);
        let (tell, told) = tokio::sync::oneshot::channel();
        state.tasks.spawn(async move {
            let grant = own.store.take(BLOCK, &report).await;
            let mut state = own.state();
            state.asking = None;
            let outcome = grant.map(|grant| state.tally.granted(grant)).map_err(Arc::new);
            drop(state);
            // Nobody may be waiting any more; the block is there for the next one.
            let _ = tell.send(outcome);
        });
        let stopped = || {
            let kind = clodo_saga::StoreErrorKind::Store;
            Err(Arc::new(StoreError::new(kind, "ask the store before the program ended")))
        };
        let asking = told.map(move |told| told.unwrap_or_else(|_| stopped())).boxed().shared();
        state.asking = Some(asking.clone());
        asking
    }

    /// Looks after what lies unused, for as long as there is something.
    fn watch(self: &Arc<Self>) {
        let mut state = self.state();
        if !std::mem::replace(&mut state.watched, true) {
            state.tasks.spawn(watch(Arc::downgrade(self)));
        }
    }
}

async fn watch(pacer: Weak<Inner>) {
    loop {
        sleep(HOLD).await;
        let Some(pacer) = pacer.upgrade() else { return };
        let report = pacer.locked(|tally, now| tally.idle_for(HOLD, now));
        if let Err(error) = pacer.tell(report).await {
            tracing::warn!(%error, "calls that were not used were not given back");
        }
        let mut state = pacer.state();
        if state.tally.is_settled() {
            state.watched = false;
            return;
        }
    }
}
