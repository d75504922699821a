use crate::{
    declare::declare,
    load_error::{LoadError, LoadErrorKind},
    notes,
    preview::NewPreview,
    project::Project,
    rollout,
    secrets::Secrets,
    services::Services,
    target::Parts,
};
use clodo_bundle::{Bundle, Bundler};
use clodo_config::{Platform, Selection, TargetSpec};
use clodo_orchestrator::{Desired, DesiredTarget};
use clodo_types::{
    AccountName, CustomerName, Finding, PortfolioName, SecretName, ServiceName, Severity, TargetId,
    WorkerName,
};
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

/// Reads every file that the selected targets need, and builds their Workers side by side.
///
/// # Errors
/// When a file is wrong or missing, code does not build, or a name does not fit.
pub async fn load(
    project: &Project,
    bundler: &Bundler,
    options: LoadOptions<'_>,
) -> Result<Loaded, LoadError> {
    let mut environments = environments(project, options.selection)?;
    for Environment { services, specs } in &mut environments {
        services.build(bundler, specs).await?;
    }
    assemble(project, environments, options, None)
}

/// What one environment makes of the services' files, and the selected targets in it.
struct Environment<'a> {
    services: Services<'a>,
    specs: Vec<TargetSpec>,
}

/// The environments of the selected targets, in the order in which those come.
fn environments<'a>(
    project: &'a Project,
    selection: &Selection,
) -> Result<Vec<Environment<'a>>, LoadError> {
    let specs = project.portfolio().select(selection)?;
    let apart = specs.chunk_by(|one, next| one.id.environment == next.id.environment);
    let read = |specs: &[TargetSpec]| {
        Ok(Environment { services: Services::read(project, specs)?, specs: specs.to_vec() })
    };
    apart.map(read).collect()
}

/// The same for a preview of the selected targets: each is loaded as its copy.
///
/// # Errors
/// As for [`load`].
pub async fn load_preview(
    project: &Project,
    bundler: &Bundler,
    options: LoadOptions<'_>,
    preview: &NewPreview,
) -> Result<Loaded, LoadError> {
    let specs = project.portfolio().select(options.selection)?;
    let mut services = Services::read(project, &specs)?.of_preview(preview, &specs);
    services.build(bundler, &specs).await?;
    assemble(project, vec![Environment { services, specs }], options, Some(preview))
}

/// The same with code that was built before: a bundle for each selected service.
///
/// # Errors
/// When a file is wrong or missing, a name does not fit, or a service has no bundle.
pub fn load_built(
    project: &Project,
    bundles: &BTreeMap<ServiceName, Arc<Bundle>>,
    options: LoadOptions<'_>,
) -> Result<Loaded, LoadError> {
    let mut environments = environments(project, options.selection)?;
    for Environment { services, specs } in &mut environments {
        services.take(bundles, specs)?;
    }
    assemble(project, environments, options, None)
}

fn assemble(
    project: &Project,
    environments: Vec<Environment<'_>>,
    options: LoadOptions<'_>,
    preview: Option<&NewPreview>,
) -> Result<Loaded, LoadError> {
    let mut notes = project.portfolio().notes().to_vec();
    let mut secrets = options.secrets;
    let (mut targets, mut all, mut folders) = (Vec::new(), Vec::new(), BTreeMap::new());
    for Environment { services, specs } in environments {
        for service in services.built() {
            notes.extend(service.files.warnings.iter().cloned());
            notes.extend(notes::of_service(service));
        }
        let loader = Loader::new(services, &specs, options.platform).copying(preview);
        for spec in &specs {
            let service = loader.services.of(&spec.id);
            let bundle = service.bundle.clone().expect("selected services were built");
            let folder = service.files.shown.parent().map(PathBuf::from).unwrap_or_default();
            let mut target = loader.target(spec, bundle, &mut notes)?;
            target.adopt = options.adopt && preview.is_none();
            declare(Some(spec), &target, options.platform, &mut secrets, options.environment);
            folders.insert(target.id.clone(), folder);
            targets.push(target);
        }
        drop(loader);
        all.extend(specs);
    }
    let specs = all;
    once_each(&mut notes);
    no_worker_twice(&targets)?;
    notes.extend(unknown_secrets(project, &secrets, &targets));
    if let Some(block) = notes.iter().find(|note| note.severity == Severity::Block) {
        return Err(blocked(block));
    }
    let mut desired = Desired::new(project.portfolio().name().clone(), targets);
    if preview.is_none() {
        desired.rollout = rollout::rollout(project.portfolio(), &specs);
    }
    Ok(Loaded { desired, secrets, specs, folders, notes })
}

