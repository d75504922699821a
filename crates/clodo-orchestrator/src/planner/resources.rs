use super::{Draft, migrations, step_id};
use crate::{
    change::Change,
    desired::DesiredTarget,
    plan::{Action, PlannedStep},
    resource::ResourceRef,
};
use clodo_saga::StepId;
use std::collections::BTreeSet;

/// What a target's upload waits for.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// Resources that do not exist yet.
    pub(super) created: BTreeSet<StepId>,
    /// Migrations.
    pub(super) migrated: BTreeSet<StepId>,
}

/// Plans what must be there before the target can be uploaded.
pub(super) fn plan_resources(draft: &mut Draft<'_>, target: &DesiredTarget) -> Waits {
    let mut waits = Waits::default();
    for database in &target.databases {
        let created = create_database(draft, target, &database.resource);
        let migrated = migrations::plan_migrations(draft, target, database, created.as_ref());
        waits.migrated.extend(migrated);
        waits.created.extend(created);
    }
    let Some(account) = draft.observed.accounts.get(&target.id.account) else { return waits };
    for namespace in &target.namespaces {
        if let ResourceRef::Name(title) = &namespace.resource
            && !account.namespaces.contains_key(title)
        {
            let (account, title) = (target.id.account.clone(), title.clone());
            let summary = format!("create KV namespace {title}");
            let subject = format!("{account}/{title}");
            let change = Change::CreateNamespace { account, title };
            waits.created.insert(create(draft, change, &subject, summary));
        }
    }
    for bucket in &target.buckets {
        if !account.buckets.contains(&bucket.name) {
            let (account, name) = (target.id.account.clone(), bucket.name.clone());
            let summary = format!("create R2 bucket {name}");
            let subject = format!("{account}/{name}");
            let jurisdiction = bucket.jurisdiction.clone();
            let change = Change::CreateBucket { account, name, jurisdiction };
            waits.created.insert(create(draft, change, &subject, summary));
        }
    }
    waits
}

fn create_database(
    draft: &mut Draft<'_>,
    target: &DesiredTarget,
    resource: &crate::resource::DatabaseRef,
) -> Option<StepId> {
    let ResourceRef::Name(name) = resource else { return None };
    let account = draft.observed.accounts.get(&target.id.account)?;
    if account.databases.contains_key(name) {
        return None;
    }
    let (account, name) = (target.id.account.clone(), name.clone());
    let summary = format!("create database {name}");
    let subject = format!("{account}/{name}");
    Some(create(draft, Change::CreateDatabase { account, name }, &subject, summary))
}

fn create(draft: &mut Draft<'_>, change: Change, subject: &str, summary: String) -> StepId {
    let action = Action::Change(change);
    draft.add(PlannedStep {
        id: step_id(&action, subject),
        target: None,
        action,
        needs: Vec::new(),
        summary,
        details: Vec::new(),
    })
}
