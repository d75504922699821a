//! D1: one SQLite file per database.

mod allowed;
mod codes;
mod error;
mod export;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzzing;
mod guard;
mod history;
mod json;
mod param;
mod rows;
mod run;
mod session;
mod split;
mod told;
mod travel;
mod types;

pub use error::{D1Error, D1ErrorKind};
#[cfg(any(test, feature = "fuzzing"))]
pub use fuzzing::{d1_params, d1_queries, d1_statements};
pub use param::Param;
pub use types::{
    Bookmark, BookmarkError, D1Answer, D1Meta, D1Options, D1Request, D1Statement, DatabaseInfo,
    DatabaseRef, ExportOptions, HistoryOptions, ImportReport, ImportStage, RowFormat,
    StatementResult, Timings, TravelTo, Travelled,
};

use super::observer::Watch;
use super::pool::{Pool, remove_files, told_with_cause};
use clodo_sqlite::{
    OpenOptions,
    rusqlite::{self, Connection},
};
use clodo_types::Clock;
use history::{Files, History};
use run::Runner;
use session::{Session, opener};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::OwnedRwLockWriteGuard;

/// All D1 databases. Cloning shares the open ones.
#[derive(Clone, Debug)]
pub struct D1 {
    root: PathBuf,
    options: D1Options,
    clock: Arc<dyn Clock>,
    files: Arc<Files>,
    pool: Arc<Pool<Session>>,
    pub(crate) watch: Watch,
}

