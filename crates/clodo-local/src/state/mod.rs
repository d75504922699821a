//! The durable state: everything in memory for readers, every write in one SQLite transaction.
//!
//! **Invariant:** a snapshot is published only after its difference to the one before is on disk.

mod blobs;
mod directory;
mod documents;
mod error;
pub(crate) mod ids;
mod locks;
pub(crate) mod model;
pub(crate) mod objects;
mod past;
pub(crate) mod queue;
mod seed;
pub(crate) mod served;
mod tailed;
pub(crate) mod worker;
pub(crate) mod workflow;
pub(crate) mod zone;

pub(crate) use blobs::Blobs;
pub use error::{StateError, StateErrorKind};
pub(crate) use locks::KeyedLock;
pub(crate) use objects::FOLDER as OBJECTS_FOLDER;
pub use seed::{Seed, SeedAccount, SeedToken};
pub(crate) use tailed::Tailed;

use crate::routing::RouteTable;
use clodo_sqlite::{Durability, OpenOptions, Sqlite};
use clodo_types::Clock;
use ids::Moment;
use model::Cloud;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

/// Blobs that nothing refers to stay this long: an upload may be on its way.
const BLOB_GRACE: Duration = Duration::from_secs(24 * 3600);

/// The durable state of one local Cloudflare. Clones share it.
#[derive(Clone, Debug)]
pub struct State {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    database: PathBuf,
    sqlite: Sqlite,
    blobs: Blobs,
    clock: Arc<dyn Clock>,
    /// One writer at a time; holds the last moment that was given out.
    writer: tokio::sync::Mutex<Moment>,
    now: RwLock<Arc<Snapshot>>,
    /// Counts the snapshots that were published.
    published: tokio::sync::watch::Sender<u64>,
    scripts: KeyedLock,
    asset_cache: directory::AssetCache,
    tailed: Tailed,
    loaded: directory::Loaded,
    past: past::Past,
    // Held, not read: the lock goes with the file.
    _lock: fs::File,
}

/// One consistent view of everything.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) cloud: Cloud,
    routes: Arc<RouteTable>,
}

impl State {
    /// Opens the state in `folder`, which is made when it is missing.
    ///
    /// # Errors
    /// When another process uses it, a newer program wrote it, or it cannot be read.
    pub async fn open(
        folder: impl Into<PathBuf>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StateError> {
        Self::open_with(folder, clock, Durability::Full).await
    }

    /// The same; `Durability::Normal` does not wait for the disk when it writes. What was answered
    /// then survives the end of this process, however it ends, but perhaps not a power failure.
    ///
    /// # Errors
    /// As [`State::open`].
    pub async fn open_with(
        folder: impl Into<PathBuf>,
        clock: Arc<dyn Clock>,
        durability: Durability,
    ) -> Result<Self, StateError> {
        let folder = folder.into();
        let lock = claim(&folder)?;
        let database = folder.join("state.sqlite");
        let options = OpenOptions::default().with_format(documents::FORMAT);
        let options = options.with_durability(durability);
        let sqlite = Sqlite::open(&database, options).await.map_err(StateError::Database)?;
        let rows = sqlite.call(documents::rows).await.map_err(StateError::Database)?;
        let cloud = documents::load(rows)?;
        let blobs = Blobs::in_folder(folder.join("blobs"));
        let blobs = if durability == Durability::Full { blobs } else { blobs.fast() };
        sweep(blobs.clone(), &cloud);
        let last = newest(&cloud);
        let snapshot = prepare(&Snapshot::default(), cloud);
        let inner = Inner {
            folder,
            database,
            sqlite,
            blobs,
            clock,
            writer: tokio::sync::Mutex::new(last),
            now: RwLock::new(Arc::new(snapshot)),
            published: tokio::sync::watch::Sender::new(0),
            scripts: KeyedLock::default(),
            asset_cache: directory::AssetCache::default(),
            tailed: Tailed::default(),
            loaded: directory::Loaded::default(),
            past: past::Past::default(),
            _lock: lock,
        };
        let state = Self { inner: Arc::new(inner) };
        state.adopt_objects().await?;
        Ok(state)
    }

    async fn adopt_objects(&self) -> Result<(), StateError> {
        let folder = self.inner.folder.clone();
        self.write(move |cloud, now| {
            for account in cloud.accounts.values_mut().map(Arc::make_mut) {
                account.adopt_objects(now);
                account.forget_deleted(&folder);
            }
            Ok(())
        })
        .await
    }

    /// Adds what the seed names and what is not there yet.
    ///
    /// # Errors
    /// `Seed` when it contradicts what is there; then nothing is changed.
    pub async fn seed(&self, seed: Seed) -> Result<(), StateError> {
        self.write(move |cloud, now| seed::apply(&seed, cloud, now)).await
    }

    /// The folder that holds everything.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.inner.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes whenever a new snapshot is there to be read.
    pub(crate) fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.inner.published.subscribe()
    }

