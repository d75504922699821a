use crate::commands::preview::args::PreviewArgs;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clodo::PreflightLevel;
use clodo::program::LocalCloudArgs;
use clodo_cli::{GlobalArgs, ProgramArgs};
use clodo_types::TargetId;
use std::{collections::BTreeSet, path::PathBuf, time::Duration};

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
    /// Give an environment the code that another one has proved, without building it again; its
    /// settings, bindings and migrations are those of the files
    #[command(
        after_help = "Example:\n  clodo-deploy promote --from staging --to production --strategy canary --yes"
    )]
    Promote(PromoteArgs),
    /// Go on with a deployment whose process died, with the files that it began with
    #[command(after_help = "Example:\n  clodo-deploy resume --platform local")]
    Resume(ResumeArgs),
    /// Begin no further step of a running deployment, from another terminal
    #[command(after_help = "Example:\n  clodo-deploy pause --reason \"the shop is full\"")]
    Pause(SignalArgs),
    /// Let a paused deployment go on; move a canary on, or say yes to what waits for approval
    #[command(after_help = "Example:\n  clodo-deploy continue")]
    Continue(SignalArgs),
    /// Stop a deployment and take back what it did
    #[command(after_help = "Example:\n  clodo-deploy abort --reason \"wrong branch\"")]
    Abort(AbortArgs),
    /// Follow a deployment, wherever it runs, until it ends
    #[command(after_help = "Example:\n  clodo-deploy watch --json=events")]
    Watch(WatchArgs),
    /// Show who holds which lock
    #[command(after_help = "Example:\n  clodo-deploy locks --platform local")]
    Locks(LocksArgs),
    /// Show what runs now, and whether it is what the files say
    #[command(after_help = "Example:\n  clodo-deploy status --env production --json")]
    Status(TargetArgs),
    /// Find what runs otherwise than it was deployed, or than the files say; exit 4 when there is any
    #[command(after_help = "Example:\n  clodo-deploy drift --env production --json")]
    Drift(DriftArgs),
    /// Remove targets: what leads to them, then the Workers; data stays unless --with-data
    #[command(
        after_help = "Example:\n  clodo-deploy destroy --env staging --customer acme --dry-run"
    )]
    Destroy(DestroyArgs),
    /// List the newest deployments of this portfolio, or show one with all its steps
    #[command(
        after_help = "Example:\n  clodo-deploy deployments --last 5\n  clodo-deploy deployments 0199c0de-0000-7000-8000-000000000001 --format html --out release.html"
    )]
    Deployments(DeploymentsArgs),
    /// Go back to what was before a deployment; without an ID, before the newest one
    #[command(after_help = "Example:\n  clodo-deploy rollback --platform local --yes\n  \
                      clodo-deploy rollback --env production --to-time 30m --dry-run")]
    Rollback(RollbackArgs),
    /// Copies of targets for a branch, with data of their own: create, list, delete
    #[command(
        after_help = "Example:\n  clodo-deploy preview create feature/checkout --from staging --platform local"
    )]
    Preview(PreviewArgs),
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
    /// An environment, more than once for several, one after the other; `development` when none is
    /// given
    #[arg(long = "env", short = 'e', value_name = "ENVIRONMENT")]
    pub(crate) environments: Vec<String>,
    /// A customer, more than once for several; without any, all of them
    #[arg(long = "customer", short = 'c', value_name = "CUSTOMER")]
    pub(crate) customers: Vec<String>,
    /// Only the targets that serve this hostname
    #[arg(long, value_name = "HOSTNAME")]
    pub(crate) domain: Option<String>,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

/// The forms of a deployment's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RecordFormat {
    /// For a terminal
    Text,
    /// As `--json` prints it
    Json,
    /// A test suite with a case for each step
    Junit,
    /// A line for each step
    Csv,
    /// One page with a picture of when each step ran
    Html,
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

/// With what, and how much at once.
#[derive(Clone, Debug, Args)]
pub(crate) struct WorkArgs {
    /// A file with values of secrets, `NAME=value` a line
    #[arg(long, value_name = "FILE")]
    pub(crate) secrets_file: Option<PathBuf>,
    /// How many steps may run side by side
    #[arg(long, value_name = "N", default_value_t = 6)]
    pub(crate) concurrency: usize,
    /// Take back what is not done within this time, such as `20m`; planning and questions do not count
    #[arg(long, value_name = "TIME", value_parser = clodo_config::parse_time)]
    pub(crate) timeout: Option<Duration>,
}

