use super::{Claim, of_io};
use crate::places::Opened;
use clodo::R2Backups;
use clodo_cli::{CliError, Session};
use clodo_db::{BackupFolder, BackupStore, StoredBackup, backup_name};
use clodo_types::{Clock as _, SystemClock, Timestamp};
use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

/// So many digits of a database's id are in the names of its backups.
const ID: usize = 8;

/// The backups of one database: a folder of its own, whose name says which one it is, or such a prefix
/// of a bucket.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    folder: PathBuf,
    /// What keeps them instead of the folder.
    bucket: Option<R2Backups>,
    shown: PathBuf,
    /// The folder that the program was started in.
    directory: PathBuf,
    /// How the files' names begin.
    of: String,
    /// The beginning of the id of a database of D1, once that is known.
    id: Option<String>,
    /// Where this program works on the database, whoever keeps its backups elsewhere.
    working: PathBuf,
    /// Clodo's own folder in the project, in which that is.
    clodo: PathBuf,
}

/// The folder of those that were taken before a change.
pub(super) const BEFORE: &str = "before";
/// By so many milliseconds clocks of machines may differ.
const AHEAD: i64 = 300_000;
/// The folder of those that come from a bucket, while they are used.
const FETCHED: &str = "fetched";
/// The folder of what a sync puts into the database, until it is there.
pub(super) const SYNC: &str = "sync";

/// A path as messages should show it: from the folder that the program was started in.
pub(crate) fn shown(session: &Session, path: &Path) -> PathBuf {
    path.strip_prefix(&session.directory).unwrap_or(path).to_owned()
}

/// The file of a backup, for as long as this is there.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// The same as messages should show it.
    pub(crate) shown: PathBuf,
    /// It is a copy, which goes with the claim on its folder.
    _fetched: Option<Arc<Claim>>,
}

impl Found {
    pub(crate) fn new(path: PathBuf, shown: PathBuf) -> Self {
        Self { path, shown, _fetched: None }
    }
}

impl Kept {
    /// In Clodo's own folder, which is nothing to commit: work on the database is done there, wherever
    /// its backups are.
    pub(crate) fn new(session: &Session, clodo: PathBuf, (own, of): (&Path, &str)) -> Self {
        // Names of files have an end.
        const LONGEST: usize = 100;
        let of = of.chars().take(LONGEST).collect();
        let directory = session.directory.clone();
        let folder = clodo.join("backups").join(own);
        let (shown, working) = (shown(session, &folder), folder.clone());
        Self { folder, bucket: None, shown, directory, of, id: None, working, clodo }
    }

    /// Where a person has them.
    #[must_use]
    pub(crate) fn in_folder(self, session: &Session, folder: PathBuf) -> Self {
        Self { shown: shown(session, &folder), folder, ..self }
    }

    /// In a bucket, which messages show as `shown`.
    #[must_use]
    pub(crate) fn in_bucket(self, bucket: R2Backups, shown: String) -> Self {
        Self { bucket: Some(bucket), shown: shown.into(), ..self }
    }

    /// Those that were taken before a change, of their own accord: `latest` is none of them, so that it
    /// stays what it was when the change was stopped and is begun again.
    pub(crate) fn before(&self) -> Self {
        self.within(BEFORE)
    }

    /// What a sync puts into the database: with it, one that was stopped goes on.
    pub(crate) fn sync(&self) -> Self {
        self.within(SYNC)
    }

    fn within(&self, name: &str) -> Self {
        let folder = self.working.join(name);
        let shown = folder.strip_prefix(&self.directory).unwrap_or(&folder).to_owned();
        Self { folder, bucket: None, shown, ..self.clone() }
    }

    /// In a bucket, and not on this machine.
    pub(crate) fn is_remote(&self) -> bool {
        self.bucket.is_some()
    }

    /// Where they are, as messages should show it.
    pub(crate) fn shown(&self) -> &Path {
        &self.shown
    }

    /// The backups, the oldest first. Other files are nobody's business, and a folder that does not
    /// exist holds none.
    pub(crate) async fn list(&self) -> Result<Vec<StoredBackup>, CliError> {
        if self.bucket.is_none() && !self.folder.is_dir() {
            return Ok(Vec::new());
        }
        let failed = |error| of_io(&format!("could not read {}", self.shown.display()), error);
        let mut all = self.store()?.list().await.map_err(failed)?;
        all.retain(|one| one.is_dump() && self.is_own(one));
        all.sort_by_key(StoredBackup::taken);
        Ok(all)
    }

    /// The same for a database that is there: of D1 its id is in the names of its backups, for others may
    /// be called alike, in another account or another project.
    pub(crate) fn of_database(&self, opened: &Opened) -> Self {
        let id = opened.d1.as_ref().map(|d1| d1.id.to_string());
        let id = id.map(|id| id.chars().filter(char::is_ascii_hexdigit).take(ID).collect());
        Self { id, ..self.clone() }
    }

    /// What the names of its backups begin with.
    fn called(&self) -> String {
        let whole = backup_name(&self.of, Timestamp::from_millis(0));
        whole.rsplit_once('-').map_or_else(|| whole.clone(), |(called, _)| called.to_owned())
    }

