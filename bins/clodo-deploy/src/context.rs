use crate::{
    args::{PlatformArgs, PlatformChoice, StrategyArgs, StrategyChoice, TargetArgs},
    failure,
};
use clodo::{
    Connection, LoadOptions, Loaded, NewPreview, Project, RunLease, Secrets, SharedPacer,
    program::{self, parsed as name},
};
use clodo_bundle::{Bundle, Bundler};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_config::{Platform, Selection, Strategy};
use clodo_http::{Counter, Counts, HttpService, ReqwestHttp, ReqwestOptions};
use clodo_types::{BindingName, ServiceName};
use std::{collections::BTreeMap, path::Path, str::FromStr, sync::Arc, time::Duration};

/// The variable that says how long a lock lasts when its process dies.
const LEASE_TIME: &str = "CLODO_LEASE_TIME";

/// What every command of this program works with.
pub(crate) struct Context<'a> {
    pub(crate) session: &'a Session,
    pub(crate) project: Project,
    pub(crate) http: Arc<dyn HttpService>,
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

    /// A variable of the process environment.
    pub(crate) fn setting(&self, name: &str) -> Option<String> {
        self.session.environment.get(name).map(str::to_owned)
    }

    /// Who deploys, for the record: `ada@laptop`.
    pub(crate) fn person(&self) -> String {
        let user = ["CLODO_USER", "USER", "LOGNAME", "USERNAME"];
        let user = user.iter().find_map(|name| self.setting(name)).filter(|user| !user.is_empty());
        let user = user.unwrap_or_else(|| "somebody".to_owned());
        format!("{user}@{}", clodo::this_process().host())
    }

    /// The calls of the platform's API so far.
    pub(crate) fn calls(&self) -> Counts {
        self.counter.counts()
    }

    /// How long a lock lasts when its process dies: `CLODO_LEASE_TIME`, else 30 s.
    pub(crate) fn lease_time(&self) -> Result<Duration, CliError> {
        let Some(text) = self.setting(LEASE_TIME).filter(|text| !text.is_empty()) else {
            return Ok(Duration::from_secs(30));
        };
        let wrong = |why: &str| {
            let message = format!("`{LEASE_TIME}={text}` {why}");
            CliError::usage(message).with_hint("write a time from 10s to 30m, such as `90s`")
        };
        let time = clodo_config::parse_time(&text).map_err(wrong)?;
        // A step begins only while the lock lasts 5 s longer, and it is renewed after a third.
        let sensible = Duration::from_secs(10)..=Duration::from_secs(1_800);
        if sensible.contains(&time) { Ok(time) } else { Err(wrong("is too short or too long")) }
    }

    /// Where to deploy: the flag, else the file. A token in the environment decides nothing.
    pub(crate) fn platform(&self, args: &PlatformArgs) -> Result<Platform, CliError> {
        match args.platform {
            Some(PlatformChoice::Local) => Ok(Platform::Local),
            Some(PlatformChoice::Cloudflare) => Ok(Platform::Cloudflare),
            None => self.project.portfolio().platform().ok_or_else(|| {
                CliError::usage("nobody said where to deploy")
                    .with_hint("give --platform local or --platform cloudflare, or set `platform` in clodo.toml")
            }),
        }
    }

    pub(crate) fn selection(&self, args: &TargetArgs) -> Result<Selection, CliError> {
        let mut selection = Selection::default();
        selection.services = parsed(&args.services)?;
        selection.customers = parsed(&args.customers)?;
        selection.environments = parsed(&args.environments)?;
        selection.domain = args.domain.as_deref().map(name).transpose()?;
        for (variable, value) in self.session.environment.with_prefix("CLODO_VAR_") {
            let variable: BindingName = name(variable)?;
            selection.overrides.process_environment.insert(variable, value.to_owned());
        }
        Ok(selection)
    }

    /// Which targets to deploy, and how.
    pub(crate) fn selection_with(
        &self,
        args: &TargetArgs,
        how: StrategyArgs,
    ) -> Result<Selection, CliError> {
        let mut selection = self.selection(args)?;
        selection.overrides.strategy = how.strategy.map(|chosen| match chosen {
            StrategyChoice::AllAtOnce => Strategy::AllAtOnce,
            StrategyChoice::Rolling => Strategy::Rolling,
            StrategyChoice::Canary => Strategy::Canary,
            StrategyChoice::BlueGreen => Strategy::BlueGreen,
        });
        Ok(selection)
    }

    /// The values of secrets that a file holds.
    pub(crate) fn secrets(&self, file: Option<&Path>) -> Result<Secrets, CliError> {
        let Some(path) = file else { return Ok(Secrets::new()) };
        let text = std::fs::read_to_string(self.session.directory.join(path));
        let text = text.map_err(|error| {
            let message = format!("could not read the secrets file {}", path.display());
            CliError::usage(message).with_source(error)
        })?;
        Ok(Secrets::new().with_file(&text))
    }

    /// Reads and builds what the selected targets need.
    pub(crate) async fn load(
        &self,
        selection: &Selection,
        platform: Platform,
        from: &LoadFrom<'_>,
    ) -> Result<Loaded, CliError> {
        let environment = |name: &str| self.setting(name);
        let options = self.load_options(selection, platform, from, &environment)?;
        let bundler = Bundler::new(program::cache(self.session)?);
        let mut loaded =
            clodo::load(&self.project, &bundler, options).await.map_err(failure::of_load)?;
        loaded.desired.revision = self.setting("CLODO_REVISION");
        Ok(loaded)
    }

    /// The same for a preview of the selected targets.
    pub(crate) async fn load_preview(
        &self,
        selection: &Selection,
        platform: Platform,
        from: &LoadFrom<'_>,
        preview: &NewPreview,
    ) -> Result<Loaded, CliError> {
        let environment = |name: &str| self.setting(name);
        let options = self.load_options(selection, platform, from, &environment)?;
        let bundler = Bundler::new(program::cache(self.session)?);
        let loaded = clodo::load_preview(&self.project, &bundler, options, preview).await;
        let mut loaded = loaded.map_err(failure::of_load)?;
        loaded.desired.revision = self.setting("CLODO_REVISION");
        Ok(loaded)
    }

    /// Reads what the selected targets need beside their code, which was built before.
    pub(crate) fn load_built(
        &self,
        selection: &Selection,
        platform: Platform,
        from: &LoadFrom<'_>,
        bundles: &BTreeMap<ServiceName, Arc<Bundle>>,
    ) -> Result<Loaded, CliError> {
        let environment = |name: &str| self.setting(name);
        let options = self.load_options(selection, platform, from, &environment)?;
        let loaded = clodo::load_built(&self.project, bundles, options);
        let mut loaded = loaded.map_err(failure::of_load)?;
        loaded.desired.revision = self.setting("CLODO_REVISION");
        Ok(loaded)
    }

    fn load_options<'b>(
        &self,
        selection: &'b Selection,
        platform: Platform,
        from: &LoadFrom<'_>,
        environment: &'b (dyn Fn(&str) -> Option<String> + Sync),
    ) -> Result<LoadOptions<'b>, CliError> {
        let secrets = self.secrets(from.secrets_file)?;
        Ok(LoadOptions { selection, platform, adopt: from.adopt, secrets, environment })
    }

    /// The API of the platform; starts the local Cloudflare when it does not run.
    pub(crate) async fn connect(&self, platform: Platform) -> Result<Connection, CliError> {
        program::connect(self.session, &self.project, &*self.http, platform).await
    }

    /// The API's client; its calls are counted, come out of this budget, and are made under this
    /// lease.
    pub(crate) fn client(
        &self,
        to: &Connection,
        budget: SharedPacer,
        run: &RunLease,
    ) -> Result<clodo::Client, CliError> {
        let (http, counter) = (run.http(Arc::clone(&self.http)), self.counter.clone());
        to.paced_client(http, counter, budget).map_err(program::of_connect)
    }
}

/// What else a desired state is loaded with.
#[derive(Default)]
pub(crate) struct LoadFrom<'a> {
    pub(crate) adopt: bool,
    pub(crate) secrets_file: Option<&'a Path>,
}

fn parsed<T>(texts: &[String]) -> Result<Vec<T>, CliError>
where
    T: FromStr,
    T::Err: std::error::Error,
{
    texts.iter().map(|text| name(text)).collect()
}
