//! Arguments of `sync`.

use super::{AtOnceArgs, PlatformChoice, WhereArgs};
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Clone, Debug, Args)]
pub(crate) struct SyncArgs {
    #[command(subcommand)]
    pub(crate) command: SyncCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum SyncCommand {
    /// Say which databases have which schema, and the next command for each; exit 4 when some differ
    ///
    /// Databases that are alike are one column of a table. Nothing is written to any.
    #[command(after_help = "Example:\n  clodo-db sync schema --env staging --env production\n  \
                      clodo-db sync schema catalog --from live@production")]
    Schema(SyncSchemaArgs),
    /// Copy rows from one environment, or SQLite file, into another one
    ///
    /// The tables of both have to be alike. Rules (`--mask`) change values on their way, and nothing leaves a
    /// protected environment without one for each column. All is tried before anything is written.
    #[command(
        after_help = "Example:\n  clodo-db sync data --from production --to staging catalog --key-env MASK_KEY --dry-run\n  \
                      clodo-db sync data --from production --to copy.db catalog --customer acme --mask masks.toml \\\n      \
                      --key-file key.txt\n  \
                      clodo-db sync data --from copy.db --to development catalog --customer acme --replace"
    )]
    Data(SyncDataArgs),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SyncSchemaArgs {
    #[command(flatten)]
    pub(crate) databases: WhereArgs,
    /// What all should be like: `migrations` (what all files make), or `live@ENVIRONMENT` (the database
    /// of the same customer there)
    #[arg(long, value_name = "REFERENCE", default_value = "migrations")]
    pub(crate) from: String,
    #[command(flatten)]
    pub(crate) at_once: AtOnceArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SyncDataArgs {
    /// Where the rows come from: an environment, or a SQLite file, whose name has a `.` or `/` in it
    #[arg(long, value_name = "ENVIRONMENT|FILE")]
    pub(crate) from: String,
    /// Where they go; a file that is not there is made
    #[arg(long, value_name = "ENVIRONMENT|FILE")]
    pub(crate) to: String,
    /// Services; without any, all of them
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// A customer, more than once for several; without any, all of them
    #[arg(long = "customer", short = 'c', value_name = "CUSTOMER")]
    pub(crate) customers: Vec<String>,
    /// Only databases with this binding
    #[arg(long, value_name = "NAME")]
    pub(crate) binding: Option<String>,
    /// Which platform; without it, what clodo.toml says
    #[arg(long, value_enum)]
    pub(crate) platform: Option<PlatformChoice>,
    /// A table to copy, more than once for several; without any, all of them
    #[arg(long = "table", short = 't', value_name = "TABLE")]
    pub(crate) tables: Vec<String>,
    /// The rules, for databases of one service and binding [default: `masks.toml` beside the folder of the
    /// migrations]
    #[arg(long, value_name = "FILE")]
    pub(crate) mask: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// Let the rows go that the tables hold; all of the database is backed up first
    #[arg(long)]
    pub(crate) replace: bool,
    /// Show the tables and what becomes of each column, and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Allow to write into environments that are protected, or are production; with --yes only
    #[arg(long)]
    pub(crate) into_protected: bool,
}

/// Where the key of masks is. It is never an argument, which others see.
#[derive(Clone, Debug, Default, Args)]
#[group(multiple = false)]
pub(crate) struct KeyArgs {
    /// A file with the key of `hash` and `fake`; `-` reads it from the input
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// The environment variable with the key
    #[arg(long, value_name = "NAME")]
    pub(crate) key_env: Option<String>,
}
