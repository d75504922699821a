//! What every store must pass. Each function takes a store that is empty and panics when the store
//! breaks a promise.

mod budgets;
mod fences;
mod journal;
mod leases;
mod signals;

pub use budgets::budget_store;
pub use fences::fences;
pub use journal::journal_store;
pub use leases::lease_store;
pub use signals::signal_store;
