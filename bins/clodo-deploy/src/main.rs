//! The program `clodo-deploy`: plan, deploy, verify and roll back Workers and D1.

mod args;
mod choose;
mod commands;
mod confirm;
mod context;
mod deadline;
mod engine;
mod failure;
mod listener;
mod record;
mod report;

use args::{Cli, Command};
use clodo_cli::{CliError, Exit, Launch, Session};
use clodo_saga::SignalKind;
use std::process::ExitCode;

fn main() -> ExitCode {
    Launch::of_this_process().run(run)
}

async fn run(session: Session, cli: Cli) -> Result<Exit, CliError> {
    let outcome = dispatch(session, cli).await;
    clodo::program::give_back().await;
    outcome
}

async fn dispatch(session: Session, cli: Cli) -> Result<Exit, CliError> {
    let global = &cli.global;
    match &cli.command {
        Command::Deploy(args) => commands::deploy::run(&session, global, args).await,
        Command::Plan(args) => commands::plan::run(&session, global, args).await,
        Command::Apply(args) => commands::apply::run(&session, global, args).await,
        Command::Promote(args) => commands::promote::run(&session, global, args).await,
        Command::Resume(args) => commands::resume::run(&session, global, args).await,
        Command::Pause(args) => {
            commands::signal::run(&session, global, args, SignalKind::Pause).await
        }
        Command::Continue(args) => {
            commands::signal::run(&session, global, args, SignalKind::Continue).await
        }
        Command::Abort(args) => commands::abort::run(&session, global, args).await,
        Command::Watch(args) => commands::watch::run(&session, global, args).await,
        Command::Locks(args) => commands::locks::run(&session, global, args).await,
        Command::Status(args) => commands::status::run(&session, global, args).await,
        Command::Drift(args) => commands::drift::run(&session, global, args).await,
        Command::Destroy(args) => commands::destroy::run(&session, global, args).await,
        Command::Deployments(args) => commands::deployments::run(&session, global, args).await,
        Command::Rollback(args) => commands::rollback::run(&session, global, args).await,
        Command::Preview(args) => commands::preview::run(&session, global, args).await,
        Command::Runner(args) => commands::runner::run(&session, global, args).await,
        Command::Validate(args) => commands::validate::run(&session, global, args).await,
        Command::List(args) => commands::list::run(&session, global, args),
        Command::LocalCloud(args) => commands::local_cloud::run(&session, global, args).await,
    }
}
