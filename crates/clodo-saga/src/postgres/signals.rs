use super::{
    PostgresStore, failure::Fault, from_json, granted, journal::open_run, number, to_json, to_sql,
};
use crate::{
    error::StoreError,
    signal::{Signal, SignalStore},
};
use async_trait::async_trait;
use clodo_types::DeploymentId;

#[async_trait]
impl SignalStore for PostgresStore {
    async fn send(&self, run: &DeploymentId, signal: &Signal) -> Result<u64, StoreError> {
        self.write("send a signal", move |db| {
            Box::pin(async move {
                let run = granted!(open_run(db, run).await);
                let sql = "INSERT INTO signal (run, signal) VALUES ($1, $2) RETURNING number";
                let row = db.row(sql, &[&run, &to_json(signal)?]).await?;
                Ok(Ok(number(&row.ok_or(Fault::Broken)?, 0)?))
            })
        })
        .await
    }

    async fn signals(
        &self,
        run: &DeploymentId,
        after: u64,
    ) -> Result<Vec<(u64, Signal)>, StoreError> {
        self.read("read signals", move |db| {
            Box::pin(async move {
                let sql = "SELECT signal.number, signal.signal
                           FROM signal JOIN run ON run.number = signal.run
                           WHERE run.id = $1 AND signal.number > $2 ORDER BY signal.number";
                let rows = db.rows(sql, &[&run.as_str(), &to_sql(after)?]).await?;
                rows.iter().map(|row| Ok((number(row, 0)?, from_json(row, 1)?))).collect()
            })
        })
        .await
    }
}
