use super::{SqliteStore, from_json, granted, journal::open_run, number, to_json, to_sql};
use crate::{
    error::StoreError,
    signal::{Signal, SignalStore},
};
use async_trait::async_trait;
use clodo_types::DeploymentId;

#[async_trait]
impl SignalStore for SqliteStore {
    async fn send(&self, run: &DeploymentId, signal: &Signal) -> Result<u64, StoreError> {
        let (run, signal) = (run.clone(), signal.clone());
        self.write("send a signal", move |tx| {
            let run = granted!(open_run(tx, run.as_str()));
            tx.execute(
                "INSERT INTO signal (run, signal) VALUES (?1, ?2)",
                (run, to_json(&signal)?),
            )?;
            Ok(Ok(tx.last_insert_rowid().unsigned_abs()))
        })
        .await
    }

    async fn signals(
        &self,
        run: &DeploymentId,
        after: u64,
    ) -> Result<Vec<(u64, Signal)>, StoreError> {
        let run = run.clone();
        self.read("read signals", move |db| {
            let sql = "SELECT signal.number, signal.signal
                       FROM signal JOIN run ON run.number = signal.run
                       WHERE run.id = ?1 AND signal.number > ?2 ORDER BY signal.number";
            let mut statement = db.prepare_cached(sql)?;
            let rows = statement.query_map((run.as_str(), to_sql(after)?), |row| {
                Ok((number(row, 0)?, from_json(row, 1)?))
            })?;
            rows.collect()
        })
        .await
    }
}
