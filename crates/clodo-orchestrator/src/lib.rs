//! Desired state and observed state become a plan; a plan becomes a saga.
//!
//! | you have | start at |
//! |---|---|
//! | a description of Workers | [`Desired`], [`DesiredTarget`] |
//! | a place where Workers run | implement [`Platform`] |
//! | databases to migrate | implement [`Migrator`] |
//! | a check that may refuse a plan | implement [`Gate`] |
//! | a probe of what was deployed | implement [`Verifier`] |
//!
//! # What this crate leaves to others
//! HTTP, config files and the terminal.

mod change;
mod config;
mod context;
mod deploy;
mod desired;
mod error;
mod event;
mod execute;
mod mark;
#[cfg(feature = "fake")]
mod memory;
mod migration;
mod migration_gate;
mod observed;
mod plan;
mod planner;
mod platform;
mod ports;
mod record;
mod report;
mod resource;
mod step;
mod trigger;

pub use change::{Applied, Before, Change, Inputs, Look, Traffic, Undone, Upload};
pub use context::{DeployContext, DeployOptions, Ports};
pub use deploy::{Prepared, deploy, prepare};
pub use desired::{Desired, DesiredTarget};
pub use error::{DeployError, DeployErrorKind};
pub use event::{DeployEvent, DeployListener, Silent};
pub use mark::{Hashes, Mark, MessageError, VersionMessage};
#[cfg(feature = "fake")]
pub use memory::{Fault, MemoryPlatform, MemorySecrets, MemoryVerifier};
pub use migration::{AppliedMigration, Checksum, ChecksumError, MigrationFile, MigrationTarget};
pub use migration_gate::MigrationGate;
pub use observed::{
    AccountScope, Observed, ObservedAccount, ObservedDatabase, ObservedWorker, Scope,
};
pub use plan::{Action, Fate, Migration, Plan, PlannedStep, PlannedTarget};
pub use planner::{PlanError, PlanOptions, RecordedConfig, plan};
pub use platform::{Platform, PlatformError, PlatformErrorKind};
pub use ports::{Gate, Migrator, SecretSource, Verdict, Verifier};
pub use record::{DeployedTarget, Deployment, DeploymentState, deployments};
pub use report::{DeployReport, FailureKind, FailureReport, Leftover, Outcome, TargetReport};
pub use resource::{
    DatabaseRef, DesiredBucket, DesiredDatabase, DesiredDurableObject, DesiredNamespace,
    DesiredService, NamespaceRef, ResourceRef,
};
pub use trigger::{Addresses, Check, Route, TrafficShare, WorkerRef, WorkersDev};
