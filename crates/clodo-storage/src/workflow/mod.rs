//! Workflows: one SQLite file each, with its instances, their steps, and the events sent to them.
//!
//! Nothing here runs code. Whoever runs an instance begins a run ([`Workflows::begin`]), lets
//! workerd say what its steps do (the router's part), and says how the run ended
//! ([`Workflows::end`]). A run that is no longer the instance's own can say nothing of it.
//!
//! **Invariant:** a step that has its result never runs again, whoever was killed when.

mod config;
mod control;
mod error;
mod journal;
pub(crate) mod limits;
mod live;
mod runs;
mod span;
mod step;
mod store;
mod streams;
mod talk;
mod types;
mod values;

pub use control::InstanceOrder;
pub use error::{WorkflowError, WorkflowErrorKind};
pub(crate) use journal::{AttemptEnd, StepAnswer, StepCall};
pub use runs::{DueInstances, InstanceRun, RunEnd};
pub use span::workflow_duration;
pub use step::{Attempt, RestartFrom, StepKind, StepRecord, StepState};
pub(crate) use streams::{Pieces, StreamOf};
pub(crate) use talk::{Asking, Told, Woken};
pub use types::{
    Failure, Instance, InstanceFilter, InstanceHome, InstanceId, InstancePage, InstanceSchedule,
    InstanceStatus, InstanceTotals, InstanceTrigger, NewInstance, Retention, WorkflowRef,
    WorkflowSettings,
};
pub use values::{kept_value, shown_value};

use crate::pool::{Pool, PoolOptions, lock, remove_files};
use clodo_sqlite::rusqlite::{self, Connection, Transaction};
use clodo_types::{AccountId, Clock, WorkflowName};
use live::Live;
use serde_json::Value;
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};
use store::opener;
use tokio::sync::{Notify, OwnedRwLockWriteGuard};
use tokio_util::sync::CancellationToken;

/// All Workflows. Cloning shares the open ones.
#[derive(Clone, Debug)]
pub struct Workflows {
    root: PathBuf,
    clock: Arc<dyn Clock>,
    pool: Arc<Pool<()>>,
    /// Tells the runs that this process has in memory from those of an earlier one.
    owner: i64,
    registered: Arc<Mutex<Registered>>,
    live: Live,
}

/// What was said of Workflows, which is not written down here.
#[derive(Debug, Default)]
struct Registered {
    names: HashMap<(AccountId, WorkflowName), WorkflowRef>,
    settings: HashMap<WorkflowRef, WorkflowSettings>,
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

impl Workflows {
    /// How many instances one call makes, or deletes.
    pub const MAX_BATCH: usize = 100;

    /// Workflows live in `root/<account>/workflows/<id>.sqlite`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>, clock: Arc<dyn Clock>, options: PoolOptions) -> Self {
        let bits = uuid::Uuid::new_v4().as_u64_pair().0;
        Self {
            root: root.into(),
            clock,
            pool: Arc::new(Pool::new(options)),
            owner: i64::from_le_bytes(bits.to_le_bytes()),
            registered: Arc::default(),
            live: Live::default(),
        }
    }

    fn path(&self, at: &WorkflowRef) -> PathBuf {
        let folder = self.root.join(at.account.as_str()).join("workflows");
        folder.join(format!("{}.sqlite", at.id))
    }

    fn now(&self) -> i64 {
        self.clock.now().as_millis()
    }

