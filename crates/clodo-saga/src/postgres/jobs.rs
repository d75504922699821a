use super::{
    Answer, PostgresStore, check, connection::Session, failure::Fault, from_json, granted,
    leases::grant, moment, number, to_json,
};
use crate::{
    blob::BlobKey,
    error::{StoreError, StoreErrorKind},
    job::{Claim, ClaimedJob, Job, JobEnd, JobQuery, JobRecord, JobState, JobStore},
    lease::{Fence, Grant, Holder, Lease},
};
use async_trait::async_trait;
use clodo_types::Timestamp;
use tokio_postgres::Row;

/// The oldest job that is free at `$1`, of one of the kinds `$2`, and needs no secret but `$3`. It
/// stays locked, and one that another claimer looks at is passed over.
///
/// Leases are seen as they were when the statement began: whether the job is still free, the grant
/// of its lease decides.
const FREE: &str = "SELECT job.number, job.job, job.attempts + 1 FROM job
    WHERE job.ended IS NULL
        AND NOT EXISTS (
            SELECT 1 FROM lease WHERE lease.name = 'job/' || job.id
                AND lease.holder IS NOT NULL AND $1 < lease.expires_at)
        AND ($2::TEXT[] IS NULL OR job.kind = ANY($2))
        AND NOT EXISTS (
            SELECT 1 FROM job_secret
            WHERE job_secret.job = job.number AND job_secret.name <> ALL($3::TEXT[]))
    ORDER BY job.number LIMIT 1 FOR UPDATE OF job SKIP LOCKED";
/// How many jobs may turn out to be another's while one is looked for.
const LOOKS: usize = 1_000;

async fn add(db: &Session<'_>, job: &Job) -> Answer<()> {
    let sql = "INSERT INTO job (id, batch, kind, job) VALUES ($1, $2, $3, $4)
               ON CONFLICT (id) DO NOTHING RETURNING number";
    let values = [&job.id.as_str() as _, &job.group as _, &job.kind as _];
    let [id, group, kind]: [&(dyn tokio_postgres::types::ToSql + Sync); 3] = values;
    let Some(row) = db.row(sql, &[id, group, kind, &to_json(job)?]).await? else {
        let known = db.row("SELECT job FROM job WHERE id = $1", &[id]).await?;
        let known: Job = from_json(&known.ok_or(Fault::Broken)?, 0)?;
        return Ok(if known == *job { Ok(()) } else { Err(StoreErrorKind::Conflict) });
    };
    let at: i64 = row.try_get(0)?;
    let names: Vec<&str> = job.requires.iter().map(String::as_str).collect();
    let sql = "INSERT INTO job_secret (job, name) SELECT $1, unnest($2::TEXT[])";
    db.execute(sql, &[&at, &names]).await?;
    let keys: Vec<&str> = job.blobs.iter().map(BlobKey::as_str).collect();
    let sql = "SELECT 1 FROM blob WHERE key = ANY($1) ORDER BY key FOR SHARE";
    if db.rows(sql, &[&keys]).await?.len() < keys.len() {
        return Ok(Err(StoreErrorKind::Unknown));
    }
    let sql = "INSERT INTO job_blob (job, key) SELECT $1, unnest($2::TEXT[])";
    db.execute(sql, &[&at, &keys]).await?;
    Ok(Ok(()))
}

async fn claim(
    db: &Session<'_>,
    claim: &Claim,
    able: &[String],
) -> Result<Option<ClaimedJob>, Fault> {
    let kinds = claim.kinds.as_ref().map(|kinds| kinds.iter().cloned().collect::<Vec<_>>());
    for _ in 0..LOOKS {
        let found = db.row(FREE, &[&claim.now.as_millis(), &kinds, &able]).await?;
        let Some(found) = found else { return Ok(None) };
        let (at, attempt): (i64, u64) = (found.try_get(0)?, number(&found, 2)?);
        let job: Job = from_json(&found, 1)?;
        if let Grant::Granted(lease) = grant(db, &claim.lease(&job.id)).await? {
            let sql = "UPDATE job SET attempts = attempts + 1 WHERE number = $1";
            db.execute(sql, &[&at]).await?;
            return Ok(Some(ClaimedJob { job, lease, attempt }));
        }
    }
    Ok(None)
}

fn record(row: &Row) -> Result<JobRecord, Fault> {
    let job: Job = from_json(row, 0)?;
    let attempts = number(row, 1)?;
    let holder: Option<&str> = row.try_get(3)?;
    let holder: Option<Holder> = holder.and_then(|text| text.parse().ok());
    let state = match (row.try_get::<_, Option<&str>>(2)?, holder) {
        (None, Some(holder)) => JobState::Claimed(Lease {
            name: job.id.lease_name(),
            holder,
            number: number(row, 4)?,
            expires_at: moment(row, 5)?,
        }),
        (None, None) => JobState::Waiting,
        (Some(_), _) => JobState::Ended(from_json(row, 2)?),
    };
    Ok(JobRecord { job, state, attempts })
}

