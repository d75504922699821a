use crate::{
    connect::Connection,
    platform::UrlStyle,
    project::{Project, ignore_in_git},
};
use bytes::Bytes;
use clodo_config::Portfolio;
use clodo_http::{Body, HttpService};
use clodo_local::{
    CloudError, CloudOptions, Running, SeedAccount, detach_command, find, start_detached,
};
use clodo_npm::{NpmCache, NpmError, workerd};
use clodo_types::{AccountId, AccountName, SystemClock, ZoneName};
use http::header;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// How long a cloud may take until it answers; it takes 50 ms on an idle machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The local Cloudflare could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// workerd could not be installed.
    #[error("the Workers runtime cannot be had")]
    Workerd(#[source] NpmError),
    /// No folder for the cache is known.
    #[error("there is no folder to install workerd into")]
    NoCache,
    /// `CLODO_WORKERD` names no file.
    #[error("CLODO_WORKERD names `{}`, and there is no such file", .0.display())]
    NoWorkerd(PathBuf),
    /// It could not be started.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The portfolio's accounts and zones could not be made there.
    #[error("could not make the portfolio's accounts and zones on the local Cloudflare: {0}")]
    Seed(String),
}

impl LocalError {
    /// How to mend it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Workerd(error) => error.hint(),
            Self::NoCache => Some(
                "set CLODO_CACHE_DIR to a folder, or CLODO_WORKERD to a workerd binary".to_owned(),
            ),
            Self::NoWorkerd(_) => Some("correct CLODO_WORKERD, or unset it".to_owned()),
            Self::Cloud(error) => error.hint(),
            Self::Seed(_) => Some("`clodo-local logs` shows what it said".to_owned()),
        }
    }
}

/// The workerd binary: `chosen` (from `CLODO_WORKERD`), or the pinned one, installed into the cache
/// when it is not there; without a cache only `chosen` will do. `installing` is called before that, since it takes a while.
///
/// # Errors
/// When it is not there and cannot be installed.
pub async fn ensure_workerd(
    cache: Option<&NpmCache>,
    chosen: Option<PathBuf>,
    installing: impl FnOnce(&str),
) -> Result<PathBuf, LocalError> {
    if let Some(path) = chosen {
        return if path.is_file() { Ok(path) } else { Err(LocalError::NoWorkerd(path)) };
    }
    let cache = cache.ok_or(LocalError::NoCache)?;
    let pinned = workerd().map_err(LocalError::Workerd)?;
    if let Some(installed) = cache.installed(&pinned) {
        return Ok(installed.binary().to_owned());
    }
    installing(pinned.label());
    let installed = cache.ensure(&pinned).await.map_err(LocalError::Workerd)?;
    Ok(installed.binary().to_owned())
}

/// A portfolio's accounts, as the local Cloudflare has them from its first start on.
#[must_use]
pub fn seed_accounts(portfolio: &Portfolio) -> Vec<SeedAccount> {
    let account = |(name, account): (&AccountName, &clodo_config::Account)| SeedAccount {
        name: name.clone(),
        id: account.id.clone(),
        zones: account.zones.iter().map(|zone| zone.value.clone()).collect(),
    };
    portfolio.accounts().iter().map(account).collect()
}

/// What a cloud of this project is served with.
#[must_use]
pub fn cloud_options(state: &Path, workerd: &Path, accounts: Vec<SeedAccount>) -> CloudOptions {
    let mut options = CloudOptions::new(state, workerd, Arc::new(SystemClock));
    options.temp_folder = std::env::temp_dir();
    options.seed.accounts = accounts;
    options
}

/// A program that serves a local Cloudflare when it is started with these arguments.
#[derive(Clone, Debug)]
pub struct CloudProgram {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// All of its environment; see [`clodo_local::CLOUD_ENVIRONMENT`].
    pub environment: Vec<(OsString, OsString)>,
}

