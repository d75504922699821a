//! The SQL beneath instances. All of it runs on the connection's thread.

use super::{
    Attempt, Failure, Instance, InstanceFilter, InstancePage, InstanceStatus, InstanceTotals,
    InstanceTrigger, NewInstance, Retention, StepKind, StepRecord, StepState,
};
use clodo_sqlite::{
    Durability, OpenOptions,
    rusqlite::{Connection, OptionalExtension, Result, Row, Transaction, params},
};
use clodo_types::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::path::Path;

/// `run` is the token of the run in memory, `last` of the last one there was, and `owner` the
/// process that has it; `due` is when an instance without a run gets one. A step's `run` is the one
/// whose code waits for it. What is long stands last, so that nothing else reads its pages.
const FORMAT: &[&str] = &["
    CREATE TABLE instance (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        version TEXT NOT NULL,
        status TEXT NOT NULL,
        source TEXT NOT NULL,
        schedule TEXT,
        created INTEGER NOT NULL,
        modified INTEGER NOT NULL,
        started INTEGER,
        ended INTEGER,
        expires INTEGER,
        due INTEGER,
        run TEXT,
        last TEXT,
        owner INTEGER,
        home TEXT,
        losses INTEGER NOT NULL DEFAULT 0,
        paused INTEGER,
        afterwards TEXT,
        rolled_back INTEGER,
        keep_success INTEGER NOT NULL,
        keep_error INTEGER NOT NULL,
        bytes INTEGER NOT NULL DEFAULT 0,
        error TEXT,
        params TEXT NOT NULL,
        output TEXT
    ) STRICT;
    CREATE INDEX instance_by_due ON instance (due) WHERE due IS NOT NULL;
    CREATE INDEX instance_by_owner ON instance (owner) WHERE owner IS NOT NULL;
    CREATE INDEX instance_by_expiry ON instance (expires) WHERE expires IS NOT NULL;
    CREATE INDEX instance_by_status ON instance (status, seq);
    CREATE TABLE step (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        instance INTEGER NOT NULL REFERENCES instance (seq) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        count INTEGER NOT NULL,
        state TEXT NOT NULL,
        event TEXT,
        undo INTEGER NOT NULL DEFAULT 0,
        run TEXT,
        started INTEGER NOT NULL,
        ended INTEGER,
        due INTEGER,
        attempts INTEGER NOT NULL DEFAULT 0,
        config TEXT NOT NULL,
        error TEXT,
        stream INTEGER,
        output TEXT,
        UNIQUE (instance, kind, name, count)
    ) STRICT;
    CREATE INDEX step_by_state ON step (instance, state);
    CREATE TABLE attempt (
        step INTEGER NOT NULL REFERENCES step (seq) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        started INTEGER NOT NULL,
        ended INTEGER,
        error TEXT,
        PRIMARY KEY (step, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE event (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        instance INTEGER NOT NULL REFERENCES instance (seq) ON DELETE CASCADE,
        type TEXT NOT NULL,
        sent INTEGER NOT NULL,
        payload TEXT NOT NULL
    ) STRICT;
    CREATE INDEX event_by_instance ON event (instance, type, seq);
    CREATE TABLE chunk (
        step INTEGER NOT NULL REFERENCES step (seq) ON DELETE CASCADE,
        attempt INTEGER NOT NULL,
        number INTEGER NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (step, attempt, number)
    ) STRICT
"];

const COLUMNS: &str = "id, version, status, source, schedule, created, modified, started, ended, \
                       params, output, error, rolled_back, home";
const STEP_COLUMNS: &str = "seq, kind, name, count, state, config, event, started, ended, due, \
                            output, stream, error";

pub(super) fn opener(_: &Path) -> (OpenOptions, ()) {
    let options = OpenOptions::default().with_durability(Durability::Normal).with_format(FORMAT);
    let references = |db: &mut Connection| db.pragma_update(None, "foreign_keys", true);
    (options.with_init(references), ())
}

/// JSON as text, for a column.
pub(super) fn written(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("values have string keys")
}

/// What a column holds, if it can be read.
pub(super) fn read<T: DeserializeOwned>(text: Option<String>) -> Option<T> {
    text.and_then(|text| serde_json::from_str(&text).ok())
}

pub(super) fn moment(millis: Option<i64>) -> Option<Timestamp> {
    millis.map(Timestamp::from_millis)
}

fn status(row: &Row<'_>, at: usize) -> Result<InstanceStatus> {
    Ok(row.get_ref(at)?.as_str()?.parse().unwrap_or(InstanceStatus::Errored))
}

fn instance(row: &Row<'_>) -> Result<Instance> {
    Ok(Instance {
        id: row.get(0)?,
        version: row.get(1)?,
        status: status(row, 2)?,
        trigger: InstanceTrigger::of(row.get_ref(3)?.as_str()?),
        schedule: read(row.get(4)?),
        created: Timestamp::from_millis(row.get(5)?),
        modified: Timestamp::from_millis(row.get(6)?),
        started: moment(row.get(7)?),
        ended: moment(row.get(8)?),
        params: read(row.get(9)?).unwrap_or_default(),
        output: read(row.get(10)?),
        error: read(row.get(11)?),
        rolled_back: row.get(12)?,
        home: read(row.get(13)?),
    })
}

/// Adds an instance; false when there is one of that id.
pub(super) fn insert(
    tx: &Transaction<'_>,
    new: &NewInstance,
    version: &str,
    usual: Retention,
    now: i64,
) -> Result<bool> {
    let params = written(&new.params);
    let keep = |own: Option<_>, usual| super::millis(own.unwrap_or(usual));
    let made = tx
        .prepare_cached(
            "INSERT INTO instance (id, version, status, source, schedule, created, modified, due, \
             keep_success, keep_error, bytes, params) \
             VALUES (?1, ?2, 'queued', ?3, ?4, ?5, ?5, ?5, ?6, ?7, ?8, ?9) \
             ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            new.id.as_str(),
            version,
            new.trigger.as_str(),
            new.schedule.as_ref().map(written),
            now,
            keep(new.keep_success, usual.success),
            keep(new.keep_error, usual.error),
            i64::try_from(params.len()).unwrap_or(i64::MAX),
            params,
        ])?;
    Ok(made == 1)
}

/// One instance, unless it was kept long enough.
pub(super) fn find(db: &Connection, id: &str, now: i64) -> Result<Option<Instance>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM instance WHERE id = ?1 AND (expires IS NULL OR expires > ?2)"
    );
    db.prepare_cached(&sql)?.query_row(params![id, now], instance).optional()
}

