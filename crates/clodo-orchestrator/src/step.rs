mod moments;

use crate::{
    change::{Applied, Before, Change, Inputs, Traffic, Undone, main_version},
    context::DeployContext,
    event::DeployEvent,
    migration::MigrationTarget,
    observed::{Observed, ObservedAccount},
    plan::{Action, Hold, Judgement, Migration, Plan, PlannedStep},
    platform::{PlatformError, PlatformErrorKind},
    ports::Verdict,
    report::NotHealthy,
    resource::ResourceRef,
    trigger::{Check, TrafficShare, WorkerRef},
    vigil::{Promoted, Released, Vigil},
    word::Word,
};
use async_trait::async_trait;
use clodo_saga::{Fence, Look, Outputs, Step, StepError, StepId, Undo};
use clodo_types::{AccountName, DatabaseId, DeploymentId, Finding, VersionId};
use moments::Seen;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};
use tokio::sync::watch;

/// What all steps of one deployment know.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) deployment: DeploymentId,
    pub(crate) observed: Observed,
    /// Workers about which the record says that nothing of an interrupted run lies around.
    pub(crate) settled: BTreeSet<WorkerRef>,
    uploads: BTreeMap<WorkerRef, StepId>,
    fixed: BTreeMap<WorkerRef, VersionId>,
    splits: BTreeMap<WorkerRef, StepId>,
    creations: Vec<(StepId, Change)>,
    /// The lease under which the deployment writes.
    pub(crate) fence: Option<Fence>,
    /// What people say meanwhile.
    pub(crate) word: watch::Receiver<Word>,
    /// Of interrupted runs: what steps noted last, and how those that waited ended.
    pub(crate) notes: BTreeMap<StepId, Value>,
    pub(crate) waited: BTreeMap<StepId, Value>,
    /// Of interrupted runs: what was there before steps acted.
    pub(crate) before: BTreeMap<StepId, Value>,
    /// What there is to say that was not known when the plan was made.
    said: Mutex<Vec<Finding>>,
    /// Nobody asks new versions whether they answer.
    pub(crate) no_tests: bool,
}

