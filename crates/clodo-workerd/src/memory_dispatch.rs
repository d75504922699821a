//! A [`Dispatch`] that runs a function, for tests of what stands above it.

use crate::events::{
    Dispatch, DispatchError, EventOutcome, QueueBatch, QueueOutcome, ScheduledEvent,
    ScheduledOutcome, WorkflowOutcome, WorkflowRun,
};
use async_trait::async_trait;
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

/// The version that every answer names.
const VERSION: &str = "memory";

/// Answers with what was prepared, else with `ok`, and remembers what it was given.
#[derive(Debug, Default)]
pub struct MemoryDispatch {
    scheduled: Mutex<Vec<(String, ScheduledEvent)>>,
    batches: Mutex<Vec<(String, QueueBatch)>>,
    answers: Mutex<VecDeque<Result<QueueOutcome, DispatchError>>>,
    runs: Mutex<Vec<(String, WorkflowRun)>>,
    outcomes: Mutex<VecDeque<Result<WorkflowOutcome, DispatchError>>>,
}

impl MemoryDispatch {
    /// The script and event of every cron run, in order.
    #[must_use]
    pub fn scheduled(&self) -> Vec<(String, ScheduledEvent)> {
        self.scheduled.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The script and batch of every delivery, in order.
    #[must_use]
    pub fn batches(&self) -> Vec<(String, QueueBatch)> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The script and run of every instance of a Workflow, in order.
    #[must_use]
    pub fn runs(&self) -> Vec<(String, WorkflowRun)> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the next run of an instance that has no outcome yet ends with, instead of `null`.
    pub fn end_next(&self, outcome: Result<WorkflowOutcome, DispatchError>) {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).push_back(outcome);
    }

    /// What the next delivery that has no answer yet is answered with.
    pub fn answer_next(&self, answer: Result<QueueOutcome, DispatchError>) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).push_back(answer);
    }
}

#[async_trait]
impl Dispatch for MemoryDispatch {
    async fn scheduled(
        &self,
        _account_id: &str,
        script: &str,
        event: &ScheduledEvent,
    ) -> Result<ScheduledOutcome, DispatchError> {
        let mut seen = self.scheduled.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push((script.to_owned(), event.clone()));
        Ok(ScheduledOutcome::new(EventOutcome::Ok, false, VERSION))
    }

    async fn queue(
        &self,
        _account_id: &str,
        script: &str,
        batch: &QueueBatch,
    ) -> Result<QueueOutcome, DispatchError> {
        let mut seen = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push((script.to_owned(), batch.clone()));
        let prepared = self.answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        prepared.unwrap_or_else(|| Ok(QueueOutcome::new(EventOutcome::Ok, VERSION)))
    }
    async fn workflow(
        &self,
        _account_id: &str,
        script: &str,
        run: &WorkflowRun,
    ) -> Result<WorkflowOutcome, DispatchError> {
        let mut seen = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push((script.to_owned(), run.clone()));
        let prepared = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        prepared.unwrap_or(Ok(WorkflowOutcome::Complete(serde_json::Value::Null)))
    }
}
