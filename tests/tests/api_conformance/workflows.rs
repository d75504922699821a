use crate::cloud::{Cloud, eventually};
use clodo_cf_api::{
    InstanceId, WorkerUpload, workers,
    workflows::{
        self, InstanceLogs, InstanceOrder, InstanceStatus, NewInstance, RestartFrom, StepKind,
        WorkflowLimits, WorkflowRegistration,
    },
};
use clodo_types::{WorkerName, WorkflowName};
use serde_json::{Value, json};

const CODE: &str = r#"
    import { WorkflowEntrypoint } from "cloudflare:workers";
    export class Orders extends WorkflowEntrypoint {
      async run(event, step) {
        const twice = await step.do("double", async () => event.payload.n * 2);
        const paid = await step.waitForEvent("wait for money", { type: "paid", timeout: "1 hour" });
        return { twice, by: paid.payload.by };
      }
    }
    export default { fetch() { return new Response("") } };"#;

/// A Workflow of a Worker that is there for it alone.
struct Orders {
    cloud: Cloud,
    worker: WorkerName,
    name: WorkflowName,
}

impl Orders {
    async fn new() -> Self {
        let cloud = Cloud::open().await;
        let (worker, name): (WorkerName, WorkflowName) = (cloud.name("flow"), cloud.name("orders"));
        let upload = WorkerUpload::module_worker("index.js", CODE).compatible_with("2026-01-01");
        let upload = workers::put_script(&cloud.account, &worker, &upload).unwrap();
        cloud.client.send(upload).await.unwrap();
        Self { cloud, worker, name }
    }

    async fn register(
        &self,
        change: impl FnOnce(&mut WorkflowRegistration),
    ) -> workflows::Workflow {
        let mut registration = WorkflowRegistration::new(self.worker.clone(), "Orders");
        change(&mut registration);
        let put = workflows::put_workflow(&self.cloud.account, &self.name, &registration);
        self.cloud.client.send(put).await.unwrap()
    }

    async fn start(&self, id: &str) -> InstanceId {
        let id: InstanceId = id.parse().unwrap();
        let new = NewInstance {
            id: Some(id.clone()),
            params: Some(json!({ "n": 21 })),
            ..NewInstance::default()
        };
        let create = workflows::create_instance(&self.cloud.account, &self.name, &new);
        assert_eq!(self.cloud.client.send(create).await.unwrap().id, id);
        id
    }

    /// Its logs, once it is doing this.
    async fn until(&self, id: &InstanceId, status: InstanceStatus) -> InstanceLogs {
        eventually(async || {
            let logs = workflows::logs(&self.cloud.account, &self.name, id);
            let logs = self.cloud.client.send(logs).await.unwrap();
            (logs.status == status).then_some(logs)
        })
        .await
    }

    async fn order(&self, id: &InstanceId, order: InstanceOrder) -> InstanceStatus {
        let order = workflows::order(&self.cloud.account, &self.name, id, &order);
        self.cloud.client.send(order).await.unwrap().status
    }

    async fn send(&self, id: &InstanceId, by: &str) {
        let payload = json!({ "by": by });
        let event = ("paid", &payload);
        let event = workflows::send_event(&self.cloud.account, &self.name, id, event);
        self.cloud.client.send(event).await.unwrap();
    }

    async fn remove(self) {
        let gone = workflows::delete_workflow(&self.cloud.account, &self.name);
        self.cloud.client.send(gone).await.unwrap();
        let look = workflows::workflow(&self.cloud.account, &self.name);
        assert!(self.cloud.client.find(look).await.unwrap().is_none());
        self.cloud.remove_worker(&self.worker).await;
    }
}

// conformance: workflows | PUT /accounts/{account}/workflows/{workflow} | documented
// conformance: workflows | GET /accounts/{account}/workflows/{workflow} | documented
// conformance: workflows | GET /accounts/{account}/workflows | documented
// conformance: workflows | DELETE /accounts/{account}/workflows/{workflow} | documented
// conformance: workflows | GET /accounts/{account}/workflows/{workflow}/versions | documented
// conformance: workflows | GET /accounts/{account}/workflows/{workflow}/versions/{version} | documented
#[tokio::test]
async fn a_workflow_is_registered_anew_and_removed() {
    let orders = Orders::new().await;
    let (client, account) = (&orders.cloud.client, &orders.cloud.account);
    let first = orders.register(|_| ()).await;
    assert_eq!(first.class_name, "Orders");
    let limits = WorkflowLimits { steps: Some(50) };
    let second = orders.register(|to| to.limits = Some(limits)).await;
    assert_eq!(second.id, first.id);
    assert_ne!(second.version_id, first.version_id);
    let read = client.send(workflows::workflow(account, &orders.name)).await.unwrap();
    assert_eq!((&read.id, read.script_name.as_str()), (&first.id, orders.worker.as_str()));
    let all = client.list(workflows::list_workflows(account)).await.unwrap();
    assert!(all.iter().any(|one| one.name == orders.name));
    let versions = client.list(workflows::list_versions(account, &orders.name)).await.unwrap();
    let newest = versions.iter().find(|one| second.version_id.as_ref() == Some(&one.id)).unwrap();
    assert_eq!((versions.len(), newest.limits), (2, limits));
    let one = workflows::version(account, &orders.name, &newest.id);
    assert_eq!(&client.send(one).await.unwrap(), newest);
    orders.remove().await;
}

