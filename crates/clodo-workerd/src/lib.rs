//! Workers on the real `workerd`, behind one port, for whatever a [`Directory`] says is deployed.
//!
//! | you have | start at |
//! |---|---|
//! | Workers to run, and a directory of your own | [`Engine`], [`Directory`] |
//! | one version of a Worker | [`ServedVersion`], [`Workers::validate`] |
//! | a cron trigger, a queue's messages or an instance of a Workflow | [`Engine::dispatch`], [`Dispatch`] |
//! | something above the runtime to test | [`MemoryWorkers`], [`MemoryDispatch`] |
//! | a wish to know what happens | [`Observer`] |
//!
//! One workerd process serves one account and is replaced blue/green; the front draws a version
//! by percentage, serves static assets, and keeps its own headers from clients.
//!
//! # Example
//! ```
//! use clodo_workerd::{EngineOptions, MemoryWorkers, Workers};
//! use clodo_types::{ManualClock, Timestamp};
//! use std::sync::Arc;
//!
//! let workers = MemoryWorkers::default();
//! workers.changed("0123456789abcdef0123456789abcdef");
//! assert_eq!(workers.changes().len(), 1);
//!
//! let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(1_790_000_000_000)));
//! let options = EngineOptions::new("/opt/workerd", "/run/clodo", "/var/lib/clodo", clock);
//! assert!(!options.v8_flags.is_empty());
//! ```
//!
//! # What this crate leaves to others
//! The REST API and what is deployed (`clodo-local`), what bindings answer (`clodo-storage`), and
//! installing workerd (`clodo-npm`).

mod addresses;
mod dispatcher;
mod engine;
mod events;
mod front;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod memory_dispatch;
mod memory_workers;
mod observer;
mod runtime;
mod seams;
mod workflow_dispatch;

pub use addresses::{HostPort, HostPortError};
pub use engine::{Engine, EngineOptions, LinkKind, Serving};
pub use events::{
    Dispatch, DispatchError, EventOutcome, MessageFormat, QueueBacklog, QueueBatch, QueueMessage,
    QueueOutcome, ScheduledEvent, ScheduledOutcome, WorkflowOutcome, WorkflowRun,
};
pub use front::{ClientAddress, Hangup};
pub use memory_dispatch::MemoryDispatch;
pub use memory_workers::MemoryWorkers;
pub use observer::{Invocation, Invoked, MemoryObserver, Observer, Outcome, Traces, Unobserved};
pub use runtime::{DurableFolderError, Outbound, check_durable_folder};
pub use seams::{
    ApartWorker, AssetEntry, Directory, Generation, Handlers, Objects, PartKind, Resolved,
    RunWorkerFirst, RuntimeStatus, Scripts, ServedAssets, ServedBinding, ServedModule,
    ServedNamespace, ServedVersion, ServedWorker, Tails, ValidationError, WorkerPort, Workers,
};
