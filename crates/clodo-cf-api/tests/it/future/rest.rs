//! Answers about everything else, as the API documents them.

use super::{Fixture, account, graph, list, one, time};
use crate::support::{HEX, ID};
use clodo_cf_api::{analytics, dns, durable_objects, identity, queues, tokens, zones};
use serde_json::json;

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn fixtures() -> Vec<Fixture> {
    vec![
        list(
            json!([{"id": HEX, "name": "acme", "type": "standard", "settings": {}}]),
            identity::list_accounts,
        ),
        list(
            json!([{"id": "m", "status": "accepted", "account": {"id": HEX, "name": "acme"},
            "roles": ["Administrator"]}]),
            identity::list_memberships,
        ),
        list(
            json!([{"id": "t1", "name": "ci", "status": "active", "policies": [{"id": "p",
            "effect": "allow", "permission_groups": [{"id": "g", "name": "n"}],
            "resources": {"com.cloudflare.api.account.x": "*"}}],
            "condition": {"request_ip": {"in": ["192.0.2.0/24"]}}}]),
            || tokens::list_tokens(&tokens::TokenOwner::User),
        ),
        list(
            json!([{"id": "g", "name": "Workers Scripts Write", "category": "developer_platform",
            "scopes": ["com.cloudflare.api.account"]}]),
            || tokens::list_permission_groups(&tokens::TokenOwner::User),
        ),
        list(
            json!([{"id": HEX, "name": "acme.test", "status": "active", "type": "full",
            "account": {"id": HEX}, "paused": false, "name_servers": ["a.test"]}]),
            || zones::list_zones(&account()),
        ),
        list(
            json!([{"id": "r1", "name": "a.test", "type": "A", "content": "192.0.2.1", "ttl": 1,
            "proxied": true, "proxiable": true, "tags": [], "settings": {}, "meta": {},
            "comment": null, "priority": 10}]),
            || dns::list_records(&HEX.parse().unwrap()),
        ),
        list(
            json!([{"id": "n1", "class": "Room", "script": "web", "use_sqlite": true, "name": "x"}]),
            || durable_objects::list_namespaces(&account()),
        ),
        list(json!([{"id": "o1", "hasStoredData": true}]), || {
            durable_objects::list_objects(&account(), &"n1".parse().unwrap())
        }),
        list(
            json!([{"queue_id": HEX, "queue_name": "jobs", "producers": [{"type": "worker",
            "script": "web"}], "settings": {"delivery_delay": 0, "delivery_paused": false},
            "consumers": [{"consumer_id": "c1", "type": "worker", "script_name": "web",
                "settings": {"batch_size": 10}}]}]),
            || queues::list_queues(&account()),
        ),
        one(
            json!({"message_backlog_count": 1, "messages": [{"id": "m", "lease_id": "l",
            "body": "eA==", "attempts": 1, "timestamp_ms": 5,
            "metadata": {"CF-Content-Type": "bytes"}}]}),
            || queues::pull(&account(), &HEX.parse().unwrap(), 1, 1),
        ),
        one(json!({"id": "t", "status": "active", "not_before": "t", "expires_on": null}), || {
            identity::verify_token()
        }),
        one(json!({"id": "u", "email": "a@b", "two_factor_authentication_enabled": false}), || {
            identity::user()
        }),
        one(
            json!({"id": "t1", "name": "ci", "status": "active", "value": "v", "policies": []}),
            || {
                tokens::create_token(
                    &tokens::TokenOwner::User,
                    &tokens::NewToken::new("ci", Vec::new()),
                )
            },
        ),
        one(json!("v"), || tokens::roll_token(&tokens::TokenOwner::User, &"t1".parse().unwrap())),
        one(
            json!({"deletes": [{"id": "r1", "type": "A"}], "patches": null, "puts": [], "posts": [{"id": "r2", "type": "TXT", "content": "x"}]}),
            || dns::batch(&HEX.parse().unwrap(), &dns::RecordBatch::default()),
        ),
        one(
            json!({"recs_added": 1, "recs_added_by_type": {"A": 1}, "total_records_parsed": 2}),
            || dns::import(&HEX.parse().unwrap(), "", dns::ImportProxying::DnsOnly).unwrap(),
        ),
        list(
            json!([{"consumer_id": "c1", "type": "http_pull", "settings": {"batch_size": 5, "visibility_timeout_ms": 6}, "queue_name": "q", "dead_letter_queue": "d"}]),
            || queues::list_consumers(&account(), &HEX.parse().unwrap()),
        ),
        one(
            json!({"backlog_count": 1, "backlog_bytes": 2, "oldest_message_timestamp_ms": 3}),
            || queues::metrics(&account(), &HEX.parse().unwrap()),
        ),
        one(json!({"ackCount": 1, "retryCount": 2, "warnings": {"l": "late"}}), || {
            queues::ack(&account(), &HEX.parse().unwrap(), &[], &[])
        }),
        one(json!({"completed": "true", "started_at": "t"}), || {
            queues::purge_status(&account(), &HEX.parse().unwrap())
        }),
    ]
}

pub(super) fn figures() -> Vec<Fixture> {
    vec![
        graph(
            "workersInvocationsAdaptive",
            json!([{"sum": {"requests": 1, "errors": 0, "subrequests": 2}, "quantiles": {"cpuTimeP50": 1.5, "wallTimeP99": null}, "dimensions": {"scriptName": "web", "scriptVersion": ID, "status": "success", "datetimeMinute": "t"}}]),
            || analytics::invocations(&account(), &analytics::InvocationsFilter::all(time())),
        ),
        graph(
            "d1AnalyticsAdaptiveGroups",
            json!([{"sum": {"readQueries": 1, "rowsWritten": 2}, "dimensions": {"databaseId": ID, "date": "d"}}]),
            || analytics::d1_queries(&account(), &time()),
        ),
        graph(
            "d1StorageAdaptiveGroups",
            json!([{"max": {"databaseSizeBytes": 1}, "dimensions": {"databaseId": ID}}]),
            || analytics::d1_storage(&account(), &time()),
        ),
        graph(
            "kvOperationsAdaptiveGroups",
            json!([{"sum": {"requests": 1}, "dimensions": {"namespaceId": HEX, "actionType": "read"}}]),
            || analytics::kv_operations(&account(), &time()),
        ),
        graph(
            "kvStorageAdaptiveGroups",
            json!([{"max": {"byteCount": 1, "keyCount": 2}, "dimensions": {"namespaceId": HEX}}]),
            || analytics::kv_storage(&account(), &time()),
        ),
        graph(
            "r2OperationsAdaptiveGroups",
            json!([{"sum": {"requests": 1}, "dimensions": {"bucketName": "media", "actionType": "PutObject"}}]),
            || analytics::r2_operations(&account(), &time()),
        ),
        graph(
            "r2StorageAdaptiveGroups",
            json!([{"max": {"objectCount": 1, "payloadSize": 2}, "dimensions": {"bucketName": "media"}}]),
            || analytics::r2_storage(&account(), &time()),
        ),
    ]
}
