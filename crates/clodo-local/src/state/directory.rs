//! The state as the front proxy and the runtime see it.

use super::{Snapshot, State};
use crate::{
    routing::plain_host,
    state::{served, worker::Worker},
};
use async_trait::async_trait;
use bytes::Bytes;
use clodo_workerd::{
    Directory, Generation, Objects, Resolved, Scripts, ServedVersion, ServedWorker,
};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// What stays in memory of the assets that were asked for.
const CACHED_BYTES: usize = 16 * 1024 * 1024;
/// Larger assets are read each time.
const CACHED_ASSET: usize = 1024 * 1024;

#[async_trait]
impl Directory for State {
    fn accounts(&self) -> Vec<String> {
        self.snapshot().cloud.accounts.keys().cloned().collect()
    }

    fn serves_objects(&self, host: &str) -> bool {
        self.snapshot().cloud.public_bucket(host).is_some()
    }

    fn resolve(&self, host: &str, path: &str) -> Option<Resolved> {
        let host = plain_host(host);
        let path = path.split('?').next().unwrap_or(path);
        let snapshot = self.seen();
        let found = snapshot.routes.find(&snapshot.cloud, &host, path)?;
        let (account_id, script, version) = (found.account_id, found.script, found.version);
        Some(Resolved { account_id, script, version, host })
    }

    fn worker(&self, account_id: &str, script: &str) -> Option<Arc<ServedWorker>> {
        self.seen().worker(account_id, script)?.served()
    }

    fn describe(&self, account_id: &str, generation: &mut Generation) {
        let snapshot = self.seen();
        let scripts: Vec<String> = generation.live.keys().cloned().collect();
        for worker in scripts.iter().filter_map(|script| snapshot.worker(account_id, script)) {
            let live = worker.deployed().into_iter().flat_map(|now| &now.versions);
            let taking = live.filter_map(|(id, _)| worker.version(id)).filter(|v| v.takes_events());
            generation.events.extend(taking.map(|version| version.id.clone()));
            let consumers = worker.tail_consumers();
            if !consumers.is_empty() {
                generation.tails.entry(worker.name.clone()).or_default().consumers = consumers;
            }
        }
        for served in &generation.versions {
            let worker = snapshot.worker(account_id, &served.script);
            let version = worker.and_then(|worker| worker.version(&served.version_id));
            if let Some(version) = version.filter(|version| !version.workflows.is_empty()) {
                generation.workflows.insert(version.id.clone(), version.workflows.clone());
            }
        }
        self.tailed().note(account_id, generation);
    }

    fn objects(&self, account_id: &str) -> Objects {
        let snapshot = self.seen();
        let account = snapshot.cloud.accounts.get(account_id);
        account.map_or_else(Objects::default, |account| served::objects(account))
    }

    fn scripts(&self, account_id: &str, which: Scripts) -> Vec<String> {
        let snapshot = self.seen();
        let Some(account) = snapshot.cloud.accounts.get(account_id) else { return Vec::new() };
        let deployed = account.workers.values().filter(|worker| worker.deployed().is_some());
        let name = |worker: &Arc<Worker>| worker.name.clone();
        match which {
            Scripts::First(count) => deployed.take(count).map(name).collect(),
            Scripts::Awake => {
                let owners: BTreeSet<&str> =
                    account.objects.values().map(|space| space.script.as_str()).collect();
                let own = deployed.filter(|worker| owners.contains(worker.name.as_str()));
                own.map(name).collect()
            }
        }
    }

    async fn version(
        &self,
        account_id: &str,
        script: &str,
        version_id: &str,
    ) -> Option<Arc<ServedVersion>> {
        if let Some(known) = self.inner.loaded.get(version_id) {
            return Some(known);
        }
        // What arrives late may also have gone since.
        let known = |snapshot: &Snapshot| {
            snapshot.worker(account_id, script)?.version(version_id).map(Arc::clone)
        };
        let snapshot = self.seen();
        let version = known(&snapshot).or_else(|| known(&self.snapshot()))?;
        let assets = Arc::clone(&snapshot.cloud.accounts.get(account_id)?.assets);
        let blobs = self.blobs().clone();
        let loaded = super::blobs::blocking(move || served::load(&version, &assets, &blobs)).await;
        match loaded {
            Ok(loaded) => Some(self.inner.loaded.put(Arc::new(loaded))),
            Err(error) => {
                tracing::error!(error = error.in_full(), script, "a version cannot be read");
                None
            }
        }
    }

