//! Checks uploads, several in one process when many wait.

use super::{blueprint::Surroundings, probe, process::Launcher, shard::Numbers};
use crate::seams::{Handlers, ServedVersion, ValidationError};
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Semaphore, oneshot},
    time::sleep,
};

/// Processes that check uploads at once.
const PROCESSES: usize = 2;
/// Uploads that share a process. Each costs a few milliseconds of its start; the process itself
/// costs forty.
const TOGETHER: usize = 16;
/// A deploy uploads its Workers at the same moment; so long the first waits for the others.
const GATHER: Duration = Duration::from_millis(2);
/// Outcomes that are remembered.
const REMEMBERED: usize = 1_000;

type Outcome = Result<Handlers, ValidationError>;

/// All uploads that are being checked.
#[derive(Debug)]
pub(crate) struct Checks {
    waiting: Mutex<VecDeque<Waiting>>,
    turns: Semaphore,
    known: Mutex<HashMap<blake3::Hash, Outcome>>,
}

#[derive(Debug)]
struct Waiting {
    version: Arc<ServedVersion>,
    answer: oneshot::Sender<Outcome>,
}

impl Checks {
    pub(crate) fn new() -> Self {
        Self {
            waiting: Mutex::default(),
            turns: Semaphore::new(PROCESSES),
            known: Mutex::default(),
        }
    }

    /// Checks one version. Whoever gets a turn checks all that wait; the others find their answer.
    pub(crate) async fn check(
        &self,
        launcher: &Launcher,
        numbers: &Numbers,
        version: &ServedVersion,
        around: &Surroundings,
    ) -> Outcome {
        let hash = probe::fingerprint(version, around);
        if let Some(outcome) = self.remembered(&hash) {
            return outcome;
        }
        let version = Arc::new(version.clone());
        let outcome = loop {
            let mut answer = self.enqueue(&version);
            let turn = tokio::select! {
                biased;
                outcome = &mut answer => match outcome {
                    Ok(outcome) => break outcome,
                    // Whoever had the turn was dropped.
                    Err(_) => continue,
                },
                turn = self.turns.acquire() => turn,
            };
            sleep(GATHER).await;
            let batch = self.take();
            let versions: Vec<_> = batch.iter().map(|one| Arc::clone(&one.version)).collect();
            let outcomes = probe::probe_all(launcher, numbers, &versions, around).await;
            for (waiting, outcome) in batch.into_iter().zip(outcomes) {
                let _ = waiting.answer.send(outcome);
            }
            drop(turn);
            // Its own may be in a batch that somebody else has.
            if let Ok(outcome) = answer.await {
                break outcome;
            }
        };
        self.remember(hash, &outcome);
        outcome
    }

    fn enqueue(&self, version: &Arc<ServedVersion>) -> oneshot::Receiver<Outcome> {
        let (answer, receiver) = oneshot::channel();
        let waiting = Waiting { version: Arc::clone(version), answer };
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(waiting);
        receiver
    }

    /// The next batch, without those whose callers have gone.
    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = Vec::new();
        while batch.len() < TOGETHER
            && let Some(next) = waiting.pop_front()
        {
            if !next.answer.is_closed() {
                batch.push(next);
            }
        }
        batch
    }

    fn remembered(&self, hash: &blake3::Hash) -> Option<Outcome> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(hash).cloned()
    }

    fn remember(&self, hash: blake3::Hash, outcome: &Outcome) {
        if matches!(outcome, Err(ValidationError::Runtime { .. })) {
            return; // Next time it may well work.
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(hash, outcome.clone());
    }
}
