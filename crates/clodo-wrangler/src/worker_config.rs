use clodo_types::{
    AccountId, BindingName, BucketName, DatabaseId, DatabaseName, Hostname, NamespaceId, QueueName,
    SecretName, WorkerName,
};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, path::PathBuf};

/// One Worker's effective configuration in one environment, after inheritance.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct WorkerConfig {
    /// The Worker's name as wrangler would use it for the chosen environment, when the file has one.
    pub name: Option<WorkerName>,
    /// True when the chosen environment's own section sets `name`.
    pub name_from_environment: bool,
    /// True when the file has a section for the chosen environment.
    pub has_environment: bool,
    /// The entry point, relative to the folder of the config file; `None` for an assets-only Worker.
    pub main: Option<PathBuf>,
    /// `YYYY-MM-DD`.
    pub compatibility_date: Option<String>,
    /// Flags of the runtime, such as `nodejs_compat`.
    pub compatibility_flags: Vec<String>,
    /// Plain variables: text becomes a text binding, anything else a JSON binding.
    pub vars: BTreeMap<BindingName, Value>,
    /// D1 databases.
    pub d1_databases: Vec<D1Database>,
    /// KV namespaces.
    pub kv_namespaces: Vec<KvNamespace>,
    /// R2 buckets.
    pub r2_buckets: Vec<R2Bucket>,
    /// Queues that the code sends to.
    pub queue_producers: Vec<QueueProducer>,
    /// Queues whose messages the code receives.
    pub queue_consumers: Vec<QueueConsumer>,
    /// Other Workers that this one calls.
    pub services: Vec<ServiceBinding>,
    /// Durable Object bindings.
    pub durable_objects: Vec<DurableObject>,
    /// Durable Object migrations, as in the file.
    pub migrations: Vec<Value>,
    /// The binding that tells the code its own version.
    pub version_metadata: Option<BindingName>,
    /// Static assets.
    pub assets: Option<Assets>,
    /// Routes and custom domains.
    pub routes: Vec<Route>,
    /// Cron expressions; `None` leaves what is deployed, an empty list removes all.
    pub crons: Option<Vec<String>>,
    /// Whether the Worker answers under `workers.dev`; `None` = wrangler's default (on, unless routes are set).
    pub workers_dev: Option<bool>,
    /// Whether versions get preview URLs.
    pub preview_urls: Option<bool>,
    /// Upload modules as they are.
    pub no_bundle: bool,
    /// Pick up modules next to the entry point that are not imported statically.
    pub find_additional_modules: bool,
    /// The folder under which additional modules are looked for.
    pub base_dir: Option<PathBuf>,
    /// Which files are modules of which kind.
    pub rules: Vec<ModuleRule>,
    /// Text replacements in the code.
    pub define: BTreeMap<String, String>,
    /// Import aliases.
    pub alias: BTreeMap<String, String>,
    /// Minify the bundle.
    pub minify: bool,
    /// Keep function names when bundling; wrangler's default is true.
    pub keep_names: bool,
    /// A `tsconfig.json` to use, relative to the config file.
    pub tsconfig: Option<PathBuf>,
    /// Upload source maps.
    pub upload_source_maps: bool,
    /// `observability`, as in the file.
    pub observability: Option<Value>,
    /// `placement`, as in the file.
    pub placement: Option<Value>,
    /// `limits`, as in the file.
    pub limits: Option<Value>,
    /// `logpush`.
    pub logpush: Option<bool>,
    /// Workers that receive this one's events, as in the file.
    pub tail_consumers: Vec<Value>,
    /// A custom build command, when one is set.
    pub build_command: Option<String>,
    /// The folder in which the build command runs, when another than that of the config file.
    pub build_cwd: Option<PathBuf>,
    /// The account that the file itself names.
    pub account_id: Option<AccountId>,
    /// Variables that were set on the platform by hand stay.
    pub keep_vars: bool,
    /// Secrets that the file declares as needed.
    pub required_secrets: Vec<SecretName>,
    /// What JSX elements compile to; wrangler's default is `React.createElement`.
    pub jsx_factory: String,
    /// What JSX fragments compile to; wrangler's default is `React.Fragment`.
    pub jsx_fragment: String,
    /// Modules keep their names when they are uploaded, without a hash.
    pub preserve_file_names: bool,
    /// Everything else that wrangler knows and Clodo does not use yet, by key, as in the file
    /// (vectorize, ai, workflows …).
    pub other: Map<String, Value>,
}

