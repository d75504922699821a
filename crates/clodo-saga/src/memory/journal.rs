use super::{MemoryStore, Shelves};
use crate::{
    error::{JournalError, JournalErrorKind},
    journal::{Addition, Closing, EntryRecord, JournalStore, RunHeader, RunQuery, RunRecord},
    lease::Fence,
    signal::Signal,
};
use async_trait::async_trait;
use clodo_types::DeploymentId;

/// One run and its entries.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) record: RunRecord,
    entries: Vec<EntryRecord>,
    pub(super) signals: Vec<Signal>,
}

impl Shelves {
    pub(super) fn run(&self, id: &DeploymentId) -> Option<&Run> {
        self.runs.iter().find(|run| run.record.header.id == *id)
    }

    pub(super) fn open_run(
        &mut self,
        id: &DeploymentId,
        doing: &'static str,
    ) -> Result<&mut Run, JournalError> {
        let refused = |kind| JournalError::new(kind, doing);
        let run = self.runs.iter_mut().find(|run| run.record.header.id == *id);
        let run = run.ok_or_else(|| refused(JournalErrorKind::Unknown))?;
        match run.record.closing {
            Some(_) => Err(refused(JournalErrorKind::Conflict)),
            None => Ok(run),
        }
    }
}

#[async_trait]
impl JournalStore for MemoryStore {
    async fn open(&self, run: &RunHeader, fence: Option<&Fence>) -> Result<(), JournalError> {
        const DOING: &str = "open a run";
        let mut shelves = self.shelves();
        shelves.check(fence, DOING)?;
        if shelves.run(&run.id).is_some() {
            return Err(JournalError::new(JournalErrorKind::Conflict, DOING));
        }
        let record = RunRecord { header: run.clone(), closing: None };
        shelves.runs.push(Run { record, entries: Vec::new(), signals: Vec::new() });
        Ok(())
    }

    async fn append(&self, run: &DeploymentId, added: &Addition<'_>) -> Result<(), JournalError> {
        const DOING: &str = "write a journal entry";
        let mut shelves = self.shelves();
        shelves.check(added.fence, DOING)?;
        let entries = &mut shelves.open_run(run, DOING)?.entries;
        for entry in added.entries {
            let (at, fence, entry) = (added.at, added.fence.cloned(), entry.clone());
            entries.push(EntryRecord { number: entries.len() as u64 + 1, at, fence, entry });
        }
        Ok(())
    }

    async fn close(
        &self,
        run: &DeploymentId,
        closing: &Closing,
        fence: Option<&Fence>,
    ) -> Result<(), JournalError> {
        const DOING: &str = "close a run";
        let mut shelves = self.shelves();
        shelves.check(fence, DOING)?;
        shelves.open_run(run, DOING)?.record.closing = Some(closing.clone());
        Ok(())
    }

    async fn runs(&self, query: &RunQuery) -> Result<Vec<RunRecord>, JournalError> {
        let shelves = self.shelves();
        let newest_first = shelves.runs.iter().rev().map(|run| &run.record);
        Ok(newest_first.filter(|run| query.matches(run)).take(query.last).cloned().collect())
    }

    async fn find(&self, run: &DeploymentId) -> Result<Option<RunRecord>, JournalError> {
        Ok(self.shelves().run(run).map(|run| run.record.clone()))
    }

    async fn records(
        &self,
        run: &DeploymentId,
        after: u64,
    ) -> Result<Vec<EntryRecord>, JournalError> {
        let shelves = self.shelves();
        let records = shelves.run(run).map(|run| run.entries.iter()).into_iter().flatten();
        Ok(records.filter(|record| record.number > after).cloned().collect())
    }
}
