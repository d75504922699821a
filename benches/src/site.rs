use clodo_tests::{Answer, Request, Sandbox, fetch};
use serde_json::Value;
use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The text of a Worker below `workers/`.
pub(crate) fn worker_path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("workers").join(name)
}

/// A sandbox whose local Cloudflare runs, and its API.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) sandbox: Sandbox,
    api: String,
    authorization: String,
    account: String,
}

impl Site {
    /// Starts `clodo-local up` with further words, on an empty state.
    pub(crate) fn up(words: &[&str]) -> Self {
        let sandbox = Sandbox::empty();
        let words: Vec<&str> = ["up", "--detach"].iter().chain(words).copied().collect();
        let _ = sandbox.local(&words).exits(0);
        Self::of(sandbox)
    }

    /// The cloud that runs for a sandbox.
    pub(crate) fn of(sandbox: Sandbox) -> Self {
        let settings = sandbox.settings();
        let setting = |name: &str| {
            let found = settings.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.clone()).expect("the cloud says how to reach it")
        };
        let api = setting("CLOUDFLARE_API_BASE_URL");
        let authorization = format!("authorization: Bearer {}", setting("CLOUDFLARE_API_TOKEN"));
        let account = setting("CLOUDFLARE_ACCOUNT_ID");
        Self { sandbox, api, authorization, account }
    }

    /// The URL of a path below the account.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/accounts/{}/{path}", self.api, self.account)
    }

    /// The header that the API asks for.
    pub(crate) fn authorization(&self) -> &str {
        &self.authorization
    }

    /// Calls the API; the answer must be good.
    pub(crate) fn call(&self, method: &str, path: &str, kind: &str, body: &str) -> Value {
        let answer = self.ask(method, path, kind, body).expect("the API answers");
        assert!(answer.status < 300, "{method} {path}: {answer:?}");
        answer.json()["result"].clone()
    }

    fn ask(&self, method: &str, path: &str, kind: &str, body: &str) -> std::io::Result<Answer> {
        let (url, kind) = (self.url(path), format!("content-type: {kind}"));
        let headers = [self.authorization.as_str(), kind.as_str()];
        Request { method, url: &url, headers: &headers, body }.send()
    }

    /// A call with a JSON body.
    pub(crate) fn json(&self, method: &str, path: &str, body: &Value) -> Value {
        self.call(method, path, "application/json", &body.to_string())
    }

    /// Uploads a Worker; `path` decides whether it serves at once (`…/scripts/NAME`) or is a version
    /// that waits (`…/scripts/NAME/versions`).
    pub(crate) fn upload(&self, method: &str, path: &str, source: &str, bindings: &Value) -> Value {
        let metadata = serde_json::json!({
            "main_module": "index.js",
            "compatibility_date": "2026-04-01",
            "bindings": bindings,
        });
        let body = format!(
            "--cut\r\ncontent-disposition: form-data; name=\"metadata\"\r\n\r\n{metadata}\r\n\
             --cut\r\ncontent-disposition: form-data; name=\"index.js\"; filename=\"index.js\"\r\n\
             content-type: application/javascript+module\r\n\r\n{source}\r\n--cut--\r\n"
        );
        self.call(method, path, "multipart/form-data; boundary=cut", &body)
    }

    /// Uploads a Worker that serves at its `workers.dev` name, and returns that hostname.
    pub(crate) fn serve(&self, name: &str, source: &str, bindings: &Value) -> String {
        let path = format!("workers/scripts/{name}");
        self.upload("PUT", &path, source, bindings);
        self.json("POST", &format!("{path}/subdomain"), &serde_json::json!({ "enabled": true }));
        format!("{name}.{}.workers.dev", self.subdomain())
    }

    fn subdomain(&self) -> String {
        let found = self.call("GET", "workers/subdomain", "application/json", "");
        found["subdomain"].as_str().expect("an account has a subdomain").to_owned()
    }

    /// The port that serves the API and all hostnames.
    pub(crate) fn port(&self) -> u16 {
        let rest = self.api.trim_start_matches("http://");
        let host = rest.split('/').next().unwrap_or_default();
        host.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port")
    }

    /// The URL at which a Worker's hostname answers.
    pub(crate) fn at(&self, hostname: &str) -> String {
        format!("http://{hostname}.localhost:{}/", self.port())
    }

    /// The process id of the cloud.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.sandbox.status()["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok())
    }
}

/// Asks every millisecond until a URL answers 200 with what is wanted.
pub(crate) fn wait_for(url: &str, wanted: Option<&str>) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let request = Request { method: "GET", url, headers: &[], body: "" };
    let there =
        |answer: Answer| answer.status == 200 && wanted.is_none_or(|wanted| answer.body == wanted);
    while !request.send().is_ok_and(there) {
        assert!(Instant::now() < deadline, "{url} did not answer {wanted:?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Miniflare 4, as wrangler 4.86.0 brings it, on a free port.
#[derive(Debug)]
pub(crate) struct Miniflare {
    port: u16,
    process: Ended,
}

impl Miniflare {
    pub(crate) fn start(script: &str) -> Self {
        use std::io::{BufRead as _, BufReader};
        let server = concat!(env!("CARGO_MANIFEST_DIR"), "/miniflare/server.mjs");
        let mut command = Command::new("node");
        command.arg(server).arg(clodo_tests::Wrangler::v4_86().modules()).arg(worker_path(script));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("node starts");
        let output = child.stdout.take().expect("stdout is piped");
        let line = BufReader::new(output).lines().next().and_then(Result::ok);
        let port =
            line.and_then(|line| line.trim().parse().ok()).expect("miniflare prints its port");
        Self { port, process: Ended(child) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        let url = format!("http://127.0.0.1:{}/{path}", self.port);
        assert_eq!(fetch(&url).status, 200, "miniflare ({}) answers", self.process.0.id());
        url
    }
}

/// A child that ends in good order when its input does.
#[derive(Debug)]
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
