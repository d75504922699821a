use crate::{
    blob::BlobStore, budget::BudgetStore, job::JobStore, journal::JournalStore, lease::LeaseStore,
    signal::SignalStore,
};

/// A store that keeps everything: `Arc<dyn StateStore>` becomes each of its parts where one is asked
/// for.
pub trait StateStore:
    JournalStore + LeaseStore + SignalStore + BudgetStore + JobStore + BlobStore
{
}

impl<S> StateStore for S where
    S: JournalStore + LeaseStore + SignalStore + BudgetStore + JobStore + BlobStore
{
}
