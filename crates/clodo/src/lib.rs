//! The facade: adapters that plug Clodo's crates into each other's ports, and what the programs
//! build on.
//!
//! | you have | start at |
//! |---|---|
//! | a folder with a `clodo.toml` or a wrangler config | [`Project::open`] |
//! | a project and a choice of targets | [`load`] |
//! | a project: which Workers does it name at all? | [`survey`] |
//! | targets to copy for a branch | [`load_preview`] with a [`NewPreview`] |
//! | an account, or the local Cloudflare | [`Connection`], [`CloudflarePlatform`] |
//! | a plan to carry out later | [`write_plan`], [`read_plan`] |
//! | a deployment for a runner on another machine | [`Order`] |
//! | a machine without an account | `find_or_start` (feature `local`) |
//! | all of these, to deploy from a program of your own | [`Wiring`], [`new_deployment`] |
//! | D1 databases to migrate | [`D1Migrator`] |
//! | Workers of which to know the SQL that they run | [`CodeReader`] |
//! | the D1 databases of targets, without building anything | [`databases()`], [`DatabaseFinder`]; who else binds them: [`binders()`] |
//! | journals, leases, budgets and jobs of a portfolio | [`open_state`] |
//! | a token that several processes use | [`SharedPacer`] |
//! | secrets in the environment or in a file | [`Secrets`], [`SecretGate`] |
//! | a deployment whose new versions nobody tests | [`UntestedGate`] |
//! | a plan of which to know beforehand whether it can work | [`Preflight`] |
//! | an environment that takes only proved code | [`PromotionGate`], [`proved_code`], [`load_built`] |
//! | a health path to ask after a deployment | [`HealthProbe`] |
//! | canaries to judge by analytics, Prometheus or probes | [`PortfolioTelemetry`] |
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! use clodo::{LoadOptions, Project, Secrets, load};
//! use clodo_bundle::Bundler;
//! use clodo_config::{Platform, Selection};
//!
//! let folder = tempfile::tempdir()?;
//! let config = r#"{ "name": "hello", "main": "index.js", "no_bundle": true,
//!                   "compatibility_date": "2026-04-01", "kv_namespaces": [{ "binding": "SEEN" }] }"#;
//! std::fs::write(folder.path().join("wrangler.jsonc"), config)?;
//! std::fs::write(folder.path().join("index.js"), "export default {}")?;
//!
//! let project = Project::open(None, folder.path())?;
//! let options = LoadOptions {
//!     selection: &Selection::default(),
//!     platform: Platform::Local,
//!     adopt: false,
//!     secrets: Secrets::new(),
//!     environment: &|_| None,
//! };
//! let bundler = Bundler::new(clodo_npm::NpmCache::new(folder.path().join("cache")));
//! let loaded = load(&project, &bundler, options).await?;
//!
//! // What `clodo_orchestrator::deploy` takes, with a `CloudflarePlatform` as its platform.
//! let hello = &loaded.desired.targets[0];
//! assert_eq!(hello.worker.as_str(), "hello");
//! assert_eq!(hello.config()["kv_namespaces"]["SEEN"], "hello-seen");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What this crate leaves to others
//! Planning, journals and rollbacks (`clodo-orchestrator`, `clodo-saga`), formats of files
//! (`clodo-config`, `clodo-wrangler`, `clodo-bundle`), the API (`clodo-cf-api`), the terminal
//! (`clodo-cli` and the programs). The process environment is read by the caller.
//!
//! # Features
//! - `local`: find or start the local Cloudflare, and serve it from a program.
//! - `program`: what a program with a terminal builds on, in `program`.
//! - `postgres`: `state = "postgres://…"` in clodo.toml.

mod binders;
mod bundles;
mod code_reader;
mod connect;
mod databases;
mod declare;
mod holder;
mod load;
mod load_error;
#[cfg(feature = "local")]
mod local;
mod migration_gate;
mod migrations;
mod migrator;
mod naming;
mod notes;
#[cfg(feature = "postgres")]
mod pgpass;
mod plain_bindings;
mod plan_file;
mod platform;
mod preflight;
mod preview;
mod preview_data;
#[cfg(feature = "program")]
pub mod program;
mod project;
mod promotion_gate;
mod queue;
mod rollout;
mod run_lease;
mod secret_gate;
mod secrets;
mod secrets_file;
mod services;
mod shared_pacer;
mod state;
mod survey;
mod target;
mod telemetry;
mod untested_gate;
mod verifier;
mod wiring;

pub use binders::{Binder, binders};
pub use bundles::{fetch_bundles, keep_bundles};
pub use clodo_cf_api::{Client, r2::R2Backups};
pub use code_reader::CodeReader;
pub use connect::{ConnectError, Connection};
pub use databases::{DatabaseFinder, FoundDatabase, TargetDatabase, databases};
pub use declare::declare_secrets;
pub use holder::{liveness, this_process};
pub use load::{LoadOptions, Loaded, load, load_built, load_preview};
pub use load_error::{LoadError, LoadErrorKind};
#[cfg(feature = "local")]
pub use local::{
    CloudProgram, LocalError, cloud_options, ensure_workerd, find_or_start, seed_accounts,
};
pub use migration_gate::{MigrationGate, check_migrations};
pub use migrator::D1Migrator;
pub use plan_file::{PlanFileError, ReadPlan, read_plan, write_plan};
pub use platform::{CloudflarePlatform, UrlStyle};
pub use preflight::{Preflight, PreflightLevel, PreflightLevelError};
pub use preview::{NewPreview, survey_preview};
pub use preview_data::{CopyError, copy_data};
pub use project::{Project, ignore_in_git};
pub use promotion_gate::{PromotionGate, proved_code};
pub use queue::{Order, QueueError, job_kind, required_secret};
pub use run_lease::RunLease;
pub use secret_gate::SecretGate;
pub use secrets::{GenerateError, Secrets};
pub use shared_pacer::SharedPacer;
pub use state::{StateError, open_state, state_file, state_name};
pub use survey::{Survey, names_of, survey};
pub use telemetry::PortfolioTelemetry;
pub use untested_gate::UntestedGate;
pub use verifier::HealthProbe;
pub use wiring::{Wiring, new_deployment};
