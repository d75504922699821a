use super::{
    Draft, change_id,
    error::PlanError,
    objects,
    resources::{self, Waits},
    workflows,
};
use crate::{
    change::{Change, Traffic, Upload},
    config::differences,
    desired::DesiredTarget,
    mark::{Hashes, Mark},
    observed::{ObservedAccount, ObservedWorker},
    plan::{Action, Fate, PlannedStep, PlannedTarget},
    trigger::{Addresses, Check, Through},
};
use clodo_saga::StepId;
use clodo_types::{ContentHash, Severity, WorkerName};
use serde_json::Value;
use std::sync::Arc;

pub(super) fn plan_target(draft: &mut Draft<'_>, at: usize) -> Result<PlannedTarget, PlanError> {
    let target = Arc::clone(&draft.desired.targets[at]);
    let unknown = || PlanError::UnknownAccount(target.id.account.clone());
    let account = draft.observed.accounts.get(&target.id.account).ok_or_else(unknown)?;
    let live = account.workers.get(&target.worker);
    let waits = resources::plan_resources(draft, &target);
    object_to_strangers(draft, &target, account, live);
    let mut writer = Writer::new(draft, at, &target, account, live);
    writer.plan(waits);
    let (hashes, dirty) = (writer.hashes, writer.dirty());
    let fate = match (live, dirty) {
        (None, _) => Fate::Create,
        (Some(_), true) => Fate::Update,
        (Some(_), false) => Fate::Unchanged,
    };
    Ok(PlannedTarget {
        id: target.id.clone(),
        worker: target.worker_ref(),
        fate,
        hashes: Some(hashes),
        config: target.config(),
        check: check_of(&target),
    })
}

fn check_of(target: &DesiredTarget) -> Check {
    Check {
        target: target.id.clone(),
        addresses: Addresses {
            worker: target.worker_ref(),
            domains: target.domains.clone(),
            workers_dev: target.workers_dev.enabled,
        },
        health: target.health.clone(),
        knows_version: target.version_metadata.is_some(),
        through: Through::Addresses,
    }
}

/// A Worker, or a domain, that belongs to somebody else is not taken over unasked.
fn object_to_strangers(
    draft: &mut Draft<'_>,
    target: &DesiredTarget,
    account: &ObservedAccount,
    live: Option<&ObservedWorker>,
) {
    object_to_previews(draft, target, live);
    if target.adopt {
        return;
    }
    let portfolio = &draft.desired.portfolio;
    let owner = live.map(|live| live.mark().owner);
    let stranger = match owner {
        None => None,
        Some(Some(owner)) if owner == *portfolio => None,
        Some(Some(owner)) => Some(format!("belongs to portfolio `{owner}`")),
        Some(None) => Some("was not deployed by Clodo".to_owned()),
    };
    if let Some(why) = stranger {
        draft.object(
            "foreign-worker",
            Severity::Block,
            format!("worker `{}` of {} exists already and {why}", target.worker, target.id),
            "deploy with `--adopt` to take it over, or give the service another name",
        );
    }
    let is_ours = |worker: &WorkerName| {
        let live = account.workers.get(worker);
        *worker == target.worker
            || live.is_some_and(|live| live.mark().owner.as_ref() == Some(portfolio))
    };
    for consumer in &target.consumers {
        let queue = account.queues.as_ref().and_then(|queues| queues.get(&consumer.queue));
        let Some(now) = queue.and_then(|queue| queue.consumer.as_ref()) else { continue };
        if !is_ours(&now.worker) {
            draft.object(
                "queue-taken",
                Severity::Block,
                format!(
                    "{} is to receive from queue `{}`, from which worker `{}` receives",
                    target.id, consumer.queue, now.worker
                ),
                "deploy with `--adopt` to take it over, or choose another queue",
            );
        }
    }
    workflows::object_to_holders(draft, target, account, &is_ours);
    for hostname in &target.domains {
        let Some(owner) = account.domains.get(hostname) else { continue };
        if !is_ours(owner) {
            draft.object(
                "domain-taken",
                Severity::Block,
                format!("{hostname}, which {} claims, leads to worker `{owner}`", target.id),
                "deploy with `--adopt` to take it over, or choose another domain",
            );
        }
    }
}

/// Neither is a preview put in the place of something else, nor something else in a preview's.
fn object_to_previews(
    draft: &mut Draft<'_>,
    target: &DesiredTarget,
    live: Option<&ObservedWorker>,
) {
    let mark = live.map(ObservedWorker::mark).unwrap_or_default();
    let wanted = target.preview.as_ref().map(|preview| &preview.name);
    let found = mark.preview.as_ref().map(|preview| &preview.name);
    // A Worker of nobody, or of others, is objected to as such.
    if mark.owner.is_none() || wanted == found {
        return;
    }
    let (name, id) = (&target.worker, &target.id);
    let message = match found {
        Some(found) => format!("worker `{name}` of {id} belongs to preview `{found}`"),
        None => format!("worker `{name}` of {id} exists already and is no preview"),
    };
    let hint = "give one of the two another name";
    draft.object("foreign-preview", Severity::Block, message, hint);
}

