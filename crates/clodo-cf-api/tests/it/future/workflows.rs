//! Answers about Workflows, as the API documents them.

use super::{Fixture, account, list, one};
use crate::support::ID;
use clodo_cf_api::workflows;
use clodo_types::WorkflowName;
use serde_json::json;

fn orders() -> WorkflowName {
    "orders".parse().unwrap()
}

pub(super) fn fixtures() -> Vec<Fixture> {
    let instance = json!({"id": "i1", "status": "running", "version_id": ID, "workflow_id": ID,
        "trigger_source": "api", "created_on": "t", "started_on": "t", "ended_on": null});
    vec![
        list(
            json!([{"id": ID, "name": "orders", "class_name": "Orders", "script_name": "web",
            "created_on": "t", "modified_on": "t", "triggered_on": null,
            "instances": {"running": 1, "waitingForPause": 0}, "version_id": ID,
            "schedules": [{"cron": "0 * * * *", "next_instance": "t"}], "script_deleted": false}]),
            || workflows::list_workflows(&account()),
        ),
        list(
            json!([{"id": ID, "class_name": "Orders", "created_on": "t", "modified_on": "t",
            "limits": {"steps": 7}, "concurrency": {"limit": 3}}]),
            || workflows::list_versions(&account(), &orders()),
        ),
        list(json!([instance]), || workflows::list_instances(&account(), &orders(), None)),
        one(
            json!({"deleted": [{"id": "a"}], "errors": [{"id": "b", "code": 10400, "message": "m"}]}),
            || workflows::delete_instances(&account(), &orders(), &[]),
        ),
        one(json!({"status": "ok", "instancesTerminated": 2}), || {
            workflows::terminate_instances(&account(), &orders())
        }),
        one(json!({"status": "paused", "timestamp": "t"}), || {
            let order = workflows::InstanceOrder::Pause;
            workflows::order(&account(), &orders(), &"i1".parse().unwrap(), &order)
        }),
        one(
            json!({"status": "errored", "versionId": ID, "trigger": {"source": "cron"},
            "params": {"n": 1}, "output": null, "success": false, "queued": "t", "start": "t",
            "end": "t", "error": {"name": "Error", "message": "m"}, "step_count": 2,
            "rollback": {"outcome": "complete"}, "steps": [
                {"type": "step", "name": "one-1", "start": "t", "end": "t", "success": false,
                    "output": "1", "config": {"retries": {"limit": 5}}, "attempts": [
                        {"start": "t", "end": "t", "success": false,
                            "error": {"name": "Error", "message": "m"}}]},
                {"type": "waitForEvent", "name": "paid-1", "event_type": "paid",
                    "finished": true, "error": {"name": "E", "message": "m"}}]}),
            || workflows::logs(&account(), &orders(), &"i1".parse().unwrap()),
        ),
        one(json!({"status": "complete", "output": {"a": 1}, "error": null}), || {
            workflows::step_output(&account(), &orders(), &"i1".parse().unwrap(), "one-1")
        }),
    ]
}
