use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    error, fmt,
    sync::{Arc, Mutex},
};

/// The name of a step: stable from run to run, and unique within one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(String);

impl StepId {
    /// Takes any text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Borrows the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What a step may fail with; the runner adds which step it was.
pub type StepError = Box<dyn error::Error + Send + Sync>;

/// What a step fails with when the run is to end here, neither completed nor taken back: it stays
/// unfinished, and whoever resumes it goes on with this step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the run was left as it is")]
pub struct Suspended;

/// One change that can be taken back.
///
/// # Contract
/// - `look` only reads. It says what `undo` has to go back to, and whether the effect of `act` is
///   there already; then `act` is not called. Its answer is in the journal before `act` is called.
/// - `act` and `undo` are idempotent: after a crash either may be called again.
/// - `undo` is also called after an `act` that failed or never came to its end. Then `output` is
///   `None`, and the effect may or may not be there.
/// - Neither is dropped half-way, except together with the whole run.
/// - Values hold no secret: they are written to disk.
#[async_trait]
pub trait Step: fmt::Debug + Send + Sync + 'static {
    /// The step's name.
    fn id(&self) -> &StepId;

    /// The steps that must be done before this one begins.
    fn needs(&self) -> &[StepId];

    /// Reads what is there before the change.
    ///
    /// # Errors
    /// When it cannot be read; then the step was not begun.
    async fn look(&self, outputs: &Outputs) -> Result<Look, StepError>;

    /// Makes the change and returns what later steps need to know.
    ///
    /// # Errors
    /// When the change could not be made, or may have been made only in part.
    async fn act(&self, outputs: &Outputs) -> Result<Value, StepError>;

    /// Takes the change back.
    ///
    /// # Errors
    /// When it may still be there; then a person must look.
    async fn undo(
        &self,
        before: &Value,
        output: Option<&Value>,
        outputs: &Outputs,
    ) -> Result<Undo, StepError>;
}

/// What was there when a step looked.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// What `undo` goes back to.
    pub before: Value,
    /// The output of `act`, when its effect is there already.
    pub already: Option<Value>,
}

/// How an undo ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// What was there before is there again.
    Undone,
    /// The change stays on purpose, for this reason: data is never undone.
    Kept(String),
}

/// The outputs of the steps that are done; a step may rely on those of all steps before it.
#[derive(Clone, Debug, Default)]
pub struct Outputs(Arc<Mutex<BTreeMap<StepId, Value>>>);

impl From<BTreeMap<StepId, Value>> for Outputs {
    fn from(outputs: BTreeMap<StepId, Value>) -> Self {
        Self(Arc::new(Mutex::new(outputs)))
    }
}

impl Outputs {
    /// The output of one step, if it is done.
    #[must_use]
    pub fn get(&self, step: &StepId) -> Option<Value> {
        self.0.lock().expect("no holder panics").get(step).cloned()
    }

    /// All of them.
    #[must_use]
    pub fn to_map(&self) -> BTreeMap<StepId, Value> {
        self.0.lock().expect("no holder panics").clone()
    }

    pub(crate) fn put(&self, step: StepId, output: Value) {
        self.0.lock().expect("no holder panics").insert(step, output);
    }
}
