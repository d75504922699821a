//! What workerd and the Workers in it print.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::Child,
    task::JoinHandle,
};

const KEPT: usize = 50;

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

/// Passes a child's output on to the log, line by line, and keeps its errors.
pub(crate) fn follow(child: &mut Child) -> Complaints {
    if let Some(stdout) = child.stdout.take() {
        tokio::spawn(lines(stdout, |line| log(&Line::parse(line))));
    }
    let kept = Arc::new(Mutex::new(VecDeque::new()));
    let reader = child.stderr.take().map(|stderr| {
        let kept = Arc::clone(&kept);
        tokio::spawn(lines(stderr, move |line| {
            let line = Line::parse(line);
            log(&line);
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

fn log(line: &Line) {
    let message = line.message.as_str();
    match line.level.as_str() {
        "error" => tracing::error!(target: "clodo_local::worker", "{message}"),
        "warn" | "warning" => tracing::warn!(target: "clodo_local::worker", "{message}"),
        "debug" => tracing::debug!(target: "clodo_local::worker", "{message}"),
        _ => tracing::info!(target: "clodo_local::worker", "{message}"),
    }
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
