//! What the end-to-end tests stand on: a portfolio copied to a folder of its own, the programs
//! under test with a cleared environment, and the pinned wranglers.
//!
//! | you have | start at |
//! |---|---|
//! | a test that deploys | [`Sandbox`] |
//! | a URL that a program printed | [`fetch`] |
//! | a document that a program printed | [`Schema`] |
//! | a program that asks | [`Terminal`] |
//! | a page to look at | [`Browser`] |
//! | a test with the gateway in between | [`Gateway`] |
//! | a program to kill at one of its API calls | [`LastCall`] |
//! | a test against real wrangler | [`Wrangler`] |
//! | what is told of wrangler's commands | [`ToldCommands`] |
//! | a test against Cloudflare's own SDKs | [`Sdk`] |

mod browser;
mod commands;
mod fetch;
mod gateway;
mod last_call;
mod run;
mod sandbox;
mod schema;
mod sdk;
mod terminal;
mod wrangler;

pub use browser::Browser;
pub use commands::{ToldCommands, command_list};
pub use fetch::{Answer, Request, fetch, get_json};
pub use gateway::Gateway;
pub use last_call::LastCall;
pub use run::{Run, program};
pub use sandbox::Sandbox;
pub use schema::Schema;
pub use sdk::{Sdk, install_python};
pub use terminal::Terminal;
pub use wrangler::{Wrangler, install, pins};
