use crate::pool::told_with_cause;
use bytes::Bytes;
use clodo_types::{AccountId, QueueId, Timestamp};
use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

/// Which queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueRef {
    /// The account that owns it.
    pub account: AccountId,
    /// Its id.
    pub id: QueueId,
}

/// How a message's body is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyFormat {
    /// UTF-8 text.
    Text,
    /// Bytes.
    Bytes,
    /// JSON text.
    Json,
    /// V8's structured clone; what a producer means that names no format.
    #[default]
    V8,
}

impl BodyFormat {
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

impl fmt::Display for BodyFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for BodyFormat {
    type Err = QueueError;

    fn from_str(text: &str) -> Result<Self, QueueError> {
        match text {
            "text" => Ok(Self::Text),
            "bytes" => Ok(Self::Bytes),
            "json" => Ok(Self::Json),
            "v8" => Ok(Self::V8),
            other => Err(QueueError::new(
                QueueErrorKind::Metadata,
                format!("message content type {other:?} is not one of text, bytes, json, v8"),
            )),
        }
    }
}

/// A message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// How the body is written.
    pub format: BodyFormat,
    /// At most 128,000 bytes.
    pub body: Bytes,
    /// How long nobody gets it; without one that of the batch, else that of the queue.
    pub delay: Option<Duration>,
}

impl NewMessage {
    /// A message without a delay of its own.
    #[must_use]
    pub fn new(format: BodyFormat, body: impl Into<Bytes>) -> Self {
        Self { format, body: body.into(), delay: None }
    }
}

/// What holds for every message of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// The delay of messages that are sent without one.
    pub delivery_delay: Duration,
    /// How long a message that nobody acknowledges is kept.
    pub retention: Duration,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self { delivery_delay: Duration::ZERO, retention: Duration::from_secs(4 * 24 * 3600) }
    }
}

/// What a queue holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Messages that nobody acknowledged yet.
    pub count: u64,
    /// The bytes of their bodies.
    pub bytes: u64,
    /// When the oldest was sent.
    pub oldest: Option<Timestamp>,
}

/// A stored message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedMessage {
    /// 32 hex digits; a message keeps it when it goes to a dead letter queue.
    pub id: String,
    /// When it was sent.
    pub sent: Timestamp,
    /// How the body is written.
    pub format: BodyFormat,
    /// The body.
    pub body: Bytes,
    /// Which delivery this is; the first is 1.
    pub attempts: u32,
}

/// Messages that can be delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// How many, at most as many as were asked for.
    pub count: usize,
    /// When the next one of the others becomes deliverable.
    pub next: Option<Timestamp>,
}

/// What becomes of messages that fail again and again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exhaustion {
    /// How often a message is delivered again after its first delivery.
    pub max_retries: u32,
    /// Where it goes then; without one, or when that queue is gone, it is dropped.
    pub dead_letter: Option<QueueRef>,
}

/// How a delivery ended, message by message (by id). What is not named stays taken until the
/// process ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settlement {
    /// Done: they are removed.
    pub acks: Vec<String>,
    /// Failed: they come again after this time, or are exhausted.
    pub retries: Vec<(String, Duration)>,
    /// Not delivered after all: they come again after this time, as if they had not been taken.
    pub releases: Vec<(String, Duration)>,
}

/// What became of failed messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Removed since they were acknowledged.
    pub acked: usize,
    /// To be delivered again.
    pub retried: usize,
    /// Moved to the dead letter queue.
    pub dead_lettered: usize,
    /// Dropped since there is no dead letter queue.
    pub dropped: usize,
}

/// A message that somebody pulled, and the name of their lease on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The message.
    pub message: QueuedMessage,
    /// What acknowledges it.
    pub lease: String,
}

/// What became of leases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeasesEnded {
    /// Messages that were removed.
    pub acked: usize,
    /// Messages that come again, or were exhausted.
    pub retried: usize,
    /// Leases that name no message any more, and why.
    pub warnings: BTreeMap<String, String>,
}

/// What a caller decides on; the numbers are Cloudflare's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueueErrorKind {
    /// No such queue; 10104.
    NotFound,
    /// The queue exists already.
    Exists,
    /// A delay over 86,400 seconds for a batch; 10202.
    BatchDelay,
    /// A message's format or delay; 10203.
    Metadata,
    /// A message over 128,000 bytes; 10204.
    MessageSize,
    /// Messages of more than 256,000 bytes together; 10205.
    BatchSize,
    /// No message, or more than 100; 10206.
    BatchCount,
    /// A body that is not of the expected form; 10207.
    Body,
    /// The file cannot be read or written, or is damaged; 15000.
    Storage,
}

impl QueueErrorKind {
    /// Cloudflare's error code.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Self::NotFound => 10104,
            Self::BatchDelay => 10202,
            Self::Metadata => 10203,
            Self::MessageSize => 10204,
            Self::BatchSize => 10205,
            Self::BatchCount => 10206,
            Self::Body => 10207,
            Self::Exists | Self::Storage => 15000,
        }
    }

    /// The HTTP status that goes with it.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::MessageSize | Self::BatchSize | Self::BatchCount => 413,
            Self::BatchDelay | Self::Metadata | Self::Body => 400,
            Self::Exists => 409,
            Self::Storage => 500,
        }
    }
}

/// A queue request that failed.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct QueueError {
    kind: QueueErrorKind,
    text: String,
}

impl QueueError {
    pub(crate) fn new(kind: QueueErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// What to decide on.
    #[must_use]
    pub fn kind(&self) -> QueueErrorKind {
        self.kind
    }
}

impl From<clodo_sqlite::SqliteError> for QueueError {
    fn from(error: clodo_sqlite::SqliteError) -> Self {
        use clodo_sqlite::SqliteErrorKind;
        match error.kind() {
            SqliteErrorKind::Missing | SqliteErrorKind::Gone => {
                Self::new(QueueErrorKind::NotFound, "queue not found")
            }
            _ => Self::new(QueueErrorKind::Storage, told_with_cause(&error)),
        }
    }
}
