//! The SQL beneath a queue. All of it runs on the connection's thread.

use super::{Backlog, BodyFormat, QueuedMessage, Ready};
use bytes::Bytes;
use clodo_sqlite::{
    Durability, OpenOptions,
    rusqlite::{Connection, OptionalExtension, Result, Row, Transaction, params},
};
use clodo_types::Timestamp;
use std::path::Path;

/// `visible` is the moment from which a message may be delivered: the end of its delay, of its
/// lease, or of its delivery. `run` is the process that is delivering it. Totals are kept by
/// triggers, since every send answers with them. The body stands last, so that nothing else reads
/// its pages.
const FORMAT: &[&str] = &["
    CREATE TABLE message (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        sent INTEGER NOT NULL,
        arrived INTEGER NOT NULL,
        visible INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        run INTEGER,
        lease TEXT,
        format TEXT NOT NULL,
        size INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT;
    CREATE INDEX message_by_visible ON message (visible, seq);
    CREATE INDEX message_by_sent ON message (sent);
    CREATE INDEX message_by_arrived ON message (arrived);
    CREATE INDEX message_by_run ON message (run) WHERE run IS NOT NULL;
    CREATE INDEX message_by_lease ON message (lease) WHERE lease IS NOT NULL;
    CREATE TABLE total (count INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;
    INSERT INTO total VALUES (0, 0);
    CREATE TRIGGER message_comes AFTER INSERT ON message BEGIN
        UPDATE total SET count = count + 1, bytes = bytes + new.size;
    END;
    CREATE TRIGGER message_goes AFTER DELETE ON message BEGIN
        UPDATE total SET count = count - 1, bytes = bytes - old.size;
    END
"];

const COLUMNS: &str = "id, sent, format, body, attempts";

pub(super) fn opener(_: &Path) -> (OpenOptions, ()) {
    (OpenOptions::default().with_durability(Durability::Normal).with_format(FORMAT), ())
}

/// A message that was checked and has its id.
#[derive(Clone, Debug)]
pub(super) struct Incoming {
    pub(super) id: String,
    pub(super) sent: i64,
    pub(super) visible: i64,
    pub(super) format: BodyFormat,
    pub(super) body: Bytes,
}

fn message(row: &Row<'_>) -> Result<QueuedMessage> {
    Ok(QueuedMessage {
        id: row.get(0)?,
        sent: Timestamp::from_millis(row.get(1)?),
        format: row.get_ref(2)?.as_str()?.parse().unwrap_or_default(),
        body: row.get::<_, Vec<u8>>(3)?.into(),
        attempts: row.get(4)?,
    })
}

/// Adds messages; one whose id is there already is left alone.
pub(super) fn insert(db: &mut Connection, messages: &[Incoming], now: i64) -> Result<()> {
    let tx = db.transaction()?;
    {
        let mut insert = tx.prepare_cached(
            "INSERT INTO message (id, sent, arrived, visible, attempts, format, size, body) \
             VALUES (?1, ?2, ?3, ?4, 0, ?5, ?6, ?7) ON CONFLICT (id) DO NOTHING",
        )?;
        for message in messages {
            let Incoming { id, sent, visible, format, body } = message;
            let size = i64::try_from(body.len()).unwrap_or(i64::MAX);
            insert.execute(params![id, sent, now, visible, format.as_str(), size, &body[..]])?;
        }
    }
    tx.commit()
}

/// Removes what was kept long enough, unless somebody is at it.
pub(super) fn expire(db: &Connection, before: i64, now: i64) -> Result<usize> {
    let sql = "DELETE FROM message WHERE arrived <= ?1 AND run IS NULL \
               AND (lease IS NULL OR visible <= ?2)";
    db.prepare_cached(sql)?.execute([before, now])
}

/// What an earlier process was delivering when it ended comes again.
pub(super) fn recover(db: &Connection, run: i64, now: i64) -> Result<usize> {
    let sql = "UPDATE message SET run = NULL, visible = ?2 WHERE run IS NOT NULL AND run <> ?1";
    db.prepare_cached(sql)?.execute([run, now])
}

pub(super) fn backlog(db: &Connection) -> Result<Backlog> {
    let (count, bytes): (i64, i64) = db
        .prepare_cached("SELECT count, bytes FROM total")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let oldest: Option<i64> =
        db.prepare_cached("SELECT min(sent) FROM message")?.query_row([], |row| row.get(0))?;
    let positive = |number| u64::try_from(number).unwrap_or(0);
    let oldest = oldest.map(Timestamp::from_millis);
    Ok(Backlog { count: positive(count), bytes: positive(bytes), oldest })
}

pub(super) fn ready(db: &Connection, limit: usize, now: i64) -> Result<Ready> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let sql = "SELECT count(*) FROM (SELECT 1 FROM message WHERE visible <= ?1 LIMIT ?2)";
    let count: i64 = db.prepare_cached(sql)?.query_row([now, limit], |row| row.get(0))?;
    let next: Option<i64> = db
        .prepare_cached("SELECT min(visible) FROM message WHERE visible > ?1")?
        .query_row([now], |row| row.get(0))?;
    let count = usize::try_from(count).unwrap_or(0);
    Ok(Ready { count, next: next.map(Timestamp::from_millis) })
}

/// At most `limit` deliverable messages of at most `bytes` together, but always one.
pub(super) fn deliverable(
    db: &Connection,
    limit: usize,
    bytes: u64,
    now: i64,
) -> Result<Vec<QueuedMessage>> {
    let sql =
        format!("SELECT {COLUMNS} FROM message WHERE visible <= ?1 ORDER BY visible, seq LIMIT ?2");
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query([now, limit])?;
    let (mut found, mut size) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let message = message(row)?;
        size += message.body.len() as u64;
        if !found.is_empty() && size > bytes {
            break;
        }
        found.push(message);
    }
    Ok(found)
}

/// Notes that this process is delivering a message.
pub(super) fn mark_taken(tx: &Transaction<'_>, id: &str, run: i64, until: i64) -> Result<usize> {
    let sql = "UPDATE message SET run = ?2, lease = NULL, visible = ?3 WHERE id = ?1";
    tx.prepare_cached(sql)?.execute(params![id, run, until])
}

pub(super) fn mark_leased(
    tx: &Transaction<'_>,
    id: &str,
    lease: &str,
    until: i64,
) -> Result<usize> {
    let sql = "UPDATE message SET run = NULL, lease = ?2, visible = ?3, attempts = attempts + 1 \
               WHERE id = ?1";
    tx.prepare_cached(sql)?.execute(params![id, lease, until])
}

/// A message that this process took, as the next delivery would show it.
pub(super) fn taken(db: &Connection, id: &str, run: i64) -> Result<Option<QueuedMessage>> {
    let sql = format!("SELECT {COLUMNS} FROM message WHERE id = ?1 AND run = ?2");
    db.prepare_cached(&sql)?.query_row(params![id, run], message).optional()
}

/// The message of a lease that has not ended.
pub(super) fn leased(db: &Connection, lease: &str, now: i64) -> Result<Option<QueuedMessage>> {
    let sql = format!("SELECT {COLUMNS} FROM message WHERE lease = ?1 AND visible > ?2");
    db.prepare_cached(&sql)?.query_row(params![lease, now], message).optional()
}

/// Messages whose last lease ended without a word, and that may not be leased again.
pub(super) fn exhausted(db: &Connection, attempts: u32, now: i64) -> Result<Vec<QueuedMessage>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM message WHERE lease IS NOT NULL AND visible <= ?2 \
         AND attempts > ?1 LIMIT 1000"
    );
    db.prepare_cached(&sql)?.query_map(params![attempts, now], message)?.collect()
}

/// Lets a message come again at `visible`.
pub(super) fn put_back(
    tx: &Transaction<'_>,
    id: &str,
    visible: i64,
    failures: u32,
) -> Result<usize> {
    let sql = "UPDATE message SET run = NULL, lease = NULL, visible = ?2, \
               attempts = attempts + ?3 WHERE id = ?1";
    tx.prepare_cached(sql)?.execute(params![id, visible, failures])
}

pub(super) fn delete(tx: &Transaction<'_>, id: &str) -> Result<usize> {
    tx.prepare_cached("DELETE FROM message WHERE id = ?1")?.execute([id])
}

/// The oldest messages, whether deliverable or not.
pub(super) fn first(db: &Connection, limit: usize) -> Result<Vec<QueuedMessage>> {
    let sql = format!("SELECT {COLUMNS} FROM message ORDER BY seq LIMIT ?1");
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    db.prepare_cached(&sql)?.query_map([limit], message)?.collect()
}

pub(super) fn purge(db: &Connection) -> Result<usize> {
    db.execute("DELETE FROM message", [])
}
