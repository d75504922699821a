//! Pull consumers: whoever pulls a message holds it until the lease ends, across restarts.

use super::{
    Exhaustion, LeasesEnded, Pulled, QueueError, QueueRef, QueuedMessage, Queues, after, before,
    store,
};
use std::time::Duration;

impl Queues {
    /// Leases at most `limit` messages for `visibility`. Messages that were pulled too often are
    /// put where `exhaustion` says first.
    ///
    /// # Errors
    /// `NotFound`, `Storage`.
    pub async fn pull(
        &self,
        at: &QueueRef,
        limit: usize,
        visibility: Duration,
        exhaustion: &Exhaustion,
    ) -> Result<Vec<Pulled>, QueueError> {
        self.bury_abandoned(at, exhaustion).await?;
        let (now, run) = (self.now(), self.run);
        let before = before(now, self.settings(at).retention);
        let leases: Vec<String> =
            (0..limit).map(|_| uuid::Uuid::new_v4().simple().to_string()).collect();
        self.run(at, move |db| {
            let tx = db.transaction()?;
            store::expire(&tx, before, now)?;
            store::recover(&tx, run, now)?;
            let messages = store::deliverable(&tx, limit, u64::MAX, now)?;
            let mut pulled = Vec::new();
            for (mut message, lease) in messages.into_iter().zip(leases) {
                store::mark_leased(&tx, &message.id, &lease, after(now, visibility))?;
                message.attempts += 1;
                pulled.push(Pulled { message, lease });
            }
            tx.commit()?;
            Ok(pulled)
        })
        .await
    }

    /// Ends leases: `acks` removes messages, `retries` lets them come again after a time.
    ///
    /// # Errors
    /// `NotFound`, `Storage`. A lease that is unknown or over is a warning.
    pub async fn end_leases(
        &self,
        at: &QueueRef,
        acks: Vec<String>,
        retries: Vec<(String, Duration)>,
        exhaustion: &Exhaustion,
    ) -> Result<LeasesEnded, QueueError> {
        let now = self.now();
        let mut ended = LeasesEnded::default();
        let failed = self.failed(at, &retries, exhaustion, &mut ended).await?;
        let (acked, over) = self
            .run(at, move |db| {
                let tx = db.transaction()?;
                let (mut acked, mut over) = (0, Vec::new());
                for lease in acks {
                    match store::leased(&tx, &lease, now)? {
                        Some(message) => acked += store::delete(&tx, &message.id)?,
                        None => over.push(lease),
                    }
                }
                for (id, back) in failed {
                    match back {
                        Some(visible) => store::put_back(&tx, &id, visible, 0)?,
                        None => store::delete(&tx, &id)?,
                    };
                }
                tx.commit()?;
                Ok((acked, over))
            })
            .await?;
        ended.acked = acked;
        ended.warnings.extend(over.into_iter().map(warned));
        self.announce(at);
        Ok(ended)
    }

    /// The messages of leases that failed, by id, and when each comes again; `None` is never.
    async fn failed(
        &self,
        at: &QueueRef,
        retries: &[(String, Duration)],
        exhaustion: &Exhaustion,
        ended: &mut LeasesEnded,
    ) -> Result<Vec<(String, Option<i64>)>, QueueError> {
        let now = self.now();
        let (mut outcome, mut dead) = (Vec::new(), Vec::new());
        for (lease, delay) in retries {
            let name = lease.clone();
            let found = self.run(at, move |db| store::leased(db, &name, now)).await?;
            let Some(message) = found else {
                ended.warnings.extend([warned(lease.clone())]);
                continue;
            };
            ended.retried += 1;
            if message.attempts > exhaustion.max_retries {
                outcome.push((message.id.clone(), None));
                dead.push(message);
            } else {
                outcome.push((message.id, Some(after(now, *delay))));
            }
        }
        self.bury(exhaustion, &dead).await?;
        Ok(outcome)
    }

    async fn bury_abandoned(
        &self,
        at: &QueueRef,
        exhaustion: &Exhaustion,
    ) -> Result<(), QueueError> {
        let (now, retries) = (self.now(), exhaustion.max_retries);
        let dead: Vec<QueuedMessage> =
            self.run(at, move |db| store::exhausted(db, retries, now)).await?;
        if dead.is_empty() {
            return Ok(());
        }
        self.bury(exhaustion, &dead).await?;
        self.remove(at, dead.into_iter().map(|message| message.id).collect()).await?;
        Ok(())
    }
}

fn warned(lease: String) -> (String, String) {
    (lease, "the lease is unknown or has ended".to_owned())
}
