use crate::secrets_file;
use async_trait::async_trait;
use clodo_orchestrator::{PlatformError, PlatformErrorKind, SecretSource};
use clodo_types::{CustomerName, Secret, SecretName, TargetId};
use ring::rand::{SecureRandom, SystemRandom};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

/// Values for the secrets that a portfolio declares: from the environment, from a secrets file, or
/// made up for the local Cloudflare.
///
/// A value is looked for in the variable `CLODO_SECRET_<CUSTOMER>_<NAME>`, then in the one that the
/// portfolio names (else `CLODO_SECRET_<NAME>`), then in the secrets file under `<CUSTOMER>_<NAME>`
/// and `<NAME>`.
#[derive(Debug, Default)]
pub struct Secrets {
    file: BTreeMap<String, Secret>,
    given: BTreeMap<Key, Secret>,
    may_generate: BTreeSet<Key>,
    generated: Mutex<BTreeMap<Key, Secret>>,
}

type Key = (TargetId, SecretName);

/// Random bytes in a generated value; 64 characters of text.
const GENERATED_BYTES: usize = 48;

/// No value could be made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system has no random numbers to make a secret from")]
pub struct GenerateError;

impl Secrets {
    /// Knows no value yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the values of a secrets file, which is read as dotenv reads it: `NAME=value` a line,
    /// `#` comments, quotes around values with spaces or several lines. An empty value counts as
    /// none.
    #[must_use]
    pub fn with_file(mut self, text: &str) -> Self {
        let pairs = secrets_file::read(text).into_iter().filter(|(_, value)| !value.is_empty());
        self.file.extend(pairs.map(|(name, value)| (name, Secret::new(value))));
        self
    }

    /// The names in the secrets file that are none of `names`, as such or for one of `customers`.
    pub(crate) fn in_file_beside(
        &self,
        names: &BTreeSet<&SecretName>,
        customers: &[&CustomerName],
    ) -> Vec<&str> {
        let own = |customer| names.iter().map(move |name| for_customer(customer, name));
        let known: BTreeSet<String> = customers
            .iter()
            .flat_map(|customer| own(customer))
            .chain(names.iter().map(ToString::to_string))
            .collect();
        self.file.keys().map(String::as_str).filter(|name| !known.contains(*name)).collect()
    }

    /// Looks for the value of one declared secret of one target. `variable` is the environment
    /// variable that the portfolio names, `environment` reads the process environment.
    pub fn declare(
        &mut self,
        target: &TargetId,
        name: &SecretName,
        variable: &str,
        environment: &dyn Fn(&str) -> Option<String>,
    ) {
        let own = target.customer.as_ref().map(|customer| for_customer(customer, name));
        let set = |variable: &str| environment(variable).filter(|value| !value.is_empty());
        let from_environment = own
            .as_ref()
            .and_then(|own| set(&format!("CLODO_SECRET_{own}")))
            .or_else(|| set(variable))
            .map(Secret::new);
        let from_file = || own.and_then(|own| self.file.get(&own)).or(self.file.get(name.as_str()));
        if let Some(value) = from_environment.or_else(|| from_file().cloned()) {
            self.given.insert((target.clone(), name.clone()), value);
        }
    }

    /// Allows a value to be made up for this secret: the portfolio says `generate = "local"`, and
    /// the platform is local.
    pub fn allow_generated(&mut self, target: &TargetId, name: &SecretName) {
        self.may_generate.insert((target.clone(), name.clone()));
    }

    /// A value that somebody gave.
    #[must_use]
    pub fn given(&self, target: &TargetId, name: &SecretName) -> Option<&Secret> {
        self.given.get(&(target.clone(), name.clone()))
    }

    /// True when a value was given or may be made up.
    #[must_use]
    pub fn can_provide(&self, target: &TargetId, name: &SecretName) -> bool {
        let key = (target.clone(), name.clone());
        self.given(target, name).is_some() || self.may_generate.contains(&key)
    }

