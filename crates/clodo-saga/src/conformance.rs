//! What every store must pass. Each function takes a store that is empty and panics when the store
//! breaks a promise.

mod blobs;
mod budgets;
mod fences;
mod jobs;
mod journal;
mod leases;
mod signals;

pub use blobs::blob_store;
pub use budgets::budget_store;
pub use fences::fences;
pub use jobs::job_store;
pub use journal::journal_store;
pub use leases::lease_store;
pub use signals::signal_store;
