use crate::{
    load_error::{LoadError, LoadErrorKind, chain},
    migrations,
    naming::Naming,
    project::{Project, ServiceConfig},
    secrets::Secrets,
    target::{self, Parts},
};
use clodo_bundle::{Bundle, Bundler};
use clodo_config::{Generate, Platform, Selection, TargetSpec};
use clodo_orchestrator::{Desired, DesiredTarget, MigrationFile};
use clodo_types::{
    AccountName, Finding, PortfolioName, ServiceName, Severity, TargetId, WorkerName,
};
use futures_util::future::try_join_all;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

/// What a desired state is loaded with.
#[expect(missing_debug_implementations, reason = "it holds a closure")]
pub struct LoadOptions<'a> {
    /// Which targets.
    pub selection: &'a Selection,
    /// The platform that they are for: ids in wrangler configs belong to Cloudflare.
    pub platform: Platform,
    /// Take over Workers and domains that the portfolio did not deploy.
    pub adopt: bool,
    /// Values of secrets that a file holds.
    pub secrets: Secrets,
    /// Reads the process environment.
    pub environment: &'a (dyn Fn(&str) -> Option<String> + Sync),
}

/// A portfolio's files, read and built.
#[derive(Debug)]
pub struct Loaded {
    /// What should be there.
    pub desired: Desired,
    /// Where the values of its secrets come from.
    pub secrets: Secrets,
    /// The targets as the portfolio describes them, in the same order.
    pub specs: Vec<TargetSpec>,
    /// The folder of each target's source, as messages should show it.
    pub folders: BTreeMap<TargetId, PathBuf>,
    /// What is worth knowing although nothing stops.
    pub notes: Vec<Finding>,
}

impl Loaded {
    /// No targets: for work that needs no files, such as a rollback.
    #[must_use]
    pub fn nothing(portfolio: PortfolioName) -> Self {
        Self {
            desired: Desired::new(portfolio, []),
            secrets: Secrets::new(),
            specs: Vec::new(),
            folders: BTreeMap::new(),
            notes: Vec::new(),
        }
    }
}

/// What is read and built once for all targets of a service.
struct Service {
    files: ServiceConfig,
    bundle: Option<Arc<Bundle>>,
    migrations: BTreeMap<PathBuf, Vec<MigrationFile>>,
}

/// Reads every file that the selected targets need, and builds their Workers side by side.
///
/// # Errors
/// When a file is wrong or missing, code does not build, or a name does not fit.
pub async fn load(
    project: &Project,
    bundler: &Bundler,
    options: LoadOptions<'_>,
) -> Result<Loaded, LoadError> {
    let specs = project.portfolio().select(options.selection)?;
    let mut services = read_services(project, &specs)?;
    build(bundler, &mut services, &specs).await?;
    let mut loader = Loader { project, services, specs: &specs, secrets: options.secrets };
    let mut targets = Vec::new();
    for spec in &specs {
        let target = loader.target(spec, options.platform, options.adopt)?;
        loader.declare_secrets(spec, options.platform, options.environment);
        targets.push(target);
    }
    no_worker_twice(&targets)?;
    let mut notes = project.portfolio().notes().to_vec();
    let selected = loader.services.values().filter(|service| service.bundle.is_some());
    notes.extend(selected.flat_map(|service| service.files.warnings.iter().cloned()));
    if let Some(block) = notes.iter().find(|note| note.severity == Severity::Block) {
        return Err(blocked(block));
    }
    let folders = specs.iter().map(|spec| {
        let shown = &loader.services[&spec.id.service].files.shown;
        (spec.id.clone(), shown.parent().map(PathBuf::from).unwrap_or_default())
    });
    let folders = folders.collect();
    let secrets = loader.secrets;
    let desired = Desired::new(project.portfolio().name().clone(), targets);
    Ok(Loaded { desired, secrets, specs, folders, notes })
}

/// Every service's config is read, since bindings name Workers of services that are not selected.
fn read_services(
    project: &Project,
    specs: &[TargetSpec],
) -> Result<BTreeMap<ServiceName, Service>, LoadError> {
    let mut services = BTreeMap::new();
    let Some(environment) = specs.first().map(|spec| &spec.id.environment) else {
        return Ok(services);
    };
    let selected: BTreeSet<&ServiceName> = specs.iter().map(|spec| &spec.id.service).collect();
    for name in project.portfolio().services().keys() {
        let files = match project.service(name, environment) {
            Ok(files) => files,
            // A service that nobody asked for may be broken.
            Err(_) if !selected.contains(name) => continue,
            Err(error) => return Err(error),
        };
        let mut migrations = BTreeMap::new();
        if selected.contains(name) {
            target::check_supported(&files)?;
            for database in &files.config.d1_databases {
                let folder = &database.migrations_dir;
                let shown = files.shown.parent().map(|parent| parent.join(folder));
                let read = migrations::read(&files.folder.join(folder), &shown.unwrap_or_default());
                migrations.insert(folder.clone(), read.map_err(unreadable)?);
            }
        }
        services.insert(name.clone(), Service { files, bundle: None, migrations });
    }
    Ok(services)
}

