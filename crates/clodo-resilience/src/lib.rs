//! What keeps calls to a shared service within bounds.
//!
//! | you have | start at |
//! |---|---|
//! | a service that allows so many calls in a window | [`CallBudget`] |
//! | a service that fails, and callers that should not wait for it | [`Breakers`] |
//! | a service that takes only so many calls at a time | [`Bulkhead`] |
//! | callers that ask the same at the same time | [`SharedReads`] |
//!
//! # Example
//! ```
//! use clodo_resilience::{CallBudget, RateLimits};
//! use std::time::Duration;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?.block_on(async {
//! // 1,200 calls in 5 minutes, once the server speaks of a limit at all.
//! let budget = CallBudget::following(1_200, Duration::from_secs(300));
//! budget.take().await;
//! // It said: two calls are left, and the window ends in 30 s.
//! let said = RateLimits { remaining: Some(2), resets_in: Some(Duration::from_secs(30)), ..RateLimits::default() };
//! budget.learn(&said);
//! let began = tokio::time::Instant::now();
//! for _ in 0..3 {
//!     budget.take().await;
//! }
//! assert_eq!(began.elapsed(), Duration::from_secs(30));
//! # });
//! # Ok::<_, std::io::Error>(())
//! ```
//!
//! # What this crate leaves to others
//! Repeating and time-outs of HTTP calls (`clodo-http`), reading limits from headers (there too),
//! sharing a budget between processes. Time is tokio's: no wall clock, and tests can pause it.

mod breaker;
mod budget;
mod bulkhead;
mod shared_reads;
mod tally;

pub use breaker::{
    BreakerEvent, BreakerOptions, BreakerState, Breakers, CallPermit, CircuitOpen, TripRule,
};
pub use budget::{BudgetView, CallBudget, RateLimits};
pub use bulkhead::{Bulkhead, BulkheadFull, BulkheadSlot};
pub use shared_reads::{Made, SharedReads, SharedReadsOptions, SharedReadsView, Source};
