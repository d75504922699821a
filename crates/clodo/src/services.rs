use crate::{
    load_error::{LoadError, LoadErrorKind, chain},
    migrations,
    naming::Naming,
    preview::NewPreview,
    project::{Project, ServiceConfig},
    target,
};
use clodo_bundle::{Bundle, Bundler};
use clodo_config::TargetSpec;
use clodo_orchestrator::{MigrationFile, PreviewName};
use clodo_types::{EnvironmentName, ServiceName, TargetId, WorkerName};
use futures_util::future::try_join_all;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What is read and built once for all targets of a service.
pub(crate) struct Service {
    pub(crate) files: ServiceConfig,
    /// Of selected services.
    pub(crate) bundle: Option<Arc<Bundle>>,
    /// By folder; of selected services.
    pub(crate) migrations: BTreeMap<migrations::Wanted, Vec<MigrationFile>>,
}

/// The services of a portfolio, as one environment sees them.
pub(crate) struct Services<'a> {
    project: &'a Project,
    known: BTreeMap<ServiceName, Service>,
    /// What is wrong with services that nobody asked for.
    broken: BTreeMap<ServiceName, String>,
    /// The preview for which they are copied, and the targets of which it has copies.
    preview: Option<(PreviewName, BTreeSet<TargetId>)>,
}

impl<'a> Services<'a> {
    /// Every service's config is read, since bindings name Workers of services that are not
    /// selected.
    pub(crate) fn read(project: &'a Project, specs: &[TargetSpec]) -> Result<Self, LoadError> {
        let (known, broken) = (BTreeMap::new(), BTreeMap::new());
        let mut this = Self { project, known, broken, preview: None };
        let Some(environment) = specs.first().map(|spec| &spec.id.environment) else {
            return Ok(this);
        };
        let selected = selected(specs);
        for name in project.portfolio().services().keys() {
            let files = match project.service(name, environment) {
                Ok(files) => files,
                Err(error) if selected.contains(name) => return Err(error),
                Err(error) => {
                    this.broken.insert(name.clone(), chain(&error));
                    continue;
                }
            };
            let mut service = Service { files, bundle: None, migrations: BTreeMap::new() };
            if selected.contains(name) {
                target::check_supported(&service.files)?;
                service.read_migrations()?;
            }
            this.known.insert(name.clone(), service);
        }
        Ok(this)
    }

    /// The same for a preview: targets of which it has copies are named as its own.
    #[must_use]
    pub(crate) fn of_preview(mut self, preview: &NewPreview, specs: &[TargetSpec]) -> Self {
        let selected = specs.iter().map(|spec| &spec.id);
        let copied = selected.chain(&preview.present).cloned().collect();
        self.preview = Some((preview.name.clone(), copied));
        self
    }

    /// Builds the selected services side by side.
    pub(crate) async fn build(
        &mut self,
        bundler: &Bundler,
        specs: &[TargetSpec],
    ) -> Result<(), LoadError> {
        let selected = selected(specs);
        let wanted = self.known.iter().filter(|(name, _)| selected.contains(name));
        let jobs = wanted.map(|(name, service)| {
            let files = &service.files;
            async move {
                let described =
                    clodo_bundle::Project::new(&files.folder, files.config.clone(), &files.shown)
                        .map_err(|error| LoadError::new(LoadErrorKind::Files, chain(&error)))?;
                let bundle = bundler.bundle(&described).await?;
                Ok::<_, LoadError>((name.clone(), Arc::new(bundle)))
            }
        });
        for (name, bundle) in try_join_all(jobs).await? {
            if let Some(service) = self.known.get_mut(&name) {
                service.bundle = Some(bundle);
            }
        }
        Ok(())
    }

    /// Takes the code of the selected services as it was built before.
    pub(crate) fn take(
        &mut self,
        bundles: &BTreeMap<ServiceName, Arc<Bundle>>,
        specs: &[TargetSpec],
    ) -> Result<(), LoadError> {
        for name in selected(specs) {
            let bundle = bundles.get(name).ok_or_else(|| {
                LoadError::new(LoadErrorKind::Files, format!("there is no code of `{name}`"))
            })?;
            if let Some(service) = self.known.get_mut(name) {
                service.bundle = Some(Arc::clone(bundle));
            }
        }
        Ok(())
    }

    /// The service of a selected target.
    pub(crate) fn of(&self, target: &TargetId) -> &Service {
        &self.known[&target.service]
    }

