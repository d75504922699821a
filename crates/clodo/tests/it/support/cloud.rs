use clodo::{Client, CloudflarePlatform, Secrets, UrlStyle};
use clodo_cf_api::ClientOptions;
use clodo_http::{Body, Counted, Counter, HttpService, ReqwestHttp, ReqwestOptions};
use clodo_local::{CloudOptions, LocalCloud, SeedAccount};
use clodo_npm::NpmCache;
use clodo_types::{AccountId, AccountName, SystemClock};
use std::{collections::BTreeMap, sync::Arc};

/// The cache that programs use as well; nothing is downloaded twice.
pub(crate) fn cache() -> NpmCache {
    NpmCache::new(clodo_npm::cache_root(&environment).expect("a cache folder"))
}

#[expect(clippy::disallowed_methods, reason = "a test is a program")]
fn environment(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

/// A Cloudflare of one test, with the account `main` and the zone `acme.test`.
pub(crate) struct Cloud {
    pub(crate) local: LocalCloud,
    pub(crate) calls: Counter,
    _state: tempfile::TempDir,
}

impl Cloud {
    pub(crate) async fn start() -> Self {
        let state = tempfile::Builder::new().prefix("cl").tempdir().unwrap();
        let chosen = environment("CLODO_WORKERD").map(Into::into);
        let workerd = clodo::ensure_workerd(Some(&cache()), chosen, |_| ()).await.unwrap();
        let mut options = CloudOptions::new(state.path(), workerd, Arc::new(SystemClock));
        let (name, zones) = ("main".parse().unwrap(), vec!["acme.test".parse().unwrap()]);
        options.seed.accounts = vec![SeedAccount { name, id: None, zones }];
        let local = LocalCloud::start(options).await.unwrap();
        Self { local, calls: Counter::default(), _state: state }
    }

    pub(crate) fn client(&self) -> Client {
        let http = Arc::new(ReqwestHttp::new(&ReqwestOptions::default()).unwrap());
        let base = format!("{}/client/v4", self.local.url());
        let options = ClientOptions::new(base, self.local.token().clone());
        Client::new(Arc::new(Counted::new(http, self.calls.clone())), options).unwrap()
    }

    /// What answers at a hostname.
    pub(crate) async fn get(&self, host: &str) -> String {
        let http = ReqwestHttp::new(&ReqwestOptions::default()).unwrap();
        let request = http::Request::get(self.local.url()).header("host", host);
        let answer = http.call(request.body(Body::empty()).unwrap()).await.unwrap();
        let body = answer.into_body().collect(1 << 16).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    pub(crate) fn accounts(&self) -> BTreeMap<AccountName, AccountId> {
        let accounts = self.local.accounts().iter();
        accounts.map(|account| (account.name.clone(), account.id.clone())).collect()
    }

    pub(crate) fn platform(&self, secrets: Secrets) -> CloudflarePlatform {
        let style = UrlStyle::Localhost { port: self.local.port() };
        CloudflarePlatform::new(self.client(), self.accounts(), style, Arc::new(secrets))
    }
}
