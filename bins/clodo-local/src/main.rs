//! The program `clodo-local`: a Cloudflare on loopback.

mod args;
mod commands;
mod failure;
mod place;
mod report;
mod words;

use args::{Cli, Command};
use clodo_cli::{CliError, Exit, Launch, Session};
use std::process::ExitCode;

fn main() -> ExitCode {
    Launch::of_this_process().run(run)
}

async fn run(session: Session, cli: Cli) -> Result<Exit, CliError> {
    let global = &cli.global;
    match &cli.command {
        Command::Up(args) => commands::up::run(&session, global, args).await,
        Command::Status(args) => commands::status::run(&session, global, *args).await,
        Command::Env(args) => commands::env::run(&session, global, args).await,
        Command::Logs(args) => commands::logs::run(&session, global, args).await,
        Command::Trigger(args) => commands::trigger::run(&session, global, args).await,
        Command::Requests(args) => commands::requests::run(&session, global, args).await,
        Command::Limits(args) => commands::limits::run(&session, global, args).await,
        Command::Faults(args) => commands::faults::run(&session, global, args).await,
        Command::Token(args) => commands::token::run(&session, global, args).await,
        Command::Down => commands::down::run(&session, global).await,
        Command::Page => commands::page::run(&session, global).await,
        Command::Snapshot(args) => commands::snapshot::run(&session, global, args).await,
        Command::Restore(args) => commands::restore::run(&session, global, args).await,
        Command::Diff(args) => commands::diff::run(&session, global, args).await,
        Command::Reset(args) => commands::reset::run(&session, global, args).await,
    }
}
