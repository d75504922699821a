use crate::{
    args::{PlatformChoice, WhereArgs},
    failure,
};
use clodo::{Connection, Project, program};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_config::{Platform, Selection};
use clodo_http::{Counter, Counts, HttpService, ReqwestHttp, ReqwestOptions};
use std::{str::FromStr, sync::Arc};

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
        selection.services = names(&args.services)?;
        selection.customers = names(&args.customers)?;
        selection.environments = names(&args.environments)?;
        Ok(selection)
    }

    /// The API of the platform; starts the local Cloudflare when it does not run.
    pub(crate) async fn connect(&self, platform: Platform) -> Result<Connection, CliError> {
        program::connect(self.session, &self.project, &*self.http, platform).await
    }

    /// The API's client; its calls are counted, and come out of the token's budget, which lies in
    /// the portfolio's state.
    pub(crate) async fn client(
        &self,
        to: &Connection,
        platform: Platform,
    ) -> Result<clodo::Client, CliError> {
        let (http, counter) = (Arc::clone(&self.http), self.counter.clone());
        let client = match program::state(self.session, &self.project, platform).await {
            Ok(state) => to.paced_client(http, counter, program::budget(to, &state)),
            // A folder that cannot be written keeps nobody from looking at a database.
            Err(error) if self.project.portfolio().state().is_none() => {
                let ui = &self.session.ui;
                ui.warn(&format!("{error}; other processes do not know of this run's calls"));
                to.client(http, counter)
            }
            Err(error) => return Err(error),
        };
        client.map_err(program::of_connect)
    }
}

/// Names from the command line.
fn names<T>(texts: &[String]) -> Result<Vec<T>, CliError>
where
    T: FromStr,
    T::Err: std::error::Error,
{
    texts.iter().map(|text| program::parsed(text)).collect()
}
