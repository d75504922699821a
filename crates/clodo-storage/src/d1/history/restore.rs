//! Which states are kept, and how one of them comes back.

use clodo_sqlite::{
    add_math_functions,
    rusqlite::{
        Connection,
        backup::{Backup, StepResult},
    },
};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{
    Batch, History, HistoryError, Moment, USER_VERSION,
    batch::Step,
    delta::{Before, fingerprint, put_back},
    offset,
    pages::write_at,
    read_at,
};

/// How much is copied at once.
const CHUNK: usize = 1024 * 1024;

impl History {
    /// All states that are kept, oldest first; the last one is the present one, `writes`.
    pub(in crate::d1) fn moments(&self, writes: u32) -> Result<Vec<Moment>, HistoryError> {
        let (mut moments, mut earliest) = (Vec::new(), None);
        for batch in self.reachable(writes)? {
            let (last, known) = (batch.after().writes, moments.last());
            let goes_on = known.is_none_or(|known: &Moment| known.writes != last);
            moments.extend(batch.moments().rev().skip(usize::from(!goes_on)));
            earliest = Some(batch.before);
            moments.extend(earliest);
        }
        if earliest.is_none() {
            let at = self.times.all()?.get(&writes).copied().unwrap_or(i64::MIN);
            moments.push(Moment { writes, at });
        }
        moments.reverse();
        Ok(moments)
    }

    /// Files of history from the newest back to where the chain breaks.
    fn reachable(&self, writes: u32) -> Result<Vec<Batch>, HistoryError> {
        let (mut found, mut next) = (Vec::new(), writes);
        for batch in Batch::all(&self.folder)? {
            let after = batch.after().writes;
            if after == next {
                next = batch.before.writes;
                found.push(batch);
            } else if after < next {
                break;
            }
        }
        Ok(found)
    }

    /// Replaces the database by its state after `target` writes, in one transaction; `writes` is
    /// the count of the present state. The log must have been settled.
    pub(in crate::d1) fn restore(
        &self,
        db: &mut Connection,
        writes: u32,
        target: u32,
    ) -> Result<(), HistoryError> {
        fs::create_dir_all(&self.folder)?;
        let copy = Scratch(self.folder.join("restore.partial"));
        let _ = fs::remove_file(&copy.0);
        self.rebuild(&copy.0, writes, target)?;
        let source = checked(&copy.0)?;
        match Backup::new(&source, db)?.step(-1)? {
            StepResult::Done => Ok(()),
            _ => Err(HistoryError::Busy),
        }
    }

    /// Writes that state into a file of its own, which counts one write more than the present.
    fn rebuild(&self, to: &Path, writes: u32, target: u32) -> Result<(), HistoryError> {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(to)?;
        copy_all(self.file()?, &file)?;
        let mut found = writes == target;
        'back: for batch in self.reachable(writes)? {
            for step in batch.steps() {
                let step = step?;
                if step.writes == target {
                    found = true;
                    break 'back;
                }
                take_back(&file, batch.page_size, &step)?;
            }
            if batch.before.writes == target {
                found = true;
                break;
            }
        }
        if !found {
            return Err(HistoryError::NotKept);
        }
        if file.metadata()?.len() > 0 {
            // Not in WAL mode, so that the copy is one file; the backup sets the mode again.
            write_at(&file, 18, &[1, 1])?;
            write_at(&file, USER_VERSION as u64, &writes.wrapping_add(1).to_be_bytes())?;
        }
        Ok(())
    }
}

/// A file that is removed when it is no longer needed.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn copy_all(from: &File, mut to: &File) -> io::Result<()> {
    let (mut at, length) = (0, from.metadata()?.len());
    while at < length {
        let count = usize::try_from(length - at).unwrap_or(CHUNK).min(CHUNK);
        to.write_all(&read_at(from, at, count)?)?;
        at += count as u64;
    }
    Ok(())
}

/// Undoes one transaction, if the pages are those that it left.
fn take_back(file: &File, page_size: usize, step: &Step) -> Result<(), HistoryError> {
    for (number, after, before) in &step.pages {
        let at = offset(*number, page_size);
        let old = match before {
            Before::Whole(bytes) if *after == [0; 8] => bytes.clone(),
            before => {
                let mut page = read_at(file, at, page_size).map_err(|_| HistoryError::Foreign)?;
                if fingerprint(&page) != *after || !put_back(&mut page, before) {
                    return Err(HistoryError::Foreign);
                }
                page
            }
        };
        write_at(file, at, &old)?;
    }
    Ok(file.set_len(u64::from(step.size_before) * page_size as u64)?)
}

/// Opens the copy, if it is sound.
fn checked(path: &Path) -> Result<Connection, HistoryError> {
    let db = Connection::open(path)?;
    add_math_functions(&db)?;
    let verdict: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" { Ok(db) } else { Err(HistoryError::Foreign) }
}
