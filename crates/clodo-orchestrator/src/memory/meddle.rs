use super::{
    MemoryPlatform,
    state::{Account, Database, all_to},
};
use crate::{
    inspected::BoundTo,
    trigger::{Route, WorkerRef},
};
use clodo_types::{DatabaseName, Hostname, WorkflowName};
use serde_json::Value;

/// What somebody does to a Worker behind Clodo's back.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Meddling {
    /// Gives all traffic to the version that is `0` back from the newest, `1` …
    MoveTraffic(usize),
    /// Uploads a version like the newest one, which gets no traffic.
    UploadVersion,
    /// Uploads a version like the newest one with this binding, or without it, and gives it all
    /// traffic.
    Bind(String, Option<BoundTo>),
    /// Uploads and deploys a version like the newest one with this compatibility date.
    SetDate(String),
    /// Replaces all tags.
    SetTags(Vec<String>),
    /// Sets a setting of the Worker.
    Set(String, Value),
    /// Switches `workers.dev`.
    SwitchWorkersDev,
    /// Replaces the patterns of all routes.
    SetRoutes(Vec<String>),
    /// Replaces the schedules.
    SetSchedules(Vec<String>),
    /// Takes a domain away.
    RemoveDomain(Hostname),
    /// Makes a domain lead to the Worker.
    AddDomain(Hostname),
    /// Deletes a database of the account.
    DeleteDatabase(DatabaseName),
    /// Writes a row into a database of the account.
    WriteRow(DatabaseName, String),
    /// Makes an instance of a Workflow of the account, which goes on for ever.
    StartInstance(WorkflowName),
    /// Registers a Workflow with another class of the same Worker.
    Reclass(WorkflowName, String),
    /// Ends all instances of a Workflow of the account.
    EndInstances(WorkflowName),
    /// Deletes a database of the account and makes an empty one of the same name: no listing of
    /// Workers shows it.
    RemakeDatabase(DatabaseName),
    /// Deletes the Worker.
    Delete,
}

impl MemoryPlatform {
    /// Does what somebody else might do.
    ///
    /// # Panics
    /// When the Worker is not there.
    pub fn meddle(&self, worker: &WorkerRef, what: Meddling) {
        let mut state = self.state();
        let made = state.next_version(None);
        let fresh = Database::new(state.next_uuid().parse().expect("this is a UUID"));
        let account = state.accounts.get_mut(&worker.account).expect("the account is there");
        if let Meddling::RemakeDatabase(name) = what {
            account.databases.insert(name, fresh).expect("the database is there");
            return;
        }
        let Some(what) = around(account, worker, what) else { return };
        let found = account.workers.get_mut(&worker.worker).expect("the worker is there");
        found.changes += 1;
        let newest = found.versions.last().expect("a worker has a version").clone();
        let mut like =
            super::state::Version { id: made.id, number: made.number, message: None, ..newest };
        match what {
            Meddling::MoveTraffic(back) => {
                let version = &found.versions[found.versions.len() - 1 - back];
                (found.traffic, found.traffic_message) = (all_to(&version.id), None);
            }
            Meddling::UploadVersion => found.versions.push(like),
            Meddling::Bind(name, to) => {
                match to {
                    Some(to) => like.bindings.insert(name, to),
                    None => like.bindings.remove(&name),
                };
                found.serve(like);
            }
            Meddling::SetDate(date) => {
                like.compatibility_date = Some(date);
                found.serve(like);
            }
            Meddling::SetTags(tags) => found.tags = tags,
            Meddling::Set(key, value) => {
                found.settings.insert(key, value);
            }
            Meddling::SwitchWorkersDev => found.workers_dev.enabled = !found.workers_dev.enabled,
            Meddling::SetRoutes(patterns) => {
                let route = |pattern| Route { pattern, zone_name: None, zone_id: None };
                found.routes = patterns.into_iter().map(route).collect();
            }
            Meddling::SetSchedules(crons) => found.schedules = crons,
            _ => {}
        }
    }
}

/// Does what is not done to the Worker itself; gives back what is.
fn around(account: &mut Account, worker: &WorkerRef, what: Meddling) -> Option<Meddling> {
    match what {
        Meddling::DeleteDatabase(name) => {
            account.databases.remove(&name);
        }
        Meddling::WriteRow(name, row) => {
            let known = account.databases.get_mut(&name).expect("the database is there");
            known.moves_on();
            known.rows.push(row);
        }
        Meddling::StartInstance(name) => {
            let known = account.workflows.get_mut(&name).expect("the Workflow is there");
            (known.instances, known.unfinished) = (known.instances + 1, known.unfinished + 1);
        }
        Meddling::Reclass(name, class) => {
            let known = account.workflows.get_mut(&name).expect("the Workflow is there");
            known.registration.class_name = class;
        }
        Meddling::EndInstances(name) => {
            account.workflows.get_mut(&name).expect("the Workflow is there").unfinished = 0;
        }
        Meddling::RemoveDomain(host) => {
            account.domains.remove(&host);
        }
        Meddling::AddDomain(host) => {
            account.domains.insert(host, worker.worker.clone());
        }
        Meddling::Delete => {
            account.workers.remove(&worker.worker);
            account.domains.retain(|_, by| *by != worker.worker);
        }
        other => return Some(other),
    }
    None
}
