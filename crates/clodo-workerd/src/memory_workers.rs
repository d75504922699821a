//! A [`Workers`] that runs nothing, for tests of what stands above it.

use crate::seams::{Handlers, RuntimeStatus, ServedVersion, ValidationError, Workers};
use async_trait::async_trait;
use std::sync::{Mutex, PoisonError};

/// Accepts every version that does not contain [`MemoryWorkers::BROKEN`], and remembers what it
/// was told. A version has a handler for `scheduled` or `queue` when its code has that word before
/// a parenthesis.
#[derive(Debug, Default)]
pub struct MemoryWorkers {
    changes: Mutex<Vec<String>>,
    validated: Mutex<Vec<ServedVersion>>,
}

impl MemoryWorkers {
    /// Code with this text in it is refused, with a message as workerd would give it.
    pub const BROKEN: &str = "@@broken@@";

    /// The accounts whose change was announced, in order.
    #[must_use]
    pub fn changes(&self) -> Vec<String> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The versions that were to be validated, in order.
    #[must_use]
    pub fn validated(&self) -> Vec<ServedVersion> {
        self.validated.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Workers for MemoryWorkers {
    async fn validate(&self, version: &ServedVersion) -> Result<Handlers, ValidationError> {
        self.validated.lock().unwrap_or_else(PoisonError::into_inner).push(version.clone());
        let holds =
            |body: &[u8], text: &str| body.windows(text.len()).any(|w| w == text.as_bytes());
        let broken = |body: &[u8]| holds(body, Self::BROKEN);
        if let Some(module) = version.modules.iter().find(|module| broken(&module.body)) {
            let message =
                format!("Uncaught SyntaxError: Unexpected token\n  at {}:1:1", module.name);
            return Err(ValidationError::Script { message });
        }
        let mut handlers = vec!["fetch".to_owned()];
        for event in ["scheduled", "queue"] {
            let call = format!("{event}(");
            if version.modules.iter().any(|module| holds(&module.body, &call)) {
                handlers.push(event.to_owned());
            }
        }
        let (named_handlers, workflows) = (classes(version), workflows(version));
        Ok(Handlers { handlers, named_handlers, workflows, startup_time_ms: 1 })
    }

    fn changed(&self, account_id: &str) {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).push(account_id.to_owned());
    }

    async fn settled(&self, _account_id: &str) {}

    fn status(&self) -> RuntimeStatus {
        RuntimeStatus::default()
    }
}

/// What follows `export class` in the modules: the name, and the rest.
fn exported(version: &ServedVersion) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for module in &version.modules {
        let source = String::from_utf8_lossy(&module.body);
        for rest in source.split("export class ").skip(1) {
            let name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
            let end = rest.find(|c| !name(c)).unwrap_or(rest.len());
            found.push((rest[..end].to_owned(), rest[end..].to_owned()));
        }
    }
    found
}

fn classes(version: &ServedVersion) -> Vec<(String, Vec<String>)> {
    exported(version).into_iter().map(|(name, _)| (name, Vec::new())).collect()
}

/// Those that say that they are one.
fn workflows(version: &ServedVersion) -> Vec<String> {
    let base = " extends WorkflowEntrypoint";
    let all = exported(version).into_iter().filter(|(_, rest)| rest.starts_with(base));
    all.map(|(name, _)| name).collect()
}
