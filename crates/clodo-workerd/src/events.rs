//! Events other than requests: what goes to a Worker, and what comes back.

use crate::observer::Outcome;
use async_trait::async_trait;
use bytes::Bytes;
use clodo_types::Timestamp;
use serde_json::Value;
use std::fmt;

/// One run of a cron trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduledEvent {
    /// The expression; empty when the run has none.
    pub cron: String,
    /// The minute for which it runs.
    pub scheduled_time: Timestamp,
}

/// How a Worker ended `scheduled()`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduledOutcome {
    /// How the run ended.
    pub outcome: EventOutcome,
    /// Whether the Worker called `controller.noRetry()`.
    pub no_retry: bool,
    /// The version that ran.
    pub version_id: String,
}

impl ScheduledOutcome {
    /// An outcome of a version's run.
    #[must_use]
    pub fn new(outcome: EventOutcome, no_retry: bool, version_id: impl Into<String>) -> Self {
        Self { outcome, no_retry, version_id: version_id.into() }
    }
}

/// A batch of messages for `queue()`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueBatch {
    /// The queue's name, as `batch.queue` shows it.
    pub queue: String,
    /// The messages; no two have the same id.
    pub messages: Vec<QueueMessage>,
    /// What is left in the queue, as `batch.metadata.metrics` shows it.
    pub backlog: QueueBacklog,
}

/// What a queue holds beside a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueBacklog {
    /// Messages.
    pub count: u64,
    /// The bytes of their bodies.
    pub bytes: u64,
    /// When the oldest was sent.
    pub oldest: Option<Timestamp>,
}

/// One message on its way to a Worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueMessage {
    /// Its id.
    pub id: String,
    /// When it was sent.
    pub timestamp: Timestamp,
    /// How `body` is written.
    pub format: MessageFormat,
    /// The body as the producer wrote it.
    pub body: Bytes,
    /// Which attempt this is; the first is 1.
    pub attempts: u32,
}

/// How a message's body is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessageFormat {
    /// UTF-8 text; the Worker sees a string.
    Text,
    /// The Worker sees a `Uint8Array`.
    Bytes,
    /// JSON text; the Worker sees the value.
    Json,
    /// What V8 made of a structured clone.
    #[default]
    V8,
}

impl MessageFormat {
    /// As `contentType` says it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Json => "json",
            Self::V8 => "v8",
        }
    }
}

/// How a Worker ended `queue()`, and what it wants done with the messages.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueOutcome {
    /// How the run ended.
    pub outcome: EventOutcome,
    /// Whether it called `batch.ackAll()`.
    pub ack_all: bool,
    /// Whether it called `batch.retryAll()`, and with which `delaySeconds`.
    pub retry_all: Option<Option<u32>>,
    /// The ids of the messages on which it called `ack()`.
    pub acks: Vec<String>,
    /// The ids of the messages on which it called `retry()`, and with which `delaySeconds`.
    pub retries: Vec<(String, Option<u32>)>,
    /// The version that ran.
    pub version_id: String,
}

impl QueueOutcome {
    /// A run that ended so and said nothing of its messages.
    #[must_use]
    pub fn new(outcome: EventOutcome, version_id: impl Into<String>) -> Self {
        Self {
            outcome,
            ack_all: false,
            retry_all: None,
            acks: Vec::new(),
            retries: Vec::new(),
            version_id: version_id.into(),
        }
    }
}

/// A run of an instance of a Workflow.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkflowRun {
    /// The version that it runs in, which need not have traffic any more.
    pub version_id: String,
    /// The class.
    pub class: String,
    /// The Workflow's id and its name.
    pub workflow: (String, String),
    /// The instance.
    pub instance: String,
    /// Names the run to whoever keeps the instance.
    pub token: String,
    /// When the instance was made.
    pub created: Timestamp,
    /// Its parameters, as they are kept.
    pub params: Value,
    /// The schedule that made it: `{cron, scheduledTime}`.
    pub schedule: Option<Value>,
    /// Why its steps are to be undone: name and message of an error.
    pub undoing: Option<(String, String)>,
}

