use super::{
    kept::{BEFORE, SYNC},
    of_io,
};
use clodo_cli::{CliError, Exit, Ui};
use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

/// A folder in which this process alone works. The system takes the claim back when the process ends,
/// however it ends: what another one left half-written there belongs to nobody.
#[derive(Debug)]
pub(crate) struct Claim {
    folder: PathBuf,
    lock: File,
}

const LOCK: &str = ".lock";
const SCRATCH: &str = ".scratch";
const PARTIAL: &str = ".partial";

impl Claim {
    /// Claims a folder, which is made when it is missing, and sweeps it.
    ///
    /// # Errors
    /// When another process works in it, or it cannot be written.
    pub(crate) fn of(ui: &Ui, folder: &Path) -> Result<Self, CliError> {
        let failed = |error| of_io(&format!("could not use {}", folder.display()), error);
        make(folder).map_err(failed)?;
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        let lock = options.open(folder.join(LOCK)).map_err(failed)?;
        let alone = match lock.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => {
                let message = format!("another process works in {}", folder.display());
                let error = CliError::new(Exit::NotAllowed, "locked", message);
                return Err(error.with_hint("wait until it is done, or end it"));
            }
            // Not every file system locks. What is left lying there then stays.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => false,
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        };
        let claim = Self { folder: folder.to_owned(), lock };
        if alone {
            claim.sweep(ui).map_err(failed)?;
        }
        Ok(claim)
    }

    /// A folder for what is only needed until the claim ends.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn scratch(&self) -> Result<PathBuf, CliError> {
        let scratch = Self::scratch_of(&self.folder);
        let made = make(&scratch);
        made.map_err(|error| of_io(&format!("could not make {}", scratch.display()), error))?;
        Ok(scratch)
    }

    /// Where that folder is while `folder` is claimed.
    pub(crate) fn scratch_of(folder: &Path) -> PathBuf {
        folder.join(SCRATCH)
    }

    /// Ends the claim on a folder that was made for it alone, and removes that.
    pub(crate) fn end(self) {
        // What stays is empty but for the lock, and is used again.
        let _ = remove_all(&self.folder);
    }

    fn sweep(&self, ui: &Ui) -> io::Result<()> {
        remove_all(&self.folder.join(SCRATCH))?;
        for folder in [self.folder.clone(), self.folder.join(BEFORE), self.folder.join(SYNC)] {
            if !folder.is_dir() {
                continue;
            }
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_name().to_string_lossy().ends_with(PARTIAL)
                    && entry.file_type()?.is_file()
                {
                    ui.detail(&format!("removed {}, left half-written", entry.path().display()));
                    fs::remove_file(entry.path())?;
                }
            }
        }
        Ok(())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // What stays would only take room, and goes with the next claim.
        let _ = remove_all(&self.folder.join(SCRATCH));
        // A process that is being started at this moment holds the file for an instant more.
        let _ = self.lock.unlock();
    }
}

/// A folder that only its owner reads.
fn make(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

fn remove_all(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clodo_cli::{Streams, UiOptions};

    #[test]
    fn what_nobody_works_on_is_swept_and_who_works_is_left_alone() {
        let ui = Ui::new(Streams::captured().0, UiOptions::default());
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.sql.zst"), "whole").unwrap();
        fs::write(folder.path().join("a.sql.zst.1-0.partial"), "half").unwrap();
        fs::create_dir_all(folder.path().join(".scratch/backup-1-0")).unwrap();
        let claim = Claim::of(&ui, folder.path()).unwrap();
        let names = || {
            let entries = fs::read_dir(folder.path()).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(), [".lock", "a.sql.zst"]);
        fs::write(claim.scratch().unwrap().join("page"), "").unwrap();
        fs::write(folder.path().join("b.sql.zst.2-0.partial"), "being written").unwrap();
        let refused = Claim::of(&ui, folder.path()).unwrap_err();
        assert_eq!((refused.exit(), refused.kind()), (Exit::NotAllowed, "locked"));
        assert_eq!(names(), [".lock", ".scratch", "a.sql.zst", "b.sql.zst.2-0.partial"]);
        drop(claim);
        assert!(!names().iter().any(|name| name == ".scratch"));
        drop(Claim::of(&ui, folder.path()).unwrap());
        assert_eq!(names(), [".lock", "a.sql.zst"]);
    }
}
