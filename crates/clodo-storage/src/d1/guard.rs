//! What D1 lets SQL do: an authorizer, limits, and a watch on time and on rows written.

use crate::pool::lock;
use clodo_sqlite::rusqlite::{
    self, Connection,
    hooks::{Action, AuthAction, AuthContext, Authorization},
    limits::Limit,
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

use super::allowed;

/// What the hooks of one connection share with the code that runs requests on it.
#[derive(Debug, Default)]
pub(super) struct Guard {
    /// The engine's own SQL is running: no rule applies.
    trusted: AtomicBool,
    /// A statement that was prepared holds a `PRAGMA`, whose effect may come with the preparing.
    pragma: AtomicBool,
    /// A statement that was prepared changes the schema.
    schema: AtomicBool,
    /// A refused statement was `BEGIN`, `COMMIT`, `ROLLBACK` or `SAVEPOINT`.
    transaction: AtomicBool,
    deadline: Mutex<Option<Instant>>,
    written: Mutex<Vec<(String, u64)>>,
}

impl Guard {
    /// Runs the engine's own SQL.
    pub(super) fn trusting<T>(&self, work: impl FnOnce() -> T) -> T {
        let before = self.trusted.swap(true, Ordering::Relaxed);
        let outcome = work();
        self.trusted.store(before, Ordering::Relaxed);
        outcome
    }

    /// Starts the clock for the next statement.
    pub(super) fn start(&self, allowed: Duration) {
        *lock(&self.deadline) = Some(Instant::now() + allowed);
    }

    pub(super) fn stop(&self) {
        *lock(&self.deadline) = None;
    }

    /// Whether a change of the schema was prepared since the last call.
    pub(super) fn noticed_schema(&self) -> bool {
        self.schema.swap(false, Ordering::Relaxed)
    }

    /// As `noticed_schema`, and leaves it noticed.
    pub(super) fn saw_schema(&self) -> bool {
        self.schema.load(Ordering::Relaxed)
    }

    /// Whether a pragma was prepared since the last call.
    pub(super) fn noticed_pragma(&self) -> bool {
        self.pragma.swap(false, Ordering::Relaxed)
    }

    /// Whether the last refusal was of a transaction statement.
    pub(super) fn refused_transaction(&self) -> bool {
        self.transaction.swap(false, Ordering::Relaxed)
    }

    /// Rows written per table since the last call.
    pub(super) fn take_written(&self) -> Vec<(String, u64)> {
        std::mem::take(&mut *lock(&self.written))
    }

    fn overdue(&self) -> bool {
        lock(&self.deadline).is_some_and(|deadline| Instant::now() > deadline)
    }

    fn wrote(&self, table: &str) {
        let mut written = lock(&self.written);
        match written.iter_mut().rfind(|(name, _)| name == table) {
            Some((_, rows)) => *rows += 1,
            None => written.push((table.to_owned(), 1)),
        }
    }

    fn judge(&self, context: &AuthContext<'_>) -> Authorization {
        if self.trusted.load(Ordering::Relaxed) {
            return Authorization::Allow;
        }
        match context.action {
            AuthAction::Pragma { .. } => self.pragma.store(true, Ordering::Relaxed),
            AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
                self.transaction.store(true, Ordering::Relaxed);
            }
            AuthAction::Select | AuthAction::Read { .. } | AuthAction::Function { .. } => {}
            AuthAction::Insert { .. } | AuthAction::Update { .. } | AuthAction::Delete { .. } => {}
            _ => self.schema.store(true, Ordering::Relaxed),
        }
        if allowed::action(context) { Authorization::Allow } else { Authorization::Deny }
    }
}

/// Sets the hooks and limits on a connection.
pub(super) fn install(guard: &Arc<Guard>, db: &mut Connection) -> rusqlite::Result<()> {
    let judge = Arc::clone(guard);
    db.authorizer(Some(move |context: AuthContext<'_>| judge.judge(&context)))?;
    let watch = Arc::clone(guard);
    db.progress_handler(20_000, Some(move || watch.overdue()))?;
    let count = Arc::clone(guard);
    db.update_hook(Some(move |_: Action, _: &str, table: &str, _: i64| count.wrote(table)))?;
    for (limit, value) in LIMITS {
        db.set_limit(*limit, *value)?;
    }
    Ok(())
}

/// D1's documented limits, and workerd's where D1 documents none.
const LIMITS: &[(Limit, i32)] = &[
    (Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE),
    (Limit::SQLITE_LIMIT_COLUMN, 100),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 5),
    (Limit::SQLITE_LIMIT_VDBE_OP, 25_000),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 32),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
    (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 100),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 10),
];

/// The largest string, blob or row, in bytes.
const MAX_VALUE: i32 = 2_000_000;
