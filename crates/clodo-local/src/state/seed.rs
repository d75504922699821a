//! What a cloud starts with: accounts, their zones, and who may come in.

use super::{
    error::StateError,
    ids::{Moment, derived, random_hex, token_hash},
    model::{Account, Cloud, Meta, Profile, Token, WorkersSettings},
    zone::Zone,
};
use crate::access::{Group, everything_in, group_by_id, group_by_name, similar};
use clodo_types::{AccountId, AccountName, Secret, ZoneName};
use serde::Deserialize;
use std::sync::Arc;

/// What must exist. Applying it a second time changes nothing; nothing is ever removed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seed {
    /// Accounts with their zones.
    #[serde(default)]
    pub accounts: Vec<SeedAccount>,
    /// Tokens that are let in.
    #[serde(default)]
    pub tokens: Vec<SeedToken>,
}

/// One account.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedAccount {
    /// Its name, unique in the cloud.
    pub name: AccountName,
    /// Its id; derived from the name when absent.
    #[serde(default)]
    pub id: Option<AccountId>,
    /// Zones that it owns.
    #[serde(default)]
    pub zones: Vec<ZoneName>,
}

impl SeedAccount {
    /// The account's id: the given one, else the one that follows from the name.
    #[must_use]
    pub fn id(&self) -> String {
        match &self.id {
            Some(id) => id.to_string(),
            None => derived(&["account", self.name.as_str()]),
        }
    }
}

/// One token, good as `Authorization: Bearer` and, without permissions of its own, as `X-Auth-Key`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedToken {
    /// The token itself; only its hash is stored.
    pub token: Secret,
    /// What lists call it.
    #[serde(default)]
    pub name: Option<String>,
    /// Names of the accounts that it may use; empty = all.
    #[serde(default)]
    pub accounts: Vec<AccountName>,
    /// Names of permission groups, such as `Workers Scripts Write`, granted on everything in its
    /// accounts; empty = everything is allowed there.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// The address of the user whose token it is; all tokens of one user share a rate limit.
    #[serde(default)]
    pub user: Option<String>,
    /// The account that owns it, which makes it an account token instead of a user's.
    #[serde(default)]
    pub owner: Option<AccountName>,
}

impl SeedToken {
    /// A token for everything.
    #[must_use]
    pub fn new(token: Secret) -> Self {
        Self {
            token,
            name: None,
            accounts: Vec::new(),
            permissions: Vec::new(),
            user: None,
            owner: None,
        }
    }
}

/// Adds what is missing. `cloud` is unchanged on an error only if the caller throws it away.
pub(super) fn apply(seed: &Seed, cloud: &mut Cloud, now: Moment) -> Result<(), StateError> {
    if cloud.meta.signing_key.is_empty() {
        cloud.meta = Arc::new(Meta { signing_key: format!("{}{}", random_hex(), random_hex()) });
    }
    for account in &seed.accounts {
        let id = add_account(account, cloud, now)?;
        for zone in &account.zones {
            add_zone(&id, zone, cloud, now)?;
        }
    }
    seed.tokens.iter().try_for_each(|token| add_token(token, cloud, now))
}

fn add_account(seed: &SeedAccount, cloud: &mut Cloud, now: Moment) -> Result<String, StateError> {
    let name = seed.name.as_str();
    if let Some(known) = cloud.accounts.values().find(|account| account.profile.name == name) {
        let id = known.profile.id.clone();
        return match &seed.id {
            Some(wanted) if wanted.as_str() != id => Err(StateError::Seed {
                why: format!("the account `{name}` has the id {id} already, not {wanted}"),
            }),
            _ => Ok(id),
        };
    }
    let id = seed.id();
    if cloud.accounts.contains_key(&id) {
        let why = format!("the id {id} belongs to another account than `{name}`");
        return Err(StateError::Seed { why });
    }
    let subdomain = free_subdomain(name, cloud);
    let profile = Profile {
        id: id.clone(),
        name: name.to_owned(),
        created_on: now,
        subdomain,
        settings: WorkersSettings::default(),
    };
    cloud.accounts.insert(id.clone(), Arc::new(Account::new(profile)));
    Ok(id)
}

