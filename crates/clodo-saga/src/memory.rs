use crate::{
    journal::{
        Closing, Entry, JournalError, JournalErrorKind, JournalStore, RunHeader, RunQuery,
        RunRecord,
    },
    lease::{Grant, Lease, LeaseRequest, LeaseStore, LeaseStoreError},
};
use async_trait::async_trait;
use clodo_types::{DeploymentId, Timestamp};
use std::{collections::BTreeMap, sync::Mutex};

/// Keeps journals and leases in memory, for tests and for runs that need no history.
#[derive(Debug, Default)]
pub struct MemoryStore {
    runs: Mutex<Vec<(RunRecord, Vec<Entry>)>>,
    leases: Mutex<BTreeMap<String, Slot>>,
}

#[derive(Debug, Default)]
struct Slot {
    last: u64,
    held: Option<Lease>,
}

impl MemoryStore {
    fn with_open<T>(
        &self,
        run: &DeploymentId,
        doing: &'static str,
        work: impl FnOnce(&mut (RunRecord, Vec<Entry>)) -> T,
    ) -> Result<T, JournalError> {
        let refused = |kind| JournalError::new(kind, doing);
        let mut runs = self.runs.lock().expect("no holder panics");
        let found = runs.iter_mut().find(|(record, _)| record.header.id == *run);
        let found = found.ok_or_else(|| refused(JournalErrorKind::Unknown))?;
        if found.0.closing.is_some() {
            return Err(refused(JournalErrorKind::Conflict));
        }
        Ok(work(found))
    }
}

#[async_trait]
impl JournalStore for MemoryStore {
    async fn open(&self, run: &RunHeader) -> Result<(), JournalError> {
        let mut runs = self.runs.lock().expect("no holder panics");
        if runs.iter().any(|(known, _)| known.header.id == run.id) {
            return Err(JournalError::new(JournalErrorKind::Conflict, "open a run"));
        }
        runs.push((RunRecord { header: run.clone(), closing: None }, Vec::new()));
        Ok(())
    }

    async fn append(
        &self,
        run: &DeploymentId,
        _at: Timestamp,
        entry: &Entry,
    ) -> Result<(), JournalError> {
        self.with_open(run, "write a journal entry", |(_, entries)| entries.push(entry.clone()))
    }

    async fn close(&self, run: &DeploymentId, closing: &Closing) -> Result<(), JournalError> {
        self.with_open(run, "close a run", |(record, _)| record.closing = Some(closing.clone()))
    }

    async fn runs(&self, query: &RunQuery) -> Result<Vec<RunRecord>, JournalError> {
        let runs = self.runs.lock().expect("no holder panics");
        let newest_first = runs.iter().rev().map(|(record, _)| record);
        Ok(newest_first.filter(|run| query.matches(run)).take(query.last).cloned().collect())
    }

    async fn find(&self, run: &DeploymentId) -> Result<Option<RunRecord>, JournalError> {
        let runs = self.runs.lock().expect("no holder panics");
        let found = runs.iter().find(|(record, _)| record.header.id == *run);
        Ok(found.map(|(record, _)| record.clone()))
    }

    async fn entries(&self, run: &DeploymentId) -> Result<Vec<Entry>, JournalError> {
        let runs = self.runs.lock().expect("no holder panics");
        let found = runs.iter().find(|(record, _)| record.header.id == *run);
        Ok(found.map(|(_, entries)| entries.clone()).unwrap_or_default())
    }
}

#[async_trait]
impl LeaseStore for MemoryStore {
    async fn acquire(&self, request: &LeaseRequest) -> Result<Grant, LeaseStoreError> {
        let mut leases = self.leases.lock().expect("no holder panics");
        let slot = leases.entry(request.name.clone()).or_default();
        if let Some(held) = slot.held.as_ref().filter(|held| request.now < held.expires_at) {
            return Ok(Grant::Held(held.clone()));
        }
        slot.last += 1;
        let lease = Lease {
            name: request.name.clone(),
            holder: request.holder.clone(),
            number: slot.last,
            expires_at: request.expires_at(),
        };
        slot.held = Some(lease.clone());
        Ok(Grant::Granted(lease))
    }

    async fn renew(&self, lease: &Lease, until: Timestamp) -> Result<bool, LeaseStoreError> {
        let mut leases = self.leases.lock().expect("no holder panics");
        let held = leases.get_mut(&lease.name).and_then(|slot| slot.held.as_mut());
        let own = held.filter(|held| held.number == lease.number);
        Ok(own.map(|held| held.expires_at = until).is_some())
    }

    async fn release(&self, lease: &Lease) -> Result<(), LeaseStoreError> {
        let mut leases = self.leases.lock().expect("no holder panics");
        if let Some(slot) = leases.get_mut(&lease.name)
            && slot.held.as_ref().is_some_and(|held| held.number == lease.number)
        {
            slot.held = None;
        }
        Ok(())
    }
}
