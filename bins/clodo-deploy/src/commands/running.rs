//! Which deployment is meant, and whether its process lives.

use crate::{context::name, engine::STATE_HINT};
use clodo_cli::{CliError, Exit};
use clodo_orchestrator::{Deployment, DeploymentState, deployments, lease_name};
use clodo_saga::{JournalStore, Lease, LeaseStore, Liveness};
use clodo_types::{Clock as _, DeploymentId, PortfolioName, SystemClock};

/// How far back a deployment is looked for.
const HISTORY: usize = 50;

/// The deployment with this id, else the newest one that has not ended.
pub(crate) async fn unfinished(
    journal: &dyn JournalStore,
    portfolio: &PortfolioName,
    id: Option<&str>,
) -> Result<Deployment, CliError> {
    let id: Option<DeploymentId> = id.map(name).transpose()?;
    let past = deployments(journal, portfolio, HISTORY).await.map_err(of_state)?;
    let meant = |deployment: &&Deployment| match &id {
        Some(id) => deployment.id == *id,
        None => deployment.state == DeploymentState::Unfinished,
    };
    let hint = "`clodo-deploy deployments` lists what there is";
    match (past.iter().find(meant), id) {
        (Some(found), _) if found.state == DeploymentState::Unfinished => Ok(found.clone()),
        (Some(found), _) => {
            let message = format!("deployment {} has ended", found.id);
            Err(CliError::usage(message).with_hint(hint))
        }
        (None, Some(id)) => {
            Err(CliError::usage(format!("there is no deployment {id}")).with_hint(hint))
        }
        (None, None) => Err(CliError::usage("no deployment is unfinished").with_hint(hint)),
    }
}

/// Who deploys the portfolio right now: whoever has its lock and is not known to be dead.
pub(crate) async fn holder(
    leases: &dyn LeaseStore,
    portfolio: &PortfolioName,
) -> Result<Option<Lease>, CliError> {
    let held = leases.held(SystemClock.now()).await.map_err(of_state)?;
    let own = lease_name(portfolio);
    let mut held = held.into_iter().filter(|lease| lease.name == own);
    Ok(held.find(|lease| clodo::liveness(&lease.holder) != Liveness::Dead))
}

/// A journal or a lease that cannot be read.
pub(crate) fn of_state(error: impl std::error::Error + Send + Sync + 'static) -> CliError {
    CliError::of(Exit::Failed, "state", error).with_hint(STATE_HINT)
}
