use clap::{Args, Parser, Subcommand, ValueEnum};
use clodo_cli::{GlobalArgs, ProgramArgs};
use clodo_local::HostPort;
use clodo_types::ZoneName;
use std::path::PathBuf;

/// A Cloudflare on loopback: its REST API, and your Workers on the real workerd.
#[derive(Debug, Parser)]
#[command(
    name = "clodo-local",
    version,
    after_help = "Example:\n  clodo-local up --detach\n  eval \"$(clodo-local env)\"\n  npx wrangler deploy\n\n\
                  Exit codes: 0 done, 1 failed, 2 wrong usage or config, 7 port taken or workerd missing,\n\
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
    #[command(after_help = "Example:\n  clodo-local status --json")]
    Status,
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
    /// Whether fetch() in a Worker may leave this machine
    #[arg(long, value_enum, default_value_t, value_name = "WHERE")]
    pub(crate) outbound: OutboundArg,
    /// An address of this machine or its network that fetch() may reach; may be given several times
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) allow_private: Vec<HostPort>,
    /// Give every Worker a port of its own, the same one after a restart; `status` shows them
    #[arg(long)]
    pub(crate) port_per_worker: bool,
    /// Whether a write to the API is on disk before it is answered
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub(crate) durability: DurabilityArg,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DurabilityArg {
    /// It is: nothing that was answered is lost, not even when the power fails
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
