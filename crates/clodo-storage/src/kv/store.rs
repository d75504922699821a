//! The SQL beneath a namespace. All of it runs on the connection's thread.

use bytes::Bytes;
use clodo_sqlite::{
    Durability, OpenOptions,
    rusqlite::{self, Connection, OptionalExtension, Result, Row, params},
};
use std::path::Path;

use super::{KvEntry, KvKey, KvListed, KvUsage};

/// The value stands last, so that a listing never reads its pages.
const FORMAT: &[&str] =
    &["CREATE TABLE pair (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, expiration INTEGER, \
     metadata TEXT, value BLOB NOT NULL);\
     CREATE INDEX pair_by_end ON pair (expiration) WHERE expiration IS NOT NULL"];

pub(super) fn opener(_: &Path) -> (OpenOptions, ()) {
    (OpenOptions::default().with_durability(Durability::Normal).with_format(FORMAT), ())
}

/// A pair that was checked: lengths are within limits, `expiration` is absolute.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) key: KvKey,
    pub(super) value: Bytes,
    pub(super) metadata: Option<String>,
    pub(super) expiration: Option<i64>,
}

pub(super) fn get(db: &Connection, key: &KvKey, now: i64) -> Result<Option<KvEntry>> {
    let sql = "SELECT value, metadata, expiration FROM pair WHERE key = ?1 \
               AND (expiration IS NULL OR expiration > ?2)";
    let entry = |row: &Row<'_>| {
        Ok(KvEntry {
            value: row.get::<_, Vec<u8>>(0)?.into(),
            metadata: row.get(1)?,
            expiration: row.get(2)?,
        })
    };
    db.prepare_cached(sql)?.query_row(params![key.as_str().as_bytes(), now], entry).optional()
}

/// Reads every row: length() of a blob takes no page of its value.
pub(super) fn usage(db: &Connection, now: i64) -> Result<KvUsage> {
    let sql = "SELECT count(*), coalesce(sum(length(key) + length(value) \
               + length(CAST(coalesce(metadata, '') AS BLOB))), 0) FROM pair \
               WHERE expiration IS NULL OR expiration > ?1";
    db.query_row(sql, [now], |row| {
        let number = |at| Ok::<_, rusqlite::Error>(row.get::<_, i64>(at)?.unsigned_abs());
        Ok(KvUsage { keys: number(0)?, bytes: number(1)? })
    })
}

pub(super) fn put(db: &mut Connection, pairs: &[Pair], now: i64) -> Result<()> {
    let tx = db.transaction()?;
    tx.prepare_cached("DELETE FROM pair WHERE expiration <= ?1")?.execute([now])?;
    {
        let mut upsert = tx.prepare_cached(
            "INSERT INTO pair (key, expiration, metadata, value) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (key) DO UPDATE SET expiration = excluded.expiration, \
             metadata = excluded.metadata, value = excluded.value",
        )?;
        for pair in pairs {
            let key = pair.key.as_str().as_bytes();
            upsert.execute(params![key, pair.expiration, pair.metadata, &pair.value[..]])?;
        }
    }
    tx.commit()
}

pub(super) fn delete(db: &mut Connection, keys: &[KvKey]) -> Result<()> {
    let tx = db.transaction()?;
    {
        let mut delete = tx.prepare_cached("DELETE FROM pair WHERE key = ?1")?;
        for key in keys {
            delete.execute([key.as_str().as_bytes()])?;
        }
    }
    tx.commit()
}

/// At most `limit` keys after `after`.
pub(super) fn list(
    db: &Connection,
    prefix: &[u8],
    after: Option<&[u8]>,
    limit: usize,
    now: i64,
) -> Result<Vec<KvListed>> {
    let sql = "SELECT key, expiration, metadata FROM pair WHERE key >= ?1 \
               AND (?2 IS NULL OR key > ?2) AND (?3 IS NULL OR key < ?3) \
               AND (expiration IS NULL OR expiration > ?4) ORDER BY key LIMIT ?5";
    let listed = |row: &Row<'_>| {
        Ok(KvListed {
            name: String::from_utf8_lossy(row.get_ref(0)?.as_blob()?).into_owned(),
            expiration: row.get(1)?,
            metadata: row.get(2)?,
        })
    };
    let from = after.filter(|after| *after > prefix).unwrap_or(prefix);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    db.prepare_cached(sql)?
        .query_map(params![from, after, end_of(prefix), now, limit], listed)?
        .collect()
}

/// The first key in byte order that no longer starts with `prefix`.
pub(crate) fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut end = prefix[..=kept].to_vec();
    end[kept] += 1;
    Some(end)
}
