//! Workflows, and the classes that they run.

use super::{CloudflarePlatform, errors::failed, resources::gone};
use clodo_cf_api::workflows::{self, Workflow, WorkflowLimits, WorkflowRegistration};
use clodo_orchestrator::{
    Applied, Before, Data, Look, ObservedWorkflow, OwnWorkflow, PlatformError, PlatformErrorKind,
    Registration, Undone, WorkerRef,
};
use clodo_types::{AccountId, AccountName, WorkerName, WorkflowName};
use futures_util::TryStreamExt as _;
use std::{collections::BTreeMap, pin::pin};

/// Each Workflow, with as what it is registered.
type Registrations = BTreeMap<WorkflowName, Option<Registration>>;

/// What an instance is that has come to its end.
const ENDED: [&str; 3] = ["complete", "errored", "terminated"];

impl CloudflarePlatform {
    /// The Workflows; nothing when they are not asked for, or the token may not see them.
    pub(super) async fn workflows(
        &self,
        id: &AccountId,
        wanted: bool,
    ) -> Result<Option<BTreeMap<WorkflowName, ObservedWorkflow>>, PlatformError> {
        if !wanted {
            return Ok(None);
        }
        match self.list_workflows(id).await {
            Ok(listed) => {
                Ok(Some(listed.iter().map(|one| (one.name.clone(), observed(one))).collect()))
            }
            Err(error) if error.kind() == PlatformErrorKind::NotAllowed => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn list_workflows(&self, id: &AccountId) -> Result<Vec<Workflow>, PlatformError> {
        let listed = self.client.list(workflows::list_workflows(id)).await;
        listed.map_err(failed("could not list the Workflows"))
    }

    pub(super) async fn look_workflows(
        &self,
        worker: &WorkerRef,
        to: &[OwnWorkflow],
    ) -> Result<Look, PlatformError> {
        let now = self.registrations(worker, to).await?;
        let is_set = |own: &OwnWorkflow| is_registered(&now, &worker.worker, own);
        let there = to.iter().all(is_set);
        let before = Before::Workflows(now);
        Ok(if there { Look::done(before, Applied::Done) } else { Look::pending(before) })
    }

    /// Each registration makes a version of the Workflow, so what is as it should be is left alone.
    pub(super) async fn set_workflows(
        &self,
        worker: &WorkerRef,
        to: &[OwnWorkflow],
    ) -> Result<Applied, PlatformError> {
        let now = self.registrations(worker, to).await?;
        for own in to.iter().filter(|own| !is_registered(&now, &worker.worker, own)) {
            let wanted = Registration::of(&worker.worker, own);
            self.register(&worker.account, &own.name, wanted).await?;
        }
        Ok(Applied::Done)
    }

    /// What is new goes, unless somebody has made instances of it.
    pub(super) async fn undo_workflows(
        &self,
        worker: &WorkerRef,
        were: &Registrations,
    ) -> Result<Undone, PlatformError> {
        let account = self.account(&worker.account)?;
        let listed = self.list_workflows(account).await?;
        let names: Vec<WorkflowName> = were.keys().cloned().collect();
        let now = self.read_registrations(account, &listed, |name| names.contains(name)).await?;
        let mut kept = Vec::new();
        for (name, was) in were {
            let is_same = now.get(name).and_then(Option::as_ref) == was.as_ref();
            let found = listed.iter().find(|one| one.name == *name);
            match (was, found) {
                _ if is_same => {}
                (Some(was), _) => self.register(&worker.account, name, was.clone()).await?,
                (None, Some(one)) if observed(one).instances > 0 => kept.push(name.as_str()),
                (None, _) => self.delete_workflow(account, name).await?,
            }
        }
        Ok(match kept.is_empty() {
            true => Undone::Restored,
            false => Undone::Kept(format!("Workflow {} has instances", kept.join(", "))),
        })
    }

    /// The listing may be older than an instance, so the Workflow is looked at once more.
    pub(super) async fn remove_workflow(
        &self,
        account: &AccountName,
        name: &WorkflowName,
        (worker, data): (&WorkerName, Data),
    ) -> Result<Applied, PlatformError> {
        let account = self.account(account)?;
        let doing = || failed(format!("could not remove Workflow `{name}`"));
        let found = self.client.find(workflows::workflow(account, name)).await.map_err(doing())?;
        let own = found.filter(|found| found.script_name == worker.as_str());
        let Some(found) = own else { return Ok(Applied::Done) };
        let unfinished = observed(&found).unfinished;
        if unfinished > 0 && data == Data::Keep {
            let doing =
                format!("{unfinished} instances of Workflow `{name}` have not ended, so it stays");
            return Err(PlatformError::new(PlatformErrorKind::Refused, doing).with_hint(
                "wait for their end, or end them: `wrangler workflows instances terminate-all`",
            ));
        }
        self.delete_workflow(account, name).await?;
        Ok(Applied::Done)
    }

    async fn delete_workflow(
        &self,
        account: &AccountId,
        name: &WorkflowName,
    ) -> Result<(), PlatformError> {
        let removed = self.client.send(workflows::delete_workflow(account, name)).await;
        gone(removed).map_err(failed(format!("could not remove Workflow `{name}`")))?;
        Ok(())
    }

    async fn register(
        &self,
        account: &AccountName,
        name: &WorkflowName,
        wanted: Registration,
    ) -> Result<(), PlatformError> {
        let account = self.account(account)?;
        let mut to = WorkflowRegistration::new(wanted.worker, wanted.class_name);
        to.limits = wanted.steps.map(|steps| WorkflowLimits { steps: Some(steps) });
        let put = self.client.send(workflows::put_workflow(account, name, &to)).await;
        put.map_err(failed(format!("could not register Workflow `{name}`")))?;
        Ok(())
    }

    /// Each Workflow that is a Worker's or is to be.
    async fn registrations(
        &self,
        worker: &WorkerRef,
        to: &[OwnWorkflow],
    ) -> Result<Registrations, PlatformError> {
        let account = self.account(&worker.account)?;
        let listed = match self.list_workflows(account).await {
            // A token that may not see Workflows has none to take away.
            Err(error) if to.is_empty() && error.kind() == PlatformErrorKind::NotAllowed => {
                Vec::new()
            }
            listed => listed?,
        };
        let is_wanted = |name: &WorkflowName| to.iter().any(|own| own.name == *name);
        let own: Vec<Workflow> = listed
            .into_iter()
            .filter(|one| one.script_name == worker.worker.as_str() || is_wanted(&one.name))
            .collect();
        let mut now: Registrations = to.iter().map(|own| (own.name.clone(), None)).collect();
        now.extend(self.read_registrations(account, &own, |_| true).await?);
        Ok(now)
    }

    /// The listing does not say how many steps an instance may have: the newest version does.
    async fn read_registrations(
        &self,
        account: &AccountId,
        listed: &[Workflow],
        wanted: impl Fn(&WorkflowName) -> bool,
    ) -> Result<Registrations, PlatformError> {
        let mut found = Registrations::new();
        for one in listed.iter().filter(|one| wanted(&one.name)) {
            let Ok(worker) = one.script_name.parse() else { continue };
            let mut versions =
                pin!(self.client.stream(workflows::list_versions(account, &one.name)));
            let newest = versions.try_next().await;
            let doing = format!("could not read the newest version of Workflow `{}`", one.name);
            let steps = newest.map_err(failed(doing))?.and_then(|newest| newest.limits.steps);
            let class_name = one.class_name.clone();
            found.insert(one.name.clone(), Some(Registration { worker, class_name, steps }));
        }
        Ok(found)
    }
}

fn is_registered(now: &Registrations, worker: &WorkerName, own: &OwnWorkflow) -> bool {
    now.get(&own.name).and_then(Option::as_ref).is_some_and(|now| now.is(worker, own))
}

fn observed(workflow: &Workflow) -> ObservedWorkflow {
    let counts = || workflow.instances.iter();
    let unfinished = counts().filter(|(status, _)| !ENDED.contains(&status.as_str()));
    ObservedWorkflow {
        worker: workflow.script_name.parse().ok(),
        class_name: workflow.class_name.clone(),
        instances: counts().map(|(_, count)| count).sum(),
        unfinished: unfinished.map(|(_, count)| count).sum(),
    }
}
