//! What was counted since the gateway began.

use crate::{
    calls::{AnswerSource, CallLine},
    status::{CallCounts, ClientStatus},
};
use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

/// Clients that are counted by name; the rest is counted together.
const MOST_CLIENTS: usize = 200;

#[derive(Debug, Default)]
pub(crate) struct Counts {
    total: AtomicU64,
    upstream: AtomicU64,
    shared: AtomicU64,
    cache: AtomicU64,
    refused: AtomicU64,
    absorbed: AtomicU64,
    clients: Mutex<HashMap<String, ClientStatus>>,
}

impl Counts {
    /// A 429 of the upstream that its client does not see.
    pub(crate) fn absorbed(&self) {
        self.absorbed.fetch_add(1, Ordering::Relaxed);
    }

    /// A call that has ended.
    pub(crate) fn ended(&self, call: &CallLine) {
        self.total.fetch_add(1, Ordering::Relaxed);
        let by_source = match call.source {
            AnswerSource::Upstream => &self.upstream,
            AnswerSource::Shared => &self.shared,
            AnswerSource::Cache => &self.cache,
            AnswerSource::Gateway => &self.refused,
        };
        by_source.fetch_add(1, Ordering::Relaxed);
        let mut clients = self.clients.lock().expect("no holder panics");
        let known = clients.contains_key(&call.client) || clients.len() < MOST_CLIENTS;
        let name = if known { call.client.as_str() } else { "others" };
        if !clients.contains_key(name) {
            clients.insert(name.to_owned(), ClientStatus::new(name));
        }
        if let Some(client) = clients.get_mut(name) {
            client.calls += 1;
            client.waited_ms += call.waited_ms;
        }
    }

    pub(crate) fn calls(&self) -> CallCounts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        CallCounts {
            total: of(&self.total),
            upstream: of(&self.upstream),
            shared: of(&self.shared),
            cache: of(&self.cache),
            refused: of(&self.refused),
            absorbed_429: of(&self.absorbed),
        }
    }

    /// The busiest first.
    pub(crate) fn clients(&self) -> Vec<ClientStatus> {
        let clients = self.clients.lock().expect("no holder panics");
        let mut clients: Vec<_> = clients.values().cloned().collect();
        clients
            .sort_unstable_by(|a, b| b.calls.cmp(&a.calls).then_with(|| a.client.cmp(&b.client)));
        clients
    }
}
