use clodo_cf_api::{
    AccountId, Client, WorkerName,
    analytics::{self, InvocationStatus, InvocationsFilter, TimeRange},
};
use serde_json::{Value, json};
use std::error::Error;

/// The share of a Worker's requests that failed.
pub async fn example(
    client: &Client,
    account: &AccountId,
    worker: &WorkerName,
    time: TimeRange,
) -> Result<f64, Box<dyn Error>> {
    let filter = InvocationsFilter::all(time).of_worker(worker);
    let groups = client.send(analytics::invocations(account, &filter)).await?;
    let (mut requests, mut failed) = (0, 0);
    for group in &groups {
        requests += group.sum.requests;
        if group.dimensions.status != Some(InvocationStatus::Success) {
            failed += group.sum.requests;
        }
    }
    // The same node, asked by hand.
    let text = "query($a: string) { viewer { accounts(filter: { accountTag: $a }) {
        workersInvocationsAdaptive(limit: 1, filter: {}) { sum { requests } } } } }";
    let read: Value = client.send(analytics::query(text, &json!({ "a": account }))).await?;
    assert!(read["viewer"]["accounts"].is_array());
    Ok(if requests == 0 { 0.0 } else { failed as f64 / requests as f64 })
}