impl Facts {
    pub(crate) fn new(
        deployment: DeploymentId,
        observed: Observed,
        settled: BTreeSet<WorkerRef>,
        plan: &Plan,
    ) -> Self {
        let (mut uploads, mut fixed, mut splits) =
            (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut creations = Vec::new();
        for step in &plan.steps {
            match &step.action {
                Action::Change(Change::SetTraffic { worker, to: Traffic::Split(_) }) => {
                    splits.entry(worker.clone()).or_insert_with(|| step.id.clone());
                }
                Action::Change(Change::Upload(upload)) => {
                    uploads.insert(upload.target.worker_ref(), step.id.clone());
                }
                Action::Change(Change::SetTraffic { worker, to: Traffic::Shares(shares) }) => {
                    if let Some(main) = main_version(shares) {
                        fixed.insert(worker.clone(), main.clone());
                    }
                }
                Action::Change(
                    change @ (Change::CreateDatabase { .. } | Change::CreateNamespace { .. }),
                ) => creations.push((step.id.clone(), change.clone())),
                _ => {}
            }
        }
        let (fence, word) = (None, watch::channel(Word::default()).1);
        let (notes, waited, before) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self {
            deployment,
            observed,
            settled,
            uploads,
            fixed,
            splits,
            creations,
            fence,
            word,
            notes,
            waited,
            before,
            said: Mutex::default(),
            no_tests: false,
        }
    }

    fn say(&self, finding: Finding) {
        self.said.lock().expect("no holder panics").push(finding);
    }

    /// What steps had to say.
    pub(crate) fn said(&self) -> Vec<Finding> {
        self.said.lock().expect("no holder panics").clone()
    }

    /// The version that should answer at a Worker's addresses.
    pub(crate) fn version(&self, worker: &WorkerRef, outputs: &Outputs) -> Option<VersionId> {
        let uploaded = self.uploads.get(worker).and_then(|step| outputs.get(step));
        match uploaded.map(serde_json::from_value) {
            Some(Ok(Applied::Version(version))) => Some(version),
            _ => self.fixed.get(worker).cloned(),
        }
    }

    /// Who had a Worker's traffic before the deployment gave its new version a share.
    fn before(&self, worker: &WorkerRef, outputs: &Outputs) -> Option<Vec<TrafficShare>> {
        let output = outputs.get(self.splits.get(worker)?)?;
        match serde_json::from_value(output).ok()? {
            Applied::Split(before) => Some(before),
            _ => None,
        }
    }

    fn account(&self, name: &AccountName) -> Option<&ObservedAccount> {
        self.observed.accounts.get(name)
    }

    fn inputs(&self, change: &Change, outputs: &Outputs) -> Inputs {
        let mut inputs = Inputs::new(self.deployment.clone());
        let account = self.account(change.account());
        if let Some(name) = change.worker() {
            let worker = WorkerRef { account: change.account().clone(), worker: name.clone() };
            inputs.version = self.version(&worker, outputs);
            inputs.before = self.before(&worker, outputs);
            inputs.worker = account.and_then(|account| account.workers.get(name)).cloned();
            inputs.search = !self.settled.contains(&worker);
        }
        match change {
            Change::SetDomains { worker, to } => {
                let domains = account.map(|account| account.domains.clone()).unwrap_or_default();
                inputs.domains = domains;
                inputs.domains.retain(|host, own| *own == worker.worker || to.contains(host));
            }
            Change::Upload(_) => {
                if let Some(account) = account {
                    let ids = account.databases.iter();
                    inputs.databases = ids.map(|(n, d)| (n.clone(), d.id.clone())).collect();
                    inputs.namespaces = account.namespaces.clone();
                }
                self.add_created(change.account(), outputs, &mut inputs);
            }
            _ => {}
        }
        inputs
    }

    fn add_created(&self, account: &AccountName, outputs: &Outputs, inputs: &mut Inputs) {
        let own = self.creations.iter().filter(|(_, change)| change.account() == account);
        for (step, change) in own {
            let applied = outputs.get(step).and_then(|output| serde_json::from_value(output).ok());
            match (change, applied) {
                (Change::CreateDatabase { name, .. }, Some(Applied::Database(id))) => {
                    inputs.databases.insert(name.clone(), id);
                }
                (Change::CreateNamespace { title, .. }, Some(Applied::Namespace(id))) => {
                    inputs.namespaces.insert(title.clone(), id);
                }
                _ => {}
            }
        }
    }

    fn has_migration(&self, migration: &Migration) -> bool {
        let account = self.account(&migration.account);
        let known = account.and_then(|account| match &migration.database {
            ResourceRef::Id(id) => account.database_by_id(id),
            ResourceRef::Name(name) => account.databases.get(name),
        });
        known.is_some_and(|known| known.applied.iter().any(|done| done.name == migration.file.name))
    }

    fn database(&self, migration: &Migration, outputs: &Outputs) -> Option<DatabaseId> {
        let name = match &migration.database {
            ResourceRef::Id(id) => return Some(id.clone()),
            ResourceRef::Name(name) => name,
        };
        let mut inputs = Inputs::new(self.deployment.clone());
        self.add_created(&migration.account, outputs, &mut inputs);
        let created = inputs.databases.remove(name);
        let known = || Some(self.account(&migration.account)?.databases.get(name)?.id.clone());
        created.or_else(known)
    }
}

/// A step of a plan, as the saga runs it.
#[derive(Debug)]
pub(crate) struct PlanStep {
    planned: PlannedStep,
    facts: Arc<Facts>,
    cx: DeployContext,
    /// Of a database that is to be put back: what it is put back from.
    seen: Mutex<Option<Seen>>,
}

pub(crate) fn steps(plan: &Plan, facts: &Arc<Facts>, cx: &DeployContext) -> Vec<Arc<dyn Step>> {
    let step = |planned: &PlannedStep| {
        let (planned, facts, cx) = (planned.clone(), Arc::clone(facts), cx.clone());
        Arc::new(PlanStep { planned, facts, cx, seen: Mutex::default() }) as Arc<dyn Step>
    };
    plan.steps.iter().map(step).collect()
}

#[async_trait]
impl Step for PlanStep {
    fn id(&self) -> &StepId {
        &self.planned.id
    }

    fn needs(&self) -> &[StepId] {
        &self.planned.needs
    }

    async fn look(&self, outputs: &Outputs) -> Result<Look, StepError> {
        let change = match &self.planned.action {
            Action::Change(change) => change,
            Action::Migrate(migration) => {
                let already = self.facts.has_migration(migration).then_some(Value::Null);
                // The moment before the first file is the one to go back to.
                let is_first =
                    !self.planned.needs.iter().any(|need| need.as_str().starts_with("migrate "));
                let before = match &already {
                    None if is_first => self.restore_point(migration, outputs).await,
                    _ => Value::Null,
                };
                return Ok(Look { before, already });
            }
            Action::Verify(_) => return Ok(Look { before: Value::Null, already: None }),
            Action::Judge(judgement) => {
                let already = self.was_judged(judgement, outputs);
                return Ok(Look { before: Value::Null, already });
            }
            Action::Hold(hold) => {
                let already = self.was_released(hold);
                return Ok(Look { before: Value::Null, already });
            }
        };
        if let Change::RestoreDatabase { .. } = change {
            return self.look_back(change, outputs).await;
        }
        let inputs = self.facts.inputs(change, outputs);
        let look = self.cx.platform.look(change, &inputs).await?;
        let already = look.already.as_ref().map(serde_json::to_value).transpose()?;
        Ok(Look { before: serde_json::to_value(&look.before)?, already })
    }

