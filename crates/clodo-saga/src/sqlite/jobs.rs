use super::{
    Answer, SqliteStore, check, from_json, granted, leases::grant, moment, number, to_json, to_sql,
};
use crate::{
    error::{StoreError, StoreErrorKind},
    job::{Claim, ClaimedJob, Job, JobEnd, JobQuery, JobRecord, JobState, JobStore},
    lease::{Fence, Grant, Holder, Lease},
};
use async_trait::async_trait;
use clodo_sqlite::rusqlite::{
    self, Connection, OptionalExtension, Row, Transaction, types::ValueRef,
};
use clodo_types::Timestamp;
use std::collections::BTreeSet;

/// True for a job that nobody has at `?1` and that has not ended.
const FREE: &str = "job.ended IS NULL AND NOT EXISTS (
    SELECT 1 FROM lease
    WHERE lease.name = 'job/' || job.id AND lease.holder IS NOT NULL AND ?1 < lease.expires_at)";

fn add(tx: &Transaction<'_>, job: &Job) -> Answer<()> {
    let known: Option<Job> = tx
        .prepare_cached("SELECT job FROM job WHERE id = ?1")?
        .query_row([job.id.as_str()], |row| from_json(row, 0))
        .optional()?;
    if let Some(known) = known {
        return Ok(if known == *job { Ok(()) } else { Err(StoreErrorKind::Conflict) });
    }
    tx.prepare_cached("INSERT INTO job (id, batch, kind, job) VALUES (?1, ?2, ?3, ?4)")?
        .execute((job.id.as_str(), &job.group, &job.kind, to_json(job)?))?;
    let number = tx.last_insert_rowid();
    for name in &job.requires {
        tx.prepare_cached("INSERT INTO job_secret (job, name) VALUES (?1, ?2)")?
            .execute((number, name))?;
    }
    for key in &job.blobs {
        let there =
            tx.prepare_cached("SELECT 1 FROM blob WHERE key = ?1")?.exists([key.as_str()])?;
        if !there {
            return Ok(Err(StoreErrorKind::Unknown));
        }
        tx.prepare_cached("INSERT INTO job_blob (job, key) VALUES (?1, ?2)")?
            .execute((number, key.as_str()))?;
    }
    Ok(Ok(()))
}

fn needed(db: &Connection) -> rusqlite::Result<BTreeSet<String>> {
    let sql = "SELECT DISTINCT job_secret.name
               FROM job_secret JOIN job ON job.number = job_secret.job
               WHERE job.ended IS NULL";
    let mut statement = db.prepare_cached(sql)?;
    let names = statement.query_map([], |row| row.get(0))?;
    names.collect()
}

fn claim(
    tx: &Transaction<'_>,
    claim: &Claim,
    able: &BTreeSet<String>,
) -> rusqlite::Result<Option<ClaimedJob>> {
    let sql = format!(
        "SELECT job.number, job.job, job.attempts + 1 FROM job
         WHERE {FREE}
             AND (?2 IS NULL OR job.kind IN (SELECT value FROM json_each(?2)))
             AND NOT EXISTS (
                 SELECT 1 FROM job_secret
                 WHERE job_secret.job = job.number
                     AND job_secret.name NOT IN (SELECT value FROM json_each(?3)))
         ORDER BY job.number LIMIT 1"
    );
    let kinds = claim.kinds.as_ref().map(to_json).transpose()?;
    let found = tx
        .prepare_cached(&sql)?
        .query_row((claim.now.as_millis(), kinds, to_json(able)?), |row| {
            Ok((row.get::<_, i64>(0)?, from_json::<Job>(row, 1)?, number(row, 2)?))
        })
        .optional()?;
    let Some((at, job, attempt)) = found else { return Ok(None) };
    let Grant::Granted(lease) = grant(tx, claim.lease(&job.id))? else { return Ok(None) };
    tx.execute("UPDATE job SET attempts = ?2 WHERE number = ?1", (at, to_sql(attempt)?))?;
    Ok(Some(ClaimedJob { job, lease, attempt }))
}