// conformance: workflows | POST /accounts/{account}/workflows/{workflow}/instances | documented
// conformance: workflows | GET /accounts/{account}/workflows/{workflow}/instances | documented
// conformance: workflows | GET /accounts/{account}/workflows/{workflow}/instances/{instance} | documented
// conformance: workflows | GET /accounts/{account}/workflows/{workflow}/instances/{instance}/step | documented
// conformance: workflows | PATCH /accounts/{account}/workflows/{workflow}/instances/{instance}/status | documented
// conformance: workflows | POST /accounts/{account}/workflows/{workflow}/instances/{instance}/events/{event} | documented
#[tokio::test]
async fn an_instance_is_made_steered_and_told_of_an_event() {
    let orders = Orders::new().await;
    let (client, account) = (&orders.cloud.client, &orders.cloud.account);
    orders.register(|_| ()).await;
    let id = orders.start("first").await;
    orders.until(&id, InstanceStatus::Waiting).await;
    assert_eq!(orders.order(&id, InstanceOrder::Pause).await, InstanceStatus::Paused);
    orders.order(&id, InstanceOrder::Resume).await;
    orders.send(&id, "ann").await;
    let logs = orders.until(&id, InstanceStatus::Complete).await;
    assert_eq!(logs.output, json!({ "twice": 42, "by": "ann" }));
    assert_eq!((logs.success, logs.trigger.source.as_str()), (Some(true), "api"));
    let kinds: Vec<_> = logs.steps.iter().map(|step| step.kind.clone()).collect();
    assert_eq!(kinds, [StepKind::Step, StepKind::WaitForEvent]);
    let (name, attempts) = (&logs.steps[0].name, logs.steps[0].attempts.len());
    assert_eq!((name.as_str(), attempts), ("double-1", 1));
    let step = workflows::step_output(account, &orders.name, &id, name);
    assert_eq!(client.send(step).await.unwrap().output, 42);
    let from = RestartFrom {
        name: "wait for money".into(),
        count: None,
        kind: Some("waitForEvent".into()),
    };
    orders.order(&id, InstanceOrder::Restart(Some(from))).await;
    orders.until(&id, InstanceStatus::Waiting).await;
    let waiting = Some(InstanceStatus::Waiting);
    let list = workflows::list_instances(account, &orders.name, waiting.as_ref());
    assert_eq!(client.list(list).await.unwrap()[0].id, id);
    assert_eq!(orders.order(&id, InstanceOrder::Terminate).await, InstanceStatus::Terminated);
    orders.remove().await;
}

// conformance: workflows | POST /accounts/{account}/workflows/{workflow}/instances/batch | documented
// conformance: workflows | POST /accounts/{account}/workflows/{workflow}/instances/batch/delete | accepted by wrangler 4.164
// conformance: workflows | PUT /accounts/{account}/workflows/{workflow}/instances/terminate | accepted by wrangler 4.86 and 4.164
#[tokio::test]
async fn many_instances_are_made_ended_and_deleted_at_once() {
    let orders = Orders::new().await;
    let (client, account) = (&orders.cloud.client, &orders.cloud.account);
    orders.register(|_| ()).await;
    let new = |id: &str| NewInstance {
        id: Some(id.parse().unwrap()),
        params: Some(Value::Null),
        ..NewInstance::default()
    };
    let new = ["a", "b", "c"].map(new);
    let made = workflows::create_instances(account, &orders.name, &new);
    let made: Vec<InstanceId> =
        client.send(made).await.unwrap().into_iter().map(|made| made.id).collect();
    assert_eq!(made.len(), 3);
    client.send(workflows::terminate_instances(account, &orders.name)).await.unwrap();
    for id in &made {
        let over = eventually(async || {
            let logs = client.send(workflows::logs(account, &orders.name, id)).await.unwrap();
            let over = [InstanceStatus::Terminated, InstanceStatus::Errored];
            over.contains(&logs.status).then_some(logs.status)
        });
        over.await;
    }
    let gone = workflows::delete_instances(account, &orders.name, &made);
    let gone = client.send(gone).await.unwrap();
    assert_eq!((gone.deleted.len(), gone.errors.len()), (3, 0));
    orders.remove().await;
}
