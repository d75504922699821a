//! One file per command.

pub(crate) mod env;
pub(crate) mod run;
pub(crate) mod status;

use clodo_cli::{CliError, Exit};
use clodo_gateway::{GatewayStatus, StatusError};
use clodo_http::ReqwestOptions;
use std::time::Duration;

/// How long a gateway may take to say how it stands.
const PATIENCE: Duration = Duration::from_secs(5);

/// The status of the gateway at `port`; none when nothing answers there.
async fn ask(port: u16) -> Result<Option<GatewayStatus>, CliError> {
    let http = crate::http::connected(&ReqwestOptions::default(), PATIENCE)?;
    match GatewayStatus::ask(http.as_ref(), port).await {
        Ok(status) => Ok(Some(status)),
        Err(StatusError::NotRunning { .. }) => Ok(None),
        Err(error) => Err(CliError::of(Exit::Unreachable, "not_a_gateway", error)
            .with_hint("`--port` names the gateway's port")),
    }
}
