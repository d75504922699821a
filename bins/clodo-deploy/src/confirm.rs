use async_trait::async_trait;
use clodo_cli::{CliError, Ui};
use clodo_orchestrator::{Desired, Gate, Plan};
use clodo_types::{Finding, Severity};
use std::sync::Mutex;

/// Asks a person before anything is written; the last gate.
#[derive(Debug)]
pub(crate) struct Confirmation {
    ui: Ui,
    question: Option<String>,
    unanswered: Mutex<Option<CliError>>,
}

impl Confirmation {
    /// Asks `question`, or nothing when there is none.
    pub(crate) fn new(ui: &Ui, question: Option<String>) -> Self {
        Self { ui: ui.clone(), question, unanswered: Mutex::default() }
    }

    /// Why nobody answered, if so.
    pub(crate) fn take_error(&self) -> Option<CliError> {
        self.unanswered.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }
}

#[async_trait]
impl Gate for Confirmation {
    async fn check(&self, plan: &Plan, _: &Desired) -> Vec<Finding> {
        let Some(question) = self.question.as_ref().filter(|_| !plan.is_empty()) else {
            return Vec::new();
        };
        match self.ui.confirm(question, "--yes") {
            Ok(true) => return Vec::new(),
            Ok(false) => {}
            Err(error) => {
                *self.unanswered.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
                    Some(error);
            }
        }
        vec![Finding {
            rule: "not-confirmed".to_owned(),
            severity: Severity::Block,
            at: None,
            message: "nobody said yes".to_owned(),
            hint: Some("answer `y`, or give --yes".to_owned()),
        }]
    }
}
