//! Queues, consumers and messages.

use crate::faults::{look::Look, write::Write};
use clodo_cf_api::{
    Repeat,
    queues::{self, NewConsumer, NewMessage, QueueChange, QueueSettings},
};
use http::Method;
use serde_json::json;

const QUEUES: Look = Look::get("/accounts/{account}/queues").each("queue_name");
const AT_LEAST_ONCE: &str = "the message: a queue delivers at least once, consumers know that";

const fn backlog(path: &'static str) -> Look {
    Look::get(path).part("/backlog_count")
}

pub(super) const WRITES: &[Write] = &[
    Write::new(
        "POST /accounts/{account}/queues",
        |w| Box::pin(async move { w.client.ensure_queue(&w.account, "made").await.map(drop) }),
        &[QUEUES],
    ),
    Write::new(
        "PUT /accounts/{account}/queues/{queue}",
        |w| {
            let to = QueueChange { name: Some("renamed".into()), ..QueueChange::default() };
            w.send(queues::put_queue(&w.account, &w.the("queue"), &to))
        },
        &[QUEUES],
    ),
    Write::new(
        "PATCH /accounts/{account}/queues/{queue}",
        |w| {
            let settings = QueueSettings { delivery_delay: Some(5.0), ..QueueSettings::default() };
            let change = QueueChange { settings: Some(settings), ..QueueChange::default() };
            w.send(queues::patch_queue(&w.account, &w.the("patched_queue"), &change))
        },
        &[Look::get("/accounts/{account}/queues/{patched_queue}").part("/settings")],
    ),
    Write::new(
        "DELETE /accounts/{account}/queues/{queue}",
        |w| w.send(queues::delete_queue(&w.account, &w.the("doomed_queue"))),
        &[QUEUES],
    ),
    Write::new(
        "POST /accounts/{account}/queues/{queue}/consumers",
        |w| {
            let pull = NewConsumer::http_pull();
            w.send(queues::create_consumer(&w.account, &w.the("consumed"), &pull))
        },
        &[Look::get("/accounts/{account}/queues/{consumed}/consumers")],
    ),
    Write::new(
        "PUT /accounts/{account}/queues/{queue}/consumers/{consumer}",
        |w| {
            let mut to = NewConsumer::http_pull();
            to.settings.max_retries = Some(7);
            w.send(queues::put_consumer(&w.account, &w.the("served"), &w.the("consumer"), &to))
        },
        &[Look::get("/accounts/{account}/queues/{served}/consumers")],
    ),
    Write::new(
        "DELETE /accounts/{account}/queues/{queue}/consumers/{consumer}",
        |w| {
            let (queue, consumer) = (w.the("left"), w.the("doomed_consumer"));
            w.send(queues::delete_consumer(&w.account, &queue, &consumer))
        },
        &[Look::get("/accounts/{account}/queues/{left}/consumers")],
    ),
    Write::new(
        "POST /accounts/{account}/queues/{queue}/messages",
        |w| w.send(queues::push(&w.account, &w.the("letters"), &NewMessage::text("one"))),
        &[backlog("/accounts/{account}/queues/{letters}/metrics")],
    )
    .twice(AT_LEAST_ONCE),
    Write::new(
        "POST /accounts/{account}/queues/{queue}/messages/batch",
        |w| {
            let messages = [NewMessage::text("one"), NewMessage::text("two")];
            w.send(queues::push_batch(&w.account, &w.the("parcels"), &messages))
        },
        &[backlog("/accounts/{account}/queues/{parcels}/metrics")],
    )
    .twice(AT_LEAST_ONCE),
    Write::new(
        "POST /accounts/{account}/queues/{queue}/messages/ack",
        |w| {
            let lease = w.name("lease").to_owned();
            w.send(queues::ack(&w.account, &w.the("leased"), &[lease], &[]))
        },
        &[backlog("/accounts/{account}/queues/{leased}/metrics")],
    ),
    Write::new(
        "POST /accounts/{account}/queues/{queue}/messages/purge",
        |w| {
            let refs = json!({ "refs": [{ "ref": w.name("message") }] });
            let template = "/accounts/{account}/queues/{picked}/messages/purge";
            w.send(w.other((Method::POST, Repeat::LookUp), template, &refs))
        },
        &[backlog("/accounts/{account}/queues/{picked}/metrics")],
    ),
    Write::new(
        "POST /accounts/{account}/queues/{queue}/purge",
        |w| w.send(queues::purge(&w.account, &w.the("emptied"))),
        &[backlog("/accounts/{account}/queues/{emptied}/metrics")],
    ),
];