/// Removes what was kept long enough.
pub(super) fn expire(db: &Connection, now: i64) -> Result<usize> {
    db.prepare_cached("DELETE FROM instance WHERE expires <= ?1")?.execute([now])
}

pub(super) fn delete(tx: &Transaction<'_>, id: &str) -> Result<bool> {
    Ok(tx.prepare_cached("DELETE FROM instance WHERE id = ?1")?.execute([id])? > 0)
}

pub(super) fn list(db: &Connection, filter: &InstanceFilter) -> Result<InstancePage> {
    let order = if filter.ascending { "ASC" } else { "DESC" };
    let beyond = if filter.ascending { ">" } else { "<" };
    let fits = "(?1 IS NULL OR status = ?1) AND (?2 IS NULL OR created >= ?2) \
                AND (?3 IS NULL OR created <= ?3)";
    let status = filter.status.map(InstanceStatus::as_str);
    let (from, until) =
        (filter.from.map(Timestamp::as_millis), filter.until.map(Timestamp::as_millis));
    let total: i64 = db
        .prepare_cached(&format!("SELECT count(*) FROM instance WHERE {fits}"))?
        .query_row(params![status, from, until], |row| row.get(0))?;
    let sql = format!(
        "SELECT {COLUMNS}, seq FROM instance WHERE {fits} AND (?4 IS NULL OR seq {beyond} ?4) \
         ORDER BY seq {order} LIMIT ?5 OFFSET ?6"
    );
    let whole = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    // One more than asked for tells whether another page follows.
    let limit = whole(filter.limit).saturating_add(1);
    let skip = whole(filter.skip);
    let mut found: Vec<(Instance, i64)> = db
        .prepare_cached(&sql)?
        .query_map(params![status, from, until, filter.after, limit, skip], |row| {
            Ok((instance(row)?, row.get(14)?))
        })?
        .collect::<Result<_>>()?;
    let more = found.len() > filter.limit;
    found.truncate(filter.limit);
    let next = found.last().filter(|_| more).map(|(_, seq)| *seq);
    let instances = found.into_iter().map(|(instance, _)| instance).collect();
    Ok(InstancePage { instances, total: usize::try_from(total).unwrap_or(0), next })
}

