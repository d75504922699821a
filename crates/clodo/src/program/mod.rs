//! What Clodo's programs share beyond the terminal: a project, what reaches its platform, and what
//! goes wrong on the way. Feature `program`.
//!
//! A program that uses [`connect`] has a hidden command `local-cloud`, which takes [`LocalCloudArgs`]
//! and runs [`serve_local_cloud`]: the local Cloudflare is the same program, started once more.

mod budget;
mod failure;
mod local_cloud;
mod state;

pub use budget::{budget, give_back};
pub use failure::{hinted, of_connect, of_local};
pub use local_cloud::{LocalCloudArgs, cache, serve_local_cloud};
pub use state::{STATE_HINT, state};

use crate::{connect::Connection, project::Project};
use clodo_cli::{CliError, Session};
use clodo_config::Platform;
use clodo_http::HttpService;
use std::str::FromStr;

/// Reaches the API of a platform; starts the local Cloudflare when it does not run.
///
/// # Errors
/// When nobody said how to reach it, or the local Cloudflare cannot be had.
pub async fn connect(
    session: &Session,
    project: &Project,
    http: &dyn HttpService,
    platform: Platform,
) -> Result<Connection, CliError> {
    let portfolio = project.portfolio();
    match platform {
        Platform::Cloudflare => {
            let environment = |name: &str| session.environment.get(name).map(str::to_owned);
            Connection::to_cloudflare(portfolio, &environment).map_err(of_connect)
        }
        Platform::Local => {
            let running = local_cloud::running(session, project).await?;
            Connection::to_local(&running, portfolio, http).await.map_err(of_local)
        }
    }
}

/// A name from the command line.
///
/// # Errors
/// When it is none; exit 2.
pub fn parsed<T>(text: &str) -> Result<T, CliError>
where
    T: FromStr,
    T::Err: std::error::Error,
{
    text.parse().map_err(|error: T::Err| CliError::usage(error.to_string()))
}