async fn build(
    bundler: &Bundler,
    services: &mut BTreeMap<ServiceName, Service>,
    specs: &[TargetSpec],
) -> Result<(), LoadError> {
    let selected: BTreeSet<&ServiceName> = specs.iter().map(|spec| &spec.id.service).collect();
    let jobs =
        services.iter().filter(|(name, _)| selected.contains(name)).map(|(name, service)| {
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
        if let Some(service) = services.get_mut(&name) {
            service.bundle = Some(bundle);
        }
    }
    Ok(())
}

struct Loader<'a> {
    project: &'a Project,
    services: BTreeMap<ServiceName, Service>,
    specs: &'a [TargetSpec],
    secrets: Secrets,
}

impl Loader<'_> {
    fn target(
        &self,
        spec: &TargetSpec,
        platform: Platform,
        adopt: bool,
    ) -> Result<DesiredTarget, LoadError> {
        let service = &self.services[&spec.id.service];
        let bundle = service.bundle.clone().expect("selected services were built");
        let naming = self.naming(&spec.id, &service.files)?;
        let parts = Parts {
            spec,
            files: &service.files,
            migrations: &service.migrations,
            naming: &naming,
            // An id belongs to one database or namespace; customers and environments have their own.
            ids_count: platform == Platform::Cloudflare && naming.is_plain(),
            worker_of: &|called| self.worker_of(&spec.id, called),
        };
        let mut target = parts.desired(bundle)?;
        target.adopt = adopt;
        let selected: BTreeSet<&TargetId> = self.specs.iter().map(|spec| &spec.id).collect();
        let needed = spec
            .depends_on
            .iter()
            .map(|service| TargetId { service: service.clone(), ..spec.id.clone() });
        target.depends_on = needed.filter(|id| selected.contains(id)).collect();
        Ok(target)
    }

    fn naming(&self, target: &TargetId, files: &ServiceConfig) -> Result<Naming, LoadError> {
        Naming::new(target, &files.config, self.project.is_single()).map_err(|error| {
            let message = format!("{target} cannot be deployed under its name");
            LoadError::new(LoadErrorKind::Config, message).with_source(error)
        })
    }

    /// The Worker that a binding means: a service of the portfolio for the same customer and
    /// environment, or a Worker of somebody else's by its plain name.
    fn worker_of(&self, target: &TargetId, called: &WorkerName) -> Result<WorkerName, LoadError> {
        let is_called = |(name, service): &(&ServiceName, &Service)| {
            let own = service.files.config.name.as_ref();
            service.files.base_name.as_deref() == Some(called.as_str())
                || own.is_some_and(|own| own == called)
                || (service.files.base_name.is_none() && name.as_str() == called.as_str())
        };
        let Some((name, service)) = self.services.iter().find(is_called) else {
            return Ok(called.clone());
        };
        let other = TargetId { service: name.clone(), ..target.clone() };
        Ok(self.naming(&other, &service.files)?.worker().clone())
    }

    fn declare_secrets(
        &mut self,
        spec: &TargetSpec,
        platform: Platform,
        environment: &dyn Fn(&str) -> Option<String>,
    ) {
        for secret in &spec.secrets {
            self.secrets.declare(&spec.id, &secret.name, &secret.variable(), environment);
            if platform == Platform::Local && secret.generate == Some(Generate::Local) {
                self.secrets.allow_generated(&spec.id, &secret.name);
            }
        }
    }
}

fn unreadable(error: migrations::MigrationsError) -> LoadError {
    LoadError::new(LoadErrorKind::Files, chain(&error))
}

/// A config that wrangler would refuse to deploy, or that asks for what Clodo cannot do.
fn blocked(finding: &Finding) -> LoadError {
    let place = finding.at.as_ref().map(|at| format!("{at}: ")).unwrap_or_default();
    let error = LoadError::new(LoadErrorKind::Config, format!("{place}{}", finding.message));
    match &finding.hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

fn no_worker_twice(targets: &[DesiredTarget]) -> Result<(), LoadError> {
    let mut seen: BTreeMap<(&AccountName, &WorkerName), &TargetId> = BTreeMap::new();
    for target in targets {
        if let Some(other) = seen.insert((&target.id.account, &target.worker), &target.id) {
            let message = format!("{other} and {} are both called `{}`", target.id, target.worker);
            let hint = "give one of the wrangler configs another `name`";
            return Err(LoadError::new(LoadErrorKind::Config, message).with_hint(hint));
        }
    }
    Ok(())
}
