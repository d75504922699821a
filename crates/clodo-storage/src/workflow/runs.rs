//! Runs: an instance's code in memory, from a beginning to an end, a rest or a loss.

use super::{
    Failure, InstanceHome, InstanceSchedule, InstanceStatus, StepKind,
    journal::{self, Held, fatal},
    store::{read, written},
};
use clodo_sqlite::rusqlite::{OptionalExtension, Result, Transaction, params};
use clodo_types::Timestamp;
use serde_json::Value;

/// So often may an instance be lost without getting any further.
const MAX_LOSSES: u32 = 10;
/// The longest rest after a loss, in milliseconds.
const LONGEST_REST: i64 = 60_000;
/// How long an instance rests whose Worker could not be run at all, in milliseconds.
const REST: i64 = 1_000;

/// An instance that is to run now.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct InstanceRun {
    /// Its id.
    pub id: String,
    /// Names this run: whoever does not know it can say nothing of the instance's steps.
    pub token: String,
    /// When the instance was made.
    pub created: Timestamp,
    /// Its parameters, as they are kept.
    pub params: Value,
    /// Which run of a schedule it is.
    pub schedule: Option<InstanceSchedule>,
    /// The version of the Workflow that it was made with.
    pub version: String,
    /// Where it ran before.
    pub home: Option<InstanceHome>,
    /// Its steps are to be undone, for this reason.
    pub undoing: Option<Failure>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum RunEnd {
    /// `run()` returned this, as it is kept.
    Complete(Value),
    /// `run()` threw this.
    Errored(Failure),
    /// All steps wait; the instance runs again when one is due.
    Rest,
    /// Its steps were undone, all of them or not.
    RolledBack(bool),
    /// Its process ended in the middle.
    Lost,
    /// Its process was replaced: nobody is to blame.
    Replaced,
    /// It could not be begun; it is to be tried again later.
    NotBegun,
    /// Somebody else ended it.
    Over,
}

/// What is to run, and when to look again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DueInstances {
    /// The ids of instances that are to run now.
    pub ids: Vec<String>,
    /// When the next one is due.
    pub next: Option<Timestamp>,
}

/// What a process before this one had in memory is lost with it.
pub(super) fn recover(tx: &Transaction<'_>, owner: i64, now: i64) -> Result<()> {
    let sql = "SELECT seq FROM instance WHERE owner IS NOT NULL AND owner <> ?1";
    let lost: Vec<i64> =
        tx.prepare_cached(sql)?.query_map([owner], |row| row.get(0))?.collect::<Result<_>>()?;
    for seq in lost {
        journal::lose_attempts(tx, seq, now)?;
        leave(tx, seq, Some(now), now)?;
    }
    Ok(())
}

