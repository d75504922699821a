//! The connections of this program.

use clodo_cli::{CliError, Exit};
use clodo_http::{HttpService, ReqwestHttp, ReqwestOptions, Timeout};
use std::{sync::Arc, time::Duration};

/// Sends what comes, as it comes.
pub(crate) fn connected(
    options: &ReqwestOptions,
    timeout: Duration,
) -> Result<Arc<dyn HttpService>, CliError> {
    let http = ReqwestHttp::new(options)
        .map_err(|error| CliError::of(Exit::Failed, "http_client", error))?;
    Ok(Arc::new(Timeout::new(http, timeout, timeout)))
}
