use super::failure::of_local;
use crate::{
    local::{
        CloudProgram, LocalError, cloud_options, ensure_workerd, find_or_start, seed_accounts,
    },
    project::Project,
};
use clodo_cli::{CliError, Exit, Session};
use clodo_npm::{NpmCache, cache_root};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The arguments of the hidden command `local-cloud`.
#[derive(Clone, Debug, clap::Args)]
pub struct LocalCloudArgs {
    /// The workerd binary
    #[arg(long, value_name = "FILE")]
    workerd: PathBuf,
    /// The port; without it that of the last run, else a free one
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
}

/// Where npm packages are installed for this user.
///
/// # Errors
/// When no home folder is known; exit 2.
pub fn cache(session: &Session) -> Result<NpmCache, CliError> {
    let root = cache_root(&|name| session.environment.get_os(name).map(Into::into));
    let root = root.ok_or_else(|| {
        CliError::usage("there is no folder for a cache: no home folder is known")
            .with_hint("set CLODO_CACHE_DIR to a folder")
    })?;
    Ok(NpmCache::new(root))
}

/// Serves the local Cloudflare of a project until it is told to stop; `project` is where it is, as
/// the user said.
///
/// # Errors
/// When the project cannot be read, or the cloud does not start.
pub async fn serve_local_cloud(
    session: &Session,
    project: &Project,
    args: &LocalCloudArgs,
) -> Result<Exit, CliError> {
    let accounts = seed_accounts(project.portfolio());
    let mut options = cloud_options(&project.local_folder(), &args.workerd, accounts);
    options.port = args.port;
    let ready =
        |cloud: &clodo_local::LocalCloud| session.ui.say(&format!("listening at {}", cloud.url()));
    let served = clodo_local::run_until_stopped(options, session.cancel.clone(), ready).await;
    served.map_err(|error| of_local(LocalError::from(error)))?;
    Ok(Exit::Done)
}

/// The project's local Cloudflare, which is started when it does not run.
pub(super) async fn running(
    session: &Session,
    project: &Project,
) -> Result<clodo_local::Running, CliError> {
    let ui = &session.ui;
    if let Some(running) = clodo_local::find(&project.local_folder()).await {
        return Ok(running);
    }
    let chosen = session.environment.get_os("CLODO_WORKERD").filter(|path| !path.is_empty());
    let installing =
        |what: &str| ui.say(&format!("Installing {what} from npm into the user cache."));
    let cache = cache(session).ok();
    let workerd = ensure_workerd(cache.as_ref(), chosen.map(PathBuf::from), installing);
    let workerd = workerd.await.map_err(of_local)?;
    let server = server(session, project, &workerd)?;
    let starting = || ui.say("Starting the local Cloudflare.");
    let running = find_or_start(project, &server, starting).await.map_err(of_local)?;
    ui.say(&format!("The local Cloudflare answers at {} and stays up.", running.url));
    Ok(running)
}

/// This very program, started again to serve the local Cloudflare.
fn server(session: &Session, project: &Project, workerd: &Path) -> Result<CloudProgram, CliError> {
    let program = std::env::current_exe().map_err(|error| {
        CliError::new(Exit::Failed, "program", "this program does not know its own path")
            .with_source(error)
    })?;
    let mut arguments: Vec<OsString> = vec!["local-cloud".into(), "--workerd".into()];
    arguments.extend([workerd.into(), "--project".into(), project.root().into()]);
    let environment = clodo_local::CLOUD_ENVIRONMENT
        .into_iter()
        .filter_map(|name| Some((name.into(), session.environment.get_os(name)?.to_owned())));
    Ok(CloudProgram { program, arguments, environment: environment.collect() })
}
