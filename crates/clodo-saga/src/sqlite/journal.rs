use super::{Answer, SqliteStore, check, from_json, granted, moment, number, to_json, to_sql};
use crate::{
    error::{JournalError, JournalErrorKind},
    journal::{Addition, Closing, EntryRecord, JournalStore, RunHeader, RunQuery, RunRecord},
    lease::Fence,
};
use async_trait::async_trait;
use clodo_sqlite::rusqlite::{self, Connection, OptionalExtension, Row};
use clodo_types::DeploymentId;

fn record(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    let closed = row.get_ref(1)? != rusqlite::types::ValueRef::Null;
    let closing = if closed { Some(from_json(row, 1)?) } else { None };
    Ok(RunRecord { header: from_json(row, 0)?, closing })
}

fn entry_record(row: &Row<'_>) -> rusqlite::Result<EntryRecord> {
    let lease: Option<String> = row.get(3)?;
    let fence = match lease {
        Some(name) => Some(Fence { name, number: number(row, 4)? }),
        None => None,
    };
    Ok(EntryRecord {
        number: number(row, 0)?,
        at: moment(row, 1)?,
        entry: from_json(row, 2)?,
        fence,
    })
}

/// The number of an open run, or why it cannot be written to.
pub(super) fn open_run(db: &Connection, id: &str) -> Answer<i64> {
    let found = db
        .prepare_cached("SELECT number, closing IS NULL FROM run WHERE id = ?1")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(match found {
        None => Err(JournalErrorKind::Unknown),
        Some((_, false)) => Err(JournalErrorKind::Conflict),
        Some((number, true)) => Ok(number),
    })
}

#[async_trait]
impl JournalStore for SqliteStore {
    async fn open(&self, run: &RunHeader, fence: Option<&Fence>) -> Result<(), JournalError> {
        let (run, fence) = (run.clone(), fence.cloned());
        self.write("open a run", move |tx| {
            granted!(check(tx, fence.as_ref()));
            let sql = "INSERT INTO run (id, scope, header) VALUES (?1, ?2, ?3)
                       ON CONFLICT (id) DO NOTHING";
            let header = to_json(&run)?;
            let added = tx.execute(sql, (run.id.as_str(), &run.scope, header))?;
            Ok(if added == 1 { Ok(()) } else { Err(JournalErrorKind::Conflict) })
        })
        .await
    }

    async fn append(&self, run: &DeploymentId, added: &Addition<'_>) -> Result<(), JournalError> {
        let (run, fence) = (run.clone(), added.fence.cloned());
        let (at, entries) = (added.at, added.entries.to_vec());
        self.write("write a journal entry", move |tx| {
            granted!(check(tx, fence.as_ref()));
            let run = granted!(open_run(tx, run.as_str()));
            let sql = "INSERT INTO entry (run, at, entry, lease, fence)
                       VALUES (?1, ?2, ?3, ?4, ?5)";
            let mut insert = tx.prepare_cached(sql)?;
            let lease = fence.as_ref().map(|fence| fence.name.as_str());
            let fence = fence.as_ref().map(|fence| to_sql(fence.number)).transpose()?;
            for entry in &entries {
                insert.execute((run, at.as_millis(), to_json(entry)?, lease, fence))?;
            }
            Ok(Ok(()))
        })
        .await
    }

    async fn close(
        &self,
        run: &DeploymentId,
        closing: &Closing,
        fence: Option<&Fence>,
    ) -> Result<(), JournalError> {
        let (run, closing, fence) = (run.clone(), closing.clone(), fence.cloned());
        self.write("close a run", move |tx| {
            granted!(check(tx, fence.as_ref()));
            let run = granted!(open_run(tx, run.as_str()));
            let sql = "UPDATE run SET closing = ?2 WHERE number = ?1";
            tx.execute(sql, (run, to_json(&closing)?)).map(|_| Ok(()))
        })
        .await
    }

    async fn runs(&self, query: &RunQuery) -> Result<Vec<RunRecord>, JournalError> {
        let query = query.clone();
        self.read("list runs", move |db| {
            let sql = "SELECT header, closing FROM run
                       WHERE (?1 IS NULL OR scope = ?1) AND NOT (?2 AND closing IS NOT NULL)
                       ORDER BY number DESC LIMIT ?3";
            let last = i64::try_from(query.last).unwrap_or(i64::MAX);
            let mut statement = db.prepare_cached(sql)?;
            let rows = statement.query_map((query.scope, query.unfinished, last), record)?;
            rows.collect()
        })
        .await
    }

    async fn find(&self, run: &DeploymentId) -> Result<Option<RunRecord>, JournalError> {
        let run = run.clone();
        self.read("look a run up", move |db| {
            let sql = "SELECT header, closing FROM run WHERE id = ?1";
            db.query_row(sql, [run.as_str()], record).optional()
        })
        .await
    }

    async fn records(
        &self,
        run: &DeploymentId,
        after: u64,
    ) -> Result<Vec<EntryRecord>, JournalError> {
        let run = run.clone();
        self.read("read a journal", move |db| {
            let sql = "SELECT entry.number, entry.at, entry.entry, entry.lease, entry.fence
                       FROM entry JOIN run ON run.number = entry.run
                       WHERE run.id = ?1 AND entry.number > ?2 ORDER BY entry.number";
            let mut statement = db.prepare_cached(sql)?;
            let rows = statement.query_map((run.as_str(), to_sql(after)?), entry_record)?;
            rows.collect()
        })
        .await
    }
}
