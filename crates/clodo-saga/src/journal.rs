use crate::{error::JournalError, lease::Fence, step::StepId};
use async_trait::async_trait;
use clodo_types::{DeploymentId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, fmt};

/// Where runs are written down.
///
/// # Contract
/// - A method that writes returns only once what it wrote survives the end of the process, and
///   writes all of it or nothing.
/// - What comes with a fence is written only while that lease is the current one of its name; else
///   it is refused as [`Fenced`](crate::StoreErrorKind::Fenced), whatever else might be wrong. The
///   leases are those of the same store. Whether the lease has expired makes no difference: for as
///   long as nobody else was granted it, nobody else writes.
/// - `entries` and `records` keep the order in which `append` returned; `runs` the order of `open`,
///   newest first, whatever the clock said.
/// - `open` of an id that is known, and `append` and `close` of one that is unknown or closed, are
///   refused and change nothing.
/// - Nothing is written twice, also when an answer is lost on its way and the store asks again.
#[async_trait]
pub trait JournalStore: fmt::Debug + Send + Sync + 'static {
    /// Begins a run.
    ///
    /// # Errors
    /// When the id is taken, the lease is lost, or the store fails.
    async fn open(&self, run: &RunHeader, fence: Option<&Fence>) -> Result<(), JournalError>;

    /// Adds entries to an open run.
    ///
    /// # Errors
    /// When the run is not open, the lease is lost, or the store fails.
    async fn append(&self, run: &DeploymentId, added: &Addition<'_>) -> Result<(), JournalError>;

    /// Ends a run.
    ///
    /// # Errors
    /// When the run is not open, the lease is lost, or the store fails.
    async fn close(
        &self,
        run: &DeploymentId,
        closing: &Closing,
        fence: Option<&Fence>,
    ) -> Result<(), JournalError>;

    /// Runs that match, newest first.
    ///
    /// # Errors
    /// When the store fails.
    async fn runs(&self, query: &RunQuery) -> Result<Vec<RunRecord>, JournalError>;

    /// One run.
    ///
    /// # Errors
    /// When the store fails.
    async fn find(&self, run: &DeploymentId) -> Result<Option<RunRecord>, JournalError>;

    /// The entries of one run that were added after the one of this number (0: all), oldest first;
    /// none for an unknown run. Who follows a run asks again and again.
    ///
    /// # Errors
    /// When the store fails.
    async fn records(
        &self,
        run: &DeploymentId,
        after: u64,
    ) -> Result<Vec<EntryRecord>, JournalError>;

    /// All entries of one run, oldest first.
    ///
    /// # Errors
    /// When the store fails.
    async fn entries(&self, run: &DeploymentId) -> Result<Vec<Entry>, JournalError> {
        let records = self.records(run, 0).await?;
        Ok(records.into_iter().map(|record| record.entry).collect())
    }
}

/// Entries that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Addition<'a> {
    /// When they happened.
    pub at: Timestamp,
    /// What happened, oldest first.
    pub entries: &'a [Entry],
    /// The lease under which they are written.
    pub fence: Option<&'a Fence>,
}

/// An entry in the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntryRecord {
    /// Its number: later ones of the run have higher ones, not always the next.
    pub number: u64,
    /// When it happened, by the clock of who wrote it.
    pub at: Timestamp,
    /// The lease under which it was written.
    pub fence: Option<Fence>,
    /// What happened.
    pub entry: Entry,
}

/// How a run begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunHeader {
    /// Its id.
    pub id: DeploymentId,
    /// What it is about, such as a portfolio's name; runs are looked up by it.
    pub scope: String,
    /// When it began.
    pub started_at: Timestamp,
    /// Whatever its owner needs to understand it later. No secrets.
    pub data: Value,
}

/// How a run ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Closing {
    /// When.
    pub at: Timestamp,
    /// How.
    pub ending: Ending,
    /// Whatever its owner wants to keep about the end. No secrets.
    pub data: Value,
}

/// How a run ended, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ending {
    /// Every step is done.
    Completed,
    /// Everything that was begun was taken back.
    Unwound,
    /// Something that was done is still there.
    PartlyDone,
    /// The run was interrupted, and a later one took its work over.
    Superseded,
}

