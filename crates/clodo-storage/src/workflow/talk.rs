//! What a run in memory asks, in the words of the router: see `js/workflows.js` of clodo-workerd.

use super::{
    Failure, WorkflowError, WorkflowRef, Workflows,
    journal::{self, AttemptEnd, StepAnswer, StepCall},
    runs::{self, Undo},
};
use clodo_types::Timestamp;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// How long nothing must happen in an instance before it is put away.
const REST_AFTER: Duration = Duration::from_secs(5);
/// How late a jump of the clock is noticed at most.
const LOOK: Duration = Duration::from_millis(200);

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    pub(crate) at: WorkflowRef,
    pub(crate) instance: String,
    pub(crate) run: String,
}

/// An answer, unless the run is no longer the instance's own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told<T> {
    Answer(T),
    Over,
}

/// Why a run that waited is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// Something may be due.
    Again,
    /// Nothing was for a while.
    Rest,
}

impl<T> Told<T> {
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Told<U> {
        match self {
            Self::Answer(answer) => Told::Answer(change(answer)),
            Self::Over => Told::Over,
        }
    }

    fn of(answer: Option<T>) -> Self {
        answer.map_or(Self::Over, Self::Answer)
    }
}

impl Workflows {
    /// The code has reached a step.
    pub(crate) async fn reach(
        &self,
        asking: &Asking,
        call: StepCall,
    ) -> Result<Told<StepAnswer>, WorkflowError> {
        let (own, now, steps) = (asking.clone(), self.now(), self.settings(&asking.at)?.steps);
        let answer = self
            .run(&asking.at, move |tx| match journal::held(tx, &own.instance, &own.run)? {
                Some(held) => journal::reach(tx, &held, &call, steps, now).map(Some),
                None => Ok(None),
            })
            .await?;
        // A wait that began earlier may end later than what was just added.
        self.live.wake(&asking.at, &asking.instance);
        self.still(asking, answer).await
    }

    /// An attempt has ended.
    pub(crate) async fn attempted(
        &self,
        asking: &Asking,
        end: AttemptEnd,
    ) -> Result<Told<StepAnswer>, WorkflowError> {
        let (own, now) = (asking.clone(), self.now());
        let answer = self
            .run(&asking.at, move |tx| match journal::held(tx, &own.instance, &own.run)? {
                Some(held) => journal::end_attempt(tx, &held, end, now),
                None => Ok(None),
            })
            .await?;
        self.live.wake(&asking.at, &asking.instance);
        self.still(asking, answer).await
    }

    /// What was just done may have paused the instance: then the run has lost it.
    async fn still<T>(&self, asking: &Asking, answer: Option<T>) -> Result<Told<T>, WorkflowError> {
        let own = asking.clone();
        let held = self
            .run(&asking.at, move |tx| Ok(journal::held(tx, &own.instance, &own.run)?.is_some()))
            .await?;
        if !held {
            self.live.remove(&asking.at, &asking.instance, &asking.run);
        }
        Ok(Told::of(answer.filter(|_| held)))
    }

    /// `run()` threw, or is undone: which steps are to be undone.
    pub(crate) async fn undo(
        &self,
        asking: &Asking,
        error: Option<Failure>,
    ) -> Result<Told<Vec<Undo>>, WorkflowError> {
        let (own, now) = (asking.clone(), self.now());
        let steps = self
            .run(&asking.at, move |tx| match journal::held(tx, &own.instance, &own.run)? {
                Some(held) => runs::undo(tx, &held, error.as_ref(), now).map(Some),
                None => Ok(None),
            })
            .await?;
        Ok(Told::of(steps))
    }

    /// Waits until a step of the run may go on.
    pub(crate) async fn wait(&self, asking: &Asking) -> Result<Told<Woken>, WorkflowError> {
        let rest = Instant::now() + REST_AFTER;
        loop {
            let Some(wake) = self.live.waker(&asking.at, &asking.instance, &asking.run) else {
                return Ok(Told::Over);
            };
            let (own, now) = (asking.clone(), self.now());
            let due = self
                .run(&asking.at, move |tx| match journal::held(tx, &own.instance, &own.run)? {
                    Some(held) => Ok(Some(runs::next_due(tx, held.seq, now)?)),
                    None => Ok(None),
                })
                .await?;
            let Some(due) = due else { return Ok(Told::Over) };
            if due.is_some_and(|due| due <= now) {
                return Ok(Told::Answer(Woken::Again));
            }
            tokio::select! {
                biased;
                () = wake.notified() => {}
                () = self.until(due) => return Ok(Told::Answer(Woken::Again)),
                () = sleep_until(rest) => return Ok(Told::Answer(Woken::Rest)),
            }
        }
    }

    /// Returns when the clock shows the moment, which may jump; never for `None`.
    async fn until(&self, moment: Option<i64>) {
        let Some(moment) = moment else { return std::future::pending().await };
        loop {
            let left = Timestamp::from_millis(moment).since(self.clock.now());
            if left.is_zero() {
                return;
            }
            sleep(left.min(LOOK)).await;
        }
    }
}
