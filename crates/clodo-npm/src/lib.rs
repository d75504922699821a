//! npm packages at pinned versions in a user cache: workerd, esbuild, and whatever a caller pins.
//!
//! A pin is a `package.json` with its `package-lock.json`, so that every byte that arrives is
//! checked against a sha512 that is part of this program. No install script runs.
//!
//! | you have | start at |
//! |---|---|
//! | a need for the Workers runtime or the bundler | [`workerd`], [`esbuild`] |
//! | a `package.json` and a lock file of your own | [`Pinned::new`] |
//! | a pin | [`NpmCache::ensure`], then [`Installed::binary`] |
//! | a pin, and no wish to install anything now | [`NpmCache::installed`] |
//! | an environment that says where the cache is | [`cache_root`] |
//!
//! # Example
//! ```
//! use clodo_npm::{NpmCache, NpmErrorKind, NpmProgram, workerd};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let folder = tempfile::tempdir()?;
//! let cache = NpmCache::new(folder.path()).with_npm(NpmProgram::at("no-such-npm"));
//! let error = cache.ensure(&workerd()?).await.unwrap_err();
//! assert_eq!(error.kind(), NpmErrorKind::NpmMissing);
//! assert!(error.hint().unwrap().starts_with("install Node.js 20 or newer"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What this crate leaves to others
//! Running what it installs, reading the environment, and the packages of a user's own project.

mod cache;
mod error;
mod npm;
mod packages;
mod pinned;
mod platform;
mod root;

pub use cache::{Installed, NpmCache};
pub use error::{NpmError, NpmErrorKind};
pub use npm::NpmProgram;
pub use packages::{esbuild, esbuild_for, workerd, workerd_for};
pub use pinned::{PinError, Pinned};
pub use platform::Platform;
pub use root::cache_root;
