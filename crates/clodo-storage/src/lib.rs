//! D1, KV, R2, queues, Workflows and more as engines over a folder, and the protocols by which workerd's
//! bindings ask them.
//!
//! Rust owns all data; workerd and a REST API only ask for it.
//!
//! | you have | start at |
//! |---|---|
//! | a folder and a clock | [`Data::at`] |
//! | SQL for one database | [`D1::query`] |
//! | a key of a namespace | [`Kv::get`], [`Kv::put`] |
//! | an object of a bucket | [`R2::get`], [`R2::put`] |
//! | messages for a queue, or a consumer | [`Queues::send`], [`Queues::take`], [`Queues::pull`] |
//! | an instance of a Workflow | [`Workflows::start`], [`Workflows::order`], [`Workflows::history`] |
//! | somebody who runs instances | [`Workflows::due`], [`Workflows::begin`], [`Workflows::end`] |
//! | data points, or a question about them | [`Analytics::write`], [`Analytics::query`] |
//! | a call that may be one too many | [`RateLimits::count`] |
//! | a workerd with such bindings | [`bindings_router`] |
//!
//! # Example
//! ```
//! use clodo_storage::{D1Request, Data, DatabaseRef};
//! use clodo_types::{ManualClock, Timestamp};
//! use std::sync::Arc;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let folder = tempfile::tempdir()?;
//! let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(1_790_000_000_000)));
//! let data = Data::at(folder.path(), clock);
//!
//! let shop = DatabaseRef {
//!     account: "0123456789abcdef0123456789abcdef".parse()?,
//!     id: "018f3c5e-0000-7000-8000-000000000001".parse()?,
//! };
//! data.d1.create(&shop).await?;
//! let answer = data.d1.query(&shop, D1Request::sql("SELECT 1 AS one")).await?;
//! assert_eq!(answer.results.len(), 1);
//! # data.close().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Everything is opened lazily and closed when idle. A store exists from its `create` to its
//! `delete`; asking for one that does not exist is an error, never a new empty store.
//!
//! # What this crate leaves to others
//! The REST API in front of the engines (`clodo-local`), running workerd (`clodo-workerd`), and
//! who may do what.

mod analytics;
mod bindings;
mod d1;
mod data;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod kv;
mod observer;
mod pool;
mod queue;
mod r2;
mod rate_limits;
mod workflow;

pub use analytics::{
    Analytics, AnalyticsAnswer, AnalyticsError, AnalyticsErrorKind, AnalyticsFormat, DataPoint,
    DatasetName, DatasetNameError, DatasetRef,
};
pub use bindings::{RESOURCE_HEADER, Resource, ResourceError, router as bindings_router};
pub use d1::{
    Bookmark, BookmarkError, D1, D1Answer, D1Error, D1ErrorKind, D1Meta, D1Options, D1Request,
    D1Statement, DatabaseInfo, DatabaseRef, ExportOptions, HistoryOptions, ImportReport,
    ImportStage, Param, RowFormat, StatementResult, Timings, TravelTo, Travelled,
};
pub use data::{Data, Stillness};
pub use kv::{
    Expiry, Kv, KvEntry, KvError, KvErrorKind, KvKey, KvListOptions, KvListed, KvPage, KvPut,
    KvUsage, NamespaceRef,
};
pub use observer::{D1Operation, KvAction, KvOperation, Operation, R2Operation, StorageObserver};
pub use pool::PoolOptions;
pub use queue::{
    Backlog, BodyFormat, Exhaustion, LeasesEnded, NewMessage, Pulled, QueueError, QueueErrorKind,
    QueueRef, QueueSettings, QueuedMessage, Queues, Ready, Settled, Settlement,
};
pub use r2::{
    BucketRef, BucketSettings, BucketTotals, ByteStream, Checksums, ClassTransition, Conditions,
    Day, EtagMatch, GetOptions, GetOutcome, HttpFields, LifecycleCondition, LifecycleRule,
    LifecycleScope, ListObjects, LockCondition, LockRule, NotificationRule, ObjectAction,
    ObjectKey, ObjectMeta, ObjectPage, ObjectRange, PartEtag, PutOptions, PutOutcome, QueueRules,
    R2, R2Error, R2ErrorKind, SsecKey, StoredObject, Transition, UploadId, body_of,
};
pub use rate_limits::{RateLimitRef, RateLimits};
pub use workflow::{
    Attempt, DueInstances, Failure, Instance, InstanceFilter, InstanceHome, InstanceId,
    InstanceOrder, InstancePage, InstanceRun, InstanceSchedule, InstanceStatus, InstanceTotals,
    InstanceTrigger, NewInstance, RestartFrom, Retention, RunEnd, StepKind, StepRecord, StepState,
    WorkflowError, WorkflowErrorKind, WorkflowRef, WorkflowSettings, Workflows, kept_value,
    shown_value, workflow_duration,
};
