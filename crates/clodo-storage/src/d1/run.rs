//! Runs one request on its connection.

use clodo_sqlite::rusqlite::{Connection, Error, Statement, StatementStatus, ffi};
use std::{io::Read, time::Duration};
use tokio::time::Instant;

use super::{
    Bookmark, D1Error, D1Meta, D1Request, D1Statement, ImportReport, Param, RowFormat,
    StatementResult, Timings,
    rows::collect,
    session::Session,
    split::{each_statement, each_statement_of},
};

/// A connection with what belongs to it, for the time of one request.
pub(super) struct Runner<'a> {
    pub(super) db: &'a Connection,
    pub(super) session: &'a Session,
    pub(super) max_duration: Duration,
}

impl Runner<'_> {
    /// Runs all statements in one transaction; on an error nothing of them is left.
    pub(super) fn request(
        &self,
        request: &D1Request,
    ) -> Result<(Vec<StatementResult>, Bookmark), D1Error> {
        if let [only] = request.statements.as_slice()
            && self.session.single(&only.sql) == Some(true)
        {
            let mut statement = self.db.prepare_cached(&only.sql)?;
            let mut result = self.statement(&mut statement, &only.params, request.format)?;
            result.query = 0;
            return Ok((vec![result], self.session.bookmark(self.db)?));
        }
        self.transaction(|| {
            let mut results = Vec::new();
            for (query, given) in request.statements.iter().enumerate() {
                self.text(given, request.format, |mut result| {
                    result.query = query;
                    results.push(result);
                })?;
            }
            if results.is_empty() {
                return Err(D1Error::sql("No SQL statements detected."));
            }
            Ok(results)
        })
    }

    /// Runs `work` in a transaction, counts the write if there was one, and says the new state.
    pub(super) fn transaction<T>(
        &self,
        work: impl FnOnce() -> Result<T, D1Error>,
    ) -> Result<(T, Bookmark), D1Error> {
        let engine = |sql: &str| {
            let run = || self.db.prepare_cached(sql)?.execute([]).map(|_| ());
            self.session.guard.trusting(run)
        };
        engine("BEGIN IMMEDIATE")?;
        self.session.guard.noticed_schema();
        self.session.guard.noticed_pragma();
        self.session.guard.refused_transaction();
        let outcome = self.within(work).and_then(|value| {
            let bookmark = self.session.bookmark(self.db)?;
            engine("COMMIT")?;
            self.session.history.committed(self.db);
            Ok((value, bookmark))
        });
        if outcome.is_err() {
            self.session.forget_all();
            // Some errors have already rolled back.
            if !self.db.is_autocommit() {
                engine("ROLLBACK")?;
            }
        }
        outcome
    }

    fn within<T>(&self, work: impl FnOnce() -> Result<T, D1Error>) -> Result<T, D1Error> {
        let before = self.db.total_changes();
        self.session.guard.take_written();
        let value = work()?;
        let schema = self.session.guard.noticed_schema();
        if schema {
            self.session.forget_schema();
            self.refuse_reserved_names()?;
        }
        if schema || self.db.total_changes() != before {
            self.session.count_write(self.db)?;
            self.session.forget_size();
        }
        Ok(value)
    }

    /// `ALTER TABLE … RENAME` does not tell the authorizer the new name.
    fn refuse_reserved_names(&self) -> Result<(), D1Error> {
        let found = self.session.guard.trusting(|| {
            self.db
                .prepare_cached(
                    "SELECT name FROM sqlite_schema WHERE name LIKE '\\_cf\\_%' ESCAPE '\\'",
                )?
                .exists([])
        })?;
        if found { Err(D1Error::sql("not authorized: SQLITE_AUTH")) } else { Ok(()) }
    }

    /// Runs one element of a request, which may hold several statements or none.
    fn text(
        &self,
        given: &D1Statement,
        format: RowFormat,
        mut found: impl FnMut(StatementResult),
    ) -> Result<(), D1Error> {
        if self.session.single(&given.sql).is_some() {
            let mut statement = self.db.prepare_cached(&given.sql)?;
            found(self.statement(&mut statement, &given.params, format)?);
            return Ok(());
        }
        let (mut count, mut reads, mut bound) = (0_usize, true, given.params.is_empty());
        let mut pragma = false;
        each_statement(self.db, &given.sql, |mut statement| {
            let own = statement.parameter_count() > 0;
            let params = if own { given.params.as_slice() } else { &[] };
            bound |= own;
            pragma |= self.session.guard.noticed_pragma();
            (count, reads) = (count + 1, reads && statement.readonly());
            found(self.statement(&mut statement, params, format)?);
            Ok(())
        })
        .map_err(|error| self.tailored(error))?;
        if !bound && count > 0 {
            return Err(wrong_number());
        }
        if count == 1 && !pragma && !self.session.guard.saw_schema() {
            self.session.remember_single(&given.sql, reads);
        }
        Ok(())
    }

    /// Runs a file of any number of statements and only counts what they do.
    pub(super) fn import(&self, file: impl Read) -> Result<ImportReport, D1Error> {
        let mut report = ImportReport::default();
        each_statement_of(self.db, file, |mut statement| {
            let result = self.statement(&mut statement, &[], RowFormat::Nothing)?;
            report.num_queries += 1;
            report.meta.add(&result.meta);
            Ok(())
        })
        .map_err(|error| self.tailored(error))?;
        if report.num_queries == 0 {
            return Err(D1Error::sql("No SQL statements detected."));
        }
        report.final_bookmark =
            self.session.bookmark_of(u64::from(self.session.writes(self.db)?) + 1);
        Ok(report)
    }

    /// D1 has words of its own for two refusals.
    fn tailored(&self, error: D1Error) -> D1Error {
        if self.session.guard.refused_transaction() {
            return D1Error::sql(
                "To execute a transaction, please use the state.storage.transaction() or \
                 state.storage.transactionSync() APIs instead of the SQL BEGIN TRANSACTION or \
                 SAVEPOINT statements. The JavaScript API is safer because it will automatically \
                 roll back on exceptions, and because it interacts correctly with Durable Objects' \
                 automatic atomic write coalescing.",
            );
        }
        error
    }

    /// Runs one prepared statement to its end.
    pub(super) fn statement(
        &self,
        statement: &mut Statement<'_>,
        params: &[Param],
        format: RowFormat,
    ) -> Result<StatementResult, D1Error> {
        bind(statement, params)?;
        let before = Counters::of(self, statement)?;
        let began = Instant::now();
        self.session.guard.start(self.max_duration);
        let outcome = collect(statement, format);
        self.session.guard.stop();
        let duration = began.elapsed().as_secs_f64() * 1_000.0;
        let (results, returned) = outcome.map_err(timed_out)?;
        let meta = self.meta(statement, &before, returned, duration)?;
        Ok(StatementResult { results, success: true, meta, query: 0 })
    }

    fn meta(
        &self,
        statement: &Statement<'_>,
        before: &Counters,
        returned: u64,
        duration: f64,
    ) -> Result<D1Meta, D1Error> {
        let scanned = statement.reset_status_of_scans();
        let changes = self.db.total_changes() - before.changes;
        let last_row_id = self.db.last_insert_rowid();
        if !before.reads {
            self.session.forget_size();
        }
        let size_after = self.session.size(self.db)?;
        let written = if before.reads { 0 } else { self.session.rows_written(self.db)? };
        Ok(D1Meta {
            served_by: "local",
            served_by_region: "WEUR",
            duration,
            changes,
            last_row_id,
            changed_db: changes > 0
                || last_row_id != before.last_row_id
                || size_after != before.size,
            size_after,
            rows_read: scanned.max(returned),
            rows_written: written.max(changes),
            writes: !before.reads,
            rows_returned: returned,
            served_by_primary: true,
            timings: Timings { sql_duration_ms: duration },
            total_attempts: 1,
        })
    }
}

