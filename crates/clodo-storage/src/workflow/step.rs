use super::Failure;
use clodo_types::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StepKind {
    /// `step.do`
    Do,
    /// `step.sleep` and `step.sleepUntil`
    Sleep,
    /// `step.waitForEvent`
    WaitForEvent,
    /// What undoes a `step.do`.
    Rollback,
}

impl StepKind {
    /// Its word in the store and between workerd and this process.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Do => "do",
            Self::Sleep => "sleep",
            Self::WaitForEvent => "waitForEvent",
            Self::Rollback => "rollback",
        }
    }

    pub(super) fn of(text: &str) -> Self {
        match text {
            "sleep" => Self::Sleep,
            "waitForEvent" => Self::WaitForEvent,
            "rollback" => Self::Rollback,
            _ => Self::Do,
        }
    }
}

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepState {
    /// An attempt runs.
    Running,
    /// It waits: for its time, an event, or its next attempt.
    Waiting,
    /// It has its result.
    Complete,
    /// It failed for good.
    Errored,
}

impl StepState {
    pub(super) fn of(text: &str) -> Self {
        match text {
            "running" => Self::Running,
            "complete" => Self::Complete,
            "errored" => Self::Errored,
            _ => Self::Waiting,
        }
    }
}

/// A step of an instance.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StepRecord {
    /// What it is.
    pub kind: StepKind,
    /// As the code names it.
    pub name: String,
    /// Which of that name it is; the first is 1.
    pub count: u32,
    /// How far it is.
    pub state: StepState,
    /// Its settings, with the defaults.
    pub config: Value,
    /// The type of the event that it waits for.
    pub event: Option<String>,
    /// When it was reached.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// When it goes on.
    pub due: Option<Timestamp>,
    /// Its result, as it is kept; nothing for one that gave a stream.
    pub output: Option<Value>,
    /// The length of the stream that it gave.
    pub stream: Option<u64>,
    /// Why it failed.
    pub error: Option<Failure>,
    /// Its attempts.
    pub attempts: Vec<Attempt>,
}

/// One attempt at a step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Why it failed.
    pub error: Option<Failure>,
}

/// From where to run an instance again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartFrom {
    /// What the step is.
    pub kind: StepKind,
    /// Its name.
    pub name: String,
    /// Which of that name.
    pub count: u32,
}
