//! Notices a workerd that is busy with a Worker that loops, or that takes too much memory.

use super::pool::{Load, Pool, RequestBody};
use http::Request;
use http_body_util::BodyExt as _;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout};

/// How often to look whether anything was answered since.
const INTERVAL: Duration = Duration::from_millis(300);
/// How long a ping may take. With the interval and the new start this keeps neighbours of a
/// Worker that loops from waiting longer than two seconds.
const PING_PATIENCE: Duration = Duration::from_millis(1000);
/// How often to look at the memory.
const MEMORY_INTERVAL: Duration = Duration::from_secs(1);
/// A timer that is this late says that the machine is overloaded, not that workerd hangs.
const LATE: Duration = Duration::from_millis(700);
/// How often an idle-looking process may miss its ping: it may be starved of processor time.
const STARVED_PINGS: u32 = 4;

/// What is wrong with a process that still runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It computes and answers nothing.
    Loops,
    /// It neither answers nor computes.
    Stands,
    /// It takes more memory than it may: so many bytes.
    Memory(u64),
}

/// What is watched.
#[derive(Clone, Debug)]
pub(crate) struct Pulse {
    /// The process.
    pub(crate) pid: u32,
    /// Leads to something that always answers.
    pub(crate) ping: Option<Arc<Pool>>,
    /// What the process is busy with.
    pub(crate) load: Arc<Load>,
    /// How long it may compute without a pause: long if only one Worker runs in it.
    pub(crate) cpu_limit: Duration,
    /// The most memory that it may take, in bytes.
    pub(crate) memory_limit: u64,
}

impl Pulse {
    /// Returns when something is wrong. An idle process is not disturbed.
    pub(crate) async fn trouble(&self) -> Trouble {
        tokio::select! {
            trouble = self.lost() => trouble,
            bytes = self.outgrown() => Trouble::Memory(bytes),
        }
    }

    /// Returns when the process has stopped turning: requests wait, none is answered, nor is a
    /// ping.
    pub(crate) async fn lost(&self) -> Trouble {
        let Some(ping) = &self.ping else { return std::future::pending().await };
        let mut since: Option<Instant> = None;
        let mut missed = 0;
        loop {
            let answered = self.load.answered();
            if late(INTERVAL).await {
                continue;
            }
            if self.load.in_flight() == 0 || self.load.answered() != answered {
                (since, missed) = (None, 0);
                continue;
            }
            let (began, busy) = (Instant::now(), cpu_time(self.pid));
            let turning = timeout(PING_PATIENCE, alive(ping)).await.is_ok();
            if turning || self.load.in_flight() == 0 || self.load.answered() != answered {
                (since, missed) = (None, 0);
                continue;
            }
            if began.elapsed() > PING_PATIENCE + LATE {
                continue;
            }
            let since = *since.get_or_insert(began);
            missed += 1;
            if !computes(busy, cpu_time(self.pid), began.elapsed()) {
                if missed >= STARVED_PINGS {
                    return Trouble::Stands;
                }
            } else if since.elapsed() >= self.cpu_limit {
                return Trouble::Loops;
            }
        }
    }

    async fn outgrown(&self) -> u64 {
        loop {
            sleep(MEMORY_INTERVAL).await;
            if let Some(bytes) = resident(self.pid).filter(|bytes| *bytes > self.memory_limit) {
                return bytes;
            }
        }
    }
}

/// Sleeps; true if that took much longer than it should have.
async fn late(time: Duration) -> bool {
    let began = Instant::now();
    sleep(time).await;
    began.elapsed() > time + LATE
}

// Any answer will do, and so will a broken connection: then the process ended, which others see.
async fn alive(ping: &Arc<Pool>) {
    let request = Request::get("/").header("host", "ping").body(RequestBody::Empty);
    if let Ok(request) = request
        && let Ok(answer) = ping.send(request).await
    {
        let _ = answer.into_body().collect().await;
    }
}

/// Whether a process used processor time. Among many others it gets little of it, but a ping takes
/// less than a millisecond. Where nobody can say, it did.
fn computes(before: Option<Duration>, after: Option<Duration>, during: Duration) -> bool {
    match (before, after) {
        (Some(before), Some(after)) => after.saturating_sub(before) >= during / 20,
        _ => true,
    }
}

/// Processor time that a process has used, in steps of 10 ms.
#[cfg(target_os = "linux")]
fn cpu_time(pid: u32) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(Duration::from_millis((ticks()? + ticks()?) * 10))
}

/// What a process holds in memory, in bytes.
#[cfg(target_os = "linux")]
fn resident(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kilobytes: u64 = line.trim().split(' ').next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(not(target_os = "linux"))]
fn cpu_time(_pid: u32) -> Option<Duration> {
    None
}

// There only V8's own limit holds, which does not count what lies outside its heap.
#[cfg(not(target_os = "linux"))]
fn resident(_pid: u32) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_waits_does_not_compute() {
        let at = |millis| Some(Duration::from_millis(millis));
        let second = Duration::from_secs(1);
        for (before, after, expected) in [
            (at(100), at(1_100), true),
            (at(100), at(300), true),
            (at(100), at(140), false),
            (None, at(150), true),
        ] {
            assert_eq!(computes(before, after, second), expected);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory_and_used_time() {
        let own = std::process::id();
        assert!(resident(own).unwrap() > 100_000);
        assert!(cpu_time(own).is_some());
        assert_eq!(resident(u32::MAX), None);
    }
}
