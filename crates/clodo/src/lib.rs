//! The facade: adapters that plug Clodo's crates into each other's ports, and what the programs
//! build on.
//!
//! | you have | start at |
//! |---|---|
//! | a folder with a `clodo.toml` or a wrangler config | [`Project::open`] |
//! | a project and a choice of targets | [`load`] |
//! | a health path to ask after a deployment | [`HealthProbe`] |

mod load;
mod load_error;
mod migrations;
mod naming;
mod project;
mod secrets;
mod target;
mod verifier;

pub use load::{LoadOptions, Loaded, load};
pub use load_error::{LoadError, LoadErrorKind};
pub use project::Project;
pub use secrets::{GenerateError, Secrets};
pub use verifier::HealthProbe;
