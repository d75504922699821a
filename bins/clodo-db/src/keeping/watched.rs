use crate::report::DatabaseName;
use async_trait::async_trait;
use clodo_cli::{OutputMode, ProgressLine, Session};
use clodo_db::{Capabilities, Database, DatabaseError, DatabaseErrorKind, Rows, Statement, Value};
use clodo_types::{Clock as _, SystemClock, Timestamp};
use serde::Serialize;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A database whose calls are shown as they go on, and which takes none any more once the run is
/// interrupted: what was sent is waited for, so that nothing is dropped half-way.
#[derive(Debug)]
pub(crate) struct Watched<'w> {
    inner: &'w dyn Database,
    session: &'w Session,
    name: DatabaseName,
    doing: &'static str,
    /// How many bytes there will be, about.
    total: Option<u64>,
    began: Timestamp,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    line: ProgressLine,
    bytes: u64,
    shown: Timestamp,
}

/// A line of `--json=events`.
#[derive(Serialize)]
struct Event<'a> {
    event: &'static str,
    #[serde(flatten)]
    database: &'a DatabaseName,
    doing: &'static str,
    bytes: u64,
    of_about: Option<u64>,
}

impl<'w> Watched<'w> {
    /// `doing` is such as `reading`; `total` how many bytes will be read or written, about.
    pub(crate) fn new(
        inner: &'w dyn Database,
        session: &'w Session,
        name: &DatabaseName,
        doing: &'static str,
        total: Option<u64>,
    ) -> Self {
        let began = SystemClock.now();
        let line = session.ui.progress(name.to_string());
        let state = Mutex::new(State { line, bytes: 0, shown: began });
        Self { inner, session, name: name.clone(), doing, total, began, state }
    }

    fn may_go_on(&self) -> Result<(), DatabaseError> {
        match self.session.cancel.is_cancelled() {
            true => Err(DatabaseError::new(DatabaseErrorKind::Other, "it was interrupted")),
            false => Ok(()),
        }
    }

    fn went(&self, bytes: usize) {
        const MOVING: i64 = 100;
        const PLAIN: i64 = 10_000;
        let now = SystemClock.now();
        let mut state = self.state();
        state.bytes = state.bytes.saturating_add(bytes.try_into().unwrap_or_default());
        if self.session.ui.mode() == OutputMode::Events {
            let (event, doing, database) = ("progress", self.doing, &self.name);
            let event = Event { event, database, doing, bytes: state.bytes, of_about: self.total };
            // A reader that is gone hears no more; the work goes on.
            let _ = self.session.ui.event(&event);
        }
        let pause = if self.session.ui.is_animated() { MOVING } else { PLAIN };
        if now.as_millis().saturating_sub(state.shown.as_millis()) >= pause {
            state.shown = now;
            let passed = now.since(self.began).as_secs();
            state.line.set(&format!("{} {}", self.doing, going(state.bytes, self.total, passed)));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far it is, and how long it will take if it goes on like this.
fn going(bytes: u64, total: Option<u64>, seconds: u64) -> String {
    let done = super::sized(bytes);
    let Some(total) = total.filter(|total| *total > bytes) else { return done };
    let of = format!("{done} of about {}", super::sized(total));
    // Before that it would be a guess.
    if seconds < 2 || bytes == 0 {
        return of;
    }
    let left = u128::from(total - bytes) * u128::from(seconds) / u128::from(bytes);
    match left {
        ..120 => format!("{of}, about {left} s left"),
        120..7_200 => format!("{of}, about {} min left", left / 60),
        _ => format!("{of}, about {} h left", left / 3_600),
    }
}

fn size(rows: &Rows) -> usize {
    let size = |value: &Value| match value {
        Value::Text(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
        _ => 8,
    };
    rows.rows.iter().flatten().map(size).sum()
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Database for Watched<'_> {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn query(&self, statement: &Statement) -> Result<Rows, DatabaseError> {
        self.may_go_on()?;
        let rows = self.inner.query(statement).await?;
        self.went(size(&rows));
        Ok(rows)
    }

    async fn batch(&self, statements: &[Statement]) -> Result<Vec<Rows>, DatabaseError> {
        self.may_go_on()?;
        let all = self.inner.batch(statements).await?;
        self.went(statements.iter().map(|one| one.sql.len()).sum());
        Ok(all)
    }

    async fn script(&self, sql: &str) -> Result<(), DatabaseError> {
        self.may_go_on()?;
        self.inner.script(sql).await?;
        self.went(sql.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::going;

    #[test]
    fn an_estimate_comes_once_it_is_more_than_a_guess() {
        assert_eq!(going(500, None, 9), "500 bytes");
        assert_eq!(going(500, Some(2_000), 0), "500 bytes of about 2.0 kB");
        assert_eq!(going(500, Some(2_000), 10), "500 bytes of about 2.0 kB, about 30 s left");
        assert_eq!(going(1, Some(1_001), 3), "1 byte of about 1.0 kB, about 50 min left");
        assert_eq!(going(1, Some(10_001), 3), "1 byte of about 10.0 kB, about 8 h left");
        assert_eq!(going(2_000, Some(1_000), 3), "2.0 kB", "more than was thought");
    }
}
