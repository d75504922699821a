use super::{SqliteStore, moment, number, to_sql};
use crate::{
    error::LeaseStoreError,
    lease::{Grant, Holder, Lease, LeaseRequest, LeaseStore},
};
use async_trait::async_trait;
use clodo_sqlite::rusqlite::{self, Connection, OptionalExtension, Row, Transaction};
use clodo_types::Timestamp;

type Slot = (u64, Option<Holder>, Timestamp);

fn slot(row: &Row<'_>) -> rusqlite::Result<Slot> {
    let holder: Option<String> = row.get(1)?;
    // A holder that makes no sense cannot be asked to wait for: the lease is free.
    let holder = holder.and_then(|text| text.parse().ok());
    Ok((number(row, 0)?, holder, moment(row, 2)?))
}

fn write_lease(db: &Connection, lease: &Lease) -> rusqlite::Result<()> {
    let sql = "INSERT INTO lease (name, number, holder, expires_at) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (name) DO UPDATE SET
                   number = excluded.number,
                   holder = excluded.holder,
                   expires_at = excluded.expires_at";
    let (holder, expires_at) = (lease.holder.to_string(), lease.expires_at.as_millis());
    db.execute(sql, (&lease.name, to_sql(lease.number)?, holder, expires_at)).map(|_| ())
}

pub(super) fn grant(tx: &Transaction<'_>, request: LeaseRequest) -> rusqlite::Result<Grant> {
    let sql = "SELECT number, holder, expires_at FROM lease WHERE name = ?1";
    let found = tx.query_row(sql, [&request.name], slot).optional()?;
    let last = match found {
        Some((number, Some(holder), expires_at)) if request.now < expires_at => {
            let name = request.name;
            return Ok(Grant::Held(Lease { name, holder, number, expires_at }));
        }
        Some((number, ..)) => number,
        None => 0,
    };
    let lease = Lease {
        expires_at: request.expires_at(),
        number: last + 1,
        name: request.name,
        holder: request.holder,
    };
    write_lease(tx, &lease)?;
    Ok(Grant::Granted(lease))
}

#[async_trait]
impl LeaseStore for SqliteStore {
    async fn acquire(&self, request: &LeaseRequest) -> Result<Grant, LeaseStoreError> {
        let request = request.clone();
        self.write("take a lease", move |tx| grant(tx, request).map(Ok)).await
    }

    async fn renew(&self, lease: &Lease, until: Timestamp) -> Result<bool, LeaseStoreError> {
        let lease = lease.clone();
        self.write("renew a lease", move |tx| {
            let sql = "UPDATE lease SET expires_at = ?3
                       WHERE name = ?1 AND number = ?2 AND holder IS NOT NULL";
            let renewed =
                tx.execute(sql, (lease.name, to_sql(lease.number)?, until.as_millis()))?;
            Ok(Ok(renewed == 1))
        })
        .await
    }

    async fn release(&self, lease: &Lease) -> Result<(), LeaseStoreError> {
        let lease = lease.clone();
        self.write("give a lease back", move |tx| {
            let sql = "UPDATE lease SET holder = NULL WHERE name = ?1 AND number = ?2";
            tx.execute(sql, (lease.name, to_sql(lease.number)?)).map(|_| Ok(()))
        })
        .await
    }

    async fn held(&self, now: Timestamp) -> Result<Vec<Lease>, LeaseStoreError> {
        self.read("list the leases", move |db| {
            let sql = "SELECT number, holder, expires_at, name FROM lease
                       WHERE holder IS NOT NULL AND expires_at > ?1 ORDER BY name";
            let lease = |row: &Row<'_>| {
                let (number, holder, expires_at) = slot(row)?;
                let name = row.get(3)?;
                Ok(holder.map(|holder| Lease { name, holder, number, expires_at }))
            };
            let mut query = db.prepare(sql)?;
            let found = query.query_map([now.as_millis()], lease)?;
            found.filter_map(Result::transpose).collect()
        })
        .await
    }
}
