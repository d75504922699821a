use super::state::{Account, State};
use crate::{
    change::{Before, Change, Undone},
    resource::Registration,
};
use clodo_types::WorkflowName;
use std::collections::BTreeMap;

impl State {
    pub(super) fn undo(&mut self, change: &Change, before: &Before) -> Undone {
        if let Some(stays) = change.is_final() {
            return stays;
        }
        if *before == Before::Absent {
            return self.remove(change);
        }
        if let Change::Upload(upload) = change
            && upload.migrates
        {
            return Undone::Kept(upload.no_way_back());
        }
        let Some(account) = self.accounts.get_mut(change.account()) else {
            return Undone::Restored;
        };
        account.give_back(change, before);
        if let (Change::SetWorkflows { .. }, Before::Workflows(were)) = (change, before) {
            return account.register_again(were);
        }
        let Some(worker) = change.worker().and_then(|name| account.workers.get_mut(name)) else {
            return Undone::Restored;
        };
        match before {
            Before::Traffic(shares) => {
                worker.traffic.clone_from(shares);
                worker.traffic_message = Some("clodo: back to what was before".to_owned());
            }
            Before::WorkersDev(workers_dev) => worker.workers_dev = *workers_dev,
            Before::Routes(routes) => worker.routes.clone_from(routes),
            Before::Schedules(schedules) => worker.schedules.clone_from(schedules),
            Before::Settings { tags, settings } => {
                worker.tags.clone_from(tags);
                for (key, value) in settings {
                    if value.is_null() {
                        worker.settings.remove(key);
                    } else {
                        worker.settings.insert(key.clone(), value.clone());
                    }
                }
            }
            _ => {}
        }
        Undone::Restored
    }

    /// Takes away what was not there before, unless it holds data.
    fn remove(&mut self, change: &Change) -> Undone {
        let Some(account) = self.accounts.get_mut(change.account()) else {
            return Undone::Restored;
        };
        match change {
            Change::CreateDatabase { name, .. } => {
                if account.databases.get(name).is_some_and(|known| !known.is_empty()) {
                    return Undone::Kept(format!("database {name} is not empty"));
                }
                account.databases.remove(name);
            }
            Change::CreateNamespace { title, .. } => {
                account.namespaces.remove(title);
            }
            Change::CreateBucket { name, .. } => {
                account.buckets.remove(name);
            }
            Change::CreateQueue { name, .. } => {
                account.queues.remove(name);
            }
            Change::CreateStub { worker, .. } => {
                account.workers.remove(&worker.worker);
            }
            Change::Upload(upload) => {
                account.workers.remove(&upload.target.worker);
                account.stops_receiving(&upload.target.worker);
                account.domains.retain(|_, by| *by != upload.target.worker);
            }
            _ => {}
        }
        Undone::Restored
    }
}

impl Account {
    /// What is new goes, unless somebody has made instances.
    fn register_again(&mut self, were: &BTreeMap<WorkflowName, Option<Registration>>) -> Undone {
        let mut kept = Vec::new();
        for (name, was) in were {
            match (was, self.workflows.get(name)) {
                (Some(was), _) => self.register(name, was.clone()),
                (None, Some(now)) if now.instances > 0 => kept.push(name.to_string()),
                (None, _) => {
                    self.workflows.remove(name);
                }
            }
        }
        match kept.is_empty() {
            true => Undone::Restored,
            false => Undone::Kept(format!("Workflow {} has instances", kept.join(", "))),
        }
    }

    /// Gives back what does not hang on the Worker itself: domains, queues, the state of a database.
    fn give_back(&mut self, change: &Change, before: &Before) {
        if let (Change::SetDomains { worker, .. }, Before::Domains(owners)) = (change, before) {
            for (host, owner) in owners {
                match owner {
                    Some(owner) => {
                        self.domains.insert(host.clone(), owner.clone());
                    }
                    None if self.domains.get(host) == Some(&worker.worker) => {
                        self.domains.remove(host);
                    }
                    None => {}
                }
            }
        }
        if let (Change::SetConsumers { worker, .. }, Before::Consumers(were)) = (change, before) {
            for (name, consumer) in were {
                let Some(queue) = self.queues.get_mut(name) else { continue };
                let is_own = queue.consumer.as_ref().is_some_and(|now| now.worker == worker.worker);
                // What it did not take, it does not give away.
                if consumer.is_some() || is_own {
                    queue.consumer.clone_from(consumer);
                }
            }
        }
    }
}
