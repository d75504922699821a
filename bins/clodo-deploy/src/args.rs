use clap::{Args, Parser, Subcommand, ValueEnum};
use clodo_cli::{GlobalArgs, ProgramArgs};
use std::path::PathBuf;

/// Plan, deploy, verify and roll back Cloudflare Workers and D1 databases.
#[derive(Debug, Parser)]
#[command(
    name = "clodo-deploy",
    version,
    after_help = "Example:\n  clodo-deploy deploy --project examples/storefront --platform local --yes\n\n\
                  Exit codes: 0 done, 1 failed, 2 wrong usage or config, 3 refused by a gate, 4 found something,\n\
                  5 partly done, 6 not allowed, 7 platform unreachable, 130 interrupted"
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
    /// Bring targets to what the files say: create, migrate, upload, shift traffic, verify
    #[command(
        after_help = "Example:\n  clodo-deploy deploy web orders --env staging --customer acme --platform local --yes"
    )]
    Deploy(DeployArgs),
    /// Show what a deployment would change, old and new; nothing is written
    #[command(after_help = "Example:\n  clodo-deploy plan --env production --exit-code")]
    Plan(PlanArgs),
    /// Carry out a plan that was saved and looked at; refused when the world has moved since
    #[command(
        after_help = "Example:\n  clodo-deploy plan --env production --out release.plan\n  clodo-deploy apply release.plan"
    )]
    Apply(ApplyArgs),
    /// Show what runs now, and whether it is what the files say
    #[command(after_help = "Example:\n  clodo-deploy status --env production --json")]
    Status(TargetArgs),
    /// List the newest deployments of this portfolio
    #[command(after_help = "Example:\n  clodo-deploy deployments --last 5")]
    Deployments(DeploymentsArgs),
    /// Go back to what was before a deployment; without an ID, before the newest one
    #[command(after_help = "Example:\n  clodo-deploy rollback --platform local --yes")]
    Rollback(RollbackArgs),
    /// Carry out the deployments that `deploy --enqueue` left in the shared state
    #[command(
        after_help = "Example:\n  clodo-deploy deploy --enqueue --env staging --platform cloudflare --yes\n  clodo-deploy runner --platform cloudflare"
    )]
    Runner(RunnerArgs),
    /// Check every file without contacting a platform
    #[command(after_help = "Example:\n  clodo-deploy validate --project examples/storefront")]
    Validate(ValidateArgs),
    /// List services, environments, customers and targets
    #[command(after_help = "Example:\n  clodo-deploy list --env production")]
    List(TargetArgs),
    /// Serve the local Cloudflare of a project (started by `--platform local`)
    #[command(name = "local-cloud", hide = true)]
    LocalCloud(LocalCloudArgs),
}

/// Which targets.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TargetArgs {
    /// Services; without any, all of them
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// The environment; `development` when none is given
    #[arg(long = "env", short = 'e', value_name = "ENVIRONMENT")]
    pub(crate) environment: Option<String>,
    /// A customer, more than once for several; without any, all of them
    #[arg(long = "customer", short = 'c', value_name = "CUSTOMER")]
    pub(crate) customers: Vec<String>,
    /// Only the targets that serve this hostname
    #[arg(long, value_name = "HOSTNAME")]
    pub(crate) domain: Option<String>,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

/// Where.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct PlatformArgs {
    /// Which platform; without it, what clodo.toml says
    #[arg(long, value_enum)]
    pub(crate) platform: Option<PlatformChoice>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlatformChoice {
    /// A Cloudflare on this machine; started when it does not run
    Local,
    /// Cloudflare, with CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID
    Cloudflare,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DeployArgs {
    #[command(flatten)]
    pub(crate) targets: TargetArgs,
    /// Show the plan and stop before anything is written
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Take over Workers and domains that this portfolio did not deploy
    #[arg(long)]
    pub(crate) adopt: bool,
    /// Upload again what did not change; new values of secrets travel with it
    #[arg(long)]
    pub(crate) redeploy: bool,
    /// A file with values of secrets, `NAME=value` a line
    #[arg(long, value_name = "FILE")]
    pub(crate) secrets_file: Option<PathBuf>,
    /// How many steps may run side by side
    #[arg(long, value_name = "N", default_value_t = 6)]
    pub(crate) concurrency: usize,
    /// Leave it to a runner: what is built goes into the shared state, values of secrets do not
    #[arg(long, conflicts_with_all = ["dry_run", "secrets_file"])]
    pub(crate) enqueue: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RunnerArgs {
    /// End when nothing waits any more; without it, wait for more until Ctrl-C
    #[arg(long)]
    pub(crate) until_empty: bool,
    /// A file with values of secrets, `NAME=value` a line
    #[arg(long, value_name = "FILE")]
    pub(crate) secrets_file: Option<PathBuf>,
    /// How many steps may run side by side
    #[arg(long, value_name = "N", default_value_t = 6)]
    pub(crate) concurrency: usize,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) targets: TargetArgs,
    /// Exit with 4 when there is something to change
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// Save the plan with all that it needs, but for values of secrets, to a file for `apply`
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Plan to take over Workers and domains that this portfolio did not deploy
    #[arg(long)]
    pub(crate) adopt: bool,
    /// Upload again what did not change; new values of secrets travel with it
    #[arg(long)]
    pub(crate) redeploy: bool,
    /// A file with values of secrets, `NAME=value` a line
    #[arg(long, value_name = "FILE")]
    pub(crate) secrets_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ApplyArgs {
    /// A file that `plan --out` wrote
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// A file with values of secrets, `NAME=value` a line
    #[arg(long, value_name = "FILE")]
    pub(crate) secrets_file: Option<PathBuf>,
    /// How many steps may run side by side
    #[arg(long, value_name = "N", default_value_t = 6)]
    pub(crate) concurrency: usize,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DeploymentsArgs {
    /// How many
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) last: usize,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RollbackArgs {
    /// The deployment to undo; without it, the newest one that changed something
    #[arg(value_name = "ID")]
    pub(crate) deployment: Option<String>,
    /// Only these services
    #[arg(long = "service", value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Show what would change and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ValidateArgs {
    #[command(flatten)]
    pub(crate) targets: TargetArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct LocalCloudArgs {
    /// The workerd binary
    #[arg(long, value_name = "FILE")]
    pub(crate) workerd: PathBuf,
    /// The port; without it that of the last run, else a free one
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
}
