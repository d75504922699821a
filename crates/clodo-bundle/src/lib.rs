//! A Worker project becomes modules and assets that are ready to upload.
//!
//! TypeScript and JavaScript go through the esbuild binary with the options that wrangler gives it;
//! Wasm, text and data stay modules of their own, and a project with `no_bundle` is taken as it is.
//! The hash of the result says whether an upload would change anything.
//!
//! | you have | start at |
//! |---|---|
//! | a folder with a Worker and its config | [`Project::new`] |
//! | projects | [`Bundler::bundle`] |
//! | modules from somewhere else | [`Bundle::new`] |
//! | a bundle for another machine | [`Bundle::pack`], [`Bundle::unpack`] |
//! | an error of the runtime, `at index.js:1:53` | [`Bundle::source_map`], then [`SourceMap::locate`] |
//! | a failure to explain | [`BundleError::places`], [`BundleError::hint`] |
//!
//! # Example
//! ```
//! use clodo_bundle::{Bundler, Project};
//! use clodo_npm::NpmCache;
//! use clodo_wrangler::WorkerConfig;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let folder = tempfile::tempdir()?;
//! std::fs::write(folder.path().join("worker.mjs"), "export default { fetch: (r, env) => env.HELLO }")?;
//!
//! let mut config = WorkerConfig::default();
//! config.main = Some("worker.mjs".into());
//! config.no_bundle = true;
//! let project = Project::new(folder.path(), config, "wrangler.toml")?;
//! let bundle = Bundler::new(NpmCache::new(folder.path())).bundle(&project).await?;
//!
//! assert_eq!(bundle.main_module.as_deref(), Some("worker.mjs"));
//! assert_eq!(bundle.env_names.first().unwrap().as_str(), "HELLO");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What this crate leaves to others
//! Reading the config file (clodo-wrangler), installing esbuild (clodo-npm), and uploading.

mod archive;
mod assets;
mod bundle;
mod bundler;
mod command;
mod error;
mod esbuild;
mod format;
mod glob;
mod hash;
mod modules;
mod names;
mod node;
mod project;
mod rules;
mod source_map;

pub use archive::ArchiveError;
pub use assets::AssetLimits;
pub use bundle::{AssetFile, AssetSet, Bundle, Module, ModuleKind};
pub use bundler::Bundler;
pub use error::{AssetProblem, BundleError, BundleErrorKind};
pub use esbuild::EsbuildError;
pub use project::Project;
pub use source_map::{Original, SourceMap, SourceMapError};
