//! A transaction on SQLite's thread: it holds the thread while it waits for the next statement.

use crate::{
    error::{DatabaseError, DatabaseErrorKind},
    span::call_span,
    sqlite::{changing, failed},
    statement::{Rows, Statement},
    transaction::OpenTransaction,
};
use async_trait::async_trait;
use clodo_sqlite::{
    Sqlite, SqliteError,
    rusqlite::{self, Connection, TransactionBehavior},
};
use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    task::Poll,
    time::Duration,
};
use tokio::sync::oneshot;
use tracing::Instrument as _;

type Answer = oneshot::Sender<Result<Rows, DatabaseError>>;

enum Order {
    Run(Statement, Answer),
    Commit,
}

/// How a transaction came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Committed,
    RolledBack,
    /// SQLite itself rolled it back.
    Broken,
    /// Nothing was asked of it for too long.
    Idle,
}

type Outcome = Pin<Box<dyn Future<Output = Result<End, SqliteError>> + Send>>;

pub(crate) struct Held {
    orders: Sender<Order>,
    /// Until its end is known.
    outcome: Option<Outcome>,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}

impl Held {
    pub(crate) async fn begin(sqlite: Sqlite, idle: Duration) -> Result<Self, DatabaseError> {
        let (orders, queue) = channel();
        let (tell_begun, mut begun) = oneshot::channel();
        let mut outcome: Outcome =
            Box::pin(
                async move { sqlite.hold(move |db| serve(db, tell_begun, &queue, idle)).await },
            );
        let begun = poll_fn(|cx| match outcome.as_mut().poll(cx) {
            // It ends first only when it could not begin.
            Poll::Ready(end) => Poll::Ready(Err(end.map_or_else(failed, over))),
            Poll::Pending => Pin::new(&mut begun).poll(cx).map(|told| Ok(told.is_ok())),
        });
        let begun = begun.instrument(call_span("BEGIN", 1)).await?;
        let mut held = Self { orders, outcome: Some(outcome) };
        // Without a word the thread is about to say why.
        if begun { Ok(held) } else { Err(held.gone().await) }
    }

    /// Waits for the end.
    async fn end(&mut self) -> Result<End, DatabaseError> {
        match self.outcome.take() {
            Some(outcome) => outcome.await.map_err(failed),
            None => Ok(End::RolledBack),
        }
    }

    /// Why there is no answer.
    async fn gone(&mut self) -> DatabaseError {
        self.end().await.map_or_else(|error| error, over)
    }
}

#[async_trait]
impl OpenTransaction for Held {
    async fn run(&mut self, statement: &Statement) -> Result<Rows, DatabaseError> {
        let (answer, given) = oneshot::channel();
        if self.orders.send(Order::Run(statement.clone(), answer)).is_err() {
            return Err(self.gone().await);
        }
        match given.instrument(call_span(&statement.sql, 1)).await {
            Ok(given) => given,
            Err(_) => Err(self.gone().await),
        }
    }

    async fn commit(mut self: Box<Self>) -> Result<(), DatabaseError> {
        // If nobody takes the order any more, the end says why.
        let _ = self.orders.send(Order::Commit);
        match self.end().instrument(call_span("COMMIT", 1)).await? {
            End::Committed => Ok(()),
            end => Err(over(end)),
        }
    }

    async fn roll_back(self: Box<Self>) -> Result<(), DatabaseError> {
        let Self { orders, outcome } = *self;
        drop(orders);
        match outcome {
            Some(outcome) => {
                let ended = outcome.instrument(call_span("ROLLBACK", 1)).await;
                ended.map(|_| ()).map_err(failed)
            }
            None => Ok(()),
        }
    }
}

/// Runs on the thread from the beginning of the transaction to its end.
fn serve(
    db: &mut Connection,
    tell_begun: oneshot::Sender<()>,
    queue: &Receiver<Order>,
    idle: Duration,
) -> Result<End, rusqlite::Error> {
    // One that turns from reading to writing could meet another writer's lock in the middle.
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // When nobody waits any more, the queue has ended too.
    let _ = tell_begun.send(());
    loop {
        match queue.recv_timeout(idle) {
            Ok(Order::Run(statement, answer)) => {
                let given = changing(&transaction, statement);
                let broken = transaction.is_autocommit();
                let _ = answer.send(given);
                if broken {
                    return Ok(End::Broken);
                }
            }
            Ok(Order::Commit) => {
                transaction.commit()?;
                return Ok(End::Committed);
            }
            // Dropped, which rolls back.
            Err(RecvTimeoutError::Disconnected) => return Ok(End::RolledBack),
            Err(RecvTimeoutError::Timeout) => return Ok(End::Idle),
        }
    }
}

fn over(end: End) -> DatabaseError {
    match end {
        End::Idle => DatabaseError::new(
            DatabaseErrorKind::Limit,
            "the transaction was rolled back: nothing was asked of it for too long, as when its own \
             work waits for the database",
        ),
        End::Broken => DatabaseError::new(
            DatabaseErrorKind::Other,
            "the database has rolled the transaction back",
        ),
        End::Committed | End::RolledBack => {
            DatabaseError::new(DatabaseErrorKind::Other, "the transaction is over")
        }
    }
}
