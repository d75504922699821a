use crate::{load_error::LoadError, naming::Naming, project::Project};
use clodo_config::{Platform, Selection};
use clodo_orchestrator::{DatabaseRef, ResourceRef};
use clodo_types::{BindingName, EnvironmentName, TargetId, WorkerName};
use std::path::PathBuf;

/// A target that binds a D1 database, and where its wrangler config says so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Binder {
    /// The target.
    pub target: TargetId,
    /// Its Worker.
    pub worker: WorkerName,
    /// The folder of its service.
    pub home: PathBuf,
    /// `env.NAME` in its code.
    pub binding: BindingName,
    /// The config as messages should show it.
    pub config: PathBuf,
    /// The section of the environment, where the config has one.
    pub section: Option<EnvironmentName>,
    /// Which database that is.
    pub resource: DatabaseRef,
    /// What stands behind a `database_name` of the config for this target.
    pub suffix: String,
    /// Whether a `database_id` of the config counts for this target.
    pub by_id: bool,
}

/// All targets of a portfolio that bind D1 databases, with each binding, in all environments: what has
/// to be deployed again when a database is put in the place of another. Only files are read.
///
/// # Errors
/// When a config cannot be read.
pub fn binders(project: &Project, platform: Platform) -> Result<Vec<Binder>, LoadError> {
    let mut selection = Selection::default();
    selection.environments = project.portfolio().environments().keys().cloned().collect();
    let mut found = Vec::new();
    for spec in project.portfolio().select(&selection)? {
        let (target, service) = (&spec.id, &spec.id.service);
        let files = project.service(service, &target.environment)?;
        let top_level = project.is_top_level(&target.environment);
        // One that has no names binds nothing that could be found.
        let Ok(naming) = Naming::new(target, &files.config, top_level) else { continue };
        let by_id = platform == Platform::Cloudflare && naming.is_plain();
        for database in &files.config.d1_databases {
            let Ok(named) = naming.database(&database.binding, database.database_name.as_ref())
            else {
                continue;
            };
            let id = database.database_id.clone().filter(|_| by_id);
            found.push(Binder {
                target: target.clone(),
                worker: naming.worker().clone(),
                home: files.folder.clone(),
                binding: database.binding.clone(),
                config: files.shown.clone(),
                section: files.config.has_environment.then(|| target.environment.clone()),
                resource: id.map_or(ResourceRef::Name(named), ResourceRef::Id),
                suffix: naming.suffix().to_owned(),
                by_id,
            });
        }
    }
    Ok(found)
}
