use crate::{
    load_error::LoadError,
    naming::Naming,
    project::{Project, ServiceConfig},
};
use clodo_config::{Platform, Selection};
use clodo_orchestrator::{DatabaseRef, ResourceRef};
use clodo_types::{BindingName, EnvironmentName, ServiceName, TargetId, WorkerName};
use std::{collections::BTreeMap, path::PathBuf};

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
    let FoundBinders { binders, unread } = found_binders(project, platform)?;
    match unread.into_values().next() {
        Some(error) => Err(error),
        None => Ok(binders),
    }
}

/// Who binds databases, as far as the configs can be read.
#[derive(Debug, Default)]
pub(crate) struct FoundBinders {
    pub(crate) binders: Vec<Binder>,
    /// Services whose config cannot be read, and why.
    pub(crate) unread: BTreeMap<ServiceName, LoadError>,
}

/// The same for who can do with a part of it.
pub(crate) fn found_binders(
    project: &Project,
    platform: Platform,
) -> Result<FoundBinders, LoadError> {
    let mut selection = Selection::default();
    selection.environments = project.portfolio().environments().keys().cloned().collect();
    let mut found = FoundBinders::default();
    let mut configs = BTreeMap::new();
    for spec in project.portfolio().select(&selection)? {
        let (service, environment) = (&spec.id.service, &spec.id.environment);
        // Once for all customers.
        let read = || match project.service(service, environment) {
            Ok(files) => Some(files),
            Err(error) => {
                found.unread.entry(service.clone()).or_insert(error);
                None
            }
        };
        let files = configs.entry((service.clone(), environment.clone())).or_insert_with(read);
        let Some(files) = files else { continue };
        let top_level = project.is_top_level(environment);
        // One that has no names binds nothing that could be found.
        let Ok(naming) = Naming::new(&spec.id, &files.config, top_level) else { continue };
        found.binders.extend(of_target(&spec.id, files, &naming, platform));
    }
    Ok(found)
}

fn of_target(
    target: &TargetId,
    files: &ServiceConfig,
    naming: &Naming,
    platform: Platform,
) -> Vec<Binder> {
    let by_id = platform == Platform::Cloudflare && naming.is_plain();
    let binder = |database: &clodo_wrangler::D1Database| {
        let named = naming.database(&database.binding, database.database_name.as_ref()).ok()?;
        let id = database.database_id.clone().filter(|_| by_id);
        Some(Binder {
            target: target.clone(),
            worker: naming.worker().clone(),
            home: files.folder.clone(),
            binding: database.binding.clone(),
            config: files.shown.clone(),
            section: files.config.has_environment.then(|| target.environment.clone()),
            resource: id.map_or(ResourceRef::Name(named), ResourceRef::Id),
            suffix: naming.suffix().to_owned(),
            by_id,
        })
    };
    files.config.d1_databases.iter().filter_map(binder).collect()
}
