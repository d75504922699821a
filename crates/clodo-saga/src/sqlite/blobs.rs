use super::SqliteStore;
use crate::{
    blob::{BlobKey, BlobStore},
    error::{StoreError, StoreErrorKind},
};
use async_trait::async_trait;
use clodo_sqlite::rusqlite::OptionalExtension;
use clodo_types::Timestamp;
use std::collections::BTreeSet;

#[async_trait]
impl BlobStore for SqliteStore {
    async fn put(&self, key: &BlobKey, content: &[u8], now: Timestamp) -> Result<(), StoreError> {
        let (key, content) = (key.clone(), content.to_vec());
        self.write("keep content", move |tx| {
            let sql = "INSERT INTO blob (key, used_at, content) VALUES (?1, ?2, ?3)
                       ON CONFLICT (key) DO UPDATE SET used_at = max(used_at, excluded.used_at)
                       WHERE content = excluded.content";
            let kept = tx.execute(sql, (key.as_str(), now.as_millis(), content))?;
            Ok(if kept == 1 { Ok(()) } else { Err(StoreErrorKind::Conflict) })
        })
        .await
    }

    async fn get(&self, key: &BlobKey) -> Result<Option<Vec<u8>>, StoreError> {
        let key = key.clone();
        self.read("read content", move |db| {
            let sql = "SELECT content FROM blob WHERE key = ?1";
            db.query_row(sql, [key.as_str()], |row| row.get(0)).optional()
        })
        .await
    }

    async fn missing(
        &self,
        keys: &BTreeSet<BlobKey>,
        now: Timestamp,
    ) -> Result<BTreeSet<BlobKey>, StoreError> {
        let keys = keys.clone();
        self.write("look for content", move |tx| {
            let sql = "UPDATE blob SET used_at = max(used_at, ?2) WHERE key = ?1";
            let mut touch = tx.prepare_cached(sql)?;
            let mut missing = BTreeSet::new();
            for key in keys {
                if touch.execute((key.as_str(), now.as_millis()))? == 0 {
                    missing.insert(key);
                }
            }
            Ok(Ok(missing))
        })
        .await
    }

    async fn forget_blobs(&self, unused_since: Timestamp) -> Result<u64, StoreError> {
        self.write("forget content", move |tx| {
            let sql = "DELETE FROM blob WHERE used_at < ?1 AND NOT EXISTS (
                           SELECT 1 FROM job_blob JOIN job ON job.number = job_blob.job
                           WHERE job_blob.key = blob.key AND job.ended IS NULL)";
            Ok(Ok(tx.execute(sql, [unused_since.as_millis()])? as u64))
        })
        .await
    }
}