/// How a run of an instance ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum WorkflowOutcome {
    /// `run()` returned this, as it is kept.
    Complete(Value),
    /// `run()` threw this: name and message.
    Errored(String, String),
    /// All steps wait.
    Rest,
    /// The steps were undone, all of them or not.
    RolledBack(bool),
    /// The instance was taken away from the run.
    Over,
    /// The process ended in the middle.
    Lost,
    /// The process was replaced in the middle.
    Replaced,
    /// The version exports no such Workflow.
    NoClass,
}

/// How a run ended, in the words of a tail event's `outcome`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventOutcome {
    /// `ok`
    Ok,
    /// `exception`
    Exception,
    /// `exceededCpu`: it kept the runtime from answering anybody.
    ExceededCpu,
    /// `exceededWallTime`: a quarter of an hour was not enough.
    ExceededWallTime,
    /// Whatever else the runtime says.
    Other(String),
}

impl EventOutcome {
    /// From the runtime's word.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        match word {
            "ok" => Self::Ok,
            "exception" => Self::Exception,
            "exceededCpu" => Self::ExceededCpu,
            "exceededWallTime" => Self::ExceededWallTime,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The runtime's word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ok => "ok",
            Self::Exception => "exception",
            Self::ExceededCpu => "exceededCpu",
            Self::ExceededWallTime => "exceededWallTime",
            Self::Other(word) => word,
        }
    }

    /// The same in the words of analytics.
    pub(crate) fn in_analytics(&self) -> Outcome {
        match self {
            Self::Ok => Outcome::Success,
            Self::Exception => Outcome::ScriptThrewException,
            Self::ExceededCpu | Self::ExceededWallTime => Outcome::ExceededResources,
            Self::Other(word) if word == "exceededMemory" => Outcome::ExceededResources,
            Self::Other(_) => Outcome::InternalError,
        }
    }
}

impl fmt::Display for EventOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why no code of the Worker ran for an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DispatchError {
    /// There is no such Worker, or it has no deployment.
    #[error("the Worker is not deployed")]
    NotDeployed,
    /// The version that was drawn exports neither `scheduled()` nor `queue()`.
    #[error("the Worker has no handler for events")]
    NoHandler,
    /// The runtime has no process for the Worker.
    #[error("the Worker cannot be run: {why}")]
    Unavailable {
        /// What keeps it from running.
        why: String,
    },
}

/// Runs Workers for events other than requests.
///
/// # Contract
/// - The version is drawn by percentage among the live ones, as for a request.
/// - An event waits while the Worker is being swapped; it is never given to two versions.
/// - `Err` means that nothing ran. Once the Worker may have begun, whatever happens is an outcome:
///   a process that was lost is `exception`, one that was killed for looping `exceededCpu`.
/// - A run that takes longer than 15 minutes is given up as `exceededWallTime`; one of a Workflow
///   may take as long as it likes, and is in the version that it names.
/// - Dropping the future cancels the run; what the Worker did until then stays done.
#[async_trait]
pub trait Dispatch: fmt::Debug + Send + Sync + 'static {
    /// Runs `scheduled()`.
    async fn scheduled(
        &self,
        account_id: &str,
        script: &str,
        event: &ScheduledEvent,
    ) -> Result<ScheduledOutcome, DispatchError>;

    /// Runs `queue()`.
    async fn queue(
        &self,
        account_id: &str,
        script: &str,
        batch: &QueueBatch,
    ) -> Result<QueueOutcome, DispatchError>;

    /// Runs `run()` of a Workflow until it ends, rests or is lost. What its steps do is said to
    /// whoever serves the bindings.
    async fn workflow(
        &self,
        account_id: &str,
        script: &str,
        run: &WorkflowRun,
    ) -> Result<WorkflowOutcome, DispatchError>;
}
