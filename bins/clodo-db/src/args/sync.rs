//! Arguments of `sync`.

use super::{AtOnceArgs, WhereArgs};
use clap::{Args, Subcommand};

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
