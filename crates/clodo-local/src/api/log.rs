//! The request log: one JSON line per call, never a body, a query, a token or a header but the user
//! agent.

use crate::state::model::Token;
use axum::http::{Method, StatusCode};
use clodo_types::{Clock, Timestamp};
use serde::Serialize;
use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

/// When the file is this long it is set aside as `requests.1.jsonl` and a new one begun.
const ROTATE_AT: u64 = 64 * 1024 * 1024;
/// Routes that are counted one by one; the router has fewer.
const KEPT_ROUTES: usize = 1_000;

/// Counts calls and writes them to a file, on a thread of its own.
#[derive(Debug)]
pub struct RequestLog {
    lines: Mutex<Sender<Arc<str>>>,
    counted: Mutex<Counted>,
    clock: Arc<dyn Clock>,
}

/// Totals, and the newest calls one by one.
#[derive(Debug, Default)]
struct Counted {
    total: RequestCount,
    newest: VecDeque<(Timestamp, bool)>,
    routes: BTreeMap<String, RequestCount>,
    faults: u64,
    limited: u64,
    lines: VecDeque<(String, Arc<str>)>,
}

/// One call, as the gate saw it.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    /// The path's template; empty when there is no such route.
    pub(super) route: &'a str,
    pub(super) status: StatusCode,
    pub(super) took: Duration,
    pub(super) write: bool,
    pub(super) user_agent: &'a str,
    pub(super) unknown_route: bool,
    pub(super) token: Option<&'a Token>,
    pub(super) received: Option<u64>,
    pub(super) sent: Option<u64>,
    pub(super) ray: &'a str,
    pub(super) fault: Option<&'static str>,
    pub(super) limited: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    ray: &'a str,
    method: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    route: &'a str,
    status: u16,
    duration_ms: f64,
    write: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<Who<'a>>,
    user_agent: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_out: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    limited: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unknown_route: bool,
}

#[derive(Serialize)]
struct Who<'a> {
    id: &'a str,
    name: &'a str,
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
    /// How many lines are kept in memory.
    pub const KEPT_LINES: usize = 1_000;

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

    /// Calls since the start of this process, by method and route.
    #[must_use]
    pub fn count_by_route(&self) -> BTreeMap<String, RequestCount> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner).routes.clone()
    }

    /// Calls that a fault hit, and calls that a limit refused.
    pub(super) fn spoiled(&self) -> (u64, u64) {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        (counted.faults, counted.limited)
    }

    /// The newest lines, oldest first: at most `most` whose `METHOD /route` `fits`.
    pub(super) fn newest(&self, most: usize, fits: &dyn Fn(&str) -> bool) -> Vec<Arc<str>> {
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = counted.lines.iter().rev().filter(|(route, _)| fits(route)).take(most);
        let mut lines: Vec<_> = lines.map(|(_, line)| Arc::clone(line)).collect();
        lines.reverse();
        lines
    }

    pub(super) fn note(&self, entry: Entry<'_>) {
        let now = self.clock.now();
        let line: Option<Arc<str>> =
            serde_json::to_string(&Line::of(&entry, now)).ok().map(Arc::from);
        let route = if entry.route.is_empty() { "(none)" } else { entry.route };
        let route = format!("{} {route}", entry.method);
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        counted.add(now, &entry, &route);
        let Some(line) = line else { return };
        if counted.lines.len() >= Self::KEPT_LINES {
            counted.lines.pop_front();
        }
        counted.lines.push_back((route, Arc::clone(&line)));
        drop(counted);
        let _ = self.lines.lock().unwrap_or_else(PoisonError::into_inner).send(line);
    }
}

impl Counted {
    fn add(&mut self, now: Timestamp, entry: &Entry<'_>, route: &str) {
        self.total.add(entry.write);
        if self.newest.len() >= RequestLog::KEPT_CALLS {
            self.newest.pop_front();
        }
        self.newest.push_back((now, entry.write));
        if let Some(count) = self.routes.get_mut(route) {
            count.add(entry.write);
        } else if self.routes.len() < KEPT_ROUTES {
            self.routes.entry(route.to_owned()).or_default().add(entry.write);
        }
        self.faults += u64::from(entry.fault.is_some());
        self.limited += u64::from(entry.limited);
    }
}

impl<'a> Line<'a> {
    fn of(entry: &Entry<'a>, now: Timestamp) -> Self {
        Self {
            time: crate::state::ids::Moment::at(now).to_string(),
            ray: entry.ray,
            method: entry.method.as_str(),
            path: entry.path,
            route: entry.route,
            status: entry.status.as_u16(),
            duration_ms: milliseconds(entry.took),
            write: entry.write,
            token: entry.token.map(|token| Who { id: &token.id, name: &token.name }),
            user_agent: entry.user_agent,
            bytes_in: entry.received,
            bytes_out: entry.sent,
            fault: entry.fault,
            limited: entry.limited,
            unknown_route: entry.unknown_route,
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

fn write_lines(path: &PathBuf, queue: &Receiver<Arc<str>>) {
    while let Ok(first) = queue.recv() {
        // All that has piled up goes out in one write.
        let mut text = first.to_string();
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
    let mut file = fs::OpenOptions::new().create(true).append(true).read(true).open(path)?;
    let length = whole_lines(&file)?;
    let written = file.write_all(text.as_bytes());
    if written.is_err() {
        // Half a line is worse than none.
        file.set_len(length)?;
    }
    written
}

/// The length of a file, after half a line at its end, which a killed process left, is cut off.
fn whole_lines(mut file: &fs::File) -> std::io::Result<u64> {
    let length = file.metadata()?.len();
    let mut end = length;
    let mut last = [0; 4096];
    while end > 0 {
        let start = end.saturating_sub(last.len() as u64);
        let piece = &mut last[..usize::try_from(end - start).unwrap_or_default()];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(piece)?;
        if let Some(at) = piece.iter().rposition(|byte| *byte == b'\n') {
            end = start + at as u64 + 1;
            break;
        }
        end = start;
    }
    if end < length {
        file.set_len(end)?;
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_that_a_kill_left_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("requests.jsonl");
        let long = "x".repeat(10_000);
        for (left, expected) in [
            ("", ""),
            ("{}\n", "{}\n"),
            ("{}\n{\"ha", "{}\n"),
            ("{\"ha", ""),
            (&format!("{{}}\n{long}"), "{}\n"),
            (&long, ""),
        ] {
            fs::write(&path, left).unwrap();
            append(&path, "{\"next\":1}\n").unwrap();
            let now = fs::read_to_string(&path).unwrap();
            assert_eq!(now, format!("{expected}{{\"next\":1}}\n"), "{left:.20}");
        }
    }
}
