use crate::{
    choices::{Protection, Rules, Strategy},
    fields::Fields,
    known::{Known, ServiceDomains, texts},
    placed::Placed,
    rollout::RolloutSettings,
    rollout_read, sections, suggest,
    vars::{self, Vars},
};
use clodo_types::{AccountName, EnvironmentName};
use serde::Serialize;
use std::collections::BTreeMap;

/// An environment: how carefully it is treated, and what is special there.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Environment {
    /// What a deployment needs first.
    pub protection: Protection,
    /// How strict the security rules are.
    pub rules: Rules,
    /// How new versions take over, when the file says so.
    pub strategy: Option<Strategy>,
    /// What else the file says about how they take over.
    pub rollout: RolloutSettings,
    /// The environment that must have proved code before it is uploaded here.
    pub promote_from: Option<EnvironmentName>,
    /// The account of its targets, when the file says so.
    pub account: Option<AccountName>,
    /// Variables of every service in it.
    pub vars: Vars,
    #[serde(skip)]
    pub(crate) domains: ServiceDomains,
}

impl Environment {
    /// An environment of which the file says nothing.
    pub(crate) fn named(name: &EnvironmentName) -> Self {
        let rules = usual_rules(name);
        Self {
            protection: usual_protection(rules),
            rules,
            strategy: None,
            rollout: RolloutSettings::default(),
            promote_from: None,
            account: None,
            vars: Vars::new(),
            domains: ServiceDomains::new(),
        }
    }
}

/// The environments of a file that names none.
pub(crate) fn default_names() -> impl Iterator<Item = EnvironmentName> {
    ["development", "staging", "production"].into_iter().filter_map(|name| name.parse().ok())
}

/// Reads `[environments]`.
pub(crate) fn read(root: &Fields<'_>, known: &Known) -> BTreeMap<EnvironmentName, Environment> {
    let problems = root.problems;
    let mut environments = root.map("environments", |name: &EnvironmentName, entry| {
        let title = format!("`[environments.{name}]`");
        let place = (&entry.node, entry.key_offset);
        let fields = Fields::of(problems, place, &sections::ENVIRONMENT, &title)?;
        let rules = fields.choice("rules").unwrap_or_else(|| usual_rules(name));
        Some(Environment {
            protection: fields.choice("protection").unwrap_or_else(|| usual_protection(rules)),
            rules,
            strategy: fields.choice("strategy"),
            rollout: rollout_read::settings(&fields, &format!("environments.{name}")),
            promote_from: promote_from(&fields, known, name),
            account: known.account(&fields),
            vars: vars::read(&fields),
            domains: known.service_domains(&fields),
        })
    });
    if environments.is_empty() {
        environments.extend(default_names().map(|name| {
            let environment = Environment::named(&name);
            (name, environment)
        }));
    }
    environments
}

fn promote_from(
    fields: &Fields<'_>,
    known: &Known,
    own: &EnvironmentName,
) -> Option<EnvironmentName> {
    let from: Placed<EnvironmentName> = fields.parsed("promote_from")?;
    if !known.environments.contains(&from.value) {
        let hint = suggest::hint_for(from.value.as_str(), texts(&known.environments));
        let message = format!("unknown environment `{}`", from.value);
        fields.problems.add_at(&from, message, hint);
        return None;
    }
    if from.value == *own {
        let hint = "name the environment that comes before it";
        let message = format!("`{own}` cannot prove what is uploaded to itself");
        fields.problems.add_at(&from, message, hint);
        return None;
    }
    Some(from.value)
}

/// An environment that nobody described is treated as strictly as production.
fn usual_rules(name: &EnvironmentName) -> Rules {
    match name.as_str() {
        "development" => Rules::Development,
        "staging" => Rules::Staging,
        _ => Rules::Production,
    }
}

fn usual_protection(rules: Rules) -> Protection {
    match rules {
        Rules::Production => Protection::Confirm,
        Rules::Development | Rules::Staging => Protection::None,
    }
}
