//! The Cloudflare that the suite runs against: a local one of its own for each test, or, for
//! `cargo xtask live`, a real account that is on the list.

use crate::aging::Aging;
use clodo_cf_api::{
    Client, ClientOptions, Ensured, ReqwestHttp, ReqwestOptions, WorkerUpload, workers,
};
use clodo_tests::{Run, Sandbox};
use clodo_types::{AccountId, BindingName, Secret, WorkerName, ZoneId};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt::Debug,
    process,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

/// Where nobody's account stands unless its owner wrote it there.
const ALLOWED: &str = include_str!("../../live-accounts.txt");

/// A Cloudflare, and a client of it.
#[derive(Debug)]
pub(crate) struct Cloud {
    pub(crate) client: Client,
    pub(crate) account: AccountId,
    sandbox: Option<Sandbox>,
    zone: Option<ZoneId>,
    url: Option<String>,
    token: Option<String>,
}

impl Cloud {
    /// A cloud of the test's own, or the live account.
    pub(crate) async fn open() -> Self {
        Self::up(&[]).await
    }

    /// The same, where what a machine that goes down would lose does not matter.
    pub(crate) async fn open_fast() -> Self {
        Self::up(&["--durability", "fast"]).await
    }

    async fn up(further: &[&str]) -> Self {
        if let Some(token) = setting("CLODO_LIVE_TOKEN") {
            return Self::live(token);
        }
        let sandbox = Sandbox::empty();
        let _ =
            sandbox.local(&[&["up", "--detach", "--zone", "acme.test"], further].concat()).exits(0);
        let settings: BTreeMap<_, _> = sandbox.settings().into_iter().collect();
        let base = settings["CLOUDFLARE_API_BASE_URL"].as_str();
        let token = Secret::new(settings["CLOUDFLARE_API_TOKEN"].as_str());
        let account = parsed(&settings["CLOUDFLARE_ACCOUNT_ID"]);
        let url = base.strip_suffix("/client/v4").map(str::to_owned);
        let client = Client::new(Arc::new(Aging(http())), ClientOptions::new(base, token)).unwrap();
        let token = Some(settings["CLOUDFLARE_API_TOKEN"].clone());
        let mut cloud = Self { client, account, sandbox: Some(sandbox), zone: None, url, token };
        let zones = clodo_cf_api::zones::list_zones(&cloud.account);
        cloud.zone = cloud.client.list(zones).await.unwrap().first().map(|zone| zone.id.clone());
        cloud
    }

    fn live(token: String) -> Self {
        let account = setting("CLODO_LIVE_ACCOUNT").expect("CLODO_LIVE_ACCOUNT names the account");
        let lines = ALLOWED.lines().filter(|line| !line.starts_with('#'));
        let listed = lines.filter_map(|line| line.split_whitespace().next());
        assert!(
            listed.into_iter().any(|id| id == account),
            "{account} is not in tests/live-accounts.txt"
        );
        let client =
            Client::new(Arc::new(http()), ClientOptions::cloudflare(Secret::new(token))).unwrap();
        let zone = setting("CLODO_LIVE_ZONE").map(|zone| parsed(&zone));
        Self { client, account: parsed(&account), sandbox: None, zone, url: None, token: None }
    }

    /// True for a real account: what only the local cloud can show is left out.
    pub(crate) fn is_live(&self) -> bool {
        self.sandbox.is_none()
    }

    /// A zone that records and routes may be made in; a live account need not have one.
    pub(crate) fn zone(&self) -> Option<ZoneId> {
        self.zone.clone()
    }

    /// The origin of the local cloud.
    pub(crate) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// The local cloud's token.
    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Runs `clodo-local` on the local cloud.
    pub(crate) fn local(&self, words: &[&str]) -> Run {
        self.sandbox.as_ref().unwrap().local(words)
    }

    /// Where a file of the test's own may be.
    pub(crate) fn file(&self, name: &str) -> String {
        self.sandbox.as_ref().unwrap().project().join(name).to_string_lossy().into_owned()
    }

    /// Calls the local cloud's own API.
    pub(crate) async fn control(&self, method: &'static str, path: &str, body: Value) {
        let url = format!("{}/clodo/{path}", self.url().unwrap());
        let bearer = format!("authorization: Bearer {}", self.token().unwrap());
        let call = move || {
            let body = body.to_string();
            let request =
                clodo_tests::Request { method, url: &url, headers: &[&bearer], body: &body };
            request.send().unwrap()
        };
        let answer = tokio::task::spawn_blocking(call).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// A name that no other test and no other run uses.
    pub(crate) fn name<T: FromStr<Err: Debug>>(&self, what: &str) -> T {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        parsed(&format!("clodo-suite-{}-{count}-{what}", process::id()))
    }

    /// A Worker that answers its version and `env.WORD`.
    pub(crate) async fn worker(&self, what: &str) -> WorkerName {
        let worker: WorkerName = self.name(what);
        let upload = workers::put_script(&self.account, &worker, &hello("one")).unwrap();
        let uploaded = self.client.send(upload).await.unwrap();
        assert!(uploaded.version_id().is_some(), "{uploaded:?}");
        worker
    }

    /// Removes a Worker, and makes sure that it is gone.
    pub(crate) async fn remove_worker(&self, worker: &WorkerName) {
        let gone = workers::delete_worker(&self.account, worker, workers::Removal::Forced);
        self.client.send(gone).await.unwrap();
        let look = self.client.find(workers::service(&self.account, worker)).await.unwrap();
        assert!(look.is_none(), "{worker} is still there");
    }

    /// What a Worker of the local cloud answers at a hostname; nothing for a live account.
    pub(crate) async fn visit(&self, host: &str, path: &str) -> Option<String> {
        let port = self.url()?.rsplit_once(':')?.1;
        let url = format!("http://{host}.localhost:{port}{path}");
        let visit = move || clodo_tests::fetch(&url).body;
        Some(tokio::task::spawn_blocking(visit).await.unwrap())
    }

    /// The hostname of a Worker below `workers.dev`.
    pub(crate) async fn host(&self, worker: &WorkerName) -> String {
        let own = clodo_cf_api::triggers::account_subdomain(&self.account);
        let own = self.client.send(own).await.unwrap().subdomain;
        format!("{worker}.{own}.workers.dev")
    }
}

/// A Worker that answers a word of its own and `env.WORD`.
pub(crate) fn hello(word: &str) -> WorkerUpload {
    let source = format!(
        "export default {{ async fetch(request, env) {{ \
           console.log('asked', new URL(request.url).pathname); \
           if (request.url.endsWith('/throw')) throw new Error('on purpose'); \
           return new Response('{word} ' + (env.WORD ?? 'none')); }} }};"
    );
    WorkerUpload::module_worker("index.js", source).compatible_with("2026-01-01")
}

pub(crate) fn binding(name: &str) -> BindingName {
    parsed(name)
}

pub(crate) fn parsed<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

/// What `ensure_*` gave, made by this call.
pub(crate) fn created<T>(ensured: Ensured<T>) -> T {
    assert_eq!(ensured.origin, clodo_cf_api::Origin::Created);
    ensured.resource
}

/// Asks until the answer is the right one: some things take a moment, on a live account above all.
pub(crate) async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..150 {
        if let Some(found) = ask().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("it did not happen within 30 s");
}

pub(crate) fn http() -> ReqwestHttp {
    ReqwestHttp::new(&ReqwestOptions::default()).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the suite reads its environment here, once")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