fn record(row: &Row<'_>) -> rusqlite::Result<JobRecord> {
    let job: Job = from_json(row, 0)?;
    let attempts = number(row, 1)?;
    let holder: Option<String> = row.get(3)?;
    let holder: Option<Holder> = holder.and_then(|text| text.parse().ok());
    let state = match (row.get_ref(2)?, holder) {
        (ValueRef::Null, Some(holder)) => JobState::Claimed(Lease {
            name: job.id.lease_name(),
            holder,
            number: number(row, 4)?,
            expires_at: moment(row, 5)?,
        }),
        (ValueRef::Null, None) => JobState::Waiting,
        _ => JobState::Ended(from_json(row, 2)?),
    };
    Ok(JobRecord { job, state, attempts })
}

#[async_trait]
impl JobStore for SqliteStore {
    async fn enqueue(&self, jobs: &[Job], fence: Option<&Fence>) -> Result<(), StoreError> {
        let (jobs, fence) = (jobs.to_vec(), fence.cloned());
        self.write("enqueue jobs", move |tx| {
            granted!(check(tx, fence.as_ref()));
            for job in &jobs {
                granted!(add(tx, job));
            }
            Ok(Ok(()))
        })
        .await
    }

    async fn claim(&self, wanted: &Claim) -> Result<Option<ClaimedJob>, StoreError> {
        const DOING: &str = "claim a job";
        // First which secrets are needed: whether they are there may take a while to find out, and
        // the file must not be locked meanwhile.
        let able = wanted.able(self.read(DOING, |db| needed(db)).await?);
        let wanted = wanted.clone();
        self.write(DOING, move |tx| claim(tx, &wanted, &able).map(Ok)).await
    }

    async fn finish(&self, lease: &Lease, end: &JobEnd) -> Result<(), StoreError> {
        let (lease, end) = (lease.clone(), end.clone());
        self.write("finish a job", move |tx| {
            granted!(check(tx, Some(&lease.fence())));
            let id = lease.name.strip_prefix("job/").unwrap_or_default();
            let sql = "SELECT ended IS NULL FROM job WHERE id = ?1";
            match tx.query_row(sql, [id], |row| row.get(0)).optional()? {
                None => return Ok(Err(StoreErrorKind::Unknown)),
                Some(false) => return Ok(Err(StoreErrorKind::Conflict)),
                Some(true) => {}
            }
            let sql = "UPDATE job SET ended = ?2, ended_at = ?3 WHERE id = ?1";
            tx.execute(sql, (id, to_json(&end)?, end.at.as_millis()))?;
            tx.execute("UPDATE lease SET holder = NULL WHERE name = ?1", [&lease.name])?;
            Ok(Ok(()))
        })
        .await
    }

    async fn withdraw(
        &self,
        group: &str,
        at: Timestamp,
        fence: Option<&Fence>,
    ) -> Result<u64, StoreError> {
        let (group, fence) = (group.to_owned(), fence.cloned());
        self.write("withdraw jobs", move |tx| {
            granted!(check(tx, fence.as_ref()));
            let sql =
                format!("UPDATE job SET ended = ?2, ended_at = ?1 WHERE job.batch = ?3 AND {FREE}");
            let end = to_json(&JobEnd::withdrawn(at))?;
            Ok(Ok(tx.execute(&sql, (at.as_millis(), end, group))? as u64))
        })
        .await
    }

    async fn jobs(&self, query: &JobQuery) -> Result<Vec<JobRecord>, StoreError> {
        let query = query.clone();
        self.read("list jobs", move |db| {
            let sql = "SELECT job.job, job.attempts, job.ended,
                              lease.holder, lease.number, lease.expires_at
                       FROM job LEFT JOIN lease ON lease.name = 'job/' || job.id
                       WHERE (?1 IS NULL OR job.batch = ?1)
                           AND NOT (?2 AND job.ended IS NOT NULL)
                       ORDER BY job.number";
            let mut statement = db.prepare_cached(sql)?;
            statement.query_map((query.group, query.unfinished), record)?.collect()
        })
        .await
    }

    async fn forget_jobs(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.write("forget jobs", move |tx| {
            let before = before.as_millis();
            let sql = "DELETE FROM lease WHERE name IN (
                           SELECT 'job/' || id FROM job WHERE ended_at < ?1)";
            tx.execute(sql, [before])?;
            Ok(Ok(tx.execute("DELETE FROM job WHERE ended_at < ?1", [before])? as u64))
        })
        .await
    }
}
