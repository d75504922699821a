//! What somebody outside does to an instance.

use super::{
    Failure, InstanceStatus, RestartFrom, StepKind, WorkflowError, WorkflowErrorKind, runs,
    store::written,
};
use clodo_sqlite::rusqlite::{OptionalExtension, Result, Transaction, params};
use serde_json::Value;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstanceOrder {
    /// Go no further; a step that runs ends first.
    Pause,
    /// Go on.
    Resume,
    /// End; with `rollback` the steps are undone first.
    Terminate {
        /// Whether.
        rollback: bool,
    },
    /// Begin again, or go back to a step.
    Restart {
        /// Which.
        from: Option<RestartFrom>,
    },
}

type Outcome<T> = Result<std::result::Result<T, WorkflowError>>;

/// An instance as an order finds it.
struct Found {
    seq: i64,
    status: InstanceStatus,
    paused: Option<i64>,
    started: bool,
}

fn find(tx: &Transaction<'_>, id: &str) -> Result<Option<Found>> {
    let sql = "SELECT seq, status, paused, started IS NOT NULL FROM instance WHERE id = ?1";
    let found = tx.prepare_cached(sql)?.query_row([id], |row| {
        let status = row.get_ref(1)?.as_str()?.parse().unwrap_or(InstanceStatus::Errored);
        Ok(Found { seq: row.get(0)?, status, paused: row.get(2)?, started: row.get(3)? })
    });
    found.optional()
}

/// Does it, and says what the instance is doing then.
pub(super) fn order(
    tx: &Transaction<'_>,
    id: &str,
    order: &InstanceOrder,
    now: i64,
) -> Outcome<InstanceStatus> {
    let Some(found) = find(tx, id)? else { return Ok(Err(WorkflowError::not_found())) };
    let refused = match order {
        InstanceOrder::Pause => pause(tx, &found, now)?,
        InstanceOrder::Resume => resume(tx, &found, now)?,
        InstanceOrder::Terminate { rollback } => terminate(tx, &found, *rollback, now)?,
        InstanceOrder::Restart { from } => restart(tx, &found, from.as_ref(), now)?,
    };
    match refused {
        Some(error) => Ok(Err(error)),
        None => Ok(Ok(find(tx, id)?.map_or(found.status, |found| found.status))),
    }
}

fn refused(text: &str) -> Option<WorkflowError> {
    Some(WorkflowError::new(WorkflowErrorKind::Conflict, text))
}

fn pause(tx: &Transaction<'_>, found: &Found, now: i64) -> Result<Option<WorkflowError>> {
    match found.status {
        InstanceStatus::Queued | InstanceStatus::Waiting => runs::pause(tx, found.seq, now)?,
        InstanceStatus::Running => {
            let busy = "SELECT 1 FROM step WHERE instance = ?1 AND state = 'running' LIMIT 1";
            if tx.prepare_cached(busy)?.exists([found.seq])? {
                runs::become_now(tx, found.seq, InstanceStatus::WaitingForPause, now)?;
            } else {
                runs::pause(tx, found.seq, now)?;
            }
        }
        InstanceStatus::Paused | InstanceStatus::WaitingForPause => {}
        _ => return Ok(refused("instance.cannot_pause")),
    }
    Ok(None)
}

fn resume(tx: &Transaction<'_>, found: &Found, now: i64) -> Result<Option<WorkflowError>> {
    match found.status {
        InstanceStatus::WaitingForPause => {
            runs::become_now(tx, found.seq, InstanceStatus::Running, now)?;
        }
        InstanceStatus::Paused => {
            // What waits goes on with the time that it had left.
            let shift = found.paused.map_or(0, |paused| now.saturating_sub(paused).max(0));
            tx.prepare_cached(
                "UPDATE step SET due = due + ?2 WHERE instance = ?1 AND state = 'waiting'",
            )?
            .execute([found.seq, shift])?;
            let next = if found.started { InstanceStatus::Waiting } else { InstanceStatus::Queued };
            runs::become_now(tx, found.seq, next, now)?;
            tx.prepare_cached("UPDATE instance SET due = ?2, paused = NULL WHERE seq = ?1")?
                .execute([found.seq, now])?;
        }
        _ => return Ok(refused("instance.cannot_resume")),
    }
    Ok(None)
}

