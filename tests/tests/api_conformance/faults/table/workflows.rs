//! Workflows and their instances.

use crate::{
    cloud::parsed,
    faults::{look::Look, prepared::instance, write::Write},
};
use clodo_cf_api::workflows::{self, InstanceOrder, WorkflowRegistration};
use serde_json::json;

const INSTANCES: Look = Look::get("/accounts/{account}/workflows/flows/instances").each("id");

pub(super) const WRITES: &[Write] = &[
    Write::new(
        "PUT /accounts/{account}/workflows/{workflow}",
        |w| {
            let new = WorkflowRegistration::new(parsed("flow"), "Waits");
            w.send(workflows::put_workflow(&w.account, &parsed("made"), &new))
        },
        &[
            Look::get("/accounts/{account}/workflows/made").part("/name"),
            Look::get("/accounts/{account}/workflows/made/versions"),
        ],
    )
    .twice("a version of the Workflow in which no instance runs"),
    Write::new(
        "DELETE /accounts/{account}/workflows/{workflow}",
        |w| w.send(workflows::delete_workflow(&w.account, &parsed("doomed"))),
        &[Look::get("/accounts/{account}/workflows").each("name")],
    ),
    Write::new(
        "POST /accounts/{account}/workflows/{workflow}/instances",
        |w| w.send(workflows::create_instance(&w.account, &parsed("flows"), &instance("made"))),
        &[INSTANCES],
    ),
    Write::new(
        "POST /accounts/{account}/workflows/{workflow}/instances/batch",
        |w| {
            let new = [instance("made-1"), instance("made-2")];
            w.send(workflows::create_instances(&w.account, &parsed("flows"), &new))
        },
        &[INSTANCES],
    ),
    Write::new(
        "POST /accounts/{account}/workflows/{workflow}/instances/batch/delete",
        |w| {
            let old = [parsed("old-1"), parsed("old-2")];
            w.send(workflows::delete_instances(&w.account, &parsed("flows"), &old))
        },
        &[INSTANCES],
    ),
    Write::new(
        "PATCH /accounts/{account}/workflows/{workflow}/instances/{instance}/status",
        |w| {
            let (flows, id) = (parsed("flows"), parsed("steered"));
            w.send(workflows::order(&w.account, &flows, &id, &InstanceOrder::Pause))
        },
        &[Look::get("/accounts/{account}/workflows/flows/instances/steered").part("/status")],
    ),
    Write::new(
        "POST /accounts/{account}/workflows/{workflow}/instances/{instance}/events/{event}",
        |w| {
            let (flows, id, payload) = (parsed("flows"), parsed("told"), json!({}));
            w.send(workflows::send_event(&w.account, &flows, &id, ("go", &payload)))
        },
        &[Look::get("/accounts/{account}/workflows/flows/instances/told").part("/success")],
    ),
    Write::new(
        "PUT /accounts/{account}/workflows/{workflow}/instances/terminate",
        |w| w.send(workflows::terminate_instances(&w.account, &parsed("ended"))),
        &[Look::get("/accounts/{account}/workflows/ended/instances/one").part("/status")],
    ),
];
