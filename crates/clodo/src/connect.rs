use crate::{platform::UrlStyle, shared_pacer::SharedPacer};
use clodo_cf_api::{Client, ClientOptions, ClientOptionsError};
use clodo_config::Portfolio;
use clodo_http::{Counted, Counter, HttpService};
use clodo_types::{AccountId, AccountName, NameError, Secret};
use std::{collections::BTreeMap, sync::Arc};

/// Where an API is, who we are there, and which accounts a portfolio's names mean.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Connection {
    /// Up to and with the version, such as `https://api.cloudflare.com/client/v4`.
    pub base_url: String,
    /// The API token.
    pub token: Secret,
    /// The ids of the portfolio's accounts.
    pub accounts: BTreeMap<AccountName, AccountId>,
    /// How URLs of Workers are written.
    pub style: UrlStyle,
}

/// Nobody said how to reach the platform.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is no token.
    #[error("there is no API token for Cloudflare")]
    NoToken,
    /// The account's id is no id.
    #[error("CLOUDFLARE_ACCOUNT_ID is not usable")]
    AccountId(#[source] NameError),
    /// The base URL or the token cannot be used.
    #[error("the API cannot be called")]
    Options(#[from] ClientOptionsError),
}

impl ConnectError {
    /// How to mend it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoToken => "set CLOUDFLARE_API_TOKEN, or use --platform local",
            Self::AccountId(_) => "copy the id from the dashboard: 32 hexadecimal digits",
            Self::Options(_) => "check CLOUDFLARE_API_BASE_URL and CLOUDFLARE_API_TOKEN",
        }
    }
}

impl Connection {
    /// The real Cloudflare, as `CLOUDFLARE_API_TOKEN`, `CLOUDFLARE_ACCOUNT_ID` (for accounts without
    /// an id in clodo.toml) and `CLOUDFLARE_API_BASE_URL` say. `environment` reads a variable.
    ///
    /// # Errors
    /// When there is no token, or the account's id is none.
    pub fn to_cloudflare(
        portfolio: &Portfolio,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConnectError> {
        let set = |name: &str| environment(name).filter(|value| !value.is_empty());
        let token = set("CLOUDFLARE_API_TOKEN").map(Secret::new).ok_or(ConnectError::NoToken)?;
        let fallback = set("CLOUDFLARE_ACCOUNT_ID").map(|id| id.parse()).transpose();
        let fallback: Option<AccountId> = fallback.map_err(ConnectError::AccountId)?;
        let accounts = portfolio.accounts().iter().filter_map(|(name, account)| {
            Some((name.clone(), account.id.clone().or_else(|| fallback.clone())?))
        });
        let default = || ClientOptions::cloudflare(token.clone()).base_url;
        Ok(Self {
            base_url: set("CLOUDFLARE_API_BASE_URL").unwrap_or_else(default),
            accounts: accounts.collect(),
            style: UrlStyle::Public,
            token,
        })
    }

    /// A client that sends through `http`; `counter` counts its calls.
    ///
    /// # Errors
    /// When the base URL or the token cannot be used.
    pub fn client(
        &self,
        http: Arc<dyn HttpService>,
        counter: Counter,
    ) -> Result<Client, ConnectError> {
        let counted: Arc<dyn HttpService> = Arc::new(Counted::new(http, counter));
        Ok(Client::new(counted, self.options())?)
    }

    /// The same, with the token's budget in a store that processes share.
    ///
    /// # Errors
    /// When the base URL or the token cannot be used.
    pub fn paced_client(
        &self,
        http: Arc<dyn HttpService>,
        counter: Counter,
        pacer: SharedPacer,
    ) -> Result<Client, ConnectError> {
        let counted: Arc<dyn HttpService> = Arc::new(Counted::new(http, counter));
        Ok(Client::new(counted, self.options().with_pacer(Arc::new(pacer)))?)
    }

    fn options(&self) -> ClientOptions {
        ClientOptions::new(self.base_url.clone(), self.token.clone())
    }
}
