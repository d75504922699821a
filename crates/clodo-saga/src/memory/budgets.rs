use super::MemoryStore;
use crate::{
    budget::{BudgetReport, BudgetStore},
    error::StoreError,
    ledger::{BudgetGrant, BudgetLedger, BudgetView},
};
use async_trait::async_trait;
use clodo_types::Timestamp;

impl MemoryStore {
    fn budget<T>(&self, report: &BudgetReport, act: impl FnOnce(&mut BudgetLedger) -> T) -> T {
        let mut shelves = self.shelves();
        let ledger = shelves.budgets.entry(report.name.clone()).or_default();
        ledger.hear(report);
        act(ledger)
    }
}

#[async_trait]
impl BudgetStore for MemoryStore {
    async fn take(&self, calls: u64, report: &BudgetReport) -> Result<BudgetGrant, StoreError> {
        Ok(self.budget(report, |ledger| ledger.take(calls, report.now)))
    }

    async fn tell(&self, report: &BudgetReport) -> Result<(), StoreError> {
        self.budget(report, |_| ());
        Ok(())
    }

    async fn view(&self, name: &str, now: Timestamp) -> Result<BudgetView, StoreError> {
        Ok(self.shelves().budgets.get(name).cloned().unwrap_or_default().view(now))
    }
}
