use clodo_saga::{Holder, Liveness};
use std::fs;

/// This process, as the holder of a lease: machine, process id, and when the process started, so
/// that another process with the same id later is not taken for it.
#[must_use]
pub fn this_process() -> Holder {
    let pid = std::process::id();
    Holder::new(&host(), pid, &started(pid).unwrap_or_default())
}

/// Whether the holder of a lease still runs; unknown for one on another machine, and where the
/// system does not tell when a process started.
#[must_use]
pub fn liveness(holder: &Holder) -> Liveness {
    if holder.host() != this_process().host() || holder.started().is_empty() {
        return Liveness::Unknown;
    }
    match started(holder.pid()) {
        Some(started) if started == holder.started() => Liveness::Alive,
        _ => Liveness::Dead,
    }
}

fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    // After a reboot process ids and start times begin anew.
    let boot: String = boot.chars().take(8).collect();
    match name.trim() {
        "" => "unknown".to_owned(),
        name => format!("{name}-{boot}"),
    }
}

/// When a process started, in ticks since the machine did (`man 5 proc_pid_stat`, field 22).
fn started(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, which may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    // One that ended, and whose parent did not ask how, is still listed.
    let state = fields.next()?;
    if state == "Z" || state == "X" {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_a_later_one_with_its_id_is_not() {
        let own = this_process();
        assert_eq!(liveness(&own), Liveness::Alive);
        let earlier = Holder::new(own.host(), own.pid(), "1");
        assert_eq!(liveness(&earlier), Liveness::Dead);
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let other = Holder::new(own.host(), child.id(), &started(child.id()).unwrap());
        assert_eq!(liveness(&other), Liveness::Alive);
        child.kill().unwrap();
        // Killed, but not waited for.
        while liveness(&other) == Liveness::Alive {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert_eq!(liveness(&other), Liveness::Dead);
        assert_eq!(liveness(&Holder::new("elsewhere", own.pid(), "1")), Liveness::Unknown);
    }
}
