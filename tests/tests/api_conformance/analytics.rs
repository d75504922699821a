use crate::cloud::Cloud;
use clodo_cf_api::analytics::{self, InvocationsFilter, TimeRange};
use serde_json::{Value, json};

// conformance: analytics | POST /graphql | documented
#[tokio::test]
async fn figures_are_asked_for_and_read() {
    let cloud = Cloud::open().await;
    let (client, account) = (&cloud.client, &cloud.account);
    let time = TimeRange::new("2026-11-01T00:00:00Z", "2026-11-20T00:00:00Z");
    let filter = InvocationsFilter::all(time.clone());
    client.send(analytics::invocations(account, &filter)).await.unwrap();
    client.send(analytics::d1_queries(account, &time)).await.unwrap();
    client.send(analytics::d1_storage(account, &time)).await.unwrap();
    client.send(analytics::kv_operations(account, &time)).await.unwrap();
    client.send(analytics::kv_storage(account, &time)).await.unwrap();
    client.send(analytics::r2_operations(account, &time)).await.unwrap();
    client.send(analytics::r2_storage(account, &time)).await.unwrap();
    let text = "query($a:string){viewer{accounts(filter:{accountTag:$a}){\
        workersInvocationsAdaptive(limit:1,filter:{}){sum{requests}}}}}";
    let read: Value = client.send(analytics::query(text, &json!({"a": account}))).await.unwrap();
    assert!(read["viewer"]["accounts"].is_array(), "{read}");
}
