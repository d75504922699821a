//! What Clodo's programs share: global flags, the terminal, exit codes, and errors that name a
//! way out.
//!
//! | you have | start at |
//! |---|---|
//! | a `main` to write | [`Launch`] |
//! | clap arguments | flatten [`GlobalArgs`], implement [`ProgramArgs`] |
//! | something to print, to ask or to report | [`Ui`] |
//! | something that went wrong | [`CliError`], [`Exit`] |
//! | a setting in the process environment | [`Environment`] |
//! | a command to test | [`Streams::captured`] |
//!
//! # Example
//! ```
//! use clodo_cli::{CliError, Exit, GlobalArgs, Launch, ProgramArgs, Session, Streams};
//!
//! #[derive(clap::Parser)]
//! #[command(name = "clodo-hello")]
//! struct Hello {
//!     #[command(flatten)]
//!     global: GlobalArgs,
//!     name: String,
//! }
//!
//! impl ProgramArgs for Hello {
//!     fn global(&self) -> &GlobalArgs {
//!         &self.global
//!     }
//! }
//!
//! async fn hello(session: Session, args: Hello) -> Result<Exit, CliError> {
//!     session.ui.text(&format!("hello, {}", args.name))?;
//!     Ok(Exit::Done)
//! }
//!
//! // `main` writes `Launch::of_this_process()`; a test brings its own arguments and streams.
//! let (streams, captured) = Streams::captured();
//! let exit = Launch::new(["clodo-hello", "acme"], streams).exit(hello);
//! assert_eq!(exit, Exit::Done);
//! assert_eq!(captured.out(), "hello, acme\n");
//! ```
//!
//! # What this crate leaves to others
//! Commands, and whatever they need: a program's context is built in the crate `clodo`.

mod args;
mod counted;
mod environment;
mod error;
mod exit;
mod launch;
mod logging;
mod options;
mod pick;
mod progress;
mod prompt;
mod signals;
mod streams;
mod ui;

pub use args::{GlobalArgs, JsonMode, ProgramArgs};
pub use counted::counted;
pub use environment::{Environment, NotUnicode};
pub use error::CliError;
pub use exit::Exit;
pub use launch::{Launch, RuntimeKind, Session};
pub use options::{OutputMode, Tone, UiOptions};
pub use progress::ProgressLine;
pub use streams::{Captured, Streams};
pub use ui::Ui;
