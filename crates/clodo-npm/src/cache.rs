use crate::{NpmError, NpmProgram, Pinned};
use std::{
    fs::{self, File, Metadata, TryLockError},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

const MARKER: &str = "clodo-install.json";
const LOCK: &str = "package-lock.json";

/// A folder of installed pins, shared by every process of a user.
#[derive(Clone, Debug)]
pub struct NpmCache {
    folder: PathBuf,
    npm: NpmProgram,
}

/// A pin that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    root: PathBuf,
    binary: PathBuf,
}

impl Installed {
    /// The file the pin is for, such as the program.
    #[must_use]
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// The folder of the install, which holds `node_modules`.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }
}

/// Written last into an install; an install without it is half done.
#[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Marker {
    required: PathBuf,
    size: u64,
}

impl NpmCache {
    /// A cache below `root` (see [`cache_root`](crate::cache_root)), with the `npm` of the search path.
    #[must_use]
    pub fn new(root: impl AsRef<Path>) -> Self {
        Self { folder: root.as_ref().join("npm"), npm: NpmProgram::default() }
    }

    /// Uses another npm.
    #[must_use]
    pub fn with_npm(mut self, npm: NpmProgram) -> Self {
        self.npm = npm;
        self
    }

    /// Says whether a pin is there and whole, without installing anything: a few stats.
    #[must_use]
    pub fn installed(&self, pinned: &Pinned) -> Option<Installed> {
        let root = self.folder.join(pinned.label());
        let marker: Marker = serde_json::from_slice(&fs::read(root.join(MARKER)).ok()?).ok()?;
        let binary = root.join(pinned.required());
        let there = marker.required == pinned.required()
            && fs::metadata(&binary).is_ok_and(|file| is_usable(&file, marker.size))
            && fs::read(root.join(LOCK)).is_ok_and(|lock| lock == pinned.lock().as_bytes());
        there.then_some(Installed { root, binary })
    }

    /// Makes sure that a pin is there: installs it when it is absent, half done or damaged.
    ///
    /// Safe to call from many processes at once: one installs, the others wait for it. Dropping the
    /// future ends npm and leaves no install behind.
    ///
    /// # Errors
    /// When npm is absent or fails, or the cache cannot be written.
    pub async fn ensure(&self, pinned: &Pinned) -> Result<Installed, NpmError> {
        if let Some(installed) = self.installed(pinned) {
            return Ok(installed);
        }
        let _lock = self.lock(pinned).await?;
        // Another process may have installed it while this one waited.
        match self.installed(pinned) {
            Some(installed) => Ok(installed),
            None => self.install(pinned).await,
        }
    }

    /// Takes the pin's lock; it is free again when the file is dropped, or its process ends.
    async fn lock(&self, pinned: &Pinned) -> Result<File, NpmError> {
        let path = self.folder.join(format!("{}.lock", pinned.label()));
        fs::create_dir_all(&self.folder).map_err(cache_error(&self.folder))?;
        let file =
            File::options().create(true).append(true).open(&path).map_err(cache_error(&path))?;
        // Asked again and again, so that whoever waits can be cancelled.
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => {
                    tokio::time::sleep(Duration::from_millis(40)).await
                }
                Err(TryLockError::Error(source)) => return Err(cache_error(&path)(source)),
            }
        }
    }

    /// Installs beside the final place and moves the whole there. The caller holds the lock.
    async fn install(&self, pinned: &Pinned) -> Result<Installed, NpmError> {
        let failed = || cache_error(&self.folder);
        let prefix = format!(".{}-", pinned.label());
        self.sweep(&prefix);
        let work =
            tempfile::Builder::new().prefix(&prefix).tempdir_in(&self.folder).map_err(failed())?;
        let fresh = work.path().join("fresh");
        fs::create_dir(&fresh).map_err(failed())?;
        fs::write(fresh.join("package.json"), pinned.manifest()).map_err(failed())?;
        fs::write(fresh.join(LOCK), pinned.lock()).map_err(failed())?;
        self.npm.install(&fresh, pinned).await?;
        mark(&fresh, pinned)?;

        let root = self.folder.join(pinned.label());
        // A damaged install is moved away first: it goes with the work folder.
        match fs::rename(&root, work.path().join("damaged")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(cache_error(&root)(error));
            }
            _ => {}
        }
        fs::rename(&fresh, &root).map_err(cache_error(&root))?;
        let binary = root.join(pinned.required());
        Ok(Installed { root, binary })
    }

    /// Removes what killed processes left; nobody else works on this pin while its lock is held.
    fn sweep(&self, prefix: &str) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                // What cannot be removed is in nobody's way.
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

fn mark(fresh: &Path, pinned: &Pinned) -> Result<(), NpmError> {
    let required = pinned.required().to_owned();
    let label = || pinned.label().to_owned();
    let size = match fs::metadata(fresh.join(&required)) {
        Ok(file) if is_usable(&file, file.len()) => file.len(),
        _ => return Err(NpmError::Incomplete { label: label(), path: required }),
    };
    let marker = serde_json::to_vec(&Marker { required, size })
        .map_err(|source| cache_error(fresh)(source.into()))?;
    fs::write(fresh.join(MARKER), marker).map_err(cache_error(fresh))
}

fn is_usable(file: &Metadata, size: u64) -> bool {
    file.is_file() && file.len() == size && size > 0
}

fn cache_error(path: &Path) -> impl FnOnce(io::Error) -> NpmError {
    move |source| NpmError::Cache { path: path.to_owned(), source }
}
