use super::{Draft, change_id, migrations};
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
    /// The steps.
    pub(super) steps: BTreeSet<StepId>,
    /// A resource is made that the live version cannot be bound to.
    pub(super) creates: bool,
    /// The steps that make queues.
    pub(super) queues: Vec<StepId>,
}

/// Plans what must be there before the target can be uploaded.
pub(super) fn plan_resources(draft: &mut Draft<'_>, target: &DesiredTarget) -> Waits {
    let mut waits = Waits::default();
    let name = &target.id.account;
    let Some(account) = draft.observed.accounts.get(name) else { return waits };
    for database in &target.databases {
        let created = match &database.resource {
            ResourceRef::Id(_) => None,
            ResourceRef::Name(title) => {
                let change = Change::CreateDatabase { account: name.clone(), name: title.clone() };
                let exists = account.databases.contains_key(title);
                create(draft, &mut waits, change, exists, &format!("database {title}"))
            }
        };
        waits.steps.extend(migrations::plan_migrations(draft, target, database, created.as_ref()));
    }
    for namespace in &target.namespaces {
        if let ResourceRef::Name(title) = &namespace.resource {
            let change = Change::CreateNamespace { account: name.clone(), title: title.clone() };
            let exists = account.namespaces.contains_key(title);
            create(draft, &mut waits, change, exists, &format!("KV namespace {title}"));
        }
    }
    for bucket in &target.buckets {
        let (exists, title) = (account.buckets.contains(&bucket.name), bucket.name.clone());
        let what = format!("R2 bucket {title}");
        let (account, jurisdiction) = (name.clone(), bucket.jurisdiction.clone());
        let change = Change::CreateBucket { account, name: title, jurisdiction };
        create(draft, &mut waits, change, exists, &what);
    }
    queues(draft, target, &mut waits);
    waits
}

/// A queue that is only received from does not concern the version.
fn queues(draft: &mut Draft<'_>, target: &DesiredTarget, waits: &mut Waits) {
    let name = &target.id.account;
    let listed = draft.observed.accounts.get(name).and_then(|account| account.queues.as_ref());
    let bound: BTreeSet<_> = target.queues.iter().map(|queue| &queue.name).collect();
    let wanted: BTreeSet<_> = target.queue_names().collect();
    for queue in wanted {
        let change = Change::CreateQueue { account: name.clone(), name: queue.clone() };
        let exists = listed.is_some_and(|listed| listed.contains_key(queue));
        let mut own = Waits::default();
        let made = create(draft, &mut own, change, exists, &format!("queue {queue}"));
        waits.queues.extend(made);
        if bound.contains(queue) {
            waits.steps.extend(own.steps);
            waits.creates |= own.creates;
        }
    }
}

fn create(
    draft: &mut Draft<'_>,
    waits: &mut Waits,
    change: Change,
    exists: bool,
    what: &str,
) -> Option<StepId> {
    let id = change_id(&change);
    let action = Action::Change(change);
    if exists && !draft.was_interrupted(&id) {
        return None;
    }
    let (summary, needs, details) = (format!("create {what}"), Vec::new(), Vec::new());
    draft.add(PlannedStep { id: id.clone(), target: None, action, needs, summary, details });
    waits.steps.insert(id.clone());
    waits.creates |= !exists;
    Some(id)
}
