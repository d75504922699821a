use crate::clock::Timestamp;
use async_trait::async_trait;
use std::{error, fmt, sync::Mutex};

/// One security-relevant decision or change, in the past tense. It never holds a secret's value.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct AuditEvent {
    /// When, by the writer's clock.
    pub at: Timestamp,
    /// Who: a person, a CI job, a runner.
    pub actor: String,
    /// What was done, such as `deployment.started`.
    pub action: String,
    /// To what, such as a target's name.
    pub subject: String,
    /// Anything more that a reader needs.
    pub detail: String,
}

impl AuditEvent {
    /// Builds an event.
    pub fn new(
        at: Timestamp,
        actor: impl Into<String>,
        action: impl Into<String>,
        subject: impl Into<String>,
    ) -> Self {
        Self {
            at,
            actor: actor.into(),
            action: action.into(),
            subject: subject.into(),
            detail: String::new(),
        }
    }

    /// Adds the detail.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

/// The event was not recorded.
#[derive(Debug, thiserror::Error)]
#[error("could not record an audit event")]
pub struct AuditError(#[source] pub Box<dyn error::Error + Send + Sync>);

/// Where audit events go.
///
/// # Contract
/// - `append` returns only once the event is durable.
/// - Events keep the order in which `append` returned.
/// - A failed append leaves no part of the event behind.
#[async_trait]
pub trait AuditSink: fmt::Debug + Send + Sync + 'static {
    /// Records one event.
    ///
    /// # Errors
    /// When the event could not be made durable.
    async fn append(&self, event: AuditEvent) -> Result<(), AuditError>;
}

/// Keeps events in memory.
#[derive(Debug, Default)]
pub struct MemoryAudit(Mutex<Vec<AuditEvent>>);

impl MemoryAudit {
    /// What was recorded so far, oldest first.
    ///
    /// # Panics
    /// Never: no holder of the lock panics.
    #[must_use]
    pub fn events(&self) -> Vec<AuditEvent> {
        self.0.lock().expect("no holder panics").clone()
    }
}

#[async_trait]
impl AuditSink for MemoryAudit {
    async fn append(&self, event: AuditEvent) -> Result<(), AuditError> {
        self.0.lock().expect("no holder panics").push(event);
        Ok(())
    }
}
