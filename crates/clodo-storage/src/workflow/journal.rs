//! What a run in memory says of its steps, and what it hears: the part that makes an instance go
//! on where it was.
//!
//! **Invariant:** a step's result is on disk before the code that waits for it hears of it.

use super::{
    Failure, InstanceStatus, StepKind, StepState,
    config::StepConfig,
    limits, millis, runs,
    store::{read, written},
    workflow_duration,
};
use clodo_sqlite::rusqlite::{OptionalExtension, Result, Transaction, params};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A step that the code has reached.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepCall {
    pub(crate) kind: StepKind,
    pub(crate) name: String,
    /// Which of that name; the first is 1.
    pub(crate) count: u32,
    /// Of `do`: as the code gave it.
    #[serde(default)]
    pub(crate) config: Value,
    /// Of `do`: whether it can be undone.
    #[serde(default)]
    pub(crate) undo: bool,
    /// Of `waitForEvent`.
    #[serde(default)]
    pub(crate) event: Option<String>,
    /// Of `sleep` and `waitForEvent`: how long.
    #[serde(default)]
    pub(crate) duration: Option<Value>,
    /// Of `sleep`: until when instead, in milliseconds since the epoch.
    #[serde(default)]
    pub(crate) until: Option<f64>,
}

/// How an attempt ended.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AttemptEnd {
    pub(crate) kind: StepKind,
    pub(crate) name: String,
    pub(crate) count: u32,
    pub(crate) number: u32,
    #[serde(default)]
    pub(crate) output: Option<Value>,
    /// The output was stored as a stream of this length.
    #[serde(default)]
    pub(crate) stream: Option<u64>,
    #[serde(default)]
    pub(crate) error: Option<Failure>,
    /// No other attempt is to be made.
    #[serde(default)]
    pub(crate) last: bool,
    /// How long to wait, where the code decides.
    #[serde(default)]
    pub(crate) delay: Option<Value>,
}

/// What is to happen with a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "camelCase")]
pub(crate) enum StepAnswer {
    /// It has this result.
    Complete { output: Value },
    /// It gave a stream of this length.
    Stream { attempt: u32 },
    /// It failed for good.
    Errored { error: Failure },
    /// Its code is to run now, for so many milliseconds at most.
    Attempt { number: u32, timeout: i64, config: Value },
    /// It waits.
    Waiting,
}

/// An instance that a run holds.
pub(super) struct Held {
    pub(super) seq: i64,
    pub(super) status: InstanceStatus,
    pub(super) run: String,
    bytes: i64,
}

/// A step as the journal needs it.
struct Known {
    seq: i64,
    state: StepState,
    due: Option<i64>,
    attempts: u32,
    config: Value,
    output: Option<Value>,
    stream: Option<i64>,
    error: Option<Failure>,
}

/// The instance, if this run may still say anything.
pub(super) fn held(tx: &Transaction<'_>, id: &str, run: &str) -> Result<Option<Held>> {
    let sql = "SELECT seq, status, bytes FROM instance WHERE id = ?1 AND run = ?2";
    let found = tx.prepare_cached(sql)?.query_row([id, run], |row| {
        let status = row.get_ref(1)?.as_str()?.parse().unwrap_or(InstanceStatus::Errored);
        Ok(Held { seq: row.get(0)?, status, run: run.to_owned(), bytes: row.get(2)? })
    });
    found.optional()
}

fn known(
    tx: &Transaction<'_>,
    held: &Held,
    kind: StepKind,
    name: &str,
    count: u32,
) -> Result<Option<Known>> {
    let sql = "SELECT seq, state, due, attempts, config, output, stream, error FROM step \
               WHERE instance = ?1 AND kind = ?2 AND name = ?3 AND count = ?4";
    let found =
        tx.prepare_cached(sql)?.query_row(params![held.seq, kind.as_str(), name, count], |row| {
            Ok(Known {
                seq: row.get(0)?,
                state: StepState::of(row.get_ref(1)?.as_str()?),
                due: row.get(2)?,
                attempts: row.get(3)?,
                config: read(row.get(4)?).unwrap_or_default(),
                output: read(row.get(5)?),
                stream: row.get(6)?,
                error: read(row.get(7)?),
            })
        });
    found.optional()
}

