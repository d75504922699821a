use rusqlite::Connection;
use std::{fmt, sync::Arc, time::Duration};

/// What must survive a power cut. A killed process loses nothing either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Each commit is on disk before it returns.
    #[default]
    Full,
    /// The file stays consistent; the newest commits may be lost. Several times faster.
    Normal,
}

pub(crate) type Close = Arc<dyn Fn(&mut Connection) + Send + Sync>;
pub(crate) type Init = Arc<dyn Fn(&mut Connection) -> rusqlite::Result<()> + Send + Sync>;

/// How to open a file.
///
/// The default creates it, writes durably, waits five seconds for another writer and keeps 64
/// prepared statements.
#[derive(Clone)]
#[non_exhaustive]
pub struct OpenOptions {
    /// What must survive a power cut.
    pub durability: Durability,
    /// Create the file, and the folders above it, when it is missing.
    pub create: bool,
    /// Leave the journal mode as the file has it, instead of changing it to WAL: for files that belong
    /// to somebody else.
    pub keep_journal: bool,
    /// Refuse every write.
    pub read_only: bool,
    /// How long a statement waits for another process's lock.
    pub busy_timeout: Duration,
    /// How many prepared statements `prepare_cached` keeps.
    pub cached_statements: usize,
    pub(crate) format: Option<&'static [&'static str]>,
    pub(crate) init: Option<Init>,
    pub(crate) close: Option<Close>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            durability: Durability::default(),
            create: true,
            keep_journal: false,
            read_only: false,
            busy_timeout: Duration::from_secs(5),
            cached_statements: 64,
            format: None,
            init: None,
            close: None,
        }
    }
}

impl OpenOptions {
    /// Opens an existing file for reading.
    #[must_use]
    pub fn read_only() -> Self {
        Self { create: false, read_only: true, ..Self::default() }
    }

    /// Sets what must survive a power cut.
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets whether a missing file is created.
    #[must_use]
    pub fn with_create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Leaves the journal mode as the file has it.
    #[must_use]
    pub fn with_keep_journal(mut self) -> Self {
        self.keep_journal = true;
        self
    }

    /// Sets how long a statement waits for another process's lock.
    #[must_use]
    pub fn with_busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Sets how many prepared statements are kept.
    #[must_use]
    pub fn with_cached_statements(mut self, count: usize) -> Self {
        self.cached_statements = count;
        self
    }

    /// Brings the schema up to date on opening: entry `n` takes a file from format `n` to `n + 1`.
    ///
    /// The number stands in `PRAGMA user_version`. All entries that are missing run in one
    /// transaction. A file of a newer format is refused with [`NewerFormat`], so that an old
    /// program does not write what a new one cannot read. Never change an entry that was released.
    ///
    /// [`NewerFormat`]: crate::SqliteErrorKind::NewerFormat
    #[must_use]
    pub fn with_format(mut self, steps: &'static [&'static str]) -> Self {
        self.format = Some(steps);
        self
    }

    /// Runs `init` once on the new connection, after the pragmas and before the format: for
    /// functions, an authorizer, attached files.
    #[must_use]
    pub fn with_init(
        mut self,
        init: impl Fn(&mut Connection) -> rusqlite::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.init = Some(Arc::new(init));
        self
    }

    /// Runs `close` last, when every handle is gone and before the connection is closed. Not when
    /// the file was deleted or replaced meanwhile, nor when the process is killed.
    #[must_use]
    pub fn with_close(mut self, close: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        self.close = Some(Arc::new(close));
        self
    }
}

impl fmt::Debug for OpenOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenOptions")
            .field("durability", &self.durability)
            .field("create", &self.create)
            .field("keep_journal", &self.keep_journal)
            .field("read_only", &self.read_only)
            .field("busy_timeout", &self.busy_timeout)
            .field("cached_statements", &self.cached_statements)
            .field("format", &self.format.map(<[_]>::len))
            .finish_non_exhaustive()
    }
}
