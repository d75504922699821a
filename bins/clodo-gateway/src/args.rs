use clap::{Args, Parser, Subcommand, ValueEnum};
use clodo_cli::{GlobalArgs, ProgramArgs};
use clodo_gateway::{BudgetCap, UpstreamUrl};
use std::{path::PathBuf, time::Duration};

/// One budget, shared reads and a log for every client of Cloudflare's API on this machine
///
/// A proxy on loopback: wrangler, SDKs, terraform and clodo point their base URL at it and keep
/// their own tokens. It holds none. While a deployment of clodo runs through it, nobody else
/// changes what that writes to.
#[derive(Debug, Parser)]
#[command(
    name = "clodo-gateway",
    version,
    after_help = "Example:\n  clodo-gateway run &\n  eval \"$(clodo-gateway env)\"\n  npx wrangler deploy\n\n\
                  Exit codes: 0 done, 1 failed, 2 wrong usage, 7 port taken, 130 interrupted with calls cut"
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
    /// Run the gateway until Ctrl-C; what is under way is finished then
    #[command(after_help = "Example:\n  clodo-gateway run --budget 1000/5m --cache 5s")]
    Run(Box<RunArgs>),
    /// Show what is left of the budgets, who waits, who calls, who holds which lease
    #[command(after_help = "Example:\n  clodo-gateway status --json")]
    Status(PortArgs),
    /// Print what points wrangler and the official SDKs at the gateway
    #[command(after_help = "Example:\n  eval \"$(clodo-gateway env)\"")]
    Env(EnvArgs),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct PortArgs {
    /// The gateway's port of 127.0.0.1
    #[arg(long, value_name = "PORT", default_value_t = 8790)]
    pub(crate) port: u16,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    /// The port of 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8790)]
    pub(crate) port: u16,
    /// The base URL of the API
    #[arg(long, value_name = "URL", default_value_t = UpstreamUrl::cloudflare())]
    pub(crate) upstream: UpstreamUrl,
    /// Accept an upstream at another machine without TLS, which shows it every token
    #[arg(long)]
    pub(crate) allow_plain_http: bool,
    /// At most so many calls per token and time, such as 30/10s; without it what the API says
    #[arg(long, value_name = "CALLS/TIME")]
    pub(crate) budget: Option<BudgetCap>,
    /// How long a read is good for the next one that is equal; 0 shares nothing
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time)]
    pub(crate) cache: Duration,
    /// How long a call may wait for the budget before it is answered 429
    #[arg(long, value_name = "TIME", default_value = "4m", value_parser = time)]
    pub(crate) max_wait: Duration,
    /// How long the API may take until its answer begins, and between two pieces of it; a write of
    /// an older holder that broke off is waited for as long
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = time)]
    pub(crate) timeout: Duration,
    /// How long calls under way may take to finish after Ctrl-C
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub(crate) drain: Duration,
    /// Where a JSON line per call is added; without it .clodo/gateway.jsonl in the project
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct EnvArgs {
    #[command(flatten)]
    pub(crate) at: PortArgs,
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

/// `500ms`, `2s`, `5m`, `1h`, `0`.
fn time(text: &str) -> Result<Duration, String> {
    let wrong = || "a time is written like 500ms, 2s, 5m, 1h or 0".to_owned();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let day = 24 * 3_600_000;
    let millis = number.checked_mul(unit).filter(|millis| *millis <= day);
    millis.map(Duration::from_millis).ok_or_else(|| "no time is longer than a day".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_nonsense_is_refused() {
        for (text, millis) in
            [("0", 0), ("500ms", 500), ("2s", 2_000), ("5m", 300_000), ("24h", 86_400_000)]
        {
            assert_eq!(time(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "s", "-1s", "1.5s", "25h", "99999999999999999999s", "1 s", "2é"] {
            assert!(time(text).is_err(), "{text:?}");
        }
    }
}
