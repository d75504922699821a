use clodo_npm::NpmCache;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// One figure of a process, in kilobytes.
fn kilobytes(pid: u32, figure: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(figure))?;
    line.split_whitespace().next()?.parse().ok()
}

fn children(pid: u32) -> Vec<u32> {
    // Each thread has children of its own.
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists = threads.map(|thread| fs::read_to_string(thread.path().join("children")));
    let text = lists.map(|list| list.unwrap_or_default()).collect::<Vec<_>>().join(" ");
    let direct: Vec<u32> = text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    let below = direct.iter().flat_map(|pid| children(*pid)).collect::<Vec<_>>();
    direct.into_iter().chain(below).collect()
}

/// The proportional set size of a process and everything below it, in megabytes.
pub(crate) fn tree_megabytes(pid: u32) -> Option<f64> {
    let own = kilobytes(pid, "Pss:")?;
    let below: u64 = children(pid).into_iter().filter_map(|pid| kilobytes(pid, "Pss:")).sum();
    Some(megabytes(own + below))
}

/// The processor time of a process and of all below it, those that ended included.
pub(crate) fn processor_time(pid: u32) -> Option<Duration> {
    let own = ticks(pid)?;
    let below: u64 = children(pid).into_iter().filter_map(ticks).sum();
    // The unit in which Linux counts for its users.
    Some(Duration::from_millis((own + below) * 10))
}

/// User and system time of a process and of the children that it has waited for.
fn ticks(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and brackets; what follows the last one are numbers.
    let (_, rest) = text.rsplit_once(") ")?;
    let numbers = rest.split(' ').skip(11).take(4);
    Some(numbers.filter_map(|number| number.parse::<u64>().ok()).sum())
}

/// The most memory that a command's own process had while it ran, looked at every two milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Peak {
    /// Proportional set size, in megabytes: a page that two processes share counts half.
    pub(crate) pss: f64,
    /// Resident set size, in megabytes: shared pages count in full.
    pub(crate) rss: f64,
}

impl Peak {
    pub(crate) fn of(command: &mut Command) -> Self {
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child: Child = command.spawn().expect("the program starts");
        let mut peak = Self::default();
        let status = loop {
            if let Some(status) = child.try_wait().expect("the child can be waited for") {
                break status;
            }
            let now = |figure| megabytes(kilobytes(child.id(), figure).unwrap_or(0));
            peak = peak.or(Self { pss: now("Pss:"), rss: now("Rss:") });
            std::thread::sleep(Duration::from_millis(2));
        };
        assert!(status.success(), "{command:?} ended with {status}");
        peak
    }

    /// The higher figures of both.
    pub(crate) fn or(self, other: Self) -> Self {
        Self { pss: self.pss.max(other.pss), rss: self.rss.max(other.rss) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn megabytes(kilobytes: u64) -> f64 {
    kilobytes as f64 / 1024.0
}

/// A workerd of its own, as npm unpacks it: of a page that two processes share each is charged half,
/// and others on this machine may run the usual one.
pub(crate) fn workerd_of_its_own(folder: &Path) -> PathBuf {
    let pinned = clodo_npm::workerd().expect("workerd runs on this platform");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let cache = NpmCache::new(folder.join("cache"));
    let installed = runtime.expect("a runtime starts").block_on(cache.ensure(&pinned));
    installed.expect("npm installs workerd").binary().to_owned()
}
