//! Policies: which permission groups a token has, and on what.

use super::groups::{Group, Scope};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One policy of a token, as on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Policy {
    #[serde(default)]
    pub(crate) id: String,
    pub(crate) effect: Effect,
    pub(crate) permission_groups: Vec<PolicyGroup>,
    pub(crate) resources: BTreeMap<String, ResourceValue>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Effect {
    Allow,
    Deny,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PolicyGroup {
    pub(crate) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) meta: Option<serde_json::Value>,
}

/// `"*"`, or what of an account: `{"com.cloudflare.api.account.zone.*": "*"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum ResourceValue {
    All(String),
    Within(BTreeMap<String, String>),
}

/// What a request is about, for a policy.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Subject<'a> {
    pub(super) user: &'a str,
    pub(super) account: Option<&'a str>,
    pub(super) zone: ZoneSubject<'a>,
    pub(super) bucket: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ZoneSubject<'a> {
    /// Every zone, also those that do not exist yet.
    #[default]
    All,
    /// One or another, whichever it is.
    Some,
    One(&'a str),
}

const ACCOUNT: &str = "com.cloudflare.api.account.";
const ZONE: &str = "com.cloudflare.api.account.zone.";
const USER: &str = "com.cloudflare.api.user.";
const BUCKET: &str = "com.cloudflare.edge.r2.bucket.";

impl Policy {
    pub(super) fn has(&self, group: &Group) -> bool {
        self.permission_groups.iter().any(|own| own.id.eq_ignore_ascii_case(group.id))
    }

    /// Whether a group of this scope counts for the subject.
    pub(super) fn covers(&self, scope: Scope, subject: Subject<'_>) -> bool {
        let resources = self.resources.iter();
        match scope {
            Scope::User => whole(resources, USER).any(|id| id == "*" || id == subject.user),
            Scope::Account => accounts(&self.resources)
                .any(|id| id == "*" || subject.account.is_none_or(|account| account == id)),
            Scope::Zone => {
                whole(resources, ZONE).any(|id| zone_fits(id, subject.zone))
                    || self.within_accounts(subject)
            }
            Scope::Bucket => whole(resources, BUCKET).any(|id| bucket_fits(id, subject)),
        }
    }

    fn within_accounts(&self, subject: Subject<'_>) -> bool {
        self.resources.iter().any(|(key, value)| {
            let (Some(id), ResourceValue::Within(inner)) = (key.strip_prefix(ACCOUNT), value)
            else {
                return false;
            };
            let account = id == "*" || subject.account.is_none_or(|account| account == id);
            let mut zones = inner.keys().filter_map(|key| key.strip_prefix(ZONE));
            account && zones.any(|zone| zone_fits(zone, subject.zone))
        })
    }

    /// Whether the policy names the account, or something in it.
    pub(super) fn mentions_account(&self, account: &str) -> bool {
        let fits = |id: &str| id == "*" || id == account;
        self.resources.keys().any(|key| match key.strip_prefix(ACCOUNT) {
            Some(rest) if rest.starts_with("zone.") => false,
            Some(rest) => fits(rest),
            None => key
                .strip_prefix(BUCKET)
                .is_some_and(|rest| rest.split('_').next().is_some_and(fits)),
        })
    }
}

/// The ids of resources with this prefix that are meant as a whole.
fn whole<'a>(
    resources: impl Iterator<Item = (&'a String, &'a ResourceValue)>,
    prefix: &'static str,
) -> impl Iterator<Item = &'a str> {
    resources.filter_map(move |(key, value)| match value {
        ResourceValue::All(_) => key.strip_prefix(prefix),
        ResourceValue::Within(_) => None,
    })
}

fn accounts(resources: &BTreeMap<String, ResourceValue>) -> impl Iterator<Item = &str> {
    whole(resources.iter(), ACCOUNT).filter(|id| !id.starts_with("zone."))
}

fn zone_fits(id: &str, subject: ZoneSubject<'_>) -> bool {
    match subject {
        ZoneSubject::All => id == "*",
        ZoneSubject::Some => true,
        ZoneSubject::One(zone) => id == "*" || id == zone,
    }
}

/// `<account>_<jurisdiction>_<bucket>`.
fn bucket_fits(id: &str, subject: Subject<'_>) -> bool {
    let mut parts = id.splitn(3, '_');
    let (account, _, bucket) = (parts.next(), parts.next(), parts.next());
    let (Some(account), Some(bucket)) = (account, bucket) else { return false };
    subject.account.is_some_and(|own| own == account)
        && subject.bucket.is_some_and(|own| bucket == "*" || own == bucket)
}

/// Policies that give groups on everything in these accounts; all accounts when there are none.
pub(crate) fn everything_in(groups: &[&Group], user: &str, accounts: &[String]) -> Vec<Policy> {
    let all = || ResourceValue::All("*".to_owned());
    let resources = |scope: Scope| -> BTreeMap<String, ResourceValue> {
        match scope {
            Scope::User => [(format!("{USER}{user}"), all())].into(),
            Scope::Account if accounts.is_empty() => [(format!("{ACCOUNT}*"), all())].into(),
            Scope::Account => accounts.iter().map(|id| (format!("{ACCOUNT}{id}"), all())).collect(),
            Scope::Zone if accounts.is_empty() => [(format!("{ZONE}*"), all())].into(),
            Scope::Zone => {
                let inner = BTreeMap::from([(format!("{ZONE}*"), "*".to_owned())]);
                let within = |id| (format!("{ACCOUNT}{id}"), ResourceValue::Within(inner.clone()));
                accounts.iter().map(within).collect()
            }
            Scope::Bucket => {
                accounts.iter().map(|id| (format!("{BUCKET}{id}_default_*"), all())).collect()
            }
        }
    };
    let mut policies = Vec::new();
    for scope in [Scope::User, Scope::Account, Scope::Zone, Scope::Bucket] {
        let own = groups.iter().filter(|group| group.scope == scope);
        let own = own.map(|group| PolicyGroup {
            id: group.id.to_owned(),
            name: Some(group.name.to_owned()),
            meta: None,
        });
        let permission_groups: Vec<_> = own.collect();
        if !permission_groups.is_empty() {
            policies.push(Policy {
                id: crate::state::ids::random_hex(),
                effect: Effect::Allow,
                permission_groups,
                resources: resources(scope),
            });
        }
    }
    policies
}
