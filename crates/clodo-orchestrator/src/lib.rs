//! Desired state and observed state become a plan; a plan becomes a saga that can be killed anywhere.
//!
//! | you have | start at |
//! |---|---|
//! | a description of Workers | [`Desired`], [`DesiredTarget`] |
//! | a question: what would change? | [`prepare`], or [`plan()`] on what was [`Observed`] |
//! | a wish: make it so | [`deploy()`] with a [`DeployContext`] |
//! | a doubt: does it still run as it was deployed? | [`drift()`], or [`diff`] on what was read |
//! | targets to take away | [`destroy`] with a [`Removal`]; [`DeployOptions::prune`] |
//! | an account: which previews are there? | [`previews_in`] |
//! | a deployment to take back | [`rollback()`], [`deployments`] |
//! | a place where Workers run | implement [`Platform`], pass `conformance::platform` |
//! | databases to migrate | implement [`Migrator`] |
//! | a check that may refuse a plan, or a prompt that asks a person | implement [`Gate`] |
//! | a probe of what was deployed | implement [`Verifier`] |
//! | secrets | implement [`SecretSource`] |
//! | a progress bar | implement [`DeployListener`] |
//!
//! # Example
//! ```
//! use clodo_bundle::Bundle;
//! use clodo_orchestrator::{
//!     DeployContext, DeployOptions, Desired, DesiredTarget, MemoryPlatform, MemorySecrets,
//!     MemoryVerifier, Outcome, Ports, deploy,
//! };
//! use clodo_saga::{Holder, MemoryStore};
//! use clodo_types::{ManualClock, TargetId};
//! use std::sync::Arc;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let platform = Arc::new(MemoryPlatform::default());
//! platform.add_account(&"main".parse()?, ["acme.test".parse()?]);
//! let store = Arc::new(MemoryStore::default());
//! let ports = Ports {
//!     platform: platform.clone(),
//!     migrator: platform.clone(),
//!     verifier: Arc::new(MemoryVerifier::new(platform.clone())),
//!     secrets: Arc::new(MemorySecrets::default()),
//!     journal: store.clone(),
//!     leases: store,
//!     clock: Arc::new(ManualClock::default()),
//! };
//! let cx = DeployContext::new(ports, Holder::new("laptop", 4711, "0"));
//!
//! let id = TargetId {
//!     service: "web".parse()?,
//!     environment: "staging".parse()?,
//!     customer: None,
//!     account: "main".parse()?,
//! };
//! let bundle = Arc::new(Bundle::new(None, Vec::new(), None));
//! let mut web = DesiredTarget::new(id, "web-staging".parse()?, bundle);
//! web.domains.insert("staging.acme.test".parse()?);
//! let desired = Desired::new("storefront".parse()?, [web]);
//!
//! let first = DeployOptions::new("018f3c5e-0000-7000-8000-000000000001".parse()?);
//! let report = deploy(&cx, &desired, &first).await?;
//! assert_eq!(report.outcome, Outcome::Done);
//! assert_eq!(report.targets[0].urls, ["https://staging.acme.test"]);
//!
//! let again = DeployOptions::new("018f3c5e-0000-7000-8000-000000000002".parse()?);
//! assert_eq!(deploy(&cx, &desired, &again).await?.outcome, Outcome::NothingToDo);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it holds
//! - The truth is the live account: the hashes of content and configuration stand in a Worker's tags
//!   ([`Mark`]), and are written last. Losing every local file loses history, not correctness.
//! - Before a step writes, the journal knows what it goes back to ([`Before`]). A run that died is
//!   finished by the next one, and if that one fails, both are taken back.
//! - Data is never undone: what was migrated stays, and the report names it.
//!
//! # What this crate leaves to others
//! HTTP, config files, bundling and the terminal; ids and the time come in.
//!
//! # Features
//! - `fake`: `MemoryPlatform` and its companions, with faults on demand.
//! - `conformance`: `conformance::platform` and `conformance::migrator`, the suites that adapters pass.

mod change;
mod chronicle;
mod closer;
mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod context;
mod deploy;
mod desired;
mod drift;
mod error;
mod event;
mod execute;
mod history;
mod inspected;
mod mark;
#[cfg(feature = "fake")]
mod memory;
mod migration;
mod observed;
mod plan;
mod planner;
mod platform;
mod ports;
mod preview;
mod previews;
mod record;
mod removal;
mod report;
mod resource;
mod restore;
mod rollback;
mod saved;
mod step;
mod strategy;
mod telemetry;
mod trigger;
mod vigil;
mod word;

pub use change::{
    Applied, Before, Change, Inputs, Look, Traffic, Undone, Upload, main_version, traffic_before,
};
pub use chronicle::{DeploymentRecord, StepRecord, StepState, deployment_record};
pub use context::{DeployContext, DeployOptions, Ports};
pub use deploy::{Prepared, deploy, lease_name, prepare};
pub use desired::{Desired, DesiredTarget};
pub use drift::{
    Drift, DriftFacts, DriftKind, DriftOptions, DriftReport, LastDeployed, diff, drift,
};
pub use error::{DeployError, DeployErrorKind};
pub use event::{DeployEvent, DeployListener, Silent};
pub use inspected::{BoundTo, Inspected, InspectedVersion, VersionHead};
pub use mark::{Hashes, Mark, MessageError, VersionMessage};
#[cfg(feature = "fake")]
pub use memory::{Fault, Meddling, MemoryPlatform, MemorySecrets, MemoryTelemetry, MemoryVerifier};
pub use migration::{
    AppliedMigration, Checksum, ChecksumError, MigrationFile, MigrationRecord, MigrationTarget,
    RestorePoint,
};
pub use observed::{
    AccountScope, Observed, ObservedAccount, ObservedDatabase, ObservedQueue, ObservedWorker,
    ObservedWorkflow, Scope,
};
pub use plan::{Action, Fate, Hold, Judgement, Migration, Plan, PlannedStep, PlannedTarget};
pub use planner::{PlanError, PlanOptions, RecordedConfig, plan};
pub use platform::{Platform, PlatformError, PlatformErrorKind};
pub use ports::{Gate, Migrator, SecretSource, Verdict, Verifier};
pub use preview::{Preview, PreviewName, PreviewNameError};
pub use previews::{FoundPreview, preview_targets, previews_in};
pub use record::{
    DeployedTarget, Deployment, DeploymentState, deployments, find_deployment,
    unfinished_deployments,
};
pub use removal::{Data, Removal, RemovalOptions, destroy, plan_removal, prepare_destroy};
pub use report::{DeployReport, FailureKind, FailureReport, Leftover, Outcome, TargetReport};
pub use resource::{
    DatabaseRef, Delivery, DesiredBucket, DesiredConsumer, DesiredDatabase, DesiredDurableObject,
    DesiredNamespace, DesiredQueue, DesiredService, DesiredWorkflow, NamespaceRef, OwnWorkflow,
    QueueConsumer, Registration, ResourceRef,
};
pub use rollback::{Reach, RollbackOptions, prepare_rollback, rollback};
pub use saved::{SavedPlan, SavedPlanError};
pub use strategy::{
    Approval, BatchSize, BlueGreen, Canary, CanaryStep, Inconclusive, Rolling, Rollout, Strategy,
    Wave,
};
pub use telemetry::{Reading, Telemetry, TelemetryQuestion};
pub use trigger::{Addresses, Check, Route, Through, TrafficShare, WorkerRef, WorkersDev};
