use crate::args::{PlatformArgs, WorkArgs};
use clap::{Args, Subcommand};

/// Which of the three.
#[derive(Clone, Debug, Args)]
pub(crate) struct PreviewArgs {
    #[command(subcommand)]
    pub(crate) command: PreviewCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum PreviewCommand {
    /// Deploy copies of targets for a branch, with data of their own; again to bring them up to date
    #[command(after_help = "Examples:\n  clodo-deploy preview create --platform local\n  \
                      clodo-deploy preview create feature/checkout web orders --from staging --ttl 3d --yes\n\n\
                      A preview answers below workers.dev only: it has no domains, routes or schedules. Its databases,\n\
                      namespaces and buckets are its own. Services that it does not hold are those of the environment.")]
    Create(PreviewCreateArgs),
    /// List the previews that are in the accounts, whoever made them
    #[command(after_help = "Example:\n  clodo-deploy preview list --json")]
    List(PreviewListArgs),
    /// Remove a preview with all its data; nothing else is touched
    #[command(after_help = "Examples:\n  clodo-deploy preview delete feature/checkout --yes\n  \
                      clodo-deploy preview delete --expired --yes\n  \
                      clodo-deploy preview delete --gone --keep main feature/checkout --dry-run")]
    Delete(PreviewDeleteArgs),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct PreviewCreateArgs {
    /// The preview's name, such as that of a branch; without one, the branch that is checked out
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Services; without any, all of them
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// The environment to copy
    #[arg(long, value_name = "ENVIRONMENT", default_value = "development")]
    pub(crate) from: String,
    /// A customer, more than once for several; without any, all of them
    #[arg(long = "customer", short = 'c', value_name = "CUSTOMER")]
    pub(crate) customers: Vec<String>,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
    /// How long it lives, such as `12h` or `7d`, from now on; without it a new one lives for 7 days,
    /// and one that is there as long as it would anyway. `delete --expired` removes it then
    #[arg(long, value_name = "TIME")]
    pub(crate) ttl: Option<String>,
    /// Copy what the environment's databases and KV namespaces hold, where the preview's hold nothing
    /// yet; without it they are empty but for what migrations put there
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) with_data: bool,
    /// Allow a preview of an environment that is protected: it runs this code with its secrets
    #[arg(long)]
    pub(crate) allow_protected: bool,
    /// Show the plan and stop before anything is written
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Answer yes to "Deploy this?", which is asked after the plan is shown
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) work: WorkArgs,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct PreviewListArgs {
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

#[derive(Clone, Debug, Args)]
#[group(id = "which", multiple = false, args = ["name", "expired", "gone"])]
pub(crate) struct PreviewDeleteArgs {
    /// The preview
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// All whose time is over
    #[arg(long)]
    pub(crate) expired: bool,
    /// All but those of `--keep`: their branches are gone
    #[arg(long, requires = "keep")]
    pub(crate) gone: bool,
    /// Branches that there still are
    #[arg(long, value_name = "NAME", num_args = 1.., requires = "gone")]
    pub(crate) keep: Vec<String>,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
    /// Show the plan and stop before anything is removed
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Answer yes to whether the previews are to be removed with all their data
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}
