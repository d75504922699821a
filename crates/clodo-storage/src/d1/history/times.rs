//! When each write was committed: a record per write, until a file of history holds it.

use clodo_types::Timestamp;
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Mutex,
};

use crate::pool::lock;

/// Bytes of a record: the count of writes, then milliseconds since the epoch.
const RECORD: usize = 12;

/// The records beside one database.
#[derive(Debug)]
pub(super) struct Times {
    path: PathBuf,
    file: Mutex<Option<File>>,
}

impl Times {
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self { path: folder.join("times"), file: Mutex::default() }
    }

    /// Notes the time of a write that is about to be committed. If the commit fails, a later record
    /// of the same count takes its place.
    pub(super) fn note(&self, writes: u32, at: Timestamp) -> io::Result<()> {
        let mut open = lock(&self.file);
        let file = match open.as_mut() {
            Some(file) => file,
            None => open.insert(self.open()?),
        };
        let mut record = [0; RECORD];
        record[..4].copy_from_slice(&writes.to_be_bytes());
        record[4..].copy_from_slice(&at.as_millis().to_be_bytes());
        let written = file.write_all(&record);
        if written.is_err() {
            // Part of it may be there: the next opening cuts it off.
            *open = None;
        }
        written
    }

    fn open(&self) -> io::Result<File> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = File::options().append(true).create(true).open(&self.path)?;
        // A record that a kill cut short would shift all later ones.
        let length = file.metadata()?.len();
        file.set_len(length - length % RECORD as u64)?;
        Ok(file)
    }

    /// By count of writes.
    pub(super) fn all(&self) -> io::Result<HashMap<u32, i64>> {
        let bytes = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        let record = |record: &[u8]| {
            let (writes, at) = record.split_first_chunk::<4>()?;
            Some((u32::from_be_bytes(*writes), i64::from_be_bytes(*at.first_chunk()?)))
        };
        Ok(bytes.chunks_exact(RECORD).filter_map(record).collect())
    }

    /// Drops all but the record of the present state.
    pub(super) fn keep_only(&self, writes: u32, at: Option<i64>) -> io::Result<()> {
        let mut open = lock(&self.file);
        *open = None;
        let file = self.open()?;
        file.set_len(0)?;
        *open = Some(file);
        drop(open);
        at.map_or(Ok(()), |at| self.note(writes, Timestamp::from_millis(at)))
    }
}
