//! GraphQL analytics: the nodes exist and are empty, since nothing is measured here.

use super::{
    call::Call,
    reply::{Answer, Reply},
};
use serde_json::json;

/// `POST /graphql`
pub(super) async fn query(_call: Call) -> Answer {
    let answer = json!({
        "data": { "viewer": { "budget": 320, "zones": [], "accounts": [{
            "workersInvocationsAdaptive": [],
            "d1AnalyticsAdaptiveGroups": [],
            "d1QueriesAdaptiveGroups": [],
            "d1StorageAdaptiveGroups": [],
            "kvOperationsAdaptiveGroups": [],
            "kvStorageAdaptiveGroups": [],
            "r2OperationsAdaptiveGroups": [],
            "r2StorageAdaptiveGroups": [],
            "durableObjectsInvocationsAdaptiveGroups": [],
        }] } },
        "errors": null,
    });
    Ok(Reply::raw(answer.to_string(), "application/json").only_read())
}
