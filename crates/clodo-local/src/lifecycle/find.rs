//! Looks for a running cloud, and stops it.

use super::{
    CloudError, CloudRecord, CloudSettings,
    control::{INSTANCE_HEADER, STOP_PATH},
};
use crate::server::CloudAccount;
use clodo_types::Secret;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use std::{fs, net::Ipv4Addr, path::Path, time::Duration};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

/// Answers without a token.
const STATUS_PATH: &str = "/clodo/status";
const ASK_PATIENCE: Duration = Duration::from_secs(3);
const CALL_PATIENCE: Duration = Duration::from_secs(30);
const KILL_PATIENCE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(10);

/// A cloud that runs, perhaps in another process.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Running {
    /// Where it answers, such as `http://127.0.0.1:8787`.
    pub url: String,
    /// What `CLOUDFLARE_API_BASE_URL` must be.
    pub api_base_url: String,
    /// The port of 127.0.0.1.
    pub port: u16,
    /// A token for every account.
    pub token: Secret,
    /// The accounts that it was started with.
    pub accounts: Vec<CloudAccount>,
    /// Its process.
    pub pid: Option<u32>,
    /// What it was started with; `None` when an older program started it.
    pub settings: Option<CloudSettings>,
}

impl Running {
    pub(crate) fn of(record: &CloudRecord) -> Self {
        Self {
            url: record.url(),
            api_base_url: record.api_base_url(),
            port: record.port(),
            token: record.token().clone(),
            accounts: record.accounts().to_vec(),
            pid: record.pid(),
            settings: record.settings().cloned(),
        }
    }

    /// What it holds, by its own account (`GET /clodo/status`): accounts with their zones, Workers,
    /// domains and databases, and how many requests its API had. `None` when it does not answer.
    pub async fn summary(&self) -> Option<serde_json::Value> {
        let bearer = format!("Bearer {}", self.token.expose());
        let request = Request::get(STATUS_PATH).header(header::AUTHORIZATION, bearer);
        let answer = timeout(ASK_PATIENCE, send(self.port, request)).await.ok()??;
        let body = answer.into_body().collect().await.ok()?.to_bytes();
        let mut answer: serde_json::Value = serde_json::from_slice(&body).ok()?;
        Some(answer["result"].take())
    }

    /// A call of the API (`/client/v4/…`) or of the cloud's own control routes (`/clodo/…`) with
    /// the token that may do everything; the result of its envelope.
    ///
    /// # Errors
    /// When nobody answers, or the answer is no.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<serde_json::Value, CloudError> {
        let bearer = format!("Bearer {}", self.token.expose());
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::AUTHORIZATION, bearer);
        let body = body.map(ToString::to_string).unwrap_or_default();
        let asked = timeout(CALL_PATIENCE, send_body(self.port, request, body)).await;
        let answer = asked.ok().flatten().ok_or(CloudError::NoAnswer)?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|_| CloudError::NoAnswer)?.to_bytes();
        let mut answer: serde_json::Value =
            serde_json::from_slice(&body).map_err(|_| CloudError::NoAnswer)?;
        if answer["success"] == true {
            return Ok(answer["result"].take());
        }
        let message = answer["errors"][0]["message"].as_str().unwrap_or("it did not say why");
        Err(CloudError::Refused { status: status.as_u16(), message: message.to_owned() })
    }

    /// A call with the token and without a body; `None` when nobody answers.
    pub(crate) async fn post(&self, path: &str) -> Option<Response<Incoming>> {
        let bearer = format!("Bearer {}", self.token.expose());
        let request = Request::post(path).header(header::AUTHORIZATION, bearer);
        send(self.port, request).await
    }

    /// A call with the token and a JSON body; `None` when nobody answers.
    pub(crate) async fn post_json(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> Option<Response<Incoming>> {
        let bearer = format!("Bearer {}", self.token.expose());
        let request = Request::post(path)
            .header(header::AUTHORIZATION, bearer)
            .header(header::CONTENT_TYPE, "application/json");
        send_body(self.port, request, body.to_string()).await
    }

    /// What points wrangler and the official SDKs at it: name and value.
    #[must_use]
    pub fn environment(&self) -> Vec<(&'static str, Secret)> {
        let mut pairs = vec![
            ("CLOUDFLARE_API_BASE_URL", Secret::new(self.api_base_url.clone())),
            ("CLOUDFLARE_BASE_URL", Secret::new(self.api_base_url.clone())),
            ("CLOUDFLARE_API_TOKEN", self.token.clone()),
        ];
        if let Some(account) = self.accounts.first() {
            pairs.push(("CLOUDFLARE_ACCOUNT_ID", Secret::new(account.id.as_str())));
        }
        pairs
    }
}

