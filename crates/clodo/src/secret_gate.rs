use crate::secrets::Secrets;
use async_trait::async_trait;
use clodo_orchestrator::{Action, Change, Desired, Gate, Plan};
use clodo_types::{Finding, Severity, TargetId};
use std::{collections::BTreeSet, sync::Arc};

/// Says when values of secrets were given and stay where they are: a value travels only with an
/// upload, and whether it differs from the one that is there nobody can tell, since neither
/// Cloudflare nor Clodo's records give values away.
///
/// It never stops a deployment.
#[derive(Clone, Debug)]
pub struct SecretGate {
    secrets: Arc<Secrets>,
}

impl SecretGate {
    /// Knows what was given.
    #[must_use]
    pub fn new(secrets: Arc<Secrets>) -> Self {
        Self { secrets }
    }
}

#[async_trait]
impl Gate for SecretGate {
    async fn check(&self, plan: &Plan, desired: &Desired) -> Vec<Finding> {
        let uploaded: BTreeSet<&TargetId> = plan
            .steps()
            .iter()
            .filter_map(|step| match &step.action {
                Action::Change(Change::Upload(upload)) => Some(&upload.target.id),
                _ => None,
            })
            .collect();
        let staying = desired.targets.iter().filter(|target| !uploaded.contains(&target.id));
        let unsent = staying.flat_map(|target| {
            let given = |name: &&_| self.secrets.given(&target.id, name).is_some();
            target.secrets.iter().filter(given).map(|name| format!("{name} of {}", target.id))
        });
        let unsent: Vec<String> = unsent.collect();
        let Some(message) = sentence(&unsent) else { return Vec::new() };
        vec![Finding {
            rule: "secret-not-sent".into(),
            severity: Severity::Note,
            at: None,
            message,
            hint: Some("deploy with `--redeploy` if a value is new".into()),
        }]
    }
}

fn sentence(unsent: &[String]) -> Option<String> {
    const SHOWN: usize = 3;
    if unsent.is_empty() {
        return None;
    }
    let mut names = unsent[..unsent.len().min(SHOWN)].join(", ");
    if unsent.len() > SHOWN {
        names += &format!(" and {} more", unsent.len() - SHOWN);
    }
    Some(format!(
        "the value given for {names} is not sent: nothing else changed, and a value travels only with an upload"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_secrets_are_told_in_one_sentence() {
        assert_eq!(sentence(&[]), None);
        let many: Vec<String> = (1..=5).map(|n| format!("K{n}")).collect();
        assert!(sentence(&many).unwrap().contains("K1, K2, K3 and 2 more is not sent"));
    }
}
