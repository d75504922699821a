use crate::{journal::Ending, step::StepId};
use clodo_types::DeploymentId;
use std::{fmt, time::Duration};

/// Something that a run did, in the past tense.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The run was written into the journal.
    RunOpened(DeploymentId),
    /// A step looked, and began to act.
    StepStarted(StepId),
    /// A step looked, and found its effect in place.
    StepFound(StepId),
    /// A step is done.
    StepDone {
        /// Which step.
        step: StepId,
        /// How long it took, looking included.
        took: Duration,
    },
    /// A step failed.
    StepFailed {
        /// Which step.
        step: StepId,
        /// Why, with all causes.
        error: String,
    },
    /// The brake was found on: no further step begins.
    Paused,
    /// The brake was taken off again.
    Resumed,
    /// Cancellation was asked for and no further step begins.
    Cancelled,
    /// No step runs any more, and what was done is being taken back.
    UnwindingBegan,
    /// A step was taken back.
    StepUndone(StepId),
    /// A step's change stays on purpose.
    StepKept {
        /// Which step.
        step: StepId,
        /// Why.
        reason: String,
    },
    /// A step could not be taken back.
    StepStuck {
        /// Which step.
        step: StepId,
        /// Why, with all causes.
        error: String,
    },
    /// The run ended.
    RunClosed(Ending),
}

/// Hears what happens, at once: a progress bar, a log, a test.
///
/// # Contract
/// - `hear` returns quickly and never fails the run.
/// - Events of different steps may come from different threads.
pub trait Listener: fmt::Debug + Send + Sync + 'static {
    /// Takes one event.
    fn hear(&self, event: &Event);
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deaf;

impl Listener for Deaf {
    fn hear(&self, _event: &Event) {}
}
