use super::{
    refused,
    state::{Account, Database, State, Worker, all_to},
};
use crate::{
    change::{Applied, Before, Change, Inputs, Look, Traffic, Upload, traffic_before},
    desired::DesiredTarget,
    inspected::BoundTo,
    mark::{Mark, VersionMessage},
    observed::ObservedQueue,
    platform::PlatformError,
    removal::Data,
    resource::{DesiredConsumer, OwnWorkflow, QueueConsumer, Registration, ResourceRef},
    trigger::{TrafficShare, WorkerRef},
};
use clodo_types::{BindingName, Hostname};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

impl State {
    pub(super) fn account(&mut self, change: &Change) -> Result<&mut Account, PlatformError> {
        let name = change.account();
        let unknown = || refused(format!("there is no account `{name}`"));
        self.accounts.get_mut(name).ok_or_else(unknown)
    }

    pub(super) fn worker(&mut self, worker: &WorkerRef) -> Result<&mut Worker, PlatformError> {
        let account = self.accounts.get_mut(&worker.account);
        let found = account.and_then(|account| account.workers.get_mut(&worker.worker));
        found.ok_or_else(|| refused(format!("there is no worker {worker}")))
    }

    pub(super) fn look(&mut self, change: &Change, inputs: &Inputs) -> Result<Look, PlatformError> {
        let account = self.account(change)?;
        let same =
            |before, is_same: bool| Look { before, already: is_same.then_some(Applied::Done) };
        Ok(match change {
            Change::Upload(upload) => look_for_version(account, upload, inputs),
            Change::SetTraffic { worker, to } => {
                let now = self.worker(worker)?.traffic.clone();
                let before = before(to, &now, inputs);
                let wanted = shares(to, inputs, &before)?;
                let applied = traffic_applied(to, &before);
                let already = (now == wanted).then_some(applied);
                Look { before: Before::Traffic(before), already }
            }
            Change::SetWorkersDev { worker, to } => {
                let now = self.worker(worker)?.workers_dev;
                same(Before::WorkersDev(now), now == *to)
            }
            Change::SetDomains { worker, to } => look_at_domains(account, worker, to),
            Change::SetRoutes { worker, to } => {
                let now = self.worker(worker)?.routes.clone();
                let is_same = now == *to;
                same(Before::Routes(now), is_same)
            }
            Change::SetSchedules { worker, to } => {
                let now = self.worker(worker)?.schedules.clone();
                let is_same = now == *to;
                same(Before::Schedules(now), is_same)
            }
            Change::SetConsumers { worker, to } => {
                let now = account.receivers(&worker.worker, to);
                let taken = now.iter().filter_map(|(queue, by)| Some((queue, by.as_ref()?)));
                let is_same = DesiredConsumer::are_set(to, &worker.worker, taken);
                same(Before::Consumers(now), is_same)
            }
            Change::SetWorkflows { worker, to } => {
                let now = account.registered(&worker.worker, to);
                let is_set = |own: &OwnWorkflow| {
                    let now = now.get(&own.name).and_then(Option::as_ref);
                    now.is_some_and(|now| now.is(&worker.worker, own))
                };
                let is_same = to.iter().all(is_set);
                same(Before::Workflows(now), is_same)
            }
            Change::Commit { worker, mark, settings } => {
                let worker = self.worker(worker)?;
                let before = Before::Settings {
                    tags: worker.tags.clone(),
                    settings: now_set(&worker.settings, settings),
                };
                let tags = mark.to_tags(&worker.tags) == worker.tags;
                same(before, tags && now_set(&worker.settings, settings) == *settings)
            }
            Change::RemoveWorker { .. }
            | Change::RemoveDatabase { .. }
            | Change::RemoveNamespace { .. }
            | Change::RemoveBucket { .. }
            | Change::RemoveQueue { .. }
            | Change::RemoveWorkflow { .. } => same(Before::Present, account.is_gone(change)),
            _ => look_for_made(account, change)?,
        })
    }

    pub(super) fn apply(
        &mut self,
        change: &Change,
        inputs: &Inputs,
    ) -> Result<Applied, PlatformError> {
        let applied = self.make(change, inputs)?;
        let changes = self.count(change);
        Ok(match change {
            Change::Commit { .. } => Applied::Marked(changes.to_string()),
            _ => applied,
        })
    }

    /// Counts a change of the Worker that it is about, and says how many there were.
    pub(super) fn count(&mut self, change: &Change) -> u64 {
        let account = self.accounts.get_mut(change.account());
        let worker =
            account.zip(change.worker()).and_then(|(account, name)| account.workers.get_mut(name));
        worker.map_or(0, |worker| {
            worker.changes += 1;
            worker.changes
        })
    }

