use async_trait::async_trait;
use clodo_types::Timestamp;
use std::{
    fmt,
    fs::{self, File},
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

/// Keeps backups.
///
/// # Contract
/// - A backup has its name only once it is whole and durable; one that was begun and not finished
///   leaves nothing under it, whatever fails.
/// - A name that is taken is refused: no backup is ever written over.
/// - `list` gives whole backups only.
/// - A name that [`check_backup_name`] refuses is refused.
#[async_trait]
pub trait BackupStore: fmt::Debug + Send + Sync {
    /// Begins a backup of this name.
    ///
    /// # Errors
    /// When the name is taken or is none, or the store cannot be written.
    async fn begin(&self, name: &str) -> io::Result<Box<dyn BackupWriter>>;

    /// Reads one.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    async fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>>;

    /// All that are whole, by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn list(&self) -> io::Result<Vec<StoredBackup>>;

    /// Removes one; it is fine when it is gone.
    ///
    /// # Errors
    /// When the store cannot be written.
    async fn remove(&self, name: &str) -> io::Result<()>;
}

/// Takes the bytes of a backup. Dropped before `finish`, it leaves nothing.
#[async_trait]
pub trait BackupWriter: Write + Send {
    /// Makes it durable and gives it its name.
    ///
    /// # Errors
    /// When it cannot be written; there is no such backup then.
    async fn finish(self: Box<Self>) -> io::Result<()>;
}

/// A backup in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredBackup {
    /// Its name.
    pub name: String,
    /// How large it is.
    pub bytes: u64,
}

impl StoredBackup {
    /// A backup of this name.
    #[must_use]
    pub fn new(name: impl Into<String>, bytes: u64) -> Self {
        Self { name: name.into(), bytes }
    }

    /// Whether its name is one of a backup: as they are called now, or by the first versions.
    #[must_use]
    pub fn is_dump(&self) -> bool {
        [BACKUP_END, ".sql.gz"].iter().any(|end| self.name.ends_with(end))
    }

    /// When it was taken, as its name says.
    #[must_use]
    pub fn taken(&self) -> Option<Timestamp> {
        let stem = self.name.split('.').next()?;
        let millis = stem.rsplit_once('-')?.1;
        (millis.len() == 15).then(|| millis.parse().ok()).flatten().map(Timestamp::from_millis)
    }
}

/// How the name of a backup ends: SQL, compressed by Zstandard.
pub const BACKUP_END: &str = ".sql.zst";

/// The name of a backup that is taken now: what it is of, and the milliseconds since the epoch, so
/// that names sort by time.
#[must_use]
pub fn backup_name(of: &str, now: Timestamp) -> String {
    let of: String = of
        .chars()
        .map(|one| if one.is_ascii_alphanumeric() || one == '-' { one } else { '_' })
        .collect();
    format!("{of}-{:015}{BACKUP_END}", now.as_millis().max(0))
}

/// Backups as files of a folder, which only their owner reads.
#[derive(Clone, Debug)]
pub struct BackupFolder {
    path: PathBuf,
}

const PARTIAL: &str = ".partial";

impl BackupFolder {
    /// A folder, which is made when it is missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        let mut folder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
        folder.recursive(true).create(&path)?;
        Ok(Self { path })
    }

    /// The file of a backup.
    ///
    /// # Errors
    /// When the name could lead out of the folder.
    pub fn path(&self, name: &str) -> io::Result<PathBuf> {
        check_backup_name(name)?;
        Ok(self.path.join(name))
    }
}

/// Refuses names that could lead out of a store, or that one which is not whole has.
///
/// # Errors
/// When it is no plain name.
pub fn check_backup_name(name: &str) -> io::Result<()> {
    let plain = |one: char| one.is_ascii_alphanumeric() || "-_.".contains(one);
    if name.is_empty()
        || name.starts_with('.')
        || !name.chars().all(plain)
        || name.ends_with(PARTIAL)
    {
        let message = format!("`{}` cannot be the name of a backup", name.escape_debug());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Ok(())
}

#[async_trait]
impl BackupStore for BackupFolder {
    async fn begin(&self, name: &str) -> io::Result<Box<dyn BackupWriter>> {
        let path = self.path(name)?;
        if path.exists() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut number = 0_u32;
        let (file, partial) = loop {
            // Others may write one of the same name, and a killed process leaves its own.
            let partial =
                self.path.join(format!("{name}.{}-{number}{PARTIAL}", std::process::id()));
            match options.open(&partial) {
                Ok(file) => break (BufWriter::new(file), partial),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        };
        Ok(Box::new(FileWriter { file, partial: Some(partial), path }))
    }

    async fn open(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(self.path(name)?)?))
    }

    async fn list(&self) -> io::Result<Vec<StoredBackup>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if self.path(&name).is_ok() && entry.file_type()?.is_file() {
                found.push(StoredBackup { name, bytes: entry.metadata()?.len() });
            }
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    async fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path(name)?) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

