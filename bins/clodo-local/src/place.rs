use crate::{args::UpArgs, failure};
use clodo_cli::{CliError, Exit, GlobalArgs, Session};
use clodo_config::{FILE_NAME, Portfolio, find_root};
use clodo_local::{CloudOptions, Outbound, SeedAccount};
use clodo_npm::{NpmCache, cache_root, workerd};
use clodo_types::SystemClock;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The project that a cloud belongs to: a folder, with or without a `clodo.toml`.
#[derive(Debug)]
pub(crate) struct Place {
    root: PathBuf,
}

impl Place {
    /// `--project`, else the nearest folder upwards with a `clodo.toml`, else this one.
    pub(crate) fn find(session: &Session, global: &GlobalArgs) -> Result<Self, CliError> {
        let Some(given) = &global.project else {
            let found = find_root(&session.directory, &|path| path.is_file());
            return Ok(Self { root: found.unwrap_or_else(|| session.directory.clone()) });
        };
        let root = session.directory.join(given);
        if root.is_dir() {
            return Ok(Self { root });
        }
        let message = format!("there is no folder `{}`", given.display());
        Err(CliError::usage(message).with_hint("`--project` names the folder of a project"))
    }

    /// The project's folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the cloud keeps everything.
    pub(crate) fn state(&self) -> PathBuf {
        self.root.join(".clodo").join("local")
    }

    /// Makes `.clodo/` ignore itself in git, so that nobody commits state or a token.
    pub(crate) fn ignore_in_git(&self) {
        let folder = self.root.join(".clodo");
        let ignore = folder.join(".gitignore");
        // Without it nothing breaks.
        if !ignore.exists() && fs::create_dir_all(&folder).is_ok() {
            let _ = fs::write(ignore, "*\n");
        }
    }

    /// What the cloud is started with.
    pub(crate) async fn options(
        &self,
        session: &Session,
        args: &UpArgs,
    ) -> Result<CloudOptions, CliError> {
        let accounts = self.accounts(args)?;
        let binary = binary(session).await?;
        let mut options = CloudOptions::new(self.state(), binary, Arc::new(SystemClock));
        options.port = args.port;
        options.temp_folder = std::env::temp_dir();
        options.outbound = match args.outbound {
            crate::args::OutboundArg::Denied => Outbound::Denied,
            crate::args::OutboundArg::Internet => Outbound::Internet,
        };
        options.seed.accounts = accounts;
        Ok(options)
    }

    /// The accounts of `clodo.toml`, with the zones that the command line adds.
    fn accounts(&self, args: &UpArgs) -> Result<Vec<SeedAccount>, CliError> {
        let path = self.root.join(FILE_NAME);
        let mut accounts = match fs::read(&path) {
            Ok(bytes) => {
                let portfolio = Portfolio::parse_bytes(FILE_NAME, &bytes)
                    .map_err(|errors| CliError::of_sources(errors.into_vec()))?;
                of_portfolio(&portfolio)
            }
            Err(_) => Vec::new(),
        };
        if accounts.is_empty() && !args.zones.is_empty() {
            accounts.push(clodo_local::default_account());
        }
        if let Some(first) = accounts.first_mut() {
            first.zones.extend(args.zones.iter().cloned());
        }
        Ok(accounts)
    }
}

fn of_portfolio(portfolio: &Portfolio) -> Vec<SeedAccount> {
    let account = |(name, account): (&_, &clodo_config::Account)| SeedAccount {
        name: clodo_types::AccountName::clone(name),
        id: account.id.clone(),
        zones: account.zones.iter().map(|zone| zone.value.clone()).collect(),
    };
    portfolio.accounts().iter().map(account).collect()
}

/// The workerd binary: `CLODO_WORKERD`, else the pinned one, installed when it is not there.
async fn binary(session: &Session) -> Result<PathBuf, CliError> {
    if let Some(chosen) = session.environment.get_os("CLODO_WORKERD").filter(|it| !it.is_empty()) {
        return Ok(session.directory.join(chosen));
    }
    let read = |name: &str| session.environment.get_os(name).map(Into::into);
    let root = cache_root(&read).ok_or_else(|| {
        CliError::new(Exit::Unreachable, "no_cache", "there is no folder to install workerd into")
            .with_hint("set CLODO_CACHE_DIR to a folder, or CLODO_WORKERD to a workerd binary")
    })?;
    let cache = NpmCache::new(root);
    let pinned = workerd().map_err(failure::npm)?;
    if let Some(installed) = cache.installed(&pinned) {
        return Ok(installed.binary().to_owned());
    }
    session.ui.say(&format!("installing {} with npm, once", pinned.label()));
    let installed = cache.ensure(&pinned).await.map_err(failure::npm)?;
    Ok(installed.binary().to_owned())
}
