//! D1: one SQLite file per database.

mod error;
mod param;
mod types;

pub use error::{D1Error, D1ErrorKind};
pub use param::Param;
pub use types::{
    Bookmark, D1Answer, D1Meta, D1Options, D1Request, D1Statement, DatabaseInfo, DatabaseRef,
    ExportOptions, ImportReport, RowFormat, StatementResult, Timings,
};

use clodo_types::Clock;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// All D1 databases. Cloning shares the open ones.
#[derive(Clone, Debug)]
pub struct D1 {
    root: PathBuf,
}

impl D1 {
    /// Databases live in `root/<account>/d1/<id>.sqlite`.
    #[must_use]
    pub fn new(root: PathBuf, _clock: Arc<dyn Clock>, _options: D1Options) -> Self {
        Self { root }
    }

    /// Makes an empty database.
    ///
    /// # Errors
    /// `Exists` when it is there already, `Storage` when the file cannot be made.
    pub async fn create(&self, at: &DatabaseRef) -> Result<(), D1Error> {
        let _ = (at, &self.root);
        todo!()
    }

    /// Removes a database with all it holds. One that is not there is `Ok(false)`.
    ///
    /// # Errors
    /// `Storage` when the file cannot be removed.
    pub async fn delete(&self, _at: &DatabaseRef) -> Result<bool, D1Error> {
        todo!()
    }

    /// Runs a request in one transaction: all of it or nothing.
    ///
    /// # Errors
    /// `Sql` with D1's own text, `NotFound`, `Storage`.
    pub async fn query(&self, _at: &DatabaseRef, _request: D1Request) -> Result<D1Answer, D1Error> {
        todo!()
    }

    /// Size, tables and bookmark.
    ///
    /// # Errors
    /// `NotFound`, `Storage`.
    pub async fn info(&self, _at: &DatabaseRef) -> Result<DatabaseInfo, D1Error> {
        todo!()
    }

    /// Runs a file of SQL, however long, in one transaction: all of it or nothing.
    ///
    /// # Errors
    /// As [`D1::query`]; `Storage` when `file` cannot be read.
    pub async fn import(&self, _at: &DatabaseRef, _file: &Path) -> Result<ImportReport, D1Error> {
        todo!()
    }

    /// Writes the database as SQL into `file`, from one snapshot; the file appears when complete.
    ///
    /// # Errors
    /// `Sql` for what D1 cannot export (virtual tables), `NotFound`, `Storage`.
    pub async fn export(
        &self,
        _at: &DatabaseRef,
        _options: ExportOptions,
        _file: &Path,
    ) -> Result<Bookmark, D1Error> {
        todo!()
    }
}
