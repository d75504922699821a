//! From what happens to figures.

use super::{
    cell::Value::{Plain, Spread},
    store::{Dataset, Store},
};
use clodo_storage::{D1Operation, KvOperation, Operation, R2Operation, StorageObserver};
use clodo_workerd::{Invocation, Outcome};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Longer SQL texts are cut off: they are there to be recognised.
const MAX_SQL: usize = 1_000;
/// Scripts whose calls of `fetch()` wait for an invocation to be counted with.
const MAX_FETCHING: usize = 10_000;

/// Counts what happens.
#[derive(Debug)]
pub(crate) struct Recorder {
    store: Store,
    /// Calls of `fetch()` by account and script that no invocation has taken on yet.
    fetches: Mutex<HashMap<(String, String), u64>>,
}

impl Recorder {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, fetches: Mutex::default() }
    }

    /// A Worker called `fetch()`; the next of its invocations that ends counts it.
    pub(crate) fn fetched(&self, account_id: &str, script: &str) {
        let mut fetches = self.fetches.lock().unwrap_or_else(PoisonError::into_inner);
        if fetches.len() < MAX_FETCHING {
            *fetches.entry((account_id.to_owned(), script.to_owned())).or_default() += 1;
        }
    }

    fn subrequests(&self, account_id: &str, script: &str) -> u64 {
        let mut fetches = self.fetches.lock().unwrap_or_else(PoisonError::into_inner);
        if fetches.is_empty() {
            return 0;
        }
        fetches.remove(&(account_id.to_owned(), script.to_owned())).unwrap_or(0)
    }

    pub(crate) fn invoked(&self, seen: &Invocation<'_>) {
        let dimensions = [seen.script, seen.version_id, seen.outcome.as_str()];
        let one_if = |yes: bool| Plain(if yes { 1.0 } else { 0.0 });
        let values = [
            one_if(seen.outcome.is_error()),
            one_if(seen.outcome == Outcome::ClientDisconnected),
            Plain(self.subrequests(seen.account_id, seen.script) as f64),
            Spread(seen.wall_time.as_micros() as f64),
            Spread(seen.response_bytes as f64),
        ];
        let dimensions = dimensions.map(str::to_owned).into();
        self.store.add(seen.account_id, Dataset::Invocations, dimensions, (1, &values));
    }

    fn d1(&self, ran: &D1Operation<'_>) {
        let (account, database) = (ran.at.account.as_str(), ran.at.id.to_string());
        let (read, written) = (ran.rows_read as f64, ran.rows_written as f64);
        let micros = ran.duration * 1_000.0;
        let (reads, writes) = if ran.writes { (0.0, 1.0) } else { (1.0, 0.0) };
        let values = [Plain(reads), Plain(writes), Plain(read), Plain(written), Spread(micros)];
        self.store.add(account, Dataset::D1, vec![database.clone()], (1, &values));
        let sql: String = ran.sql.trim().chars().take(MAX_SQL).collect();
        let values = [Spread(micros), Plain(read), Plain(written), Plain(ran.rows_returned as f64)];
        let dimensions = vec![database.clone(), sql];
        self.store.add(account, Dataset::D1Queries, dimensions, (1, &values));
        let size = [Plain(ran.size_after as f64)];
        self.store.add(account, Dataset::D1Storage, vec![database], (1, &size));
    }

    fn kv(&self, done: &KvOperation<'_>) {
        let (account, namespace) = (done.at.account.as_str(), done.at.id.to_string());
        let status = if done.ok { "200" } else { "500" };
        let dimensions = vec![namespace, done.action.as_str().to_owned(), status.to_owned()];
        let values = [Plain(done.bytes as f64)];
        self.store.add(account, Dataset::Kv, dimensions, (done.count, &values));
    }

    fn r2(&self, done: &R2Operation<'_>) {
        let account = done.at.account.as_str();
        let status = match done.status {
            200..400 => "success",
            400..500 => "userError",
            _ => "internalError",
        };
        let dimensions = vec![
            done.at.name.to_string(),
            done.action.to_owned(),
            status.to_owned(),
            done.status.to_string(),
        ];
        let sent = if done.action == "GetObject" { done.bytes } else { 0 };
        let values = [Plain(done.bytes as f64), Plain(sent as f64)];
        self.store.add(account, Dataset::R2, dimensions, (done.count, &values));
    }
}

impl StorageObserver for Recorder {
    fn operated(&self, operation: &Operation<'_>) {
        match operation {
            Operation::D1(ran) => self.d1(ran),
            Operation::Kv(done) => self.kv(done),
            Operation::R2(done) => self.r2(done),
            _ => {}
        }
    }
}