/// Answers what to do with a step that the code has reached, and makes it when it is new.
pub(super) fn reach(
    tx: &Transaction<'_>,
    held: &Held,
    call: &StepCall,
    steps: u32,
    now: i64,
) -> Result<StepAnswer> {
    let answer = match known(tx, held, call.kind, &call.name, call.count)? {
        Some(step) => again(tx, held, call, step, now)?,
        None => match first(tx, held, call, steps, now)? {
            Ok(step) => again(tx, held, call, step, now)?,
            Err(error) => StepAnswer::Errored { error },
        },
    };
    if answer == StepAnswer::Waiting {
        wait(tx, held, call)?;
    }
    runs::settle(tx, held, now)?;
    Ok(answer)
}

/// Notes that the code of this run waits for the step.
fn wait(tx: &Transaction<'_>, held: &Held, call: &StepCall) -> Result<()> {
    let sql = "UPDATE step SET run = ?5 WHERE instance = ?1 AND kind = ?2 AND name = ?3 \
               AND count = ?4 AND run IS NOT ?5";
    let StepCall { kind, name, count, .. } = call;
    tx.prepare_cached(sql)?.execute(params![held.seq, kind.as_str(), name, count, held.run])?;
    Ok(())
}

/// Makes the step; an error is the code's own.
fn first(
    tx: &Transaction<'_>,
    held: &Held,
    call: &StepCall,
    steps: u32,
    now: i64,
) -> Result<std::result::Result<Known, Failure>> {
    let (config, due) = match planned(call, now) {
        Ok(planned) => planned,
        Err(error) => return Ok(Err(error)),
    };
    if call.kind == StepKind::Do && done(tx, held)? >= steps {
        return Ok(Err(fatal(format!(
            "The limit of {steps} steps has been reached. This limit can be changed in your \
             worker configuration."
        ))));
    }
    tx.prepare_cached(
        "INSERT INTO step (instance, kind, name, count, state, event, undo, started, due, config) \
         VALUES (?1, ?2, ?3, ?4, 'waiting', ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        held.seq,
        call.kind.as_str(),
        call.name,
        call.count,
        call.event,
        call.undo,
        now,
        due,
        written(&config),
    ])?;
    Ok(Ok(Known {
        seq: tx.last_insert_rowid(),
        state: StepState::Waiting,
        due: Some(due),
        attempts: 0,
        config,
        output: None,
        stream: None,
        error: None,
    }))
}

/// How many steps there are that count.
fn done(tx: &Transaction<'_>, held: &Held) -> Result<u32> {
    let sql = "SELECT count(*) FROM step WHERE instance = ?1 AND kind = 'do'";
    tx.prepare_cached(sql)?.query_row([held.seq], |row| row.get(0))
}

/// The settings of a new step, and when it goes on.
fn planned(call: &StepCall, now: i64) -> std::result::Result<(Value, i64), Failure> {
    let name = &call.name;
    if name.chars().count() > limits::STEP_NAME || name.chars().any(char::is_control) {
        let max = limits::STEP_NAME;
        return Err(fatal(format!(
            "Step name \"{name}\" exceeds max length ({max} chars) or invalid characters found"
        )));
    }
    let span = || {
        let span = call.duration.as_ref().and_then(workflow_duration);
        let text = call.duration.clone().unwrap_or_default();
        span.ok_or_else(|| Failure::new("TypeError", format!("Invalid duration {text}")))
    };
    match call.kind {
        StepKind::Do | StepKind::Rollback => {
            let config = StepConfig::of(&call.config);
            let invalid = || fatal(format!("Step config for \"{name}\" is in a invalid format."));
            Ok((config.ok_or_else(invalid)?.shown, now))
        }
        StepKind::Sleep => match call.until {
            Some(until) => Ok((Value::Null, until_moment(until, now)?)),
            None => Ok((Value::Null, now.saturating_add(millis(span()?)))),
        },
        StepKind::WaitForEvent => {
            let event = call.event.as_deref().unwrap_or_default();
            if !is_event_type(event) {
                return Err(fatal(format!("Event type \"{event}\" is invalid.")));
            }
            let timeout = span()?;
            Ok((json!({ "timeout": millis(timeout) }), now.saturating_add(millis(timeout))))
        }
    }
}

fn until_moment(until: f64, now: i64) -> std::result::Result<i64, Failure> {
    #[expect(clippy::cast_precision_loss, reason = "the present is exact")]
    let left = until - now as f64;
    if left < 0.0 {
        let text = "You can't sleep until a time in the past, time-traveler";
        return Err(Failure::new("Error", text));
    }
    let left = workflow_duration(&json!(left));
    left.map(|left| now.saturating_add(millis(left)))
        .ok_or_else(|| Failure::new("TypeError", "The time is invalid, or more than a year away."))
}

/// Whether a text can be the type of an event.
pub(super) fn is_event_type(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_' || b == b'.';
    (1..=limits::EVENT_TYPE).contains(&text.len()) && text.bytes().all(allowed)
}

