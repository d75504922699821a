//! One deployment of the history, step by step.

use crate::{
    history::Past,
    record::{Deployment, RecordedStep, deployment},
    trigger::WorkerRef,
};
use clodo_saga::{Entry, EntryRecord, JournalError, JournalStore, StepId};
use clodo_types::{DeploymentId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A deployment with all that its journal says.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DeploymentRecord {
    /// What it was, and how it ended.
    pub deployment: Deployment,
    /// Its steps, in the order of the plan.
    pub steps: Vec<StepRecord>,
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StepRecord {
    /// Its id.
    pub id: StepId,
    /// What it does, in a word: `upload`, `verify`.
    pub kind: String,
    /// The same in a sentence.
    pub summary: String,
    /// The Worker that it changes or looks at.
    pub worker: Option<WorkerRef>,
    /// How far it came.
    pub state: StepState,
    /// When it began.
    pub began_at: Option<Timestamp>,
    /// When it was done, or failed.
    pub ended_at: Option<Timestamp>,
    /// Why it failed, or why it stays.
    pub why: Option<String>,
    /// What it noted last, such as the evidence of a canary.
    pub note: Option<Value>,
}

/// How far a step came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepState {
    /// It has not begun.
    #[default]
    Waiting,
    /// It began, and nothing says that it ended.
    Running,
    /// It is done.
    Done,
    /// It was left out on request.
    Skipped,
    /// It failed.
    Failed,
    /// It was taken back.
    Undone,
    /// It stays on purpose.
    Kept,
    /// It could not be taken back.
    Stuck,
}

#[derive(Default)]
struct Story {
    state: StepState,
    began_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    why: Option<String>,
    note: Option<Value>,
}

impl Story {
    fn add(&mut self, record: &EntryRecord) {
        let at = record.at;
        match &record.entry {
            Entry::Started { .. } => {
                self.state = StepState::Running;
                self.began_at.get_or_insert(at);
            }
            Entry::Done { .. } => {
                self.state = StepState::Done;
                self.began_at.get_or_insert(at);
                self.ended_at = Some(at);
            }
            Entry::Noted { note, .. } => self.note = Some(note.clone()),
            Entry::Failed { error, .. } => {
                self.state = StepState::Failed;
                self.ended_at = Some(at);
                self.why = Some(error.clone());
            }
            // What failed is undone or kept as well: that it failed says more.
            Entry::Undone { .. } | Entry::Kept { .. } if self.state == StepState::Failed => {}
            Entry::Undone { .. } => self.state = StepState::Undone,
            Entry::Kept { reason, .. } => {
                self.state = StepState::Kept;
                self.why.get_or_insert_with(|| reason.clone());
            }
            Entry::Stuck { error, .. } => {
                self.state = StepState::Stuck;
                self.why.get_or_insert_with(|| error.clone());
            }
            _ => {}
        }
    }
}

/// All that is known about one deployment; `None` when there is no such deployment.
///
/// # Errors
/// When the journal cannot be read.
pub async fn deployment_record(
    journal: &dyn JournalStore,
    id: &DeploymentId,
) -> Result<Option<DeploymentRecord>, JournalError> {
    let Some(run) = journal.find(id).await? else { return Ok(None) };
    let Some((past, deployment)) = Past::of(&run).zip(deployment(&run)) else { return Ok(None) };
    let mut stories: BTreeMap<StepId, Story> = BTreeMap::new();
    for record in journal.records(id, 0).await? {
        stories.entry(record.entry.step().clone()).or_default().add(&record);
    }
    let steps = past.opening.steps.into_iter();
    let steps = steps.map(|step| {
        let mut story = stories.remove(&step.id).unwrap_or_default();
        if deployment.no_tests && step.kind == "verify" && story.state == StepState::Done {
            story.state = StepState::Skipped;
        }
        told(story, step)
    });
    let steps = steps.collect();
    Ok(Some(DeploymentRecord { deployment, steps }))
}

fn told(story: Story, step: RecordedStep) -> StepRecord {
    let Story { state, began_at, ended_at, why, note } = story;
    let RecordedStep { id, kind, worker, summary } = step;
    StepRecord { id, kind, summary, worker, state, began_at, ended_at, why, note }
}
