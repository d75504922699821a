//! Vocabulary that Clodo's crates share: names that were checked once, secrets that cannot be
//! printed, findings that point at a line, and the two ports that many crates need.
//!
//! | you have | start at |
//! |---|---|
//! | text that should be a Worker's, a customer's or a domain's name | [`WorkerName`], [`CustomerName`], [`Hostname`] |
//! | a token or a signing key | [`Secret`] |
//! | something to say about a line of a file | [`Finding`], [`Location`] |
//! | code that needs the time | [`Clock`], in tests [`ManualClock`] |
//! | a security decision to record | [`AuditSink`] |
//!
//! # Example
//! ```
//! use clodo_types::{Secret, WorkerName};
//!
//! let name: WorkerName = "orders-staging-acme".parse()?;
//! assert_eq!(name.as_str(), "orders-staging-acme");
//! assert!("orders staging".parse::<WorkerName>().is_err());
//! assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(****)");
//! # Ok::<(), clodo_types::NameError>(())
//! ```
//!
//! # What this crate leaves to others
//! I/O of every kind. It builds for wasm32.
//!
//! # Features
//! - `system-clock`: [`SystemClock`], a clock that reads the machine's time.

mod audit;
mod clock;
mod finding;
mod hash;
mod names;
mod secret;
mod target;

pub use audit::{AuditError, AuditEvent, AuditSink, MemoryAudit};
#[cfg(feature = "system-clock")]
pub use clock::SystemClock;
pub use clock::{Clock, ManualClock, Timestamp};
pub use finding::{Finding, Location, Places, Severity, SourceError};
pub use hash::{ContentHash, HashError};
pub use names::{
    AccountId, AccountName, BindingName, BucketName, CustomerName, DatabaseId, DatabaseName,
    DeploymentId, EnvironmentName, Hostname, NameError, NamespaceId, NamespaceTitle, PortfolioName,
    QueueId, QueueName, SecretName, ServiceName, VersionId, WorkerName, WorkflowId, WorkflowName,
    ZoneId, ZoneName,
};
pub use secret::Secret;
pub use target::TargetId;
