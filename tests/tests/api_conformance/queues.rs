use crate::cloud::{Cloud, created, eventually};
use clodo_cf_api::{
    Origin, QueueId,
    queues::{self, NewConsumer, NewMessage, QueueChange, QueueSettings, RetryLater},
};
use serde_json::json;

async fn queue(cloud: &Cloud) -> QueueId {
    let name: String = cloud.name("queue");
    let made = cloud.client.ensure_queue(&cloud.account, &name).await.unwrap();
    let again = cloud.client.ensure_queue(&cloud.account, &name).await.unwrap();
    assert_eq!((again.origin, &again.resource.id), (Origin::Existed, &made.resource.id));
    created(made).id
}

async fn remove(cloud: &Cloud, id: &QueueId) {
    cloud.client.send(queues::delete_queue(&cloud.account, id)).await.unwrap();
    assert!(cloud.client.find(queues::queue(&cloud.account, id)).await.unwrap().is_none());
}

// conformance: queues | POST /accounts/{account}/queues | documented
// conformance: queues | GET /accounts/{account}/queues | documented
// conformance: queues | GET /accounts/{account}/queues/{queue} | documented
// conformance: queues | PATCH /accounts/{account}/queues/{queue} | documented
// conformance: queues | DELETE /accounts/{account}/queues/{queue} | documented
// conformance: queues | POST /accounts/{account}/queues/{queue}/consumers | documented
// conformance: queues | PUT /accounts/{account}/queues/{queue}/consumers/{consumer} | documented
// conformance: queues | GET /accounts/{account}/queues/{queue}/consumers | documented
// conformance: queues | DELETE /accounts/{account}/queues/{queue}/consumers/{consumer} | documented
#[tokio::test]
async fn a_queue_and_its_consumer_are_made_changed_and_removed() {
    let cloud = Cloud::open().await;
    let (client, account, id) = (&cloud.client, &cloud.account, &queue(&cloud).await);
    let settings = QueueSettings { delivery_delay: Some(5.0), ..QueueSettings::default() };
    let change = QueueChange { settings: Some(settings), ..QueueChange::default() };
    let changed = client.send(queues::patch_queue(account, id, &change)).await.unwrap();
    assert_eq!(changed.settings.delivery_delay, Some(5.0));
    let mut new = NewConsumer::http_pull();
    new.settings.max_retries = Some(2);
    let made = client.send(queues::create_consumer(account, id, &new)).await.unwrap();
    let consumer = made.id.unwrap();
    new.settings.max_retries = Some(3);
    client.send(queues::put_consumer(account, id, &consumer, &new)).await.unwrap();
    let listed = client.list(queues::list_consumers(account, id)).await.unwrap();
    assert_eq!(listed[0].settings.max_retries, Some(3));
    client.send(queues::delete_consumer(account, id, &consumer)).await.unwrap();
    assert!(client.list(queues::list_consumers(account, id)).await.unwrap().is_empty());
    remove(&cloud, id).await;
}

// conformance: queues | POST /accounts/{account}/queues/{queue}/messages | documented
// conformance: queues | POST /accounts/{account}/queues/{queue}/messages/batch | documented
// conformance: queues | POST /accounts/{account}/queues/{queue}/messages/pull | documented
// conformance: queues | POST /accounts/{account}/queues/{queue}/messages/ack | documented
// conformance: queues | POST /accounts/{account}/queues/{queue}/purge | documented
#[tokio::test]
async fn messages_are_sent_pulled_given_back_and_done() {
    let cloud = Cloud::open().await;
    let (client, account, id) = (&cloud.client, &cloud.account, &queue(&cloud).await);
    client.send(queues::create_consumer(account, id, &NewConsumer::http_pull())).await.unwrap();
    client.send(queues::push(account, id, &NewMessage::text("one"))).await.unwrap();
    client.send(queues::push(account, id, &NewMessage::json(json!({"n": 2})))).await.unwrap();
    let more = [NewMessage::text("three"), NewMessage::json(json!([4]))];
    client.send(queues::push_batch(account, id, &more)).await.unwrap();
    let mut pulled = Vec::new();
    eventually(async || {
        let more = client.send(queues::pull(account, id, 10, 60_000)).await.unwrap();
        pulled.extend(more.messages);
        (pulled.len() == 4).then_some(())
    })
    .await;
    let mut bodies: Vec<_> = pulled.iter().map(|message| message.bytes()).collect();
    bodies.sort();
    assert_eq!(bodies, [&b"[4]"[..], b"one", b"three", br#"{"n":2}"#]);
    let leases: Vec<_> = pulled.into_iter().map(|message| message.lease_id).collect();
    let again = RetryLater { lease_id: leases[0].clone(), delay_seconds: None };
    let done = client.send(queues::ack(account, id, &leases[1..], &[again])).await.unwrap();
    assert_eq!((done.ack_count, done.retry_count), (Some(3), Some(1)));
    let back = eventually(async || {
        client.send(queues::pull(account, id, 10, 60_000)).await.unwrap().messages.pop()
    })
    .await;
    assert_eq!(back.attempts, Some(2));
    client.send(queues::push(account, id, &NewMessage::text("gone"))).await.unwrap();
    client.send(queues::purge(account, id)).await.unwrap();
    client.send(queues::purge_status(account, id)).await.unwrap();
    assert!(client.send(queues::pull(account, id, 10, 60_000)).await.unwrap().messages.is_empty());
    remove(&cloud, id).await;
}
