mod backups;
mod operations;
mod sync;

pub(crate) use backups::{BackupArgs, BackupsArgs, BackupsIn, DownArgs, DrillArgs, RestoreArgs};
pub(crate) use operations::{DiagnoseArgs, DiffArgs, HealthArgs, SeedArgs, ShellArgs, ShellMode};
pub(crate) use sync::{KeyArgs, SyncArgs, SyncCommand, SyncDataArgs, SyncSchemaArgs};

use clap::{Args, Parser, Subcommand, ValueEnum};
use clodo::program::LocalCloudArgs;
use clodo_cli::{GlobalArgs, ProgramArgs};
use std::{num::NonZeroUsize, path::PathBuf};

/// Migrations of D1 and SQLite databases that lose no row
///
/// It works on wrangler's own folders and tables, with or without a clodo.toml.
#[derive(Debug, Parser)]
#[command(
    name = "clodo-db",
    version,
    after_help = "Example:\n  clodo-db status --project examples/storefront\n  clodo-db up --project examples/storefront --dry-run\n\n\
                  Exit codes: 0 done, 1 failed, 2 wrong usage or config, 3 refused before anything was written,\n\
                  4 found something, 5 partly done, 6 not allowed or locked, 7 platform unreachable, 130 interrupted"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl ProgramArgs for Cli {
    fn global(&self) -> &GlobalArgs {
        &self.global
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write the next numbered migration file
    #[command(after_help = "Example:\n  clodo-db new add_stock catalog")]
    New(NewArgs),
    /// Show which migrations each database has
    #[command(after_help = "Example:\n  clodo-db status --env production --exit-code\n  \
                      clodo-db status --sqlite app.db")]
    Status(StatusArgs),
    /// Apply what is pending, database after database; all are checked before the first is changed
    #[command(after_help = "Example:\n  clodo-db up catalog --customer acme --dry-run\n  \
                      clodo-db up --env production --platform cloudflare")]
    Up(UpArgs),
    /// Check migration files, without a database or on those that are deployed
    #[command(after_help = "Example:\n  clodo-db lint --format github\n  \
                      clodo-db lint --migrations migrations --after 0007_users.sql\n  \
                      clodo-db lint --deployed --env production")]
    Lint(LintArgs),
    /// Compare each database with what its migrations make; exit 4 when they differ
    #[command(after_help = "Example:\n  clodo-db verify --env production")]
    Verify(VerifyArgs),
    /// Record edited files as they are now, and forget those that are gone
    #[command(after_help = "Example:\n  clodo-db repair catalog --customer acme --dry-run")]
    Repair(RepairArgs),
    /// Record migrations up to and with NAME as applied, without running them
    #[command(after_help = "Example:\n  clodo-db baseline 0007_users.sql --sqlite app.db")]
    Baseline(BaselineArgs),
    /// Put a D1 database back to a bookmark or a moment; what was written since is lost
    #[command(
        after_help = "Example:\n  clodo-db rewind 00000001-00000002-00004e2f-00000000000000000000000000000000 catalog --customer acme\n  \
                      clodo-db rewind 2026-11-29T12:00:00Z catalog --customer acme"
    )]
    Rewind(RewindArgs),
    /// Run a statement that reads; with --write, one that changes
    #[command(
        after_help = "Example:\n  clodo-db query \"SELECT * FROM products\" catalog --customer acme\n  \
                      clodo-db query \"SELECT * FROM notes\" --sqlite app.db --format csv"
    )]
    Query(QueryArgs),
    /// Back databases up into a folder, each as SQL text that makes the same database again
    #[command(
        after_help = "Example:\n  clodo-db backup --env production --keep-last 3 --keep-daily 14 --keep-weekly 8\n  \
                      clodo-db backup --sqlite app.db --to /mnt/backups"
    )]
    Backup(BackupArgs),
    /// List the backups that are kept
    #[command(after_help = "Example:\n  clodo-db backups catalog --customer acme")]
    Backups(BackupsArgs),
    /// Restore a backup into a database, a new one, or a SQLite file
    #[command(
        after_help = "Example:\n  clodo-db restore latest catalog --customer acme --over\n  \
                      clodo-db restore latest orders --env production --new orders-2\n  \
                      clodo-db restore shop.sql.zst --sqlite shop.db"
    )]
    Restore(RestoreArgs),
    /// Prove that the newest backups restore; exit 4 when one is missing, old, damaged or does not
    #[command(after_help = "Example:\n  clodo-db drill --env production --max-age 26h\n  \
                      clodo-db drill orders --fresh --compare")]
    Drill(DrillArgs),
    /// Take the last migrations back, as files in `down/` beside them say; without one, nothing is
    #[command(after_help = "Example:\n  clodo-db down catalog --customer acme --dry-run\n  \
                      clodo-db down --to 0007_users.sql --sqlite app.db")]
    Down(DownArgs),
    /// Look whether databases are well; exit 4 when something is found
    #[command(after_help = "Example:\n  clodo-db health --env production\n  \
                      clodo-db health --sqlite app.db --full")]
    Health(HealthArgs),
    /// Find what makes databases slow and what comes to an end; exit 4 when something is found
    ///
    /// The statements of the services' programs are looked at, too: none is run.
    #[command(after_help = "Example:\n  clodo-db diagnose catalog --env production\n  \
                      clodo-db diagnose --sqlite app.db --sql queries.sql --source src")]
    Diagnose(DiagnoseArgs),
    /// Compare two schemas, and write the migration from one to the other; exit 4 when they differ
    ///
    /// Each side is `live`, `live@ENVIRONMENT`, `migrations` (what they make from nothing), a schema file
    /// (`schema.sql`), a folder of migrations (`./migrations`), or a SQLite file.
    #[command(
        after_help = "Example:\n  clodo-db diff live@staging live@production catalog --customer acme\n  \
                      clodo-db diff migrations schema.sql catalog --write add_stock\n  \
                      clodo-db diff one.db two.db"
    )]
    Diff(DiffArgs),
    /// Put rows to develop and test with into databases
    ///
    /// Each file of the folder `seeds` beside the migrations is run in one transaction, each time: write
    /// INSERT OR IGNORE, or ON CONFLICT.
    #[command(after_help = "Example:\n  clodo-db seed catalog --customer acme\n  \
                      clodo-db seed --sqlite app.db --file seeds/people.sql --dry-run")]
    Seed(SeedArgs),
    /// Say which databases of a fleet have which schema, or copy rows between environments
    Sync(SyncArgs),
    /// Type statements, or read them from a pipe; with --write, also ones that change
    ///
    /// Each statement ends with a semicolon and is a transaction of its own. From a pipe, the first one
    /// that fails ends it. `.help` lists what else can be typed.
    #[command(after_help = "Example:\n  clodo-db shell catalog --customer acme\n  \
                      echo \"SELECT 1;\" | clodo-db shell --sqlite app.db --mode json")]
    Shell(ShellArgs),
    /// Serve the local Cloudflare of a project (started by `--platform local`)
    #[command(name = "local-cloud", hide = true)]
    LocalCloud(LocalCloudArgs),
}

