//! Durable steps: a journal, idempotent acts and undos, resume after a crash, and a lease that
//! keeps two runs apart.
//!
//! | you have | start at |
//! |---|---|
//! | a change that can be taken back | implement [`Step`] |
//! | several of them | [`run`] with a [`RunContext`] |
//! | a run whose process died | [`RunQuery::unfinished`], then [`resume`], or [`Progress`] for a new plan |
//! | a run to hold up for a while | [`Brake`] |
//! | work that only one process may do at a time | [`LeaseGuard::acquire`] |
//! | a place to keep it all | [`SqliteStore`], in tests [`MemoryStore`], for a team `PostgresStore` (feature `postgres`) |
//! | whichever of these | [`StateStore`] |
//! | a word for a run in another process | [`SignalStore`] |
//! | a limit of calls that several processes share | [`BudgetStore`] |
//! | work for runners on several machines | [`JobStore`], and [`BlobStore`] for what it needs |
//! | another kind of store | implement [`JournalStore`], [`LeaseStore`] … and pass `conformance` |
//!
//! # Example
//! ```
//! use async_trait::async_trait;
//! use clodo_saga::{Earlier, Ending, Look, MemoryStore, Outputs, RunContext, RunHeader, Step, StepError, StepId, Undo};
//! use clodo_types::{Clock, ManualClock};
//! use serde_json::{Value, json};
//! use std::sync::{Arc, Mutex};
//!
//! #[derive(Debug)]
//! struct Greet(StepId, Arc<Mutex<Vec<String>>>);
//!
//! #[async_trait]
//! impl Step for Greet {
//!     fn id(&self) -> &StepId {
//!         &self.0
//!     }
//!     fn needs(&self) -> &[StepId] {
//!         &[]
//!     }
//!     async fn look(&self, _: &Outputs) -> Result<Look, StepError> {
//!         Ok(Look { before: Value::Null, already: None })
//!     }
//!     async fn act(&self, _: &Outputs) -> Result<Value, StepError> {
//!         self.1.lock().unwrap().push("hello".into());
//!         Ok(json!({ "said": 1 }))
//!     }
//!     async fn undo(&self, _: &Value, _: Option<&Value>, _: &Outputs) -> Result<Undo, StepError> {
//!         self.1.lock().unwrap().retain(|said| said != "hello");
//!         Ok(Undo::Undone)
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let said = Arc::new(Mutex::new(Vec::new()));
//! let clock = Arc::new(ManualClock::default());
//! let cx = RunContext::new(Arc::new(MemoryStore::default()), clock.clone());
//! let header = RunHeader {
//!     id: "018f3c5e-0000-7000-8000-000000000000".parse()?,
//!     scope: "example".into(),
//!     started_at: clock.now(),
//!     data: Value::Null,
//! };
//! let steps: Vec<Arc<dyn Step>> = vec![Arc::new(Greet(StepId::new("greet"), said.clone()))];
//! let report = clodo_saga::run(steps, header, Earlier::default(), &cx, |_| Value::Null).await?;
//! assert_eq!(report.ending, Ending::Completed);
//! assert_eq!(*said.lock().unwrap(), ["hello"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What this crate leaves to others
//! What the steps do, and whether an interrupted run is resumed as it was or planned anew.
//!
//! # Features
//! - `conformance`: the module `conformance`, the suite that every store passes.
//! - `postgres`: `PostgresStore`, over tokio-postgres, with TLS by rustls.

mod blob;
mod brake;
mod budget;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod core;
mod error;
mod event;
mod graph;
mod guard;
mod job;
mod journal;
mod lease;
mod ledger;
mod march;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
mod report;
mod run;
mod signal;
mod sqlite;
mod state;
mod step;
mod unwind;

pub use blob::{BlobKey, BlobKeyError, BlobStore};
pub use brake::Brake;
pub use budget::{BudgetReport, BudgetStore, BudgetWord, Settled};
pub use error::{JournalError, JournalErrorKind, LeaseStoreError, StoreError, StoreErrorKind};
pub use event::{Deaf, Event, Listener};
pub use graph::GraphError;
pub use guard::{LeaseError, LeaseGuard, LeaseOptions};
pub use job::{
    Claim, ClaimedJob, Job, JobEnd, JobId, JobOutcome, JobQuery, JobRecord, JobState, JobStore,
};
pub use journal::{
    Addition, Closing, Ending, Entry, EntryRecord, JournalStore, Progress, RunHeader, RunQuery,
    RunRecord,
};
pub use lease::{Fence, Grant, Holder, HolderError, Lease, LeaseRequest, LeaseStore, Liveness};
pub use ledger::{BudgetGrant, BudgetLedger, BudgetView};
pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresOptions, PostgresPlace, PostgresStore, PostgresUrlError};
pub use report::{Failure, FailureCause, RunReport};
pub use run::{Earlier, RunContext, RunError, resume, run};
pub use signal::{Signal, SignalKind, SignalStore};
pub use sqlite::SqliteStore;
pub use state::StateStore;
pub use step::{Look, Outputs, Step, StepError, StepId, Suspended, Undo};
