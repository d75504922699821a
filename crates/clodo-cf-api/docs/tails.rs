use clodo_cf_api::{
    AccountId, Client, TokioSleeper, WorkerName,
    tails::{self, Outcome, TailFilter, TailStream, TraceEvent, WebSockets},
};
use std::{error::Error, sync::Arc};

/// Waits for the next invocation of a Worker that threw.
pub async fn example(
    client: &Client,
    account: &AccountId,
    worker: &WorkerName,
) -> Result<TraceEvent, Box<dyn Error>> {
    let filters = [TailFilter::Outcome(vec![Outcome::Exception.to_string()])];
    let tail = client.send(tails::create_tail(account, worker, &filters)).await?;
    let sockets = WebSockets::new()?;
    let mut events = TailStream::open(&sockets, Arc::new(TokioSleeper), &tail).await?;
    let event = events.next().await?.ok_or("the tail was closed")?;
    client.send(tails::delete_tail(account, worker, &tail.id)).await?;
    Ok(event)
}