struct FileWriter {
    file: BufWriter<File>,
    partial: Option<PathBuf>,
    path: PathBuf,
}

impl Write for FileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[async_trait]
impl BackupWriter for FileWriter {
    async fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        let Some(partial) = self.partial.as_deref() else { return Ok(()) };
        // A link, unlike a rename, does not take the place of one that came meanwhile.
        match fs::hard_link(partial, &self.path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            // Not every file system has links.
            Err(_) => {
                fs::rename(partial, &self.path)?;
                self.partial = None;
            }
        }
        sync_folder(&self.path);
        Ok(())
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        if let Some(partial) = &self.partial {
            let _ = fs::remove_file(partial);
        }
    }
}

/// Makes the new name durable where a folder can be synced.
fn sync_folder(of: &Path) {
    if let Some(folder) = of.parent()
        && let Ok(folder) = File::open(folder)
    {
        let _ = folder.sync_all();
    }
}

/// Which backups to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// So many of the newest.
    pub last: usize,
    /// The newest of so many days that have one.
    pub daily: usize,
    /// The newest of so many weeks that have one; weeks begin on Monday.
    pub weekly: usize,
}

impl Retention {
    /// Keeps so many of the newest.
    #[must_use]
    pub fn last(last: usize) -> Self {
        Self { last, daily: 0, weekly: 0 }
    }

    /// Keeps the newest of so many days, too.
    #[must_use]
    pub fn with_daily(mut self, days: usize) -> Self {
        self.daily = days;
        self
    }

    /// Keeps the newest of so many weeks, too.
    #[must_use]
    pub fn with_weekly(mut self, weeks: usize) -> Self {
        self.weekly = weeks;
        self
    }

    /// The names of those that need not be kept `now`. One whose name says no time is kept, and the newest
    /// is kept in any case. One of the future, which a clock that was wrong has named, is kept and takes
    /// nobody's place.
    #[must_use]
    pub fn expired(&self, all: &[StoredBackup], now: Timestamp) -> Vec<String> {
        const DAY: i64 = 86_400_000;
        let mut known: Vec<(i64, &str)> = all
            .iter()
            .filter_map(|one| Some((one.taken()?, one.name.as_str())))
            .filter(|(taken, _)| *taken <= now)
            .map(|(taken, name)| (taken.as_millis(), name))
            .collect();
        known.sort_unstable_by(|one, other| other.cmp(one));
        let mut kept = vec![false; known.len()];
        kept.iter_mut().take(self.last.max(1)).for_each(|kept| *kept = true);
        let mut newest_of = |count: usize, period: &dyn Fn(i64) -> i64| {
            let (mut seen, mut last) = (0, None);
            for (at, (taken, _)) in known.iter().enumerate() {
                if seen < count && last.replace(period(*taken)) != Some(period(*taken)) {
                    kept[at] = true;
                    seen += 1;
                }
            }
        };
        newest_of(self.daily, &|at| at.div_euclid(DAY));
        // The epoch was a Thursday.
        newest_of(self.weekly, &|at| (at.div_euclid(DAY) + 3).div_euclid(7));
        let pairs = known.iter().zip(kept);
        pairs.filter(|(_, kept)| !kept).map(|((_, name), _)| (*name).to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_each_day_and_week_stays() {
        const HOUR: i64 = 3_600_000;
        // 2026-11-02 is a Monday.
        let monday = 1_793_577_600_000;
        let at = |hours: i64| StoredBackup {
            name: backup_name("shop", Timestamp::from_millis(monday + hours * HOUR)),
            bytes: 1,
        };
        let all: Vec<StoredBackup> = (0..21 * 4).map(|number| at(number * 6)).collect();
        let kept = |rule: Retention| {
            let expired = rule.expired(&all, Timestamp::from_millis(monday + 1_000 * HOUR));
            let kept = all.iter().filter(|one| !expired.contains(&one.name));
            let hours = |one: &StoredBackup| (one.taken().unwrap().as_millis() - monday) / HOUR;
            kept.map(hours).collect::<Vec<_>>()
        };
        assert_eq!(kept(Retention::last(0)), [498]);
        assert_eq!(kept(Retention::last(2)), [492, 498]);
        assert_eq!(kept(Retention::last(1).with_daily(3)), [450, 474, 498]);
        assert_eq!(kept(Retention::last(2).with_weekly(3)), [162, 330, 492, 498]);
        let early = Timestamp::from_millis(monday + 7 * HOUR);
        assert_eq!(
            Retention::last(1).expired(&all, early).len(),
            1,
            "of three, one is of the future"
        );
        let strange = StoredBackup { name: "mine.sql.zst".into(), bytes: 1 };
        assert!(Retention::last(1).expired(&[strange], early).is_empty());
        assert_eq!(
            backup_name("a/b c", Timestamp::from_millis(5)),
            "a_b_c-000000000000005.sql.zst"
        );
    }
}
