use super::{Preflight, block, note};
use clodo_cf_api::{
    ApiErrorKind,
    identity::TokenStatus,
    tokens::{self, Policy, PolicyEffect, TokenOwner},
};
use clodo_orchestrator::{Action, Plan};
use clodo_types::{AccountId, AccountName, Finding};
use std::collections::BTreeSet;

/// A token that ends within this time may end in the middle: canaries and waves take hours.
const SOON_MS: i64 = 24 * 3_600 * 1_000;

/// What a token must be allowed to write for which kinds of steps, by words that names of permission
/// groups begin with. Cloudflare calls the same permission `… Write` in one place and `… Edit` in
/// another.
const NEEDS: [(&str, &[&str]); 6] = [
    (
        "Workers Scripts",
        &[
            "stub",
            "upload",
            "traffic",
            "workers-dev",
            "domains",
            "schedules",
            "workflows",
            "commit",
            "remove-worker",
            "remove-workflow",
        ],
    ),
    ("D1", &["create-database", "migrate", "restore-database", "remove-database"]),
    ("Workers KV Storage", &["create-namespace", "remove-namespace"]),
    ("Workers R2 Storage", &["create-bucket", "remove-bucket"]),
    ("Queues", &["create-queue", "consumers", "remove-queue"]),
    ("Workers Routes", &["routes"]),
];

impl Preflight {
    /// Whether the token is good, for how long, and for all of the plan, as far as it may be asked.
    pub(super) async fn token(&self, plan: &Plan) -> Vec<Finding> {
        let mut findings = Vec::new();
        let accounts: BTreeSet<&AccountName> =
            plan.steps().iter().filter_map(|step| account_of(&step.action)).collect();
        for name in accounts {
            let Some(account) = self.accounts.get(name) else { continue };
            match self.verified(account).await {
                Ok((owner, status)) => {
                    findings.extend(self.lasting(name, &status));
                    findings.extend(self.permitted(plan, (name, account), &owner, &status).await);
                }
                Err(why) => {
                    let message = format!("the token for {name} could not be verified: {why}");
                    findings.push(note("token-not-verified", message, "check it in the dashboard"));
                }
            }
        }
        findings
    }

    /// A token belongs to a person or to an account, and only one of them knows it.
    async fn verified(&self, account: &AccountId) -> Result<(TokenOwner, TokenStatus), String> {
        let mut why = String::new();
        for owner in [TokenOwner::User, TokenOwner::Account(account.clone())] {
            match self.client.send(tokens::verify(&owner)).await {
                Ok(status) => return Ok((owner, status)),
                Err(error) => why = error.to_string(),
            }
        }
        Err(why)
    }

    fn lasting(&self, name: &AccountName, status: &TokenStatus) -> Option<Finding> {
        let renew = "make a new one, and set CLOUDFLARE_API_TOKEN";
        if !status.is_active() {
            let message = format!("the token for {name} is {}", status.status);
            return Some(block("token-not-active", message, renew));
        }
        let ends: jiff::Timestamp = status.expires_on.as_ref()?.parse().ok()?;
        let left = ends.as_millisecond() - self.clock.now().as_millis();
        let message = format!("the token for {name} ends at {ends}");
        (left < SOON_MS).then(|| note("token-ends-soon", message, renew))
    }

    async fn permitted(
        &self,
        plan: &Plan,
        (name, account): (&AccountName, &AccountId),
        owner: &TokenOwner,
        status: &TokenStatus,
    ) -> Vec<Finding> {
        let Ok(id) = status.id.parse() else { return Vec::new() };
        let policies = match self.client.send(tokens::token(owner, &id)).await {
            Ok(token) => token.policies,
            Err(error) if matches!(error.kind(), ApiErrorKind::Permission | ApiErrorKind::Auth) => {
                let message = format!(
                    "the token for {name} may not read itself: its permissions are not known"
                );
                let hint = "a permission that is missing shows when it is needed, and all is taken back then";
                return vec![note("permissions-not-read", message, hint)];
            }
            // The local Cloudflare's own token is in no list, and may do everything.
            Err(error) if error.kind() == ApiErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                let message = format!("the permissions for {name} could not be read: {error}");
                return vec![note("permissions-not-read", message, "try again later")];
            }
        };
        let steps = plan.steps().iter().filter(|step| account_of(&step.action) == Some(name));
        let kinds: BTreeSet<&str> = steps.map(|step| step.action.kind()).collect();
        let missing = NEEDS.iter().filter(|(group, needed)| {
            needed.iter().any(|kind| kinds.contains(kind)) && !allows(&policies, group, account)
        });
        let missing: Vec<&str> = missing.map(|(group, _)| *group).collect();
        if missing.is_empty() {
            return Vec::new();
        }
        let message =
            format!("the token for {name} lacks permission to write: {}", missing.join(", "));
        vec![block("token-lacks-permission", message, "give it the permission, or use another")]
    }
}

/// The account that a step writes to.
fn account_of(action: &Action) -> Option<&AccountName> {
    match action {
        Action::Change(change) => Some(change.account()),
        Action::Migrate(migration) => Some(&migration.account),
        _ => None,
    }
}

/// Whether a policy lets the token write what the group is about. Routes are given by zone; which
/// zones are an account's own is not in the policy, so any will do.
fn allows(policies: &[Policy], group: &str, account: &AccountId) -> bool {
    let own = format!("com.cloudflare.api.account.{account}");
    let here = |policy: &&Policy| {
        policy.effect == PolicyEffect::Allow
            && policy.resources.keys().any(|resource| {
                *resource == own
                    || resource == "com.cloudflare.api.account.*"
                    || resource.starts_with("com.cloudflare.api.account.zone")
                    || resource.starts_with("com.cloudflare.edge.")
                    || resource.starts_with("com.cloudflare.api.user.")
            })
    };
    let writes = |name: &str| {
        name.strip_prefix(group)
            .is_some_and(|rest| matches!(rest.trim(), "Write" | "Edit" | "Admin"))
    };
    policies.iter().filter(here).any(|policy| {
        policy.permission_groups.iter().any(|group| group.name.as_deref().is_some_and(writes))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clodo_cf_api::tokens::GroupReference;
    use serde_json::json;

    fn policy(effect: PolicyEffect, resource: &str, name: &str) -> Policy {
        let id = "0123456789abcdef0123456789abcdef".parse().unwrap();
        Policy {
            effect,
            permission_groups: vec![GroupReference { id, name: Some(name.to_owned()) }],
            resources: [(resource.to_owned(), json!("*"))].into(),
        }
    }

    #[test]
    fn a_permission_counts_where_it_is_given_for_the_account_and_to_write() {
        let account: AccountId = "00000000000000000000000000000001".parse().unwrap();
        let own = format!("com.cloudflare.api.account.{account}");
        let other = "com.cloudflare.api.account.00000000000000000000000000000002";
        for (effect, resource, name, expected) in [
            (PolicyEffect::Allow, own.as_str(), "D1 Write", true),
            (PolicyEffect::Allow, own.as_str(), "D1 Edit", true),
            (PolicyEffect::Allow, "com.cloudflare.api.account.*", "D1 Write", true),
            (PolicyEffect::Allow, own.as_str(), "D1 Read", false),
            (PolicyEffect::Allow, own.as_str(), "D1x Write", false),
            (PolicyEffect::Allow, other, "D1 Write", false),
            (PolicyEffect::Deny, own.as_str(), "D1 Write", false),
        ] {
            let policies = [policy(effect, resource, name)];
            assert_eq!(allows(&policies, "D1", &account), expected, "{resource} {name}");
        }
    }
}
