//! The Workers runtime: one workerd process per account, replaced blue/green.
//!
//! Invariant: no secret of a Worker is ever written to a file; it travels in the environment of
//! the workerd process alone.
//!
//! Invariant: one process serves one account, so that service bindings can carry RPC and two
//! customers with accounts of their own share nothing.

mod bindings;
mod blueprint;
mod capnp;
mod complaints;
mod keeper;
mod link;
mod modules;
mod output;
mod pool;
mod probe;
mod process;
mod pulse;
mod services;
mod supervisor;
mod tails;
#[cfg(test)]
mod tests;
mod view;
mod watchdog;

pub use blueprint::Outbound;
#[cfg(unix)]
pub(crate) use link::UnixLink;
pub(crate) use link::{Incoming, Link, Stream, TcpLink};
pub(crate) use pool::{Pool, PooledBody, RequestBody, SendError};
pub(crate) use services::{KEY_HEADER, RESOURCE_HEADER};
pub(crate) use supervisor::{Runtime, RuntimeOptions};
pub(crate) use view::{Account, Unavailable, events_key};