fn terminate(
    tx: &Transaction<'_>,
    found: &Found,
    rollback: bool,
    now: i64,
) -> Result<Option<WorkflowError>> {
    if found.status.is_over() {
        return Ok(refused("instance.cannot_terminate"));
    }
    let undo = "SELECT 1 FROM step WHERE instance = ?1 AND undo LIMIT 1";
    let undoes = rollback && tx.prepare_cached(undo)?.exists([found.seq])?;
    if !undoes {
        runs::finish(tx, found.seq, InstanceStatus::Terminated, (None, None), now)?;
    } else if found.status != InstanceStatus::RollingBack {
        cut_off(tx, found.seq, now)?;
        runs::roll_back(tx, found.seq, (InstanceStatus::Terminated, None), now)?;
        tx.prepare_cached(
            "UPDATE instance SET run = NULL, owner = NULL, due = ?2, paused = NULL WHERE seq = ?1",
        )?
        .execute([found.seq, now])?;
    }
    Ok(None)
}

/// Attempts that run are not waited for.
fn cut_off(tx: &Transaction<'_>, seq: i64, now: i64) -> Result<()> {
    let error = written(&Failure::new("Terminated", "Instance terminated"));
    tx.prepare_cached(
        "UPDATE attempt SET ended = ?2, error = ?3 WHERE ended IS NULL AND step IN \
         (SELECT seq FROM step WHERE instance = ?1)",
    )?
    .execute(params![seq, now, error])?;
    tx.prepare_cached(
        "UPDATE step SET state = 'errored', ended = ?2, due = NULL, error = ?3 \
         WHERE instance = ?1 AND state IN ('running', 'waiting')",
    )?
    .execute(params![seq, now, error])?;
    Ok(())
}

fn restart(
    tx: &Transaction<'_>,
    found: &Found,
    from: Option<&RestartFrom>,
    now: i64,
) -> Result<Option<WorkflowError>> {
    let mut first = 0;
    if let Some(from) = from {
        let sql = "SELECT seq FROM step WHERE instance = ?1 AND kind = ?2 AND name = ?3 \
                   AND count = ?4";
        let known = tx
            .prepare_cached(sql)?
            .query_row(params![found.seq, from.kind.as_str(), from.name, from.count], |row| {
                row.get::<_, i64>(0)
            });
        match known.optional()? {
            Some(seq) => first = seq,
            None => return Ok(refused("instance.cannot_restart: no such step")),
        }
    }
    // A rollback undid steps that are kept: they are done again.
    let rollback = StepKind::Rollback.as_str();
    tx.prepare_cached("DELETE FROM step WHERE instance = ?1 AND (seq >= ?2 OR kind = ?3)")?
        .execute(params![found.seq, first, rollback])?;
    tx.prepare_cached("DELETE FROM event WHERE instance = ?1")?.execute([found.seq])?;
    tx.prepare_cached(
        "UPDATE instance SET status = 'queued', modified = ?2, due = ?2, run = NULL, owner = NULL, \
         home = NULL, ended = NULL, expires = NULL, paused = NULL, afterwards = NULL, \
         rolled_back = NULL, losses = 0, output = NULL, error = NULL, \
         started = CASE ?3 WHEN 0 THEN NULL ELSE started END, \
         bytes = octet_length(params) + (SELECT coalesce(sum(octet_length(coalesce(output, '')) + \
         coalesce(stream, 0)), 0) FROM step WHERE step.instance = instance.seq) WHERE seq = ?1",
    )?
    .execute([found.seq, now, first])?;
    Ok(None)
}

/// Keeps an event for the step that waits for it, or will.
pub(super) fn send(
    tx: &Transaction<'_>,
    id: &str,
    (kind, payload): (&str, &Value),
    now: i64,
) -> Outcome<()> {
    let Some(found) = find(tx, id)? else { return Ok(Err(WorkflowError::not_found())) };
    if found.status.is_over() {
        let text = "instance.not_running: the instance has ended";
        return Ok(Err(WorkflowError::new(WorkflowErrorKind::Conflict, text)));
    }
    let payload = written(payload);
    tx.prepare_cached("INSERT INTO event (instance, type, sent, payload) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![found.seq, kind, now, payload])?;
    tx.prepare_cached("UPDATE instance SET bytes = bytes + ?2 WHERE seq = ?1")?
        .execute(params![found.seq, i64::try_from(payload.len()).unwrap_or(i64::MAX)])?;
    // One that rests until then runs again; one that runs is told.
    if found.status == InstanceStatus::Waiting {
        let due = runs::next_due(tx, found.seq, now)?;
        tx.prepare_cached("UPDATE instance SET due = ?2 WHERE seq = ?1 AND run IS NULL")?
            .execute(params![found.seq, due])?;
    }
    Ok(Ok(()))
}
