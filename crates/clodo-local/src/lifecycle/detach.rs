//! A cloud that outlives the program which started it.

use super::{
    CloudError,
    find::{Running, find, is_locked},
};
use crate::state::link_in;
use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tokio::time::{Instant, sleep};

const POLL: Duration = Duration::from_millis(5);
const LAST_WORDS: u64 = 2_000;

/// Where a detached cloud's log lies.
#[must_use]
pub fn log_path(state_folder: &Path) -> PathBuf {
    state_folder.join("cloud.log")
}

/// The environment variables that a cloud may need, and that a command made by [`detach_command`]
/// should be given. A cloud lives long and runs other people's code beside it, so it gets no others:
/// whoever starts one may have tokens and secrets in the environment.
pub const CLOUD_ENVIRONMENT: [&str; 17] = [
    "APPDATA",
    "CLODO_CACHE_DIR",
    "CLODO_LOG",
    "CLODO_WORKERD",
    "HOME",
    "LANG",
    "LC_ALL",
    "LOCALAPPDATA",
    "NO_COLOR",
    "PATH",
    "RUST_BACKTRACE",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "TMPDIR",
    "USERPROFILE",
    "XDG_CACHE_HOME",
];

/// The command that runs `program` with `args` apart from this process and its terminal. Its
/// output goes to [`log_path`]; its environment is empty, and what it needs of this process's is
/// named by [`CLOUD_ENVIRONMENT`].
///
/// The program serves the arguments by calling [`run_until_stopped`](super::run_until_stopped).
///
/// # Errors
/// When the log cannot be opened.
pub fn detach_command<A: AsRef<OsStr>>(
    program: &Path,
    args: impl IntoIterator<Item = A>,
    state_folder: &Path,
) -> io::Result<Command> {
    fs::create_dir_all(state_folder)?;
    if let Some(link) = link_in(state_folder)? {
        let message = format!("`{}` is a symbolic link", link.display());
        return Err(io::Error::other(message));
    }
    let log = File::options().create(true).append(true).open(log_path(state_folder))?;
    let mut command = Command::new(program);
    command.args(args).env_clear().stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    apart(&mut command);
    Ok(command)
}

/// Starts a command made by [`detach_command`] and waits until its cloud answers.
///
/// # Errors
/// When it ends before that, or does not answer within `patience`; then it is killed.
pub async fn start_detached(
    mut command: Command,
    state_folder: &Path,
    patience: Duration,
) -> Result<Running, CloudError> {
    let begun = fs::metadata(log_path(state_folder)).map_or(0, |log| log.len());
    let mut child = command.spawn().map_err(CloudError::io("start", "the program again"))?;
    let since = Instant::now();
    loop {
        if let Some(running) =
            find(state_folder).await.filter(|found| found.pid == Some(child.id()))
        {
            return Ok(running);
        }
        if matches!(child.try_wait(), Ok(Some(_))) {
            // Somebody else may have been faster with the same folder.
            if let Some(running) = find(state_folder).await {
                return Ok(running);
            }
            // It may hold the folder already and not answer yet.
            if !is_locked(state_folder) || since.elapsed() > patience {
                return Err(CloudError::EndedAtOnce { log: last_words(state_folder, begun) });
            }
        } else if since.elapsed() > patience {
            end(&mut child);
            return Err(CloudError::NotReady { seconds: patience.as_secs() });
        }
        sleep(POLL).await;
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// The end of what was logged since.
fn last_words(state_folder: &Path, since: u64) -> String {
    let read = || {
        let mut log = File::open(log_path(state_folder))?;
        let length = log.metadata()?.len();
        log.seek(SeekFrom::Start(since.max(length.saturating_sub(LAST_WORDS))))?;
        let mut text = Vec::new();
        log.read_to_end(&mut text)?;
        io::Result::Ok(String::from_utf8_lossy(&text).trim().to_owned())
    };
    read().unwrap_or_default()
}

// A group of its own: Ctrl-C at the terminal that started it does not reach it.
#[cfg(unix)]
fn apart(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(windows)]
fn apart(command: &mut Command) {
    const DETACHED_PROCESS: u32 = 0x8;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    let flags = DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP;
    std::os::windows::process::CommandExt::creation_flags(command, flags);
}
