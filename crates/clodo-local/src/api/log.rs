//! The request log: one JSON line per call, never a body, a query or a header but the user agent.

use super::reply::OnlyRead;
use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method},
    middleware::Next,
    response::Response,
};
use clodo_types::{Clock, Timestamp};
use serde::Serialize;
use std::{
    collections::VecDeque,
    fs,
    io::Write,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};
use tokio::time::Instant;

use super::ApiContext;

/// When the file is this long it is set aside as `requests.1.jsonl` and a new one begun.
const ROTATE_AT: u64 = 64 * 1024 * 1024;

/// Counts calls and writes them to a file, on a thread of its own.
#[derive(Debug)]
pub struct RequestLog {
    lines: Mutex<Sender<String>>,
    counted: Mutex<Counted>,
    clock: Arc<dyn Clock>,
}

/// Totals, and the newest calls one by one.
#[derive(Debug, Default)]
struct Counted {
    total: RequestCount,
    newest: VecDeque<(Timestamp, bool)>,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    method: &'a str,
    path: &'a str,
    status: u16,
    duration_ms: f64,
    write: bool,
    user_agent: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unknown_route: bool,
}

/// Marks the answer to a route that does not exist.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnknownRoute;

/// How many calls there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RequestCount {
    /// Calls that changed nothing.
    pub reads: u64,
    /// Calls that changed something, or failed while they did.
    pub writes: u64,
}

impl RequestCount {
    fn add(&mut self, write: bool) {
        if write {
            self.writes += 1;
        } else {
            self.reads += 1;
        }
    }
}

impl RequestLog {
    /// How many calls are remembered with their time.
    pub const KEPT_CALLS: usize = 100_000;

    /// Appends to the file at `path`.
    #[must_use]
    pub fn at(path: PathBuf, clock: Arc<dyn Clock>) -> Self {
        let (lines, queue) = channel();
        // Without the thread the queue is gone, and lines are dropped: a log must not stop work.
        let writer = std::thread::Builder::new().name("request-log".into());
        if let Err(error) = writer.spawn(move || write_lines(&path, &queue)) {
            tracing::warn!(%error, "there will be no request log");
        }
        Self { lines: Mutex::new(lines), counted: Mutex::default(), clock }
    }

    /// Calls since `since`, or since the start of this process. Only the newest
    /// [`KEPT_CALLS`](Self::KEPT_CALLS) are told apart by time.
    #[must_use]
    pub fn count(&self, since: Option<Timestamp>) -> RequestCount {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(since) = since else { return counted.total };
        let mut count = RequestCount::default();
        for (_, write) in counted.newest.iter().filter(|(at, _)| *at >= since) {
            count.add(*write);
        }
        count
    }

    fn note(&self, line: &Line<'_>) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.total.add(line.write);
        if counted.newest.len() >= Self::KEPT_CALLS {
            counted.newest.pop_front();
        }
        counted.newest.push_back((self.clock.now(), line.write));
        drop(counted);
        if let Ok(text) = serde_json::to_string(line) {
            let _ = self.lines.lock().unwrap_or_else(PoisonError::into_inner).send(text);
        }
    }
}

/// Logs one call; put around all routes.
pub(crate) async fn logged(
    State(cx): State<Arc<ApiContext>>,
    request: Request,
    next: Next,
) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let agent = user_agent(request.headers());
    let began = Instant::now();
    let response = next.run(request).await;
    let reads = method == Method::GET || method == Method::HEAD;
    let unknown_route = response.extensions().get::<UnknownRoute>().is_some();
    // What was refused changed nothing; after a 5xx nobody knows.
    let refused = response.status().is_client_error();
    let write = !reads && !refused && response.extensions().get::<OnlyRead>().is_none();
    let duration = began.elapsed();
    cx.log.note(&Line {
        time: crate::state::ids::Moment::at(cx.log.clock.now()).to_string(),
        method: method.as_str(),
        path: &path,
        status: response.status().as_u16(),
        duration_ms: milliseconds(duration),
        write,
        user_agent: &agent,
        unknown_route,
    });
    response
}

fn user_agent(headers: &HeaderMap) -> String {
    let agent = headers.get("user-agent").and_then(|agent| agent.to_str().ok());
    agent.unwrap_or_default().chars().take(200).collect()
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

fn write_lines(path: &PathBuf, queue: &Receiver<String>) {
    while let Ok(first) = queue.recv() {
        // All that has piled up goes out in one write.
        let mut text = first;
        text.push('\n');
        for line in queue.try_iter().take(1_000) {
            text.push_str(&line);
            text.push('\n');
        }
        if let Err(error) = append(path, &text) {
            tracing::debug!(%error, "a line of the request log is lost");
        }
    }
}

/// Opens the file each time, so that a folder that was deleted is not kept alive by the log.
fn append(path: &PathBuf, text: &str) -> std::io::Result<()> {
    if fs::metadata(path).is_ok_and(|file| file.len() > ROTATE_AT) {
        fs::rename(path, path.with_extension("1.jsonl"))?;
    }
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(text.as_bytes())
}
