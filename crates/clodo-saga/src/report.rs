use crate::{
    error::JournalError,
    journal::Ending,
    step::{StepError, StepId},
};
use clodo_types::DeploymentId;
use serde_json::Value;
use std::{collections::BTreeMap, error::Error};

/// What came of a run.
#[derive(Debug)]
#[non_exhaustive]
pub struct RunReport {
    /// Which run.
    pub run: DeploymentId,
    /// How it ended.
    pub ending: Ending,
    /// It was asked to stop before all steps had begun.
    pub cancelled: bool,
    /// The steps that failed, in the order in which they did.
    pub failures: Vec<Failure>,
    /// Steps whose change stays on purpose although the run failed, and why.
    pub kept: Vec<(StepId, String)>,
    /// Steps that could not be taken back: a person must look.
    pub stuck: Vec<(StepId, String)>,
    /// What each step that was done gave out, also when it was taken back later.
    pub outputs: BTreeMap<StepId, Value>,
    /// The end of the run could not be written down.
    pub journal_error: Option<JournalError>,
}

/// A step that failed.
#[derive(Debug)]
pub struct Failure {
    /// Which step.
    pub step: StepId,
    /// Why.
    pub cause: FailureCause,
}

/// Why a step failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum FailureCause {
    /// The step said so.
    Step(StepError),
    /// What it did could not be written down.
    Journal(JournalError),
    /// It failed before the process died; this is what the journal has to say.
    Recorded(String),
}

impl FailureCause {
    /// The error, while it is at hand.
    #[must_use]
    pub fn as_error(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Step(error) => Some(&**error),
            Self::Journal(error) => Some(error),
            Self::Recorded(_) => None,
        }
    }
}

impl From<StepError> for FailureCause {
    fn from(error: StepError) -> Self {
        Self::Step(error)
    }
}

impl From<JournalError> for FailureCause {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}
