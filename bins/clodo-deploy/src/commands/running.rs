//! Which deployment is meant, and whether its process lives.

use clodo::program::STATE_HINT;
use clodo_cli::{CliError, Exit};
use clodo_orchestrator::{
    Deployment, DeploymentState, deployments, find_deployment, lease_name, unfinished_deployments,
};
use clodo_saga::{JournalStore, LeaseStore, Liveness, StoreError, StoreErrorKind};
use clodo_types::{Clock as _, DeploymentId, PortfolioName, SystemClock};
use std::collections::BTreeSet;

/// The deployment with this id, else the newest one that has not ended.
pub(crate) async fn unfinished(
    journal: &dyn JournalStore,
    portfolio: &PortfolioName,
    id: Option<&str>,
) -> Result<Deployment, CliError> {
    let hint = "`clodo-deploy deployments` lists what there is";
    let Some(id) = id else {
        let unfinished = unfinished_deployments(journal, portfolio).await.map_err(of_state)?;
        let none = || CliError::usage("no deployment is unfinished").with_hint(hint);
        return unfinished.into_iter().next().ok_or_else(none);
    };
    let id = named(journal, portfolio, id).await?;
    match find_deployment(journal, portfolio, &id).await.map_err(of_state)? {
        Some(found) if found.state == DeploymentState::Unfinished => Ok(found),
        Some(_) => Err(CliError::usage(format!("deployment {id} has ended")).with_hint(hint)),
        None => Err(CliError::usage(format!("there is no deployment {id}")).with_hint(hint)),
    }
}

/// How far back a deployment is looked for by the beginning of its id.
const HISTORY: usize = 500;

/// The deployment with this id, which need not be whole: its beginning is enough where no other begins
/// so.
pub(crate) async fn named(
    journal: &dyn JournalStore,
    portfolio: &PortfolioName,
    text: &str,
) -> Result<DeploymentId, CliError> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let past = deployments(journal, portfolio, HISTORY).await.map_err(of_state)?;
    among(past.iter().map(|one| &one.id), text)
}

/// The one of these that is meant, whole or by its beginning.
pub(crate) fn among<'a>(
    ids: impl Iterator<Item = &'a DeploymentId>,
    text: &str,
) -> Result<DeploymentId, CliError> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let start = text.to_ascii_lowercase();
    let found: BTreeSet<&DeploymentId> =
        ids.filter(|id| !start.is_empty() && id.as_str().starts_with(&start)).collect();
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(id), None) => Ok(id.clone()),
        (Some(first), Some(second)) => {
            let message =
                format!("several deployments begin with `{text}`, as {first} and {second}");
            Err(CliError::usage(message).with_hint("give more of the id"))
        }
        (None, _) => Err(CliError::usage(format!("no deployment begins with `{text}`"))
            .with_hint("`clodo-deploy deployments` lists what there is")),
    }
}

/// Whether a process carries the deployment out: one that has the portfolio's lock under the number
/// that the deployment began with, and is not known to be dead.
pub(crate) async fn is_carried_out(
    leases: &dyn LeaseStore,
    portfolio: &PortfolioName,
    deployment: &Deployment,
) -> Result<bool, CliError> {
    let held = leases.held(SystemClock.now()).await.map_err(of_state)?;
    let own = lease_name(portfolio);
    Ok(held.iter().any(|lease| {
        lease.name == own
            && deployment.lease.is_none_or(|number| number == lease.number)
            && clodo::liveness(&lease.holder) != Liveness::Dead
    }))
}

/// A store of the state that cannot be read or written: exit 7 when it cannot be reached, 6 when it
/// does not let us in.
pub(crate) fn of_state(error: StoreError) -> CliError {
    let (exit, kind) = match error.kind() {
        StoreErrorKind::Unreachable => (Exit::Unreachable, "state_unreachable"),
        StoreErrorKind::Denied => (Exit::NotAllowed, "state_denied"),
        _ => (Exit::Failed, "state"),
    };
    CliError::of(exit, kind, error).with_hint(STATE_HINT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_an_id_is_enough_where_it_is_the_only_one() {
        let ids: Vec<DeploymentId> =
            ["0199c0de-0000-7000-8000-000000000001", "0199c0df-0000-7000-8000-000000000001"]
                .map(|id| id.parse().unwrap())
                .into();
        let meant = |text: &str| among(ids.iter(), text).map(|id| id.to_string());
        assert_eq!(meant("0199C0DF").unwrap(), ids[1].as_str());
        assert_eq!(meant(ids[0].as_str()).unwrap(), ids[0].as_str());
        assert!(meant("0199c0d").unwrap_err().to_string().starts_with("several deployments"));
        for nothing in ["", "0200", "newest"] {
            assert!(meant(nothing).unwrap_err().to_string().starts_with("no deployment"));
        }
        // A whole id needs no history.
        let other = "0299c0de-0000-7000-8000-000000000001";
        assert_eq!(meant(other).unwrap(), other);
    }
}
