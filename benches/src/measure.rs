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

/// Requests per second of `wrk` with one thread and 32 connections, or `None` where there is no wrk.
pub(crate) fn requests_per_second(url: &str, host: &str) -> Option<f64> {
    let header = format!("Host: {host}");
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", "-c32", "-d3s", "-H", &header, url]);
    let output = wrk.output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("Non-2xx"), "the server answers badly under load:\n{text}");
    let line = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"))?;
    line.trim().parse().ok()
}
