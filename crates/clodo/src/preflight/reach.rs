use super::{AT_ONCE, Preflight, note};
use crate::{load_error::chain, verifier::question};
use clodo_orchestrator::{Fate, Plan};
use clodo_types::{Finding, Hostname};
use futures_util::{StreamExt as _, stream};
use std::time::Duration;
use tokio::time::timeout;

/// How long a target may take to answer at all.
const PATIENCE: Duration = Duration::from_secs(10);

impl Preflight {
    /// Targets that serve already and cannot be reached: by DNS, TLS or HTTP. A note: the deployment
    /// may be what mends it.
    pub(super) async fn reach(&self, plan: &Plan) -> Vec<Finding> {
        let served = plan.targets().iter().filter(|target| target.fate == Fate::Update);
        let hostnames = served.flat_map(|target| &target.check.addresses.domains);
        let asked = hostnames.map(|hostname| self.reached(hostname));
        let mut findings: Vec<Finding> = stream::iter(asked.collect::<Vec<_>>())
            .buffer_unordered(AT_ONCE)
            .filter_map(std::future::ready)
            .collect()
            .await;
        findings.sort_by(|a, b| a.message.cmp(&b.message));
        findings
    }

    async fn reached(&self, hostname: &Hostname) -> Option<Finding> {
        let url = self.style.of_host(hostname.as_str());
        let request = question(&url)?;
        let why = match timeout(PATIENCE, self.http.call(request)).await {
            // Whatever it says, it says something, over a connection that can be trusted.
            Ok(Ok(_)) => return None,
            Ok(Err(error)) => chain(&error),
            Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
        };
        let hint = "if this is not what the deployment mends, look at its DNS and its certificate";
        Some(note("not-reachable", format!("{url} cannot be reached: {why}"), hint))
    }
}