    /// Whether it is called as the backups of this database are, and by which id.
    fn own_id<'b>(&self, backup: &'b StoredBackup) -> Option<Option<&'b str>> {
        let stem = backup.name.split('.').next()?;
        let (called, _) = stem.rsplit_once('-')?;
        let own = self.called();
        if called == own {
            return Some(None);
        }
        let (of, id) = called.rsplit_once('-')?;
        let is_id = id.len() == ID && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_id && of == own).then_some(Some(id))
    }

    fn is_own(&self, backup: &StoredBackup) -> bool {
        backup.taken().is_some() && self.own_id(backup).is_some()
    }

    /// Those that are of the very database, and not of another one that is called like it.
    pub(crate) async fn list_own(&self) -> Result<Vec<StoredBackup>, CliError> {
        let mut all = self.list().await?;
        all.retain(|one| self.own_id(one) == Some(self.id.as_deref()));
        Ok(all)
    }

    /// Whether a file is called like a backup, and like one of another database.
    pub(crate) fn is_of_another(&self, file: &Path) -> bool {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let backup = StoredBackup::new(name, 0);
        let of_other =
            |id: Option<&str>| id.is_some() && self.id.is_some() && id != self.id.as_deref();
        backup.is_dump() && backup.taken().is_some() && self.own_id(&backup).is_none_or(of_other)
    }

    /// All that lies there, whatever it is called.
    pub(crate) async fn names(&self) -> Result<Vec<String>, CliError> {
        if self.bucket.is_none() && !self.folder.is_dir() {
            return Ok(Vec::new());
        }
        let failed = |error| of_io(&format!("could not read {}", self.shown.display()), error);
        let all = self.store()?.list().await.map_err(failed)?;
        Ok(all.into_iter().map(|one| one.name).collect())
    }

    /// The one that was taken last. One of the future, which a clock that was wrong has named, is that
    /// only while there is no other.
    pub(crate) async fn latest(&self) -> Result<Option<StoredBackup>, CliError> {
        let mut all = self.list().await?;
        let soon = Timestamp::from_millis(SystemClock.now().as_millis().saturating_add(AHEAD));
        let past = all.iter().rposition(|one| one.taken().is_some_and(|taken| taken <= soon));
        Ok(past.map(|at| all.swap_remove(at)).or_else(|| all.pop()))
    }

    /// The file of a backup that was listed. One of a bucket is fetched first.
    pub(crate) async fn file(&self, session: &Session, name: &str) -> Result<Found, CliError> {
        let Some(bucket) = &self.bucket else {
            return Ok(Found::new(self.folder.join(name), self.shown_path(name)));
        };
        let claim = self.claimed(session, &self.working.join(FETCHED))?;
        let path = claim.scratch()?.join(name);
        let shown = self.shown_path(name);
        let failed = |error| of_io(&format!("could not fetch {}", shown.display()), error);
        let line = session.ui.progress(format!("fetching {}", shown.display()));
        let mut from = bucket.open(name).await.map_err(failed)?;
        let mut copy = || -> io::Result<()> {
            let mut to = BufWriter::new(File::create_new(&path)?);
            io::copy(&mut from, &mut to)?;
            to.flush()
        };
        copy().map_err(failed)?;
        drop(line);
        Ok(Found { path, shown, _fetched: Some(Arc::new(claim)) })
    }

    /// Whether a backup of this name lies in the folder.
    pub(crate) fn has_file(&self, name: &str) -> bool {
        self.folder.join(name).exists()
    }

    /// A backup as messages should show it.
    pub(crate) fn shown_path(&self, name: &str) -> PathBuf {
        self.shown.join(name)
    }

    /// What backups are written to and read from; makes the folder.
    pub(crate) fn store(&self) -> Result<Box<dyn BackupStore>, CliError> {
        if let Some(bucket) = &self.bucket {
            return Ok(Box::new(bucket.clone()));
        }
        match BackupFolder::open(&self.folder) {
            Ok(folder) => Ok(Box::new(folder)),
            Err(error) => Err(of_io(&format!("could not make {}", self.shown.display()), error)),
        }
    }

    /// Where what goes to a bucket, and what comes from it, waits: it goes with the claim.
    pub(crate) fn scratch(&self) -> PathBuf {
        Claim::scratch_of(&self.working)
    }

    /// The right to write here, which one process has at a time.
    pub(crate) fn claim(&self, session: &Session) -> Result<Claim, CliError> {
        match &self.bucket {
            Some(_) => self.claim_to_read(session),
            None => self.claimed(session, &self.folder),
        }
    }

    /// The right to work on the database with what is read here; nothing is written here.
    pub(crate) fn claim_to_read(&self, session: &Session) -> Result<Claim, CliError> {
        self.claimed(session, &self.working)
    }

    fn claimed(&self, session: &Session, folder: &Path) -> Result<Claim, CliError> {
        if folder.starts_with(&self.clodo) {
            clodo::ignore_in_git(&self.clodo);
        }
        Claim::of(&session.ui, folder)
    }

    /// A name that is free, of the millisecond `now` or the next free one.
    pub(crate) async fn free_name(&self, now: Timestamp) -> Result<String, CliError> {
        let taken = self.list().await?;
        let mut at = now.as_millis();
        loop {
            let of = match &self.id {
                Some(id) => format!("{}-{id}", self.of),
                None => self.of.clone(),
            };
            let name = backup_name(&of, Timestamp::from_millis(at));
            if !taken.iter().any(|one| one.name == name) {
                return Ok(name);
            }
            at = at.saturating_add(1);
        }
    }
}
