//! Arguments of what looks at databases that are there, and works with them.

use super::WhereArgs;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Clone, Debug, Args)]
pub(crate) struct HealthArgs {
    #[command(flatten)]
    pub(crate) databases: WhereArgs,
    /// Look whether indexes hold what their tables hold, too: it reads much more, and D1 has no such check
    #[arg(long)]
    pub(crate) full: bool,
    /// A round trip that takes longer is found
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 1_000)]
    pub(crate) slow: u64,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DiagnoseArgs {
    #[command(flatten)]
    pub(crate) databases: WhereArgs,
    /// A file of statements to look at; `-` reads them from the input
    #[arg(long, value_name = "FILE")]
    pub(crate) sql: Vec<PathBuf>,
    /// A folder or file of JavaScript or TypeScript in which to look for statements [default: the
    /// service's folder, without node_modules]
    #[arg(long, value_name = "PATH")]
    pub(crate) source: Vec<PathBuf>,
    /// A table with more rows is big
    #[arg(long, value_name = "ROWS", default_value_t = 1_000_000)]
    pub(crate) big: u64,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DiffArgs {
    /// One side
    #[arg(value_name = "FROM")]
    pub(crate) from: String,
    /// The other side: what is desired
    #[arg(value_name = "TO")]
    pub(crate) to: String,
    #[command(flatten)]
    pub(crate) databases: WhereArgs,
    /// Write the difference as the next migration; FROM has to be migrations. Nothing is applied
    #[arg(long, value_name = "NAME")]
    pub(crate) write: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SeedArgs {
    #[command(flatten)]
    pub(crate) databases: WhereArgs,
    /// A file to run instead of the folder's, more than once for several
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Vec<PathBuf>,
    /// Check all files on the databases, and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Allow environments that are protected, or are production
    #[arg(long)]
    pub(crate) into_protected: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ShellArgs {
    #[command(flatten)]
    pub(crate) databases: WhereArgs,
    /// Allow statements that change something
    #[arg(long)]
    pub(crate) write: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// The form of the rows
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) mode: ShellMode,
    /// Keep what was typed in this file, with all values in it; without it nothing is kept
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ShellMode {
    /// Columns for a terminal
    Table,
    /// Comma-separated, with the names first
    Csv,
    /// One object a statement, as `query --json` has it
    Json,
}
