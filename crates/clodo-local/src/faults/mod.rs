//! Faults on demand, from a seed: what a client must survive, when and as often as a test wants it.

mod book;
mod inject;
mod rule;

pub(crate) use book::{FaultBook, Seen};
pub(crate) use inject::{Injected, inject, throttled};
pub(crate) use rule::FaultWire;
pub use rule::{Fault, FaultError, FaultKind, RoutePattern};
