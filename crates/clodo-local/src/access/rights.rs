//! What a token may do, and where.

use super::{
    groups::{GROUPS, Group, group_by_name},
    policy::{Effect, Subject, ZoneSubject},
};
use crate::state::{ids::derived, model::Token, zone::Zone};

/// Where something is to be done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place<'a> {
    pub(crate) account: Option<&'a str>,
    /// The zone, when it is about one; else about every zone of the account.
    pub(crate) zone: Option<&'a str>,
    pub(crate) bucket: Option<&'a str>,
}

impl Token {
    /// The id of the user whose token it is.
    pub(crate) fn user_id(&self) -> String {
        derived(&["user", &self.email])
    }

    /// Whether it may do everything that there is, the local cloud's own commands included.
    pub(crate) fn is_all_powerful(&self) -> bool {
        self.policies.is_none() && self.accounts.is_empty() && self.owner.is_none()
    }

    /// Whether the account can be seen at all.
    pub(crate) fn may_use(&self, account_id: &str) -> bool {
        let ceiling = self.accounts.is_empty() || self.accounts.iter().any(|id| id == account_id);
        let owned = self.owner.as_deref().is_none_or(|owner| owner == account_id);
        // What a policy says about zones alone is looked at zone by zone.
        let named = self.policies.as_ref().is_none_or(|policies| {
            let mut allowed = policies.iter().filter(|policy| policy.effect == Effect::Allow);
            allowed.any(|policy| policy.mentions_account(account_id))
        });
        ceiling && owned && named
    }

    /// Whether the zone can be seen: by any permission on it.
    pub(crate) fn may_see(&self, zone: &Zone) -> bool {
        let place = Place { account: Some(&zone.account_id), zone: Some(&zone.id), bucket: None };
        match &self.policies {
            None => self.may_use(&zone.account_id),
            Some(_) => self.may_one_of(&ZONE_GROUPS, place),
        }
    }

    /// Whether one of the groups, by name, is granted there.
    pub(crate) fn may_one_of(&self, names: &[&str], place: Place<'_>) -> bool {
        let groups = names.iter().filter_map(|name| group_by_name(name));
        groups.into_iter().any(|group| self.may(group, place))
    }

    fn may(&self, group: &Group, place: Place<'_>) -> bool {
        if let Some(account) = place.account {
            let ceiling = self.accounts.is_empty() || self.accounts.iter().any(|id| id == account);
            if !ceiling || self.owner.as_deref().is_some_and(|owner| owner != account) {
                return false;
            }
        }
        let Some(policies) = &self.policies else { return true };
        let user = self.user_id();
        let zone = match place.zone {
            Some(zone) => ZoneSubject::One(zone),
            None if place.account.is_none() => ZoneSubject::Some,
            None => ZoneSubject::All,
        };
        let subject = Subject { user: &user, account: place.account, zone, bucket: place.bucket };
        let fitting = |effect: Effect| {
            let mut own = policies.iter().filter(|policy| policy.effect == effect);
            own.any(|policy| policy.has(group) && policy.covers(group.scope, subject))
        };
        // A zone that is denied does not deny that there are others.
        let denied = zone != ZoneSubject::Some && fitting(Effect::Deny);
        fitting(Effect::Allow) && !denied
    }
}

/// Any of these lets a token see that a zone exists.
const ZONE_GROUPS: [&str; 2] = ["Zone Read", "Zone Write"];

/// The groups whose names begin most like this one, which is none.
pub(crate) fn similar(name: &str) -> Vec<&'static str> {
    let wanted = name.to_ascii_lowercase();
    let alike = |group: &&Group| {
        let own = group.name.to_ascii_lowercase();
        own.bytes().zip(wanted.bytes()).take_while(|(a, b)| a == b).count()
    };
    let mut groups: Vec<_> = GROUPS.iter().filter(|group| alike(group) > 2).collect();
    groups.sort_by_key(|group| std::cmp::Reverse(alike(group)));
    groups.into_iter().map(|group| group.name).take(4).collect()
}

#[cfg(test)]
#[path = "rights_tests.rs"]
mod tests;
