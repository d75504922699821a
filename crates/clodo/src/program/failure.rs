use crate::{connect::ConnectError, local::LocalError};
use clodo_cli::{CliError, Exit};
use clodo_local::CloudErrorKind;

/// A platform that nobody said how to reach: exit 2.
#[must_use]
pub fn of_connect(error: ConnectError) -> CliError {
    let hint = error.hint();
    CliError::of(Exit::Usage, "connection", error).with_hint(hint)
}

/// A local Cloudflare that cannot be had: exit 7.
#[must_use]
pub fn of_local(error: LocalError) -> CliError {
    let kind = match &error {
        LocalError::Workerd(_) | LocalError::NoWorkerd(_) => "no_workerd",
        LocalError::Cloud(error) if error.kind() == CloudErrorKind::PortTaken => "port_taken",
        LocalError::Cloud(error) if error.kind() == CloudErrorKind::NoWorkerd => "no_workerd",
        _ => "local_cloud",
    };
    let hint = error.hint();
    hinted(CliError::of(Exit::Unreachable, kind, error), hint.as_deref())
}

/// The error with a hint, if there is one.
#[must_use]
pub fn hinted(error: CliError, hint: Option<&str>) -> CliError {
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}
