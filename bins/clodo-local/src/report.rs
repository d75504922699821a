use clodo_local::{CloudAccount, LocalCloud, Running};
use serde::Serialize;
use std::fmt;

/// Where a cloud runs; printed by `up` and `status`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CloudReport {
    version: u32,
    outcome: &'static str,
    running: bool,
    url: Option<String>,
    api_base_url: Option<String>,
    port: Option<u16>,
    pid: Option<u32>,
    accounts: Vec<CloudAccount>,
}

impl CloudReport {
    /// A cloud in another process.
    pub(crate) fn of(running: &Running) -> Self {
        Self {
            url: Some(running.url.clone()),
            api_base_url: Some(running.api_base_url.clone()),
            port: Some(running.port),
            pid: running.pid,
            accounts: running.accounts.clone(),
            running: true,
            ..Self::none("done")
        }
    }

    /// A cloud in this process.
    pub(crate) fn own(cloud: &LocalCloud) -> Self {
        Self {
            url: Some(cloud.url()),
            api_base_url: Some(cloud.api_base_url()),
            port: Some(cloud.port()),
            pid: Some(std::process::id()),
            accounts: cloud.accounts().to_vec(),
            running: true,
            ..Self::none("done")
        }
    }

    /// No cloud.
    pub(crate) fn none(outcome: &'static str) -> Self {
        Self {
            version: 1,
            outcome,
            running: false,
            url: None,
            api_base_url: None,
            port: None,
            pid: None,
            accounts: Vec::new(),
        }
    }
}

impl fmt::Display for CloudReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(url) = &self.url else { return f.write_str("not running") };
        write!(f, "{url}")?;
        for account in &self.accounts {
            write!(f, "\n  account {} ({})", account.name, account.id)?;
        }
        Ok(())
    }
}
