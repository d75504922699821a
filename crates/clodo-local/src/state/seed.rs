//! What a cloud starts with: accounts, their zones, and who may come in.

use super::{
    error::StateError,
    ids::{Moment, derived, random_hex, token_hash},
    model::{Account, Cloud, Meta, Profile, Token, WorkersSettings},
    zone::Zone,
};
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

/// One token, good as `Authorization: Bearer` and as `X-Auth-Key`.
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
                routes: Vec::new(),
                dns: Vec::new(),
            };
            cloud.zones.insert(id, Arc::new(zone));
            Ok(())
        }
    }
}

fn add_token(seed: &SeedToken, cloud: &mut Cloud, now: Moment) -> Result<(), StateError> {
    let hash = token_hash(seed.token.expose());
    let mut accounts = Vec::new();
    for name in &seed.accounts {
        let known = cloud.accounts.values().find(|a| a.profile.name == name.as_str());
        let why = || format!("a token names the account `{name}`, which does not exist");
        accounts.push(known.ok_or_else(|| StateError::Seed { why: why() })?.profile.id.clone());
    }
    if cloud.tokens.get(&hash).is_some_and(|known| known.accounts == accounts) {
        return Ok(());
    }
    let token = Token {
        id: derived(&["token", &hash]),
        name: seed.name.clone().unwrap_or_else(|| "local".to_owned()),
        email: "user@clodo.test".to_owned(),
        accounts,
        created_on: now,
    };
    cloud.tokens.insert(hash, Arc::new(token));
    Ok(())
}
