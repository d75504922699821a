//! The folder with Durable Objects' files, which workerd alone writes.
//!
//! A newer workerd changes the files so that an older one ends at once when it opens them, so the
//! folder says which one wrote it last.

use super::process::Launcher;
use std::{
    io,
    path::{Path, PathBuf},
};
use tokio::process::Command;

/// The file that says which workerd used the folder last.
const STAMP: &str = "workerd";

/// The folder with Durable Objects cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DurableFolderError {
    /// The files are from a newer workerd than the one that is to open them.
    #[error(
        "the Durable Objects in `{}` were written by workerd {written}, and workerd {running} \
         cannot read what a newer one wrote",
        folder.display()
    )]
    Newer {
        /// The folder.
        folder: PathBuf,
        /// The version that wrote it.
        written: String,
        /// The version that is to read it.
        running: String,
    },
    /// The file system refused, or workerd did not say its version.
    #[error("the folder for Durable Objects, `{}`, cannot be used", folder.display())]
    Io {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Whether this workerd may open the Durable Objects in `folder`, which has one folder for each
/// account. A folder that nothing was ever written to is fine, and is not made.
///
/// # Errors
/// `Newer` when a newer workerd wrote to it.
pub async fn check_durable_folder(workerd: &Path, folder: &Path) -> Result<(), DurableFolderError> {
    if read(&folder.join(STAMP)).is_none() {
        return Ok(());
    }
    let running = version(workerd).await.map_err(failed(folder))?;
    compare(folder, &running)
}

/// Makes the folder, and notes that this version of workerd writes to it from now on.
fn stamp(folder: &Path, running: &str) -> Result<(), DurableFolderError> {
    std::fs::create_dir_all(folder).map_err(failed(folder))?;
    compare(folder, running)?;
    let path = folder.join(STAMP);
    if read(&path).as_deref() == Some(running) {
        return Ok(());
    }
    // In one step: half a stamp would be taken for another version.
    let fresh = folder.join(format!("{STAMP}.{}", std::process::id()));
    std::fs::write(&fresh, running)
        .and_then(|()| std::fs::rename(&fresh, &path))
        .map_err(failed(folder))
}

/// Makes the folder of an account, which lies in the one with the stamp.
pub(crate) async fn make(folder: &Path, launcher: &Launcher) -> Result<(), DurableFolderError> {
    let running = launcher.version.get_or_try_init(|| version(&launcher.binary)).await;
    let running = running.map_err(failed(folder))?;
    stamp(folder.parent().unwrap_or(folder), running)?;
    std::fs::create_dir_all(folder).map_err(failed(folder))
}

/// Deletes the files of namespaces that are gone. No process may have them open.
pub(crate) fn discard(folder: &Path, namespaces: &[String]) {
    for id in namespaces.iter().filter(|id| is_name(id)) {
        match std::fs::remove_dir_all(folder.join(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, id, "the files of deleted Durable Objects stay");
            }
            _ => {}
        }
    }
}

/// Whether files of namespaces that are gone wait to be deleted.
pub(crate) fn has_discarded(folder: &Path, namespaces: &[String]) -> bool {
    namespaces.iter().any(|id| is_name(id) && folder.join(id).exists())
}

/// The version of a workerd, such as `2026-11-17`.
async fn version(workerd: &Path) -> io::Result<String> {
    let said = Command::new(workerd).arg("--version").env_clear().output().await?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let version = said.split_whitespace().next_back().unwrap_or_default();
    if version.len() == 10 && version.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
        return Ok(version.to_owned());
    }
    Err(io::Error::other(format!("`workerd --version` said {said:?}")))
}

fn compare(folder: &Path, running: &str) -> Result<(), DurableFolderError> {
    // Versions are days, so that text order is their order.
    match read(&folder.join(STAMP)) {
        Some(written) if written.as_str() > running => Err(DurableFolderError::Newer {
            folder: folder.to_owned(),
            written,
            running: running.to_owned(),
        }),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn failed(folder: &Path) -> impl Fn(io::Error) -> DurableFolderError + use<> {
    let folder = folder.to_owned();
    move |source| DurableFolderError::Io { folder: folder.clone(), source }
}

/// Never a path that leads elsewhere.
fn is_name(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_refuses_a_workerd_older_than_its_last() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("durable");
        stamp(&folder, "2026-04-26").unwrap();
        stamp(&folder, "2026-11-17").unwrap();
        stamp(&folder, "2026-11-17").unwrap();
        let error = stamp(&folder, "2026-04-26").unwrap_err();
        assert!(error.to_string().contains("workerd 2026-11-17"), "{error}");
        assert_eq!(read(&folder.join(STAMP)).as_deref(), Some("2026-11-17"));
    }

    #[test]
    fn only_named_namespaces_are_deleted_and_never_what_lies_elsewhere() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("account");
        for name in ["aa", "bb"] {
            std::fs::create_dir_all(folder.join(name)).unwrap();
        }
        let outside = root.path().join("outside");
        std::fs::create_dir_all(&outside).unwrap();
        let gone = ["aa", "../outside", "", ".", "cc"].map(str::to_owned);
        assert!(has_discarded(&folder, &gone));
        discard(&folder, &gone);
        assert!(!folder.join("aa").exists() && folder.join("bb").exists() && outside.exists());
        assert!(!has_discarded(&folder, &gone));
    }
}
