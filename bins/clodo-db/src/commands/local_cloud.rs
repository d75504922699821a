use crate::{args::LocalCloudArgs, failure};
use clodo::{LocalError, Project, cloud_options, seed_accounts};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};

/// Serves the local Cloudflare of a project until it is told to stop; hidden, since
/// `--platform local` starts it.
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &LocalCloudArgs,
) -> Result<Exit, CliError> {
    let project = Project::open(global.project.as_deref(), &session.directory);
    let project = project.map_err(failure::of_load)?;
    let accounts = seed_accounts(project.portfolio());
    let mut options = cloud_options(&project.local_folder(), &args.workerd, accounts);
    options.port = args.port;
    let ready =
        |cloud: &clodo_local::LocalCloud| session.ui.say(&format!("listening at {}", cloud.url()));
    let served = clodo_local::run_until_stopped(options, session.cancel.clone(), ready).await;
    served.map_err(|error| failure::of_local(LocalError::from(error)))?;
    Ok(Exit::Done)
}
