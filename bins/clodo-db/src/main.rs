//! The program `clodo-db`: migrations of D1 and SQLite that lose no row.

mod args;
mod commands;
mod context;
mod failure;
mod findings;
mod keeping;
mod places;
mod report;
mod rows;
mod running;
mod sources;

use args::{Cli, Command};
use clodo_cli::{CliError, Exit, Launch, RuntimeKind, Session};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A backup reads, writes and compresses at once.
    Launch::of_this_process().with_runtime(RuntimeKind::MultiThread).run(run)
}

async fn run(session: Session, cli: Cli) -> Result<Exit, CliError> {
    let outcome = dispatch(session, cli).await;
    clodo::program::give_back().await;
    outcome
}

async fn dispatch(session: Session, cli: Cli) -> Result<Exit, CliError> {
    let global = &cli.global;
    match &cli.command {
        Command::New(args) => commands::new::run(&session, global, args),
        Command::Status(args) => commands::status::run(&session, global, args).await,
        Command::Up(args) => commands::up::run(&session, global, args).await,
        Command::Lint(args) => commands::lint::run(&session, global, args).await,
        Command::Verify(args) => commands::verify::run(&session, global, args).await,
        Command::Repair(args) => commands::repair::run(&session, global, args).await,
        Command::Baseline(args) => commands::baseline::run(&session, global, args).await,
        Command::Rewind(args) => commands::rewind::run(&session, global, args).await,
        Command::Query(args) => commands::query::run(&session, global, args).await,
        Command::Backup(args) => commands::backup::run(&session, global, args).await,
        Command::Backups(args) => commands::backups::run(&session, global, args).await,
        Command::Restore(args) => commands::restore::run(&session, global, args).await,
        Command::Drill(args) => commands::drill::run(&session, global, args).await,
        Command::Down(args) => commands::down::run(&session, global, args).await,
        Command::Health(args) => commands::health::run(&session, global, args).await,
        Command::Diagnose(args) => commands::diagnose::run(&session, global, args).await,
        Command::Diff(args) => commands::diff::run(&session, global, args).await,
        Command::Seed(args) => commands::seed::run(&session, global, args).await,
        Command::Sync(args) => commands::sync::run(&session, global, args).await,
        Command::Shell(args) => commands::shell::run(&session, global, args).await,
        Command::LocalCloud(args) => commands::local_cloud::run(&session, global, args).await,
    }
}
