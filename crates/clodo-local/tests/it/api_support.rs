//! An API over a fresh state folder, driven without a socket.

use axum::{Router, body::Body};
use clodo_local::{ApiContext, Seed, State, StateError, StateErrorKind, api_router};
use clodo_storage::Data;
use clodo_types::{Clock, ManualClock, Timestamp};
use clodo_workerd::{Directory, MemoryWorkers, Workers};
use futures_util::FutureExt as _;
use http::{Request, Response};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::{path::Path, sync::Arc, time::Duration};
use tower::ServiceExt;

pub(crate) const TOKEN: &str = "local-token";
pub(crate) const BOUNDARY: &str = "boundary-of-the-test";

/// One local cloud without workerd.
pub(crate) struct Api {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) state: State,
    pub(crate) workers: Arc<MemoryWorkers>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) account: String,
    router: Router,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&self.bytes)))
    }

    /// The result of a call that must have worked.
    pub(crate) fn result(&self) -> Value {
        let json = self.json();
        assert_eq!(json["success"], true, "{} {json}", self.status);
        json["result"].clone()
    }

    /// Status and first code of a call that must have failed.
    pub(crate) fn error(&self) -> (u16, u64) {
        let json = self.json();
        assert_eq!(json["success"], false, "{json}");
        (self.status, json["errors"][0]["code"].as_u64().unwrap())
    }
}

impl Api {
    pub(crate) async fn new() -> Self {
        Self::in_folder(tempfile::tempdir().unwrap()).await
    }

    pub(crate) async fn in_folder(folder: tempfile::TempDir) -> Self {
        let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(1_763_640_000_000)));
        Self::over(folder, clock).await
    }

    async fn over(folder: tempfile::TempDir, clock: Arc<ManualClock>) -> Self {
        let seed: Seed = serde_json::from_value(json!({
            "accounts": [{ "name": "main", "zones": ["acme.test", "globex.test"] }, { "name": "other" }],
            "tokens": [{ "token": TOKEN }, { "token": "for-other", "accounts": ["other"] }],
        }))
        .unwrap();
        let account = seed.accounts[0].id();
        let state = try_open(folder.path(), &clock).await.unwrap();
        state.seed(seed).await.unwrap();
        let workers = Arc::new(MemoryWorkers::default());
        let data = Data::at(folder.path().join("data"), Arc::clone(&clock) as Arc<dyn Clock>);
        let seen = Arc::clone(&workers) as Arc<dyn Workers>;
        let context =
            ApiContext::new(state.clone(), seen, data, Arc::clone(&clock) as Arc<dyn Clock>);
        Self { folder, state, workers, clock, account, router: api_router(context) }
    }

    /// The same folder, opened by a new process as it were.
    pub(crate) async fn restarted(self) -> Self {
        let (folder, clock) = self.closed();
        Self::over(folder, clock).await
    }

    /// Lets go of everything but the folder.
    pub(crate) fn closed(self) -> (tempfile::TempDir, Arc<ManualClock>) {
        (self.folder, self.clock)
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response: Response<Body> = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: head.status.as_u16(), headers: head.headers, bytes }
    }

    /// Sends it, and leaves before the answer.
    pub(crate) fn send_and_leave(&self, request: Request<Body>) {
        let early = self.router.clone().oneshot(request).now_or_never();
        assert!(early.is_none(), "it answered at once");
    }

    /// `path` after `/client/v4`; `{acc}` and `S/` stand for the account and the Worker `shop`.
    pub(crate) fn request(&self, method: &str, path: &str) -> http::request::Builder {
        let path = path.replace("S/", &format!("/accounts/{}/workers/scripts/shop/", self.account));
        let path = path.replace("{acc}", &format!("/accounts/{}", self.account));
        Request::builder()
            .method(method)
            .uri(format!("/client/v4{}", path.replace("/?", "?").trim_end_matches('/')))
            .header("host", "127.0.0.1:8787")
            .header("authorization", format!("Bearer {TOKEN}"))
    }

    /// A call with another token than the usual one.
    pub(crate) async fn with_token(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Value,
    ) -> Answer {
        let mut request = self.request(method, path);
        let headers = request.headers_mut().unwrap();
        headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.send(request.body(body).unwrap()).await
    }

    /// A call of `/clodo/…` with the token of this cloud.
    pub(crate) async fn control(&self, method: &str, path: &str, body: Value) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(format!("/clodo/{path}"))
            .header("authorization", format!("Bearer {TOKEN}"));
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        self.send(request.body(body).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request("DELETE", path).body(Body::empty()).unwrap()).await
    }

    /// JSON under a wrong label, as clients do it.
    pub(crate) async fn json(&self, method: &str, path: &str, body: Value) -> Answer {
        let request = self.request(method, path).header("content-type", "text/plain");
        self.send(request.body(body.to_string().into()).unwrap()).await
    }

    pub(crate) async fn raw(&self, method: &str, path: &str, body: &str) -> Answer {
        self.send(self.request(method, path).body(body.to_owned().into()).unwrap()).await
    }

    /// Uploads metadata with one module `index.js`.
    pub(crate) async fn upload(
        &self,
        method: &str,
        path: &str,
        metadata: Value,
        code: &str,
    ) -> Answer {
        let mut body = part("name=\"metadata\"", None, &metadata.to_string());
        if !code.is_empty() {
            let name = "name=\"index.js\"; filename=\"index.js\"";
            body.push_str(&part(name, Some("application/javascript+module"), code));
        }
        body.push_str(&format!("--{BOUNDARY}--\r\n"));
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let request = self.request(method, path).header("content-type", kind);
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Deploys a Worker `shop` with these bindings and returns the version's id.
    pub(crate) async fn deployed(&self, code: &str, bindings: Value) -> String {
        let answer = self.upload("PUT", "S/", module(bindings), code).await.result();
        let plain = answer["deployment_id"].as_str().unwrap().to_owned();
        let versions = self.get("S/versions").await.result();
        let id = versions["items"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(id.replace('-', ""), plain);
        id
    }

    /// Which Worker answers, as `script` or `script@version`.
    pub(crate) fn resolved(&self, host: &str, path: &str) -> Option<String> {
        self.state.resolve(host, path).map(|found| match found.version {
            Some(version) => format!("{}@{version}", found.script),
            None => found.script,
        })
    }

    pub(crate) fn tick(&self) {
        self.clock.advance(Duration::from_secs(1));
    }
}

/// Opens a state folder; waits a while for an earlier holder in this process to let go.
pub(crate) async fn try_open(folder: &Path, clock: &Arc<ManualClock>) -> Result<State, StateError> {
    let opening = async {
        loop {
            match State::open(folder, Arc::clone(clock) as Arc<dyn Clock>).await {
                Err(error) if error.kind() == StateErrorKind::InUse => {
                    tokio::task::yield_now().await;
                }
                opened => return opened,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), opening).await.unwrap()
}

/// Metadata of a module Worker.
pub(crate) fn module(bindings: Value) -> Value {
    json!({
        "main_module": "index.js",
        "compatibility_date": "2026-04-01",
        "bindings": bindings,
    })
}

fn part(disposition: &str, kind: Option<&str>, body: &str) -> String {
    let kind = kind.map(|kind| format!("Content-Type: {kind}\r\n")).unwrap_or_default();
    format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n{kind}\r\n{body}\r\n")
}
