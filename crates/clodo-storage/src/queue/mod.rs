//! Queues: one SQLite file each.
//!
//! **Invariant:** a message leaves its file only when it was acknowledged, purged, kept for as long
//! as the queue keeps messages, or is already in the file of the dead letter queue.

mod leases;
mod push;
mod store;
mod types;

pub(crate) use push::MAX_DELAY;
pub use types::{
    Backlog, BodyFormat, Exhaustion, LeasesEnded, NewMessage, Pulled, QueueError, QueueErrorKind,
    QueueRef, QueueSettings, QueuedMessage, Ready, Settled, Settlement,
};

use crate::pool::{Pool, PoolOptions, lock, remove_files};
use clodo_sqlite::rusqlite::{self, Connection};
use clodo_types::Clock;
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};
use store::{Incoming, opener};
use tokio::sync::{Notify, OwnedRwLockWriteGuard};

/// All queues. Cloning shares the open ones.
#[derive(Clone, Debug)]
pub struct Queues {
    root: PathBuf,
    clock: Arc<dyn Clock>,
    pool: Arc<Pool<()>>,
    /// Tells the messages that this process is delivering from those of an earlier one.
    run: i64,
    known: Arc<Mutex<HashMap<QueueRef, Known>>>,
}

/// What is kept in memory of a queue.
#[derive(Clone, Debug, Default)]
struct Known {
    settings: QueueSettings,
    arrivals: Arc<Notify>,
}

