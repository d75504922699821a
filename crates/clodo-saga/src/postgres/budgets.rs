use super::{PostgresStore, connection::Session, failure::Fault, from_json, to_json};
use crate::{
    budget::{BudgetReport, BudgetStore},
    error::StoreError,
    ledger::{BudgetGrant, BudgetLedger, BudgetView},
};
use async_trait::async_trait;
use clodo_types::Timestamp;

/// A ledger that nobody else changes until the transaction ends.
async fn locked(db: &Session<'_>, name: &str) -> Result<BudgetLedger, Fault> {
    let sql = "SELECT ledger FROM budget WHERE name = $1 FOR UPDATE";
    let found = match db.row(sql, &[&name]).await? {
        Some(found) => found,
        None => {
            let fresh = to_json(&BudgetLedger::default())?;
            let sql_new = "INSERT INTO budget (name, ledger) VALUES ($1, $2)
                           ON CONFLICT (name) DO NOTHING";
            db.execute(sql_new, &[&name, &fresh]).await?;
            db.row(sql, &[&name]).await?.ok_or(Fault::Broken)?
        }
    };
    from_json(&found, 0)
}

impl PostgresStore {
    async fn budget<T: Send>(
        &self,
        doing: &'static str,
        report: &BudgetReport,
        act: impl Fn(&mut BudgetLedger, Timestamp) -> T + Send + Sync,
    ) -> Result<T, StoreError> {
        let act = &act;
        self.write(doing, move |db| {
            Box::pin(async move {
                let before = locked(db, &report.name).await?;
                let mut ledger = before.clone();
                ledger.hear(report);
                let outcome = act(&mut ledger, report.now);
                if ledger != before {
                    let sql = "UPDATE budget SET ledger = $2 WHERE name = $1";
                    db.execute(sql, &[&report.name, &to_json(&ledger)?]).await?;
                }
                Ok(Ok(outcome))
            })
        })
        .await
    }
}

#[async_trait]
impl BudgetStore for PostgresStore {
    async fn take(&self, calls: u64, report: &BudgetReport) -> Result<BudgetGrant, StoreError> {
        self.budget("take calls of a budget", report, move |ledger, now| ledger.take(calls, now))
            .await
    }

    async fn tell(&self, report: &BudgetReport) -> Result<(), StoreError> {
        self.budget("tell a budget of calls", report, |_, _| ()).await
    }

    async fn view(&self, name: &str, now: Timestamp) -> Result<BudgetView, StoreError> {
        self.read("read a budget", move |db| {
            Box::pin(async move {
                let sql = "SELECT ledger FROM budget WHERE name = $1";
                let found = db.row(sql, &[&name]).await?;
                let ledger = found.map(|row| from_json::<BudgetLedger>(&row, 0)).transpose()?;
                Ok(ledger.unwrap_or_default().view(now))
            })
        })
        .await
    }
}
