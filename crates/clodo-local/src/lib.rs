//! A Cloudflare on loopback: the v4 REST API and Workers on the real workerd.

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
    CloudError, CloudErrorKind, Reset, Running, Stopped, detach_command, find, log_path, reset,
    run_until_stopped, start_detached, stop,
};
pub use memory_workers::MemoryWorkers;
pub use runtime::Outbound;
pub use seams::{
    AssetEntry, Directory, Generation, Handlers, Resolved, RunWorkerFirst, ServedAssets,
    ServedBinding, ServedModule, ServedVersion, ValidationError, Workers,
};
pub use server::{CloudAccount, CloudOptions, Ended, LocalCloud, default_account};
pub use state::{Seed, SeedAccount, SeedToken, State, StateError, StateErrorKind};
