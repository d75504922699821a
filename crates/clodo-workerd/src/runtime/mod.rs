//! The Workers runtime: workerd processes, replaced blue/green.
//!
//! Invariant: no secret of a Worker is ever written to a file; it travels in the environment of
//! the workerd process alone.
//!
//! Invariant: a process serves one account, so that two customers with accounts of their own share
//! nothing. Workers of an account that reach each other share a process, so that service bindings
//! can carry RPC, except one that was found to harm its neighbours.
//!
//! From a request to a process: [`Account::ask`] notes that a Worker is needed, the keeper
//! (`keeper.rs`) gathers what that reaches (`gather.rs`) and decides which process runs it
//! (`layout.rs`), and the task of that process (`shard.rs`) replaces it. What goes wrong is noticed
//! by `pulse.rs` and judged by `blame.rs`.

mod bindings;
mod blame;
mod blueprint;
mod calls;
mod capnp;
mod checks;
mod complaints;
mod current;
mod durable;
mod gather;
mod keeper;
mod layout;
mod link;
mod modules;
mod output;
mod pool;
mod probe;
mod process;
mod pulse;
mod services;
mod shard;
mod supervisor;
mod tails;
#[cfg(test)]
mod tests;
mod view;
mod watchdog;

pub use blueprint::Outbound;
pub use durable::{DurableFolderError, check_durable_folder};
#[cfg(unix)]
pub(crate) use link::UnixLink;
pub(crate) use link::{Incoming, Link, Stream, TcpLink};
pub(crate) use pool::{Pool, PooledBody, RequestBody, SendError, Ticket};
pub(crate) use services::{KEY_HEADER, RESOURCE_HEADER};
pub(crate) use supervisor::{Runtime, RuntimeOptions};
pub(crate) use view::{Account, Unavailable, events_key, workflows_key};
