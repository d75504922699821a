//! What the API, the runtime and the front proxy agree on: pure values, and two ports.

use async_trait::async_trait;
use bytes::Bytes;
use clodo_types::Secret;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

/// One version of one Worker, with all that a runtime needs to serve it.
#[derive(Clone, Debug)]
pub struct ServedVersion {
    /// The Worker's name, as the user wrote it.
    pub script: String,
    /// The version's UUID, with dashes.
    pub version_id: String,
    /// `workers/tag` of the upload.
    pub tag: Option<String>,
    /// When it was uploaded, RFC 3339.
    pub created_on: String,
    /// The name of the module that workerd starts with; `None` for a service worker and for a
    /// Worker that only has assets.
    pub main_module: Option<String>,
    /// Every module except source maps, the main one included.
    pub modules: Vec<ServedModule>,
    /// `YYYY-MM-DD`; a draft that `wrangler secret put` made has none.
    pub compatibility_date: Option<String>,
    /// Compatibility flags, as uploaded.
    pub compatibility_flags: Vec<String>,
    /// Bindings in upload order: the name that the code sees, and what it stands for. `inherit`
    /// is already resolved.
    pub bindings: Vec<(String, ServedBinding)>,
    /// Static assets, if the version has any.
    pub assets: Option<Arc<ServedAssets>>,
    /// The name of the module that holds a service worker's script.
    pub body_part: Option<String>,
}

/// One uploaded module.
#[derive(Clone, Debug)]
pub struct ServedModule {
    /// As uploaded; may begin with `./`.
    pub name: String,
    /// As uploaded, such as `application/javascript+module`.
    pub content_type: String,
    /// The module's bytes.
    pub body: Bytes,
}

/// What a name in `env` stands for.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are Cloudflare's own, named as on the wire")]
pub enum ServedBinding {
    /// `plain_text`.
    Text(String),
    /// `json`.
    Json(Value),
    /// `secret_text`.
    Secret(Secret),
    /// `kv_namespace`.
    Kv { namespace_id: String },
    /// `d1`.
    D1 { database_id: String },
    /// `r2_bucket`.
    R2 { bucket: String },
    /// `service`.
    Service { script: String, entrypoint: Option<String>, props: Option<Value> },
    /// `assets`: the version's own static assets.
    Assets,
    /// `version_metadata`: id, tag and time of this version.
    VersionMetadata,
    /// `durable_object_namespace`; no script name means this Worker. The id wins over the names,
    /// which an older version may have from before a rename.
    DurableObject { class_name: String, script_name: Option<String>, namespace_id: Option<String> },
    /// `queue`: the queue's id, and the delay in seconds of messages that are sent without one.
    Queue { queue_id: String, delivery_delay: Option<u32> },
    /// `analytics_engine`.
    AnalyticsEngine { dataset: String },
    /// `ratelimit`: `limit` calls of a key in `period` seconds.
    RateLimit { namespace_id: u64, limit: u32, period: u32 },
    /// `workflow`: the name of one.
    Workflow { name: String },
    /// `wasm_module`, `text_blob` or `data_blob`: a part of the upload, by name.
    Part { kind: PartKind, part: String },
    /// A kind that the local Cloudflare stores and lists but does not run.
    Unsupported { kind: String },
}

/// What a part of an upload is bound as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartKind {
    /// `wasm_module`: a compiled module, in service workers only.
    Wasm,
    /// `text_blob`: a string.
    Text,
    /// `data_blob`: an `ArrayBuffer`.
    Data,
}

impl ServedBinding {
    /// Whether this is a binding, in a version of `script`, of these Durable Objects.
    pub(crate) fn is_of(&self, space: &ServedNamespace, script: &str) -> bool {
        let Self::DurableObject { class_name, script_name, namespace_id } = self else {
            return false;
        };
        match namespace_id {
            Some(id) => *id == space.id,
            None => {
                let owner = script_name.as_deref().unwrap_or(script);
                space.script == owner && space.class_name == *class_name
            }
        }
    }
}

/// The static assets of one version and how they are served.
#[derive(Clone, Debug, Default)]
pub struct ServedAssets {
    /// From path, such as `/index.html`, to what lies there.
    pub files: BTreeMap<String, AssetEntry>,
    /// `html_handling`; Cloudflare's default is `auto-trailing-slash`.
    pub html_handling: Option<String>,
    /// `not_found_handling`; Cloudflare's default is `none`.
    pub not_found_handling: Option<String>,
    /// Which requests go to the Worker before the assets are looked at.
    pub run_worker_first: RunWorkerFirst,
    /// The text of `_headers`.
    pub headers: Option<String>,
    /// The text of `_redirects`.
    pub redirects: Option<String>,
}

