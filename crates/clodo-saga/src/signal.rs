use crate::{error::StoreError, step::StepId};
use async_trait::async_trait;
use clodo_types::{DeploymentId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Where people and programs leave word for a run that another process carries out.
///
/// # Contract
/// - `send` returns only once the signal survives the end of the process.
/// - Each signal of a run has a higher number than every earlier one; `signals` has them in that
///   order, and once it has shown one, none with a lower number comes.
/// - What is sent to a run that is unknown or closed is refused and changes nothing.
/// - The store does not say what a signal means: whoever carries out the run asks again and again.
#[async_trait]
pub trait SignalStore: fmt::Debug + Send + Sync + 'static {
    /// Leaves a signal for an open run and returns its number.
    ///
    /// # Errors
    /// When the run is not open or the store fails.
    async fn send(&self, run: &DeploymentId, signal: &Signal) -> Result<u64, StoreError>;

    /// The signals of one run that were sent after the one of this number (0: all), oldest first;
    /// none for an unknown run.
    ///
    /// # Errors
    /// When the store fails.
    async fn signals(
        &self,
        run: &DeploymentId,
        after: u64,
    ) -> Result<Vec<(u64, Signal)>, StoreError>;
}

/// What somebody says to a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// What is said.
    pub kind: SignalKind,
    /// Which step it is about; `None` = the whole run.
    pub step: Option<StepId>,
    /// Who says so.
    pub by: String,
    /// Why.
    pub why: Option<String>,
    /// When, by the clock of who says so.
    pub at: Timestamp,
}

/// What can be said to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SignalKind {
    /// Begin no further step.
    Pause,
    /// Go on.
    Continue,
    /// Stop, and take back what was done.
    Abort,
    /// What waits for a yes may go on.
    Approve,
    /// What waits for a yes may not.
    Reject,
}