/// How many instances have a run.
pub(super) fn count(tx: &Transaction<'_>) -> Result<usize> {
    let sql = "SELECT count(*) FROM instance WHERE run IS NOT NULL";
    let count: i64 = tx.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

pub(super) fn due(tx: &Transaction<'_>, concurrency: usize, now: i64) -> Result<DueInstances> {
    let busy = "SELECT count(*) FROM instance WHERE run IS NOT NULL AND status <> 'waiting'";
    let busy: i64 = tx.prepare_cached(busy)?.query_row([], |row| row.get(0))?;
    let free = i64::try_from(concurrency).unwrap_or(i64::MAX).saturating_sub(busy).max(0);
    // What has begun goes before what has not.
    let sql = "SELECT id FROM instance WHERE due <= ?1 AND run IS NULL \
               ORDER BY started IS NULL, due, seq LIMIT ?2";
    let ids =
        tx.prepare_cached(sql)?.query_map([now, free], |row| row.get(0))?.collect::<Result<_>>()?;
    let next: Option<i64> = tx
        .prepare_cached("SELECT min(due) FROM instance WHERE due > ?1")?
        .query_row([now], |row| row.get(0))?;
    Ok(DueInstances { ids, next: next.map(Timestamp::from_millis) })
}

pub(super) fn begin(
    tx: &Transaction<'_>,
    id: &str,
    (token, owner): (&str, i64),
    now: i64,
) -> Result<Option<InstanceRun>> {
    let sql = "UPDATE instance SET run = ?2, last = ?2, owner = ?3, due = NULL, modified = ?4, \
               started = coalesce(started, ?4), \
               status = CASE WHEN status IN ('queued', 'waiting') THEN 'running' ELSE status END \
               WHERE id = ?1 AND run IS NULL AND due <= ?4 \
               RETURNING id, created, params, schedule, version, home, status, error, seq";
    let begun = tx.prepare_cached(sql)?.query_row(params![id, token, owner, now], |row| {
        let undoes = row.get_ref(6)?.as_str()? == InstanceStatus::RollingBack.as_str();
        let error: Option<Failure> = read(row.get(7)?);
        let terminated = || Failure::new("Terminated", "Instance terminated during rollback");
        let run = InstanceRun {
            id: row.get(0)?,
            token: token.to_owned(),
            created: Timestamp::from_millis(row.get(1)?),
            params: read(row.get(2)?).unwrap_or_default(),
            schedule: read(row.get(3)?),
            version: row.get(4)?,
            home: read(row.get(5)?),
            undoing: undoes.then(|| error.unwrap_or_else(terminated)),
        };
        Ok((run, row.get::<_, i64>(8)?))
    });
    let Some((run, seq)) = begun.optional()? else { return Ok(None) };
    journal::lose_attempts(tx, seq, now)?;
    Ok(Some(run))
}

/// Notes where the instance runs from now on.
pub(super) fn settle_in(tx: &Transaction<'_>, held: &Held, home: &InstanceHome) -> Result<()> {
    tx.prepare_cached("UPDATE instance SET home = ?2 WHERE seq = ?1")?
        .execute(params![held.seq, written(home)])?;
    Ok(())
}

/// Something of the instance was done: earlier losses no longer count.
pub(super) fn progress(tx: &Transaction<'_>, held: &Held, now: i64) -> Result<()> {
    tx.prepare_cached("UPDATE instance SET losses = 0, modified = ?2 WHERE seq = ?1")?
        .execute([held.seq, now])?;
    Ok(())
}

/// Moves between running, waiting and paused, as the steps of the run in memory say.
pub(super) fn settle(tx: &Transaction<'_>, held: &Held, now: i64) -> Result<()> {
    let count = "SELECT count(*) FILTER (WHERE state = 'running'), \
                 count(*) FILTER (WHERE state = 'waiting' AND run = ?2) \
                 FROM step WHERE instance = ?1 AND state IN ('running', 'waiting')";
    let (busy, waiting): (i64, i64) = tx
        .prepare_cached(count)?
        .query_row(params![held.seq, held.run], |row| Ok((row.get(0)?, row.get(1)?)))?;
    match held.status {
        InstanceStatus::WaitingForPause if busy == 0 => pause(tx, held.seq, now),
        InstanceStatus::Running if busy == 0 && waiting > 0 => {
            become_now(tx, held.seq, InstanceStatus::Waiting, now)
        }
        InstanceStatus::Waiting if busy > 0 || waiting == 0 => {
            become_now(tx, held.seq, InstanceStatus::Running, now)
        }
        _ => Ok(()),
    }
}

pub(super) fn become_now(
    tx: &Transaction<'_>,
    seq: i64,
    status: InstanceStatus,
    now: i64,
) -> Result<()> {
    tx.prepare_cached("UPDATE instance SET status = ?2, modified = ?3 WHERE seq = ?1")?
        .execute(params![seq, status.as_str(), now])?;
    Ok(())
}

/// From now on nothing runs until somebody says so.
pub(super) fn pause(tx: &Transaction<'_>, seq: i64, now: i64) -> Result<()> {
    become_now(tx, seq, InstanceStatus::Paused, now)?;
    tx.prepare_cached(
        "UPDATE instance SET run = NULL, owner = NULL, due = NULL, paused = ?2 WHERE seq = ?1",
    )?
    .execute([seq, now])?;
    Ok(())
}

/// The run is over, the instance is not.
fn leave(tx: &Transaction<'_>, seq: i64, due: Option<i64>, now: i64) -> Result<()> {
    let sql = "UPDATE instance SET run = NULL, owner = NULL, due = ?2, modified = ?3 \
               WHERE seq = ?1 RETURNING status";
    let status: String =
        tx.prepare_cached(sql)?.query_row(params![seq, due, now], |row| row.get(0))?;
    if status == InstanceStatus::WaitingForPause.as_str() {
        pause(tx, seq, now)?;
    }
    Ok(())
}

/// The instance is over.
pub(super) fn finish(
    tx: &Transaction<'_>,
    seq: i64,
    status: InstanceStatus,
    (output, error): (Option<&Value>, Option<&Failure>),
    now: i64,
) -> Result<()> {
    tx.prepare_cached(
        "UPDATE instance SET status = ?2, output = ?3, error = ?4, ended = ?5, modified = ?5, \
         expires = ?5 + CASE ?2 WHEN 'errored' THEN keep_error ELSE keep_success END, \
         run = NULL, owner = NULL, due = NULL, paused = NULL, afterwards = NULL WHERE seq = ?1",
    )?
    .execute(params![seq, status.as_str(), output.map(written), error.map(written), now,])?;
    tx.prepare_cached("DELETE FROM event WHERE instance = ?1")?.execute([seq])?;
    Ok(())
}

pub(super) fn end(tx: &Transaction<'_>, held: &Held, end: RunEnd, now: i64) -> Result<()> {
    match end {
        // A pause that was asked for before `run()` returned wins: it returns again when it is
        // resumed.
        RunEnd::Complete(_) | RunEnd::Errored(_)
            if held.status == InstanceStatus::WaitingForPause =>
        {
            pause(tx, held.seq, now)
        }
        RunEnd::Complete(output) => {
            finish(tx, held.seq, InstanceStatus::Complete, (Some(&output), None), now)
        }
        RunEnd::Errored(error) => {
            finish(tx, held.seq, InstanceStatus::Errored, (None, Some(&error)), now)
        }
        RunEnd::RolledBack(well) => end_rollback(tx, held.seq, well, now),
        RunEnd::Rest => {
            let due = next_due(tx, held.seq, now)?;
            leave(tx, held.seq, due, now)
        }
        RunEnd::Replaced => {
            forget_attempts(tx, held.seq, now)?;
            leave(tx, held.seq, Some(now), now)
        }
        RunEnd::NotBegun => leave(tx, held.seq, Some(now.saturating_add(REST)), now),
        RunEnd::Lost => {
            journal::lose_attempts(tx, held.seq, now)?;
            let why = "The instance was lost again and again while it ran outside of its steps";
            back_off(tx, held.seq, now, &fatal(why))
        }
        RunEnd::Over => Ok(()),
    }
}

/// Comes again after a while, but not for ever.
fn back_off(tx: &Transaction<'_>, seq: i64, now: i64, error: &Failure) -> Result<()> {
    let sql = "UPDATE instance SET losses = losses + 1 WHERE seq = ?1 \
               RETURNING losses, status = 'rollingBack'";
    let (losses, undoes): (u32, bool) =
        tx.prepare_cached(sql)?.query_row([seq], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if losses > MAX_LOSSES {
        if undoes {
            // What the rollback was for says more than that it was lost.
            return end_rollback(tx, seq, false, now);
        }
        return finish(tx, seq, InstanceStatus::Errored, (None, Some(error)), now);
    }
    let rest = 100_i64.saturating_mul(2_i64.saturating_pow(losses.saturating_sub(1)));
    leave(tx, seq, Some(now.saturating_add(rest.min(LONGEST_REST))), now)
}

/// Attempts that were cut off through no fault of theirs are made again, and do not count.
fn forget_attempts(tx: &Transaction<'_>, seq: i64, now: i64) -> Result<()> {
    tx.prepare_cached(
        "DELETE FROM attempt WHERE ended IS NULL AND step IN \
         (SELECT seq FROM step WHERE instance = ?1 AND state = 'running')",
    )?
    .execute([seq])?;
    tx.prepare_cached(
        "UPDATE step SET state = 'waiting', attempts = attempts - 1, due = ?2 \
         WHERE instance = ?1 AND state = 'running'",
    )?
    .execute([seq, now])?;
    Ok(())
}

/// When what the code of an instance waits for is due; at once if it is an event that came.
pub(super) fn next_due(tx: &Transaction<'_>, seq: i64, now: i64) -> Result<Option<i64>> {
    let event = "SELECT 1 FROM instance JOIN step ON step.instance = instance.seq \
                 AND step.state = 'waiting' AND step.run = instance.last \
                 JOIN event ON event.instance = instance.seq AND event.type = step.event \
                 WHERE instance.seq = ?1 LIMIT 1";
    if tx.prepare_cached(event)?.exists([seq])? {
        return Ok(Some(now));
    }
    let sql = "SELECT min(step.due) FROM instance JOIN step ON step.instance = instance.seq \
               AND step.state = 'waiting' AND step.run = instance.last WHERE instance.seq = ?1";
    tx.prepare_cached(sql)?.query_row([seq], |row| row.get(0))
}

/// A step that is to be undone.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(crate) struct Undo {
    pub(crate) name: String,
    pub(crate) count: u32,
    pub(crate) attempt: u32,
    pub(crate) config: Value,
    pub(crate) output: Option<Value>,
    pub(crate) stream: bool,
}

/// `run()` threw, or is to be undone: which steps, the last one first. Without any the instance
/// is as it was.
pub(super) fn undo(
    tx: &Transaction<'_>,
    held: &Held,
    error: Option<&Failure>,
    now: i64,
) -> Result<Vec<Undo>> {
    let sql = "SELECT name, count, attempts, config, output, stream IS NOT NULL FROM step \
               WHERE instance = ?1 AND kind = ?2 AND undo ORDER BY seq DESC";
    let steps: Vec<Undo> = tx
        .prepare_cached(sql)?
        .query_map(params![held.seq, StepKind::Do.as_str()], |row| {
            Ok(Undo {
                name: row.get(0)?,
                count: row.get(1)?,
                attempt: row.get(2)?,
                config: read(row.get(3)?).unwrap_or_default(),
                output: read(row.get(4)?),
                stream: row.get(5)?,
            })
        })?
        .collect::<Result<_>>()?;
    if steps.is_empty() || held.status == InstanceStatus::RollingBack {
        return Ok(steps);
    }
    roll_back(tx, held.seq, (InstanceStatus::Errored, error), now)?;
    Ok(steps)
}

/// From now on the instance undoes what it did, and is `afterwards` then.
pub(super) fn roll_back(
    tx: &Transaction<'_>,
    seq: i64,
    (afterwards, error): (InstanceStatus, Option<&Failure>),
    now: i64,
) -> Result<()> {
    become_now(tx, seq, InstanceStatus::RollingBack, now)?;
    tx.prepare_cached("UPDATE instance SET afterwards = ?2, error = ?3 WHERE seq = ?1")?
        .execute(params![seq, afterwards.as_str(), error.map(written)])?;
    Ok(())
}

fn end_rollback(tx: &Transaction<'_>, seq: i64, well: bool, now: i64) -> Result<()> {
    let sql = "UPDATE instance SET rolled_back = ?2 WHERE seq = ?1 RETURNING afterwards, error";
    let (afterwards, error): (Option<String>, Option<String>) = tx
        .prepare_cached(sql)?
        .query_row(params![seq, well], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let status = afterwards.and_then(|status| status.parse().ok());
    let error: Option<Failure> = read(error);
    finish(tx, seq, status.unwrap_or(InstanceStatus::Errored), (None, error.as_ref()), now)
}
