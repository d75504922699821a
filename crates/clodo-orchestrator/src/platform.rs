use crate::{
    change::{Applied, Before, Change, Inputs, Look, Undone},
    inspected::Inspected,
    observed::{Observed, Scope},
    trigger::{Addresses, WorkerRef},
};
use async_trait::async_trait;
use std::{error, fmt};

/// Where Workers run: Cloudflare, the local Cloudflare, or memory.
///
/// # Contract
/// - `observe`, `inspect` and `look` only read. Planning depends on `observe` alone, so it reads listings and
///   never one thing at a time.
/// - `look` says what to go back to, and whether the change is in place already. It is called right
///   before `apply`, and its answer is durable before `apply` is called. When it says *already*,
///   `apply` is not called. It spares a request where [`Inputs`] say enough: a Worker that the
///   listing did not have ([`Inputs::worker`] is `None`) had no routes, schedules or settings.
/// - `apply` is all or nothing as far as the platform allows. It is called again after a crash, with
///   another [`Inputs::deployment`] and after another `look`; it must not make a second thing of the
///   same name.
/// - `undo` is called after `apply`, also when `apply` failed or never came to its end; then
///   `applied` is `None` and the effect may or may not be there. Calling it twice does no harm.
/// - What `undo` goes back to is said by `before` alone: an upload whose `before` is
///   [`Before::Absent`] takes the Worker away, also if it was not the first. A version that gets no
///   traffic may stay.
/// - `undo` never removes data: a database, namespace or bucket goes only if `before` says that it
///   was absent and it is still empty.
/// - A removal is final: `apply` of one whose subject is gone already does nothing, and `undo` says
///   that it stays ([`Change::is_final`]).
/// - A future is never dropped between two requests of one `apply` or `undo`, except by the end of
///   the process.
/// - Calls for different Workers run side by side.
#[async_trait]
pub trait Platform: fmt::Debug + Send + Sync + 'static {
    /// Reads what is there.
    ///
    /// # Errors
    /// When the platform cannot be read.
    async fn observe(&self, scope: &Scope) -> Result<Observed, PlatformError>;

    /// Reads what runs in one Worker, for what listings do not tell; `None` when it is not there.
    ///
    /// # Errors
    /// When the platform cannot be read.
    async fn inspect(&self, worker: &WorkerRef) -> Result<Option<Inspected>, PlatformError>;

    /// Reads what one change would replace.
    ///
    /// # Errors
    /// When the platform cannot be read.
    async fn look(&self, change: &Change, inputs: &Inputs) -> Result<Look, PlatformError>;

    /// Makes the change.
    ///
    /// # Errors
    /// When the platform refuses it or cannot be reached.
    async fn apply(&self, change: &Change, inputs: &Inputs) -> Result<Applied, PlatformError>;

    /// Takes the change back.
    ///
    /// # Errors
    /// When the platform refuses or cannot be reached; then a person must look.
    async fn undo(
        &self,
        change: &Change,
        before: &Before,
        applied: Option<&Applied>,
        inputs: &Inputs,
    ) -> Result<Undone, PlatformError>;

    /// The URLs at which a Worker answers, best first, without a path. Reads nothing: what it needs
    /// to know, such as the account's subdomain, it learned in `observe`.
    fn urls(&self, addresses: &Addresses) -> Vec<String>;
}

/// What a caller decides on after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PlatformErrorKind {
    /// The platform said no, and would say no again: the request is at fault.
    Refused,
    /// The token is wrong or lacks a permission.
    NotAllowed,
    /// The platform cannot be reached, fails, or is limiting.
    Unavailable,
}

/// A call to the platform failed.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct PlatformError {
    doing: String,
    kind: PlatformErrorKind,
    hint: Option<String>,
    #[source]
    source: Option<Box<dyn error::Error + Send + Sync>>,
}

impl PlatformError {
    /// Says what failed, as a lower-case phrase such as `could not upload worker "orders"`.
    #[must_use]
    pub fn new(kind: PlatformErrorKind, doing: impl Into<String>) -> Self {
        Self { doing: doing.into(), kind, hint: None, source: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds how to mend it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What kind of failure it was.
    #[must_use]
    pub fn kind(&self) -> PlatformErrorKind {
        self.kind
    }

    /// How to mend it, when that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}
