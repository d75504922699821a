//! The public API, from a file's bytes to a typed config or a shown error.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod bad_input;
mod config;
mod properties;

use clodo_wrangler::{ConfigErrors, Reading};
use std::path::Path;

fn read(file: &str, text: &str, environment: Option<&str>) -> Result<Reading, ConfigErrors> {
    clodo_wrangler::parse(Path::new(file), text.as_bytes()).unwrap().worker(environment)
}
