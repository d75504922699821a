use crate::{
    error::{Fault, SqliteError},
    math::add_math_functions,
    options::{Durability, OpenOptions},
    place::Place,
};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::{
    any::Any,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
};
use tokio::sync::{mpsc, oneshot, watch};

/// What the thread runs. It answers its caller itself.
pub(crate) type Job = Box<dyn FnOnce(&mut Connection, &Place) + Send>;

/// Opens the connection, reports how that went, then runs jobs until every handle is gone.
pub(crate) fn run(
    mut place: Place,
    options: &OpenOptions,
    opened: oneshot::Sender<Result<Place, SqliteError>>,
    mut jobs: mpsc::Receiver<Job>,
    _closed: watch::Sender<()>,
) {
    let mut connection = match open(&mut place, options) {
        Ok(connection) => connection,
        Err(error) => {
            let _ = opened.send(Err(error));
            return;
        }
    };
    let own = match &place {
        Place::Memory => Place::Memory,
        Place::File { path, identity } => Place::File { path: path.clone(), identity: *identity },
    };
    if opened.send(Ok(place)).is_err() {
        return;
    }
    while let Some(job) = jobs.blocking_recv() {
        job(&mut connection, &own);
    }
    if let Some(close) = &options.close
        && own.check().is_ok()
    {
        // Whatever goes wrong in it, the connection is closed.
        let _ = catch_unwind(AssertUnwindSafe(|| close(&mut connection)));
    }
}

/// Runs one closure with everything around it that keeps the next one safe.
pub(crate) fn guarded<T>(
    connection: &mut Connection,
    place: &Place,
    work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
) -> Result<T, SqliteError> {
    place.check()?;
    let outcome = catch_unwind(AssertUnwindSafe(|| work(connection)));
    let left_open = !connection.is_autocommit();
    if left_open {
        // If even this fails, the next statement says what is wrong with the file.
        let _ = connection.execute_batch("ROLLBACK");
    }
    match outcome {
        Ok(Ok(_)) if left_open => Err(place.error(Fault::LeftOpen)),
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(place.error(Fault::Sqlite { doing: "use", source })),
        Err(panic) => Err(place.error(Fault::Panicked(text_of(&*panic)))),
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}

fn open(place: &mut Place, options: &OpenOptions) -> Result<Connection, SqliteError> {
    if options.create
        && let Some(folder) = place.path().and_then(|path| path.parent())
    {
        fs::create_dir_all(folder)
            .map_err(|source| place.error(Fault::Io { doing: "create the folder of", source }))?;
    }
    let refused = |source| Fault::Sqlite { doing: "open", source };
    let mut connection = connect(place, options).map_err(|e| place.error(refused(e)))?;
    prepare(&mut connection, place, options).map_err(|e| place.error(refused(e)))?;
    place.settle().map_err(|source| place.error(Fault::Io { doing: "open", source }))?;
    if let Some(format) = options.format {
        match bring_up_to_date(&mut connection, format, options.read_only) {
            Ok(found) if usize::try_from(found).is_ok_and(|found| found <= format.len()) => {}
            Ok(found) => return Err(place.error(Fault::NewerFormat { found, known: format.len() })),
            Err(source) => return Err(place.error(refused(source))),
        }
    }
    Ok(connection)
}

fn connect(place: &Place, options: &OpenOptions) -> rusqlite::Result<Connection> {
    // One thread owns the connection, so SQLite's own mutexes would only cost time.
    let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags |= match (options.read_only, options.create) {
        (true, _) => OpenFlags::SQLITE_OPEN_READ_ONLY,
        (false, true) => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        (false, false) => OpenFlags::SQLITE_OPEN_READ_WRITE,
    };
    match place.path() {
        Some(path) => Connection::open_with_flags(path, flags),
        None => Connection::open_in_memory(),
    }
}

fn prepare(
    connection: &mut Connection,
    place: &Place,
    options: &OpenOptions,
) -> rusqlite::Result<()> {
    connection.busy_timeout(options.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(options.cached_statements);
    if place.path().is_some() && !options.read_only {
        if !options.keep_journal {
            // The pragma answers with the mode that now holds; network file systems may refuse WAL,
            // and then the rollback journal serves as well, only slower.
            connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        }
        let synchronous = match options.durability {
            Durability::Full => "FULL",
            Durability::Normal => "NORMAL",
        };
        connection.pragma_update(None, "synchronous", synchronous)?;
    }
    connection.pragma_update(None, "foreign_keys", true)?;
    add_math_functions(connection)?;
    // Touches the file, so that one that is no database is refused here and not by the first call.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    match &options.init {
        Some(init) => init(connection),
        None => Ok(()),
    }
}

/// Returns the format that was found; it writes nothing when that is a newer one.
fn bring_up_to_date(
    connection: &mut Connection,
    format: &[&str],
    read_only: bool,
) -> rusqlite::Result<i64> {
    let version = |db: &Connection| db.query_row("PRAGMA user_version", [], |row| row.get(0));
    let found: i64 = version(connection)?;
    if read_only || usize::try_from(found).is_ok_and(|found| found >= format.len()) {
        return Ok(found);
    }
    // Two programs may open a new file at once: look again once the write lock is held.
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = version(&tx)?;
    if let Ok(at) = usize::try_from(found)
        && at < format.len()
    {
        for step in &format[at..] {
            tx.execute_batch(step)?;
        }
        let now = i64::try_from(format.len()).unwrap_or(i64::MAX);
        tx.pragma_update(None, "user_version", now)?;
    }
    tx.commit()?;
    Ok(found)
}
