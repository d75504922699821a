use crate::{load_error::LoadError, project::Project, secrets::Secrets};
use clodo_config::{Generate, Platform, SecretDeclaration, Selection, TargetSpec};
use clodo_orchestrator::{Desired, DesiredTarget};
use clodo_types::{EnvironmentName, TargetId};
use std::collections::BTreeSet;

/// Says where the values of secrets come from for targets that were not loaded from files: those of a
/// saved plan, or of a deployment that is resumed.
///
/// # Errors
/// When the portfolio no longer describes one of the environments.
pub fn declare_secrets(
    project: &Project,
    desired: &Desired,
    platform: Platform,
    mut secrets: Secrets,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Secrets, LoadError> {
    let names: BTreeSet<&EnvironmentName> =
        desired.targets.iter().map(|target| described(target)).collect();
    let mut specs = Vec::new();
    for name in names {
        let mut selection = Selection::default();
        selection.environments = vec![name.clone()];
        specs.extend(project.portfolio().select(&selection)?);
    }
    for target in &desired.targets {
        let of = TargetId { environment: described(target).clone(), ..target.id.clone() };
        let spec = specs.iter().find(|spec| spec.id == of);
        declare(spec, target, platform, &mut secrets, environment);
    }
    Ok(secrets)
}

/// The environment that the files describe; that of a preview is only a copy of it.
fn described(target: &DesiredTarget) -> &EnvironmentName {
    target.preview.as_ref().map_or(&target.id.environment, |preview| &preview.from)
}

/// Declares each secret of one target: the variable that `clodo.toml` names, else the usual one.
pub(crate) fn declare(
    spec: Option<&TargetSpec>,
    target: &DesiredTarget,
    platform: Platform,
    secrets: &mut Secrets,
    environment: &dyn Fn(&str) -> Option<String>,
) {
    for name in &target.secrets {
        let declared = spec.and_then(|spec| spec.secrets.iter().find(|one| one.name == *name));
        let variable =
            declared.map_or_else(|| format!("CLODO_SECRET_{name}"), SecretDeclaration::variable);
        secrets.declare(&target.id, name, &variable, environment);
        let generate = declared.and_then(|secret| secret.generate);
        if platform == Platform::Local && generate == Some(Generate::Local) {
            secrets.allow_generated(&target.id, name);
        }
    }
}
