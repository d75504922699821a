//! Which deployment is meant, and whether its process lives.

use crate::{context::name, engine::STATE_HINT};
use clodo_cli::{CliError, Exit};
use clodo_orchestrator::{
    Deployment, DeploymentState, find_deployment, lease_name, unfinished_deployments,
};
use clodo_saga::{JournalStore, LeaseStore, Liveness, StoreError, StoreErrorKind};
use clodo_types::{Clock as _, DeploymentId, PortfolioName, SystemClock};

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
    let id: DeploymentId = name(id)?;
    match find_deployment(journal, portfolio, &id).await.map_err(of_state)? {
        Some(found) if found.state == DeploymentState::Unfinished => Ok(found),
        Some(_) => Err(CliError::usage(format!("deployment {id} has ended")).with_hint(hint)),
        None => Err(CliError::usage(format!("there is no deployment {id}")).with_hint(hint)),
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