    fn make(&mut self, change: &Change, inputs: &Inputs) -> Result<Applied, PlatformError> {
        self.account(change)?;
        match change {
            Change::Upload(upload) => return self.upload(upload, inputs),
            Change::SetTraffic { worker, to } => {
                let now = self.worker(worker)?.traffic.clone();
                let before = before(to, &now, inputs);
                let message = format!("clodo {}", inputs.deployment);
                self.set_traffic(worker, shares(to, inputs, &before)?, message)?;
                return Ok(traffic_applied(to, &before));
            }
            Change::SetWorkersDev { worker, to } => self.worker(worker)?.workers_dev = *to,
            Change::SetDomains { worker, to } => {
                self.worker(worker)?;
                let account = self.account(change)?;
                account.domains.retain(|host, by| *by != worker.worker || to.contains(host));
                let own = to.iter().map(|host| (host.clone(), worker.worker.clone()));
                account.domains.extend(own);
            }
            Change::SetRoutes { worker, to } => self.worker(worker)?.routes.clone_from(to),
            Change::SetSchedules { worker, to } => self.worker(worker)?.schedules.clone_from(to),
            Change::SetConsumers { worker, to } => {
                self.worker(worker)?;
                let account = self.account(change)?;
                account.stops_receiving(&worker.worker);
                for wanted in to {
                    let unknown = || refused(format!("there is no queue {}", wanted.queue));
                    let queue = account.queues.get_mut(&wanted.queue).ok_or_else(unknown)?;
                    let (worker, delivery) = (worker.worker.clone(), wanted.delivery.clone());
                    queue.consumer = Some(QueueConsumer { worker, delivery });
                }
            }
            Change::SetWorkflows { worker, to } => {
                self.worker(worker)?;
                let account = self.account(change)?;
                for own in to {
                    account.register(&own.name, Registration::of(&worker.worker, own));
                }
            }
            Change::RemoveWorkflow { .. } => return self.remove_workflow(change),
            Change::Commit { worker, mark, settings } => {
                let worker = self.worker(worker)?;
                worker.tags = mark.to_tags(&worker.tags);
                worker.settings.extend(settings.clone());
                worker.settings.retain(|_, value| !value.is_null());
            }
            Change::RemoveWorker { .. }
            | Change::RemoveDatabase { .. }
            | Change::RemoveNamespace { .. }
            | Change::RemoveBucket { .. }
            | Change::RemoveQueue { .. } => self.account(change)?.take_away(change),
            _ => return self.make_thing(change),
        }
        Ok(Applied::Done)
    }

    fn remove_workflow(&mut self, change: &Change) -> Result<Applied, PlatformError> {
        let account = self.account(change)?;
        let Change::RemoveWorkflow { name, data, .. } = change else { return Ok(Applied::Done) };
        let unfinished = account.workflows.get(name).map_or(0, |known| known.unfinished);
        if unfinished > 0 && *data == Data::Keep && !account.is_gone(change) {
            return Err(refused(format!("Workflow {name} has instances that have not ended")));
        }
        account.take_away(change);
        Ok(Applied::Done)
    }

    /// Makes a resource or a stub, or puts a database back.
    fn make_thing(&mut self, change: &Change) -> Result<Applied, PlatformError> {
        match change {
            Change::CreateDatabase { name, .. } => {
                let id = self.next_uuid().parse().expect("this is a UUID");
                let database = Database::new(id);
                let applied = Applied::Database(database.id.clone());
                self.account(change)?.databases.insert(name.clone(), database);
                return Ok(applied);
            }
            Change::CreateNamespace { title, .. } => {
                let id: clodo_types::NamespaceId =
                    self.next_hex().parse().expect("these are 32 digits");
                self.account(change)?.namespaces.insert(title.clone(), id.clone());
                return Ok(Applied::Namespace(id));
            }
            Change::CreateBucket { name, .. } => {
                self.account(change)?.buckets.insert(name.clone());
            }
            Change::RestoreDatabase { id, bookmark, .. } => {
                let mut known = self.account(change)?.databases.values_mut();
                let known = known.find(|known| known.id == *id);
                if !known.is_some_and(|known| known.go_back(bookmark)) {
                    return Err(refused(format!("database {id} has no moment {bookmark}")));
                }
            }
            Change::CreateQueue { name, .. } => {
                let id = self.next_hex().parse().expect("these are 32 digits");
                let queue = ObservedQueue { id, consumer: None };
                self.account(change)?.queues.insert(name.clone(), queue);
            }
            Change::CreateStub { worker, owner, preview } => {
                let version = self.next_version(None);
                let mut stub = Worker::serving(version);
                let (owner, preview) = (Some(owner.clone()), preview.clone());
                stub.tags = Mark { owner, hashes: None, preview }.to_tags::<&str>(&[]);
                self.account(change)?.workers.insert(worker.worker.clone(), stub);
            }
            _ => {}
        }
        Ok(Applied::Done)
    }

