//! Sees to it that no workerd outlives this process, however it ends.

use std::{
    io::Write as _,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, PoisonError},
};

/// A shell that holds a list of process ids and kills what is on it when its input ends. Its
/// input is a pipe from this process, so it ends when this process does, `kill -9` included.
///
/// Without a shell (Windows, a container without `sh`) there is none, and a killed cloud may leave
/// its workerd behind; an ordinary stop never does.
#[derive(Debug)]
pub(crate) struct Watchdog(Mutex<Option<(Child, ChildStdin)>>);

const SCRIPT: &str = r#"pids=" "
while read -r sign pid; do
  case $sign in
    +) pids="$pids$pid " ;;
    -) case $pids in *" $pid "*) pids="${pids%%" $pid "*} ${pids#*" $pid "}" ;; esac ;;
  esac
done
for pid in $pids; do kill -9 "$pid" 2>/dev/null; done
"#;

impl Watchdog {
    /// Starts the shell where there is one.
    pub(crate) fn start() -> Self {
        if cfg!(not(unix)) {
            return Self(Mutex::new(None));
        }
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT]).env_clear();
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        own_group(&mut command);
        let started = command.spawn().map(|mut child| {
            let input = child.stdin.take();
            input.map(|input| (child, input))
        });
        match started {
            Ok(child) => Self(Mutex::new(child)),
            Err(error) => {
                tracing::warn!(%error, "no watchdog: a killed cloud may leave workerd behind");
                Self(Mutex::new(None))
            }
        }
    }

    /// `pid` must not outlive this process.
    pub(crate) fn guard(&self, pid: u32) {
        self.say('+', pid);
    }

    /// `pid` ended.
    pub(crate) fn release(&self, pid: u32) {
        self.say('-', pid);
    }

    fn say(&self, sign: char, pid: u32) {
        let mut shell = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, input)) = shell.as_mut() {
            // A shell that somebody killed is no reason to stop serving.
            let _ = writeln!(input, "{sign} {pid}");
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let shell = self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((mut child, input)) = shell {
            drop(input);
            let _ = child.wait();
        }
    }
}

// Ctrl-C at a terminal goes to the whole group; what we start is stopped by us, in order.
#[cfg(unix)]
fn own_group(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(not(unix))]
fn own_group(_command: &mut Command) {}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_is_guarded_dies_with_the_watchdog_and_what_was_released_lives() {
        let sleeper = || Command::new("sleep").arg("60").spawn().unwrap();
        let (mut guarded, mut other, mut released) = (sleeper(), sleeper(), sleeper());
        let dog = Watchdog::start();
        for child in [&released, &guarded, &other] {
            dog.guard(child.id());
        }
        dog.release(released.id());
        drop(dog);
        assert!(!guarded.wait().unwrap().success());
        assert!(!other.wait().unwrap().success());
        assert!(released.try_wait().unwrap().is_none());
        released.kill().unwrap();
        released.wait().unwrap();
    }
}
