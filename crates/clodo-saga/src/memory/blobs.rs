use super::MemoryStore;
use crate::{
    blob::{BlobKey, BlobStore},
    error::{StoreError, StoreErrorKind},
};
use async_trait::async_trait;
use clodo_types::Timestamp;
use std::collections::BTreeSet;

/// Content, and when it was used last.
#[derive(Debug)]
pub(super) struct Blob {
    content: Vec<u8>,
    used_at: Timestamp,
}

#[async_trait]
impl BlobStore for MemoryStore {
    async fn put(&self, key: &BlobKey, content: &[u8], now: Timestamp) -> Result<(), StoreError> {
        let mut shelves = self.shelves();
        let fresh = || Blob { content: content.to_vec(), used_at: now };
        let blob = shelves.blobs.entry(key.clone()).or_insert_with(fresh);
        if blob.content != content {
            return Err(StoreError::new(StoreErrorKind::Conflict, "keep content"));
        }
        blob.used_at = blob.used_at.max(now);
        Ok(())
    }

    async fn get(&self, key: &BlobKey) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.shelves().blobs.get(key).map(|blob| blob.content.clone()))
    }

    async fn missing(
        &self,
        keys: &BTreeSet<BlobKey>,
        now: Timestamp,
    ) -> Result<BTreeSet<BlobKey>, StoreError> {
        let mut shelves = self.shelves();
        let mut missing = BTreeSet::new();
        for key in keys {
            match shelves.blobs.get_mut(key) {
                Some(blob) => blob.used_at = blob.used_at.max(now),
                None => {
                    missing.insert(key.clone());
                }
            }
        }
        Ok(missing)
    }

    async fn forget_blobs(&self, unused_since: Timestamp) -> Result<u64, StoreError> {
        let mut shelves = self.shelves();
        let unfinished = shelves.jobs.iter().filter(|slot| slot.end.is_none());
        let needed: BTreeSet<BlobKey> =
            unfinished.flat_map(|slot| slot.job.blobs.iter().cloned()).collect();
        let all = shelves.blobs.len();
        shelves.blobs.retain(|key, blob| blob.used_at >= unused_since || needed.contains(key));
        Ok((all - shelves.blobs.len()) as u64)
    }
}
