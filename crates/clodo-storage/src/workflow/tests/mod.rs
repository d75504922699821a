use super::*;
use crate::workflow::{config::StepConfig, talk::Asking};
use clodo_types::{ManualClock, Timestamp};
use serde_json::json;

mod bounds;
mod steps;

const START: i64 = 1_800_000_000_000;

/// A Workflow in a folder, and a clock that stands still.
struct World {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    workflows: Workflows,
    at: WorkflowRef,
}

/// One run, as the code in workerd would have it.
struct Code<'a> {
    world: &'a World,
    run: InstanceRun,
    revoked: CancellationToken,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::starting_at(Timestamp::from_millis(START)));
        let at = WorkflowRef {
            account: "0123456789abcdef0123456789abcdef".parse().unwrap(),
            id: "018f3c5e-0000-7000-8000-000000000001".parse().unwrap(),
        };
        let workflows =
            Workflows::new(folder.path(), Arc::clone(&clock) as _, PoolOptions::default());
        let mut world = Self { folder, clock, workflows, at };
        world.workflows.create(&world.at).await.unwrap();
        world.configure(WorkflowSettings::new("v1"));
        world.killed();
        world
    }

    fn configure(&self, settings: WorkflowSettings) {
        self.workflows.configure(&self.at, &"orders".parse().unwrap(), settings);
    }

    /// The same folder, opened by a new process as it were: the old one says no good-bye.
    fn killed(&mut self) {
        let clock = Arc::clone(&self.clock) as _;
        self.workflows = Workflows::new(self.folder.path(), clock, PoolOptions::default());
        self.configure(WorkflowSettings::new("v1"));
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    async fn start(&self, id: &str) {
        let new = NewInstance::new(id.parse().unwrap(), json!({ "a": 1 }), InstanceTrigger::Api);
        self.workflows.start(&self.at, vec![new]).await.unwrap().remove(0).unwrap();
    }

    async fn due(&self) -> Vec<String> {
        self.workflows.due(&self.at).await.unwrap().ids
    }

    async fn begin(&self, id: &str) -> Code<'_> {
        let (run, revoked) = self.workflows.begin(&self.at, id).await.unwrap().unwrap();
        Code { world: self, run, revoked }
    }

    /// Runs whatever is due, which must be this one.
    async fn next(&self, id: &str) -> Code<'_> {
        assert_eq!(self.due().await, [id]);
        self.begin(id).await
    }

    async fn status(&self, id: &str) -> InstanceStatus {
        self.workflows.instance(&self.at, id).await.unwrap().status
    }

    async fn order(
        &self,
        id: &str,
        order: InstanceOrder,
    ) -> Result<InstanceStatus, WorkflowErrorKind> {
        self.workflows.order(&self.at, id, order).await.map_err(|error| error.kind())
    }

    async fn send(&self, id: &str, kind: &str) -> Result<(), WorkflowErrorKind> {
        let sent = self.workflows.send_event(&self.at, id, (kind, json!({ "of": kind }))).await;
        sent.map_err(|error| error.kind())
    }

    async fn steps(&self, id: &str) -> Vec<StepRecord> {
        self.workflows.history(&self.at, id).await.unwrap().1
    }
}

impl Code<'_> {
    fn asking(&self) -> Asking {
        Asking {
            at: self.world.at.clone(),
            instance: self.run.id.clone(),
            run: self.run.token.clone(),
        }
    }

    async fn reach(&self, call: Value) -> Told<StepAnswer> {
        let call = serde_json::from_value(call).unwrap();
        self.world.workflows.reach(&self.asking(), call).await.unwrap()
    }

    async fn step(&self, name: &str) -> Told<StepAnswer> {
        let retries = json!({ "limit": 1, "delay": "5 seconds", "backoff": "constant" });
        let config = json!({ "retries": retries });
        self.reach(json!({ "kind": "do", "name": name, "count": 1, "config": config })).await
    }

    async fn sleep(&self, name: &str, duration: &str) -> Told<StepAnswer> {
        self.reach(json!({ "kind": "sleep", "name": name, "count": 1, "duration": duration })).await
    }

    async fn event(&self, name: &str, kind: &str) -> Told<StepAnswer> {
        let call = json!({
            "kind": "waitForEvent", "name": name, "count": 1, "event": kind, "duration": "1 hour",
        });
        self.reach(call).await
    }

    async fn ended(&self, name: &str, number: u32, rest: Value) -> Told<StepAnswer> {
        let mut end = json!({ "kind": "do", "name": name, "count": 1, "number": number });
        end.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        let end = serde_json::from_value(end).unwrap();
        self.world.workflows.attempted(&self.asking(), end).await.unwrap()
    }

    async fn done(&self, name: &str, number: u32) -> Told<StepAnswer> {
        self.ended(name, number, json!({ "output": name })).await
    }

    async fn failed(&self, name: &str, number: u32) -> Told<StepAnswer> {
        self.ended(name, number, json!({ "error": { "name": "Error", "message": "no" } })).await
    }

    async fn end(self, end: RunEnd) {
        self.world.workflows.end(&self.world.at, &self.run, end).await.unwrap();
    }
}

fn attempt(number: u32) -> Told<StepAnswer> {
    let retries = json!({ "limit": 1, "delay": "5 seconds", "backoff": "constant" });
    let config = StepConfig::of(&json!({ "retries": retries })).unwrap().shown;
    Told::Answer(StepAnswer::Attempt { number, timeout: 600_000, config })
}

fn complete(output: Value) -> Told<StepAnswer> {
    Told::Answer(StepAnswer::Complete { output })
}

fn errored(name: &str, message: &str) -> Told<StepAnswer> {
    Told::Answer(StepAnswer::Errored { error: Failure::new(name, message) })
}

const WAITING: Told<StepAnswer> = Told::Answer(StepAnswer::Waiting);
