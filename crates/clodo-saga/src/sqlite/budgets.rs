use super::{SqliteStore, from_json, to_json};
use crate::{
    budget::{BudgetReport, BudgetStore},
    error::StoreError,
    ledger::{BudgetGrant, BudgetLedger, BudgetView},
};
use async_trait::async_trait;
use clodo_sqlite::rusqlite::{self, Connection, OptionalExtension};
use clodo_types::Timestamp;

fn ledger_of(db: &Connection, name: &str) -> rusqlite::Result<BudgetLedger> {
    let sql = "SELECT ledger FROM budget WHERE name = ?1";
    let found = db.prepare_cached(sql)?.query_row([name], |row| from_json(row, 0)).optional()?;
    Ok(found.unwrap_or_default())
}

fn keep(db: &Connection, name: &str, ledger: &BudgetLedger) -> rusqlite::Result<()> {
    let sql = "INSERT INTO budget (name, ledger) VALUES (?1, ?2)
               ON CONFLICT (name) DO UPDATE SET ledger = excluded.ledger";
    db.prepare_cached(sql)?.execute((name, to_json(ledger)?)).map(|_| ())
}

impl SqliteStore {
    async fn budget<T: Send + 'static>(
        &self,
        doing: &'static str,
        report: &BudgetReport,
        act: impl FnOnce(&mut BudgetLedger, Timestamp) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let report = report.clone();
        self.write(doing, move |tx| {
            let before = ledger_of(tx, &report.name)?;
            let mut ledger = before.clone();
            ledger.hear(&report);
            let outcome = act(&mut ledger, report.now);
            // Whoever asks in vain costs no write to disk.
            if ledger != before {
                keep(tx, &report.name, &ledger)?;
            }
            Ok(Ok(outcome))
        })
        .await
    }
}

#[async_trait]
impl BudgetStore for SqliteStore {
    async fn take(&self, calls: u64, report: &BudgetReport) -> Result<BudgetGrant, StoreError> {
        self.budget("take calls of a budget", report, move |ledger, now| ledger.take(calls, now))
            .await
    }

    async fn tell(&self, report: &BudgetReport) -> Result<(), StoreError> {
        self.budget("tell a budget of calls", report, |_, _| ()).await
    }

    async fn view(&self, name: &str, now: Timestamp) -> Result<BudgetView, StoreError> {
        let name = name.to_owned();
        self.read("read a budget", move |db| Ok(ledger_of(db, &name)?.view(now))).await
    }
}