/// `local` for the first account; the others carry their name, since hostnames are shared.
fn free_subdomain(name: &str, cloud: &Cloud) -> String {
    if cloud.accounts.is_empty() {
        return "local".to_owned();
    }
    let label: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    let taken = |text: &str| cloud.accounts.values().any(|a| a.profile.subdomain == text);
    let wanted = format!("local-{label}");
    if taken(&wanted) { format!("{wanted}-{}", &derived(&[name])[..6]) } else { wanted }
}

fn add_zone(
    account: &str,
    name: &ZoneName,
    cloud: &mut Cloud,
    now: Moment,
) -> Result<(), StateError> {
    let text = name.as_str();
    match cloud.zones.values().find(|zone| zone.name == text) {
        Some(zone) if zone.account_id == account => Ok(()),
        Some(_) => Err(StateError::Seed { why: format!("two accounts claim the zone `{name}`") }),
        None => {
            let id = derived(&["zone", text]);
            let zone = Zone {
                id: id.clone(),
                name: text.to_owned(),
                account_id: account.to_owned(),
                created_on: now,
                paused: false,
                routes: Vec::new(),
                dns: Vec::new(),
            };
            cloud.zones.insert(id, Arc::new(zone));
            Ok(())
        }
    }
}

/// The user whose token it is when a seed does not say.
const USER: &str = "user@clodo.test";

fn add_token(seed: &SeedToken, cloud: &mut Cloud, now: Moment) -> Result<(), StateError> {
    let hash = token_hash(seed.token.expose());
    let mut accounts = seed
        .accounts
        .iter()
        .map(|name| account_id(name, cloud))
        .collect::<Result<Vec<_>, StateError>>()?;
    let owner = seed.owner.as_ref().map(|name| account_id(name, cloud)).transpose()?;
    if let (Some(owner), true) = (&owner, accounts.is_empty()) {
        accounts.push(owner.clone());
    }
    let email = seed.user.clone().unwrap_or_else(|| USER.to_owned());
    let mut token = Token {
        id: derived(&["token", &hash]),
        name: seed.name.clone().unwrap_or_else(|| "local".to_owned()),
        email,
        accounts,
        created_on: now,
        policies: None,
        owner,
        disabled: false,
        not_before: None,
        expires_on: None,
        only_from: Vec::new(),
        never_from: Vec::new(),
        modified_on: None,
    };
    if !seed.permissions.is_empty() {
        let groups = groups(&seed.permissions)?;
        token.policies = Some(everything_in(&groups, &token.user_id(), &token.accounts));
    }
    if cloud.tokens.get(&hash).is_some_and(|known| same(known, &token)) {
        return Ok(());
    }
    cloud.tokens.insert(hash, Arc::new(token));
    Ok(())
}

/// Whether a seed that was applied before made it. Ids of policies are random.
fn same(known: &Token, new: &Token) -> bool {
    let granted = |token: &Token| {
        token.policies.as_ref().map(|policies| {
            let parts = policies
                .iter()
                .map(|policy| (policy.permission_groups.clone(), policy.resources.clone()));
            parts.collect::<Vec<_>>()
        })
    };
    known.accounts == new.accounts
        && known.email == new.email
        && known.owner == new.owner
        && granted(known) == granted(new)
}

fn account_id(name: &AccountName, cloud: &Cloud) -> Result<String, StateError> {
    let known = cloud.accounts.values().find(|a| a.profile.name == name.as_str());
    let why = || format!("a token names the account `{name}`, which does not exist");
    Ok(known.ok_or_else(|| StateError::Seed { why: why() })?.profile.id.clone())
}

fn groups(names: &[String]) -> Result<Vec<&'static Group>, StateError> {
    let found = names.iter().map(|name| {
        group_by_name(name).or_else(|| group_by_id(name)).ok_or_else(|| {
            let similar = similar(name).join("`, `");
            let hint = if similar.is_empty() {
                String::new()
            } else {
                format!("; did you mean one of `{similar}`?")
            };
            let why = format!("there is no permission group `{name}`{hint}");
            StateError::Seed { why }
        })
    });
    found.collect()
}
