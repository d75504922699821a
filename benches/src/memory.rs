use std::{
    fs,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// The proportional set size of one process, in kilobytes.
fn pss(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let direct: Vec<u32> = text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    let below = direct.iter().flat_map(|pid| children(*pid)).collect::<Vec<_>>();
    direct.into_iter().chain(below).collect()
}

/// The proportional set size of a process and everything below it, in megabytes.
#[expect(clippy::cast_precision_loss, reason = "megabytes, shown with one digit")]
pub(crate) fn tree_megabytes(pid: u32) -> Option<f64> {
    let own = pss(pid)?;
    let below: u64 = children(pid).into_iter().filter_map(pss).sum();
    Some((own + below) as f64 / 1024.0)
}

/// The largest proportional set size that a command had while it ran, in megabytes, looked at every
/// two milliseconds; its own process only.
#[expect(clippy::cast_precision_loss, reason = "megabytes, shown with one digit")]
pub(crate) fn peak_megabytes(command: &mut Command) -> f64 {
    let mut child: Child =
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
    let mut peak = 0;
    while child.try_wait().expect("the child can be waited for").is_none() {
        peak = peak.max(pss(child.id()).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    }
    peak as f64 / 1024.0
}
