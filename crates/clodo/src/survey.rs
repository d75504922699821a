use crate::{load::Loader, load_error::LoadError, project::Project, services::Services};
use clodo_bundle::Bundle;
use clodo_config::{Platform, Selection};
use clodo_orchestrator::{DesiredTarget, WorkerRef};
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

/// Reads what the files say of all environments and customers; builds nothing.
///
/// # Errors
/// When a file of any service is wrong or missing: then nobody can say what the portfolio names.
pub fn survey(project: &Project, platform: Platform) -> Result<Survey, LoadError> {
    let mut survey = Survey::default();
    let no_code = Arc::new(Bundle::new(None, Vec::new(), None));
    for environment in project.portfolio().environments().keys() {
        let mut selection = Selection::default();
        selection.environment = Some(environment.clone());
        let specs = project.portfolio().select(&selection)?;
        let services = Services::read(project, &specs)?;
        let loader = Loader::new(services, &specs, platform);
        for spec in &specs {
            survey.targets.push(loader.target(spec, Arc::clone(&no_code), &mut Vec::new())?);
        }
    }
    Ok(survey)
}