/// Two environments may say the same of one file.
fn once_each(notes: &mut Vec<Finding>) {
    let mut seen = Vec::new();
    notes.retain(|note| {
        let is_new = !seen.contains(note);
        if is_new {
            seen.push(note.clone());
        }
        is_new
    });
}

/// What targets are made from.
pub(crate) struct Loader<'a> {
    pub(crate) services: Services<'a>,
    pub(crate) selected: BTreeSet<&'a TargetId>,
    pub(crate) platform: Platform,
    /// The preview for which the targets are copied.
    pub(crate) preview: Option<&'a NewPreview>,
}

impl<'a> Loader<'a> {
    /// Makes targets of the services of these.
    pub(crate) fn new(services: Services<'a>, specs: &'a [TargetSpec], platform: Platform) -> Self {
        let selected = specs.iter().map(|spec| &spec.id).collect();
        Self { services, selected, platform, preview: None }
    }

    /// The same for a preview, if there is one.
    #[must_use]
    pub(crate) fn copying(mut self, preview: Option<&'a NewPreview>) -> Self {
        self.preview = preview;
        self
    }
}

impl Loader<'_> {
    pub(crate) fn target(
        &self,
        spec: &TargetSpec,
        bundle: Arc<Bundle>,
        notes: &mut Vec<Finding>,
    ) -> Result<DesiredTarget, LoadError> {
        let service = self.services.of(&spec.id);
        let naming = self.services.naming(&spec.id, &service.files)?;
        if self.preview.is_none() {
            notes.extend(notes::of_target(&spec.id, service, &naming, self.platform));
        }
        let parts = Parts {
            spec,
            files: &service.files,
            migrations: &service.migrations,
            naming: &naming,
            // An id belongs to one database or namespace; customers and environments have their own.
            ids_count: self.platform == Platform::Cloudflare && naming.is_plain(),
            worker_of: &|called, environment| {
                self.services.worker_of(&spec.id, called, environment)
            },
        };
        let mut target = parts.desired(bundle)?;
        target.strategy = rollout::strategy(spec)?;
        let needed = spec
            .depends_on
            .iter()
            .map(|service| TargetId { service: service.clone(), ..spec.id.clone() });
        target.depends_on = needed.filter(|id| self.selected.contains(id)).collect();
        if let Some(preview) = self.preview {
            preview.take(&mut target);
        }
        Ok(target)
    }
}

/// Names in the secrets file that no service declares: most likely a slip of the pen.
fn unknown_secrets(
    project: &Project,
    secrets: &Secrets,
    targets: &[DesiredTarget],
) -> Option<Finding> {
    let portfolio = project.portfolio();
    let services = portfolio.services().values();
    let declared = services.flat_map(|service| &service.secrets).map(|secret| &secret.name);
    let required = targets.iter().flat_map(|target| &target.secrets);
    let names: BTreeSet<&SecretName> = declared.chain(required).collect();
    let customers: Vec<&CustomerName> = portfolio.customers().keys().collect();
    let unknown = secrets.in_file_beside(&names, &customers);
    (!unknown.is_empty()).then(|| Finding {
        rule: "secret-not-declared".into(),
        severity: Severity::Note,
        at: None,
        message: format!("the secrets file has {}, which no service declares", unknown.join(", ")),
        hint: Some("declare it under `secrets` of its service in clodo.toml".into()),
    })
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
