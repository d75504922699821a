use super::MemoryStore;
use crate::{
    error::StoreError,
    signal::{Signal, SignalStore},
};
use async_trait::async_trait;
use clodo_types::DeploymentId;

#[async_trait]
impl SignalStore for MemoryStore {
    async fn send(&self, run: &DeploymentId, signal: &Signal) -> Result<u64, StoreError> {
        let mut shelves = self.shelves();
        let signals = &mut shelves.open_run(run, "send a signal")?.signals;
        signals.push(signal.clone());
        Ok(signals.len() as u64)
    }

    async fn signals(
        &self,
        run: &DeploymentId,
        after: u64,
    ) -> Result<Vec<(u64, Signal)>, StoreError> {
        let shelves = self.shelves();
        let signals = shelves.run(run).map(|run| run.signals.iter()).into_iter().flatten();
        let numbered = (1..).zip(signals.cloned());
        Ok(numbered.filter(|(number, _)| *number > after).collect())
    }
}