struct Counters {
    changes: u64,
    last_row_id: i64,
    size: u64,
    reads: bool,
}

impl Counters {
    fn of(runner: &Runner<'_>, statement: &Statement<'_>) -> Result<Self, D1Error> {
        Ok(Self {
            changes: runner.db.total_changes(),
            last_row_id: runner.db.last_insert_rowid(),
            size: runner.session.size(runner.db)?,
            reads: statement.readonly(),
        })
    }
}

trait Scans {
    fn reset_status_of_scans(&self) -> u64;
}

impl Scans for Statement<'_> {
    fn reset_status_of_scans(&self) -> u64 {
        u64::try_from(self.reset_status(StatementStatus::FullscanStep)).unwrap_or(0)
    }
}

fn wrong_number() -> D1Error {
    D1Error::sql("Wrong number of parameter bindings for SQL query.")
}

fn bind(statement: &mut Statement<'_>, params: &[Param]) -> Result<(), D1Error> {
    if statement.parameter_count() != params.len() {
        return Err(wrong_number());
    }
    for (at, param) in params.iter().enumerate() {
        let at = at + 1;
        match param {
            Param::Null => statement.raw_bind_parameter(at, None::<i64>),
            Param::Integer(whole) => statement.raw_bind_parameter(at, whole),
            Param::Real(real) => statement.raw_bind_parameter(at, real),
            Param::Text(text) => statement.raw_bind_parameter(at, text),
            Param::Blob(bytes) => statement.raw_bind_parameter(at, bytes),
            Param::Unsupported(what) => {
                return Err(D1Error::sql(format!("Type '{what}' not supported for a parameter")));
            }
        }?;
    }
    Ok(())
}

fn timed_out(error: Error) -> D1Error {
    match &error {
        Error::SqliteFailure(code, _) if code.extended_code == ffi::SQLITE_INTERRUPT => {
            D1Error::sql(
                "D1 DB storage operation exceeded timeout which caused object to be reset.",
            )
        }
        _ => error.into(),
    }
}