#[async_trait]
impl JobStore for PostgresStore {
    async fn enqueue(&self, jobs: &[Job], fence: Option<&Fence>) -> Result<(), StoreError> {
        self.write("enqueue jobs", move |db| {
            Box::pin(async move {
                granted!(check(db, fence).await);
                for job in jobs {
                    granted!(add(db, job).await);
                }
                Ok(Ok(()))
            })
        })
        .await
    }

    async fn claim(&self, wanted: &Claim) -> Result<Option<ClaimedJob>, StoreError> {
        const DOING: &str = "claim a job";
        // First which secrets are needed: whether they are there may take a while to find out, and
        // nothing must be locked meanwhile.
        let needed = self.read(DOING, move |db| {
            Box::pin(async move {
                let sql = "SELECT DISTINCT job_secret.name
                           FROM job_secret JOIN job ON job.number = job_secret.job
                           WHERE job.ended IS NULL";
                let rows = db.rows(sql, &[]).await?;
                rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<Vec<String>, _>>()
            })
        });
        let able: Vec<String> = wanted.able(needed.await?).into_iter().collect();
        let able = able.as_slice();
        self.write(DOING, move |db| Box::pin(async move { claim(db, wanted, able).await.map(Ok) }))
            .await
    }

    async fn finish(&self, lease: &Lease, end: &JobEnd) -> Result<(), StoreError> {
        let id = lease.name.strip_prefix("job/").unwrap_or_default();
        self.write("finish a job", move |db| {
            Box::pin(async move {
                // The job first and its lease second, in the order in which a claim locks them.
                let sql = "SELECT ended IS NULL FROM job WHERE id = $1 FOR UPDATE";
                let job = db.row(sql, &[&id]).await?;
                let sql = "SELECT 1 FROM lease WHERE name = $1 FOR UPDATE";
                db.row(sql, &[&lease.name]).await?;
                granted!(check(db, Some(&lease.fence())).await);
                match job.map(|row| row.try_get(0)).transpose()? {
                    None => return Ok(Err(StoreErrorKind::Unknown)),
                    Some(false) => return Ok(Err(StoreErrorKind::Conflict)),
                    Some(true) => {}
                }
                let sql = "UPDATE job SET ended = $2, ended_at = $3 WHERE id = $1";
                db.execute(sql, &[&id, &to_json(end)?, &end.at.as_millis()]).await?;
                let sql = "UPDATE lease SET holder = NULL WHERE name = $1";
                db.execute(sql, &[&lease.name]).await?;
                Ok(Ok(()))
            })
        })
        .await
    }

    async fn withdraw(
        &self,
        group: &str,
        at: Timestamp,
        fence: Option<&Fence>,
    ) -> Result<u64, StoreError> {
        self.write("withdraw jobs", move |db| {
            Box::pin(async move {
                granted!(check(db, fence).await);
                // First the locks, then the look: one of them may just be claimed.
                let sql = "SELECT 1 FROM job WHERE batch = $1 AND ended IS NULL
                           ORDER BY number FOR UPDATE";
                db.rows(sql, &[&group]).await?;
                let sql = "UPDATE job SET ended = $2, ended_at = $1
                           WHERE job.batch = $3 AND job.ended IS NULL AND NOT EXISTS (
                               SELECT 1 FROM lease WHERE lease.name = 'job/' || job.id
                                   AND lease.holder IS NOT NULL AND $1 < lease.expires_at)";
                let end = to_json(&JobEnd::withdrawn(at))?;
                Ok(Ok(db.execute(sql, &[&at.as_millis(), &end, &group]).await?))
            })
        })
        .await
    }

    async fn jobs(&self, query: &JobQuery) -> Result<Vec<JobRecord>, StoreError> {
        self.read("list jobs", move |db| {
            Box::pin(async move {
                let sql = "SELECT job.job, job.attempts, job.ended,
                                  lease.holder, lease.number, lease.expires_at
                           FROM job LEFT JOIN lease ON lease.name = 'job/' || job.id
                           WHERE ($1::TEXT IS NULL OR job.batch = $1)
                               AND NOT ($2 AND job.ended IS NOT NULL)
                           ORDER BY job.number";
                let rows = db.rows(sql, &[&query.group, &query.unfinished]).await?;
                rows.iter().map(record).collect()
            })
        })
        .await
    }

    async fn forget_jobs(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.write("forget jobs", move |db| {
            Box::pin(async move {
                let sql = "DELETE FROM job WHERE ended_at < $1 RETURNING 'job/' || id";
                let gone = db.rows(sql, &[&before.as_millis()]).await?;
                let leases: Result<Vec<&str>, _> =
                    gone.iter().map(|row| row.try_get::<_, &str>(0)).collect();
                let sql = "DELETE FROM lease WHERE name = ANY($1)";
                db.execute(sql, &[&leases?]).await?;
                Ok(Ok(gone.len() as u64))
            })
        })
        .await
    }
}