fn again(
    tx: &Transaction<'_>,
    held: &Held,
    call: &StepCall,
    step: Known,
    now: i64,
) -> Result<StepAnswer> {
    match step.state {
        StepState::Complete => Ok(match step.stream {
            Some(_) => StepAnswer::Stream { attempt: step.attempts },
            None => StepAnswer::Complete { output: step.output.unwrap_or_default() },
        }),
        StepState::Errored => Ok(StepAnswer::Errored { error: step.error.unwrap_or_else(lost) }),
        // Only the run itself could have begun it, and it would not ask again.
        StepState::Running => Ok(StepAnswer::Waiting),
        StepState::Waiting => match call.kind {
            StepKind::Do | StepKind::Rollback => attempt(tx, step, now),
            StepKind::Sleep => sleep(tx, &step, now),
            StepKind::WaitForEvent => event(tx, held, &step, now),
        },
    }
}

fn attempt(tx: &Transaction<'_>, step: Known, now: i64) -> Result<StepAnswer> {
    if step.due.is_some_and(|due| due > now) {
        return Ok(StepAnswer::Waiting);
    }
    let number = step.attempts + 1;
    tx.prepare_cached(
        "UPDATE step SET state = 'running', attempts = ?2, due = NULL WHERE seq = ?1",
    )?
    .execute(params![step.seq, number])?;
    tx.prepare_cached("INSERT INTO attempt (step, number, started) VALUES (?1, ?2, ?3)")?
        .execute(params![step.seq, number, now])?;
    let timeout = StepConfig::of(&step.config).map_or(0, |config| millis(config.timeout));
    Ok(StepAnswer::Attempt { number, timeout, config: step.config })
}

fn sleep(tx: &Transaction<'_>, step: &Known, now: i64) -> Result<StepAnswer> {
    if step.due.is_some_and(|due| due > now) {
        return Ok(StepAnswer::Waiting);
    }
    finish(tx, step.seq, now, None)?;
    Ok(StepAnswer::Complete { output: Value::Null })
}

fn event(tx: &Transaction<'_>, held: &Held, step: &Known, now: i64) -> Result<StepAnswer> {
    // Taken and recorded in one transaction: an event is never lost and never seen twice.
    let oldest = "DELETE FROM event WHERE seq = (SELECT min(event.seq) FROM event, step \
                  WHERE step.seq = ?2 AND event.instance = ?1 AND event.type = step.event) \
                  RETURNING type, sent, payload";
    let taken = tx.prepare_cached(oldest)?.query_row([held.seq, step.seq], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, read::<Value>(row.get(2)?)))
    });
    if let Some((kind, sent, payload)) = taken.optional()? {
        let output = json!({
            "type": kind,
            "payload": payload.unwrap_or_default(),
            "timestamp": { "$date": sent },
        });
        finish(tx, step.seq, now, Some(&written(&output)))?;
        return Ok(StepAnswer::Complete { output });
    }
    if step.due.is_some_and(|due| due > now) {
        return Ok(StepAnswer::Waiting);
    }
    let timeout = &step.config["timeout"];
    let error =
        Failure::new("WorkflowTimeoutError", format!("Execution timed out after {timeout}ms"));
    fail(tx, step.seq, now, &error)?;
    Ok(StepAnswer::Errored { error })
}

/// Notes how an attempt ended, and says how the step goes on.
pub(super) fn end_attempt(
    tx: &Transaction<'_>,
    held: &Held,
    end: AttemptEnd,
    now: i64,
) -> Result<Option<StepAnswer>> {
    let step = known(tx, held, end.kind, &end.name, end.count)?;
    // Only the attempt that runs can end.
    let fits = |step: &Known| step.state == StepState::Running && step.attempts == end.number;
    let Some(step) = step.filter(fits) else { return Ok(None) };
    let error = end.error.clone().or_else(|| too_large(held, &end));
    tx.prepare_cached("UPDATE attempt SET ended = ?3, error = ?4 WHERE step = ?1 AND number = ?2")?
        .execute(params![step.seq, end.number, now, error.as_ref().map(written)])?;
    let answer = match error {
        None => {
            succeed(tx, held, &step, &end, now)?;
            match end.stream {
                Some(_) => StepAnswer::Stream { attempt: end.number },
                None => StepAnswer::Complete { output: end.output.unwrap_or_default() },
            }
        }
        Some(error) => retry(tx, (held, &step), &end, error, now)?,
    };
    runs::progress(tx, held, now)?;
    runs::settle(tx, held, now)?;
    Ok(Some(answer))
}

