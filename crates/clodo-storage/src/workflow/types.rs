use super::{WorkflowError, WorkflowErrorKind, limits};
use clodo_types::{AccountId, Timestamp, WorkflowId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

/// Which Workflow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkflowRef {
    /// The account that owns it.
    pub account: AccountId,
    /// Its id.
    pub id: WorkflowId,
}

/// What new instances of a Workflow get, and how many may run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkflowSettings {
    /// The id of the Workflow's newest version.
    pub version: String,
    /// How many `step.do` an instance may have.
    pub steps: u32,
    /// How many instances run at once.
    pub concurrency: usize,
    /// How long instances that do not say so themselves are kept.
    pub retention: Retention,
}

impl WorkflowSettings {
    /// The largest number of steps that a Workflow may allow.
    pub const MOST_STEPS: u32 = 25_000;

    /// The usual settings for a version.
    #[must_use]
    pub fn new(version: impl Into<String>) -> Self {
        Self {
            version: version.into(),
            steps: limits::STEPS,
            concurrency: limits::CONCURRENCY,
            retention: Retention::default(),
        }
    }
}

/// How long an instance is kept after its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// When it completed or was terminated.
    pub success: Duration,
    /// When it failed.
    pub error: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self { success: limits::RETENTION, error: limits::RETENTION }
    }
}

/// What an instance is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InstanceStatus {
    /// It has not begun.
    Queued,
    /// A step of it runs.
    Running,
    /// Somebody paused it.
    Paused,
    /// It failed.
    Errored,
    /// Somebody ended it.
    Terminated,
    /// It ended well.
    Complete,
    /// It is to be paused when the step that runs has ended.
    WaitingForPause,
    /// It sleeps, or waits for an event or for another attempt.
    Waiting,
    /// It failed, or is being terminated, and undoes its steps.
    RollingBack,
}

impl InstanceStatus {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Running,
        Self::Paused,
        Self::Errored,
        Self::Terminated,
        Self::Complete,
        Self::WaitingForPause,
        Self::Waiting,
        Self::RollingBack,
    ];

    /// As the wire says it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Errored => "errored",
            Self::Terminated => "terminated",
            Self::Complete => "complete",
            Self::WaitingForPause => "waitingForPause",
            Self::Waiting => "waiting",
            Self::RollingBack => "rollingBack",
        }
    }

    /// Whether nothing more happens.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Errored | Self::Terminated | Self::Complete)
    }
}

impl fmt::Display for InstanceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for InstanceStatus {
    type Err = WorkflowError;

    fn from_str(text: &str) -> Result<Self, WorkflowError> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == text);
        let message = || format!("`{text}` is not a status of an instance");
        found.ok_or_else(|| WorkflowError::new(WorkflowErrorKind::Body, message()))
    }
}

/// The id of an instance: at most 100 letters, digits, `-` and `_`, not `-` first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(String);

impl InstanceId {
    /// One that nobody else has.
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().to_string())
    }

    /// The one of a run of a schedule: the same for the same minute.
    #[must_use]
    pub fn of_schedule(cron: &str, minute: Timestamp) -> Self {
        let text = format!("{cron}\0{}", minute.as_millis());
        Self(format!("cf_{}", blake3::hash(text.as_bytes()).to_hex()))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for InstanceId {
    type Err = WorkflowError;

    fn from_str(text: &str) -> Result<Self, WorkflowError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let formed = (1..=limits::INSTANCE_ID).contains(&text.len())
            && !text.starts_with('-')
            && text.bytes().all(allowed);
        if formed && !reserved(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(WorkflowError::new(WorkflowErrorKind::InvalidId, "Instance ID is invalid"))
    }
}

/// What the routes below an instance's name mean themselves, and what schedules make.
fn reserved(id: &str) -> bool {
    let made =
        |rest: &str| rest.len() == 64 && rest.bytes().all(|b| b"0123456789abcdef".contains(&b));
    matches!(id, "batch" | "terminate" | "terminateAll") || id.strip_prefix("cf_").is_some_and(made)
}

/// Who made an instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InstanceTrigger {
    /// The REST API.
    #[default]
    Api,
    /// A Worker.
    Binding,
    /// A schedule.
    Cron,
}

