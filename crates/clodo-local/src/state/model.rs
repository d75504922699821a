//! Everything that the local Cloudflare knows, as one value in memory.
//!
//! A write clones the maps (not what they point to), changes the clone, stores the difference and
//! then puts the clone in place. Readers never wait.

use super::{
    ids::{Moment, derived},
    objects::ObjectNamespace,
    queue::Queue,
    worker::Worker,
    workflow::Workflow,
    zone::{Domain, Zone},
};
use crate::access::Policy;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// All accounts, zones and tokens.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cloud {
    /// By id.
    pub(crate) accounts: BTreeMap<String, Arc<Account>>,
    /// By id.
    pub(crate) zones: BTreeMap<String, Arc<Zone>>,
    /// By the hash of the token or key.
    pub(crate) tokens: BTreeMap<String, Arc<Token>>,
    /// What there is only one of.
    pub(crate) meta: Arc<Meta>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Meta {
    /// Signs the tokens of asset uploads; random per state folder.
    pub(crate) signing_key: String,
}

/// A known API token or global key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Token {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) email: String,
    /// Ids of the accounts that it may use; empty = all. Policies narrow it further.
    pub(crate) accounts: Vec<String>,
    pub(crate) created_on: Moment,
    /// What it may do; `None` = everything, as only a seed can grant.
    #[serde(default)]
    pub(crate) policies: Option<Vec<Policy>>,
    /// The account that owns it; `None` = a user's.
    #[serde(default)]
    pub(crate) owner: Option<String>,
    #[serde(default)]
    pub(crate) disabled: bool,
    /// RFC 3339, as given.
    #[serde(default)]
    pub(crate) not_before: Option<String>,
    /// RFC 3339, as given.
    #[serde(default)]
    pub(crate) expires_on: Option<String>,
    /// Ranges of addresses; empty = from anywhere.
    #[serde(default)]
    pub(crate) only_from: Vec<String>,
    #[serde(default)]
    pub(crate) never_from: Vec<String>,
    #[serde(default)]
    pub(crate) modified_on: Option<Moment>,
}

/// One account and what it owns.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) profile: Arc<Profile>,
    /// By name.
    pub(crate) workers: BTreeMap<String, Arc<Worker>>,
    /// By hostname.
    pub(crate) domains: BTreeMap<String, Arc<Domain>>,
    /// By id.
    pub(crate) databases: BTreeMap<String, Arc<Database>>,
    /// By id.
    pub(crate) namespaces: BTreeMap<String, Arc<Namespace>>,
    /// By name.
    pub(crate) buckets: BTreeMap<String, Arc<Bucket>>,
    /// By id.
    pub(crate) queues: BTreeMap<String, Arc<Queue>>,
    /// By name.
    pub(crate) workflows: BTreeMap<String, Arc<Workflow>>,
    /// By id.
    pub(crate) objects: BTreeMap<String, Arc<ObjectNamespace>>,
    /// Ids of namespaces that are gone while their files may still be there, and since when.
    pub(crate) deleted_objects: BTreeMap<String, Arc<Moment>>,
    /// By manifest hash. Behind its own `Arc` since it is large and changes seldom.
    pub(crate) assets: Arc<BTreeMap<String, Arc<Asset>>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Profile {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created_on: Moment,
    /// `x` of `<script>.x.workers.dev`.
    pub(crate) subdomain: String,
    #[serde(default)]
    pub(crate) settings: WorkersSettings,
}

/// `workers/account-settings`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WorkersSettings {
    pub(crate) default_usage_model: String,
    pub(crate) green_compute: bool,
}

impl Default for WorkersSettings {
    fn default() -> Self {
        Self { default_usage_model: "standard".to_owned(), green_compute: false }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Database {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created_on: Moment,
    pub(crate) location: Option<String>,
    pub(crate) jurisdiction: Option<String>,
    pub(crate) replication: Option<serde_json::Value>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Namespace {
    pub(crate) id: String,
    pub(crate) title: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Bucket {
    pub(crate) name: String,
    pub(crate) created_on: Moment,
    pub(crate) location: Option<String>,
    pub(crate) jurisdiction: Option<String>,
    pub(crate) storage_class: String,
    /// Whether its objects can be read at its own `r2.dev` hostname.
    #[serde(default)]
    pub(crate) managed: bool,
    /// Other hostnames at which its objects can be read.
    #[serde(default)]
    pub(crate) domains: Vec<BucketDomain>,
}

impl Bucket {
    /// Names the bucket in its `r2.dev` hostname; the same for as long as the bucket is there.
    pub(crate) fn id(&self, account_id: &str) -> String {
        derived(&["bucket", account_id, &self.name, &self.created_on.to_string()])
    }

    /// `pub-….r2.dev`.
    pub(crate) fn managed_host(&self, account_id: &str) -> String {
        format!("pub-{}.r2.dev", self.id(account_id))
    }
}

/// A hostname of the user's that leads to a bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BucketDomain {
    pub(crate) domain: String,
    pub(crate) zone_id: String,
    pub(crate) enabled: bool,
    #[serde(rename = "minTLS", default, skip_serializing_if = "Option::is_none")]
    pub(crate) min_tls: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ciphers: Option<Vec<String>>,
}

/// A static asset whose bytes lie in the blob folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Asset {
    pub(crate) blob: String,
    pub(crate) size: u64,
    pub(crate) content_type: Option<String>,
}

impl Cloud {
    /// The account to change; `None` if there is none of that id.
    pub(crate) fn account_mut(&mut self, id: &str) -> Option<&mut Account> {
        self.accounts.get_mut(id).map(Arc::make_mut)
    }

    /// The zones that an account owns.
    pub(crate) fn zones_of<'a>(
        &'a self,
        account_id: &'a str,
    ) -> impl Iterator<Item = &'a Arc<Zone>> {
        self.zones.values().filter(move |zone| zone.account_id == account_id)
    }

    /// The account and the bucket whose objects are public at `host`.
    pub(crate) fn public_bucket(&self, host: &str) -> Option<(&Arc<Account>, &Arc<Bucket>)> {
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host).to_ascii_lowercase();
        let host = host.strip_suffix(".localhost").unwrap_or(&host).to_owned();
        let named = |account: &Account, bucket: &Bucket| {
            let own = bucket.managed && bucket.managed_host(account.id()) == host;
            own || bucket.domains.iter().any(|domain| domain.enabled && domain.domain == host)
        };
        let mut all = self
            .accounts
            .values()
            .flat_map(|account| account.buckets.values().map(move |bucket| (account, bucket)));
        all.find(|(account, bucket)| named(account, bucket))
    }

    /// The account's zone that `hostname` lies in: the longest name that fits.
    pub(crate) fn zone_for<'a>(
        &'a self,
        account_id: &'a str,
        hostname: &str,
    ) -> Option<&'a Arc<Zone>> {
        self.zones_of(account_id)
            .filter(|zone| zone.holds(hostname))
            .max_by_key(|zone| zone.name.len())
    }
}

impl Account {
    pub(crate) fn new(profile: Profile) -> Self {
        Self {
            profile: Arc::new(profile),
            workers: BTreeMap::new(),
            domains: BTreeMap::new(),
            databases: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            buckets: BTreeMap::new(),
            objects: BTreeMap::new(),
            deleted_objects: BTreeMap::new(),
            queues: BTreeMap::new(),
            workflows: BTreeMap::new(),
            assets: Arc::default(),
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.profile.id
    }

    pub(crate) fn worker_mut(&mut self, name: &str) -> Option<&mut Worker> {
        self.workers.get_mut(name).map(Arc::make_mut)
    }
}
