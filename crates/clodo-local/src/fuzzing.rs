//! What is fuzzed: each function takes any bytes and panics only if something is wrong.

use crate::{
    analytics::{Asked, Dataset, Store, Viewing, answer},
    api::{ApiContext, router},
    events::Cron,
    state::{Seed, State},
};
use async_trait::async_trait;
use axum::{Router, body::Body, http::Request};
use clodo_sqlite::Durability;
use clodo_storage::Data;
use clodo_types::{Clock, ManualClock, Timestamp};
use clodo_workerd::MemoryWorkers;
use serde_json::json;
use std::{cell::RefCell, sync::Arc};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

pub use crate::{api::upload_forms, routing::route_patterns};

/// 2026-11-20T12:00:30Z
const NOON: i64 = 1_795_176_030_000;
const TOKEN: &str = "local-token";

/// A cron expression, and after a newline a moment: it is the same in capitals and with other
/// blanks, and it runs when one of the parts of its fields does.
pub fn cron_expressions(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (text, moment) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(cron) = text.parse::<Cron>() else { return };
    let millis = moment.trim().parse().unwrap_or(NOON);
    let at = Timestamp::from_millis(millis);
    let fields: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(fields.len(), 5);
    assert_eq!(fields.join("\t").parse(), Ok(cron.clone()), "blanks are blanks");
    let runs = |fields: &[&str]| fields.join(" ").parse::<Cron>().map(|cron| cron.runs_at(at));
    for (index, field) in fields.iter().enumerate() {
        let with = |part| {
            let mut fields = fields.clone();
            fields[index] = part;
            runs(&fields)
        };
        let parts: Vec<bool> = field.split(',').filter_map(|part| with(part).ok()).collect();
        assert_eq!(parts.len(), field.split(',').count(), "a part is a field: {field}");
        assert_eq!(parts.contains(&true), cron.runs_at(at), "{field}");
    }
}

struct Viewer;

#[async_trait]
impl Viewing for Viewer {
    fn accounts(&self) -> Vec<String> {
        vec!["a".into()]
    }

    async fn sample(&self, _: &str, _: Dataset, _: Option<&str>) {}
}

/// The body of a GraphQL request: it is answered with data or with errors.
pub fn graphql_requests(data: &[u8]) {
    let asked = serde_json::from_slice::<Asked>(data).or_else(|_| {
        let query = String::from_utf8_lossy(data);
        serde_json::from_value(json!({ "query": query, "variables": { "a": "b", "n": 7 } }))
    });
    let Ok(asked) = asked else { return };
    thread_local!(static STORE: (Runtime, Store) = {
        let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(NOON)));
        (runtime(), Store::at("/nonexistent/figures.sqlite".into(), clock))
    });
    STORE.with(|(runtime, store)| {
        let answer = runtime.block_on(answer(store, &asked, &Viewer));
        assert!(answer["data"].is_null() != answer["errors"].is_null(), "{answer}");
    });
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A whole API over a folder of its own, for some hundreds of calls.
struct Api {
    runtime: Runtime,
    router: Router,
    account: String,
    calls: usize,
    folder: tempfile::TempDir,
}

impl Api {
    fn new() -> Self {
        let (runtime, folder) = (runtime(), tempfile::tempdir().expect("a folder"));
        let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(NOON)));
        let seed: Seed = serde_json::from_value(json!({
            "accounts": [{ "name": "main", "zones": ["acme.test"] }],
            "tokens": [{ "token": TOKEN }],
        }))
        .expect("a seed");
        let account = seed.accounts[0].id();
        let inside = folder.path().join("state");
        let router = runtime.block_on(async {
            let clock = clock as Arc<dyn Clock>;
            let state = State::open_with(&inside, Arc::clone(&clock), Durability::Normal).await;
            let state = state.expect("a state");
            state.seed(seed).await.expect("a seed");
            let data = Data::at(inside.join("data"), Arc::clone(&clock));
            router(ApiContext::new(state, Arc::new(MemoryWorkers::default()), data, clock))
        });
        Self { runtime, router, account, calls: 0, folder }
    }

    fn call(&mut self, method: &str, path: &str, body: &[u8]) {
        self.calls += 1;
        let path = path.replace("{acc}", &format!("/accounts/{}", self.account));
        let request = Request::builder().method(method).uri(format!("/client/v4{path}"));
        let request = request.header("authorization", format!("Bearer {TOKEN}"));
        let Ok(request) = request.body(Body::from(body.to_vec())) else { return };
        let answer = self.runtime.block_on(self.router.clone().oneshot(request));
        let status = answer.expect("a router always answers").status();
        assert!(!status.is_server_error(), "{method} {path}: {status}");
        let outside = std::fs::read_dir(self.folder.path()).expect("the folder is there").count();
        assert_eq!(outside, 1, "a file outside of the state's folder");
    }
}

/// Calls of the API, each `METHOD path` and a body up to the next NUL: whatever is asked is no
/// fault of the server, and no file is written elsewhere.
pub fn api_calls(data: &[u8]) {
    thread_local!(static API: RefCell<Option<Api>> = const { RefCell::new(None) });
    API.with(|api| {
        let mut api = api.borrow_mut();
        let api = match api.as_mut() {
            Some(used) if used.calls < 500 => used,
            _ => api.insert(Api::new()),
        };
        for call in data.split(|byte| *byte == 0).take(4) {
            let end = call.iter().position(|byte| *byte == b'\n').unwrap_or(call.len());
            let line = String::from_utf8_lossy(&call[..end]);
            let Some((method, path)) = line.split_once(' ') else { continue };
            api.call(method, path, call.get(end + 1..).unwrap_or_default());
        }
    });
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::{
        api_calls, cron_expressions, graphql_requests, replay::replay, route_patterns, upload_forms,
    };

    #[test]
    fn a_form_is_read_as_it_was_written() {
        replay("upload_forms", upload_forms);
    }

    #[test]
    fn the_most_specific_of_the_matching_patterns_is_found() {
        replay("route_patterns", route_patterns);
    }

    #[test]
    fn a_cron_expression_is_the_sum_of_its_parts() {
        replay("cron_expressions", cron_expressions);
    }

    #[test]
    fn a_graphql_request_is_answered_with_data_or_errors() {
        replay("graphql_requests", graphql_requests);
    }

    #[test]
    fn no_call_is_the_servers_fault() {
        replay("api_calls", api_calls);
    }
}