/// How closely to look before.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct PreflightArgs {
    /// How closely to look before anything is written: `basic` (files, access, zones, claims of
    /// others), `standard` (also the token's end and permissions, DNS records in the way),
    /// `comprehensive` (also whether what serves now can be reached, with its certificate)
    #[arg(long, value_enum, value_name = "LEVEL", default_value = "basic")]
    pub(crate) preflight: PreflightChoice,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PreflightChoice {
    /// What planning shows; no further call
    #[default]
    Basic,
    /// The token and DNS as well
    Standard,
    /// The targets themselves as well
    Comprehensive,
}

impl From<PreflightArgs> for PreflightLevel {
    fn from(args: PreflightArgs) -> Self {
        match args.preflight {
            PreflightChoice::Basic => Self::Basic,
            PreflightChoice::Standard => Self::Standard,
            PreflightChoice::Comprehensive => Self::Comprehensive,
        }
    }
}

/// How.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct StrategyArgs {
    /// How new versions take over, whatever clodo.toml says
    #[arg(long, value_enum, value_name = "STRATEGY")]
    pub(crate) strategy: Option<StrategyChoice>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StrategyChoice {
    /// All traffic at once
    AllAtOnce,
    /// Batch after batch of targets, each once the one before is healthy
    Rolling,
    /// A growing share of the traffic, judged at each step
    Canary,
    /// Beside the old version, then all traffic
    BlueGreen,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct PromoteArgs {
    /// Services; without any, all of them
    #[arg(value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// The environment that has proved the code; without it, what clodo.toml says
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(crate) from: Option<String>,
    /// The environment that is to get it
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(crate) to: String,
    /// A customer, more than once for several; without any, all of them
    #[arg(long = "customer", short = 'c', value_name = "CUSTOMER")]
    pub(crate) customers: Vec<String>,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
    #[command(flatten)]
    pub(crate) strategy: StrategyArgs,
    #[command(flatten)]
    pub(crate) preflight: PreflightArgs,
    /// Do not look whether new versions answer; the record says so. Environments with the protection
    /// `approve` refuse it
    #[arg(long)]
    pub(crate) no_tests: bool,
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
pub(crate) struct DeployArgs {
    #[command(flatten)]
    pub(crate) targets: TargetArgs,
    #[command(flatten)]
    pub(crate) strategy: StrategyArgs,
    #[command(flatten)]
    pub(crate) preflight: PreflightArgs,
    /// Do not look whether new versions answer; the record says so. Environments with the protection
    /// `approve` refuse it
    #[arg(long)]
    pub(crate) no_tests: bool,
    /// Show the plan and stop before anything is written
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Answer yes to "Deploy this?", which is asked after the plan is shown; no list of targets to pick
    /// from is shown either
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Take over Workers and domains that this portfolio did not deploy
    #[arg(long)]
    pub(crate) adopt: bool,
    /// Remove Workers of this portfolio that the files no longer name
    #[arg(long)]
    pub(crate) prune: bool,
    /// Remove Workers of protected environments as well
    #[arg(long, requires = "prune")]
    pub(crate) allow_protected: bool,
    /// Upload again what did not change; new values of secrets travel with it
    #[arg(long)]
    pub(crate) redeploy: bool,
    #[command(flatten)]
    pub(crate) work: WorkArgs,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Leave it to a runner: what is built goes into the shared state, values of secrets do not
    #[arg(long, conflicts_with_all = ["dry_run", "secrets_file", "prune", "preflight", "no_tests"])]
    pub(crate) enqueue: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RunnerArgs {
    /// End when nothing waits any more; without it, wait for more until Ctrl-C
    #[arg(long)]
    pub(crate) until_empty: bool,
    #[command(flatten)]
    pub(crate) work: WorkArgs,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ResumeArgs {
    /// The deployment, by its id or the beginning of it; without it, the one that is unfinished
    #[arg(value_name = "ID")]
    pub(crate) deployment: Option<String>,
    /// Answer yes to "Deploy this?", which is asked after the plan is shown
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) work: WorkArgs,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SignalArgs {
    /// The deployment, by its id or the beginning of it; without it, the one that runs
    #[arg(value_name = "ID")]
    pub(crate) deployment: Option<String>,
    /// Only this step of it, such as `hold 2`
    #[arg(long, value_name = "STEP")]
    pub(crate) step: Option<String>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct AbortArgs {
    /// The deployment, by its id or the beginning of it; without it, the one that runs
    #[arg(value_name = "ID")]
    pub(crate) deployment: Option<String>,
    /// Answer yes to whether what was done is to be taken back
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct WatchArgs {
    /// The deployment, by its id or the beginning of it; without it, the one that runs, else the newest
    #[arg(value_name = "ID")]
    pub(crate) deployment: Option<String>,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DriftArgs {
    #[command(flatten)]
    pub(crate) targets: TargetArgs,
    /// Read every Worker in full; without it, those that listings show as they were left are believed
    #[arg(long)]
    pub(crate) deep: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct LocksArgs {
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(crate) targets: TargetArgs,
    #[command(flatten)]
    pub(crate) strategy: StrategyArgs,
    #[command(flatten)]
    pub(crate) preflight: PreflightArgs,
    /// As `deploy --dry-run --no-tests` has it
    #[arg(skip)]
    pub(crate) no_tests: bool,
    /// A person may be asked which targets are meant, as `deploy --dry-run` has it
    #[arg(skip)]
    pub(crate) asks: bool,
    /// Exit with 4 when there is something to change
    #[arg(long)]
    pub(crate) exit_code: bool,
    /// Save the plan with all that it needs, but for values of secrets, to a file for `apply`
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Plan to take over Workers and domains that this portfolio did not deploy
    #[arg(long)]
    pub(crate) adopt: bool,
    /// Plan to remove Workers of this portfolio that the files no longer name
    #[arg(long)]
    pub(crate) prune: bool,
    /// Remove Workers of protected environments as well
    #[arg(long, requires = "prune")]
    pub(crate) allow_protected: bool,
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
    /// Do not look whether new versions answer; the record says so. Environments with the protection
    /// `approve` refuse it
    #[arg(long)]
    pub(crate) no_tests: bool,
    /// Answer yes to "Deploy this?", which is asked after the plan is shown
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) work: WorkArgs,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DestroyArgs {
    #[command(flatten)]
    pub(crate) targets: TargetArgs,
    /// Show the plan and stop before anything is removed
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Answer yes to whether the targets are to be removed for good
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Remove databases, namespaces, buckets and Durable Objects as well, with all that is in them
    #[arg(long)]
    pub(crate) with_data: bool,
    /// Allow it in an environment that is protected
    #[arg(long)]
    pub(crate) allow_protected: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DeploymentsArgs {
    /// Show this one, by its id or the beginning of it, with all its steps
    #[arg(value_name = "ID")]
    pub(crate) deployment: Option<String>,
    /// The form in which it is shown
    #[arg(long, value_enum, requires = "deployment", default_value = "text")]
    pub(crate) format: RecordFormat,
    /// Write it to a file
    #[arg(long, value_name = "FILE", requires = "deployment")]
    pub(crate) out: Option<PathBuf>,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) last: usize,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RollbackArgs {
    /// The deployment to undo, by its id or the beginning of it; without it, the newest one that changed something
    #[arg(value_name = "ID")]
    pub(crate) deployment: Option<String>,
    /// Back to what was there at this time: `2026-11-28T10:00:00Z`, or how long ago: `2h`, `30m`
    #[arg(long, value_name = "TIME", conflicts_with_all = ["deployment", "each"])]
    pub(crate) to_time: Option<String>,
    /// Each of the chosen targets goes back before the newest deployment of its own
    #[arg(long, conflicts_with = "deployment")]
    pub(crate) each: bool,
    /// Only these services
    #[arg(long = "service", value_name = "SERVICE")]
    pub(crate) services: Vec<String>,
    /// Only these environments
    #[arg(long = "env", short = 'e', value_name = "ENVIRONMENT")]
    pub(crate) environments: Vec<String>,
    /// Only these customers
    #[arg(long = "customer", short = 'c', value_name = "CUSTOMER")]
    pub(crate) customers: Vec<String>,
    /// Put the databases back as well that the deployment migrated: all that was written to them since
    /// is lost. Needs its ID
    #[arg(long, requires = "deployment")]
    pub(crate) with_data: bool,
    /// Exactly these targets: those of a rollback that is gone on with
    #[arg(skip)]
    pub(crate) chosen: Option<BTreeSet<TargetId>>,
    /// Show what would change and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Answer yes to "Roll this back?", which is asked after the plan is shown
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) platform: PlatformArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ValidateArgs {
    #[command(flatten)]
    pub(crate) targets: TargetArgs,
}