    fn upload(&mut self, upload: &Upload, inputs: &Inputs) -> Result<Applied, PlatformError> {
        let target = &upload.target;
        let worker_ref = target.worker_ref();
        let message = message(upload, inputs);
        let mut version = self.next_version(message);
        version.bindings = bindings(target, inputs)?;
        version.compatibility_date.clone_from(&target.compatibility_date);
        version.compatibility_flags.clone_from(&target.compatibility_flags);
        let id = version.id.clone();
        let newest = target.object_migrations.last();
        let tag = newest.and_then(|migration| migration["tag"].as_str().map(str::to_owned));
        if !upload.first {
            let worker = self.worker(&worker_ref)?;
            // Secrets that somebody set by other means stay.
            let newest = worker.versions.last().into_iter().flat_map(|newest| &newest.bindings);
            let secrets = newest.filter(|(_, bound)| **bound == BoundTo::Secret);
            for (name, secret) in secrets {
                version.bindings.entry(name.clone()).or_insert_with(|| secret.clone());
            }
            worker.versions.push(version);
            if tag.is_some() && worker.migration_tag != tag {
                worker.traffic = all_to(&id);
                worker.migration_tag = tag;
            }
            return Ok(Applied::Version(id));
        }
        if self.worker(&worker_ref).is_ok() {
            return Err(refused(format!("worker {worker_ref} exists already")));
        }
        let mut worker = Worker::serving(version);
        worker.migration_tag = tag;
        worker.tags = Mark { hashes: None, ..upload.mark.clone() }.to_tags::<&str>(&[]);
        let account = self.accounts.entry(worker_ref.account).or_default();
        account.workers.insert(worker_ref.worker, worker);
        Ok(Applied::Version(id))
    }

    fn set_traffic(
        &mut self,
        worker: &WorkerRef,
        to: Vec<TrafficShare>,
        message: String,
    ) -> Result<(), PlatformError> {
        let found = self.worker(worker)?;
        let exists = |share: &TrafficShare| found.versions.iter().any(|v| v.id == share.version);
        if !to.iter().all(exists) {
            return Err(refused(format!("{worker} has no such version")));
        }
        (found.traffic, found.traffic_message) = (to, Some(message));
        Ok(())
    }
}

impl Account {
    fn domains_of(&self, worker: &WorkerRef) -> BTreeSet<Hostname> {
        let own = self.domains.iter().filter(|(_, by)| **by == worker.worker);
        own.map(|(host, _)| host.clone()).collect()
    }
}

fn look_at_domains(account: &Account, worker: &WorkerRef, to: &BTreeSet<Hostname>) -> Look {
    let mut before: BTreeMap<_, _> = to.iter().map(|host| (host.clone(), None)).collect();
    let own = account.domains.iter();
    let own = own.filter(|(host, by)| to.contains(*host) || **by == worker.worker);
    before.extend(own.map(|(host, by)| (host.clone(), Some(by.clone()))));
    let is_same = account.domains_of(worker) == *to;
    Look { before: Before::Domains(before), already: is_same.then_some(Applied::Done) }
}

fn look_for_version(account: &Account, upload: &Upload, inputs: &Inputs) -> Look {
    let Some(worker) = account.workers.get(&upload.target.worker) else {
        return Look::pending(Before::Absent);
    };
    let newest = worker.versions.last().filter(|_| inputs.search);
    let fits = newest.filter(|version| {
        let hashes = upload.mark.hashes.as_ref();
        version.message.as_ref().zip(hashes).is_some_and(|(message, hashes)| message.fits(hashes))
    });
    let already = fits.map(|version| Applied::Version(version.id.clone()));
    Look { before: Before::Present, already }
}

fn message(upload: &Upload, inputs: &Inputs) -> Option<VersionMessage> {
    let hashes = upload.mark.hashes?;
    Some(VersionMessage {
        deployment: inputs.deployment.clone(),
        content: hashes.content,
        config: hashes.config,
        revision: upload.revision.clone(),
    })
}

fn shares(
    to: &Traffic,
    inputs: &Inputs,
    before: &[TrafficShare],
) -> Result<Vec<TrafficShare>, PlatformError> {
    let shares = to.shares(inputs.version.as_ref(), before);
    shares.ok_or_else(|| refused("no version was uploaded"))
}

