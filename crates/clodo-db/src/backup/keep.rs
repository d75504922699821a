use super::{
    copy::{CopyError, CopyPlan, Ends, MaskKey, copy_to},
    dump::{BackupOptions, BackupReport, backup_to},
    error::BackupError,
    moments::Moments,
    pack::{Outlet, Packed, read_ahead, unpacked},
    restore::DumpSource,
    restore_error::RestoreError,
    seal::{Sealer, Sealing},
    store::{BackupStore, BackupWriter},
    text::{Summary, verify_text},
};
use crate::database::Database;
use async_trait::async_trait;
use std::io::{self, BufRead, BufReader, Write};

/// A store, and what seals the backups in it.
#[derive(Clone, Copy, Debug)]
pub struct Keeper<'a> {
    store: &'a dyn BackupStore,
    sealer: Option<&'a dyn Sealer>,
}

impl<'a> Keeper<'a> {
    /// Backups compressed by Zstandard.
    #[must_use]
    pub fn new(store: &'a dyn BackupStore) -> Self {
        Self { store, sealer: None }
    }

    /// Seals them, too.
    #[must_use]
    pub fn with_sealer(mut self, sealer: &'a dyn Sealer) -> Self {
        self.sealer = Some(sealer);
        self
    }

    /// The name under which a backup is kept: who can open it is part of it.
    #[must_use]
    pub fn name(&self, name: &str) -> String {
        match self.sealer {
            Some(sealer) => format!("{name}.{}", sealer.identity()),
            None => name.to_owned(),
        }
    }

    /// Backs a database up into the store.
    ///
    /// # Errors
    /// As for [`backup`](super::backup); the store has no such backup then.
    pub async fn back_up(
        &self,
        database: &dyn Database,
        moments: &dyn Moments,
        name: &str,
        options: &BackupOptions,
    ) -> Result<BackupReport, BackupError> {
        let back_up = async |options: BackupOptions| {
            self.write(name, async |out| backup_to(database, moments, out, &options).await).await
        };
        if options.scratch.is_none() || options.attempts < 2 {
            return back_up(options.clone()).await;
        }
        // Nobody writes to most databases meanwhile: their text need not wait until that is known.
        match back_up(options.at_first()).await {
            Err(BackupError::Changed) => {}
            done => return done,
        }
        let report = back_up(options.clone().with_attempts(options.attempts - 1)).await?;
        Ok(BackupReport { attempts: report.attempts + 1, ..report })
    }

    /// Reads a backup to its end and says what it holds, as [`verify_text`] does.
    ///
    /// # Errors
    /// As for [`verify_text`].
    pub async fn verify(&self, name: &str) -> Result<Summary, RestoreError> {
        let dump = self.dump(name);
        let open = async || dump.open().await.map_err(RestoreError::Read);
        match read_ahead(open().await?, |text| verify_text(text)) {
            Some(verified) => verified,
            None => verify_text(&mut *open().await?),
        }
    }

    /// Puts a copy of rows into the store, as a backup of the database that they are for.
    ///
    /// # Errors
    /// As for [`copy`](super::copy); the store has no such backup then.
    pub async fn copy(
        &self,
        ends: &Ends<'_>,
        (plan, key): (&CopyPlan, Option<&MaskKey>),
        name: &str,
        options: &BackupOptions,
    ) -> Result<BackupReport, CopyError> {
        self.write(name, async |out| copy_to(ends, (plan, key), out, options).await).await
    }

    async fn write<E: From<BackupError>>(
        &self,
        name: &str,
        write: impl AsyncFnOnce(&mut dyn Outlet) -> Result<BackupReport, E>,
    ) -> Result<BackupReport, E> {
        let of_io = |error: io::Error| E::from(BackupError::Write(error));
        let mut writer = self.store.begin(&self.name(name)).await.map_err(of_io)?;
        let report = {
            let out: Box<dyn Write + Send + '_> = Box::new(&mut *writer);
            let out: Box<dyn Sealing + '_> = match self.sealer {
                Some(sealer) => sealer.seal(out).map_err(of_io)?,
                None => Box::new(Plain(out)),
            };
            let mut packed = Packed::new(out).map_err(of_io)?;
            let report = write(&mut packed).await?;
            packed.finish().and_then(Sealing::finish).map_err(of_io)?;
            report
        };
        BackupWriter::finish(writer).await.map_err(of_io)?;
        Ok(report)
    }

    /// A backup of the store, to be restored or verified.
    #[must_use]
    pub fn dump(&self, name: &str) -> KeptDump<'a> {
        KeptDump { keeper: *self, name: self.name(name) }
    }
}

/// A backup in a store.
#[derive(Debug)]
pub struct KeptDump<'a> {
    keeper: Keeper<'a>,
    name: String,
}

#[async_trait]
impl DumpSource for KeptDump<'_> {
    async fn open(&self) -> io::Result<Box<dyn BufRead + Send + '_>> {
        let input = self.keeper.store.open(&self.name).await?;
        let input = match self.keeper.sealer {
            Some(sealer) => sealer.open(input)?,
            None => input,
        };
        unpacked(Box::new(BufReader::with_capacity(1 << 17, input)))
    }
}

/// Not sealed.
struct Plain<'w>(Box<dyn Write + Send + 'w>);

impl Write for Plain<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Sealing for Plain<'_> {
    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.0.flush()
    }
}
