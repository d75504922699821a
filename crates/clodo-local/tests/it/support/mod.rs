//! What the tests of the runtime share: a directory in memory, and a cloud around it.

pub(crate) mod client;
pub(crate) mod live;
pub(crate) mod websocket;
pub(crate) mod workerd;

use async_trait::async_trait;
use bytes::Bytes;
use clodo_storage::{Data, bindings_router};
use clodo_types::SystemClock;
use clodo_workerd::{
    AssetEntry, Directory, Engine, EngineOptions, Generation, MemoryObserver, Objects, Observer,
    Resolved, Scripts, ServedAssets, ServedBinding, ServedModule, ServedNamespace, ServedVersion,
    ServedWorker, Serving, Workers,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;

pub(crate) const ACCOUNT: &str = "0123456789abcdef0123456789abcdef";

/// A directory whose hosts are the names of scripts: `<script>.test`.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) generation: Mutex<Generation>,
    pub(crate) assets: Mutex<BTreeMap<String, Bytes>>,
}

#[async_trait]
impl Directory for Shelf {
    fn accounts(&self) -> Vec<String> {
        vec![ACCOUNT.to_owned()]
    }

    fn serves_objects(&self, _: &str) -> bool {
        false
    }

    fn resolve(&self, host: &str, _path: &str) -> Option<Resolved> {
        let host = host.split(':').next()?;
        let host = host.strip_suffix(".localhost").unwrap_or(host);
        let name = host.strip_suffix(".test")?;
        let (script, version) = match name.split_once('.') {
            Some((version, script)) => (script, Some(version.to_owned())),
            None => (name, None),
        };
        let generation = self.generation.lock().unwrap();
        generation.live.contains_key(script).then(|| Resolved {
            account_id: ACCOUNT.to_owned(),
            script: script.to_owned(),
            version,
            host: host.to_owned(),
        })
    }

    fn worker(&self, _account_id: &str, script: &str) -> Option<Arc<ServedWorker>> {
        let generation = self.generation.lock().unwrap();
        let live = generation.live.get(script)?.clone();
        let beside = generation.tails.get(script).map(|tails| tails.consumers.clone());
        Some(Arc::new(ServedWorker { live, beside: beside.unwrap_or_default() }))
    }

    fn describe(&self, _account_id: &str, generation: &mut Generation) {
        let all = self.generation.lock().unwrap();
        let versions = generation.live.values().flatten().map(|(id, _)| id);
        generation.events.extend(versions.filter(|id| all.events.contains(*id)).cloned());
        for script in generation.live.keys() {
            generation
                .tails
                .extend(all.tails.get_key_value(script).map(|(k, v)| (k.clone(), v.clone())));
        }
    }

    fn objects(&self, _account_id: &str) -> Objects {
        let namespaces = self.generation.lock().unwrap().namespaces.clone();
        Objects { namespaces, deleted: Vec::new() }
    }

    fn scripts(&self, _account_id: &str, which: Scripts) -> Vec<String> {
        match which {
            Scripts::First(count) => {
                self.generation.lock().unwrap().live.keys().take(count).cloned().collect()
            }
            Scripts::Awake => Vec::new(),
        }
    }

    async fn version(
        &self,
        _account_id: &str,
        script: &str,
        version_id: &str,
    ) -> Option<Arc<ServedVersion>> {
        let generation = self.generation.lock().unwrap();
        let wanted = |v: &&Arc<ServedVersion>| v.script == script && v.version_id == version_id;
        generation.versions.iter().find(wanted).cloned()
    }

    fn schedules(&self, _account_id: &str) -> Vec<(String, Vec<String>)> {
        Vec::new()
    }

    async fn asset(&self, _account_id: &str, hash: &str) -> Option<Bytes> {
        self.assets.lock().unwrap().get(hash).cloned()
    }
}

/// One version of a Worker with a single module.
pub(crate) fn version(script: &str, id: &str, source: &str) -> ServedVersion {
    ServedVersion {
        script: script.to_owned(),
        version_id: id.to_owned(),
        tag: None,
        created_on: "2026-01-01T00:00:00Z".to_owned(),
        main_module: Some("index.js".to_owned()),
        modules: vec![module("index.js", "application/javascript+module", source.to_owned())],
        compatibility_date: Some("2026-01-01".to_owned()),
        compatibility_flags: Vec::new(),
        bindings: Vec::new(),
        assets: None,
        body_part: None,
    }
}

pub(crate) fn module(name: &str, content_type: &str, body: impl Into<Bytes>) -> ServedModule {
    ServedModule { name: name.into(), content_type: content_type.into(), body: body.into() }
}

/// A namespace of Durable Objects with SQL.
pub(crate) fn space(id: &str, script: &str, class: &str) -> ServedNamespace {
    let (id, script, class_name) = (id.into(), script.into(), class.into());
    ServedNamespace { id, script, class_name, sqlite: true }
}

