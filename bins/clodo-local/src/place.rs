use crate::{
    args::{DurabilityArg, UpArgs},
    failure,
};
use clodo::{cloud_options, ensure_workerd, seed_accounts};
use clodo_cli::{CliError, GlobalArgs, Session};
use clodo_config::{FILE_NAME, Portfolio, find_root};
use clodo_local::{
    CloudError, CloudOptions, Durability, LimitWords, Limits, Outbound, SeedAccount,
};
use clodo_npm::{NpmCache, cache_root};
use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
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

    /// What the cloud is started with.
    pub(crate) async fn options(
        &self,
        session: &Session,
        args: &UpArgs,
    ) -> Result<CloudOptions, CliError> {
        let accounts = self.accounts(args)?;
        let binary = binary(session).await?;
        let mut options = cloud_options(&self.state(), &binary, accounts);
        options.port = args.port;
        options.limits = Limits::off().changed(words(args)).map_err(failure::words)?;
        options.listen = listen(args)?;
        options.hosts.clone_from(&args.hosts);
        options.outbound = match args.outbound.unwrap_or_default() {
            crate::args::OutboundArg::Denied => Outbound::Denied,
            crate::args::OutboundArg::Internet => Outbound::Internet,
        };
        options.allow_private.clone_from(&args.allow_private);
        options.port_per_worker = args.port_per_worker;
        options.durability = match args.durability.unwrap_or_default() {
            DurabilityArg::Full => Durability::Full,
            DurabilityArg::Fast => Durability::Normal,
        };
        Ok(options)
    }

    /// The accounts of `clodo.toml`, with the zones that the command line adds.
    fn accounts(&self, args: &UpArgs) -> Result<Vec<SeedAccount>, CliError> {
        let path = self.root.join(FILE_NAME);
        let mut accounts = match fs::read(&path) {
            Ok(bytes) => {
                let portfolio = Portfolio::parse_bytes(FILE_NAME, &bytes)
                    .map_err(|errors| CliError::of_sources(errors.into_vec()))?;
                seed_accounts(&portfolio)
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

/// Whoever looks for the cloud looks at 127.0.0.1.
fn listen(args: &UpArgs) -> Result<IpAddr, CliError> {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    match args.listen {
        None => Ok(loopback),
        Some(address) if address == loopback || address.is_unspecified() => Ok(address),
        Some(address) => Err(failure::cloud(CloudError::Listen { address })),
    }
}

/// What the command line says of limits.
pub(crate) fn words(args: &UpArgs) -> LimitWords<'_> {
    LimitWords {
        limits: args.limits.as_deref(),
        plan: args.plan.as_deref(),
        propagation: args.propagation.as_deref(),
    }
}

/// The workerd binary: `CLODO_WORKERD`, else the pinned one, installed when it is not there.
async fn binary(session: &Session) -> Result<PathBuf, CliError> {
    let read = |name: &str| session.environment.get_os(name).map(Into::into);
    let cache = cache_root(&read).map(NpmCache::new);
    let chosen = session.environment.get_os("CLODO_WORKERD").filter(|path| !path.is_empty());
    let chosen = chosen.map(|path| session.directory.join(path));
    let installing = |what: &str| session.ui.say(&format!("installing {what} with npm, once"));
    ensure_workerd(cache.as_ref(), chosen, installing).await.map_err(failure::local)
}
