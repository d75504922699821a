//! A Workflow with its versions, as they are kept. Its instances are the storage engine's.

use super::ids::Moment;
use clodo_storage::{Retention, WorkflowRef, WorkflowSettings};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How many of its versions are kept.
const KEPT_VERSIONS: usize = 100;

/// One Workflow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Workflow {
    pub(crate) id: String,
    pub(crate) name: String,
    /// The Worker that exports its class.
    pub(crate) script: String,
    pub(crate) created_on: Moment,
    pub(crate) modified_on: Moment,
    pub(crate) jurisdiction: Option<String>,
    /// Cron expressions.
    pub(crate) schedules: Vec<String>,
    /// Oldest first, and never empty.
    pub(crate) versions: Vec<WorkflowVersion>,
}

/// What a Workflow was from one registration to the next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct WorkflowVersion {
    pub(crate) id: String,
    pub(crate) class: String,
    pub(crate) created_on: Moment,
    /// How many steps an instance may have, where that was said.
    pub(crate) steps: Option<u32>,
    pub(crate) concurrency: Option<u32>,
    /// In milliseconds.
    pub(crate) success_retention: Option<u64>,
    /// In milliseconds.
    pub(crate) error_retention: Option<u64>,
}

impl Workflow {
    /// The newest version.
    pub(crate) fn latest(&self) -> &WorkflowVersion {
        self.versions.last().expect("a Workflow is made with a version, and the newest is kept")
    }

    pub(crate) fn version(&self, id: &str) -> Option<&WorkflowVersion> {
        self.versions.iter().find(|version| version.id == id)
    }

    pub(crate) fn add(&mut self, version: WorkflowVersion) {
        self.versions.push(version);
        let surplus = self.versions.len().saturating_sub(KEPT_VERSIONS);
        self.versions.drain(..surplus);
    }

    /// What the engine calls it; `None` only for ids that no API call could have made.
    pub(crate) fn reference(&self, account: &str) -> Option<WorkflowRef> {
        Some(WorkflowRef { account: account.parse().ok()?, id: self.id.parse().ok()? })
    }

    /// What the engine must know.
    pub(crate) fn engine_settings(&self) -> WorkflowSettings {
        let latest = self.latest();
        let usual = WorkflowSettings::new(latest.id.clone());
        let kept = |millis: Option<u64>, usual| millis.map_or(usual, Duration::from_millis);
        let limit = latest.concurrency.and_then(|limit| usize::try_from(limit).ok());
        WorkflowSettings {
            steps: latest.steps.unwrap_or(usual.steps),
            // One machine has other things to do.
            concurrency: limit.unwrap_or(usual.concurrency).min(usual.concurrency),
            retention: Retention {
                success: kept(latest.success_retention, usual.retention.success),
                error: kept(latest.error_retention, usual.retention.error),
            },
            ..usual
        }
    }
}