/// The cloud that uses a state folder, if one runs and answers.
pub async fn find(state_folder: &Path) -> Option<Running> {
    let record = CloudRecord::read(state_folder).await?;
    record.pid()?;
    answers(&record).await.then(|| Running::of(&record))
}

/// What [`stop`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// None was running.
    NotRunning,
    /// It ended in good order.
    Gracefully,
    /// It did not end in time and was killed.
    Killed,
}

/// Stops the cloud that uses a state folder: asks it, waits for `patience`, then kills it.
///
/// # Errors
/// When it runs but can be neither asked nor killed.
pub async fn stop(state_folder: &Path, patience: Duration) -> Result<Stopped, CloudError> {
    if !is_locked(state_folder) {
        return Ok(Stopped::NotRunning);
    }
    let record = CloudRecord::read(state_folder).await;
    if let Some(record) = &record {
        // Its token goes only to the very run that wrote it down.
        if answers(record).await {
            let _ = timeout(ASK_PATIENCE, ask(record, Method::POST, STOP_PATH)).await;
        }
        if released(state_folder, patience).await {
            return Ok(Stopped::Gracefully);
        }
    }
    let pid = record.as_ref().and_then(CloudRecord::pid);
    if let Some(pid) = pid.filter(|_| is_locked(state_folder)) {
        kill(pid);
    }
    if released(state_folder, KILL_PATIENCE).await {
        return Ok(Stopped::Killed);
    }
    Err(CloudError::DoesNotStop)
}

/// Whether a process holds the state's lock, whether it answers or not.
pub(crate) fn is_locked(state_folder: &Path) -> bool {
    let lock = fs::File::open(state_folder.join("state.lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
}

async fn released(state_folder: &Path, patience: Duration) -> bool {
    let since = Instant::now();
    while is_locked(state_folder) {
        if since.elapsed() > patience {
            return false;
        }
        sleep(POLL).await;
    }
    true
}

/// Whether the run that wrote the record answers at its port, and no other program.
async fn answers(record: &CloudRecord) -> bool {
    let asked = timeout(ASK_PATIENCE, ask_nothing(record)).await;
    let answer = asked.ok().flatten();
    let instance = answer.as_ref().and_then(|answer| answer.headers().get(INSTANCE_HEADER));
    instance.is_some_and(|instance| instance.as_bytes() == record.instance().as_bytes())
}

// Without the token: it is not yet known who listens.
async fn ask_nothing(record: &CloudRecord) -> Option<Response<Incoming>> {
    send(record.port(), Request::get(STATUS_PATH)).await
}

async fn ask(record: &CloudRecord, method: Method, path: &str) -> Option<Response<Incoming>> {
    let bearer = format!("Bearer {}", record.token().expose());
    let request = Request::builder().method(method).uri(path);
    send(record.port(), request.header(header::AUTHORIZATION, bearer)).await
}

async fn send(port: u16, request: http::request::Builder) -> Option<Response<Incoming>> {
    send_body(port, request, String::new()).await
}

async fn send_body(
    port: u16,
    request: http::request::Builder,
    body: String,
) -> Option<Response<Incoming>> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let host = format!("127.0.0.1:{port}");
    let request =
        request.header(header::HOST, host).body(Full::new(bytes::Bytes::from(body))).ok()?;
    sender.send_request(request).await.ok()
}

#[cfg(unix)]
fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

#[cfg(not(unix))]
fn kill(pid: u32) {
    let pid = pid.to_string();
    let _ = std::process::Command::new("taskkill").args(["/F", "/PID", &pid]).output();
}