/// A run in the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// How it began.
    pub header: RunHeader,
    /// How it ended; `None` while it runs, or after its process died.
    pub closing: Option<Closing>,
}

/// Which runs to list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunQuery {
    /// Only runs of this scope.
    pub scope: Option<String>,
    /// Only runs that are not closed.
    pub unfinished: bool,
    /// At most this many.
    pub last: usize,
}

impl RunQuery {
    /// The newest runs of all scopes.
    #[must_use]
    pub fn last(last: usize) -> Self {
        Self { scope: None, unfinished: false, last }
    }

    /// All runs that are not closed.
    #[must_use]
    pub fn unfinished() -> Self {
        Self { scope: None, unfinished: true, last: usize::MAX }
    }

    /// Of these, only those of one scope.
    #[must_use]
    pub fn of_scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    pub(crate) fn matches(&self, run: &RunRecord) -> bool {
        let scope = self.scope.as_ref().is_none_or(|scope| *scope == run.header.scope);
        scope && !(self.unfinished && run.closing.is_some())
    }
}

/// What happened to a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Entry {
    /// Written before the step acts, so that a crash in the middle of it is visible.
    Started {
        /// Which step.
        step: StepId,
        /// What its undo goes back to.
        before: Value,
    },
    /// The change is in place.
    Done {
        /// Which step.
        step: StepId,
        /// What later steps need to know.
        output: Value,
    },
    /// The step is under way, and this is what it knows: whoever goes on with it begins there.
    Noted {
        /// Which step.
        step: StepId,
        /// What it knows. No secrets.
        note: Value,
    },
    /// The step failed; unwinding begins.
    Failed {
        /// Which step.
        step: StepId,
        /// Why, with all causes.
        error: String,
    },
    /// The change was taken back.
    Undone {
        /// Which step.
        step: StepId,
    },
    /// The change stays on purpose.
    Kept {
        /// Which step.
        step: StepId,
        /// Why.
        reason: String,
    },
    /// The change may still be in place; a person must look.
    Stuck {
        /// Which step.
        step: StepId,
        /// Why, with all causes.
        error: String,
    },
}

impl Entry {
    /// The step that it is about.
    #[must_use]
    pub fn step(&self) -> &StepId {
        match self {
            Self::Started { step, .. }
            | Self::Done { step, .. }
            | Self::Noted { step, .. }
            | Self::Failed { step, .. }
            | Self::Undone { step }
            | Self::Kept { step, .. }
            | Self::Stuck { step, .. } => step,
        }
    }
}

/// How far a run came, read from its entries.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// What each step that was begun, and not undone, has to go back to.
    pub before: BTreeMap<StepId, Value>,
    /// The outputs of steps that are done.
    pub outputs: BTreeMap<StepId, Value>,
    /// What each step noted last.
    pub notes: BTreeMap<StepId, Value>,
    /// The first step that failed.
    pub failed: Option<(StepId, String)>,
    /// Steps whose change stays, and why.
    pub kept: BTreeMap<StepId, String>,
}

impl Progress {
    /// Reads the entries of one run, oldest first.
    #[must_use]
    pub fn of(entries: &[Entry]) -> Self {
        let mut progress = Self::default();
        for entry in entries {
            progress.add(entry);
        }
        progress
    }

    fn add(&mut self, entry: &Entry) {
        match entry {
            Entry::Started { step, before } => {
                // The first look saw the world without the run's own doing.
                self.before.entry(step.clone()).or_insert_with(|| before.clone());
            }
            Entry::Done { step, output } => {
                self.outputs.insert(step.clone(), output.clone());
            }
            Entry::Noted { step, note } => {
                self.notes.insert(step.clone(), note.clone());
            }
            Entry::Failed { step, error } => {
                self.failed.get_or_insert_with(|| (step.clone(), error.clone()));
            }
            Entry::Undone { step } => {
                self.before.remove(step);
                self.outputs.remove(step);
                self.notes.remove(step);
            }
            Entry::Kept { step, reason } => {
                self.before.remove(step);
                self.kept.insert(step.clone(), reason.clone());
            }
            Entry::Stuck { .. } => {}
        }
    }
}
