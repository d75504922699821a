//! What workerd and the Workers in it print.

use std::{
    borrow::Cow,
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::Child,
    task::JoinHandle,
};

const KEPT: usize = 50;
/// How many Workers of a process are named in its lines.
const NAMED: usize = 3;

/// The errors that a process printed lately.
#[derive(Debug)]
pub(crate) struct Complaints {
    kept: Arc<Mutex<VecDeque<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Complaints {
    /// Everything said until the process ended; waits for that.
    pub(crate) async fn take(mut self) -> Vec<String> {
        if let Some(reader) = self.reader.take() {
            let _ = reader.await;
        }
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    }
}

/// Passes a child's output on to the log, line by line, and keeps its errors. workerd does not say
/// which of `scripts` printed a line, so it is told as exactly as the process allows.
pub(crate) fn follow(child: &mut Child, scripts: &BTreeSet<String>) -> Complaints {
    let speaker = speaker(scripts);
    if let Some(stdout) = child.stdout.take() {
        let speaker = speaker.clone();
        tokio::spawn(lines(stdout, move |line| log(&Line::parse(line), &speaker)));
    }
    let kept = Arc::new(Mutex::new(VecDeque::new()));
    let reader = child.stderr.take().map(|stderr| {
        let kept = Arc::clone(&kept);
        tokio::spawn(lines(stderr, move |line| {
            let line = Line::parse(line);
            log(&line, &speaker);
            if line.level == "error" {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.truncate(KEPT);
                kept.push_back(line.message);
            }
        }))
    });
    Complaints { kept, reader }
}

struct Line {
    level: String,
    message: String,
}

impl Line {
    fn parse(line: &str) -> Self {
        let parsed: Option<serde_json::Value> = serde_json::from_str(line).ok();
        let field = |name: &str| {
            parsed.as_ref().and_then(|parsed| parsed[name].as_str()).map(str::to_owned)
        };
        match (field("level"), field("message")) {
            (Some(level), Some(message)) => Self { level, message },
            // Before it has read its config, workerd prints plain text.
            _ => Self { level: "error".to_owned(), message: line.to_owned() },
        }
    }
}

/// Who a process speaks for: its Worker, or the first few of those that share it.
fn speaker(scripts: &BTreeSet<String>) -> Arc<str> {
    let names: Vec<&str> = scripts.iter().take(NAMED).map(String::as_str).collect();
    let named = names.join(", ");
    match scripts.len() {
        0 => "runtime".into(),
        1 => named.into(),
        count if count > NAMED => format!("one of {named} and {} more", count - NAMED).into(),
        _ => format!("one of {named}").into(),
    }
}

fn log(line: &Line, speaker: &str) {
    let message = uncaught(&line.message);
    match line.level.as_str() {
        "error" => tracing::error!(target: "clodo_local::worker", "{speaker}: {message}"),
        "warn" | "warning" => tracing::warn!(target: "clodo_local::worker", "{speaker}: {message}"),
        "debug" => tracing::debug!(target: "clodo_local::worker", "{speaker}: {message}"),
        _ => tracing::info!(target: "clodo_local::worker", "{speaker}: {message}"),
    }
}

/// `Uncaught exception: workerd/jsg/value.h:1456: failed: remote.jsg.Error: boom` without the place
/// in workerd's own source, and with the error's name as its Worker knows it.
fn uncaught(message: &str) -> Cow<'_, str> {
    let Some((what, rest)) = message.split_once(": ") else { return message.into() };
    let Some((place, rest)) = rest.split_once(": ") else { return message.into() };
    let of_workerd = place.rsplit_once(':').is_some_and(|(file, line)| {
        file.starts_with("workerd/") && line.bytes().all(|byte| byte.is_ascii_digit())
    });
    if !of_workerd || !what.starts_with("Uncaught exception") {
        return message.into();
    }
    let kind = |kind: &&str| rest.starts_with(*kind);
    let kinds = ["failed: ", "overloaded: ", "disconnected: ", "unimplemented: "];
    let rest = kinds.iter().find(|one| kind(one)).map_or(rest, |one| &rest[one.len()..]);
    let error = rest.trim_start_matches("remote.");
    format!("{what}: {}", error.strip_prefix("jsg.").unwrap_or(error)).into()
}

async fn lines(from: impl AsyncRead + Unpin, mut each: impl FnMut(&str)) {
    let mut reader = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line);
                let text = text.trim_end();
                if !text.is_empty() {
                    each(text);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_is_told_without_the_place_in_workerd_s_source() {
        for (said, told) in [
            (
                "Uncaught exception: workerd/jsg/value.h:1456: failed: remote.jsg.TypeError: boom: x",
                "Uncaught exception: TypeError: boom: x",
            ),
            (
                "Uncaught exception: workerd/jsg/util.c++:331: failed: jsg.Error: a\n  at i.js:1:2",
                "Uncaught exception: Error: a\n  at i.js:1:2",
            ),
            (
                "Uncaught exception: workerd/io/x.c++:9: overloaded: too much",
                "Uncaught exception: too much",
            ),
            ("note: workerd/io/x.c++:9: of a Worker", "note: workerd/io/x.c++:9: of a Worker"),
            ("Uncaught exception: a: b", "Uncaught exception: a: b"),
            ("hi", "hi"),
        ] {
            assert_eq!(uncaught(said), told);
        }
    }

    #[test]
    fn a_line_names_the_worker_or_those_that_share_the_process() {
        let of = |names: &[&str]| speaker(&names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(&*of(&[]), "runtime");
        assert_eq!(&*of(&["shop"]), "shop");
        assert_eq!(&*of(&["shop", "cart"]), "one of cart, shop");
        assert_eq!(&*of(&["a", "b", "c", "d", "e"]), "one of a, b, c and 2 more");
    }
}