    pub(crate) fn blobs(&self) -> &Blobs {
        &self.inner.blobs
    }

    /// The Workers that somebody listens to now. It is forgotten with this process.
    pub(crate) fn tailed(&self) -> &Tailed {
        &self.inner.tailed
    }

    /// Serialises what is done to one script, from looking at it to writing it.
    pub(crate) fn scripts(&self) -> &KeyedLock {
        &self.inner.scripts
    }

    pub(crate) fn now(&self) -> Moment {
        Moment::at(self.inner.clock.now())
    }

    /// `Err` when the folder is no longer there. Cheap: one look at the file system.
    pub(crate) fn check(&self) -> Result<(), StateError> {
        match fs::metadata(&self.inner.database) {
            Ok(_) => Ok(()),
            Err(_) => Err(StateError::Gone { folder: self.inner.folder.clone() }),
        }
    }

    /// Changes the cloud: `change` works on a copy, which takes effect once it is on disk. An error
    /// changes nothing. The write is finished even when the caller goes away.
    pub(crate) async fn write<T, E, F>(&self, change: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StateError> + Send + 'static,
        F: FnOnce(&mut Cloud, Moment) -> Result<T, E> + Send + 'static,
    {
        let state = self.clone();
        let task = tokio::spawn(async move { state.write_now(change).await });
        match task.await {
            Ok(outcome) => outcome,
            Err(stopped) => Err(E::from(StateError::Io {
                doing: "finish a write to",
                path: self.inner.database.clone(),
                source: std::io::Error::other(stopped),
            })),
        }
    }

    async fn write_now<T, E: From<StateError>>(
        &self,
        change: impl FnOnce(&mut Cloud, Moment) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut last = self.inner.writer.lock().await;
        self.check()?;
        let old = self.snapshot();
        let now = self.now().after(*last);
        let mut cloud = old.cloud.clone();
        let value = change(&mut cloud, now)?;
        let changes = documents::changes(&old.cloud, &cloud);
        if changes.is_empty() {
            return Ok(value);
        }
        let next = prepare(&old, cloud);
        self.inner
            .sqlite
            .call(move |db| documents::apply(db, &changes))
            .await
            .map_err(StateError::Database)?;
        *last = now;
        self.inner.past.keep(self.inner.clock.now(), &old);
        *self.inner.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        self.inner.published.send_modify(|count| *count += 1);
        Ok(value)
    }
}

/// Builds what readers need beside the cloud; what `old` has and still holds is taken over.
fn prepare(old: &Snapshot, cloud: Cloud) -> Snapshot {
    let routes = if RouteTable::is_same(&old.cloud, &cloud) {
        Arc::clone(&old.routes)
    } else {
        Arc::new(RouteTable::build(&cloud))
    };
    Snapshot { cloud, routes }
}

/// Makes the folder private to its owner and takes its lock.
fn claim(folder: &Path) -> Result<fs::File, StateError> {
    let failed = |doing, path: &Path| {
        let path = path.to_owned();
        move |source| StateError::Io { doing, path, source }
    };
    fs::create_dir_all(folder).map_err(failed("create", folder))?;
    // It holds the secrets of Workers as they were uploaded.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
            .map_err(failed("protect", folder))?;
    }
    if let Some(link) = link_in(folder).map_err(failed("read", folder))? {
        let source = std::io::Error::other("it is a symbolic link, and this program makes none");
        return Err(failed("use", &link)(source));
    }
    let path = folder.join("state.lock");
    let file = fs::File::create(&path).map_err(failed("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(StateError::InUse { folder: folder.to_owned() }),
        Err(fs::TryLockError::Error(source)) => Err(failed("lock", &path)(source)),
    }
}

/// A link among what lies in a state folder. A folder that came with somebody's project could lead
/// what is written here to other files of whoever starts the cloud.
pub(crate) fn link_in(folder: &Path) -> std::io::Result<Option<PathBuf>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_symlink() {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

/// Removes old blobs while the cloud serves already. A folder that cannot be swept is only a
/// larger folder.
fn sweep(blobs: Blobs, cloud: &Cloud) {
    let mut used = BTreeSet::new();
    for account in cloud.accounts.values() {
        used.extend(account.assets.values().map(|asset| asset.blob.clone()));
        for version in account.workers.values().flat_map(|worker| &worker.versions) {
            used.extend(version.content.modules.iter().map(|module| module.blob.clone()));
        }
    }
    tokio::task::spawn_blocking(move || match blobs.sweep(&used, BLOB_GRACE) {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "removed blobs that nothing refers to"),
        Err(error) => tracing::warn!(%error, "could not sweep the blob folder"),
    });
}

fn newest(cloud: &Cloud) -> Moment {
    let workers = cloud.accounts.values().flat_map(|account| account.workers.values());
    workers.map(|worker| worker.modified_on).max().unwrap_or_default()
}

#[cfg(test)]
mod tests;
