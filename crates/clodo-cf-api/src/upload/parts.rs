use bytes::Bytes;
use clodo_types::{Secret, WorkerName};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A file of the upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadModule {
    /// Its name, by which others import it.
    pub name: String,
    /// Its media type, which says what it is: see [`ModuleKind`].
    pub content_type: String,
    /// Its content; shared, not copied.
    pub body: Bytes,
}

impl UploadModule {
    /// A file of this kind.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: ModuleKind, body: impl Into<Bytes>) -> Self {
        let content_type = kind.content_type().to_owned();
        Self { name: name.into(), content_type, body: body.into() }
    }

    /// What it is, when its media type is known.
    #[must_use]
    pub fn kind(&self) -> Option<ModuleKind> {
        ModuleKind::ALL.into_iter().find(|kind| kind.content_type() == self.content_type)
    }
}

/// What a file of a Worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ModuleKind {
    /// An ES module.
    EsModule,
    /// A CommonJS module, or a script in the service-worker format.
    CommonJs,
    /// WebAssembly.
    Wasm,
    /// Text.
    Text,
    /// Bytes.
    Data,
    /// JSON.
    Json,
    /// Python.
    Python,
    /// The name of a Python package.
    PythonRequirement,
    /// A source map: stored, never loaded.
    SourceMap,
}

impl ModuleKind {
    const ALL: [Self; 9] = [
        Self::EsModule,
        Self::CommonJs,
        Self::Wasm,
        Self::Text,
        Self::Data,
        Self::Json,
        Self::Python,
        Self::PythonRequirement,
        Self::SourceMap,
    ];

    /// The media type by which Cloudflare knows it.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::EsModule => "application/javascript+module",
            Self::CommonJs => "application/javascript",
            Self::Wasm => "application/wasm",
            Self::Text => "text/plain",
            Self::Data => "application/octet-stream",
            Self::Json => "application/json",
            Self::Python => "text/x-python",
            Self::PythonRequirement => "text/x-python-requirement",
            Self::SourceMap => "application/source-map",
        }
    }
}

/// The static assets of a version.
#[derive(Clone, Debug)]
pub struct UploadAssets {
    /// What the upload of the files ended with.
    pub completion_token: Secret,
    /// How they are served, as it travels; [`AssetsConfig`] writes it.
    pub config: Map<String, Value>,
}

impl UploadAssets {
    /// Assets that are served in this way.
    #[must_use]
    pub fn new(completion_token: Secret, config: &AssetsConfig) -> Self {
        let config = match json!(config) {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        Self { completion_token, config }
    }

    pub(super) fn on_the_wire(&self) -> Value {
        json!({ "jwt": self.completion_token.expose(), "config": self.config })
    }
}

/// How static assets are served. What is left out is Cloudflare's choice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AssetsConfig {
    /// `auto-trailing-slash`, `force-trailing-slash`, `drop-trailing-slash` or `none`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub html_handling: Option<String>,
    /// `none`, `404-page` or `single-page-application`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_found_handling: Option<String>,
    /// Which requests the Worker sees before the assets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_worker_first: Option<RunWorkerFirst>,
    /// The content of `_headers`.
    #[serde(rename = "_headers", skip_serializing_if = "Option::is_none")]
    pub headers: Option<String>,
    /// The content of `_redirects`.
    #[serde(rename = "_redirects", skip_serializing_if = "Option::is_none")]
    pub redirects: Option<String>,
}

/// Which requests the Worker sees before the assets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum RunWorkerFirst {
    /// All of them, or none.
    Always(bool),
    /// Those whose path matches; a pattern that begins with `!` takes some out.
    Paths(Vec<String>),
}

/// Migrations of Durable Objects: what becomes of classes between two tags.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Migrations {
    /// The tag that the Worker must have; none for its first migration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_tag: Option<String>,
    /// The tag that it has afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_tag: Option<String>,
    /// What becomes of classes, in order.
    #[serde(default)]
    pub steps: Vec<MigrationStep>,
}

/// What becomes of classes of Durable Objects in one step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationStep {
    /// New ones whose objects keep key and value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new_classes: Vec<String>,
    /// New ones whose objects have a SQLite database.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new_sqlite_classes: Vec<String>,
    /// Ones that get another name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renamed_classes: Vec<RenamedClass>,
    /// Ones that go, with all data of their objects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deleted_classes: Vec<String>,
    /// Ones that come from another Worker.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transferred_classes: Vec<TransferredClass>,
}

/// A class that gets another name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenamedClass {
    /// The old one.
    pub from: String,
    /// The new one.
    pub to: String,
}

/// A class that comes from another Worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferredClass {
    /// Its name there.
    pub from: String,
    /// The other Worker.
    pub from_script: WorkerName,
    /// Its name here.
    pub to: String,
}

impl Migrations {
    /// A Worker's first migration: new classes whose objects have a SQLite database.
    #[must_use]
    pub fn first<T: Into<String>>(
        new_tag: impl Into<String>,
        classes: impl IntoIterator<Item = T>,
    ) -> Self {
        let new_sqlite_classes = classes.into_iter().map(Into::into).collect();
        let step = MigrationStep { new_sqlite_classes, ..MigrationStep::default() };
        Self { old_tag: None, new_tag: Some(new_tag.into()), steps: vec![step] }
    }
}

/// What is recorded of a Worker's invocations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Observability {
    /// Whether anything is.
    #[serde(default)]
    pub enabled: bool,
    /// Of this share of them, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_sampling_rate: Option<f64>,
    /// Logs, as they travel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs: Option<Value>,
    /// Traces, as they travel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traces: Option<Value>,
}

/// Where a Worker runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Placement {
    /// Where its backends are, as Cloudflare measures.
    #[serde(serialize_with = "smart")]
    Smart,
    /// Near this region of a cloud, such as `aws:us-east-1`.
    Region {
        /// The region.
        region: String,
    },
    /// Near this hostname.
    Hostname {
        /// The hostname.
        hostname: String,
    },
    /// Near this host and port.
    Host {
        /// The host and port.
        host: String,
    },
}

fn smart<S: serde::Serializer>(to: S) -> Result<S::Ok, S::Error> {
    json!({ "mode": "smart" }).serialize(to)
}

/// What an invocation may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Milliseconds of CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    /// Requests that it makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subrequests: Option<u64>,
}

/// A Worker that receives this one's events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TailConsumer {
    /// The Worker.
    pub service: WorkerName,
    /// One of its environments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
}