fn too_large(held: &Held, end: &AttemptEnd) -> Option<Failure> {
    let size = end.output.as_ref().map_or(0, |output| written(output).len());
    let (name, count) = (&end.name, end.count);
    if size > limits::VALUE {
        let text =
            format!("Step {name}-{count} output is too large. Maximum allowed size is 1MiB.");
        return Some(Failure::new("WorkflowInternalError", text));
    }
    let length = end.stream.unwrap_or(0).saturating_add(size as u64);
    let all = held.bytes.saturating_add(i64::try_from(length).unwrap_or(i64::MAX));
    (all > limits::STATE).then(|| {
        let text = "The state of the instance is too large. Maximum allowed size is 1GiB.";
        Failure::new("WorkflowInternalError", text)
    })
}

fn succeed(
    tx: &Transaction<'_>,
    held: &Held,
    step: &Known,
    end: &AttemptEnd,
    now: i64,
) -> Result<()> {
    let output = end.output.as_ref().map(written);
    let stream = end.stream.map(|length| i64::try_from(length).unwrap_or(i64::MAX));
    let size = output.as_ref().map_or(0, |output| i64::try_from(output.len()).unwrap_or(i64::MAX));
    tx.prepare_cached("UPDATE instance SET bytes = bytes + ?2 WHERE seq = ?1")?
        .execute(params![held.seq, size.saturating_add(stream.unwrap_or(0))])?;
    tx.prepare_cached("UPDATE step SET stream = ?2 WHERE seq = ?1")?
        .execute(params![step.seq, stream])?;
    finish(tx, step.seq, now, output.as_deref())
}

fn retry(
    tx: &Transaction<'_>,
    (held, step): (&Held, &Known),
    end: &AttemptEnd,
    error: Failure,
    now: i64,
) -> Result<StepAnswer> {
    let config = StepConfig::of(&step.config);
    let chosen = end.delay.as_ref().and_then(workflow_duration);
    match config.filter(|config| !end.last && end.number <= config.limit) {
        Some(config) => {
            let due = now.saturating_add(millis(config.delay(end.number, chosen)));
            let sql = "UPDATE step SET state = 'waiting', due = ?2, run = ?3 WHERE seq = ?1";
            tx.prepare_cached(sql)?.execute(params![step.seq, due, held.run])?;
            Ok(StepAnswer::Waiting)
        }
        None => {
            fail(tx, step.seq, now, &error)?;
            Ok(StepAnswer::Errored { error })
        }
    }
}

fn finish(tx: &Transaction<'_>, step: i64, now: i64, output: Option<&str>) -> Result<()> {
    tx.prepare_cached(
        "UPDATE step SET state = 'complete', ended = ?2, due = NULL, output = ?3 WHERE seq = ?1",
    )?
    .execute(params![step, now, output])?;
    Ok(())
}

fn fail(tx: &Transaction<'_>, step: i64, now: i64, error: &Failure) -> Result<()> {
    tx.prepare_cached(
        "UPDATE step SET state = 'errored', ended = ?2, due = NULL, error = ?3 WHERE seq = ?1",
    )?
    .execute(params![step, now, written(error)])?;
    Ok(())
}

/// What an attempt ends with whose process ended first: it is tried again at once, as often as
/// the step allows.
pub(super) fn lose_attempts(tx: &Transaction<'_>, instance: i64, now: i64) -> Result<()> {
    let sql = "SELECT seq, attempts, config FROM step WHERE instance = ?1 AND state = 'running'";
    let running: Vec<(i64, u32, Option<Value>)> = tx
        .prepare_cached(sql)?
        .query_map([instance], |row| Ok((row.get(0)?, row.get(1)?, read(row.get(2)?))))?
        .collect::<Result<_>>()?;
    for (step, attempts, config) in running {
        let error = written(&lost());
        tx.prepare_cached(
            "UPDATE attempt SET ended = ?2, error = ?3 WHERE step = ?1 AND ended IS NULL",
        )?
        .execute(params![step, now, error])?;
        let limit = config.and_then(|config| StepConfig::of(&config)).map_or(0, |c| c.limit);
        if attempts > limit {
            fail(tx, step, now, &lost())?;
        } else {
            tx.prepare_cached("UPDATE step SET state = 'waiting', due = ?2 WHERE seq = ?1")?
                .execute([step, now])?;
        }
    }
    Ok(())
}

fn lost() -> Failure {
    Failure::new("WorkflowInternalError", "Attempt failed due to internal workflows error")
}

pub(super) fn fatal(text: impl Into<String>) -> Failure {
    Failure::new("WorkflowFatalError", text)
}