/// Which databases.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct WhereArgs {
    /// Services; without any, all of them
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// An environment, more than once for several, one after the other; `development` when none is
    /// given
    #[arg(long = "env", short = 'e', value_name = "ENVIRONMENT")]
    pub(crate) environments: Vec<String>,
    /// A customer, more than once for several; without any, all of them
    #[arg(long = "customer", short = 'c', value_name = "CUSTOMER")]
    pub(crate) customers: Vec<String>,
    /// Only databases with this binding
    #[arg(long, value_name = "NAME")]
    pub(crate) binding: Option<String>,
    /// Which platform; without it, what clodo.toml says
    #[arg(long, value_enum)]
    pub(crate) platform: Option<PlatformChoice>,
    /// A SQLite file instead of D1 databases
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["services", "environments", "customers", "binding", "platform"]
    )]
    pub(crate) sqlite: Option<PathBuf>,
    /// The folder of the SQLite file's migrations, or a pattern such as 'DIR/*/migration.sql'
    /// [default: migrations]
    #[arg(long, value_name = "DIR", requires = "sqlite")]
    pub(crate) migrations: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlatformChoice {
    /// A Cloudflare on this machine; started when it does not run
    Local,
    /// Cloudflare, with CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID
    Cloudflare,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct NewArgs {
    /// What it does, in a few words
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// The service; needed where there are several
    #[arg(value_name = "SERVICE")]
    pub(crate) service: Option<String>,
    /// The database's binding; needed where there are several
    #[arg(long, value_name = "NAME")]
    pub(crate) binding: Option<String>,
    /// The folder of the migrations, or a pattern, for a database that no wrangler config names
    #[arg(long, value_name = "DIR", conflicts_with_all = ["service", "binding"])]
    pub(crate) migrations: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) databases: WhereArgs,
    #[command(flatten)]
    pub(crate) at_once: AtOnceArgs,
    /// Exit with 4 when something is pending, or files and database disagree
    #[arg(long)]
    pub(crate) exit_code: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct UpArgs {
    #[command(flatten)]
    pub(crate) databases: WhereArgs,
    /// Show the very statements that would run, and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Make databases that are not there; on the local Cloudflare they are made in any case
    #[arg(long)]
    pub(crate) create: bool,
    /// Back each database up before it is changed; of D1 a bookmark is noted in any case
    #[arg(long)]
    pub(crate) backup: bool,
    /// Nobody else writes meanwhile: read all values before and behind, and fail where some changed that no
    /// file names
    #[arg(long)]
    pub(crate) freeze: bool,
    #[command(flatten)]
    pub(crate) at_once: AtOnceArgs,
}

/// How many databases are worked on at the same time.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct AtOnceArgs {
    /// How many databases at the same time
    #[arg(long, value_name = "COUNT", default_value_t = NonZeroUsize::new(8).expect("not zero"))]
    pub(crate) concurrency: NonZeroUsize,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct LintArgs {
    /// Services; without any, all of them
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Only databases with this binding
    #[arg(long, value_name = "NAME")]
    pub(crate) binding: Option<String>,
    /// A folder of migrations, or a pattern, for databases that no wrangler config names
    #[arg(long, value_name = "DIR", conflicts_with_all = ["services", "binding"])]
    pub(crate) migrations: Option<PathBuf>,
    /// Files up to and with this one are applied everywhere: only later ones are checked, and what they
    /// break in the services' source
    #[arg(long, value_name = "NAME")]
    pub(crate) after: Option<String>,
    /// Check what is pending in the databases that there are, and what it breaks in the code of the
    /// Workers that are deployed; it only reads
    #[arg(long, conflicts_with_all = ["migrations", "after"])]
    pub(crate) deployed: bool,
    /// With --deployed: an environment, more than once for several
    #[arg(long = "env", short = 'e', value_name = "ENVIRONMENT", requires = "deployed")]
    pub(crate) environments: Vec<String>,
    /// With --deployed: a customer, more than once for several
    #[arg(long = "customer", short = 'c', value_name = "CUSTOMER", requires = "deployed")]
    pub(crate) customers: Vec<String>,
    /// With --deployed: which platform; without it, what clodo.toml says
    #[arg(long, value_enum, requires = "deployed")]
    pub(crate) platform: Option<PlatformChoice>,
    /// The form of the findings
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: LintFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LintFormat {
    /// For a terminal
    Text,
    /// For code scanning
    Sarif,
    /// Annotations of GitHub Actions
    Github,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) databases: WhereArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RepairArgs {
    #[command(flatten)]
    pub(crate) databases: WhereArgs,
    /// Show what would be recorded, and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct BaselineArgs {
    /// The last migration that the database has
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) databases: WhereArgs,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RewindArgs {
    /// The bookmark, as `up` shows it, or a moment such as 2026-11-29T12:00:00Z
    #[arg(value_name = "BOOKMARK")]
    pub(crate) bookmark: String,
    #[command(flatten)]
    pub(crate) databases: WhereArgs,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct QueryArgs {
    /// The statement; `-` reads it from the input
    #[arg(value_name = "SQL", allow_hyphen_values = true)]
    pub(crate) sql: String,
    #[command(flatten)]
    pub(crate) databases: WhereArgs,
    /// Allow a statement that changes something
    #[arg(long)]
    pub(crate) write: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// The form of the rows
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: RowFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowFormat {
    /// Columns for a terminal
    Table,
    /// Comma-separated, with the names first
    Csv,
}