/// Writes the steps of one target.
pub(super) struct Writer<'a, 'b> {
    pub(super) draft: &'a mut Draft<'b>,
    pub(super) at: usize,
    pub(super) target: &'a Arc<DesiredTarget>,
    pub(super) account: &'a ObservedAccount,
    pub(super) live: Option<&'a ObservedWorker>,
    pub(super) mark: Mark,
    hashes: Hashes,
    /// The upload brings migrations of Durable Objects, so the new version gets all traffic with it.
    pub(super) migrates: bool,
    pub(super) recorded: Option<&'b Value>,
    own: Vec<StepId>,
}

impl<'a, 'b> Writer<'a, 'b> {
    fn new(
        draft: &'a mut Draft<'b>,
        at: usize,
        target: &'a Arc<DesiredTarget>,
        account: &'a ObservedAccount,
        live: Option<&'a ObservedWorker>,
    ) -> Self {
        let mut mark = live.map(ObservedWorker::mark).unwrap_or_default();
        if mark.owner.as_ref() != Some(&draft.desired.portfolio) {
            // What another owner's hashes mean is that owner's business.
            mark = Mark::default();
        }
        let recorded = draft.options.recorded.get(&target.worker_ref());
        let recorded = recorded.filter(|recorded| Some(recorded.hashes) == mark.hashes);
        let recorded = recorded.map(|recorded| &recorded.config);
        let hashes = target.hashes();
        let migrates = objects::migrates(draft, target, live, recorded);
        let own = Vec::new();
        Self { draft, at, target, account, live, mark, hashes, migrates, recorded, own }
    }

    fn dirty(&self) -> bool {
        !self.own.is_empty()
    }

    fn plan(&mut self, mut waits: Waits) {
        let mut queues = std::mem::take(&mut waits.queues);
        if self.target.consumers.is_empty() {
            // Cloudflare takes no version that lacks a handler while the Worker receives.
            waits.steps.extend(self.consumers(self.turn()));
        }
        // A resource that is made anew has another id, which the bindings must learn.
        let must = self.must_upload() || waits.creates;
        if must && self.migrates && !self.is_first() {
            self.note_migrations();
        }
        let upload = must.then(|| self.upload(waits));
        let serving = match upload {
            Some(upload) if !self.is_first() => Some(self.take_over(upload)),
            upload => upload,
        };
        let begin: Vec<StepId> = match &serving {
            Some(serving) => vec![serving.clone()],
            None => self.turn(),
        };
        let mut addresses: Vec<StepId> = serving.iter().cloned().collect();
        addresses.extend(self.workers_dev(&begin));
        addresses.extend(self.domains(&begin));
        addresses.extend(self.routes(&begin));
        self.schedules(&begin);
        if !self.target.consumers.is_empty() {
            queues.extend(begin.clone());
            self.consumers(queues);
        }
        // Who makes instances of them waits until this target is well, and so for them.
        let registered = self.workflows(&begin);
        let serving = registered.clone().filter(|_| serving.is_some()).or(serving);
        addresses.extend(registered);
        if !addresses.is_empty() {
            addresses.extend(self.late_callees());
        }
        let check = self.check();
        let verified = self.verify_with(check, addresses).map(|healthy| self.watch(healthy));
        // Whoever is called by a Worker that this one called too early would wait for ever.
        let is_early = !self.draft.order.late(self.at).is_empty();
        let ready = if is_early { serving } else { verified.or(serving) };
        if let Some(ready) = ready {
            self.draft.gates.insert(self.at, ready);
        }
        let own = self.own.clone();
        self.forget_workflows(&own);
        let same_preview = self.mark.preview == self.target.preview;
        let finished = self.mark.hashes == Some(self.hashes) && same_preview;
        if self.dirty() || !finished {
            self.commit();
        }
    }

    /// True when the upload creates the Worker.
    fn is_first(&self) -> bool {
        self.live.is_none() && !self.draft.order.needs_stub(self.at)
    }

    pub(super) fn check(&self) -> Check {
        check_of(self.target)
    }

    /// What a yes to this target's new version is worth.
    pub(super) fn subject(&self) -> ContentHash {
        self.hashes.content
    }

    /// The steps after which it is this target's turn to change what the world sees of it.
    pub(super) fn turn(&self) -> Vec<StepId> {
        let draft = &self.draft;
        let mut turn = self.ready_callees();
        turn.extend(draft.stage_gate(self.at));
        let before = draft.stages.after.get(&self.at);
        turn.extend(before.and_then(|before| draft.gates.get(before).cloned()));
        turn
    }

