use crate::{pacer::Pacer, token_bucket::TokenBucket};
use clodo_http::{RetryPolicy, Sleeper, TokioSleeper};
use clodo_resilience::{BreakerOptions, TripRule};
use clodo_types::Secret;
use http::{HeaderValue, Uri};
use std::{net::IpAddr, sync::Arc, time::Duration};

/// Where a token may travel unencrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlainHttp {
    /// Only within this machine.
    #[default]
    LoopbackOnly,
    /// Anywhere: for a private network that is trusted as the machine itself is.
    Anywhere,
}

/// How a [`Client`](crate::Client) speaks to the API.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientOptions {
    /// Up to and with the version, such as `https://api.cloudflare.com/client/v4`.
    pub base_url: String,
    /// The API token.
    pub token: Secret,
    /// The budget of calls; everything that uses the same token shares it.
    pub pacer: Arc<dyn Pacer>,
    /// What the client calls itself.
    pub user_agent: String,
    /// How often and how late to try again.
    pub retry: RetryPolicy,
    /// How long one attempt may take until its answer begins.
    pub time_limit: Duration,
    /// How long an answer may pause.
    pub stall: Duration,
    /// Calls under way at the same time.
    pub at_once: usize,
    /// The largest JSON answer that is read, in bytes.
    pub answer_limit: usize,
    /// Whether `http://` is accepted for other machines.
    pub plain_http: PlainHttp,
    /// How calls wait.
    pub sleeper: Arc<dyn Sleeper>,
    /// When calls are refused because those before them failed; none means never.
    pub breaker: Option<BreakerOptions>,
}

impl ClientOptions {
    /// For an API at `base_url`: Cloudflare's budget, 4 attempts of 60 s, 6 calls at a time,
    /// answers up to 64 MiB; after 10 failures in a row a group of endpoints is left alone for
    /// 30 s.
    #[must_use]
    pub fn new(base_url: impl Into<String>, token: Secret) -> Self {
        Self {
            base_url: base_url.into(),
            token,
            pacer: Arc::new(TokenBucket::cloudflare()),
            user_agent: concat!("clodo/", env!("CARGO_PKG_VERSION")).to_owned(),
            retry: RetryPolicy::default(),
            time_limit: Duration::from_secs(60),
            stall: Duration::from_secs(60),
            at_once: 6,
            answer_limit: 64 << 20,
            plain_http: PlainHttp::default(),
            sleeper: Arc::new(TokioSleeper),
            // A breaker measures time by tokio's clock, which does not run on wasm32.
            breaker: (!cfg!(target_arch = "wasm32"))
                .then(|| BreakerOptions::default().with_trip(TripRule::InARow(10))),
        }
    }

    /// For Cloudflare itself.
    #[must_use]
    pub fn cloudflare(token: Secret) -> Self {
        Self::new("https://api.cloudflare.com/client/v4", token)
    }

    /// Sets the budget of calls.
    #[must_use]
    pub fn with_pacer(mut self, pacer: Arc<dyn Pacer>) -> Self {
        self.pacer = pacer;
        self
    }

    /// Sets what the client calls itself.
    #[must_use]
    pub fn with_user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// Sets how often and how late to try again.
    #[must_use]
    pub fn with_retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Sets how many calls may be under way at the same time.
    #[must_use]
    pub fn with_at_once(mut self, at_once: usize) -> Self {
        self.at_once = at_once;
        self
    }

    /// Sets how calls wait, for where tokio's clock does not run. Such a place needs another
    /// [`Pacer`] than the usual one, too.
    #[must_use]
    pub fn with_sleeper(mut self, sleeper: Arc<dyn Sleeper>) -> Self {
        self.sleeper = sleeper;
        self
    }

    /// Sets when calls are refused because those before them failed.
    #[must_use]
    pub fn with_breaker(mut self, breaker: impl Into<Option<BreakerOptions>>) -> Self {
        self.breaker = breaker.into();
        self
    }

