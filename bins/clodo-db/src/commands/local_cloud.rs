use crate::failure;
use clodo::{
    Project,
    program::{LocalCloudArgs, serve_local_cloud},
};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};

/// `local-cloud`; hidden, since `--platform local` starts it.
pub(crate) async fn run(
    session: &Session,
    global: &GlobalArgs,
    args: &LocalCloudArgs,
) -> Result<Exit, CliError> {
    let project = Project::open(global.project.as_deref(), &session.directory);
    serve_local_cloud(session, &project.map_err(failure::of_load)?, args).await
}
