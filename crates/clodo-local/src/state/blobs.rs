//! Module bodies, assets and manifests: files named by the SHA-256 of their content.

use super::{error::StateError, ids::sha256};
use bytes::Bytes;
use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

/// `blobs/<aa>/<sha256>`. A file that is there is complete: it was renamed into place.
#[derive(Clone, Debug)]
pub(crate) struct Blobs {
    folder: PathBuf,
    durable: bool,
}

impl Blobs {
    pub(crate) fn in_folder(folder: PathBuf) -> Self {
        Self { folder, durable: true }
    }

    /// The same without waiting for the disk.
    pub(crate) fn fast(self) -> Self {
        Self { durable: false, ..self }
    }

    /// Stores all bodies durably and returns their names, in order.
    pub(crate) async fn put(&self, bodies: Vec<Bytes>) -> Result<Vec<String>, StateError> {
        let blobs = self.clone();
        blocking(move || bodies.iter().map(|body| blobs.put_now(body)).collect()).await
    }

    /// Reads one blob.
    pub(crate) async fn get(&self, name: &str) -> Result<Bytes, StateError> {
        let path = self.path(name);
        blocking(move || read(&path)).await
    }

    /// Reads one blob on the calling thread.
    pub(crate) fn get_now(&self, name: &str) -> Result<Bytes, StateError> {
        read(&self.path(name))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name.get(..2).unwrap_or("xx")).join(name)
    }

    fn put_now(&self, body: &[u8]) -> Result<String, StateError> {
        let name = sha256(body);
        let path = self.path(&name);
        if path.exists() {
            return Ok(name);
        }
        write_whole(&path, body, self.durable).map_err(|source| StateError::Io {
            doing: "write",
            path,
            source,
        })?;
        Ok(name)
    }

    /// Removes what nothing refers to and what has not been touched for `age`; the age protects
    /// uploads whose Worker is still to come.
    pub(crate) fn sweep(&self, used: &BTreeSet<String>, age: Duration) -> io::Result<usize> {
        let mut removed = 0;
        for shelf in entries(&self.folder)? {
            for file in entries(&shelf)? {
                let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let old = || fs::metadata(&file).ok()?.modified().ok()?.elapsed().ok();
                if !used.contains(name) && old().is_some_and(|old| old > age) {
                    fs::remove_file(&file)?;
                    removed += 1;
                }
            }
        }
        Ok(removed)
    }
}

fn read(path: &Path) -> Result<Bytes, StateError> {
    fs::read(path).map(Bytes::from).map_err(|source| StateError::Io {
        doing: "read",
        path: path.to_owned(),
        source,
    })
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Written beside its place, forced to disk if that is asked for, then renamed: no reader ever sees half a file.
fn write_whole(path: &Path, body: &[u8], durable: bool) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(folder)?;
    let temporary = folder.join(format!(".{}", super::ids::random_hex()));
    let written = (|| {
        let mut file = fs::File::create(&temporary)?;
        file.write_all(body)?;
        if durable {
            file.sync_all()?;
        }
        fs::rename(&temporary, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written?;
    if durable { sync_folder(folder) } else { Ok(()) }
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// Runs file work where it may block. It ends even when nobody waits any more.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StateError> + Send + 'static,
) -> Result<T, StateError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(panicked) => Err(StateError::Io {
            doing: "finish work on",
            path: PathBuf::from("blobs"),
            source: io::Error::other(panicked),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_blob_is_stored_once_and_swept_when_nothing_refers_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::in_folder(folder.path().join("blobs"));
        let names = blobs.put(vec!["one".into(), "two".into(), "one".into()]).await.unwrap();
        assert_eq!(names[0], names[2]);
        assert_eq!(blobs.get(&names[1]).await.unwrap(), "two");
        let used = BTreeSet::from([names[0].clone()]);
        assert_eq!(blobs.sweep(&used, Duration::from_secs(3600)).unwrap(), 0);
        assert_eq!(blobs.sweep(&used, Duration::ZERO).unwrap(), 1);
        assert!(blobs.get(&names[0]).await.is_ok());
        assert!(blobs.get(&names[1]).await.is_err());
    }
}
