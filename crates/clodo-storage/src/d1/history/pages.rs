//! Pages of a database file, read and written past SQLite.

use std::{
    collections::HashMap,
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use crate::pool::lock;

#[cfg(unix)]
pub(super) fn read_at(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    use std::os::unix::fs::FileExt;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

#[cfg(windows)]
pub(super) fn read_at(file: &File, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    use std::os::windows::fs::FileExt;
    let (mut bytes, mut done) = (vec![0; length], 0);
    while done < length {
        match file.seek_read(&mut bytes[done..], offset + done as u64)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => done += count,
        }
    }
    Ok(bytes)
}

#[cfg(unix)]
pub(super) fn write_at(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
pub(super) fn write_at(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    use std::os::windows::fs::FileExt;
    let mut done = 0;
    while done < bytes.len() {
        done += file.seek_write(&bytes[done..], offset + done as u64)?;
    }
    Ok(())
}

/// Where the page of that number begins; the first one is 1.
pub(super) fn offset(page: u32, page_size: usize) -> u64 {
    u64::from(page - 1) * page_size as u64
}

/// Descriptors of database files that are open beside SQLite's own.
///
/// POSIX drops a process's locks on a file when *any* descriptor of it is closed. So ours is shared
/// by all connections to a file that overlap in time, and closed only when the last one is gone.
#[derive(Debug, Default)]
pub(in crate::d1) struct Files(Mutex<HashMap<PathBuf, Arc<File>>>);

/// A share in one descriptor.
#[derive(Debug)]
pub(in crate::d1) struct SharedFile {
    files: Arc<Files>,
    path: PathBuf,
    /// `None` only while it is dropped.
    file: Option<Arc<File>>,
}

impl Files {
    /// Opens the file, or shares what is open; call it before SQLite opens the file.
    pub(in crate::d1) fn open(self: &Arc<Self>, path: &Path) -> io::Result<SharedFile> {
        let mut open = lock(&self.0);
        let file = match open.get(path).filter(|file| is_still(file, path)) {
            Some(file) => Arc::clone(file),
            None => {
                let file = Arc::new(File::open(path)?);
                open.insert(path.to_owned(), Arc::clone(&file));
                file
            }
        };
        Ok(SharedFile { files: Arc::clone(self), path: path.to_owned(), file: Some(file) })
    }
}

#[cfg(unix)]
fn is_still(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (open, there) = (file.metadata(), std::fs::metadata(path));
    open.ok().zip(there.ok()).is_some_and(|(a, b)| (a.dev(), a.ino()) == (b.dev(), b.ino()))
}

#[cfg(not(unix))]
fn is_still(_: &File, _: &Path) -> bool {
    true
}

impl SharedFile {
    pub(super) fn get(&self) -> &File {
        self.file.as_deref().expect("the file is there until the drop")
    }
}

impl Drop for SharedFile {
    fn drop(&mut self) {
        // Under the lock, so that nobody takes a share in what is about to be closed, and nobody
        // opens the file anew before it is.
        let mut open = lock(&self.files.0);
        let Some(file) = self.file.take() else { return };
        let ours = open.get(&self.path).is_some_and(|known| Arc::ptr_eq(known, &file));
        // One count is the map's, one is ours.
        if ours && Arc::strong_count(&file) == 2 {
            open.remove(&self.path);
        }
        drop(file);
    }
}