/// `run_worker_first` of an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunWorkerFirst {
    /// For every request, or for none.
    Always(bool),
    /// For requests whose path matches, such as `/api/*`; `!/x` excepts.
    Paths(Vec<String>),
}

impl Default for RunWorkerFirst {
    fn default() -> Self {
        Self::Always(false)
    }
}

/// One static asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetEntry {
    /// The hash of the upload manifest (32 hex digits); [`Directory::asset`] takes it.
    pub hash: String,
    /// As uploaded; `None` if the uploader did not know.
    pub content_type: Option<String>,
    /// In bytes.
    pub size: u64,
}

/// What one workerd process must run: the Workers that were asked for, and what they reach.
#[derive(Clone, Debug, Default)]
pub struct Generation {
    /// The versions with traffic, and those whose preview address was asked for.
    pub versions: Vec<Arc<ServedVersion>>,
    /// From script to its versions with traffic and their percentages; see [`ServedWorker::live`].
    pub live: BTreeMap<String, Vec<(String, f64)>>,
    /// The ids of the versions that export `scheduled()` or `queue()`: only these can be given
    /// events.
    pub events: BTreeSet<String>,
    /// From version id to the classes of Workflows that it exports: their instances run in it.
    pub workflows: BTreeMap<String, Vec<String>>,
    /// Who is told what a script does; tracing costs, so most scripts are missing.
    pub tails: BTreeMap<String, Tails>,
    /// Deployed Workers that these call and that run in another process: only `fetch()` reaches
    /// them.
    pub elsewhere: BTreeSet<String>,
    /// The Durable Objects that these Workers implement or bind.
    pub namespaces: Vec<ServedNamespace>,
}

impl Generation {
    /// Whether both lead to the same process. Versions never change, so their ids will do.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        // Whoever adds a field must decide here whether a change of it restarts the process.
        let Self { versions, live, events, workflows, tails, elsewhere, namespaces } = self;
        let id = |version: &Arc<ServedVersion>| version.version_id.clone();
        versions.iter().map(id).eq(other.versions.iter().map(id))
            && *live == other.live
            && *events == other.events
            && *workflows == other.workflows
            && *tails == other.tails
            && *elsewhere == other.elsewhere
            && *namespaces == other.namespaces
    }
}

/// The Durable Objects of one class.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServedNamespace {
    /// Names the folder of the objects' files; objects' ids follow from it.
    pub id: String,
    /// The Worker that implements the class.
    pub script: String,
    /// The class now.
    pub class_name: String,
    /// Whether objects have `storage.sql`.
    pub sqlite: bool,
}

/// All Durable Objects of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// Every namespace that there is.
    pub namespaces: Vec<ServedNamespace>,
    /// The ids of namespaces that were deleted: their files are to go.
    pub deleted: Vec<String>,
}

/// Who is told what a script's invocations do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tails {
    /// The [`Observer`](crate::Observer).
    pub observed: bool,
    /// The `tail()` handlers of these Workers (`tail_consumers`). Those that are not deployed are
    /// passed over.
    pub consumers: Vec<String>,
}

/// A deployed Worker, apart from its versions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServedWorker {
    /// Its versions with traffic and their percentages (0 is possible), which sum to 100. The
    /// oldest version comes first, so that a version key stays with a version whose share grows.
    pub live: Vec<(String, f64)>,
    /// Workers that must run beside it although no binding names them, such as
    /// [`Tails::consumers`].
    pub beside: Vec<String>,
}

/// Which of an account's deployed Workers are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scripts {
    /// The first so many by name.
    First(usize),
    /// Those that must run although nobody asks for them, since alarms of Durable Objects may be
    /// due.
    Awake,
}

/// What a Worker exports, found out by running it once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handlers {
    /// Of the default export: `fetch`, `scheduled`, `queue` …
    pub handlers: Vec<String>,
    /// Of the other exported classes and objects: name and handlers.
    pub named_handlers: Vec<(String, Vec<String>)>,
    /// The names of exported classes that are Workflows, sorted.
    pub workflows: Vec<String>,
    /// How long the start took.
    pub startup_time_ms: u64,
}

