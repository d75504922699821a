use clodo_tests::Sandbox;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

/// What the local Cloudflare heard while one program ran.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// Calls about one Worker, by its name.
    pub(crate) own: BTreeMap<String, u64>,
    /// Calls about one database, one namespace or one bucket of assets.
    pub(crate) resources: u64,
    /// Listings that all Workers share.
    pub(crate) shared: u64,
    /// Calls that changed something.
    pub(crate) writes: u64,
}

impl Calls {
    /// All of them.
    pub(crate) fn total(&self) -> u64 {
        self.own.values().sum::<u64>() + self.resources + self.shared
    }

    /// Those of the Worker that has the most of its own.
    pub(crate) fn most_own(&self) -> u64 {
        self.own.values().copied().max().unwrap_or_default()
    }

    /// The total and how it comes about.
    pub(crate) fn split(&self) -> String {
        let own: u64 = self.own.values().sum();
        let Self { resources, shared, writes, .. } = self;
        let total = self.total();
        format!(
            "{total}: {own} of Workers, {resources} of databases and other resources, \
             {shared} listings ({writes} are writes)"
        )
    }

    fn add(&mut self, line: &Value) {
        let path = line["path"].as_str().unwrap_or_default();
        let below_account = path.split_once("/accounts/").map_or(path, |(_, rest)| rest);
        let mut parts = below_account.split('/').skip(1);
        match (parts.next(), parts.next(), parts.next()) {
            (Some("workers"), Some("scripts" | "workers" | "services"), Some(name)) => {
                *self.own.entry(name.to_owned()).or_default() += 1;
            }
            (Some("workers"), Some("assets"), _) | (Some("d1"), _, Some(_)) => self.resources += 1,
            // A database or a namespace is created.
            _ if line["write"] == true => self.resources += 1,
            _ => self.shared += 1,
        }
        self.writes += u64::from(line["write"] == true);
    }
}

/// Reads the request log of a sandbox's local Cloudflare from where it is now.
#[derive(Debug)]
pub(crate) struct CallLog {
    path: PathBuf,
    seen: usize,
}

impl CallLog {
    /// From now on.
    pub(crate) fn from_now(sandbox: &Sandbox) -> Self {
        let path = sandbox.project().join(".clodo/local/requests.jsonl");
        let seen = lines(&path).len();
        Self { path, seen }
    }

    /// What `report` counted, as soon as the log holds it: it is written a moment later.
    pub(crate) fn until(&self, report: &Value) -> Calls {
        let deadline = Instant::now() + Duration::from_secs(5);
        let counted = |what: &str| report["api_calls"][what].as_u64().expect("calls are counted");
        let expected = counted("reads") + counted("writes");
        loop {
            let mut calls = Calls::default();
            lines(&self.path).iter().skip(self.seen).for_each(|line| calls.add(line));
            if calls.total() >= expected {
                return calls;
            }
            assert!(Instant::now() < deadline, "{calls:?} is not what was reported: {expected}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The calls of the API proper; the cloud's own control routes are not among them.
fn lines(path: &PathBuf) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let parsed = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    parsed
        .filter(|line| line["path"].as_str().is_some_and(|path| path.contains("/client/")))
        .collect()
}
