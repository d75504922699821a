//! Tails: who listens to which Worker, and what each of them hears.
//!
//! **Invariant:** nothing here waits for a listener. Each has a bounded queue; what does not fit is
//! dropped, and the listener is told that it was.

mod event;
mod filter;
mod hub;
mod session;

pub(crate) use filter::{FilterError, Filters};
pub(crate) use hub::{NewTail, TailHub, TailRefused};
pub(crate) use session::Session;
