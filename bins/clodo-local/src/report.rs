use clodo_local::{CloudAccount, LocalCloud, Running};
use serde::Serialize;
use serde_json::{Value, json};
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
            self.holds = Some(reachable(summary["accounts"].take(), self.port));
        }
        self
    }
}

/// Makes URLs of the addresses of Workers. What ends with `.localhost` leads to this machine in
/// every browser and in curl, and the cloud leaves the ending away.
fn reachable(mut accounts: Value, port: Option<u16>) -> Value {
    let port = port.unwrap_or_default();
    for worker in accounts.as_array_mut().into_iter().flatten().flat_map(workers_of) {
        let addresses = worker["addresses"].take();
        let urls = addresses.as_array().into_iter().flatten().filter_map(|address| {
            let address = address.as_str()?;
            let (host, path) = address.split_once('/').unwrap_or((address, ""));
            let end = if path.is_empty() { String::new() } else { format!("/{path}") };
            Some(format!("http://{host}.localhost:{port}{end}"))
        });
        *worker = json!({ "name": worker["name"], "urls": urls.collect::<Vec<_>>() });
    }
    accounts
}

fn workers_of(account: &mut Value) -> impl Iterator<Item = &mut Value> {
    account.get_mut("first_workers").and_then(Value::as_array_mut).into_iter().flatten()
}

/// The kinds of things that an account holds: their field, one of them, and several.
const KINDS: [(&str, &str, &str); 7] = [
    ("workers", "Worker", "Workers"),
    ("databases", "D1 database", "D1 databases"),
    ("namespaces", "KV namespace", "KV namespaces"),
    ("buckets", "R2 bucket", "R2 buckets"),
    ("queues", "queue", "queues"),
    ("workflows", "Workflow", "Workflows"),
    ("object_namespaces", "class of Durable Objects", "classes of Durable Objects"),
];

fn held(account: &Value, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let counts = KINDS.iter().filter_map(|(field, one, several)| match account[*field].as_u64() {
        None | Some(0) => None,
        Some(1) => Some(format!("1 {one}")),
        Some(count) => Some(format!("{count} {several}")),
    });
    let counts: Vec<String> = counts.collect();
    let counts = if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") };
    write!(f, "\n  {}: {counts}", account["name"].as_str().unwrap_or_default())?;
    let named = account["first_workers"].as_array().map_or(&[][..], Vec::as_slice);
    for worker in named {
        let urls = worker["urls"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let urls: Vec<&str> = urls.collect();
        let urls =
            if urls.is_empty() { "no hostname leads to it".to_owned() } else { urls.join(" ") };
        write!(f, "\n    {}: {urls}", worker["name"].as_str().unwrap_or_default())?;
    }
    match account["workers"].as_u64().unwrap_or_default().saturating_sub(named.len() as u64) {
        more if more > 0 && !named.is_empty() => write!(f, "\n    and {more} more"),
        _ => Ok(()),
    }
}

impl fmt::Display for CloudReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(url) = &self.url else { return f.write_str("not running") };
        write!(f, "{url}")?;
        for account in &self.accounts {
            write!(f, "\n  account {} ({})", account.name, account.id)?;
        }
        for account in self.holds.iter().filter_map(Value::as_array).flatten() {
            held(account, f)?;
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
