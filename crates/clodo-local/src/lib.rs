//! A Cloudflare on loopback: the v4 REST API and Workers on the real workerd.

mod seams;

pub use seams::{
    AssetEntry, Directory, Generation, Handlers, Resolved, RunWorkerFirst, ServedAssets,
    ServedBinding, ServedModule, ServedVersion, ValidationError, Workers,
};
