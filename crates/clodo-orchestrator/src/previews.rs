use crate::{
    desired::DesiredTarget,
    inspected::{BoundTo, Inspected},
    observed::{Observed, ObservedAccount},
    platform::{Platform, PlatformError},
    preview::{Preview, PreviewName},
    resource::{
        DesiredBucket, DesiredConsumer, DesiredDatabase, DesiredDurableObject, DesiredNamespace,
        DesiredQueue, DesiredService, DesiredWorkflow, ResourceRef,
    },
    trigger::WorkerRef,
};
use clodo_bundle::Bundle;
use clodo_types::{BindingName, EnvironmentName, PortfolioName, TargetId, Timestamp};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// A preview as the account shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoundPreview {
    /// Its name.
    pub name: PreviewName,
    /// The environment of which it is a copy.
    pub from: EnvironmentName,
    /// When the first of its Workers was made.
    pub since: Timestamp,
    /// When the last of its Workers may go; `None` when one of them never ends by itself.
    pub ends: Option<Timestamp>,
    /// Who made it.
    pub by: String,
    /// Its Workers and what each is a copy of; never empty.
    pub workers: BTreeMap<WorkerRef, Preview>,
}

impl FoundPreview {
    /// True when all of it may go.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.ends.is_some_and(|ends| ends <= now)
    }

    /// The targets of the environment of which it has copies.
    pub fn originals(&self) -> impl Iterator<Item = TargetId> {
        self.workers.iter().map(|(worker, preview)| TargetId {
            service: preview.service.clone(),
            environment: preview.from.clone(),
            customer: preview.customer.clone(),
            account: worker.account.clone(),
        })
    }
}

/// The previews of a portfolio, as the tags of its Workers tell; by name.
#[must_use]
pub fn previews_in(
    observed: &Observed,
    portfolio: &PortfolioName,
) -> BTreeMap<PreviewName, FoundPreview> {
    let mut found: BTreeMap<PreviewName, FoundPreview> = BTreeMap::new();
    for (account, seen) in &observed.accounts {
        for (worker, live) in &seen.workers {
            let mark = live.mark();
            let Some(preview) = mark.preview.filter(|_| mark.owner.as_ref() == Some(portfolio))
            else {
                continue;
            };
            let worker = WorkerRef { account: account.clone(), worker: worker.clone() };
            let entry = found.entry(preview.name.clone()).or_insert_with(|| FoundPreview {
                name: preview.name.clone(),
                from: preview.from.clone(),
                since: preview.since,
                ends: preview.ends,
                by: preview.by.clone(),
                workers: BTreeMap::new(),
            });
            if preview.since < entry.since {
                (entry.since, entry.by) = (preview.since, preview.by.clone());
            }
            entry.ends = entry.ends.zip(preview.ends).map(|(one, other)| one.max(other));
            entry.workers.insert(worker, preview);
        }
    }
    found
}

/// A preview's Workers with all that is its own, for a [`Removal`](crate::Removal). No files are
/// needed: what a Worker is bound to tells it, and of that only what bears the preview's name.
///
/// `observed` must hold databases, namespaces, buckets and queues.
///
/// # Errors
/// When a Worker cannot be read.
pub async fn preview_targets(
    platform: &dyn Platform,
    observed: &Observed,
    found: &FoundPreview,
) -> Result<Vec<DesiredTarget>, PlatformError> {
    let mut targets = Vec::new();
    for (worker, preview) in &found.workers {
        let seen = platform.inspect(worker).await?.unwrap_or_default();
        let empty = ObservedAccount::default();
        let account = observed.accounts.get(&worker.account).unwrap_or(&empty);
        targets.push(target(worker, preview, &seen, account));
    }
    Ok(targets)
}

