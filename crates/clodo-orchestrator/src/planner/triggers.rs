use super::{change_id, target::Writer};
use crate::{change::Change, config::differences, resource::DesiredConsumer, trigger::WorkersDev};
use clodo_saga::StepId;
use clodo_types::{Hostname, QueueName};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What leads to a Worker, and when it is called.
impl Writer<'_, '_> {
    pub(super) fn workers_dev(&mut self, needs: &[StepId]) -> Option<StepId> {
        let to = self.target.workers_dev;
        let now = match self.live {
            None => Some(WorkersDev::default()),
            Some(live) => live.workers_dev,
        };
        // A listing that does not say may only be trusted after a deployment that finished.
        let same = now.map_or(self.mark.hashes.is_some(), |now| now == to);
        let change = Change::SetWorkersDev { worker: self.target.worker_ref(), to };
        if same && !self.was_interrupted(&change) {
            return None;
        }
        let on = |on| if on { "on" } else { "off" };
        let worker = &self.target.worker;
        let summary = format!("turn workers.dev {} for {worker}", on(to.enabled));
        let details = match now {
            Some(now) if now.previews != to.previews => {
                vec![format!("preview URLs: {} -> {}", on(now.previews), on(to.previews))]
            }
            _ => Vec::new(),
        };
        Some(self.push(change, needs.to_vec(), summary, details))
    }

    pub(super) fn domains(&mut self, needs: &[StepId]) -> Option<StepId> {
        let now = self.draft.index.domains_of(&self.target.id.account, &self.target.worker);
        let to = &self.target.domains;
        // What another target takes over needs no step of its own here.
        let left: BTreeSet<&Hostname> =
            now.iter().copied().filter(|host| !self.is_claimed_by_another(host)).collect();
        let worker = self.target.worker_ref();
        let change = Change::SetDomains { worker, to: to.clone() };
        if left.into_iter().eq(to.iter()) && !self.was_interrupted(&change) {
            return None;
        }
        let new = to.iter().filter(|host| !now.contains(host));
        let mut details: Vec<String> = new
            .map(|host| match self.account.domains.get(host) {
                Some(from) => format!("+ {host} (was {from}'s)"),
                None => format!("+ {host}"),
            })
            .collect();
        let gone = now.iter().filter(|host| !to.contains(**host));
        details.extend(gone.map(|host| format!("- {host}")));
        let summary = format!("set the domains of {}", self.target.worker);
        Some(self.push(change, needs.to_vec(), summary, details))
    }

    fn is_claimed_by_another(&self, host: &Hostname) -> bool {
        let claimed = self.draft.index.claims.get(&(&self.target.id.account, host));
        claimed.is_some_and(|at| *at != self.at)
    }

    pub(super) fn routes(&mut self, needs: &[StepId]) -> Option<StepId> {
        // A Worker that is new, or new to Clodo, keeps the routes that its config does not name.
        let forget = self.live.is_some() && self.mark.hashes.is_some();
        let mut to = self.target.routes.clone();
        to.sort();
        let change = Change::SetRoutes { worker: self.target.worker_ref(), to };
        // What is deployed again sets the routes that it names once more: somebody may have moved them.
        let again = self.again() && !self.target.routes.is_empty();
        let again = again || self.was_interrupted(&change);
        let changed = self.triggers_changed() && (forget || !self.target.routes.is_empty());
        if !again && (!changed || self.recorded_same("routes")) {
            return None;
        }
        let details = self.recorded_details("routes");
        let summary = format!("set the routes of {}", self.target.worker);
        Some(self.push(change, needs.to_vec(), summary, details))
    }

    pub(super) fn schedules(&mut self, needs: &[StepId]) -> Option<StepId> {
        let to = self.target.crons.clone()?;
        if to.is_empty() && self.live.is_none() {
            return None;
        }
        let change = Change::SetSchedules { worker: self.target.worker_ref(), to };
        let again = self.again() || self.was_interrupted(&change);
        if !again && (!self.triggers_changed() || self.recorded_same("crons")) {
            return None;
        }
        let details = self.recorded_details("crons");
        let summary = format!("set the schedules of {}", self.target.worker);
        Some(self.push(change, needs.to_vec(), summary, details))
    }

    /// Listings show who receives from queues, where they are listed: the token may not, or no file
    /// speaks of queues any more.
    pub(super) fn consumers(&mut self, mut needs: Vec<StepId>) -> Option<StepId> {
        let now = self.account.consumed_by(&self.target.worker);
        let to = self.target.consumers.clone();
        let same = match &now {
            _ if to.is_empty() => {
                let has_none = now.as_ref().is_some_and(BTreeMap::is_empty);
                has_none || !self.had_consumers()
            }
            Some(now) => {
                let now = now.iter().map(|(queue, consumer)| (*queue, *consumer));
                DesiredConsumer::are_set(&to, &self.target.worker, now)
            }
            None => self.mark.hashes.is_some() && !self.triggers_changed(),
        };
        let change = Change::SetConsumers { worker: self.target.worker_ref(), to };
        if same && !self.was_interrupted(&change) {
            return None;
        }
        let now = now.unwrap_or_default();
        let to = &self.target.consumers;
        let new = to.iter().filter(|one| !now.contains_key(&one.queue));
        let mut details: Vec<String> = new.map(|one| format!("+ {}", one.queue)).collect();
        let gone = now.keys().filter(|queue| to.iter().all(|one| one.queue != ***queue));
        details.extend(gone.map(|queue| format!("- {queue}")));
        needs.extend(now.keys().filter_map(|queue| self.taker(queue)));
        let summary = format!("set the queues from which {} receives", self.target.worker);
        Some(self.push(change, needs, summary, details))
    }

    /// The step by which another target takes a queue over: it goes first, so that somebody receives all
    /// the time, unless that one waits for this one.
    fn taker(&self, queue: &QueueName) -> Option<StepId> {
        let draft = &self.draft;
        let targets = &draft.desired.targets;
        let at = targets.iter().position(|other| {
            other.id.account == self.target.id.account
                && other.worker != self.target.worker
                && other.consumers.iter().any(|one| one.queue == *queue)
        })?;
        let later = draft.stages.of(at) > draft.stages.of(self.at);
        if later || draft.waits_in_the_end(at, self.at) {
            return None;
        }
        let (worker, to) = (targets[at].worker_ref(), targets[at].consumers.clone());
        Some(change_id(&Change::SetConsumers { worker, to }))
    }

    /// The files do not name any queue to receive from; did they before?
    fn had_consumers(&self) -> bool {
        let deployed = self.live.is_some() && self.mark.hashes.is_some();
        let recorded = self.recorded.map(|recorded| recorded.get("consumers").is_some());
        deployed && self.triggers_changed() && recorded.unwrap_or(true)
    }

    pub(super) fn recorded_same(&self, key: &str) -> bool {
        self.recorded.is_some_and(|recorded| recorded.get(key) == self.target.config().get(key))
    }

    pub(super) fn recorded_details(&self, key: &str) -> Vec<String> {
        let new = self.target.config();
        let nothing = Value::Null;
        // What a Worker had of which nobody knows is not said.
        let recorded = match self.recorded {
            Some(recorded) => recorded,
            None if self.live.is_none() => &nothing,
            None => return Vec::new(),
        };
        let only = |config: &Value| {
            let field = config.get(key).map(|value| (key.to_owned(), value.clone()));
            Value::Object(field.into_iter().collect())
        };
        differences(&only(recorded), &only(&new))
    }
}
