//! Read `clodo.toml`: services, environments, customers, domains, and which value counts where.
//!
//! | you have | start at |
//! |---|---|
//! | a folder somewhere in a project | [`find_root`] |
//! | the text of a `clodo.toml` | [`Portfolio::parse`] |
//! | a folder with only a wrangler config | [`Portfolio::single_service`] |
//! | `--env staging --customer acme` | [`Selection`], then [`Portfolio::select`] |
//! | a value, and the question where it came from | [`Sourced`], [`Portfolio::layers`] |
//! | dependencies of your own between services | [`find_cycle`] |
//!
//! # Example
//! ```
//! use clodo_config::{Origin, Portfolio, Selection};
//!
//! let text = r#"
//! [portfolio]
//! name = "shop"
//! [accounts.main]
//! zones = ["acme.test"]
//! [services.web]
//! path = "services/web"
//! [vars]
//! LOG_LEVEL = "info"
//! [customers.acme]
//! vars = { LOG_LEVEL = "debug" }
//! domains = { development.web = "dev.acme.test" }
//! "#;
//! let portfolio = Portfolio::parse("clodo.toml", text)?;
//! let targets = portfolio.select(&Selection::default())?;
//! assert_eq!(targets[0].id.to_string(), "web@development/acme");
//! assert_eq!(targets[0].domains[0].as_str(), "dev.acme.test");
//! assert_eq!(targets[0].vars["LOG_LEVEL"].value, "debug");
//! assert_eq!(targets[0].vars["LOG_LEVEL"].origin, Origin::Customer);
//!
//! // What is wrong is shown with its place, all of it at once.
//! let errors = Portfolio::parse("clodo.toml", "[portfolio]\nnmae = \"shop\"\n").unwrap_err();
//! assert!(errors.to_string().contains("clodo.toml:2:1: unknown key `nmae`"));
//! assert!(errors.to_string().contains("hint: did you mean `name`?"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What this crate leaves to others
//! Files, the process environment and the wrangler configs: texts and values come in. The values
//! of secrets never do.

mod account;
mod check;
mod choices;
mod customer;
mod cycle;
mod environment;
mod error;
mod fields;
mod known;
mod layers;
mod node;
mod placed;
mod portfolio;
mod rollout;
mod rollout_check;
mod rollout_keys;
mod rollout_read;
mod root;
mod schema;
mod sections;
mod select;
mod service;
mod source;
mod suggest;
mod target;
mod time;
mod vars;

pub use account::Account;
pub use choices::{
    Approval, Generate, Inconclusive, Platform, Protection, Rules, SecretKind, Strategy,
    TelemetrySource,
};
pub use customer::Customer;
pub use cycle::find_cycle;
pub use environment::Environment;
pub use error::ConfigErrors;
pub use known::{Domains, ServiceDomains};
pub use layers::{Layer, Origin, Sourced, effective};
pub use placed::Placed;
pub use portfolio::Portfolio;
pub use rollout::{
    Batch, BlueGreenSettings, CanarySettings, CanaryStep, LatencyQuantile, LatencyQuantileError,
    ProbeSettings, PrometheusSettings, RollingSettings, RolloutSettings, Wave,
};
pub use root::{FILE_NAME, find_root};
pub use schema::schema;
pub use select::{Overrides, SelectError, Selection};
pub use service::{SecretDeclaration, Service, ServiceInEnvironment};
pub use suggest::hint_for;
pub use target::TargetSpec;
pub use time::parse as parse_time;
pub use vars::Vars;