pub(crate) fn binding(name: &str, binding: ServedBinding) -> (String, ServedBinding) {
    (name.to_owned(), binding)
}

/// A Worker whose `fetch` runs `body`, with `request`, `env` and `url` at hand.
pub(crate) fn worker(script: &str, id: &str, body: &str) -> ServedVersion {
    let source = format!(
        "export default {{ async fetch(request, env, ctx) {{ const url = new URL(request.url); {body} }} }};"
    );
    version(script, id, &source)
}

/// A cloud for one test; everything is gone when it is dropped.
pub(crate) struct World {
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) engine: Engine,
    pub(crate) data: Data,
    pub(crate) observer: Arc<MemoryObserver>,
    pub(crate) port: u16,
    pub(crate) folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut EngineOptions)) -> Self {
        // What workerd says is part of a failed test's output.
        let _ = tracing_subscriber::fmt().with_test_writer().with_ansi(false).try_init();
        let folder = tempfile::Builder::new().prefix("cl").tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let at = |name: &str| folder.path().join(name);
        let mut options =
            EngineOptions::new(workerd::binary().await, at("run"), at("do"), clock.clone());
        change(&mut options);
        let engine = Engine::new(options).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (shelf, data) = (Arc::new(Shelf::default()), Data::at(at("data"), clock));
        let directory = Arc::clone(&shelf) as Arc<dyn Directory>;
        let api = axum::Router::new().fallback(|| async { "the API" });
        let observer = Arc::new(MemoryObserver::default());
        engine.serve(Serving {
            listener,
            directory,
            api,
            objects: axum::Router::new(),
            bindings: bindings_router(data.clone()),
            observer: Arc::clone(&observer) as Arc<dyn Observer>,
        });
        Self { shelf, engine, data, observer, port, folder }
    }

    /// Deploys versions at 100 %, each replacing the one of the same script.
    pub(crate) fn deploy(&self, versions: impl IntoIterator<Item = ServedVersion>) {
        for version in versions {
            let (script, id) = (version.script.clone(), version.version_id.clone());
            self.split(script, vec![(id, 100.0)], vec![version]);
        }
        self.changed();
    }

    /// Sets the split of one script, whose versions are exactly these.
    pub(crate) fn split(
        &self,
        script: String,
        split: Vec<(String, f64)>,
        versions: Vec<ServedVersion>,
    ) {
        let mut generation = self.shelf.generation.lock().unwrap();
        generation.versions.retain(|version| version.script != script);
        generation.versions.extend(versions.into_iter().map(Arc::new));
        generation.live.insert(script, split);
    }

    /// Deploys versions that take events, each replacing the one of the same script.
    pub(crate) fn deploy_for_events(&self, versions: impl IntoIterator<Item = ServedVersion>) {
        for version in versions {
            let (script, id) = (version.script.clone(), version.version_id.clone());
            self.shelf.generation.lock().unwrap().events.insert(id.clone());
            self.split(script, vec![(id, 100.0)], vec![version]);
        }
        self.changed();
    }

    /// Sets the namespaces of Durable Objects.
    pub(crate) fn namespaces(&self, spaces: impl IntoIterator<Item = ServedNamespace>) {
        self.shelf.generation.lock().unwrap().namespaces = spaces.into_iter().collect();
    }

    pub(crate) fn changed(&self) {
        self.engine.workers().changed(ACCOUNT);
    }

    pub(crate) fn workers(&self) -> Arc<dyn Workers> {
        self.engine.workers()
    }

    pub(crate) async fn get(&self, host: &str, path: &str) -> client::Answer {
        client::get(self.port, host, path).await
    }

    /// How long others may have to wait for a Worker that does harm: two seconds, on a machine that
    /// starts a process at once. What a busy one needs for that is measured with the first answer
    /// of this cloud, which must be that of `host`.
    pub(crate) async fn patience(&self, host: &str) -> Duration {
        let since = Instant::now();
        assert_eq!(self.get(host, "/").await.status, 200, "{host}");
        // The process ends, another one starts, and both share the machine with the one that loops.
        Duration::from_millis(2_400) + 3 * since.elapsed()
    }
}

/// Static assets: path and content; the hash is the path.
pub(crate) fn assets(world: &World, files: &[(&str, &str)]) -> ServedAssets {
    let mut assets = ServedAssets::default();
    for (path, content) in files {
        world
            .shelf
            .assets
            .lock()
            .unwrap()
            .insert((*path).into(), Bytes::from((*content).to_owned()));
        let entry = AssetEntry {
            hash: (*path).into(),
            content_type: Some("text/html".into()),
            size: content.len() as u64,
        };
        assets.files.insert((*path).into(), entry);
    }
    assets
}
