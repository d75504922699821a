use crate::{
    args::{PlatformChoice, WhereArgs},
    failure,
};
use clodo::{CloudProgram, Connection, Project};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_config::{Platform, Selection};
use clodo_http::{Counter, Counts, HttpService, ReqwestHttp, ReqwestOptions};
use clodo_npm::{NpmCache, cache_root};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

/// A project, and what reaches its platform.
pub(crate) struct Context<'a> {
    pub(crate) session: &'a Session,
    pub(crate) project: Project,
    http: Arc<dyn HttpService>,
    counter: Counter,
}

impl<'a> Context<'a> {
    pub(crate) fn open(session: &'a Session, global: &GlobalArgs) -> Result<Self, CliError> {
        let project = Project::open(global.project.as_deref(), &session.directory);
        let project = project.map_err(failure::of_load)?;
        let http = ReqwestHttp::new(&ReqwestOptions::default())
            .map_err(|error| CliError::of(Exit::Failed, "http", error))?;
        Ok(Self { session, project, http: Arc::new(http), counter: Counter::default() })
    }

    fn setting(&self, name: &str) -> Option<String> {
        self.session.environment.get(name).map(str::to_owned)
    }

    /// The calls of the platform's API so far.
    pub(crate) fn calls(&self) -> Counts {
        self.counter.counts()
    }

    /// Where the databases are: the flag, else the file. A token in the environment decides nothing.
    pub(crate) fn platform(&self, args: &WhereArgs) -> Result<Platform, CliError> {
        match args.platform {
            Some(PlatformChoice::Local) => Ok(Platform::Local),
            Some(PlatformChoice::Cloudflare) => Ok(Platform::Cloudflare),
            None => self.project.portfolio().platform().ok_or_else(|| {
                CliError::usage("nobody said where the databases are").with_hint(
                    "give --platform local or --platform cloudflare, or set `platform` in clodo.toml",
                )
            }),
        }
    }

    pub(crate) fn selection(&self, args: &WhereArgs) -> Result<Selection, CliError> {
        let mut selection = Selection::default();
        selection.services = parsed(&args.services)?;
        selection.customers = parsed(&args.customers)?;
        selection.environments = parsed(&args.environments)?;
        Ok(selection)
    }

    /// The API of the platform; starts the local Cloudflare when it does not run.
    pub(crate) async fn connect(&self, platform: Platform) -> Result<Connection, CliError> {
        let portfolio = self.project.portfolio();
        match platform {
            Platform::Cloudflare => {
                let environment = |name: &str| self.setting(name);
                Connection::to_cloudflare(portfolio, &environment).map_err(failure::of_connect)
            }
            Platform::Local => {
                let running = self.local_cloud().await?;
                let connected = Connection::to_local(&running, portfolio, &*self.http).await;
                connected.map_err(failure::of_local)
            }
        }
    }

    /// The API's client; its calls are counted.
    pub(crate) fn client(&self, to: &Connection) -> Result<clodo::Client, CliError> {
        let client = to.client(Arc::clone(&self.http), self.counter.clone());
        client.map_err(failure::of_connect)
    }

    async fn local_cloud(&self) -> Result<clodo_local::Running, CliError> {
        let ui = &self.session.ui;
        if let Some(running) = clodo_local::find(&self.project.local_folder()).await {
            return Ok(running);
        }
        let chosen =
            self.session.environment.get_os("CLODO_WORKERD").filter(|path| !path.is_empty());
        let installing =
            |what: &str| ui.say(&format!("Installing {what} from npm into the user cache."));
        let cache = cache_root(&|name| self.session.environment.get_os(name).map(Into::into));
        let cache = cache.map(NpmCache::new);
        let workerd = clodo::ensure_workerd(cache.as_ref(), chosen.map(PathBuf::from), installing);
        let workerd = workerd.await.map_err(failure::of_local)?;
        let server = self.server(&workerd)?;
        let starting = || ui.say("Starting the local Cloudflare.");
        let running = clodo::find_or_start(&self.project, &server, starting);
        let running = running.await.map_err(failure::of_local)?;
        ui.say(&format!("The local Cloudflare answers at {} and stays up.", running.url));
        Ok(running)
    }

    /// This very program, started again to serve the local Cloudflare.
    fn server(&self, workerd: &Path) -> Result<CloudProgram, CliError> {
        let program = std::env::current_exe().map_err(|error| {
            CliError::new(Exit::Failed, "program", "this program does not know its own path")
                .with_source(error)
        })?;
        let root = self.project.root();
        let mut arguments: Vec<OsString> = vec!["local-cloud".into(), "--workerd".into()];
        arguments.extend([workerd.into(), "--project".into(), root.into()]);
        let environment = clodo_local::CLOUD_ENVIRONMENT.into_iter().filter_map(|name| {
            Some((name.into(), self.session.environment.get_os(name)?.to_owned()))
        });
        Ok(CloudProgram { program, arguments, environment: environment.collect() })
    }
}

/// Names from the command line.
fn parsed<T>(texts: &[String]) -> Result<Vec<T>, CliError>
where
    T: FromStr,
    T::Err: std::error::Error,
{
    let parse = |text: &String| text.parse().map_err(|e: T::Err| CliError::usage(e.to_string()));
    texts.iter().map(parse).collect()
}
