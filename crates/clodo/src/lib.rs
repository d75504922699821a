//! The facade: adapters that plug Clodo's crates into each other's ports, and what the programs
//! build on.
//!
//! | you have | start at |
//! |---|---|
//! | a folder with a `clodo.toml` or a wrangler config | [`Project::open`] |
//! | a project and a choice of targets | [`load`] |
//! | an account, or the local Cloudflare | [`Connection`], [`CloudflarePlatform`] |
//! | a machine without an account | `find_or_start` (feature `local`) |
//! | D1 databases to migrate | [`D1Migrator`] |
//! | a health path to ask after a deployment | [`HealthProbe`] |

mod connect;
mod holder;
mod load;
mod load_error;
#[cfg(feature = "local")]
mod local;
mod migrations;
mod migrator;
mod naming;
mod platform;
mod project;
mod secrets;
mod target;
mod verifier;

pub use clodo_cf_api::Client;
pub use connect::{ConnectError, Connection};
pub use holder::{liveness, this_process};
pub use load::{LoadOptions, Loaded, load};
pub use load_error::{LoadError, LoadErrorKind};
#[cfg(feature = "local")]
pub use local::{
    CloudProgram, LocalError, cloud_options, ensure_workerd, find_or_start, ignore_in_git,
    seed_accounts,
};
pub use migrator::D1Migrator;
pub use platform::{CloudflarePlatform, UrlStyle};
pub use project::Project;
pub use secrets::{GenerateError, Secrets};
pub use verifier::HealthProbe;
