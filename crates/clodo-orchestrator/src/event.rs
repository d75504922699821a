use crate::plan::Plan;
use clodo_judge::JudgeReport;
use clodo_saga::StepId;
use clodo_types::{DeploymentId, Finding};
use std::{fmt, sync::Arc};

/// Something that happened in a deployment, in the past tense.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum DeployEvent {
    /// A deployment was found whose process died; this one takes its work over.
    InterruptedFound(DeploymentId),
    /// The platform was read.
    Observed,
    /// The plan was made; its steps explain the ids in later events.
    Planned(Arc<Plan>),
    /// A gate, or the plan itself, said no. Nothing was written.
    Refused(Vec<Finding>),
    /// A step waits for time to pass, or for a person.
    Waiting(StepId),
    /// A probe is left out, as the options say.
    Skipped(StepId),
    /// There is no verdict about a canary in its time: it stays as it is until somebody decides.
    Overdue(StepId),
    /// A canary was looked at.
    Judged {
        /// The step that judges it.
        step: StepId,
        /// What is known.
        report: Box<JudgeReport>,
    },
    /// Something about a step, or about the run as a whole.
    Run(clodo_saga::Event),
}

/// Hears what happens in a deployment.
///
/// # Contract
/// - `hear` returns quickly and never fails the deployment.
/// - Events of different steps may come from different threads.
pub trait DeployListener: fmt::Debug + Send + Sync + 'static {
    /// Takes one event.
    fn hear(&self, event: &DeployEvent);
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl DeployListener for Silent {
    fn hear(&self, _event: &DeployEvent) {}
}

/// Passes events of the run on.
#[derive(Debug)]
pub(crate) struct Forward(pub(crate) Arc<dyn DeployListener>);

impl clodo_saga::Listener for Forward {
    fn hear(&self, event: &clodo_saga::Event) {
        self.0.hear(&DeployEvent::Run(event.clone()));
    }
}
