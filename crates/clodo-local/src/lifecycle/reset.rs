//! Forgets everything.

use super::{CloudError, find::is_locked};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Everything that a cloud ever writes below its state folder.
const OWNED: [&str; 19] = [
    "analytics.sqlite",
    "analytics.sqlite-shm",
    "analytics.sqlite-wal",
    "blobs",
    "cloud.json",
    "cloud.log",
    "data",
    "durable",
    "ports.json",
    "ports.new",
    "requests.1.jsonl",
    "requests.jsonl",
    "run",
    "state.lock",
    "state.sqlite",
    "state.sqlite-shm",
    "state.sqlite-wal",
    "state.sqlite-journal",
    "transfers",
];

/// What [`reset`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reset {
    /// What was deleted.
    pub deleted: Vec<PathBuf>,
    /// What was found below the state folder and left alone, since no cloud wrote it.
    pub left: Vec<PathBuf>,
}

/// Deletes what clouds wrote below a state folder, and the folder if it is empty then.
///
/// # Errors
/// When a cloud is running, or something cannot be deleted.
pub fn reset(state_folder: &Path) -> Result<Reset, CloudError> {
    if is_locked(state_folder) {
        return Err(CloudError::StillRunning);
    }
    let failed = CloudError::io("delete", "the state");
    let mut report = Reset::default();
    let entries = match fs::read_dir(state_folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(report),
        Err(error) => return Err(failed(error)),
    };
    for entry in entries {
        let entry = entry.map_err(&failed)?;
        let owned = entry.file_name().to_str().is_some_and(is_owned);
        if !owned {
            report.left.push(entry.path());
            continue;
        }
        // A link is removed, not followed.
        let removed = match entry.file_type().map_err(&failed)?.is_dir() {
            true => fs::remove_dir_all(entry.path()),
            false => fs::remove_file(entry.path()),
        };
        match removed {
            // A database that is just being closed takes its own side files away.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed.map_err(&failed)?,
        }
        report.deleted.push(entry.path());
    }
    if report.left.is_empty() {
        fs::remove_dir(state_folder).map_err(&failed)?;
    }
    report.deleted.sort();
    Ok(report)
}

fn is_owned(name: &str) -> bool {
    OWNED.contains(&name) || name.starts_with("cloud.json.") || name.starts_with("snapshot.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_deletes_what_is_ours_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        fs::create_dir_all(state.join("blobs/ab")).unwrap();
        fs::write(state.join("state.sqlite"), "x").unwrap();
        fs::write(state.join("notes.txt"), "mine").unwrap();
        let report = reset(&state).unwrap();
        assert_eq!(report.deleted, [state.join("blobs"), state.join("state.sqlite")]);
        assert_eq!(report.left, [state.join("notes.txt")]);
        fs::remove_file(state.join("notes.txt")).unwrap();
        reset(&state).unwrap();
        assert!(!state.exists());
        assert_eq!(reset(&state).unwrap(), Reset::default());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_out_of_the_folder_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (state, outside) = (folder.path().join("state"), folder.path().join("outside"));
        fs::create_dir_all(&state).unwrap();
        fs::create_dir_all(&outside).unwrap();
        fs::write(outside.join("precious"), "x").unwrap();
        std::os::unix::fs::symlink(&outside, state.join("data")).unwrap();
        reset(&state).unwrap();
        assert!(outside.join("precious").exists());
    }
}