impl InstanceTrigger {
    /// As the wire says it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Binding => "binding",
            Self::Cron => "cron",
        }
    }

    pub(super) fn of(text: &str) -> Self {
        match text {
            "binding" => Self::Binding,
            "cron" => Self::Cron,
            _ => Self::Api,
        }
    }
}

/// The run of a schedule that an instance is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceSchedule {
    /// The expression.
    pub cron: String,
    /// The minute, in milliseconds since the epoch.
    pub scheduled_time: i64,
}

/// An instance to make.
#[derive(Clone, Debug, PartialEq)]
pub struct NewInstance {
    /// Its id.
    pub id: InstanceId,
    /// Its parameters, as they are kept ([`kept_value`](super::kept_value)).
    pub params: Value,
    /// Who makes it.
    pub trigger: InstanceTrigger,
    /// Which run of a schedule it is.
    pub schedule: Option<InstanceSchedule>,
    /// How long it is kept; what is missing is as the Workflow says.
    pub keep_success: Option<Duration>,
    /// The same for one that fails.
    pub keep_error: Option<Duration>,
}

impl NewInstance {
    /// One without anything of its own.
    #[must_use]
    pub fn new(id: InstanceId, params: Value, trigger: InstanceTrigger) -> Self {
        Self { id, params, trigger, schedule: None, keep_success: None, keep_error: None }
    }
}

/// An error as it is kept and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Its class.
    pub name: String,
    /// What it says.
    pub message: String,
}

impl Failure {
    /// From its two parts.
    #[must_use]
    pub fn new(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self { name: name.into(), message: message.into() }
    }
}

/// The version of a Worker that an instance runs in, from its first run on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceHome {
    /// The Worker.
    pub script: String,
    /// The Worker's version.
    pub version: String,
    /// The class.
    pub class: String,
}

/// One instance, without its steps.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Instance {
    /// Its id.
    pub id: String,
    /// The version of the Workflow that it was made with.
    pub version: String,
    /// What it is doing.
    pub status: InstanceStatus,
    /// Who made it.
    pub trigger: InstanceTrigger,
    /// Which run of a schedule it is.
    pub schedule: Option<InstanceSchedule>,
    /// When it was made.
    pub created: Timestamp,
    /// When it changed last.
    pub modified: Timestamp,
    /// When it began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Its parameters, as they are kept.
    pub params: Value,
    /// What `run()` returned, as it is kept.
    pub output: Option<Value>,
    /// Why it failed.
    pub error: Option<Failure>,
    /// How its rollback ended, if it had one: well or not.
    pub rolled_back: Option<bool>,
    /// Where it runs, from its first run on.
    pub home: Option<InstanceHome>,
}

/// Which instances to list, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstanceFilter {
    /// Those that are doing this.
    pub status: Option<InstanceStatus>,
    /// Those made then or later.
    pub from: Option<Timestamp>,
    /// Those made then or before.
    pub until: Option<Timestamp>,
    /// Whether the oldest come first.
    pub ascending: bool,
    /// How many to pass over.
    pub skip: usize,
    /// How many at most.
    pub limit: usize,
    /// Those after this place; see [`InstancePage::next`].
    pub after: Option<i64>,
}

/// What there is of instances.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstanceTotals {
    /// How many are doing what.
    pub by_status: BTreeMap<InstanceStatus, u64>,
    /// When the newest was made.
    pub newest: Option<Timestamp>,
}

/// Some instances.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InstancePage {
    /// The instances.
    pub instances: Vec<Instance>,
    /// How many the filter lets through in all.
    pub total: usize,
    /// Where the next page begins; `None` on the last.
    pub next: Option<i64>,
}
