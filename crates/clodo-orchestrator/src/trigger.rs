use clodo_types::{AccountName, Hostname, TargetId, VersionId, WorkerName, ZoneId, ZoneName};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, fmt};

/// A Worker in its account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkerRef {
    /// The account.
    pub account: AccountName,
    /// The Worker.
    pub worker: WorkerName,
}

impl fmt::Display for WorkerRef {
    /// `main/orders-staging`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.account, self.worker)
    }
}

/// Whether a Worker answers under `workers.dev`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkersDev {
    /// Under its own name.
    pub enabled: bool,
    /// Each version under a preview URL.
    pub previews: bool,
}

/// A route pattern such as `shop.example.com/api/*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Route {
    /// The pattern.
    pub pattern: String,
    /// The zone, when it was named.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub zone_name: Option<ZoneName>,
    /// The zone, when it was given by id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub zone_id: Option<ZoneId>,
}

/// How much of the traffic one version gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrafficShare {
    /// The version.
    pub version: VersionId,
    /// 0 to 100; the platform knows fractions.
    pub percentage: f64,
}

/// Where a Worker can be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// The Worker.
    pub worker: WorkerRef,
    /// Its domains.
    pub domains: BTreeSet<Hostname>,
    /// Whether it answers under `workers.dev`.
    pub workers_dev: bool,
}

/// What to look at before a target counts as deployed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The target.
    pub target: TargetId,
    /// Where it can be reached.
    pub addresses: Addresses,
    /// The path of the health probe; `None` = `/`, and any answer of the Worker is good.
    pub health: Option<String>,
    /// Whether the code has a binding that tells it its version. Without one the health answer
    /// cannot prove which version gave it.
    pub knows_version: bool,
    /// Which version is asked.
    #[serde(default)]
    pub through: Through,
}

/// Which version of a Worker a probe asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Through {
    /// Whichever the addresses lead to: after a deployment that is the new one.
    #[default]
    Addresses,
    /// The new one alone, however little traffic it gets: by its preview URL, or by a header that
    /// overrides the draw at the addresses.
    Version,
}