/// Why a version was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValidationError {
    /// The Worker's own fault. The message is what workerd said, such as
    /// `Uncaught SyntaxError: missing ) after argument list\n  at index.js:1:53`.
    #[error("{message}")]
    Script {
        /// What workerd said.
        message: String,
    },
    /// The runtime itself could not be started; the Worker may be fine.
    #[error("the Workers runtime could not be started: {message}")]
    Runtime {
        /// What went wrong.
        message: String,
    },
}

/// The Workers runtime, as the API sees it.
///
/// # Contract
/// - `validate` runs the version apart from all live ones and leaves nothing running, also when
///   its future is dropped.
/// - `changed` returns at once; several calls may lead to one swap. The old generation serves
///   until the new one is ready. A Worker that nobody asked for yet is not started.
#[async_trait]
pub trait Workers: fmt::Debug + Send + Sync + 'static {
    /// Starts the version once and reports what it exports.
    async fn validate(&self, version: &ServedVersion) -> Result<Handlers, ValidationError>;
    /// The desired state changed: read the [`Directory`] again and swap soon.
    fn changed(&self, account_id: &str);
    /// Waits until what `changed` announced before this call serves, or failed to start; not longer
    /// than a start may take.
    async fn settled(&self, account_id: &str);
    /// What runs now, for people.
    fn status(&self) -> RuntimeStatus;
}

/// A Worker that has a port to itself.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct WorkerPort {
    /// The account, 32 hex digits.
    pub account_id: String,
    /// The Worker's name.
    pub script: String,
    /// The port of 127.0.0.1.
    pub port: u16,
}

/// A Worker that has a process to itself, since it harmed its neighbours.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ApartWorker {
    /// The account, 32 hex digits.
    pub account_id: String,
    /// The Worker's name.
    pub script: String,
    /// What it did.
    pub why: String,
}

/// What a runtime says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct RuntimeStatus {
    /// How many workerd processes serve.
    pub processes: usize,
    /// Workers with a port of their own.
    pub ports: Vec<WorkerPort>,
    /// Workers with a process of their own. Service bindings to and from them carry `fetch()` only.
    pub apart: Vec<ApartWorker>,
}

/// Where a request to the front belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The account, 32 hex digits.
    pub account_id: String,
    /// The Worker's name.
    pub script: String,
    /// The version that the host names (a preview address); `None` = draw among the live ones.
    pub version: Option<String>,
    /// The hostname without `.localhost` and port, in lower case: what the Worker should see.
    pub host: String,
}

/// The durable state, as the front proxy and the runtime see it.
///
/// # Contract
/// - What is not `async` reads a snapshot in memory: no I/O, no waiting. `worker` is called for
///   every request.
/// - A version never changes; `version` may be asked for the same one often.
/// - What an API call has answered is visible to the next call here.
#[async_trait]
pub trait Directory: fmt::Debug + Send + Sync + 'static {
    /// Every account's id.
    fn accounts(&self) -> Vec<String>;
    /// Whether a host that leads to no Worker leads to stored objects, which
    /// [`Serving::objects`](crate::Serving::objects) answers with.
    fn serves_objects(&self, host: &str) -> bool;
    /// Which Worker answers `host` (`x`, `x:port`, `x.localhost`, `x.localhost:port`) and `path`:
    /// an exact custom domain, then the most specific route, then workers.dev.
    fn resolve(&self, host: &str, path: &str) -> Option<Resolved>;
    /// A deployed Worker; `None` if there is none, or if it has no deployment.
    fn worker(&self, account_id: &str, script: &str) -> Option<Arc<ServedWorker>>;
    /// Adds what else the account knows about the Workers in `generation.live`: events, tails, and
    /// the Workflows of all versions.
    fn describe(&self, account_id: &str, generation: &mut Generation);
    /// The account's Durable Objects.
    fn objects(&self, account_id: &str) -> Objects;
    /// The names of deployed Workers, sorted.
    fn scripts(&self, account_id: &str, which: Scripts) -> Vec<String>;
    /// The cron expressions of every Worker with a deployment: script and expressions.
    fn schedules(&self, account_id: &str) -> Vec<(String, Vec<String>)>;
    /// One version with its code; `None` if it is not there (any more).
    async fn version(
        &self,
        account_id: &str,
        script: &str,
        version_id: &str,
    ) -> Option<Arc<ServedVersion>>;
    /// The bytes of a static asset, by the hash of its [`AssetEntry`]; `None` if it is not there.
    async fn asset(&self, account_id: &str, hash: &str) -> Option<Bytes>;
}
