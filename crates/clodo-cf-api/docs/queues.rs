use clodo_cf_api::{
    AccountId, Client,
    queues::{self, NewConsumer, NewMessage, RetryLater},
};
use serde_json::json;
use std::error::Error;

/// Sends two jobs, does one, and gives the other back.
pub async fn example(client: &Client, account: &AccountId) -> Result<(), Box<dyn Error>> {
    let id = client.ensure_queue(account, "jobs").await?.resource.id;
    client.send(queues::create_consumer(account, &id, &NewConsumer::http_pull())).await?;
    let jobs = [NewMessage::json(json!({ "resize": 1 })), NewMessage::text("by hand")];
    client.send(queues::push_batch(account, &id, &jobs)).await?;

    // Nobody else gets them for 30 seconds.
    let pulled = client.send(queues::pull(account, &id, 10, 30_000)).await?;
    let (mut done, mut again) = (Vec::new(), Vec::new());
    for message in pulled.messages {
        match serde_json::from_slice::<serde_json::Value>(&message.bytes()) {
            Ok(job) if job["resize"] == 1 => done.push(message.lease_id),
            _ => again.push(RetryLater { lease_id: message.lease_id, delay_seconds: Some(60) }),
        }
    }
    let outcome = client.send(queues::ack(account, &id, &done, &again)).await?;
    assert_eq!((outcome.ack_count, outcome.retry_count), (Some(1), Some(1)));
    client.send(queues::delete_queue(account, &id)).await?;
    Ok(())
}
