//! The permission groups that this cloud knows: those of the products it has. Ids, names and
//! scopes are Cloudflare's own, so that a policy written for the one works at the other.

/// What kind of thing a group's permission is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    User,
    Account,
    Zone,
    Bucket,
}

impl Scope {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::User => "com.cloudflare.api.user",
            Self::Account => "com.cloudflare.api.account",
            Self::Zone => "com.cloudflare.api.account.zone",
            Self::Bucket => "com.cloudflare.edge.r2.bucket",
        }
    }
}

/// One permission group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) scope: Scope,
    pub(crate) category: &'static str,
}

const fn group(
    id: &'static str,
    name: &'static str,
    scope: Scope,
    category: &'static str,
) -> Group {
    Group { id, name, scope, category }
}

const PLATFORM: &str = "developer_platform";
const ACCOUNT: &str = "account_and_billing";
const DNS: &str = "dns_and_zones";
const ANALYTICS: &str = "analytics_and_logs";

/// All of them, by name.
pub(crate) const GROUPS: &[Group] = &[
    group("0cc3a61731504c89b99ec1be78b77aa0", "API Tokens Read", Scope::User, ACCOUNT),
    group("686d18d5ac6c441c867cbf6771e58a0a", "API Tokens Write", Scope::User, ACCOUNT),
    group("eb56a6953c034b9d97dd838155666f06", "Account API Tokens Read", Scope::Account, ACCOUNT),
    group("5bc3f8b21c554832afc660159ab75fa4", "Account API Tokens Write", Scope::Account, ACCOUNT),
    group("b89a480218d04ceb98b4fe57ca29dc1f", "Account Analytics Read", Scope::Account, ANALYTICS),
    group("c1fde68c7bcc44588cbb6ddbc16d6480", "Account Settings Read", Scope::Account, ACCOUNT),
    group("1af1fa2adc104452b74a9a3364202f20", "Account Settings Write", Scope::Account, ACCOUNT),
    group("9c88f9c5bce24ce7af9a958ba9c504db", "Analytics Read", Scope::Zone, ANALYTICS),
    group("e17beae8b8cb423a99b1730f21238bed", "Cache Purge", Scope::Zone, "cache_and_performance"),
    group("192192df92ee43ac90f2aeeffce67e35", "D1 Read", Scope::Account, PLATFORM),
    group("09b2857d1c31407795e75e3fed8617a1", "D1 Write", Scope::Account, PLATFORM),
    group("82e64a83756745bbbb1c9c2701bf816b", "DNS Read", Scope::Zone, DNS),
    group("4755a26eedb94da69e1066d98aa820be", "DNS Write", Scope::Zone, DNS),
    group("3518d0f75557482e952c6762d3e64903", "Memberships Read", Scope::User, ACCOUNT),
    group("9201bc6f42d440968aaab0c6f17ebb1d", "Memberships Write", Scope::User, ACCOUNT),
    group("84a7755d54c646ca87cd50682a34bf7c", "Queues Read", Scope::Account, PLATFORM),
    group("366f57075ffc42689627bcf8242a1b6d", "Queues Write", Scope::Account, PLATFORM),
    group("8acbe5bb0d54464ab867149d7f7cf8ac", "User Details Read", Scope::User, ACCOUNT),
    group("55a5e17cc99e4a3fa1f3432d262f2e55", "User Details Write", Scope::User, ACCOUNT),
    group("8b47d2786a534c08a1f94ee8f9f599ef", "Workers KV Storage Read", Scope::Account, PLATFORM),
    group("f7f0eda5697f475c90846e879bab8666", "Workers KV Storage Write", Scope::Account, PLATFORM),
    group(
        "66c1ed49f4ed46098b75696a6d4ee3c9",
        "Workers Observability Read",
        Scope::Account,
        ANALYTICS,
    ),
    group(
        "82c075da3f4647a2a03becd0fe240f8a",
        "Workers Observability Write",
        Scope::Account,
        ANALYTICS,
    ),
    group(
        "6a018a9f2fc74eb6b293b0c548f38b39",
        "Workers R2 Storage Bucket Item Read",
        Scope::Bucket,
        PLATFORM,
    ),
    group(
        "2efd5506f9c8494dacb1fa10a3e7d5b6",
        "Workers R2 Storage Bucket Item Write",
        Scope::Bucket,
        PLATFORM,
    ),
    group("b4992e1108244f5d8bfbd5744320c2e1", "Workers R2 Storage Read", Scope::Account, PLATFORM),
    group("bf7481a1826f439697cb59a20b22293e", "Workers R2 Storage Write", Scope::Account, PLATFORM),
    group("2072033d694d415a936eaeb94e6405b8", "Workers Routes Read", Scope::Zone, PLATFORM),
    group("28f4b596e7d643029c524985477ae49a", "Workers Routes Write", Scope::Zone, PLATFORM),
    group("1a71c399035b4950a1bd1466bbe4f420", "Workers Scripts Read", Scope::Account, PLATFORM),
    group("e086da7e2179491d91ee5f35b3ca210a", "Workers Scripts Write", Scope::Account, PLATFORM),
    group("05880cd1bdc24d8bae0be2136972816b", "Workers Tail Read", Scope::Account, PLATFORM),
    group("c8fed203ed3043cba015a93ad1616f1f", "Zone Read", Scope::Zone, DNS),
    group("517b21aee92c4d89936c976ba6e4be55", "Zone Settings Read", Scope::Zone, DNS),
    group("3030687196b94b638145a3953da2b699", "Zone Settings Write", Scope::Zone, DNS),
    group("e6d2666161e84845a636613608cee8d5", "Zone Write", Scope::Zone, DNS),
];

pub(crate) fn group_by_id(id: &str) -> Option<&'static Group> {
    GROUPS.iter().find(|group| group.id.eq_ignore_ascii_case(id))
}

pub(crate) fn group_by_name(name: &str) -> Option<&'static Group> {
    GROUPS.iter().find(|group| group.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_groups_share_an_id_or_a_name() {
        let ids: BTreeSet<_> = GROUPS.iter().map(|group| group.id).collect();
        let names: BTreeSet<_> = GROUPS.iter().map(|group| group.name).collect();
        assert_eq!((ids.len(), names.len()), (GROUPS.len(), GROUPS.len()));
        assert!(ids.iter().all(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())));
        assert_eq!(group_by_name("workers scripts write").unwrap().scope, Scope::Account);
    }
}
