use crate::words;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clodo_cli::{GlobalArgs, ProgramArgs};
use clodo_local::HostPort;
use clodo_types::ZoneName;
use std::{net::IpAddr, path::PathBuf};

/// A Cloudflare on loopback: its REST API, and your Workers on the real workerd.
#[derive(Debug, Parser)]
#[command(
    name = "clodo-local",
    version,
    after_help = "Example:\n  clodo-local up --detach\n  eval \"$(clodo-local env)\"\n  npx wrangler deploy\n\n\
                  Exit codes: 0 done, 1 failed, 2 wrong usage or config, 4 with --exit-code: diff found something or\n\
                  status no cloud, 7 port taken or workerd missing,\n\
                  130 interrupted"
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
    /// Start the project's cloud, or say where it runs
    #[command(after_help = "Example:\n  clodo-local up --detach --port 8787 --zone acme.test")]
    Up(UpArgs),
    /// Show whether the cloud runs, and what is in it
    #[command(
        after_help = "Example:\n  clodo-local status --json\n  until clodo-local status --exit-code --quiet; do sleep 1; done\n\n\
                      `up --detach` waits by itself until the cloud answers."
    )]
    Status(StatusArgs),
    /// Print what points wrangler and the official SDKs at the cloud
    #[command(after_help = "Example:\n  eval \"$(clodo-local env)\"")]
    Env(EnvArgs),
    /// Print the log of a cloud that runs in the background
    #[command(after_help = "Example:\n  clodo-local logs --follow")]
    Logs(LogsArgs),
    /// Run a Worker's cron trigger now, and tell how it ended
    #[command(
        after_help = "Example:\n  clodo-local trigger shop\n  clodo-local trigger shop --cron '0 3 * * *' --time 2026-11-20T03:00:00Z"
    )]
    Trigger(TriggerArgs),
    /// Print who called what of the API
    #[command(
        after_help = "Example:\n  clodo-local requests --follow --route '/accounts/*/workers/**'"
    )]
    Requests(RequestsArgs),
    /// Show or change the limits of the running cloud
    #[command(
        after_help = "Example:\n  clodo-local limits real --plan free\n  clodo-local limits 30/10s\n  clodo-local limits off"
    )]
    Limits(LimitsArgs),
    /// Let calls of the running cloud fail, on purpose and from a seed
    #[command(
        after_help = "Example:\n  clodo-local faults add error-after --route '/accounts/*/workers/scripts/**' --rate 0.2 --seed 7\n  clodo-local faults list\n  clodo-local faults clear"
    )]
    Faults(FaultsArgs),
    /// Make a token with some permissions
    #[command(
        after_help = "Example:\n  clodo-local token ci --permission 'Workers Scripts Write' --permission 'D1 Read'\n\n\
                            Its value is shown once."
    )]
    Token(TokenArgs),
    /// Stop the cloud; what is in it stays
    #[command(after_help = "Example:\n  clodo-local down")]
    Down,
    /// Print the address of the cloud's read-only page, with the token in its fragment
    #[command(after_help = "Example:\n  clodo-local page\n\n\
                            Whoever has the address has the token: keep it to yourself.")]
    Page,
    /// Save everything that is in the cloud to one file
    #[command(after_help = "Example:\n  clodo-local snapshot before.tar\n\n\
                            The file holds the secrets of Workers: it is readable by you only.")]
    Snapshot(SnapshotArgs),
    /// Stop the cloud and put a snapshot in the place of everything that is in it
    #[command(
        after_help = "Example:\n  clodo-local restore before.tar --yes\n  clodo-local up --detach"
    )]
    Restore(RestoreArgs),
    /// Show what differs between two snapshots, or between one and the cloud as it is
    #[command(
        after_help = "Example:\n  clodo-local diff before.tar\n  clodo-local diff before.tar after.tar --exit-code\n\n\
                            No value is shown, since it may be a secret."
    )]
    Diff(DiffArgs),
    /// Stop the cloud and delete everything that is in it
    #[command(after_help = "Example:\n  clodo-local reset --yes")]
    Reset(ResetArgs),
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct UpArgs {
    /// Run in the background and return as soon as it answers
    #[arg(long)]
    pub(crate) detach: bool,
    /// The port of 127.0.0.1; without it that of the last run, else a free one
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,
    /// A zone of the first account, besides those in clodo.toml; may be given several times
    #[arg(long = "zone", value_name = "NAME")]
    pub(crate) zones: Vec<ZoneName>,
    /// Whether fetch() in a Worker may leave this machine; `denied` unless given
    #[arg(long, value_enum, value_name = "WHERE")]
    pub(crate) outbound: Option<OutboundArg>,
    /// `off`, `real` (what Cloudflare documents), or calls per time such as `30/10s`; `off` unless given
    #[arg(long, value_name = "LIMITS", value_parser = words::limits)]
    pub(crate) limits: Option<String>,
    /// The plan whose quotas hold: `free`, `paid` or `none`; `--limits real` alone means `paid`
    #[arg(long, value_name = "PLAN", value_parser = words::plan)]
    pub(crate) plan: Option<String>,
    /// How long listings and hostnames go on to show what was before a write, such as `2s`
    #[arg(long, value_name = "TIME", value_parser = words::time)]
    pub(crate) propagation: Option<String>,
    /// The address to listen at; `0.0.0.0` or `::` opens the cloud to every machine that reaches this one
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<IpAddr>,
    /// A name that reaches the API, besides localhost and 127.0.0.1; may be given several times
    #[arg(long = "host", value_name = "NAME")]
    pub(crate) hosts: Vec<String>,
    /// An address of this machine or its network that fetch() may reach; may be given several times
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) allow_private: Vec<HostPort>,
    /// Give every Worker a port of its own, the same one after a restart; `status` shows them
    #[arg(long)]
    pub(crate) port_per_worker: bool,
    /// Whether a write to the API is on disk before it is answered; `full` unless given
    #[arg(long, value_enum, value_name = "WHEN")]
    pub(crate) durability: Option<DurabilityArg>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DurabilityArg {
    /// It is: no Worker, version or route that was answered is lost, not even when the power fails; rows, values, objects and messages are lost only then
    #[default]
    Full,
    /// It is soon: nothing is lost unless the machine goes down
    Fast,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutboundArg {
    /// Only hostnames of this cloud answer
    #[default]
    Denied,
    /// Hostnames of this cloud answer from this cloud, others from the internet
    Internet,
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct StatusArgs {
    /// End with 4 when no cloud runs, instead of with 0
    #[arg(long)]
    pub(crate) exit_code: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct EnvArgs {
    /// The shell that is to read it
    #[arg(long, value_enum, default_value_t, value_name = "SHELL")]
    pub(crate) shell: Shell,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// sh, bash, zsh
    #[default]
    Posix,
    /// fish
    Fish,
    /// Windows PowerShell, pwsh
    Powershell,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct LogsArgs {
    /// Go on printing what is added, until Ctrl-C
    #[arg(short, long)]
    pub(crate) follow: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct TriggerArgs {
    /// The Worker's name
    #[arg(value_name = "WORKER")]
    pub(crate) script: String,
    /// The account's name or id, where several have a Worker of that name
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) account: Option<String>,
    /// The cron expression that the Worker sees; without one, its first
    #[arg(long, value_name = "EXPRESSION")]
    pub(crate) cron: Option<String>,
    /// The scheduled time that the Worker sees, as 2026-11-20T03:00:00Z or in milliseconds since 1970; without one, now
    #[arg(long, value_name = "TIME")]
    pub(crate) time: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ResetArgs {
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SnapshotArgs {
    /// Where to write it
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The snapshot
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DiffArgs {
    /// The snapshot to compare with
    #[arg(value_name = "FROM")]
    pub(crate) from: PathBuf,
    /// Another snapshot; without it the cloud as it is now
    #[arg(value_name = "TO")]
    pub(crate) to: Option<PathBuf>,
    /// End with 4 when something differs
    #[arg(long)]
    pub(crate) exit_code: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RequestsArgs {
    /// Go on printing what is added, until Ctrl-C
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Only calls of a route: a method, a path or both, such as `/accounts/*/workers/scripts/**` or `PUT`
    #[arg(long, value_name = "ROUTE", value_parser = words::route)]
    pub(crate) route: Option<String>,
    /// Also the calls that `clodo-local` itself and the page make, below /clodo/
    #[arg(long)]
    pub(crate) control: bool,
    /// How many at most, the newest
    #[arg(long, default_value_t = 100, value_name = "COUNT")]
    pub(crate) limit: usize,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct LimitsArgs {
    /// `off`, `real`, or calls per time such as `30/10s`; without anything the limits are shown
    #[arg(value_name = "LIMITS", value_parser = words::limits)]
    pub(crate) limits: Option<String>,
    /// The plan whose quotas hold: `free`, `paid` or `none`
    #[arg(long, value_name = "PLAN", value_parser = words::plan)]
    pub(crate) plan: Option<String>,
    /// How long listings and hostnames go on to show what was before a write, such as `2s`
    #[arg(long, value_name = "TIME", value_parser = words::time)]
    pub(crate) propagation: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct FaultsArgs {
    #[command(subcommand)]
    pub(crate) command: FaultsCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum FaultsCommand {
    /// Add a fault; without conditions it hits every call
    Add(FaultArgs),
    /// Show the faults in force, and how often each hit
    List,
    /// Remove one fault, or all
    Clear(ClearArgs),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct FaultArgs {
    /// too-many-requests, error-before, error-after, slow, cut-before, cut-after, cut-body, duplicate, html or malformed
    #[arg(value_name = "KIND", value_parser = words::fault_kind)]
    pub(crate) kind: String,
    /// Only calls of a route: a method, a path or both, such as `/accounts/*/workers/scripts/**` or `POST /accounts/*/workers/scripts/*/versions`
    #[arg(long, value_name = "ROUTE", value_parser = words::route)]
    pub(crate) route: Option<String>,
    /// The share of them that is hit, from 0 to 1
    #[arg(long, value_name = "SHARE", value_parser = words::share)]
    pub(crate) rate: Option<f64>,
    /// Only the n-th of them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) nth: Option<u64>,
    /// How often at most
    #[arg(long, value_name = "COUNT")]
    pub(crate) times: Option<u64>,
    /// The same seed hits the same calls
    #[arg(long, value_name = "SEED")]
    pub(crate) seed: Option<u64>,
    /// The 5xx of error-before, error-after and html
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(500..=599))]
    pub(crate) status: Option<u16>,
    /// The Retry-After of too-many-requests, in seconds; without it there is none
    #[arg(long, value_name = "SECONDS")]
    pub(crate) retry_after: Option<u64>,
    /// How late slow is, such as `2s`
    #[arg(long, value_name = "TIME", value_parser = words::time)]
    pub(crate) delay: Option<String>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ClearArgs {
    /// Its number, from `faults list`; without one all are removed
    #[arg(value_name = "ID")]
    pub(crate) id: Option<u64>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct TokenArgs {
    /// What to call it
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// A permission group, such as `Workers Scripts Write`; may be given several times
    #[arg(long = "permission", required = true, value_name = "GROUP")]
    pub(crate) permissions: Vec<String>,
    /// The account that it is for; without one, all of them
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Option<String>,
}
