//! Tries work until it is done, for as long as it may only be bad luck.

use super::{
    Answer, Work,
    connection::{Mark, Session},
    failure::Fault,
    pool::Pool,
};
use futures_util::future::BoxFuture;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How long one attempt may take.
const LIMIT: Duration = Duration::from_secs(60);
/// The first and the longest wait between attempts.
const WAITS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// How much longer an unreachable server is waited for.
struct Patience {
    until: Instant,
    wait: Duration,
}

impl Patience {
    fn new(pool: &Pool) -> Self {
        Self { until: Instant::now() + pool.patience(), wait: WAITS.0 }
    }

    /// Waits before another attempt, if there is to be one.
    async fn after(&mut self, fault: Fault, pool: &Pool) -> Result<(), Fault> {
        if !fault.may_pass() || self.until <= Instant::now() {
            return Err(fault);
        }
        pool.forget();
        tracing::debug!(%fault, "PostgreSQL is asked again");
        sleep(self.wait).await;
        self.wait = (self.wait * 2).min(WAITS.1);
        Ok(())
    }
}

async fn limited<T>(attempt: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    timeout(LIMIT, attempt).await.unwrap_or(Err(Fault::Slow))
}

pub(super) async fn read<'e, T: Send>(
    pool: &Pool,
    work: &(impl for<'t> Fn(&'t Session<'e>) -> BoxFuture<'t, Result<T, Fault>> + Send + Sync),
) -> Result<T, Fault> {
    let mut patience = Patience::new(pool);
    loop {
        let attempt = limited(async {
            let session = pool.take().await?;
            let read = work(&session).await?;
            pool.give(session);
            Ok(read)
        });
        match attempt.await {
            Ok(read) => return Ok(read),
            Err(fault) => patience.after(fault, pool).await?,
        }
    }
}

pub(super) async fn write<'e, T: Send>(
    pool: &Pool,
    work: &(impl for<'t> Fn(&'t Session<'e>) -> Work<'t, T> + Send + Sync),
) -> Answer<T> {
    let mut patience = Patience::new(pool);
    let mut doubt = None;
    loop {
        match limited(transact(pool, work, &mut doubt)).await {
            Ok(answer) => return Ok(answer),
            Err(fault) => patience.after(fault, pool).await?,
        }
    }
}

/// One attempt. `doubt` is what a commit stands for whose answer did not arrive.
async fn transact<'e, T: Send>(
    pool: &Pool,
    work: &(impl for<'t> Fn(&'t Session<'e>) -> Work<'t, T> + Send + Sync),
    doubt: &mut Option<(Mark, T)>,
) -> Answer<T> {
    let session = pool.take().await?;
    if let Some((mark, _)) = doubt.as_ref()
        && !session.holds(mark).await?
    {
        *doubt = None;
    }
    if let Some((_, value)) = doubt.take() {
        pool.give(session);
        return Ok(Ok(value));
    }
    let mark = session.begin().await?;
    match work(&session).await? {
        Ok(value) => {
            *doubt = Some((mark, value));
            session.batch("COMMIT").await?;
            pool.give(session);
            doubt.take().map(|(_, value)| Ok(value)).ok_or(Fault::Broken)
        }
        Err(kind) => {
            session.batch("ROLLBACK").await?;
            pool.give(session);
            Ok(Err(kind))
        }
    }
}