impl Queues {
    /// Queues live in `root/<account>/queues/<id>.sqlite`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>, clock: Arc<dyn Clock>, options: PoolOptions) -> Self {
        let bits = uuid::Uuid::new_v4().as_u64_pair().0;
        Self {
            root: root.into(),
            clock,
            pool: Arc::new(Pool::new(options)),
            run: i64::from_le_bytes(bits.to_le_bytes()),
            known: Arc::default(),
        }
    }

    fn path(&self, at: &QueueRef) -> PathBuf {
        let folder = self.root.join(at.account.as_str()).join("queues");
        folder.join(format!("{}.sqlite", at.id))
    }

    fn now(&self) -> i64 {
        self.clock.now().as_millis()
    }

    /// Makes an empty queue.
    ///
    /// # Errors
    /// `Exists`, `Storage`.
    pub async fn create(&self, at: &QueueRef) -> Result<(), QueueError> {
        match self.pool.create(&self.path(at), opener).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(QueueError::new(QueueErrorKind::Exists, "the queue exists already")),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a queue with all its messages. One that is not there is `Ok(false)`.
    ///
    /// # Errors
    /// `Storage`.
    pub async fn drop_queue(&self, at: &QueueRef) -> Result<bool, QueueError> {
        let path = self.path(at);
        self.pool.close(&path).await;
        lock(&self.known).remove(at);
        remove_files(&path).map_err(|error| {
            let text = format!("could not remove `{}`: {error}", path.display());
            QueueError::new(QueueErrorKind::Storage, text)
        })
    }

    /// What holds for every message from now on. Until it is told, the default does; it is not
    /// written down here.
    pub fn configure(&self, at: &QueueRef, settings: QueueSettings) {
        lock(&self.known).entry(at.clone()).or_default().settings = settings;
    }

    /// Is notified when messages come in, or come back.
    #[must_use]
    pub fn arrivals(&self, at: &QueueRef) -> Arc<Notify> {
        Arc::clone(&lock(&self.known).entry(at.clone()).or_default().arrivals)
    }

    fn settings(&self, at: &QueueRef) -> QueueSettings {
        lock(&self.known).get(at).map(|known| known.settings).unwrap_or_default()
    }

    fn announce(&self, at: &QueueRef) {
        if let Some(known) = lock(&self.known).get(at) {
            known.arrivals.notify_one();
        }
    }

    /// Sends messages, all or none, and tells what the queue holds then.
    ///
    /// # Errors
    /// What is over a limit; `NotFound`, `Storage`.
    pub async fn send(
        &self,
        at: &QueueRef,
        messages: Vec<NewMessage>,
        delay: Option<Duration>,
    ) -> Result<Backlog, QueueError> {
        push::check(&messages, delay)?;
        let (now, settings) = (self.now(), self.settings(at));
        let incoming: Vec<_> = messages
            .into_iter()
            .map(|message| {
                let delay = message.delay.or(delay).unwrap_or(settings.delivery_delay);
                Incoming {
                    id: uuid::Uuid::new_v4().simple().to_string(),
                    sent: now,
                    visible: after(now, delay),
                    format: message.format,
                    body: message.body,
                }
            })
            .collect();
        let before = before(now, settings.retention);
        let backlog = self
            .run(at, move |db| {
                store::expire(db, before, now)?;
                store::insert(db, &incoming, now)?;
                store::backlog(db)
            })
            .await?;
        self.announce(at);
        Ok(backlog)
    }

    /// What the queue holds.
    ///
    /// # Errors
    /// `NotFound`, `Storage`.
    pub async fn backlog(&self, at: &QueueRef) -> Result<Backlog, QueueError> {
        let now = self.now();
        let before = before(now, self.settings(at).retention);
        self.run(at, move |db| {
            store::expire(db, before, now)?;
            store::backlog(db)
        })
        .await
    }

    /// Removes every message, those that are being delivered too.
    ///
    /// # Errors
    /// `NotFound`, `Storage`.
    pub async fn purge(&self, at: &QueueRef) -> Result<usize, QueueError> {
        self.run(at, |db| store::purge(db)).await
    }

    /// The oldest messages, which stay as they are.
    ///
    /// # Errors
    /// `NotFound`, `Storage`.
    pub async fn peek(
        &self,
        at: &QueueRef,
        limit: usize,
    ) -> Result<Vec<QueuedMessage>, QueueError> {
        self.run(at, move |db| store::first(db, limit)).await
    }

    /// Removes messages by id; returns the ids of which there was none.
    ///
    /// # Errors
    /// `NotFound` for the queue, `Storage`.
    pub async fn remove(&self, at: &QueueRef, ids: Vec<String>) -> Result<Vec<String>, QueueError> {
        self.run(at, move |db| {
            let tx = db.transaction()?;
            let mut missing = Vec::new();
            for id in &ids {
                if store::delete(&tx, id)? == 0 {
                    missing.push(id.clone());
                }
            }
            tx.commit()?;
            Ok(missing)
        })
        .await
    }

    /// Closes every open queue and waits until they are closed.
    pub async fn close(&self) {
        self.pool.close_all().await;
    }

    /// The same for as long as the guard lives, when nobody uses one any more.
    pub(crate) async fn rest(&self) -> OwnedRwLockWriteGuard<()> {
        self.pool.rest().await
    }

    /// Moves messages to the dead letter queue. They are still in their own file then, and have to
    /// be removed there. False when there is no such queue.
    async fn bury(
        &self,
        exhaustion: &Exhaustion,
        dead: &[QueuedMessage],
    ) -> Result<bool, QueueError> {
        let Some(grave) = exhaustion.dead_letter.as_ref().filter(|_| !dead.is_empty()) else {
            return Ok(false);
        };
        let now = self.now();
        let visible = after(now, self.settings(grave).delivery_delay);
        let incoming: Vec<_> = dead
            .iter()
            .map(|message| Incoming {
                id: message.id.clone(),
                sent: message.sent.as_millis(),
                visible,
                format: message.format,
                body: message.body.clone(),
            })
            .collect();
        match self.run(grave, move |db| store::insert(db, &incoming, now)).await {
            Ok(()) => {
                self.announce(grave);
                Ok(true)
            }
            Err(error) if error.kind() == QueueErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn run<T, F>(&self, at: &QueueRef, work: F) -> Result<T, QueueError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> rusqlite::Result<T> + Clone + Send + 'static,
    {
        Ok(self.pool.with(&self.path(at), opener, move |db, ()| work(db)).await?)
    }
}

/// The moment `wait` after `now`.
fn after(now: i64, wait: Duration) -> i64 {
    now.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}

/// The moment `age` before `now`.
fn before(now: i64, age: Duration) -> i64 {
    now.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
}
