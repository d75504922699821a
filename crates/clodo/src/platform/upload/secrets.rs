use super::super::{CloudflarePlatform, errors::failed};
use clodo_cf_api::{Binding, KnownBinding, secrets};
use clodo_orchestrator::{DesiredTarget, PlatformError, PlatformErrorKind};
use clodo_types::{AccountId, BindingName, Secret, SecretName};
use std::collections::BTreeSet;

/// Which secrets the latest version of a Worker has, so that the next one can take them over.
pub(super) enum Present {
    /// None: the Worker is new.
    Nothing,
    /// All that are asked for, as far as is known.
    Everything,
    /// These.
    Only(BTreeSet<String>),
}

impl Present {
    fn has(&self, name: &SecretName) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Only(names) => names.contains(name.as_str()),
        }
    }
}

impl CloudflarePlatform {
    /// The secrets of a target: given ones by value, present ones as they are, and others made up
    /// where that is allowed.
    pub(super) fn secret_bindings(
        &self,
        target: &DesiredTarget,
        present: &Present,
    ) -> Result<Vec<Binding>, PlatformError> {
        let binding = |name: &SecretName| {
            let kind = match self.secrets.given(&target.id, name).cloned() {
                Some(given) => KnownBinding::SecretText { text: Some(given) },
                None if present.has(name) => {
                    KnownBinding::Inherit { old_name: None, version_id: None }
                }
                None => KnownBinding::SecretText { text: Some(self.made_up(target, name)?) },
            };
            let name: BindingName = name.as_str().parse().map_err(|error| {
                let doing = format!("secret `{name}` cannot be bound");
                PlatformError::new(PlatformErrorKind::Refused, doing).with_source(error)
            })?;
            Ok(Binding::new(&name, kind.into()))
        };
        target.secrets.iter().map(binding).collect()
    }

    /// The names of the secrets that the latest version has.
    pub(super) async fn present_secrets(
        &self,
        account: &AccountId,
        target: &DesiredTarget,
    ) -> Result<Present, PlatformError> {
        let list = self.client.list(secrets::list_secrets(account, &target.worker)).await;
        let doing = format!("could not list the secrets of `{}`", target.worker);
        let names = list.map_err(failed(doing))?.into_iter().map(|secret| secret.name);
        Ok(Present::Only(names.collect()))
    }

    fn made_up(&self, target: &DesiredTarget, name: &SecretName) -> Result<Secret, PlatformError> {
        let made = self.secrets.generated(&target.id, name).map_err(|error| {
            let doing = format!("could not make up secret `{name}`");
            PlatformError::new(PlatformErrorKind::Refused, doing).with_source(error)
        })?;
        made.ok_or_else(|| {
            let doing = format!("secret `{name}` of {} has no value", target.id);
            PlatformError::new(PlatformErrorKind::Refused, doing)
                .with_hint(format!("set CLODO_SECRET_{name}, or give it with --secrets-file"))
        })
    }
}
