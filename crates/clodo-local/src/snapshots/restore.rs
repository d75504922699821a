//! From a snapshot back to a state folder: whole, or not at all.

use super::{
    SnapshotError,
    archive::{self, is_of_a_run},
};
use crate::lifecycle::is_locked;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What [`restore`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// When the snapshot was made, RFC 3339.
    pub made_on: String,
    /// Whether there was a state that it replaced.
    pub replaced: bool,
}

/// Unpacks a snapshot into an empty folder, to look at it.
///
/// # Errors
/// When the file is no whole snapshot, or the folder cannot be written.
pub fn unpack(file: &Path, folder: &Path) -> Result<(), SnapshotError> {
    archive::read(file, folder).map(drop)
}

/// Reads a snapshot to its end, so that nobody stops a cloud for a file that is none.
///
/// # Errors
/// When the file is no whole snapshot.
pub fn check_snapshot(file: &Path) -> Result<(), SnapshotError> {
    archive::check(file).map(drop)
}

/// Replaces the state in `state_folder` by the snapshot. The old state goes only after the new one
/// is whole and on disk; a kill in between leaves one of the two in place, and the other beside it.
///
/// # Errors
/// When a cloud runs there, the file is no whole snapshot, or the disk refuses; then the state is
/// what it was.
pub fn restore(file: &Path, state_folder: &Path) -> Result<Restored, SnapshotError> {
    if is_locked(state_folder) {
        return Err(SnapshotError::Running);
    }
    let (coming, going) = (beside(state_folder, "restoring"), beside(state_folder, "replaced"));
    // Left by one that was killed.
    remove(&coming)?;
    if !state_folder.exists() && going.exists() {
        rename(&going, state_folder)?;
    }
    remove(&going)?;
    fs::create_dir_all(&coming).map_err(SnapshotError::io("create", &coming))?;
    private(&coming)?;
    let about = match archive::read(file, &coming) {
        Ok(about) => about,
        Err(error) => {
            let _ = fs::remove_dir_all(&coming);
            return Err(error);
        }
    };
    keep_logs(state_folder, &coming);
    let replaced = state_folder.exists();
    if replaced && exchanged(&coming, state_folder) {
        remove(&coming)?;
    } else {
        if replaced {
            rename(state_folder, &going)?;
        }
        if let Err(error) = rename(&coming, state_folder) {
            let _ = fs::rename(&going, state_folder);
            return Err(error);
        }
        remove(&going)?;
    }
    Ok(Restored { made_on: about.made_on, replaced })
}

/// Port, token and logs belong to the folder, not to the state: clients that were pointed at the
/// cloud stay so.
fn keep_logs(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if entry.path().is_file() && name.to_str().is_some_and(is_of_a_run) {
            let _ = fs::copy(entry.path(), to.join(name));
        }
    }
}

/// Swaps two folders at one stroke, where the system can: no moment is without a state.
#[cfg(target_os = "linux")]
fn exchanged(one: &Path, other: &Path) -> bool {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn exchanged(_one: &Path, _other: &Path) -> bool {
    false
}

fn beside(folder: &Path, end: &str) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(end);
    folder.with_file_name(name)
}

fn remove(folder: &Path) -> Result<(), SnapshotError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(SnapshotError::io("remove", folder)(error))
        }
        _ => Ok(()),
    }
}

fn rename(from: &Path, to: &Path) -> Result<(), SnapshotError> {
    fs::rename(from, to).map_err(SnapshotError::io("move", from))
}

/// It holds the secrets of Workers as they were uploaded.
fn private(folder: &Path) -> Result<(), SnapshotError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
            .map_err(SnapshotError::io("protect", folder))?;
    }
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}
