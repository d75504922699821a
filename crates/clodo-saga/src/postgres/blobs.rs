use super::{PostgresStore, moment};
use crate::{
    blob::{BlobKey, BlobStore},
    error::{StoreError, StoreErrorKind},
};
use async_trait::async_trait;
use clodo_types::Timestamp;
use std::collections::BTreeSet;

#[async_trait]
impl BlobStore for PostgresStore {
    async fn put(&self, key: &BlobKey, content: &[u8], now: Timestamp) -> Result<(), StoreError> {
        self.write("keep content", move |db| {
            Box::pin(async move {
                let sql = "INSERT INTO blob (key, used_at, content) VALUES ($1, $2, $3)
                           ON CONFLICT (key) DO UPDATE
                               SET used_at = greatest(blob.used_at, excluded.used_at)
                               WHERE blob.content = excluded.content";
                let kept = db.execute(sql, &[&key.as_str(), &now.as_millis(), &content]).await?;
                Ok(if kept == 1 { Ok(()) } else { Err(StoreErrorKind::Conflict) })
            })
        })
        .await
    }

    async fn get(&self, key: &BlobKey) -> Result<Option<Vec<u8>>, StoreError> {
        self.read("read content", move |db| {
            Box::pin(async move {
                let sql = "SELECT content FROM blob WHERE key = $1";
                let found = db.row(sql, &[&key.as_str()]).await?;
                Ok(found.map(|row| row.try_get(0)).transpose()?)
            })
        })
        .await
    }

    async fn missing(
        &self,
        keys: &BTreeSet<BlobKey>,
        now: Timestamp,
    ) -> Result<BTreeSet<BlobKey>, StoreError> {
        self.write("look for content", move |db| {
            Box::pin(async move {
                // In their order, so that two who ask for the same do not block each other.
                let sql = "SELECT key FROM blob WHERE key = ANY($1) ORDER BY key FOR UPDATE";
                let names: Vec<&str> = keys.iter().map(BlobKey::as_str).collect();
                let found = db.rows(sql, &[&names]).await?;
                let found: Result<BTreeSet<&str>, _> =
                    found.iter().map(|row| row.try_get::<_, &str>(0)).collect();
                let found = found?;
                let sql = "UPDATE blob SET used_at = greatest(used_at, $2) WHERE key = ANY($1)";
                db.execute(sql, &[&names, &now.as_millis()]).await?;
                let missing = keys.iter().filter(|key| !found.contains(key.as_str()));
                Ok(Ok(missing.cloned().collect()))
            })
        })
        .await
    }

    async fn forget_blobs(&self, unused_since: Timestamp) -> Result<u64, StoreError> {
        self.write("forget content", move |db| {
            Box::pin(async move {
                // First the lock, then the look: a job may be about to need it.
                let sql = "SELECT used_at, key FROM blob WHERE used_at < $1
                           ORDER BY key FOR UPDATE SKIP LOCKED";
                let old = db.rows(sql, &[&unused_since.as_millis()]).await?;
                let mut names = Vec::new();
                for row in &old {
                    if moment(row, 0)? < unused_since {
                        names.push(row.try_get::<_, &str>(1)?);
                    }
                }
                let sql = "DELETE FROM blob WHERE key = ANY($1) AND NOT EXISTS (
                               SELECT 1 FROM job_blob JOIN job ON job.number = job_blob.job
                               WHERE job_blob.key = blob.key AND job.ended IS NULL)";
                Ok(Ok(db.execute(sql, &[&names]).await?))
            })
        })
        .await
    }
}