fn target(
    worker: &WorkerRef,
    preview: &Preview,
    seen: &Inspected,
    account: &ObservedAccount,
) -> DesiredTarget {
    let id = TargetId {
        service: preview.service.clone(),
        environment: preview.name.environment(),
        customer: preview.customer.clone(),
        account: worker.account.clone(),
    };
    let no_code = Arc::new(Bundle::new(None, Vec::new(), None));
    let mut target = DesiredTarget::new(id, worker.worker.clone(), no_code);
    target.preview = Some(preview.clone());
    let bindings = seen.serving.iter().flat_map(|version| &version.bindings);
    for (name, bound) in bindings {
        if let Ok(binding) = name.parse() {
            bind(&mut target, binding, bound, account);
        }
    }
    let suffix = preview.name.suffix();
    let received = account.consumed_by(&worker.worker).unwrap_or_default().into_iter();
    let own = received.filter(|(queue, _)| queue.as_str().ends_with(&suffix));
    target.consumers.extend(own.map(|(queue, consumer)| {
        let mut delivery = consumer.delivery.clone();
        delivery.dead_letter_queue.take_if(|name| !name.as_str().ends_with(&suffix));
        DesiredConsumer { queue: queue.clone(), delivery }
    }));
    target
}

/// Adds what a live version is bound to, as far as it belongs to the preview or must be in order.
fn bind(
    target: &mut DesiredTarget,
    binding: BindingName,
    bound: &BoundTo,
    account: &ObservedAccount,
) {
    let suffix = target.preview.as_ref().map(|preview| preview.name.suffix()).unwrap_or_default();
    match bound {
        BoundTo::Database(id) => {
            let mut named = account.databases.iter().filter(|(_, known)| known.id == *id);
            let own = named.next().filter(|(name, _)| name.as_str().ends_with(&suffix));
            target.databases.extend(own.map(|(name, _)| DesiredDatabase {
                binding,
                resource: ResourceRef::Name(name.clone()),
                migrations: Vec::new(),
                migrations_table: String::new(),
            }));
        }
        BoundTo::Namespace(id) => {
            let mut named = account.namespaces.iter().filter(|(_, known)| *known == id);
            let own = named.next().filter(|(title, _)| title.as_str().ends_with(&suffix));
            target.namespaces.extend(own.map(|(title, _)| DesiredNamespace {
                binding,
                resource: ResourceRef::Name(title.clone()),
            }));
        }
        BoundTo::Bucket { name, jurisdiction } if name.as_str().ends_with(&suffix) => {
            let (name, jurisdiction) = (name.clone(), jurisdiction.clone());
            target.buckets.push(DesiredBucket { binding, name, jurisdiction });
        }
        BoundTo::Queue(name) if name.as_str().ends_with(&suffix) => {
            target.queues.push(DesiredQueue { binding, name: name.clone() });
        }
        BoundTo::Workflow { name, worker: Some(holder) } if *holder != target.worker => {
            let (name, worker) = (name.clone(), Some(holder.clone()));
            let class_name = String::new();
            target.workflows.push(DesiredWorkflow {
                binding,
                name,
                class_name,
                worker,
                steps: None,
            });
        }
        BoundTo::Worker { worker, .. } => {
            let (worker, entrypoint, props) = (worker.clone(), None, None);
            target.services.push(DesiredService { binding, worker, entrypoint, props });
        }
        BoundTo::DurableObject { class_name, worker } => {
            let holder = worker.clone().filter(|holder| *holder != target.worker);
            if holder.is_none() {
                // Only that there are objects counts: they are lost with the Worker.
                target.object_migrations.push(Value::Null);
            }
            let class_name = class_name.clone();
            target.durable_objects.push(DesiredDurableObject {
                binding,
                class_name,
                worker: holder,
            });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        inspected::{InspectedVersion, VersionHead},
        mark::Mark,
        observed::{ObservedDatabase, ObservedWorker},
    };

    fn preview(name: &str, service: &str, since: i64, ends: Option<i64>) -> Preview {
        Preview {
            name: PreviewName::of_text(name).unwrap(),
            from: "development".parse().unwrap(),
            service: service.parse().unwrap(),
            customer: None,
            since: Timestamp::from_millis(since * 1000),
            ends: ends.map(|ends| Timestamp::from_millis(ends * 1000)),
            by: format!("maker-of-{service}"),
        }
    }

    fn account(rows: &[(&str, &str, Option<Preview>)]) -> Observed {
        let mut observed = Observed::default();
        let account = observed.accounts.entry("main".parse().unwrap()).or_default();
        for (worker, owner, preview) in rows {
            let mut live = ObservedWorker::default();
            let mark = Mark { owner: owner.parse().ok(), hashes: None, preview: preview.clone() };
            live.tags = mark.to_tags::<&str>(&[]);
            account.workers.insert(worker.parse().unwrap(), live);
        }
        observed
    }

    #[test]
    fn previews_are_told_from_the_tags_of_the_portfolios_own_workers() {
        let observed = account(&[
            ("web-pr-fix", "shop", Some(preview("fix", "web", 20, Some(90)))),
            ("orders-pr-fix", "shop", Some(preview("fix", "orders", 10, Some(80)))),
            ("web-pr-old", "shop", Some(preview("old", "web", 1, None))),
            ("web-pr-theirs", "others", Some(preview("theirs", "web", 1, None))),
            ("web-development", "shop", None),
        ]);
        let found = previews_in(&observed, &"shop".parse().unwrap());
        let names: Vec<&str> = found.keys().map(PreviewName::as_str).collect();
        assert_eq!(names, ["fix", "old"]);
        let fix = &found[&"fix".parse().unwrap()];
        assert_eq!((fix.workers.len(), fix.by.as_str()), (2, "maker-of-orders"));
        assert_eq!(fix.since.as_millis(), 10_000);
        assert!(!fix.is_over(Timestamp::from_millis(89_000)), "its last Worker still lives");
        assert!(fix.is_over(Timestamp::from_millis(90_000)));
        assert!(!found[&"old".parse().unwrap()].is_over(Timestamp::from_millis(i64::MAX)));
    }

    #[test]
    fn of_what_it_is_bound_to_only_what_bears_its_name_is_its_own() {
        let ids = ["0", "1"].map(|digit| format!("018f3c5e-0000-7000-8000-00000000000{digit}"));
        let mut known = ObservedAccount::default();
        for (name, id) in ["shop-db", "shop-db-pr-fix"].iter().zip(&ids) {
            let database = ObservedDatabase::new(id.parse().unwrap());
            known.databases.insert(name.parse().unwrap(), database);
        }
        let head = VersionHead::new(ids[0].parse().unwrap(), 1);
        let mut version = InspectedVersion::new(head);
        let mut bind = |name: &str, bound| version.bindings.insert(name.to_owned(), bound);
        bind("SHARED", BoundTo::Database(ids[0].parse().unwrap()));
        bind("DB", BoundTo::Database(ids[1].parse().unwrap()));
        let name = "files".parse().unwrap();
        bind("FILES", BoundTo::Bucket { name, jurisdiction: None });
        let worker = "orders".parse().unwrap();
        bind("ORDERS", BoundTo::Worker { worker, entrypoint: None });
        let class_name = "Room".to_owned();
        bind("ROOMS", BoundTo::DurableObject { class_name, worker: None });
        let mut seen = Inspected::default();
        seen.serving.push(version);
        let worker = WorkerRef {
            account: "main".parse().unwrap(),
            worker: "web-development-pr-fix".parse().unwrap(),
        };
        let target = target(&worker, &preview("fix", "web", 1, None), &seen, &known);
        assert_eq!(target.id.to_string(), "web@pr-fix");
        let databases: Vec<_> = target.databases.iter().map(|one| &one.resource).collect();
        assert_eq!(databases, [&ResourceRef::Name("shop-db-pr-fix".parse().unwrap())]);
        assert!(target.buckets.is_empty() && !target.object_migrations.is_empty());
        assert_eq!(target.services.len(), 1);
    }
}
