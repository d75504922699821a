//! A Cloudflare on loopback: the v4 REST API, and uploaded Workers on the real `workerd`.
//!
//! One port answers everything: at `127.0.0.1` the API, at every other hostname the Worker that a
//! custom domain, a route or `workers.dev` names; `http://<hostname>.localhost:<port>` works in
//! browsers and curl. Rust owns the data of D1, KV and R2; workerd only runs code.
//!
//! | you have | start at |
//! |---|---|
//! | a test or a program that needs a Cloudflare | [`LocalCloud::start`] |
//! | a program with a command that serves one | [`run_until_stopped`], [`detach_command`] |
//! | a state folder, and the question whether its cloud runs | [`find`], [`stop`], [`reset`] |
//! | Workers to run, and a directory of your own | [`Engine`], [`Directory`] |
//! | data to look at behind the API | [`Data`] |
//! | only the API | [`State`], [`ApiContext`], [`api_router`] |
//!
//! # Example
//! ```
//! use clodo_local::{CloudErrorKind, CloudOptions, LocalCloud, find};
//! use clodo_types::{ManualClock, Timestamp};
//! use std::sync::Arc;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let state = tempfile::tempdir()?;
//! let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(1_790_000_000_000)));
//! assert!(find(state.path()).await.is_none());
//!
//! // With a real workerd this is a cloud that answers; `clodo-npm` installs one.
//! let options = CloudOptions::new(state.path(), "/no/such/workerd", clock);
//! let error = LocalCloud::start(options).await.unwrap_err();
//! assert_eq!(error.kind(), CloudErrorKind::NoWorkerd);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limits, on purpose
//! - One workerd process serves all Workers of an account. A Worker that loops keeps its
//!   neighbours waiting until it is killed, two seconds at most; it is not yet moved into a
//!   process of its own.
//! - Queues accept messages and have no consumer; cron schedules are stored and do not fire.
//! - A service binding reaches the version with the most traffic, and never static assets first.
//!
//! # What this crate leaves to others
//! Installing workerd (`clodo-npm`), arguments and the terminal (the programs), and TLS. It never
//! depends on `clodo-cf-api`: client and server must not share a mistake.

mod api;
mod bindings;
mod data;
mod engine;
mod front;
mod lifecycle;
mod memory_workers;
mod routing;
mod runtime;
mod seams;
mod server;
mod state;

pub use api::{ApiContext, RequestCount, RequestLog, router as api_router};
pub use bindings::{RESOURCE_HEADER, Resource, ResourceError, router as bindings_router};
pub use data::{
    Bookmark, BucketRef, ByteStream, Checksums, Conditions, D1, D1Answer, D1Error, D1ErrorKind,
    D1Meta, D1Options, D1Request, D1Statement, Data, DatabaseInfo, DatabaseRef, EtagMatch, Expiry,
    ExportOptions, GetOptions, GetOutcome, HttpFields, ImportReport, Kv, KvEntry, KvError,
    KvErrorKind, KvKey, KvListOptions, KvListed, KvPage, KvPut, ListObjects, NamespaceRef,
    ObjectKey, ObjectMeta, ObjectPage, ObjectRange, Param, PartEtag, PoolOptions, PutOptions,
    PutOutcome, R2, R2Error, R2ErrorKind, RowFormat, StatementResult, StoredObject, Timings,
    UploadId, body_of,
};
pub use engine::{Engine, EngineOptions, LinkKind, Serving};
pub use lifecycle::{
    CLOUD_ENVIRONMENT, CloudError, CloudErrorKind, Reset, Running, Stopped, detach_command, find,
    log_path, reset, run_until_stopped, start_detached, stop,
};
pub use memory_workers::MemoryWorkers;
pub use runtime::Outbound;
pub use seams::{
    AssetEntry, Directory, Generation, Handlers, Resolved, RunWorkerFirst, ServedAssets,
    ServedBinding, ServedModule, ServedVersion, ValidationError, Workers,
};
pub use server::{CloudAccount, CloudOptions, Ended, LocalCloud, default_account};
pub use state::{Seed, SeedAccount, SeedToken, State, StateError, StateErrorKind};
