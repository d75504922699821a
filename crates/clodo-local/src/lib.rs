//! A Cloudflare on loopback: the v4 REST API, and uploaded Workers on the real `workerd`.
//!
//! One port answers everything: at `127.0.0.1` the API, at every other hostname the Worker that a
//! custom domain, a route or `workers.dev` names; `http://<hostname>.localhost:<port>` works in
//! browsers and curl. Rust owns the data of D1, KV, R2 and queues; workerd only runs code.
//!
//! | you have | start at |
//! |---|---|
//! | a test or a program that needs a Cloudflare | [`LocalCloud::start`] |
//! | a program with a command that serves one | [`run_until_stopped`], [`detach_command`] |
//! | a Worker with a cron trigger, in a cloud that runs | [`Running::trigger`] |
//! | a state folder, and the question whether its cloud runs | [`find`], [`stop`], [`reset`] |
//! | a state to keep, to go back to or to compare | [`save_running`], [`restore`], [`diff_states`] |
//! | data to look at behind the API | [`Data`] |
//! | only the API | [`State`], [`ApiContext`], [`api_router`], [`api_routes`] |
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
//! - A Worker that loops keeps its neighbours waiting until its process is killed, two seconds at
//!   most, and has a process of its own from then on, until its version changes. Service bindings
//!   to and from it carry `fetch()` only. It may then compute for 30 seconds without a pause.
//! - Sockets of `connect()` do not leave this machine.
//! - A consumer whose settings leave its concurrency open runs ten times at once at most.
//! - All Durable Objects of a Worker run in the version with the largest share of the traffic; on
//!   Cloudflare each object is assigned a version. workerd wakes objects for their alarms in one
//!   version only, and two versions must never have one object open.
//! - Analytics count requests that came through the front and events; calls by service binding are
//!   none. workerd does not measure CPU time: `cpuTime` is 0 there and in tails. `fetch()` is counted
//!   with the next invocation of its Worker that ends.
//! - A tail begins and ends with a new process for its Worker; Durable Objects lose their memory then.
//! - `CF-EW-Via` counts hops where a Worker hands on its request's headers; a loop of fresh requests
//!   is not seen.
//! - A service binding never reaches static assets first.
//!
//! # What this crate leaves to others
//! Installing workerd (`clodo-npm`), arguments and the terminal (the programs), and TLS. It never
//! depends on `clodo-cf-api`: client and server must not share a mistake.

mod access;
mod analytics;
mod api;
mod builder;
mod events;
mod faults;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod guard;
mod levers;
mod lifecycle;
mod limits;
mod observed;
mod page;
mod routing;
mod server;
mod snapshots;
mod span;
mod state;
mod tail;

pub use api::{ApiContext, ApiRoute, RequestCount, RequestLog, api_routes, router as api_router};
pub use builder::CloudBuilder;
pub use faults::{Fault, FaultError, FaultKind, RoutePattern};
pub use lifecycle::{
    CLOUD_ENVIRONMENT, CloudError, CloudErrorKind, CloudSettings, CronRun, CronTrigger, Reset,
    Running, Stopped, TriggerError, detach_command, find, log_path, reset, run_until_stopped,
    start_detached, stop,
};
pub use limits::{LimitWords, Limits, LimitsError, Plan, Rate};
pub use server::{CloudAccount, CloudOptions, Ended, LocalCloud, default_account};
pub use snapshots::{
    Difference, Differing, Restored, SnapshotError, SnapshotErrorKind, StateDiff, check_snapshot,
    diff_states, restore, save_running, save_stopped, unpack,
};
pub use state::{Seed, SeedAccount, SeedToken, State, StateError, StateErrorKind};

// What options and getters speak of.
pub use clodo_sqlite::Durability;
pub use clodo_storage::Data;
pub use clodo_workerd::{HostPort, HostPortError, LinkKind, Outbound, RuntimeStatus, Workers};
