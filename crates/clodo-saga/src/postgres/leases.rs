use super::{PostgresStore, connection::Session, failure::Fault, moment, number, to_sql};
use crate::{
    error::LeaseStoreError,
    lease::{Grant, Holder, Lease, LeaseRequest, LeaseStore},
};
use async_trait::async_trait;
use clodo_types::Timestamp;

/// Who writes under a lease holds a lock on its row that forbids a new grant, and a release, but not
/// a renewal: these two lock the row for all, a renewal does not.
const LOCKED: &str = "SELECT number, holder, expires_at FROM lease WHERE name = $1 FOR UPDATE";

pub(super) async fn grant(db: &Session<'_>, request: &LeaseRequest) -> Result<Grant, Fault> {
    let sql = "INSERT INTO lease (name, number, expires_at) VALUES ($1, 0, 0)
               ON CONFLICT (name) DO NOTHING";
    let found = match db.row(LOCKED, &[&request.name]).await? {
        Some(found) => found,
        None => {
            db.execute(sql, &[&request.name]).await?;
            db.row(LOCKED, &[&request.name]).await?.ok_or(Fault::Broken)?
        }
    };
    let (last, expires_at) = (number(&found, 0)?, moment(&found, 2)?);
    // A holder that makes no sense cannot be asked to wait for: the lease is free.
    let holder = found.try_get::<_, Option<&str>>(1)?.and_then(|text| text.parse::<Holder>().ok());
    if let Some(holder) = holder.filter(|_| request.now < expires_at) {
        let name = request.name.clone();
        return Ok(Grant::Held(Lease { name, holder, number: last, expires_at }));
    }
    let lease = Lease {
        expires_at: request.expires_at(),
        number: last + 1,
        name: request.name.clone(),
        holder: request.holder.clone(),
    };
    let sql = "UPDATE lease SET number = $2, holder = $3, expires_at = $4 WHERE name = $1";
    let (number, holder) = (to_sql(lease.number)?, lease.holder.to_string());
    db.execute(sql, &[&lease.name, &number, &holder, &lease.expires_at.as_millis()]).await?;
    Ok(Grant::Granted(lease))
}

#[async_trait]
impl LeaseStore for PostgresStore {
    async fn acquire(&self, request: &LeaseRequest) -> Result<Grant, LeaseStoreError> {
        self.write("take a lease", move |db| {
            Box::pin(async move { grant(db, request).await.map(Ok) })
        })
        .await
    }

    async fn renew(&self, lease: &Lease, until: Timestamp) -> Result<bool, LeaseStoreError> {
        self.write("renew a lease", move |db| {
            Box::pin(async move {
                let sql = "UPDATE lease SET expires_at = $3
                           WHERE name = $1 AND number = $2 AND holder IS NOT NULL";
                let (number, until) = (to_sql(lease.number)?, until.as_millis());
                Ok(Ok(db.execute(sql, &[&lease.name, &number, &until]).await? == 1))
            })
        })
        .await
    }

    async fn release(&self, lease: &Lease) -> Result<(), LeaseStoreError> {
        self.write("give a lease back", move |db| {
            Box::pin(async move {
                db.row(LOCKED, &[&lease.name]).await?;
                let sql = "UPDATE lease SET holder = NULL WHERE name = $1 AND number = $2";
                db.execute(sql, &[&lease.name, &to_sql(lease.number)?]).await?;
                Ok(Ok(()))
            })
        })
        .await
    }

    async fn held(&self, now: Timestamp) -> Result<Vec<Lease>, LeaseStoreError> {
        self.read("list the leases", move |db| {
            Box::pin(async move {
                let sql = "SELECT number, holder, expires_at, name FROM lease
                           WHERE holder IS NOT NULL AND expires_at > $1
                           ORDER BY name COLLATE \"C\"";
                let mut held = Vec::new();
                for row in db.rows(sql, &[&now.as_millis()]).await? {
                    if let Ok(holder) = row.try_get::<_, &str>(1)?.parse() {
                        let (number, expires_at) = (number(&row, 0)?, moment(&row, 2)?);
                        held.push(Lease { name: row.try_get(3)?, holder, number, expires_at });
                    }
                }
                Ok(held)
            })
        })
        .await
    }
}