    fn schedules(&self, account_id: &str) -> Vec<(String, Vec<String>)> {
        let snapshot = self.seen();
        let Some(account) = snapshot.cloud.accounts.get(account_id) else { return Vec::new() };
        let scheduled = account.workers.values().filter(|worker| worker.deployed().is_some());
        let crons = |worker: &Worker| worker.schedules.iter().map(|s| s.cron.clone()).collect();
        scheduled
            .filter(|worker| !worker.schedules.is_empty())
            .map(|worker| (worker.name.clone(), crons(worker)))
            .collect()
    }

    async fn asset(&self, account_id: &str, hash: &str) -> Option<Bytes> {
        let blob = {
            let snapshot = self.snapshot();
            snapshot.cloud.accounts.get(account_id)?.assets.get(hash)?.blob.clone()
        };
        if let Some(body) = self.inner.asset_cache.get(&blob) {
            return Some(body);
        }
        match self.blobs().get(&blob).await {
            Ok(body) => {
                self.inner.asset_cache.put(blob, body.clone());
                Some(body)
            }
            Err(error) => {
                tracing::error!(error = error.in_full(), "an asset cannot be read");
                None
            }
        }
    }
}

impl State {
    /// Everything of an account that has traffic, with its code: for tests that look behind the
    /// API. Nothing in a running cloud needs all of it at once.
    #[must_use]
    pub fn generation(&self, account_id: &str) -> Generation {
        let snapshot = self.snapshot();
        let mut generation = Generation::default();
        let Some(account) = snapshot.cloud.accounts.get(account_id) else { return generation };
        for worker in account.workers.values() {
            let Some(served) = worker.served() else { continue };
            let versions = served.live.iter().filter_map(|(id, _)| worker.version(id));
            let loaded =
                versions.filter_map(|v| served::load(v, &account.assets, self.blobs()).ok());
            generation.versions.extend(loaded.map(Arc::new));
            generation.live.insert(worker.name.clone(), served.live.clone());
        }
        self.describe(account_id, &mut generation);
        generation.namespaces = self.objects(account_id).namespaces;
        generation
    }
}

impl Snapshot {
    fn worker(&self, account_id: &str, script: &str) -> Option<&Arc<Worker>> {
        self.cloud.accounts.get(account_id)?.workers.get(script)
    }
}

/// Versions that somebody uses now, so that each is read from disk and kept in memory once.
#[derive(Debug, Default)]
pub(super) struct Loaded(Mutex<HashMap<String, Weak<ServedVersion>>>);

impl Loaded {
    fn get(&self, id: &str) -> Option<Arc<ServedVersion>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id)?.upgrade()
    }

    /// Another call may have been faster: then its value is the one.
    fn put(&self, version: Arc<ServedVersion>) -> Arc<ServedVersion> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(&version.version_id).and_then(Weak::upgrade) {
            return known;
        }
        if all.len() == all.capacity() {
            all.retain(|_, known| known.strong_count() > 0);
        }
        all.insert(version.version_id.clone(), Arc::downgrade(&version));
        version
    }
}

/// Small assets, by blob; emptied when it is full.
#[derive(Debug, Default)]
pub(super) struct AssetCache(Mutex<(HashMap<String, Bytes>, usize)>);

impl AssetCache {
    fn get(&self, blob: &str) -> Option<Bytes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.get(blob).cloned()
    }

    fn put(&self, blob: String, body: Bytes) {
        if body.len() > CACHED_ASSET {
            return;
        }
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.1 + body.len() > CACHED_BYTES {
            *cache = Default::default();
        }
        cache.1 += body.len();
        cache.0.insert(blob, body);
    }
}
