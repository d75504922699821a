//! What a bucket does by its settings, whenever somebody asks it for something.

use clodo_sqlite::rusqlite::{Connection, OptionalExtension, Result, Row, params};
use std::sync::Arc;

use super::{
    BucketSettings, ObjectAction, ObjectKey, ObjectMeta,
    settings::LifecycleRule,
    store::{self, Bucket},
};
use crate::{kv::end_of, pool::lock};

/// The lifecycle is looked at no more often than this, in milliseconds.
const PERIOD: i64 = 60_000;

/// A change that somebody may want to hear of.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) action: ObjectAction,
    pub(super) key: String,
    /// Absent when the object is gone.
    pub(super) size_and_etag: Option<(u64, String)>,
}

impl Event {
    pub(super) fn written(action: ObjectAction, object: &ObjectMeta) -> Self {
        let size_and_etag = Some((object.size, object.etag.clone()));
        Self { action, key: object.key.as_str().to_owned(), size_and_etag }
    }

    pub(super) fn deleted(action: ObjectAction, key: &ObjectKey) -> Self {
        Self { action, key: key.as_str().to_owned(), size_and_etag: None }
    }
}

/// How many objects of a storage class there are, and how many bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BucketTotals {
    /// `Standard` or `InfrequentAccess`.
    pub storage_class: String,
    /// Objects.
    pub objects: u64,
    /// Bytes of their bodies.
    pub payload: u64,
    /// Bytes of what is kept with them.
    pub metadata: u64,
}

pub(super) fn totals(db: &Connection) -> Result<Vec<BucketTotals>> {
    let sql = "SELECT json_extract(about, '$.class'), count(*), sum(size), \
               sum(length(about) + length(key)) FROM object GROUP BY 1 ORDER BY 1";
    let number = |row: &Row<'_>, at| row.get::<_, i64>(at).map(i64::unsigned_abs);
    db.prepare_cached(sql)?
        .query_map([], |row| {
            Ok(BucketTotals {
                storage_class: row.get(0)?,
                objects: number(row, 1)?,
                payload: number(row, 2)?,
                metadata: number(row, 3)?,
            })
        })?
        .collect()
}

/// The bucket's settings.
pub(super) fn settings(db: &Connection, bucket: &Bucket) -> Result<Arc<BucketSettings>> {
    if let Some(known) = lock(&bucket.settings).as_ref() {
        return Ok(Arc::clone(known));
    }
    let text: Option<String> = db
        .prepare_cached("SELECT body FROM setting WHERE name = 'rules'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    // Only this engine writes the row.
    let read = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let settings = Arc::new(read);
    *lock(&bucket.settings) = Some(Arc::clone(&settings));
    Ok(settings)
}

pub(super) fn set(db: &Connection, bucket: &Bucket, settings: &BucketSettings) -> Result<()> {
    let text = serde_json::to_string(settings).expect("settings have text keys only");
    db.prepare_cached("INSERT OR REPLACE INTO setting (name, body) VALUES ('rules', ?1)")?
        .execute([text])?;
    *lock(&bucket.settings) = Some(Arc::new(settings.clone()));
    *lock(&bucket.kept_up) = i64::MIN;
    Ok(())
}

/// Does what the lifecycle says is due.
pub(super) fn keep_up(db: &mut Connection, bucket: &Bucket, now: i64) -> Result<()> {
    let settings = settings(db, bucket)?;
    if settings.lifecycle.is_empty() || now < lock(&bucket.kept_up).saturating_add(PERIOD) {
        return Ok(());
    }
    for rule in settings.lifecycle.iter().filter(|rule| rule.enabled) {
        delete_due(db, bucket, &settings, rule, now)?;
        move_due(db, rule, now)?;
        abort_due(db, bucket, rule, now)?;
    }
    *lock(&bucket.kept_up) = now;
    Ok(())
}

fn delete_due(
    db: &mut Connection,
    bucket: &Bucket,
    settings: &BucketSettings,
    rule: &LifecycleRule,
    now: i64,
) -> Result<()> {
    let due = rule.delete_objects_transition.as_ref();
    let Some(until) = due.and_then(|due| due.condition.reaches(now)) else { return Ok(()) };
    let mut keys = Vec::new();
    {
        let mut statement = db.prepare_cached(
            "SELECT key, uploaded FROM object WHERE key >= ?1 AND (?2 IS NULL OR key < ?2) \
             AND uploaded <= ?3",
        )?;
        let prefix = rule.conditions.prefix.as_bytes();
        let mut rows = statement.query(params![prefix, end_of(prefix), until])?;
        while let Some(row) = rows.next()? {
            let key = String::from_utf8_lossy(row.get_ref(0)?.as_blob()?).into_owned();
            if !settings.keeps(&key, row.get(1)?, now) {
                keys.extend(key.parse::<ObjectKey>().ok());
            }
        }
    }
    if keys.is_empty() {
        return Ok(());
    }
    store::remove_all(db, bucket, &keys, ObjectAction::LifecycleDeletion)
}

fn move_due(db: &Connection, rule: &LifecycleRule, now: i64) -> Result<()> {
    for transition in &rule.storage_class_transitions {
        let Some(until) = transition.condition.reaches(now) else { continue };
        let prefix = rule.conditions.prefix.as_bytes();
        db.prepare_cached(
            "UPDATE object SET about = json_set(about, '$.class', ?4) WHERE key >= ?1 \
             AND (?2 IS NULL OR key < ?2) AND uploaded <= ?3",
        )?
        .execute(params![prefix, end_of(prefix), until, transition.storage_class])?;
    }
    Ok(())
}

fn abort_due(db: &mut Connection, bucket: &Bucket, rule: &LifecycleRule, now: i64) -> Result<()> {
    let due = rule.abort_multipart_uploads_transition.as_ref();
    let Some(until) = due.and_then(|due| due.condition.reaches(now)) else { return Ok(()) };
    let tx = db.transaction()?;
    let prefix = rule.conditions.prefix.as_bytes();
    let uploads: Vec<String> = tx
        .prepare_cached(
            "SELECT id FROM upload WHERE key >= ?1 AND (?2 IS NULL OR key < ?2) AND began <= ?3",
        )?
        .query_map(params![prefix, end_of(prefix), until], |row| row.get(0))?
        .collect::<Result<_>>()?;
    let mut files = Vec::new();
    for upload in uploads {
        files.extend(super::multipart::drop_upload(&tx, &super::UploadId(upload))?);
    }
    tx.commit()?;
    store::unlink(bucket, files);
    Ok(())
}
