use crate::{load::Loader, load_error::LoadError, project::Project, services::Services};
use clodo_bundle::Bundle;
use clodo_config::{Platform, Selection};
use clodo_orchestrator::{DesiredTarget, ResourceRef, WorkerRef};
use clodo_types::AccountName;
use std::{collections::BTreeSet, sync::Arc};

/// Every target that a portfolio's files describe, in all environments, without its code.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// The targets; their bundles are empty.
    pub targets: Vec<DesiredTarget>,
}

impl Survey {
    /// Every Worker that the files name.
    #[must_use]
    pub fn workers(&self) -> BTreeSet<WorkerRef> {
        self.targets.iter().map(DesiredTarget::worker_ref).collect()
    }
}

impl Survey {
    /// What everything in it is called: in which account, and as what.
    #[must_use]
    pub fn names(&self) -> BTreeSet<(AccountName, String)> {
        self.targets.iter().flat_map(names_of).collect()
    }
}

/// What a target and all that it holds are called: in which account, and as what.
pub fn names_of(target: &DesiredTarget) -> impl Iterator<Item = (AccountName, String)> {
    let mut names = vec![format!("worker `{}`", target.worker)];
    names.extend(target.databases.iter().filter_map(|one| match &one.resource {
        ResourceRef::Name(name) => Some(format!("database `{name}`")),
        ResourceRef::Id(_) => None,
    }));
    names.extend(target.namespaces.iter().filter_map(|one| match &one.resource {
        ResourceRef::Name(title) => Some(format!("KV namespace `{title}`")),
        ResourceRef::Id(_) => None,
    }));
    let received = target.consumers.iter().map(|one| &one.queue);
    let queues = target.queues.iter().map(|one| &one.name).chain(received);
    names.extend(queues.map(|name| format!("queue `{name}`")));
    let workflows = target.own_workflows().into_iter();
    names.extend(workflows.map(|own| format!("Workflow `{}`", own.name)));
    names.extend(target.buckets.iter().map(|one| format!("R2 bucket `{}`", one.name)));
    let account = target.id.account.clone();
    names.into_iter().map(move |name| (account.clone(), name))
}

/// Reads what the files say of all environments and customers; builds nothing.
///
/// # Errors
/// When a file of any service is wrong or missing: then nobody can say what the portfolio names.
pub fn survey(project: &Project, platform: Platform) -> Result<Survey, LoadError> {
    let mut survey = Survey::default();
    let no_code = Arc::new(Bundle::new(None, Vec::new(), None));
    for environment in project.portfolio().environments().keys() {
        let mut selection = Selection::default();
        selection.environments = vec![environment.clone()];
        let specs = project.portfolio().select(&selection)?;
        let services = Services::read(project, &specs)?;
        let loader = Loader::new(services, &specs, platform);
        for spec in &specs {
            survey.targets.push(loader.target(spec, Arc::clone(&no_code), &mut Vec::new())?);
        }
    }
    Ok(survey)
}
