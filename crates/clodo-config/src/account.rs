use crate::{fields::Fields, placed::Placed, sections};
use clodo_types::{AccountId, AccountName, ZoneName};
use serde::Serialize;
use std::collections::BTreeMap;

/// A Cloudflare account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Account {
    /// Its id, when the file has it.
    pub id: Option<AccountId>,
    /// The zones that the portfolio's domains are in.
    pub zones: Vec<Placed<ZoneName>>,
}

/// The account of a file that names none.
pub(crate) fn default_name() -> AccountName {
    "main".parse().expect("`main` is a valid name")
}

/// Reads `[accounts]`; without any there is one without zones.
pub(crate) fn read(root: &Fields<'_>) -> BTreeMap<AccountName, Account> {
    let problems = root.problems;
    let mut accounts = root.map("accounts", |name, entry| {
        let title = format!("`[accounts.{name}]`");
        let place = (&entry.node, entry.key_offset);
        let fields = Fields::of(problems, place, &sections::ACCOUNT, &title)?;
        let id = fields.parsed("id").map(|id| id.value);
        Some(Account { id, zones: fields.list("zones") })
    });
    let mut seen: BTreeMap<&ZoneName, &AccountName> = BTreeMap::new();
    for (name, account) in &accounts {
        for zone in &account.zones {
            if let Some(first) = seen.insert(&zone.value, name) {
                let message = format!("zone `{}` is already in account `{first}`", zone.value);
                problems.add_at(zone, message, "a zone belongs to one account; name it once");
            }
        }
    }
    if accounts.is_empty() {
        accounts.insert(default_name(), Account::default());
    }
    accounts
}
