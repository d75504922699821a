//! The program `clodo-gateway`: a proxy in front of Cloudflare's API.

mod args;
mod commands;
mod http;
mod report;

use args::{Cli, Command};
use clodo_cli::{CliError, Exit, Launch, Session};
use std::process::ExitCode;

fn main() -> ExitCode {
    Launch::of_this_process().run(run)
}

async fn run(session: Session, cli: Cli) -> Result<Exit, CliError> {
    match &cli.command {
        Command::Run(args) => commands::run::run(&session, &cli.global, args).await,
        Command::Status(args) => commands::status::run(&session, args).await,
        Command::Env(args) => commands::env::run(&session, args).await,
    }
}