    /// The Workers that this one calls and that come after it: its health may hang on them.
    fn late_callees(&self) -> Vec<StepId> {
        let worker = |at: &usize| self.draft.desired.targets[*at].worker_ref();
        let serving = |worker| change_id(&Change::SetTraffic { worker, to: Traffic::Uploaded });
        self.draft.order.late(self.at).iter().map(|at| serving(worker(at))).collect()
    }

    fn must_upload(&self) -> bool {
        let same = |hashes: Hashes| {
            hashes.content == self.hashes.content && hashes.config == self.hashes.config
        };
        let unchanged = self.live.is_some() && self.mark.hashes.is_some_and(same);
        !unchanged || self.again() || self.was_interrupted(&self.upload_change())
    }

    /// Somebody wants it deployed again although nothing changed.
    pub(super) fn again(&self) -> bool {
        self.draft.options.redeploy.contains(&self.target.id)
    }

    /// True when routes or schedules may differ; no listing shows them.
    pub(super) fn triggers_changed(&self) -> bool {
        self.mark.hashes.is_none_or(|hashes| hashes.triggers != self.hashes.triggers)
    }

    /// The steps after which all targets that this one waits for answer with their new versions.
    fn ready_callees(&self) -> Vec<StepId> {
        let waits_for = self.draft.order.waits_for(self.at).iter();
        waits_for.filter_map(|callee| self.draft.gates.get(callee).cloned()).collect()
    }

    fn upload(&mut self, waits: Waits) -> StepId {
        let first = self.is_first();
        let mut waits = waits.steps;
        if first || self.migrates {
            // The first upload of a Worker serves at once, and so does one that migrates objects.
            waits.extend(self.turn());
        }
        let draft = &self.draft;
        let makers = draft.order.binds(self.at).iter().filter_map(|at| draft.makers.get(at));
        waits.extend(makers.chain(draft.makers.get(&self.at)).cloned());
        let change = self.upload_change();
        let summary = match first {
            true => format!("create worker {}", self.target.worker),
            false => format!("upload a new version of {}", self.target.worker),
        };
        let details = self.upload_details();
        let id = self.push(change, waits.into_iter().collect(), summary, details);
        if first {
            self.draft.makers.insert(self.at, id.clone());
        }
        id
    }

    fn upload_change(&self) -> Change {
        Change::Upload(Upload {
            target: Arc::clone(self.target),
            first: self.is_first(),
            migrates: self.migrates,
            mark: self.full_mark(),
            revision: self.draft.desired.revision.clone(),
        })
    }

    fn upload_details(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match self.mark.hashes.filter(|_| self.live.is_some()) {
            None => {
                lines.push(format!("content: added {}", self.hashes.content));
                // Names only: a plan is shown and saved where not everybody may know values.
                let vars = self.target.vars.keys().map(ToString::to_string);
                lines.extend(names("vars", vars.collect()));
                let secrets = self.target.secrets.iter().map(ToString::to_string);
                lines.extend(names("secrets", secrets.collect()));
            }
            Some(old) => {
                if old.content != self.hashes.content {
                    lines.push(format!("content: {} -> {}", old.content, self.hashes.content));
                }
                match self.recorded {
                    Some(recorded) => lines.extend(differences(recorded, &self.target.config())),
                    None if old.config != self.hashes.config => {
                        lines.push(format!("config: {} -> {}", old.config, self.hashes.config));
                    }
                    None => {}
                }
            }
        }
        lines
    }

    pub(super) fn was_interrupted(&self, change: &Change) -> bool {
        self.draft.was_interrupted(&change_id(change))
    }

    fn commit(&mut self) {
        let change = Change::Commit {
            worker: self.target.worker_ref(),
            mark: self.full_mark(),
            settings: self.target.worker_settings.clone(),
        };
        let summary = format!("mark {} as deployed", self.target.worker);
        let needs = self.own.clone();
        self.push(change, needs, summary, Vec::new());
    }

    fn full_mark(&self) -> Mark {
        let owner = Some(self.draft.desired.portfolio.clone());
        Mark { owner, hashes: Some(self.hashes), preview: self.target.preview.clone() }
    }

    pub(super) fn push_action(
        &mut self,
        id: StepId,
        action: Action,
        needs: Vec<StepId>,
        summary: String,
        details: Vec<String>,
    ) -> StepId {
        self.own.push(id.clone());
        let target = Some(self.target.id.clone());
        self.draft.add(PlannedStep { id, target, action, needs, summary, details })
    }
}

fn names(of: &str, names: Vec<String>) -> Option<String> {
    (!names.is_empty()).then(|| format!("{of}: {}", names.join(", ")))
}
