use crate::worker::{SOURCE, WorkerDatabase};
use clodo_cf_api::{
    Client, ClientOptions, KnownBinding, ReqwestHttp, ReqwestOptions, WorkerUpload,
    d1::{self, D1Database, NewDatabase},
    triggers::{self, SubdomainChange},
    workers,
};
use clodo_tests::Sandbox;
use clodo_types::{AccountId, BindingName, DatabaseId, Secret, WorkerName};
use std::{
    collections::BTreeMap,
    fmt::Debug,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

/// A local Cloudflare that many databases share.
#[derive(Debug)]
pub(crate) struct Cloud {
    client: Client,
    account: AccountId,
    port: String,
    made: AtomicU32,
    _sandbox: Sandbox,
}

impl Cloud {
    /// What a machine that goes down would lose does not matter here.
    pub(crate) fn start() -> Self {
        let sandbox = Sandbox::empty();
        let _ = sandbox.local(&["up", "--detach", "--durability", "fast"]).exits(0);
        let settings: BTreeMap<_, _> = sandbox.settings().into_iter().collect();
        let base = settings["CLOUDFLARE_API_BASE_URL"].as_str();
        let token = Secret::new(settings["CLOUDFLARE_API_TOKEN"].as_str());
        let http = ReqwestHttp::new(&ReqwestOptions::default()).unwrap();
        let client = Client::new(Arc::new(http), ClientOptions::new(base, token)).unwrap();
        let origin = base.strip_suffix("/client/v4").unwrap();
        let port = origin.rsplit_once(':').unwrap().1.to_owned();
        let account = parsed(&settings["CLOUDFLARE_ACCOUNT_ID"]);
        Self { client, account, port, made: AtomicU32::new(0), _sandbox: sandbox }
    }

    fn next(&self) -> u32 {
        self.made.fetch_add(1, Ordering::Relaxed)
    }

    /// A new database.
    pub(crate) async fn create(&self) -> DatabaseId {
        let new = NewDatabase::named(parsed(&format!("case-{}", self.next())));
        self.client.send(d1::create_database(&self.account, &new)).await.unwrap().id
    }

    /// A database through the API.
    pub(crate) fn d1(&self, id: DatabaseId) -> D1Database {
        D1Database::new(self.client.clone(), self.account.clone(), id)
    }

    /// New databases, through the bindings of a Worker.
    pub(crate) async fn bound(&self, count: usize) -> Vec<WorkerDatabase> {
        let worker: WorkerName = parsed(&format!("worker-{}", self.next()));
        let mut upload =
            WorkerUpload::module_worker("index.js", SOURCE).compatible_with("2026-01-01");
        for at in 0..count {
            let binding: BindingName = parsed(&format!("DB{at}"));
            let id = self.create().await;
            upload = upload.with_binding(&binding, KnownBinding::D1 { id });
        }
        let put = workers::put_script(&self.account, &worker, &upload).unwrap();
        self.client.send(put).await.unwrap();
        let on = SubdomainChange { enabled: true, previews_enabled: Some(false) };
        self.client.send(triggers::set_subdomain(&self.account, &worker, on)).await.unwrap();
        let own = self.client.send(triggers::account_subdomain(&self.account)).await;
        let own = own.unwrap().subdomain;
        let url = format!("http://{worker}.{own}.workers.dev.localhost:{}/", self.port);
        (0..count).map(|at| WorkerDatabase::new(url.clone(), format!("DB{at}"))).collect()
    }
}

fn parsed<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().unwrap()
}