/// Who had the traffic before the deployment touched it.
fn before(to: &Traffic, now: &[TrafficShare], inputs: &Inputs) -> Vec<TrafficShare> {
    match (to, &inputs.before, &inputs.version) {
        (Traffic::Split(_), Some(before), _) => before.clone(),
        (Traffic::Split(_), None, Some(uploaded)) => traffic_before(now, uploaded),
        _ => now.to_vec(),
    }
}

fn traffic_applied(to: &Traffic, before: &[TrafficShare]) -> Applied {
    match to {
        Traffic::Split(_) => Applied::Split(before.to_vec()),
        _ => Applied::Done,
    }
}

/// Whether a resource or a stub is there, and the moment of a database that is to be put back.
fn look_for_made(account: &mut Account, change: &Change) -> Result<Look, PlatformError> {
    let done = |there: bool| there.then_some(Applied::Done);
    let found = match change {
        Change::CreateDatabase { name, .. } => {
            account.databases.get(name).map(|db| Applied::Database(db.id.clone()))
        }
        Change::CreateNamespace { title, .. } => {
            account.namespaces.get(title).cloned().map(Applied::Namespace)
        }
        Change::CreateBucket { name, .. } => done(account.buckets.contains(name)),
        Change::CreateQueue { name, .. } => done(account.queues.contains_key(name)),
        Change::CreateStub { worker, .. } => done(account.workers.contains_key(&worker.worker)),
        Change::RestoreDatabase { id, .. } => {
            let known = account.databases.values_mut().find(|known| known.id == *id);
            let unknown = || refused(format!("there is no database {id}"));
            return Ok(Look::pending(Before::Bookmark(known.ok_or_else(unknown)?.bookmark())));
        }
        _ => None,
    };
    Ok(match found {
        Some(applied) => Look::done(Before::Present, applied),
        None => Look::pending(Before::Absent),
    })
}

/// The present values of the settings that `wanted` names.
fn now_set(now: &Map<String, Value>, wanted: &Map<String, Value>) -> Map<String, Value> {
    let value = |key: &String| now.get(key).cloned().unwrap_or(Value::Null);
    wanted.keys().map(|key| (key.clone(), value(key))).collect()
}

fn bindings(
    target: &DesiredTarget,
    inputs: &Inputs,
) -> Result<BTreeMap<String, BoundTo>, PlatformError> {
    let unknown = |what: &str| refused(format!("{} binds {what}, which has no id", target.id));
    let mut bindings = BTreeMap::new();
    let mut bind = |name: &BindingName, to: BoundTo| bindings.insert(name.to_string(), to);
    for database in &target.databases {
        let id = match &database.resource {
            ResourceRef::Id(id) => id,
            ResourceRef::Name(name) => {
                inputs.databases.get(name).ok_or_else(|| unknown(name.as_str()))?
            }
        };
        bind(&database.binding, BoundTo::Database(id.clone()));
    }
    for namespace in &target.namespaces {
        let id = match &namespace.resource {
            ResourceRef::Id(id) => id,
            ResourceRef::Name(title) => {
                inputs.namespaces.get(title).ok_or_else(|| unknown(title.as_str()))?
            }
        };
        bind(&namespace.binding, BoundTo::Namespace(id.clone()));
    }
    for (name, value) in &target.vars {
        bind(name, BoundTo::Var(value.clone()));
    }
    for bucket in &target.buckets {
        let (name, jurisdiction) = (bucket.name.clone(), bucket.jurisdiction.clone());
        bind(&bucket.binding, BoundTo::Bucket { name, jurisdiction });
    }
    for queue in &target.queues {
        bind(&queue.binding, BoundTo::Queue(queue.name.clone()));
    }
    for workflow in &target.workflows {
        let (name, worker) = (workflow.name.clone(), workflow.worker.clone());
        bind(&workflow.binding, BoundTo::Workflow { name, worker });
    }
    for (name, binding) in &target.plain_bindings {
        let kind = binding.get("type").and_then(Value::as_str).unwrap_or_default();
        bind(name, BoundTo::Other(kind.to_owned()));
    }
    for service in &target.services {
        let (worker, entrypoint) = (service.worker.clone(), service.entrypoint.clone());
        bind(&service.binding, BoundTo::Worker { worker, entrypoint });
    }
    for object in &target.durable_objects {
        let (class_name, worker) = (object.class_name.clone(), object.worker.clone());
        bind(&object.binding, BoundTo::DurableObject { class_name, worker });
    }
    if let Some(name) = &target.version_metadata {
        bind(name, BoundTo::VersionMetadata);
    }
    if let Some(name) = &target.assets_binding {
        bind(name, BoundTo::Assets);
    }
    bindings.extend(target.secrets.iter().map(|name| (name.to_string(), BoundTo::Secret)));
    Ok(bindings)
}