impl D1 {
    /// Databases live in `root/<account>/d1/<id>.sqlite`, their past in `<id>.history` beside it.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>, clock: Arc<dyn Clock>, options: D1Options) -> Self {
        let pool = Arc::new(Pool::new(options.pool));
        let (files, watch) = (Arc::default(), Watch::default());
        Self { root: root.into(), options, clock, files, pool, watch }
    }

    /// How a file is opened.
    fn opener(&self) -> impl Fn(&Path) -> (OpenOptions, Session) + Send + Sync + use<> {
        let (options, clock) = (self.options.history, Arc::clone(&self.clock));
        let files = Arc::clone(&self.files);
        move |path| {
            opener(path, History::new(path, options, Arc::clone(&clock), Arc::clone(&files)))
        }
    }

    fn path(&self, at: &DatabaseRef) -> PathBuf {
        let folder = self.root.join(at.account.as_str()).join("d1");
        folder.join(format!("{}.sqlite", at.id))
    }

    /// Makes an empty database.
    ///
    /// # Errors
    /// `Exists` when it is there already, `Storage` when the file cannot be made.
    pub async fn create(&self, at: &DatabaseRef) -> Result<(), D1Error> {
        let path = self.path(at);
        match self.pool.create(&path, self.opener()).await {
            Ok(true) => {
                let made = self.first_moment(at).await;
                if made.is_err() {
                    let _ = self.delete(at).await;
                }
                made
            }
            Ok(false) => Err(D1Error::new(D1ErrorKind::Exists, "The database exists already")),
            Err(error) => Err(D1Error::storage(told_with_cause(&error))),
        }
    }

    /// Removes a database with all it holds. One that is not there is `Ok(false)`.
    ///
    /// # Errors
    /// `Storage` when the file cannot be removed.
    pub async fn delete(&self, at: &DatabaseRef) -> Result<bool, D1Error> {
        let path = self.path(at);
        self.pool.close(&path).await;
        let history = history::folder_of(&path);
        let removed = remove_files(&path).and_then(|there| match fs::remove_dir_all(history) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(there),
        });
        removed.map_err(|error| D1Error::storage(error).at(&path))
    }

    /// Runs a request in one transaction: all of it or nothing.
    ///
    /// # Errors
    /// `Sql` with D1's own text, `NotFound`, `Storage`.
    pub async fn query(&self, at: &DatabaseRef, request: D1Request) -> Result<D1Answer, D1Error> {
        let request = Arc::new(request);
        let asked = Arc::clone(&request);
        let answer = self.run(at, move |runner| {
            let (results, bookmark) = runner.request(&asked)?;
            Ok(D1Answer { results, bookmark })
        });
        let answer = answer.await?;
        if let Some(observer) = self.watch.observer() {
            told::query(observer, at, &request, &answer.results);
        }
        Ok(answer)
    }

    /// Size, tables and bookmark.
    ///
    /// # Errors
    /// `NotFound`, `Storage`.
    pub async fn info(&self, at: &DatabaseRef) -> Result<DatabaseInfo, D1Error> {
        self.run(at, |runner| {
            let tables = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' \
                          AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
            let count = || runner.db.query_row(tables, [], |row| row.get::<_, i64>(0));
            Ok(DatabaseInfo {
                file_size: runner.session.size(runner.db)?,
                num_tables: u64::try_from(runner.session.guard.trusting(count)?).unwrap_or(0),
                bookmark: runner.session.bookmark(runner.db)?,
            })
        })
        .await
    }

    /// Runs a file of SQL, however long, in one transaction: all of it or nothing. `told` hears
    /// how far it is.
    ///
    /// # Errors
    /// As [`D1::query`]; `Storage` when `file` cannot be read.
    pub async fn import(
        &self,
        at: &DatabaseRef,
        file: &Path,
        told: impl Fn(ImportStage<'_>) + Clone + Send + 'static,
    ) -> Result<ImportReport, D1Error> {
        let path = file.to_owned();
        let ran = self.run(at, move |runner| {
            told(ImportStage::Begins(runner.session.bookmark(runner.db)?));
            let outcome = fs::File::open(&path)
                .map_err(|error| D1Error::storage(error).at(&path))
                .and_then(|file| {
                    runner.transaction(|| {
                        let report = runner.import(file)?;
                        told(ImportStage::Ran(&report));
                        Ok(report)
                    })
                });
            let outcome = outcome.map(|(mut report, bookmark)| {
                report.final_bookmark = bookmark;
                report
            });
            match &outcome {
                Ok(report) => told(ImportStage::Done(report)),
                Err(error) => told(ImportStage::Failed(error)),
            }
            outcome
        });
        let report = ran.await?;
        if let Some(observer) = self.watch.observer() {
            told::ran(observer, at, "", &report.meta);
        }
        Ok(report)
    }

    /// Writes the database as SQL into `file`, from one snapshot; the file appears when complete.
    ///
    /// Values go through JavaScript's numbers and text, as in D1's own export.
    ///
    /// # Errors
    /// `Sql` for what D1 cannot export (virtual tables), `NotFound`, `Storage`.
    pub async fn export(
        &self,
        at: &DatabaseRef,
        options: ExportOptions,
        file: &Path,
    ) -> Result<Bookmark, D1Error> {
        let file = file.to_owned();
        self.run(at, move |runner| {
            runner.transaction(|| export::write(runner, &options, &file)).map(|((), state)| state)
        })
        .await
    }

    /// Closes every open database and waits until they are closed.
    pub async fn close(&self) {
        self.pool.close_all().await;
    }

    /// The same for as long as the guard lives, when nobody uses one any more.
    pub(crate) async fn rest(&self) -> OwnedRwLockWriteGuard<()> {
        self.pool.rest().await
    }

    async fn run<T, F>(&self, at: &DatabaseRef, work: F) -> Result<T, D1Error>
    where
        T: Send + 'static,
        F: FnOnce(&Runner<'_>) -> Result<T, D1Error> + Clone + Send + 'static,
    {
        let path = self.path(at);
        let max_duration = self.options.max_duration;
        let outcome = self.pool.with(&path, self.opener(), move |db: &mut Connection, session| {
            let runner = Runner { db, session, max_duration };
            rusqlite::Result::Ok(work(&runner))
        });
        outcome.await.map_err(D1Error::from).flatten().map_err(|error| error.at(&path))
    }
}