    /// The services that were built.
    pub(crate) fn built(&self) -> impl Iterator<Item = &Service> {
        self.known.values().filter(|service| service.bundle.is_some())
    }

    /// What a target's Worker and resources are called.
    pub(crate) fn naming(
        &self,
        target: &TargetId,
        files: &ServiceConfig,
    ) -> Result<Naming, LoadError> {
        let top_level = self.project.is_top_level(&target.environment);
        let copied = self.preview.as_ref().filter(|(_, copied)| copied.contains(target));
        let original = Naming::new(target, &files.config, top_level);
        let named = original.and_then(|naming| match copied {
            Some((preview, _)) => naming.of_preview(preview),
            None => Ok(naming),
        });
        named.map_err(|error| {
            let message = format!("{target} cannot be deployed under its name");
            LoadError::new(LoadErrorKind::Config, message).with_source(error)
        })
    }

    /// The Worker that a binding of `target` means: a service of the portfolio for the same
    /// customer and environment (or the one that the binding names), or a Worker of somebody
    /// else's by its plain name.
    pub(crate) fn worker_of(
        &self,
        target: &TargetId,
        called: &WorkerName,
        environment: Option<&str>,
    ) -> Result<WorkerName, LoadError> {
        let found = self.known.iter().find(|(name, service)| service.is_called(name, called));
        match (found, environment) {
            (Some((name, service)), None) => {
                let other = TargetId { service: name.clone(), ..target.clone() };
                Ok(self.naming(&other, &service.files)?.worker().clone())
            }
            (Some((name, _)), Some(environment)) => self.elsewhere(target, name, environment),
            (None, None) => match self.broken.iter().next() {
                None => Ok(called.clone()),
                Some((name, why)) => Err(unclear(target, called, name, why)),
            },
            (None, Some(environment)) => Err(foreign_environment(target, called, environment)),
        }
    }

    fn elsewhere(
        &self,
        target: &TargetId,
        service: &ServiceName,
        environment: &str,
    ) -> Result<WorkerName, LoadError> {
        let environments = self.project.portfolio().environments();
        let known = |name: &EnvironmentName| environments.contains_key(name);
        let environment = environment.parse().ok().filter(known).ok_or_else(|| {
            let message = format!(
                "{target} binds `{service}` in the environment `{environment}`, which there is not"
            );
            LoadError::new(LoadErrorKind::Config, message)
                .with_hint("name one of the portfolio's environments, or leave `environment` out")
        })?;
        let files = self.project.service(service, &environment)?;
        let other = TargetId { service: service.clone(), environment, ..target.clone() };
        Ok(self.naming(&other, &files)?.worker().clone())
    }
}

impl Service {
    fn read_migrations(&mut self) -> Result<(), LoadError> {
        let files = &self.files;
        for database in &files.config.d1_databases {
            let folder = migrations::folder(files, database)?;
            migrations::expect(&folder, &database.migrations_dir)?;
            let read = migrations::read(&folder)?;
            self.migrations.insert(migrations::wanted(database), read);
        }
        Ok(())
    }

    /// True when a wrangler config means this service by `called`.
    fn is_called(&self, name: &ServiceName, called: &WorkerName) -> bool {
        let own = self.files.config.name.as_ref();
        let base = self.files.base_name.as_deref();
        base == Some(called.as_str())
            || own == Some(called)
            || (base.is_none() && name.as_str() == called.as_str())
    }
}

fn selected(specs: &[TargetSpec]) -> BTreeSet<&ServiceName> {
    specs.iter().map(|spec| &spec.id.service).collect()
}

/// The binding may mean the service whose config cannot be read; guessing could bind the Worker of
/// another customer or environment.
fn unclear(target: &TargetId, called: &WorkerName, broken: &ServiceName, why: &str) -> LoadError {
    let message =
        format!("{target} binds `{called}`, which may be service `{broken}` that cannot be read");
    LoadError::new(LoadErrorKind::Config, message).with_source(why.to_owned())
}

fn foreign_environment(target: &TargetId, called: &WorkerName, environment: &str) -> LoadError {
    let message = format!("{target} binds `{called}`, which is no service of this portfolio");
    let hint = format!(
        "leave `environment` out and name the Worker itself, such as `{called}-{environment}`"
    );
    LoadError::new(LoadErrorKind::Config, message).with_hint(hint)
}
