//! What the engine saw happen: invocations, and traces of the Workers that somebody tails.

use bytes::Bytes;
use clodo_types::Timestamp;
use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Hears what happens while Workers run.
///
/// # Contract
/// - All methods are called on the path of requests: they return at once, neither block nor wait
///   for I/O, and never panic.
/// - `invoked` is called once for every invocation that reached a Worker, when it has ended:
///   requests that static assets answered, and calls from one Worker to another by a service
///   binding, are none. Whoever dispatches other events than requests calls it as well.
/// - `traced` is called only for Workers that [`Generation::tails`](crate::Generation::tails)
///   names, once per batch of traces, in no order relative to `invoked`.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// An invocation ended.
    fn invoked(&self, invocation: &Invocation<'_>);
    /// A Worker called `fetch()`. Which of its versions did is not known.
    fn fetched(&self, account_id: &str, script: &str);
    /// workerd reported what invocations did.
    fn traced(&self, traces: Traces<'_>);
}

/// One invocation that has ended. The texts are borrowed, so that telling of it costs no memory.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Invocation<'a> {
    /// The account, 32 hex digits.
    pub account_id: &'a str,
    /// The Worker's name.
    pub script: &'a str,
    /// The version's UUID.
    pub version_id: &'a str,
    /// When it began.
    pub started: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// The HTTP status of the answer; `None` without an answer, and for other events.
    pub status: Option<u16>,
    /// From the request's head to the answer's last byte.
    pub wall_time: Duration,
    /// Bytes of the answer's body that were sent.
    pub response_bytes: u64,
}

impl<'a> Invocation<'a> {
    /// An event that is no request (a cron trigger, a batch of a queue): no status and no body.
    #[must_use]
    pub fn event(account_id: &'a str, script: &'a str, version_id: &'a str) -> Self {
        Self {
            account_id,
            script,
            version_id,
            started: Timestamp::from_millis(0),
            outcome: Outcome::Success,
            status: None,
            wall_time: Duration::ZERO,
            response_bytes: 0,
        }
    }

    /// With the time at which it began and what it took.
    #[must_use]
    pub fn took(mut self, started: Timestamp, wall_time: Duration) -> Self {
        (self.started, self.wall_time) = (started, wall_time);
        self
    }

    /// With how it ended.
    #[must_use]
    pub fn ended(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }
}

/// How an invocation ended, in the words of Cloudflare's analytics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Outcome {
    /// The Worker answered; what status it answered does not matter.
    Success,
    /// The client left before it had the whole answer.
    ClientDisconnected,
    /// An exception that nobody caught.
    ScriptThrewException,
    /// It was killed for the time or memory that it took.
    ExceededResources,
    /// The runtime failed.
    InternalError,
}

impl Outcome {
    /// The name in Cloudflare's GraphQL API, such as `scriptThrewException`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::ClientDisconnected => "clientDisconnected",
            Self::ScriptThrewException => "scriptThrewException",
            Self::ExceededResources => "exceededResources",
            Self::InternalError => "internalError",
        }
    }

    /// Whether Cloudflare counts it among `errors`.
    #[must_use]
    pub fn is_error(self) -> bool {
        !matches!(self, Self::Success | Self::ClientDisconnected)
    }
}

/// What invocations of one version did, as workerd reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Traces<'a> {
    /// The account, 32 hex digits.
    pub account_id: &'a str,
    /// The Worker's name.
    pub script: &'a str,
    /// The version's UUID.
    pub version_id: &'a str,
    /// A JSON array of events in the shape of `trace-v1`, without the script's name and version.
    pub events: Bytes,
}

/// An [`Observer`] that does not look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn invoked(&self, _: &Invocation<'_>) {}
    fn fetched(&self, _: &str, _: &str) {}
    fn traced(&self, _: Traces<'_>) {}
}

/// What [`MemoryObserver`] remembers of an [`Invocation`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are those of `Invocation`")]
pub struct Invoked {
    pub script: String,
    pub version_id: String,
    pub outcome: Outcome,
    pub status: Option<u16>,
    pub response_bytes: u64,
}

/// An [`Observer`] that remembers everything, for tests.
#[derive(Debug, Default)]
pub struct MemoryObserver {
    invocations: Mutex<Vec<Invoked>>,
    fetches: Mutex<Vec<String>>,
    traces: Mutex<Vec<(String, String, Bytes)>>,
}

impl MemoryObserver {
    /// Every invocation so far.
    #[must_use]
    pub fn invocations(&self) -> Vec<Invoked> {
        self.invocations.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The scripts that called `fetch()`, once per call.
    #[must_use]
    pub fn fetches(&self) -> Vec<String> {
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Script, version and events of every batch of traces so far.
    #[must_use]
    pub fn traces(&self) -> Vec<(String, String, Bytes)> {
        self.traces.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Observer for MemoryObserver {
    fn invoked(&self, seen: &Invocation<'_>) {
        let one = Invoked {
            script: seen.script.to_owned(),
            version_id: seen.version_id.to_owned(),
            outcome: seen.outcome,
            status: seen.status,
            response_bytes: seen.response_bytes,
        };
        self.invocations.lock().unwrap_or_else(PoisonError::into_inner).push(one);
    }

    fn fetched(&self, _: &str, script: &str) {
        self.fetches.lock().unwrap_or_else(PoisonError::into_inner).push(script.to_owned());
    }

    fn traced(&self, seen: Traces<'_>) {
        let one = (seen.script.to_owned(), seen.version_id.to_owned(), seen.events);
        self.traces.lock().unwrap_or_else(PoisonError::into_inner).push(one);
    }
}
