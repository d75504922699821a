mod blobs;
mod budgets;
mod jobs;
mod journal;
mod leases;
mod signals;

use self::{blobs::Blob, journal::Run, leases::Slot};
use crate::{blob::BlobKey, ledger::BudgetLedger};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

/// Keeps everything in memory, for tests and for runs that need no history.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Shelves>);

#[derive(Debug, Default)]
struct Shelves {
    runs: Vec<Run>,
    leases: BTreeMap<String, Slot>,
    budgets: BTreeMap<String, BudgetLedger>,
    jobs: Vec<jobs::Slot>,
    blobs: BTreeMap<BlobKey, Blob>,
}

impl MemoryStore {
    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        self.0.lock().expect("no holder panics")
    }
}
