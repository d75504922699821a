use super::{Claim, of_io};
use clodo_cli::{CliError, Session};
use clodo_db::{BackupFolder, BackupStore as _, StoredBackup, backup_name};
use clodo_types::Timestamp;
use std::path::{Path, PathBuf};

/// The backups of one database: a folder of its own, whose name says which one it is.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    folder: PathBuf,
    shown: PathBuf,
    /// The folder that the program was started in.
    directory: PathBuf,
    /// How the files' names begin.
    of: String,
    /// Where this program works on the database, whoever keeps its backups elsewhere.
    working: PathBuf,
    /// Clodo's own folder in the project, in which that is.
    clodo: Option<PathBuf>,
}

/// The folder of those that were taken before a change.
pub(super) const BEFORE: &str = "before";

/// A path as messages should show it: from the folder that the program was started in.
pub(crate) fn shown(session: &Session, path: &Path) -> PathBuf {
    path.strip_prefix(&session.directory).unwrap_or(path).to_owned()
}

impl Kept {
    pub(crate) fn new(session: &Session, folder: PathBuf, of: &str) -> Self {
        // Names of files have an end.
        const LONGEST: usize = 100;
        let of = of.chars().take(LONGEST).collect();
        let directory = session.directory.clone();
        let working = folder.clone();
        Self { shown: shown(session, &folder), folder, of, working, directory, clodo: None }
    }

    /// Names Clodo's own folder, which is nothing to commit: work on the database is done in `own` of its
    /// backups.
    #[must_use]
    pub(crate) fn in_clodo(mut self, clodo: PathBuf, own: &Path) -> Self {
        self.working = clodo.join("backups").join(own);
        self.clodo = Some(clodo);
        self
    }

    /// Those that were taken before a change, of their own accord: `latest` is none of them, so that it
    /// stays what it was when the change was stopped and is begun again.
    pub(crate) fn before(&self) -> Self {
        let folder = self.working.join(BEFORE);
        let shown = folder.strip_prefix(&self.directory).unwrap_or(&folder).to_owned();
        Self { folder, shown, ..self.clone() }
    }

    /// The folder as messages should show it.
    pub(crate) fn shown(&self) -> &Path {
        &self.shown
    }

    /// The backups, the oldest first. Other files are nobody's business, and a folder that does not
    /// exist holds none.
    pub(crate) fn list(&self) -> Result<Vec<StoredBackup>, CliError> {
        if !self.folder.is_dir() {
            return Ok(Vec::new());
        }
        let failed = |error| of_io(&format!("could not read {}", self.shown.display()), error);
        let mut all = self.store()?.list().map_err(failed)?;
        all.retain(|one| one.taken().is_some() && one.name.ends_with(".sql.gz"));
        all.sort_by_key(StoredBackup::taken);
        Ok(all)
    }

    /// The one that was taken last.
    pub(crate) fn latest(&self) -> Result<Option<StoredBackup>, CliError> {
        Ok(self.list()?.pop())
    }

    /// The file of a backup that was listed, or has a free name.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The same as messages should show it.
    pub(crate) fn shown_path(&self, name: &str) -> PathBuf {
        self.shown.join(name)
    }

    /// What backups are written to and read from; makes the folder.
    pub(crate) fn store(&self) -> Result<BackupFolder, CliError> {
        let opened = BackupFolder::open(&self.folder);
        opened.map_err(|error| of_io(&format!("could not make {}", self.shown.display()), error))
    }

    /// The right to write here, which one process has at a time.
    pub(crate) fn claim(&self, session: &Session) -> Result<Claim, CliError> {
        self.claimed(session, &self.folder)
    }

    /// The right to work on the database with what is read here; nothing is written here.
    pub(crate) fn claim_to_read(&self, session: &Session) -> Result<Claim, CliError> {
        self.claimed(session, &self.working)
    }

    fn claimed(&self, session: &Session, folder: &Path) -> Result<Claim, CliError> {
        if let Some(clodo) = self.clodo.as_ref().filter(|clodo| folder.starts_with(clodo)) {
            clodo::ignore_in_git(clodo);
        }
        Claim::of(&session.ui, folder)
    }

    /// A name that is free, of the millisecond `now` or the next free one.
    pub(crate) fn free_name(&self, now: Timestamp) -> String {
        let mut at = now.as_millis();
        loop {
            let name = backup_name(&self.of, Timestamp::from_millis(at));
            if !self.path(&name).exists() {
                return name;
            }
            at = at.saturating_add(1);
        }
    }
}
