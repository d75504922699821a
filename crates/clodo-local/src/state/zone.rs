//! Zones with their routes and DNS records, and custom domains.

use super::ids::Moment;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Zone {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) account_id: String,
    pub(crate) created_on: Moment,
    /// Then only its DNS is served: no Worker answers at its hostnames.
    #[serde(default)]
    pub(crate) paused: bool,
    pub(crate) routes: Vec<Route>,
    pub(crate) dns: Vec<DnsRecord>,
}

impl Zone {
    /// True for the zone's own name and every name below it.
    pub(crate) fn holds(&self, hostname: &str) -> bool {
        hostname
            .strip_suffix(self.name.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    }
}

/// `pattern` → `script`; without a script the pattern switches Workers off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Route {
    pub(crate) id: String,
    pub(crate) pattern: String,
    pub(crate) script: Option<String>,
}

/// A record as the client sent it, with what Cloudflare adds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DnsRecord {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) content: String,
    pub(crate) ttl: u64,
    pub(crate) proxied: bool,
    pub(crate) priority: Option<u64>,
    pub(crate) comment: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) data: Option<Value>,
    pub(crate) created_on: Moment,
    pub(crate) modified_on: Moment,
}

/// A hostname that a Worker is the origin of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Domain {
    pub(crate) id: String,
    pub(crate) zone_id: String,
    pub(crate) zone_name: String,
    pub(crate) hostname: String,
    pub(crate) service: String,
    pub(crate) enabled: bool,
    pub(crate) previews_enabled: bool,
}
