use super::{
    Answer, PostgresStore, check, connection::Session, failure::Fault, from_json, granted, moment,
    number, to_json, to_sql,
};
use crate::{
    error::{JournalError, JournalErrorKind},
    journal::{Addition, Closing, EntryRecord, JournalStore, RunHeader, RunQuery, RunRecord},
    lease::Fence,
};
use async_trait::async_trait;
use clodo_types::DeploymentId;
use tokio_postgres::Row;

fn record(row: &Row) -> Result<RunRecord, Fault> {
    let closed = row.try_get::<_, Option<&str>>(1)?.is_some();
    let closing = if closed { Some(from_json(row, 1)?) } else { None };
    Ok(RunRecord { header: from_json(row, 0)?, closing })
}

fn entry_record(row: &Row) -> Result<EntryRecord, Fault> {
    let fence = match row.try_get(3)? {
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

/// The number of an open run, or why it cannot be written to. Until the transaction ends nobody else
/// writes to that run, so what is added to it is numbered in the order in which it appears.
pub(super) async fn open_run(db: &Session<'_>, id: &DeploymentId) -> Answer<i64> {
    let sql = "SELECT number, closing IS NULL FROM run WHERE id = $1 FOR UPDATE";
    Ok(match db.row(sql, &[&id.as_str()]).await? {
        None => Err(JournalErrorKind::Unknown),
        Some(row) if row.try_get(1)? => Ok(row.try_get(0)?),
        Some(_) => Err(JournalErrorKind::Conflict),
    })
}

#[async_trait]
impl JournalStore for PostgresStore {
    async fn open(&self, run: &RunHeader, fence: Option<&Fence>) -> Result<(), JournalError> {
        self.write("open a run", move |db| {
            Box::pin(async move {
                granted!(check(db, fence).await);
                let sql = "INSERT INTO run (id, scope, header) VALUES ($1, $2, $3)
                           ON CONFLICT (id) DO NOTHING";
                let header = to_json(run)?;
                let added = db.execute(sql, &[&run.id.as_str(), &run.scope, &header]).await?;
                Ok(if added == 1 { Ok(()) } else { Err(JournalErrorKind::Conflict) })
            })
        })
        .await
    }

    async fn append(&self, run: &DeploymentId, added: &Addition<'_>) -> Result<(), JournalError> {
        self.write("write a journal entry", move |db| {
            Box::pin(async move {
                granted!(check(db, added.fence).await);
                let run = granted!(open_run(db, run).await);
                let entries: Result<Vec<String>, Fault> =
                    added.entries.iter().map(to_json).collect();
                let lease = added.fence.map(|fence| fence.name.as_str());
                let fence = added.fence.map(|fence| to_sql(fence.number)).transpose()?;
                let sql = "INSERT INTO entry (run, at, entry, lease, fence)
                           SELECT $1, $2, added.entry, $4, $5
                           FROM unnest($3::TEXT[]) WITH ORDINALITY AS added (entry, place)
                           ORDER BY added.place";
                let at = added.at.as_millis();
                db.execute(sql, &[&run, &at, &entries?, &lease, &fence]).await?;
                Ok(Ok(()))
            })
        })
        .await
    }

    async fn close(
        &self,
        run: &DeploymentId,
        closing: &Closing,
        fence: Option<&Fence>,
    ) -> Result<(), JournalError> {
        self.write("close a run", move |db| {
            Box::pin(async move {
                granted!(check(db, fence).await);
                let run = granted!(open_run(db, run).await);
                let sql = "UPDATE run SET closing = $2 WHERE number = $1";
                db.execute(sql, &[&run, &to_json(closing)?]).await?;
                Ok(Ok(()))
            })
        })
        .await
    }

    async fn runs(&self, query: &RunQuery) -> Result<Vec<RunRecord>, JournalError> {
        self.read("list runs", move |db| {
            Box::pin(async move {
                let sql = "SELECT header, closing FROM run
                           WHERE ($1::TEXT IS NULL OR scope = $1)
                               AND NOT ($2 AND closing IS NOT NULL)
                           ORDER BY number DESC LIMIT $3";
                let last = i64::try_from(query.last).unwrap_or(i64::MAX);
                let rows = db.rows(sql, &[&query.scope, &query.unfinished, &last]).await?;
                rows.iter().map(record).collect()
            })
        })
        .await
    }

    async fn find(&self, run: &DeploymentId) -> Result<Option<RunRecord>, JournalError> {
        self.read("look a run up", move |db| {
            Box::pin(async move {
                let sql = "SELECT header, closing FROM run WHERE id = $1";
                db.row(sql, &[&run.as_str()]).await?.as_ref().map(record).transpose()
            })
        })
        .await
    }

    async fn records(
        &self,
        run: &DeploymentId,
        after: u64,
    ) -> Result<Vec<EntryRecord>, JournalError> {
        self.read("read a journal", move |db| {
            Box::pin(async move {
                let sql = "SELECT entry.number, entry.at, entry.entry, entry.lease, entry.fence
                           FROM entry JOIN run ON run.number = entry.run
                           WHERE run.id = $1 AND entry.number > $2 ORDER BY entry.number";
                let rows = db.rows(sql, &[&run.as_str(), &to_sql(after)?]).await?;
                rows.iter().map(entry_record).collect()
            })
        })
        .await
    }
}
