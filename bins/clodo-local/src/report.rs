use clodo_local::{CloudAccount, LocalCloud, Running};
use serde::Serialize;
use serde_json::Value;
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
    #[serde(skip_serializing_if = "Option::is_none")]
    requests: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    runtime: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    holds: Option<Value>,
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
            requests: None,
            runtime: None,
            holds: None,
        }
    }

    /// Adds what the cloud says of itself: what its accounts hold, and the requests of its API.
    pub(crate) fn with_summary(mut self, summary: Option<Value>) -> Self {
        if let Some(mut summary) = summary {
            self.requests = Some(summary["requests"].take());
            self.runtime = Some(summary["runtime"].take());
            self.holds = Some(summary["accounts"].take());
        }
        self
    }
}

impl fmt::Display for CloudReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(url) = &self.url else { return f.write_str("not running") };
        write!(f, "{url}")?;
        for account in &self.accounts {
            write!(f, "\n  account {} ({})", account.name, account.id)?;
        }
        for held in self.holds.iter().filter_map(Value::as_array).flatten() {
            let (name, workers) = (held["name"].as_str().unwrap_or_default(), &held["workers"]);
            write!(f, "\n  {name}: {workers} Workers, {} databases", held["databases"])?;
        }
        for own in self.runtime.iter().filter_map(|now| now["ports"].as_array()).flatten() {
            let script = own["script"].as_str().unwrap_or_default();
            write!(f, "\n  {script}: http://127.0.0.1:{}", own["port"])?;
        }
        for apart in self.runtime.iter().filter_map(|now| now["apart"].as_array()).flatten() {
            let text = |key: &str| apart[key].as_str().unwrap_or_default();
            write!(f, "\n  {} has a process of its own: {}", text("script"), text("why"))?;
        }
        if let Some(requests) = &self.requests {
            write!(
                f,
                "\n  API requests: {} reads, {} writes",
                requests["reads"], requests["writes"]
            )?;
        }
        Ok(())
    }
}
