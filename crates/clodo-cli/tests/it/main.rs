//! The public API of `clodo-cli`.

mod output;
#[cfg(unix)]
mod process;
mod program;
mod prompts;
