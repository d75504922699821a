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
mod desired;
mod mark;
mod migration;
mod observed;
mod plan;
mod platform;
mod ports;
mod resource;
mod trigger;

pub use change::{Applied, Before, Change, Inputs, Look, Traffic, Undone, Upload};
pub use desired::{Desired, DesiredTarget};
pub use mark::{Hashes, Mark, MessageError, VersionMessage};
pub use migration::{AppliedMigration, Checksum, ChecksumError, MigrationFile, MigrationTarget};
pub use observed::{
    AccountScope, Observed, ObservedAccount, ObservedDatabase, ObservedWorker, Scope,
};
pub use plan::{Action, Fate, Migration, Plan, PlannedStep, PlannedTarget};
pub use platform::{Platform, PlatformError, PlatformErrorKind};
pub use ports::{Gate, Migrator, SecretSource, Verdict, Verifier};
pub use resource::{
    DatabaseRef, DesiredBucket, DesiredDatabase, DesiredDurableObject, DesiredNamespace,
    DesiredService, NamespaceRef, ResourceRef,
};
pub use trigger::{Addresses, Check, Route, TrafficShare, WorkerRef, WorkersDev};