/// A D1 binding.
#[derive(Clone, Debug, PartialEq)]
pub struct D1Database {
    /// `env.NAME` in the code.
    pub binding: BindingName,
    /// The database's name, when given.
    pub database_name: Option<DatabaseName>,
    /// The database's id, when given.
    pub database_id: Option<DatabaseId>,
    /// The folder of migrations, relative to the config file; wrangler's default is `migrations`.
    pub migrations_dir: PathBuf,
    /// Which files are migrations: a glob that is relative to the config file and begins with that folder;
    /// without one, all `*.sql` of it.
    pub migrations_pattern: Option<String>,
    /// The table that records applied migrations; wrangler's default is `d1_migrations`.
    pub migrations_table: String,
}

/// A KV binding.
#[derive(Clone, Debug, PartialEq)]
pub struct KvNamespace {
    /// `env.NAME` in the code.
    pub binding: BindingName,
    /// The namespace's id, when given.
    pub id: Option<NamespaceId>,
}

/// An R2 binding.
#[derive(Clone, Debug, PartialEq)]
pub struct R2Bucket {
    /// `env.NAME` in the code.
    pub binding: BindingName,
    /// The bucket's name, when given.
    pub bucket_name: Option<BucketName>,
    /// The jurisdiction, when given.
    pub jurisdiction: Option<String>,
}

/// A binding to another Worker.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceBinding {
    /// `env.NAME` in the code.
    pub binding: BindingName,
    /// The other Worker's name, as in the file.
    pub service: WorkerName,
    /// wrangler's legacy environment suffix, when given.
    pub environment: Option<String>,
    /// A named entrypoint, when given.
    pub entrypoint: Option<String>,
    /// Properties handed to the entrypoint.
    pub props: Option<Value>,
}

/// A binding that sends to a queue.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueProducer {
    /// `env.NAME` in the code.
    pub binding: BindingName,
    /// The queue.
    pub queue: QueueName,
}

/// A queue whose messages the code receives; what is left out is Cloudflare's choice.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueConsumer {
    /// The queue.
    pub queue: QueueName,
    /// The queue that gets what could not be delivered.
    pub dead_letter_queue: Option<QueueName>,
    /// The most messages of one batch.
    pub max_batch_size: Option<u32>,
    /// Milliseconds that a batch waits to be full; the file says seconds.
    pub max_batch_timeout_ms: Option<u64>,
    /// How often a message is delivered again.
    pub max_retries: Option<u32>,
    /// The most batches at a time.
    pub max_concurrency: Option<u32>,
    /// Seconds before a message is delivered again.
    pub retry_delay: Option<u32>,
}

/// A Durable Object binding.
#[derive(Clone, Debug, PartialEq)]
pub struct DurableObject {
    /// `env.NAME` in the code.
    pub name: BindingName,
    /// The class.
    pub class_name: String,
    /// The Worker that holds the class, when it is another one.
    pub script_name: Option<WorkerName>,
}

/// Static assets.
#[derive(Clone, Debug, PartialEq)]
pub struct Assets {
    /// The folder, relative to the config file.
    pub directory: Option<PathBuf>,
    /// `env.NAME` in the code, when the code reaches them.
    pub binding: Option<BindingName>,
    /// `auto-trailing-slash`, `force-trailing-slash`, `drop-trailing-slash` or `none`.
    pub html_handling: Option<String>,
    /// What answers when nothing matches.
    pub not_found_handling: Option<NotFoundHandling>,
    /// Whether the code runs before assets are looked at.
    pub run_worker_first: Option<RunWorkerFirst>,
}

/// What answers for a path without an asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotFoundHandling {
    /// Nothing: the Worker, or a bare 404.
    None,
    /// The nearest `404.html`.
    NotFoundPage,
    /// `/index.html` with status 200.
    SinglePageApplication,
}

/// Whether the code runs before assets are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunWorkerFirst {
    /// Always, or never.
    Always(bool),
    /// For paths that match; a leading `!` excludes.
    Paths(Vec<String>),
}

/// A route pattern or a custom domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// A pattern such as `shop.example.com/*`.
    Pattern {
        /// The pattern.
        pattern: String,
        /// The zone's name, when given.
        zone_name: Option<String>,
        /// The zone's id, when given.
        zone_id: Option<String>,
    },
    /// A hostname that the Worker is the origin of.
    CustomDomain(Hostname),
}

/// Which files are modules of which kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleRule {
    /// `ESModule`, `CommonJS`, `CompiledWasm`, `Text`, `Data`, `PythonModule` or `PythonRequirement`.
    pub kind: String,
    /// Globs relative to the base folder.
    pub globs: Vec<String>,
    /// Whether later rules of the same kind still apply.
    pub fallthrough: Option<bool>,
}
