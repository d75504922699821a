use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// The middle one; half of a noisy machine's bad luck does not count.
pub(crate) fn median<T: PartialOrd + Copy>(values: &mut [T]) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).expect("measurements are comparable"));
    values[values.len() / 2]
}

/// Runs a command to its end, which must be a good one, and says how long it took.
pub(crate) fn timed(command: &mut Command) -> Duration {
    let began = Instant::now();
    let output = command.stdin(Stdio::null()).output().expect("the program starts");
    let took = began.elapsed();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {}: {stderr}", output.status);
    took
}

/// Milliseconds with one digit.
pub(crate) fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

/// A load from `wrk`, with one thread.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    url: String,
    headers: Vec<String>,
    seconds: u32,
    connections: u32,
}

/// What came of a load.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LoadEnd {
    /// Answers per second.
    pub(crate) rate: f64,
    /// Answers in all.
    pub(crate) requests: u64,
    /// Answers that were not good, and requests without one.
    pub(crate) failed: u64,
}

impl Load {
    /// 32 connections for three seconds.
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), headers: Vec::new(), seconds: 3, connections: 32 }
    }

    /// Asks for a hostname that the URL does not name.
    pub(crate) fn with_host(self, host: &str) -> Self {
        self.with_header(&format!("Host: {host}"))
    }

    /// A header line.
    pub(crate) fn with_header(mut self, line: &str) -> Self {
        self.headers.push(line.to_owned());
        self
    }

    /// For how long, and over how many connections.
    pub(crate) fn lasting(mut self, seconds: u32, connections: u32) -> Self {
        (self.seconds, self.connections) = (seconds, connections);
        self
    }

    /// Answers per second, all of which must be good; `None` where there is no wrk.
    pub(crate) fn rate(&self) -> Option<f64> {
        let end = self.run()?;
        assert_eq!(end.failed, 0, "{} {:?} answers badly: {end:?}", self.url, self.headers);
        Some(end.rate)
    }

    /// Runs it; `None` where there is no wrk.
    pub(crate) fn run(&self) -> Option<LoadEnd> {
        let mut wrk = Command::new("wrk");
        wrk.args(["-t1".to_owned(), format!("-c{}", self.connections)]);
        wrk.arg(format!("-d{}s", self.seconds));
        for header in &self.headers {
            wrk.args(["-H", header]);
        }
        let output = wrk.arg(&self.url).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let end = LoadEnd::read(&text);
        if end.failed > 0 {
            eprintln!("{text}");
        }
        Some(end)
    }
}

impl LoadEnd {
    /// Reads what wrk printed.
    fn read(text: &str) -> Self {
        let mut end = Self::default();
        for line in text.lines().map(str::trim) {
            if let Some(rate) = line.strip_prefix("Requests/sec:") {
                end.rate = rate.trim().parse().unwrap_or_default();
            } else if let Some((requests, _)) = line.split_once(" requests in ") {
                end.requests = requests.parse().unwrap_or_default();
            } else if let Some(bad) = line.strip_prefix("Non-2xx or 3xx responses:") {
                end.failed += bad.trim().parse::<u64>().unwrap_or_default();
            } else if let Some(errors) = line.strip_prefix("Socket errors:") {
                // connect 0, read 0, write 0, timeout 0
                let words = errors.split([' ', ',']);
                end.failed += words.filter_map(|word| word.parse::<u64>().ok()).sum::<u64>();
            }
        }
        end
    }
}
