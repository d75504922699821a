use clodo_gateway::{GatewayStatus, LeaseStatus};
use serde::Serialize;
use std::{
    fmt::{self, Write as _},
    path::PathBuf,
};

/// Where a gateway answers; printed by `run` as soon as it does.
#[derive(Debug, Serialize)]
pub(crate) struct RunReport {
    version: u32,
    outcome: &'static str,
    url: String,
    api_base_url: String,
    port: u16,
    pid: u32,
    upstream: String,
    log: PathBuf,
}

impl RunReport {
    pub(crate) fn new(port: u16, upstream: String, log: PathBuf) -> Self {
        Self {
            version: 1,
            outcome: "done",
            url: url(port),
            api_base_url: base_url(port),
            port,
            pid: std::process::id(),
            upstream,
            log,
        }
    }
}

impl fmt::Display for RunReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (url, upstream, log) = (&self.api_base_url, &self.upstream, self.log.display());
        write!(f, "{url}\n  in front of {upstream}\n  log {log}")
    }
}

/// How a gateway stands; printed by `status`.
#[derive(Debug, Serialize)]
pub(crate) struct StatusReport {
    version: u32,
    outcome: &'static str,
    running: bool,
    url: Option<String>,
    api_base_url: Option<String>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    status: Option<GatewayStatus>,
}

impl StatusReport {
    pub(crate) fn new(port: u16, status: Option<GatewayStatus>) -> Self {
        let running = status.is_some();
        Self {
            version: 1,
            outcome: "done",
            running,
            url: running.then(|| url(port)),
            api_base_url: running.then(|| base_url(port)),
            status,
        }
    }
}

impl fmt::Display for StatusReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(url), Some(status)) = (&self.api_base_url, &self.status) else {
            return f.write_str("not running");
        };
        let calls = &status.calls;
        writeln!(f, "{url}\n  in front of {}", status.upstream)?;
        writeln!(
            f,
            "  calls: {} ({} to the API, {} shared, {} from the cache, {} refused here), 429 absorbed: {}",
            calls.total,
            calls.upstream,
            calls.shared,
            calls.cache,
            calls.refused,
            calls.absorbed_429
        )?;
        write!(
            f,
            "  now: {} in the gateway, {} of them waiting",
            status.in_gateway, status.waiting
        )?;
        for budget in &status.budgets {
            let left = match (budget.limited, budget.resets_in_ms) {
                (false, _) => "no limit known".to_owned(),
                (true, None) => format!("{} of {} calls left", budget.remaining, budget.quota),
                (true, Some(millis)) => format!(
                    "{} of {} calls left for {} s",
                    budget.remaining,
                    budget.quota,
                    millis.div_ceil(1000)
                ),
            };
            write!(
                f,
                "\n  token {}: {left}, {} waiting, {} calls",
                budget.token, budget.waiting, budget.calls
            )?;
        }
        for client in &status.clients {
            write!(
                f,
                "\n  client {}: {} calls, waited {} s",
                client.client,
                client.calls,
                client.waited_ms / 1000
            )?;
        }
        for lease in &status.leases {
            write!(f, "\n{}", lease_text(lease))?;
        }
        if status.log_lines_lost > 0 {
            write!(f, "\n  lines of the log lost: {}", status.log_lines_lost)?;
        }
        Ok(())
    }
}

/// Who holds what: nobody else may write to it until the lease ends or is given back.
fn lease_text(lease: &LeaseStatus) -> String {
    let LeaseStatus { name, number, holder, since, until, holds, .. } = lease;
    let mut text = format!("  lease {name} {number}: {holder}, since {since}, until {until}");
    for held in holds {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "\n    {} {}, since {}", held.kind, held.name, held.since);
    }
    text
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// What clients call their base URL.
pub(crate) fn base_url(port: u16) -> String {
    format!("{}/client/v4", url(port))
}
