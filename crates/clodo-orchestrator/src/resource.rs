use crate::migration::MigrationFile;
use clodo_types::{
    BindingName, BucketName, DatabaseId, DatabaseName, NamespaceId, NamespaceTitle, WorkerName,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A resource that a binding points at: by a name, and then Clodo creates it when it is missing,
/// or by an id, and then it must exist.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceRef<N, I> {
    /// By name.
    Name(N),
    /// By id.
    Id(I),
}

/// A D1 database, by name or id.
pub type DatabaseRef = ResourceRef<DatabaseName, DatabaseId>;
/// A KV namespace, by title or id.
pub type NamespaceRef = ResourceRef<NamespaceTitle, NamespaceId>;

/// A D1 binding and the migrations that the database should have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DesiredDatabase {
    /// `env.NAME` in the code.
    pub binding: BindingName,
    /// Which database.
    pub resource: DatabaseRef,
    /// All migration files, in the order in which they apply.
    pub migrations: Vec<MigrationFile>,
    /// The table that records applied migrations; wrangler's default is `d1_migrations`.
    pub migrations_table: String,
}

/// A KV binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredNamespace {
    /// `env.NAME` in the code.
    pub binding: BindingName,
    /// Which namespace.
    pub resource: NamespaceRef,
}

/// An R2 binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredBucket {
    /// `env.NAME` in the code.
    pub binding: BindingName,
    /// The bucket; it is created when it is missing.
    pub name: BucketName,
    /// The jurisdiction, such as `eu`.
    pub jurisdiction: Option<String>,
}

/// A binding to another Worker of the same account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DesiredService {
    /// `env.NAME` in the code.
    pub binding: BindingName,
    /// The other Worker.
    pub worker: WorkerName,
    /// A named entrypoint, when given.
    pub entrypoint: Option<String>,
    /// Properties handed to the entrypoint.
    pub props: Option<Value>,
}

/// A Durable Object binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredDurableObject {
    /// `env.NAME` in the code.
    pub binding: BindingName,
    /// The class.
    pub class_name: String,
    /// The Worker that holds the class, when it is another one.
    pub worker: Option<WorkerName>,
}
