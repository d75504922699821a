//! Read `wrangler.toml`, `wrangler.json` and `wrangler.jsonc` as wrangler reads them: the same
//! precedence of files, the same inheritance into environments, the same complaints, each with
//! its line and column.
//!
//! | you have | start at |
//! |---|---|
//! | a project folder | [`find`] |
//! | the content of a config file | [`parse`], then [`Document::worker`] |
//! | the effective config of one environment | [`WorkerConfig`] |
//! | a refused config to show | [`ConfigErrors`], [`Reading::warnings`] |
//! | a value to write into a file with comments | [`set`] |
//!
//! # Example
//! ```
//! use std::path::Path;
//!
//! let text = r#"{
//!     "name": "orders",
//!     "main": "./src/index.ts",
//!     "vars": { "LEVEL": "info" },
//!     "env": { "staging": { "minfy": true } },
//! }"#;
//! let document = clodo_wrangler::parse(Path::new("wrangler.jsonc"), text.as_bytes())?;
//! assert_eq!(document.environments(), ["staging"]);
//!
//! let reading = document.worker(Some("staging"))?;
//! let name = reading.config.name.as_ref().map(|name| name.as_str());
//! assert_eq!(name, Some("orders-staging"));
//! assert!(reading.config.vars.is_empty(), "variables are not inherited");
//!
//! let unknown = &reading.warnings[1];
//! assert_eq!(unknown.message, r#"Unexpected fields found in env.staging field: "minfy""#);
//! assert_eq!(unknown.at.as_ref().map(|at| at.line), Some(5));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which wrangler
//! Version 4.164.0: `tests/corpus` holds its recorded answers, word for word,
//! and says where 4.86.0 differs. What wrangler checks inside `containers`, `cloudchamber`,
//! `connect`, `exports`, `previews`, and the schedules and limits of `workflows`, is taken as it
//! stands.
//!
//! # What this crate leaves to others
//! Reading files, the bundle, Clodo's own config, and redirected configs that build tools write.

mod checks;
#[cfg(test)]
mod corpus;
mod diagnostics;
mod document;
mod edit;
mod environment;
mod fields;
mod find;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod javascript;
mod node;
mod paths;
mod reading;
mod source;
mod syntax;
mod typed;
mod worker_config;

pub use document::{ConfigErrors, Document, Reading, parse};
pub use edit::{EditError, Step, set};
pub use find::{FILE_NAMES, find, find_upwards};
pub use worker_config::{
    Assets, D1Database, DurableObject, KvNamespace, ModuleRule, NotFoundHandling, QueueConsumer,
    QueueProducer, R2Bucket, Route, RunWorkerFirst, ServiceBinding, WorkerConfig,
};
