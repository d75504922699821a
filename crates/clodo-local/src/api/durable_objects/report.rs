//! What the reconciliation of declared classes did, or why it did nothing.

use super::super::error::ApiError;
use crate::state::objects::ObjectNamespace;
use serde_json::{Value, json};

/// `exports_reconciliation`, and what is wrong, by class.
#[derive(Debug)]
pub(super) struct Report {
    done: Value,
    wrong: Vec<Value>,
}

impl Default for Report {
    fn default() -> Self {
        let done = json!({
            "created": [], "updated": [], "deleted": [], "renamed": [], "transferred": [],
            "transfer_pending": [], "warnings": [], "info": [], "removable_entries": [],
        });
        Self { done, wrong: Vec::new() }
    }
}

impl Report {
    pub(super) fn is_fine(&self) -> bool {
        self.wrong.is_empty()
    }

    /// Notes what is wrong with a class, and what may help; `others` are Workers that bind it.
    pub(super) fn refuse(
        &mut self,
        scenario: &str,
        class: &str,
        why: &str,
        help: &str,
        others: &[String],
    ) {
        let mut detail = json!({
            "scenario": scenario, "class": class, "message": why, "suggestion": help,
        });
        if !others.is_empty() {
            detail["referencing_scripts"] = json!(others);
        }
        self.wrong.push(detail);
    }

    /// Adds to a list of what was done.
    pub(super) fn note(&mut self, list: &str, entry: Value) {
        if let Some(list) = self.done[list].as_array_mut() {
            list.push(entry);
        }
    }

    /// Adds what is worth knowing about a namespace.
    pub(super) fn inform(
        &mut self,
        scenario: &str,
        class: &str,
        message: &str,
        space: &ObjectNamespace,
    ) {
        let entry = json!({
            "scenario": scenario, "class": class, "message": message, "namespace_id": space.id,
        });
        self.note("info", entry);
    }

    /// The report; all that is wrong is said at once.
    pub(super) fn done(self) -> Result<Value, ApiError> {
        if self.is_fine() {
            return Ok(self.done);
        }
        let line = |detail: &Value| {
            let text = |key: &str| detail[key].as_str().unwrap_or_default().to_owned();
            format!("[{}] class '{}': {}", text("scenario"), text("class"), text("message"))
        };
        let lines: Vec<String> = self.wrong.iter().map(line).collect();
        let message = format!("Durable Object exports reconciliation failed: {}", lines.join("; "));
        let meta = Some(Box::new(json!({ "details": self.wrong })));
        Err(ApiError { meta, ..ApiError::bad_request(100_402, message) })
    }
}