/// Finds the project's local Cloudflare, or starts `server` detached: then it stays up.
///
/// # Errors
/// When it does not start.
pub async fn find_or_start(
    project: &Project,
    server: &CloudProgram,
    starting: impl FnOnce(),
) -> Result<Running, LocalError> {
    let folder = project.local_folder();
    if let Some(running) = find(&folder).await {
        return Ok(running);
    }
    starting();
    ignore_in_git(&project.clodo_folder());
    let command = detach_command(&server.program, &server.arguments, &folder);
    let mut command = command.map_err(|source| CloudError::Io {
        doing: "open",
        what: "the log of the local Cloudflare",
        source,
    })?;
    command.envs(server.environment.iter().map(|(name, value)| (name, value)));
    Ok(start_detached(command, &folder, PATIENCE).await?)
}

impl Connection {
    /// The project's local Cloudflare, if it runs.
    ///
    /// # Errors
    /// As [`Connection::to_local`].
    pub async fn to_running(
        project: &Project,
        http: &dyn HttpService,
    ) -> Result<Option<Self>, LocalError> {
        match find(&project.local_folder()).await {
            Some(running) => Self::to_local(&running, project.portfolio(), http).await.map(Some),
            None => Ok(None),
        }
    }

    /// The project's local Cloudflare, with the portfolio's accounts and zones in it.
    ///
    /// # Errors
    /// When accounts or zones cannot be made there.
    pub async fn to_local(
        running: &Running,
        portfolio: &Portfolio,
        http: &dyn HttpService,
    ) -> Result<Self, LocalError> {
        let wanted = seed_accounts(portfolio);
        let mut status = ask(running, http, None).await?;
        if wanted.iter().any(|account| lacks(&status, account)) {
            let accounts: Vec<Value> = wanted.iter().map(as_json).collect();
            status = ask(running, http, Some(json!({ "accounts": accounts }))).await?;
        }
        let mut accounts = BTreeMap::new();
        for account in wanted {
            let found = find_account(&status, &account.name);
            let id = found.and_then(|found| found["id"].as_str()?.parse::<AccountId>().ok());
            let id = id.ok_or_else(|| LocalError::Seed(format!("no account {}", account.name)))?;
            accounts.insert(account.name, id);
        }
        Ok(Self {
            base_url: running.api_base_url.clone(),
            token: running.token.clone(),
            accounts,
            style: UrlStyle::Localhost { port: running.port },
        })
    }
}

fn as_json(account: &SeedAccount) -> Value {
    json!({ "name": account.name, "id": account.id, "zones": account.zones })
}

fn find_account<'a>(status: &'a Value, name: &AccountName) -> Option<&'a Value> {
    let mut accounts = status["accounts"].as_array()?.iter();
    accounts.find(|account| account["name"] == name.as_str())
}

fn lacks(status: &Value, wanted: &SeedAccount) -> bool {
    let Some(found) = find_account(status, &wanted.name) else { return true };
    let has = |zone: &ZoneName| {
        let zones = found["zones"].as_array().into_iter().flatten();
        zones.into_iter().any(|known| known["name"] == zone.as_str())
    };
    !wanted.zones.iter().all(has)
}

/// Reads the cloud's status, or seeds it and reads what it is then.
async fn ask(
    running: &Running,
    http: &dyn HttpService,
    seed: Option<Value>,
) -> Result<Value, LocalError> {
    let said = |error: &dyn std::error::Error| LocalError::Seed(crate::load_error::chain(error));
    let request = match &seed {
        None => http::Request::get(format!("{}/clodo/status", running.url)),
        Some(_) => http::Request::put(format!("{}/clodo/seed", running.url)),
    };
    let body = seed.map(|seed| Bytes::from(seed.to_string())).unwrap_or_default();
    let bearer = format!("Bearer {}", running.token.expose());
    let request = request.header(header::AUTHORIZATION, bearer).body(Body::from(body));
    let request = request.map_err(|error| said(&error))?;
    let response = http.call(request).await.map_err(|error| said(&error))?;
    let body = response.into_body().collect(1 << 20).await.map_err(|error| said(&error))?;
    let answer: Value = serde_json::from_slice(&body).map_err(|error| said(&error))?;
    if answer["success"] == true {
        return Ok(answer["result"].clone());
    }
    let message = answer["errors"][0]["message"].as_str().unwrap_or("it did not say why");
    Err(LocalError::Seed(message.to_owned()))
}