    async fn act(&self, outputs: &Outputs) -> Result<Value, StepError> {
        match &self.planned.action {
            Action::Change(change @ Change::RestoreDatabase { .. }) => {
                self.go_back(change, outputs).await
            }
            Action::Change(change) => {
                let inputs = self.facts.inputs(change, outputs);
                let applied = self.cx.platform.apply(change, &inputs).await?;
                Ok(serde_json::to_value(&applied)?)
            }
            Action::Migrate(migration) => {
                let database = self.migration_target(migration, outputs)?;
                self.cx.migrator.apply(&database, &migration.file).await?;
                Ok(Value::Null)
            }
            Action::Verify(check) => self.verify(check, outputs).await,
            Action::Judge(judgement) => {
                let worker = &judgement.check.addresses.worker;
                let canary =
                    self.facts.version(worker, outputs).ok_or("there is no new version")?;
                let before = self.facts.before(worker, outputs).unwrap_or_default();
                let baseline = main_version(&before).cloned();
                let baseline = baseline.ok_or("there is no old version to compare with")?;
                let promoted = self.vigil().judge(judgement, canary, baseline).await?;
                Ok(serde_json::to_value(promoted)?)
            }
            Action::Hold(hold) => Ok(serde_json::to_value(self.vigil().hold(hold).await?)?),
        }
    }

    async fn undo(
        &self,
        before: &Value,
        output: Option<&Value>,
        outputs: &Outputs,
    ) -> Result<Undo, StepError> {
        match &self.planned.action {
            Action::Change(change @ Change::RestoreDatabase { .. }) => {
                Ok(self.stays_back(change, before, outputs).await)
            }
            Action::Change(change) => {
                let inputs = self.facts.inputs(change, outputs);
                let before: Before = serde_json::from_value(before.clone())?;
                let applied: Option<Applied> =
                    output.map(|output| serde_json::from_value(output.clone())).transpose()?;
                let platform = &self.cx.platform;
                Ok(match platform.undo(change, &before, applied.as_ref(), &inputs).await? {
                    Undone::Restored => Undo::Undone,
                    Undone::Kept(why) => Undo::Kept(why),
                })
            }
            Action::Migrate(migration) => self.undo_migration(migration, output, outputs).await,
            Action::Verify(_) | Action::Judge(_) | Action::Hold(_) => Ok(Undo::Undone),
        }
    }
}

impl PlanStep {
    fn vigil(&self) -> Vigil<'_> {
        Vigil {
            cx: &self.cx,
            run: &self.facts.deployment,
            step: &self.planned.id,
            fence: self.facts.fence.clone(),
            by: &self.cx.by,
            word: self.facts.word.clone(),
            no_tests: self.facts.no_tests,
            note: self.facts.notes.get(&self.planned.id).cloned(),
            is_overdue: false,
        }
    }

    /// A canary that an interrupted run found good is judged no second time.
    fn was_judged(&self, judgement: &Judgement, outputs: &Outputs) -> Option<Value> {
        let output = self.facts.waited.get(&self.planned.id)?;
        let promoted: Promoted = serde_json::from_value(output.clone()).ok()?;
        let version = self.facts.version(&judgement.check.addresses.worker, outputs)?;
        (promoted.version == version).then(|| output.clone())
    }

    /// A yes, or time that has passed, counts for the same targets as they were then.
    fn was_released(&self, hold: &Hold) -> Option<Value> {
        let output = self.facts.waited.get(&self.planned.id)?;
        let released: Released = serde_json::from_value(output.clone()).ok()?;
        (released.subject == hold.subject).then(|| output.clone())
    }

    fn migration_target(
        &self,
        migration: &Migration,
        outputs: &Outputs,
    ) -> Result<MigrationTarget, PlatformError> {
        let unknown = || {
            let doing = format!("the database of migration {} is unknown", migration.file.name);
            PlatformError::new(PlatformErrorKind::Refused, doing)
        };
        let id = self.facts.database(migration, outputs).ok_or_else(unknown)?;
        let name = match &migration.database {
            ResourceRef::Name(name) => Some(name.clone()),
            ResourceRef::Id(_) => None,
        };
        let (account, table) = (migration.account.clone(), migration.table.clone());
        Ok(MigrationTarget { account, id, name, table })
    }

    async fn verify(&self, check: &Check, outputs: &Outputs) -> Result<Value, StepError> {
        if self.facts.no_tests {
            self.cx.listener.hear(&DeployEvent::Skipped(self.planned.id.clone()));
            return Ok(serde_json::to_value(Verdict::Skipped)?);
        }
        let urls = self.cx.platform.urls(&check.addresses);
        let version = self.facts.version(&check.addresses.worker, outputs);
        match self.cx.verifier.verify(check, &urls, version.as_ref()).await {
            Verdict::Failed { why } => Err(NotHealthy(why).into()),
            good => Ok(serde_json::to_value(&good)?),
        }
    }

    /// An applied migration stays: undoing it could lose rows. One that failed may still have been
    /// applied when only its answer got lost.
    async fn undo_migration(
        &self,
        migration: &Migration,
        output: Option<&Value>,
        outputs: &Outputs,
    ) -> Result<Undo, StepError> {
        let kept = || Undo::Kept("an applied migration is never undone".into());
        if output.is_some() {
            return Ok(kept());
        }
        let Ok(database) = self.migration_target(migration, outputs) else {
            return Ok(Undo::Undone);
        };
        let applied = self.cx.migrator.applied(&database).await?;
        let is_there = applied.iter().any(|done| done.name == migration.file.name);
        Ok(if is_there { kept() } else { Undo::Undone })
    }
}