pub(super) fn totals(db: &Connection) -> Result<InstanceTotals> {
    let mut statement =
        db.prepare_cached("SELECT status, count(*) FROM instance GROUP BY status")?;
    let rows = statement.query_map([], |row| {
        let count: i64 = row.get(1)?;
        Ok((status(row, 0)?, u64::try_from(count).unwrap_or(0)))
    })?;
    let by_status = rows.collect::<Result<_>>()?;
    let newest = db
        .prepare_cached("SELECT max(created) FROM instance")?
        .query_row([], |row| row.get::<_, Option<i64>>(0))?;
    Ok(InstanceTotals { by_status, newest: moment(newest) })
}

/// The ids of instances that are not over, or of those doing one thing.
pub(super) fn unfinished(db: &Connection, only: Option<InstanceStatus>) -> Result<Vec<String>> {
    let sql = "SELECT id FROM instance WHERE status NOT IN ('complete', 'errored', 'terminated') \
               AND (?1 IS NULL OR status = ?1)";
    let only = only.map(InstanceStatus::as_str);
    db.prepare_cached(sql)?.query_map([only], |row| row.get(0))?.collect()
}

/// All steps of an instance, in the order in which they were reached.
pub(super) fn steps(db: &Connection, id: &str) -> Result<Vec<StepRecord>> {
    let sql = format!(
        "SELECT {STEP_COLUMNS} FROM step WHERE instance = \
         (SELECT seq FROM instance WHERE id = ?1) ORDER BY seq"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let found: Vec<(i64, StepRecord)> = statement.query_map([id], step)?.collect::<Result<_>>()?;
    let with_attempts = |(seq, mut step): (i64, StepRecord)| {
        step.attempts = attempts(db, seq)?;
        Ok(step)
    };
    found.into_iter().map(with_attempts).collect()
}

fn step(row: &Row<'_>) -> Result<(i64, StepRecord)> {
    let length: Option<i64> = row.get(11)?;
    let record = StepRecord {
        kind: StepKind::of(row.get_ref(1)?.as_str()?),
        name: row.get(2)?,
        count: row.get(3)?,
        state: StepState::of(row.get_ref(4)?.as_str()?),
        config: read(row.get(5)?).unwrap_or(Value::Null),
        event: row.get(6)?,
        started: Timestamp::from_millis(row.get(7)?),
        ended: moment(row.get(8)?),
        due: moment(row.get(9)?),
        output: read(row.get(10)?),
        stream: length.and_then(|length| u64::try_from(length).ok()),
        error: read::<Failure>(row.get(12)?),
        attempts: Vec::new(),
    };
    Ok((row.get(0)?, record))
}

fn attempts(db: &Connection, step: i64) -> Result<Vec<Attempt>> {
    let sql = "SELECT started, ended, error FROM attempt WHERE step = ?1 ORDER BY number";
    let one = |row: &Row<'_>| {
        Ok(Attempt {
            started: Timestamp::from_millis(row.get(0)?),
            ended: moment(row.get(1)?),
            error: read(row.get(2)?),
        })
    };
    db.prepare_cached(sql)?.query_map([step], one)?.collect()
}