    /// Makes a Workflow without instances; one that is there stays as it is.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn create(&self, at: &WorkflowRef) -> Result<(), WorkflowError> {
        self.pool.create(&self.path(at), opener).await?;
        Ok(())
    }

    /// Removes a Workflow with all its instances. One that is not there is `Ok(false)`.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn drop_workflow(&self, at: &WorkflowRef) -> Result<bool, WorkflowError> {
        let path = self.path(at);
        {
            let mut known = lock(&self.registered);
            known.settings.remove(at);
            known.names.retain(|_, named| named != at);
        }
        self.live.revoke_all(at);
        self.pool.close(&path).await;
        remove_files(&path).map_err(|error| {
            let text = format!("could not remove `{}`: {error}", path.display());
            WorkflowError::new(WorkflowErrorKind::Storage, text)
        })
    }

    /// What a name stands for from now on, and what its new instances get.
    pub fn configure(&self, at: &WorkflowRef, name: &WorkflowName, settings: WorkflowSettings) {
        let mut known = lock(&self.registered);
        known.names.insert((at.account.clone(), name.clone()), at.clone());
        known.settings.insert(at.clone(), settings);
    }

    /// The Workflow of a name.
    ///
    /// # Errors
    /// `WorkflowNotFound`.
    pub fn named(
        &self,
        account: &AccountId,
        name: &WorkflowName,
    ) -> Result<WorkflowRef, WorkflowError> {
        let key = (account.clone(), name.clone());
        lock(&self.registered).names.get(&key).cloned().ok_or_else(WorkflowError::no_workflow)
    }

    fn settings(&self, at: &WorkflowRef) -> Result<WorkflowSettings, WorkflowError> {
        lock(&self.registered).settings.get(at).cloned().ok_or_else(WorkflowError::no_workflow)
    }

    /// Makes instances, in order; for each its id is taken, or it is made.
    ///
    /// # Errors
    /// `WorkflowNotFound`, `Storage`; `Body` for none or more than [`Self::MAX_BATCH`], `TooLarge`
    /// for parameters: then none is made.
    pub async fn start(
        &self,
        at: &WorkflowRef,
        instances: Vec<NewInstance>,
    ) -> Result<Vec<Result<Instance, WorkflowError>>, WorkflowError> {
        if !(1..=Self::MAX_BATCH).contains(&instances.len()) {
            let text = format!("between 1 and {} instances are made at a time", Self::MAX_BATCH);
            return Err(WorkflowError::new(WorkflowErrorKind::Body, text));
        }
        for new in &instances {
            check_size(&new.params, "params")?;
        }
        let (now, settings) = (self.now(), self.settings(at)?);
        let made = self
            .run(at, move |tx| {
                store::expire(tx, now)?;
                let mut made = Vec::new();
                for new in &instances {
                    let id = new.id.as_str();
                    let inserted =
                        store::insert(tx, new, &settings.version, settings.retention, now)?;
                    made.push(if inserted { store::find(tx, id, now)? } else { None });
                }
                Ok(made)
            })
            .await?;
        self.live.arrived(at);
        let taken = || WorkflowError::new(WorkflowErrorKind::Exists, "instance.already_exists");
        Ok(made.into_iter().map(|made| made.ok_or_else(taken)).collect())
    }

    /// One instance.
    ///
    /// # Errors
    /// `NotFound`, `WorkflowNotFound`, `Storage`.
    pub async fn instance(&self, at: &WorkflowRef, id: &str) -> Result<Instance, WorkflowError> {
        let (id, now) = (id.to_owned(), self.now());
        let found = self.run(at, move |tx| store::find(tx, &id, now)).await?;
        found.ok_or_else(WorkflowError::not_found)
    }

    /// One instance with all its steps, in the order in which they were reached.
    ///
    /// # Errors
    /// `NotFound`, `WorkflowNotFound`, `Storage`.
    pub async fn history(
        &self,
        at: &WorkflowRef,
        id: &str,
    ) -> Result<(Instance, Vec<StepRecord>), WorkflowError> {
        let (id, now) = (id.to_owned(), self.now());
        let found = self
            .run(at, move |tx| match store::find(tx, &id, now)? {
                Some(instance) => Ok(Some((instance, store::steps(tx, &id)?))),
                None => Ok(None),
            })
            .await?;
        found.ok_or_else(WorkflowError::not_found)
    }

    /// Instances that a filter lets through.
    ///
    /// # Errors
    /// `WorkflowNotFound`, `Storage`.
    pub async fn list(
        &self,
        at: &WorkflowRef,
        filter: InstanceFilter,
    ) -> Result<InstancePage, WorkflowError> {
        let now = self.now();
        self.run(at, move |tx| {
            store::expire(tx, now)?;
            store::list(tx, &filter)
        })
        .await
    }

    /// How many instances are doing what, and when the newest was made.
    ///
    /// # Errors
    /// `WorkflowNotFound`, `Storage`.
    pub async fn totals(&self, at: &WorkflowRef) -> Result<InstanceTotals, WorkflowError> {
        let now = self.now();
        self.run(at, move |tx| {
            store::expire(tx, now)?;
            store::totals(tx)
        })
        .await
    }

    /// Does something to an instance, and says what it is doing then.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it cannot do that now; `WorkflowNotFound`, `Storage`.
    pub async fn order(
        &self,
        at: &WorkflowRef,
        id: &str,
        order: InstanceOrder,
    ) -> Result<InstanceStatus, WorkflowError> {
        let (wanted, now) = (id.to_owned(), self.now());
        let status = self.run(at, move |tx| control::order(tx, &wanted, &order, now)).await??;
        self.changed(at, id).await?;
        Ok(status)
    }

    /// Ends every instance that is not over, or that is doing one thing; says how many.
    ///
    /// # Errors
    /// `WorkflowNotFound`, `Storage`.
    pub async fn terminate_all(
        &self,
        at: &WorkflowRef,
        only: Option<InstanceStatus>,
    ) -> Result<usize, WorkflowError> {
        let ids = self.run(at, move |tx| store::unfinished(tx, only)).await?;
        let mut ended = 0;
        for id in &ids {
            let order = InstanceOrder::Terminate { rollback: false };
            // One that ended by itself meanwhile is over as well.
            ended += usize::from(self.order(at, id, order).await.is_ok());
        }
        Ok(ended)
    }

    /// Sends an event to an instance; it is kept until a step waits for it.
    ///
    /// # Errors
    /// `NotFound`; `Body` for a type that no step can wait for, `TooLarge` for a payload;
    /// `Conflict` when the instance is over; `WorkflowNotFound`, `Storage`.
    pub async fn send_event(
        &self,
        at: &WorkflowRef,
        id: &str,
        (kind, payload): (&str, Value),
    ) -> Result<(), WorkflowError> {
        if !journal::is_event_type(kind) {
            let text = format!("event type `{kind}` is invalid");
            return Err(WorkflowError::new(WorkflowErrorKind::Body, text));
        }
        check_size(&payload, "the payload")?;
        let (wanted, kind, now) = (id.to_owned(), kind.to_owned(), self.now());
        self.run(at, move |tx| control::send(tx, &wanted, (&kind, &payload), now)).await??;
        self.changed(at, id).await
    }

    /// Removes an instance, whatever it is doing.
    ///
    /// # Errors
    /// `NotFound`, `WorkflowNotFound`, `Storage`.
    pub async fn delete(&self, at: &WorkflowRef, id: &str) -> Result<(), WorkflowError> {
        let wanted = id.to_owned();
        if !self.run(at, move |tx| store::delete(tx, &wanted)).await? {
            return Err(WorkflowError::not_found());
        }
        self.changed(at, id).await
    }

    /// Is notified when instances come in, or come back.
    #[must_use]
    pub fn arrivals(&self, at: &WorkflowRef) -> Arc<Notify> {
        self.live.arrivals(at)
    }

    /// What is to run now, and when to look again.
    ///
    /// # Errors
    /// `WorkflowNotFound`, `Storage`.
    pub async fn due(&self, at: &WorkflowRef) -> Result<DueInstances, WorkflowError> {
        let (now, owner, settings) = (self.now(), self.owner, self.settings(at)?);
        self.run(at, move |tx| {
            store::expire(tx, now)?;
            runs::recover(tx, owner, now)?;
            runs::due(tx, settings.concurrency, now)
        })
        .await
    }

    /// How many instances have a run in memory.
    ///
    /// # Errors
    /// `WorkflowNotFound`, `Storage`.
    pub async fn running(&self, at: &WorkflowRef) -> Result<usize, WorkflowError> {
        self.run(at, runs::count).await
    }

    /// Begins a run of an instance that is due; `None` if it is not, or has one already. Whoever
    /// begins it must [`end`](Self::end) it, and stop when the token is cancelled: then somebody
    /// took the instance away.
    ///
    /// # Errors
    /// `WorkflowNotFound`, `Storage`.
    pub async fn begin(
        &self,
        at: &WorkflowRef,
        id: &str,
    ) -> Result<Option<(InstanceRun, CancellationToken)>, WorkflowError> {
        let token = uuid::Uuid::new_v4().simple().to_string();
        let (wanted, run, owner, now) = (id.to_owned(), token.clone(), self.owner, self.now());
        let begun = self.run(at, move |tx| runs::begin(tx, &wanted, (&run, owner), now)).await?;
        let Some(begun) = begun else { return Ok(None) };
        let revoked = self.live.add(at, id, &token);
        // Whoever took it away before it was known here could not say so.
        self.changed(at, id).await?;
        Ok((!revoked.is_cancelled()).then_some((begun, revoked)))
    }

    /// Notes where a run takes place.
    ///
    /// # Errors
    /// `WorkflowNotFound`, `Storage`.
    pub async fn settle_in(
        &self,
        at: &WorkflowRef,
        run: &InstanceRun,
        home: InstanceHome,
    ) -> Result<(), WorkflowError> {
        let run = run.clone();
        self.run(at, move |tx| match journal::held(tx, &run.id, &run.token)? {
            Some(held) => runs::settle_in(tx, &held, &home),
            None => Ok(()),
        })
        .await
    }

    /// Notes how a run ended. One that is no longer the instance's own changes nothing.
    ///
    /// # Errors
    /// `WorkflowNotFound`, `Storage`.
    pub async fn end(
        &self,
        at: &WorkflowRef,
        run: &InstanceRun,
        end: RunEnd,
    ) -> Result<(), WorkflowError> {
        let (own, now) = (run.clone(), self.now());
        let ended = self
            .run(at, move |tx| match journal::held(tx, &own.id, &own.token)? {
                Some(held) => runs::end(tx, &held, checked(end), now),
                None => Ok(()),
            })
            .await;
        self.live.remove(at, &run.id, &run.token);
        self.live.arrived(at);
        ended
    }

    /// After a change from outside: a run that lost its instance stops, one that has it looks again.
    async fn changed(&self, at: &WorkflowRef, id: &str) -> Result<(), WorkflowError> {
        if let Some(token) = self.live.token(at, id) {
            let (wanted, run) = (id.to_owned(), token.clone());
            let own = self.run(at, move |tx| journal::held(tx, &wanted, &run)).await?;
            match own {
                Some(_) => self.live.wake(at, id),
                None => self.live.remove(at, id, &token),
            }
        }
        self.live.arrived(at);
        Ok(())
    }

    /// Closes every file; a later request opens it again.
    pub(crate) async fn close(&self) {
        self.pool.close_all().await;
    }

    /// The same for as long as the guard lives, when nobody uses one any more.
    pub(crate) async fn rest(&self) -> OwnedRwLockWriteGuard<()> {
        self.pool.rest().await
    }

    async fn run<T: Send + 'static>(
        &self,
        at: &WorkflowRef,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Clone + Send + 'static,
    ) -> Result<T, WorkflowError> {
        let work = move |db: &mut Connection, (): &()| {
            let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            let done = work(&tx)?;
            tx.commit()?;
            Ok(done)
        };
        Ok(self.pool.with(&self.path(at), opener, work).await?)
    }
}

/// A result that is too large is a failure.
fn checked(end: RunEnd) -> RunEnd {
    match &end {
        RunEnd::Complete(output) if check_size(output, "the output").is_err() => RunEnd::Errored(
            journal::fatal("The output of run() is too large. Maximum allowed size is 1MiB."),
        ),
        _ => end,
    }
}

fn check_size(value: &Value, what: &str) -> Result<(), WorkflowError> {
    if store::written(value).len() <= limits::VALUE {
        return Ok(());
    }
    let text = format!("{what} may have at most 1 MiB");
    Err(WorkflowError::new(WorkflowErrorKind::TooLarge, text))
}

#[cfg(test)]
mod tests;
