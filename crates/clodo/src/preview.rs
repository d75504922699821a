use crate::{
    load::Loader, load_error::LoadError, project::Project, services::Services, survey::Survey,
};
use clodo_bundle::Bundle;
use clodo_config::{Platform, Selection};
use clodo_orchestrator::{DesiredTarget, Preview, PreviewName, Strategy, WorkersDev};
use clodo_types::{EnvironmentName, TargetId, Timestamp};
use std::{collections::BTreeSet, sync::Arc};

/// A copy of targets for a branch: Workers, databases, namespaces and buckets of its own, without
/// domains, routes or schedules. What it calls and does not hold is the environment's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPreview {
    /// Its name.
    pub name: PreviewName,
    /// When it was made.
    pub since: Timestamp,
    /// When it may go.
    pub ends: Option<Timestamp>,
    /// Who made it.
    pub by: String,
    /// Targets of the environment of which it has copies already, beside those that are loaded: its
    /// Workers call each other.
    pub present: BTreeSet<TargetId>,
}

impl NewPreview {
    /// Takes what was made from an environment's files for its copy.
    pub(crate) fn take(&self, target: &mut DesiredTarget) {
        let own = |id: &TargetId| TargetId { environment: self.name.environment(), ..id.clone() };
        // A tag keeps whole seconds, and what it keeps must be what was wanted.
        let seconds = |at: Timestamp| Timestamp::from_millis(at.as_millis() / 1000 * 1000);
        let TargetId { service, environment, customer, .. } = target.id.clone();
        target.preview = Some(Preview {
            name: self.name.clone(),
            from: environment,
            service,
            customer,
            since: seconds(self.since),
            ends: self.ends.map(seconds),
            by: Preview::maker(&self.by),
        });
        target.id = own(&target.id);
        target.depends_on = target.depends_on.iter().map(own).collect();
        target.domains.clear();
        target.routes.clear();
        target.crons = None;
        target.workers_dev = WorkersDev { enabled: true, previews: target.workers_dev.previews };
        target.strategy = Strategy::AllAtOnce;
        target.adopt = false;
    }
}

/// Every target that the files would put into a preview of an environment, without its code.
///
/// # Errors
/// When a file of any service is wrong or missing, or there is no such environment.
pub fn survey_preview(
    project: &Project,
    platform: Platform,
    name: &PreviewName,
    from: &EnvironmentName,
) -> Result<Survey, LoadError> {
    let mut selection = Selection::default();
    selection.environments = vec![from.clone()];
    let specs = project.portfolio().select(&selection)?;
    let nothing = Timestamp::from_millis(0);
    let preview = NewPreview {
        name: name.clone(),
        since: nothing,
        ends: None,
        by: String::new(),
        present: BTreeSet::new(),
    };
    let services = Services::read(project, &specs)?.of_preview(&preview, &specs);
    let loader = Loader::new(services, &specs, platform).copying(Some(&preview));
    let no_code = Arc::new(Bundle::new(None, Vec::new(), None));
    let target = |spec| loader.target(spec, Arc::clone(&no_code), &mut Vec::new());
    let targets = specs.iter().map(target).collect::<Result<_, _>>()?;
    Ok(Survey { targets })
}