    /// Sets whether `http://` is accepted for other machines.
    #[must_use]
    pub fn with_plain_http(mut self, plain_http: PlainHttp) -> Self {
        self.plain_http = plain_http;
        self
    }
}

/// Options that no client can be made of.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientOptionsError {
    /// The base URL cannot be read.
    #[error("the API's base URL is no http or https URL without query: `{0}`")]
    BaseUrl(String),
    /// The token would travel unencrypted.
    #[error("the API's base URL `{0}` would send the token unencrypted to another machine")]
    PlainHttp(String),
    /// The token is empty or holds characters that no header can carry.
    #[error("the API token is empty or holds spaces, line breaks or other characters no token has")]
    Token,
    /// The user agent holds characters that no header can carry.
    #[error("the user agent holds characters that no header can carry")]
    UserAgent,
}

/// What the options stand for, checked.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub(crate) base: String,
    pub(crate) authorization: HeaderValue,
    pub(crate) user_agent: HeaderValue,
}

impl Checked {
    pub(crate) fn of(options: &ClientOptions) -> Result<Self, ClientOptionsError> {
        let base = options.base_url.trim_end_matches('/').to_owned();
        base_url(&base, options.plain_http)?;
        let authorization = bearer(&options.token).ok_or(ClientOptionsError::Token)?;
        let user_agent = options.user_agent.parse().map_err(|_| ClientOptionsError::UserAgent)?;
        Ok(Self { base, authorization, user_agent })
    }
}

/// The header of a token, marked so that no log shows it.
pub(crate) fn bearer(token: &Secret) -> Option<HeaderValue> {
    let text = token.expose();
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    let mut value = HeaderValue::try_from(format!("Bearer {text}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn base_url(base: &str, plain_http: PlainHttp) -> Result<(), ClientOptionsError> {
    let unreadable = || ClientOptionsError::BaseUrl(base.to_owned());
    let uri: Uri = base.parse().map_err(|_| unreadable())?;
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(unreadable)?;
    let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
    if uri.query().is_some() || base.contains('#') || has_user {
        return Err(unreadable());
    }
    match uri.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if plain_http == PlainHttp::Anywhere || is_loopback(host) => Ok(()),
        Some("http") => Err(ClientOptionsError::PlainHttp(base.to_owned())),
        _ => Err(unreadable()),
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost"
        || host.ends_with(".localhost")
        || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(base: &str, token: &str, want: Result<&str, ClientOptionsError>) {
        let got = Checked::of(&ClientOptions::new(base, Secret::new(token)));
        assert_eq!(got.map(|checked| checked.base), want.map(str::to_owned), "{base}");
    }

    #[test]
    fn a_token_travels_only_where_it_may() {
        let base = "https://api.cloudflare.com/client/v4";
        check(base, "t", Ok(base));
        check("http://127.0.0.1:8787/client/v4/", "t", Ok("http://127.0.0.1:8787/client/v4"));
        check("http://[::1]:8787", "t", Ok("http://[::1]:8787"));
        check("http://api.localhost:1", "t", Ok("http://api.localhost:1"));
        let plain = "http://10.0.0.7/client/v4";
        check(plain, "t", Err(ClientOptionsError::PlainHttp(plain.into())));
        let trusted = ClientOptions::new(plain, Secret::new("t"));
        assert!(Checked::of(&trusted.with_plain_http(PlainHttp::Anywhere)).is_ok());
    }

    #[test]
    fn unusable_options_are_refused() {
        for bad in [
            "",
            "api.test",
            "/client/v4",
            "ftp://a.test",
            "https://a.test?x=1",
            "https://u:p@a.test",
        ] {
            check(bad, "t", Err(ClientOptionsError::BaseUrl(bad.into())));
        }
        for bad in ["", "a b", "a\nb", "é", "a "] {
            check("https://a.test", bad, Err(ClientOptionsError::Token));
        }
    }

    #[test]
    fn debug_of_options_shows_no_token() {
        let options = ClientOptions::cloudflare(Secret::new("hunter2"));
        assert!(!format!("{options:?} {:?}", Checked::of(&options)).contains("hunter2"));
    }
}
