//! Deliveries by this process: what it takes is out of everybody's sight until it settles it, or
//! ends.

use super::{
    Exhaustion, NewMessage, QueueError, QueueErrorKind, QueueRef, QueuedMessage, Queues, Ready,
    Settled, Settlement, after, before, store,
};
use clodo_sqlite::rusqlite::{self, Connection};
use std::time::Duration;

/// The longest delay, in seconds.
pub(crate) const MAX_DELAY: u64 = 86_400;
/// The longest body, in bytes; Cloudflare counts a kilobyte as 1,000.
const MAX_MESSAGE: usize = 128_000;
/// The most bytes of one batch, sent or delivered.
const MAX_BATCH: usize = 256_000;
/// The most messages of one batch.
const MAX_COUNT: usize = 100;
/// After this time a message that was taken comes again, whatever became of the delivery: longer
/// than any run of a Worker may take.
const LONGEST_DELIVERY: Duration = Duration::from_secs(20 * 60);

/// Whether all messages may be sent at once.
pub(super) fn check(messages: &[NewMessage], delay: Option<Duration>) -> Result<(), QueueError> {
    let refuse = |kind, text: String| Err(QueueError::new(kind, text));
    let count = messages.len();
    if !(1..=MAX_COUNT).contains(&count) {
        let text = format!("batch message count of {count} is not between 1 and {MAX_COUNT}");
        return refuse(QueueErrorKind::BatchCount, text);
    }
    if let Some(delay) = delay.filter(|delay| delay.as_secs() > MAX_DELAY) {
        let text = format!("delay of {} seconds exceeds limit of {MAX_DELAY}", delay.as_secs());
        return refuse(QueueErrorKind::BatchDelay, text);
    }
    for message in messages {
        let size = message.body.len();
        if size > MAX_MESSAGE {
            let text = format!("message length of {size} bytes exceeds limit of {MAX_MESSAGE}");
            return refuse(QueueErrorKind::MessageSize, text);
        }
        if let Some(delay) = message.delay.filter(|delay| delay.as_secs() > MAX_DELAY) {
            let delay = delay.as_secs();
            let text = format!("message delay of {delay} seconds exceeds limit of {MAX_DELAY}");
            return refuse(QueueErrorKind::Metadata, text);
        }
    }
    let size: usize = messages.iter().map(|message| message.body.len()).sum();
    if size > MAX_BATCH {
        let text = format!("batch size of {size} bytes exceeds limit of {MAX_BATCH}");
        return refuse(QueueErrorKind::BatchSize, text);
    }
    Ok(())
}

impl Queues {
    /// How many messages can be delivered now, counted up to `limit`, and when there will be more.
    ///
    /// # Errors
    /// `NotFound`, `Storage`.
    pub async fn ready(&self, at: &QueueRef, limit: usize) -> Result<Ready, QueueError> {
        let (now, run) = (self.now(), self.run);
        let before = before(now, self.settings(at).retention);
        self.run(at, move |db| {
            store::expire(db, before, now)?;
            store::recover(db, run, now)?;
            store::ready(db, limit, now)
        })
        .await
    }

    /// Takes at most `limit` messages, of 256,000 bytes at most, for one delivery.
    ///
    /// # Errors
    /// `NotFound`, `Storage`.
    pub async fn take(
        &self,
        at: &QueueRef,
        limit: usize,
    ) -> Result<Vec<QueuedMessage>, QueueError> {
        let (now, run) = (self.now(), self.run);
        let limit = limit.clamp(1, MAX_COUNT);
        let mut messages = self
            .run(at, move |db| {
                let tx = db.transaction()?;
                let messages = store::deliverable(&tx, limit, MAX_BATCH as u64, now)?;
                for message in &messages {
                    store::mark_taken(&tx, &message.id, run, after(now, LONGEST_DELIVERY))?;
                }
                tx.commit()?;
                Ok(messages)
            })
            .await?;
        for message in &mut messages {
            message.attempts += 1;
        }
        Ok(messages)
    }

    /// Ends a delivery. Messages that are no longer taken by this process are left alone.
    ///
    /// # Errors
    /// `NotFound`, `Storage`; then nothing is settled, though copies of exhausted messages may
    /// already be in the dead letter queue, under the same ids.
    pub async fn settle(
        &self,
        at: &QueueRef,
        settlement: Settlement,
        exhaustion: &Exhaustion,
    ) -> Result<Settled, QueueError> {
        let failed = self.still_taken(at, &settlement.retries).await?;
        let retries = exhaustion.max_retries;
        let (dead, alive): (Vec<_>, Vec<_>) =
            failed.into_iter().partition(|(message, _)| message.attempts >= retries);
        let dead: Vec<QueuedMessage> = dead.into_iter().map(|(message, _)| message).collect();
        let buried = self.bury(exhaustion, &dead).await?;
        let done = Done {
            acks: settlement.acks,
            dead: dead.into_iter().map(|message| message.id).collect(),
            alive: alive.into_iter().map(|(message, delay)| (message.id, delay)).collect(),
            releases: settlement.releases,
        };
        let (now, run) = (self.now(), self.run);
        let mut settled = self.run(at, move |db| done.write(db, run, now)).await?;
        if buried {
            settled.dead_lettered = std::mem::take(&mut settled.dropped);
        }
        self.announce(at);
        Ok(settled)
    }

    /// Those messages that this process still has, each with its delay.
    async fn still_taken(
        &self,
        at: &QueueRef,
        wanted: &[(String, Duration)],
    ) -> Result<Vec<(QueuedMessage, Duration)>, QueueError> {
        let (run, wanted) = (self.run, wanted.to_vec());
        self.run(at, move |db| {
            let mut found = Vec::new();
            for (id, delay) in &wanted {
                found.extend(store::taken(db, id, run)?.map(|message| (message, *delay)));
            }
            Ok(found)
        })
        .await
    }
}

/// What one transaction writes of a settlement.
#[derive(Clone)]
struct Done {
    acks: Vec<String>,
    dead: Vec<String>,
    alive: Vec<(String, Duration)>,
    releases: Vec<(String, Duration)>,
}

impl Done {
    fn write(self, db: &mut Connection, run: i64, now: i64) -> rusqlite::Result<Settled> {
        let tx = db.transaction()?;
        let mut settled = Settled::default();
        for id in &self.acks {
            if store::taken(&tx, id, run)?.is_some() {
                settled.acked += store::delete(&tx, id)?;
            }
        }
        for id in &self.dead {
            settled.dropped += store::delete(&tx, id)?;
        }
        for (id, delay) in &self.alive {
            settled.retried += store::put_back(&tx, id, after(now, *delay), 1)?;
        }
        for (id, delay) in &self.releases {
            if store::taken(&tx, id, run)?.is_some() {
                store::put_back(&tx, id, after(now, *delay), 0)?;
            }
        }
        tx.commit()?;
        Ok(settled)
    }
}
