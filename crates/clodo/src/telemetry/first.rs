use clodo_orchestrator::{Reading, TelemetryQuestion};
use clodo_types::{Timestamp, VersionId};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// What a source said when it was asked a question for the first time. A source that counts from
/// earlier on than was asked for, such as a counter that nobody resets, is told apart by it.
#[derive(Debug, Default)]
pub(super) struct First(Mutex<HashMap<Asked, Reading>>);

type Asked = (VersionId, VersionId, Timestamp);

impl First {
    /// What came since the first time.
    pub(super) fn since(&self, question: &TelemetryQuestion, now: &Reading) -> Reading {
        let asked = (question.canary.clone(), question.baseline.clone(), question.since);
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        now.since(first.entry(asked).or_insert_with(|| now.clone())).into()
    }
}
