//! One running workerd.

use super::{
    blueprint::{Blueprint, Target},
    complaints,
    link::{Endpoint, Link},
    output::{self, Complaints},
    watchdog::Watchdog,
};
use std::{
    io::{self, BufRead as _},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    process::{Child, Command},
    sync::{OnceCell, mpsc},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// What every workerd process is started with.
#[derive(Clone, Debug)]
pub(crate) struct Launcher {
    /// The workerd binary.
    pub(crate) binary: PathBuf,
    /// A folder that only this user may enter; configs lie there for a moment.
    pub(crate) folder: PathBuf,
    /// How this process and workerd reach each other.
    pub(crate) link: Arc<dyn Link>,
    /// Kills what this process leaves behind.
    pub(crate) watchdog: Arc<Watchdog>,
    /// See [`Launcher::newest_date`].
    pub(crate) newest_date: Arc<OnceLock<String>>,
    /// The version of the binary, once somebody had to know it.
    pub(crate) version: Arc<OnceCell<String>>,
}

/// Why workerd did not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The binary or the folder is at fault.
    #[error("workerd could not be started: {0}")]
    Io(#[from] io::Error),
    /// workerd ended at once and said why.
    #[error("{}", .0.join("; "))]
    Refused(Vec<String>),
    /// Nothing was heard in time: most likely a Worker that loops while it starts.
    #[error("workerd did not become ready within {} ms", .0.as_millis())]
    Late(Duration),
}

/// A workerd process that is ready. Dropping it kills the process.
#[derive(Debug)]
pub(crate) struct Process {
    pid: u32,
    sockets: Vec<(Target, Endpoint)>,
    orders: mpsc::UnboundedSender<Order>,
    ended: CancellationToken,
}

#[derive(Debug)]
enum Order {
    Drain(Duration),
    Kill,
}

impl Launcher {
    /// The newest compatibility date that this workerd knows, if it ever refused a newer one.
    pub(crate) fn newest_date(&self) -> Option<String> {
        self.newest_date.get().cloned()
    }

    /// Whether the complaints are about compatibility dates that this workerd does not know yet.
    /// From then on such Workers are started with the newest date that it knows.
    pub(crate) fn learn_newest_date(&self, complaints: &[String]) -> bool {
        let newest = complaints.iter().find_map(|said| complaints::newest_date(said));
        newest.is_some_and(|newest| self.newest_date.set(newest.to_owned()).is_ok())
    }

    /// Starts a process and waits until all its sockets listen. `name` is unique in the folder.
    pub(crate) async fn start(
        &self,
        name: &str,
        blueprint: &Blueprint,
        patience: Duration,
    ) -> Result<Process, StartError> {
        let folder = self.folder.join(name);
        write_files(&folder, blueprint)?;
        let started = self.spawn(&folder, blueprint, patience).await;
        if started.is_err() {
            // It may have listened at some of its sockets before it gave up.
            for (socket, _) in &blueprint.sockets {
                self.link.forget(&self.link.endpoint(socket, 0));
            }
        }
        // workerd has read everything by now; nothing of it needs to stay on the disk.
        let _ = std::fs::remove_dir_all(&folder);
        started
    }

    async fn spawn(
        &self,
        folder: &Path,
        blueprint: &Blueprint,
        patience: Duration,
    ) -> Result<Process, StartError> {
        let (control, writer) = io::pipe()?;
        let mut command = Command::new(&self.binary);
        // Messages about readiness come through descriptor 0: that needs no unsafe code, and no
        // output of a Worker can be mistaken for them.
        command.args(["serve", "--control-fd=0"]);
        if blueprint.experimental {
            command.arg("--experimental");
        }
        command.arg("-I").arg(folder);
        command.arg(folder.join("config.capnp")).arg("config");
        command.env_clear();
        for (name, value) in &blueprint.environment {
            command.env(name, value.expose());
        }
        command.stdin(writer).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn()?;
        drop(command); // Closes our copy of the pipe's writing end.
        let pid = child.id().unwrap_or_default();
        self.watchdog.guard(pid);
        let complaints = output::follow(&mut child, &blueprint.scripts);
        let wanted = blueprint.sockets.len();
        let ready = tokio::task::spawn_blocking(move || listening(control, wanted));
        match timeout(patience, ready).await {
            Ok(Ok(Some(ports))) => Ok(self.watch(child, pid, blueprint, &ports)),
            Ok(_) => Err(StartError::Refused(self.last_words(child, pid, complaints).await)),
            Err(_) => {
                let _ = child.kill().await;
                self.watchdog.release(pid);
                Err(StartError::Late(patience))
            }
        }
    }

    async fn last_words(&self, mut child: Child, pid: u32, complaints: Complaints) -> Vec<String> {
        // The pipe can close before the process ends; a process that goes on anyway is ended.
        if timeout(Duration::from_secs(2), child.wait()).await.is_err() {
            let _ = child.kill().await;
        }
        self.watchdog.release(pid);
        let mut said = complaints.take().await;
        if said.is_empty() {
            said.push("workerd ended without saying why".to_owned());
        }
        said
    }

    fn watch(&self, child: Child, pid: u32, blueprint: &Blueprint, ports: &Ports) -> Process {
        let sockets: Vec<_> = blueprint
            .sockets
            .iter()
            .map(|(name, target)| {
                let port = ports.iter().find(|(socket, _)| socket == name);
                (target.clone(), self.link.endpoint(name, port.map_or(0, |(_, port)| *port)))
            })
            .collect();
        let (orders, inbox) = mpsc::unbounded_channel();
        let ended = CancellationToken::new();
        let end = End { pid, launcher: self.clone(), ended: ended.clone() };
        let endpoints = sockets.iter().map(|(_, endpoint)| endpoint.clone()).collect();
        tokio::spawn(supervise(child, inbox, end, endpoints));
        Process { pid, sockets, orders, ended }
    }
}

impl Process {
    /// The process's id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Where its sockets are, and what they lead to.
    pub(crate) fn sockets(&self) -> &[(Target, Endpoint)] {
        &self.sockets
    }

    /// Cancelled as soon as the process has ended, for whatever reason.
    pub(crate) fn ended(&self) -> &CancellationToken {
        &self.ended
    }

    /// Lets requests in flight finish, for at most `patience`, and returns when it has ended.
    pub(crate) async fn drain(self, patience: Duration) {
        let _ = self.orders.send(Order::Drain(patience));
        self.ended.cancelled().await;
    }

    /// Ends it at once.
    pub(crate) async fn kill(self) {
        let _ = self.orders.send(Order::Kill);
        self.ended.cancelled().await;
    }
}

struct End {
    pid: u32,
    launcher: Launcher,
    ended: CancellationToken,
}

async fn supervise(
    mut child: Child,
    mut inbox: mpsc::UnboundedReceiver<Order>,
    end: End,
    endpoints: Vec<Endpoint>,
) {
    let order = tokio::select! {
        _ = child.wait() => None,
        order = inbox.recv() => Some(order.unwrap_or(Order::Kill)),
    };
    match order {
        None => {}
        Some(Order::Kill) => drop(child.kill().await),
        Some(Order::Drain(patience)) => {
            terminate(&child);
            if timeout(patience, child.wait()).await.is_err() {
                let _ = child.kill().await;
            }
        }
    }
    end.launcher.watchdog.release(end.pid);
    for endpoint in &endpoints {
        end.launcher.link.forget(endpoint);
    }
    end.ended.cancel();
}

#[cfg(unix)]
fn terminate(child: &Child) {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}

// There is no gentle way: the caller has already waited for the requests in flight.
#[cfg(not(unix))]
fn terminate(_child: &Child) {}

type Ports = Vec<(String, u16)>;

/// Reads readiness messages until every socket listens; `None` when the pipe closes before.
fn listening(control: io::PipeReader, wanted: usize) -> Option<Ports> {
    let mut ports = Ports::new();
    for line in io::BufReader::new(control).lines() {
        let message: serde_json::Value = serde_json::from_str(&line.ok()?).ok()?;
        let socket = message["socket"].as_str()?.to_owned();
        let port = message["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        ports.push((socket, port.unwrap_or(0)));
        if ports.len() == wanted {
            return Some(ports);
        }
    }
    None
}

fn write_files(folder: &Path, blueprint: &Blueprint) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("config.capnp"), &blueprint.config)?;
    for (name, body) in &blueprint.files {
        std::fs::write(folder.join(name), body)?;
    }
    Ok(())
}
