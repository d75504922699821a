use crate::{
    planner::PlanError,
    platform::{PlatformError, PlatformErrorKind},
};
use clodo_saga::{JournalError, Lease, LeaseError, LeaseStoreError, RunError, StoreErrorKind};
use clodo_types::{DeploymentId, SecretName, TargetId};

/// A deployment could not begin, or had to be left as it is. One whose steps failed is no error:
/// its [`DeployReport`](crate::DeployReport) says so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeployError {
    /// Another deployment of the portfolio is running.
    #[error("another deployment is running (process {} on {})", .0.holder.pid(), .0.holder.host())]
    Locked(Lease),
    /// The lock could not be taken.
    #[error("could not lock the portfolio")]
    Lock(#[source] LeaseStoreError),
    /// The history could not be read or written.
    #[error("the deployment history is not usable")]
    Journal(#[source] JournalError),
    /// The platform could not be read.
    #[error("could not read what is deployed")]
    Observe(#[source] PlatformError),
    /// The desired state cannot be planned.
    #[error("there is no way to deploy this")]
    Plan(#[source] PlanError),
    /// Secrets have no value.
    #[error("no value for {}", missing(.0))]
    MissingSecrets(Vec<(TargetId, SecretName)>),
    /// The values of secrets could not be read.
    #[error("could not read the values of secrets")]
    Secrets(#[source] PlatformError),
    /// There is no such deployment.
    #[error("there is no deployment {0} to roll back")]
    UnknownDeployment(DeploymentId),
    /// There is nothing that can be rolled back.
    #[error("there is no earlier deployment to go back to")]
    NothingToRollBack,
    /// A canary is left where it is, since nobody could say in time whether it is good: a person
    /// decides.
    #[error("deployment {0} is left as it is: there is no verdict about its canary")]
    Suspended(DeploymentId),
    /// Another process took the lock over; what was begun is that process's to finish.
    #[error("the lock was lost in the middle of the deployment")]
    LockLost,
    /// The plan's steps contradict each other. This is a mistake in Clodo.
    #[error("the steps of the plan contradict each other")]
    Run(#[source] RunError),
}

/// What a caller decides on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeployErrorKind {
    /// Somebody else is at work.
    Locked,
    /// The configuration is at fault.
    Config,
    /// The token is wrong or lacks a permission.
    NotAllowed,
    /// The platform cannot be reached, fails, or is limiting.
    Unavailable,
    /// The local state is not usable.
    State,
    /// It is half done and waits for a person.
    Suspended,
    /// Anything else.
    Failed,
}

impl DeployError {
    /// What kind of failure it was.
    #[must_use]
    pub fn kind(&self) -> DeployErrorKind {
        match self {
            Self::Locked(_) | Self::LockLost => DeployErrorKind::Locked,
            Self::Lock(error) | Self::Journal(error) => match error.kind() {
                StoreErrorKind::Unreachable => DeployErrorKind::Unavailable,
                StoreErrorKind::Denied => DeployErrorKind::NotAllowed,
                _ => DeployErrorKind::State,
            },
            Self::Plan(_)
            | Self::MissingSecrets(_)
            | Self::UnknownDeployment(_)
            | Self::NothingToRollBack => DeployErrorKind::Config,
            Self::Observe(error) | Self::Secrets(error) => match error.kind() {
                PlatformErrorKind::NotAllowed => DeployErrorKind::NotAllowed,
                PlatformErrorKind::Unavailable => DeployErrorKind::Unavailable,
                PlatformErrorKind::Refused => DeployErrorKind::Failed,
            },
            Self::Suspended(_) => DeployErrorKind::Suspended,
            Self::Run(_) => DeployErrorKind::Failed,
        }
    }

    /// How to mend it, when that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Locked(_) => Some("wait until it is finished"),
            Self::Plan(error) => Some(error.hint()),
            Self::MissingSecrets(_) => {
                Some("set them as environment variables or in the secrets file")
            }
            Self::Observe(error) | Self::Secrets(error) => error.hint(),
            Self::UnknownDeployment(_) | Self::NothingToRollBack => {
                Some("`deployments` lists what there is")
            }
            Self::Suspended(_) => {
                Some("`resume` judges it further, `continue` promotes it, `abort` takes it back")
            }
            Self::LockLost => Some("deploy again: what is done already is found and not repeated"),
            _ => None,
        }
    }
}

impl From<LeaseError> for DeployError {
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::Held(lease) => Self::Locked(lease),
            LeaseError::Store { source, .. } => Self::Lock(source),
            _ => Self::LockLost,
        }
    }
}

impl From<RunError> for DeployError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::LeaseLost => Self::LockLost,
            RunError::Journal(error) => Self::Journal(error),
            other => Self::Run(other),
        }
    }
}

fn missing(secrets: &[(TargetId, SecretName)]) -> String {
    let names: Vec<_> =
        secrets.iter().map(|(target, name)| format!("secret {name} of {target}")).collect();
    names.join(", ")
}