    /// A value made up for this run, the same each time it is asked for; `None` when it must not be.
    ///
    /// # Errors
    /// When the system has no random numbers.
    ///
    /// # Panics
    /// Never: no holder of the lock panics.
    pub fn generated(
        &self,
        target: &TargetId,
        name: &SecretName,
    ) -> Result<Option<Secret>, GenerateError> {
        let key = (target.clone(), name.clone());
        if !self.may_generate.contains(&key) {
            return Ok(None);
        }
        let mut generated = self.generated.lock().expect("no holder panics");
        if let Some(value) = generated.get(&key) {
            return Ok(Some(value.clone()));
        }
        let value = random_text()?;
        generated.insert(key, value.clone());
        Ok(Some(value))
    }
}

#[async_trait]
impl SecretSource for Secrets {
    async fn resolve(
        &self,
        target: &TargetId,
        name: &SecretName,
    ) -> Result<Option<Secret>, PlatformError> {
        if let Some(value) = self.given(target, name) {
            return Ok(Some(value.clone()));
        }
        self.generated(target, name).map_err(|error| {
            let doing = format!("could not make up secret `{name}`");
            PlatformError::new(PlatformErrorKind::Refused, doing).with_source(error)
        })
    }
}

fn random_text() -> Result<Secret, GenerateError> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let mut bytes = [0; GENERATED_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| GenerateError)?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

/// `ACME_CORP_KEY` is `KEY` of the customer `acme-corp`.
fn for_customer(customer: &CustomerName, name: &SecretName) -> String {
    format!("{}_{name}", customer.as_str().to_ascii_uppercase().replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(customer: Option<&str>) -> TargetId {
        TargetId {
            service: "orders".parse().unwrap(),
            environment: "staging".parse().unwrap(),
            customer: customer.map(|name| name.parse().unwrap()),
            account: "main".parse().unwrap(),
        }
    }

    #[track_caller]
    fn check(environment: &[(&str, &str)], customer: Option<&str>, want: Option<&str>) {
        let file = "# comment\nKEY='file'\nexport ACME_CORP_KEY=\"acme=file\"\nbroken\n";
        let mut secrets = Secrets::new().with_file(file);
        let read = |name: &str| {
            let pair = environment.iter().find(|pair| pair.0 == name);
            pair.map(|pair| pair.1.to_owned())
        };
        let (target, name) = (target(customer), "KEY".parse().unwrap());
        secrets.declare(&target, &name, "SIGNING_KEY", &read);
        assert_eq!(secrets.given(&target, &name).map(Secret::expose), want);
    }

    #[test]
    fn a_customers_own_value_is_stronger_and_the_environment_beats_the_file() {
        check(&[], None, Some("file"));
        check(&[], Some("acme-corp"), Some("acme=file"));
        check(&[("SIGNING_KEY", "named")], Some("acme-corp"), Some("named"));
        check(&[("SIGNING_KEY", "")], None, Some("file"));
        let both = [("SIGNING_KEY", "named"), ("CLODO_SECRET_GLOBEX_KEY", "globex")];
        check(&both, Some("globex"), Some("globex"));
        check(&both, None, Some("named"));
    }

    #[test]
    fn a_value_is_made_up_once_and_only_where_allowed() {
        let name: SecretName = "KEY".parse().unwrap();
        let mut secrets = Secrets::new();
        assert!(secrets.generated(&target(None), &name).unwrap().is_none());
        secrets.allow_generated(&target(None), &name);
        let first = secrets.generated(&target(None), &name).unwrap().unwrap();
        let again = secrets.generated(&target(None), &name).unwrap().unwrap();
        assert_eq!(first.expose(), again.expose());
        assert_eq!(first.expose().len(), 64);
        assert!(!secrets.can_provide(&target(Some("acme")), &name));
    }
}
