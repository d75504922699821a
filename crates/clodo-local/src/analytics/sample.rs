//! How much is stored at present.

use super::{
    cell::Value::Plain,
    store::{Dataset, Store},
};
use crate::state::Snapshot;
use clodo_storage::{BucketRef, BucketTotals, Data, DatabaseRef, NamespaceRef};

/// Adds how much each database, namespace or bucket of the account holds; `only` that one, if it
/// is named. What cannot be read is left out.
pub(crate) async fn sample(
    store: &Store,
    (snapshot, data): (&Snapshot, &Data),
    account_id: &str,
    dataset: Dataset,
    only: Option<&str>,
) {
    let Some(account) = snapshot.cloud.accounts.get(account_id) else { return };
    let ids: Vec<&String> = match dataset {
        Dataset::D1Storage => account.databases.keys().collect(),
        Dataset::KvStorage => account.namespaces.keys().collect(),
        Dataset::R2Storage => account.buckets.keys().collect(),
        _ => return,
    };
    for id in ids.into_iter().filter(|id| only.is_none_or(|only| only == *id)) {
        if let Some(figures) = measured(data, account_id, dataset, id).await {
            let values: Vec<_> = figures.into_iter().map(|figure| Plain(figure as f64)).collect();
            store.add(account_id, dataset, vec![id.clone()], (1, &values));
        }
    }
}

async fn measured(data: &Data, account: &str, dataset: Dataset, id: &str) -> Option<Vec<u64>> {
    let account = account.parse().ok()?;
    Some(match dataset {
        Dataset::D1Storage => {
            let at = DatabaseRef { account, id: id.parse().ok()? };
            vec![data.d1.info(&at).await.ok()?.file_size]
        }
        Dataset::KvStorage => {
            let at = NamespaceRef { account, id: id.parse().ok()? };
            let usage = data.kv.usage(&at).await.ok()?;
            vec![usage.keys, usage.bytes]
        }
        _ => {
            let at = BucketRef { account, name: id.parse().ok()? };
            // A bucket has figures per storage class.
            let totals = data.r2.totals(&at).await.ok()?;
            let sum = |of: fn(&BucketTotals) -> u64| totals.iter().map(of).sum();
            vec![sum(|one| one.objects), sum(|one| one.payload), sum(|one| one.metadata)]
        }
    })
}
