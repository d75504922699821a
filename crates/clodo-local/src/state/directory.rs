//! The state as the front proxy and the runtime see it.

use super::{Snapshot, State};
use crate::{
    routing::plain_host,
    state::{served, worker::Worker},
};
use async_trait::async_trait;
use bytes::Bytes;
use clodo_workerd::{Directory, Generation, Resolved};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
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

    fn resolve(&self, host: &str, path: &str) -> Option<Resolved> {
        let host = plain_host(host);
        let path = path.split('?').next().unwrap_or(path);
        let found = self.snapshot().routes.find(&host, path)?;
        let (account_id, script, version) = (found.account_id, found.script, found.version);
        Some(Resolved { account_id, script, version, host })
    }

    fn generation(&self, account_id: &str) -> Generation {
        let mut generation = self.snapshot().generation(account_id);
        self.tailed().note(account_id, &mut generation);
        generation
    }

    fn schedules(&self, account_id: &str) -> Vec<(String, Vec<String>)> {
        let snapshot = self.snapshot();
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

impl Snapshot {
    fn generation(&self, account_id: &str) -> Generation {
        let Some(account) = self.cloud.accounts.get(account_id) else {
            return Generation::default();
        };
        let mut generation = Generation::default();
        for worker in account.workers.values() {
            let wanted = served::wanted(worker);
            let loaded = wanted.iter().filter_map(|version| self.served.get(&version.id));
            generation.versions.extend(loaded.map(Arc::clone));
            if let Some(deployment) = worker.deployed() {
                let live = deployment.versions.iter().filter_map(|(id, _)| worker.version(id));
                let taking = live.filter(|version| version.takes_events());
                generation.events.extend(taking.map(|version| version.id.clone()));
                generation.live.insert(worker.name.clone(), deployment.versions.clone());
            }
            let consumers = worker.tail_consumers();
            if !consumers.is_empty() {
                generation.tails.entry(worker.name.clone()).or_default().consumers = consumers;
            }
        }
        generation
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
