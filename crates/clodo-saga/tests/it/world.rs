use async_trait::async_trait;
use clodo_saga::{
    Event, Grant, Holder, JournalStore, LeaseRequest, LeaseStore, Listener, Look, MemoryStore,
    Outputs, RunContext, RunHeader, RunReport, Step, StepError, StepId, Undo,
};
use clodo_types::{DeploymentId, ManualClock, Timestamp};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// How a step misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Look,
    /// The change lands, and then the call fails.
    Act,
    Panic,
    Undo,
    /// The process dies before, or after, the change.
    DieBefore,
    DieAfter,
}

/// What the steps change, and how often they did.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) things: Mutex<BTreeSet<String>>,
    pub(crate) log: Mutex<Vec<String>>,
    pub(crate) faults: Mutex<BTreeMap<String, Fault>>,
    pub(crate) data: BTreeSet<&'static str>,
    pub(crate) cancel_in: Option<(&'static str, CancellationToken)>,
    /// Somebody whose clock is far ahead takes the lease when this is in the log.
    pub(crate) thief: Option<(String, Arc<MemoryStore>)>,
}

impl World {
    pub(crate) fn break_at(&self, step: &str, fault: Fault) {
        self.faults.lock().unwrap().insert(step.to_owned(), fault);
    }

    pub(crate) fn mend(&self) {
        self.faults.lock().unwrap().clear();
    }

    fn fault(&self, step: &str) -> Option<Fault> {
        self.faults.lock().unwrap().get(step).copied()
    }

    async fn say(&self, what: &str, step: &str) {
        let line = format!("{what} {step}");
        self.log.lock().unwrap().push(line.clone());
        if let Some((_, store)) = self.thief.as_ref().filter(|(at, _)| *at == line) {
            steal(store).await;
        }
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.things.lock().unwrap().is_empty()
    }

    pub(crate) fn things(&self) -> Vec<String> {
        self.things.lock().unwrap().iter().cloned().collect()
    }
}

/// Takes the lease `shop` for somebody whose clock is a day ahead.
pub(crate) async fn steal(store: &MemoryStore) {
    let request = LeaseRequest {
        name: "shop".into(),
        holder: Holder::new("elsewhere", 1, "0"),
        now: Timestamp::from_millis(86_400_000),
        ttl: Duration::from_secs(30),
    };
    assert!(matches!(store.acquire(&request).await.unwrap(), Grant::Granted(_)));
}

#[derive(Debug)]
pub(crate) struct Put {
    id: StepId,
    needs: Vec<StepId>,
    world: Arc<World>,
}

pub(crate) fn steps(world: &Arc<World>, shape: &[(&str, &[&str])]) -> Vec<Arc<dyn Step>> {
    let put = |(id, needs): &(&str, &[&str])| {
        let needs = needs.iter().map(|need| StepId::new(*need)).collect();
        Arc::new(Put { id: StepId::new(*id), needs, world: Arc::clone(world) }) as Arc<dyn Step>
    };
    shape.iter().map(put).collect()
}

#[async_trait]
impl Step for Put {
    fn id(&self) -> &StepId {
        &self.id
    }

    fn needs(&self) -> &[StepId] {
        &self.needs
    }

    async fn look(&self, outputs: &Outputs) -> Result<Look, StepError> {
        let name = self.id.as_str();
        if self.world.fault(name) == Some(Fault::Look) {
            return Err("cannot look".into());
        }
        for need in &self.needs {
            assert_eq!(outputs.get(need), Some(json!(need.as_str())), "{name} ran too early");
        }
        let there = self.world.things.lock().unwrap().contains(name);
        Ok(Look { before: json!({ "there": there }), already: there.then(|| json!(name)) })
    }

    async fn act(&self, _outputs: &Outputs) -> Result<Value, StepError> {
        let name = self.id.as_str();
        let fault = self.world.fault(name);
        if fault == Some(Fault::DieBefore) {
            std::future::pending::<()>().await;
        }
        // Lets neighbours begin, so that steps really overlap.
        tokio::task::yield_now().await;
        self.world.things.lock().unwrap().insert(name.to_owned());
        self.world.say("act", name).await;
        if let Some((_, cancel)) = self.world.cancel_in.as_ref().filter(|(at, _)| *at == name) {
            cancel.cancel();
        }
        match fault {
            Some(Fault::Act) => Err("injected".into()),
            Some(Fault::Panic) => panic!("injected"),
            Some(Fault::DieAfter) => std::future::pending().await,
            _ => Ok(json!(name)),
        }
    }

    async fn undo(
        &self,
        before: &Value,
        _output: Option<&Value>,
        _outputs: &Outputs,
    ) -> Result<Undo, StepError> {
        let name = self.id.as_str();
        self.world.say("undo", name).await;
        if self.world.fault(name) == Some(Fault::Undo) {
            return Err("cannot undo".into());
        }
        if self.world.data.contains(name) {
            return Ok(Undo::Kept("it holds data".into()));
        }
        if before["there"] == json!(false) {
            self.world.things.lock().unwrap().remove(name);
        }
        Ok(Undo::Undone)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Ears(pub(crate) Mutex<Vec<Event>>);

impl Listener for Ears {
    fn hear(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

pub(crate) fn id(number: u32) -> DeploymentId {
    format!("00000000-0000-7000-8000-{number:012}").parse().unwrap()
}

pub(crate) fn header(number: u32) -> RunHeader {
    let started_at = Timestamp::from_millis(0);
    RunHeader { id: id(number), scope: "shop".into(), started_at, data: Value::Null }
}

pub(crate) fn context(journal: Arc<dyn JournalStore>) -> RunContext {
    RunContext::new(journal, Arc::new(ManualClock::default()))
}

pub(crate) fn memory() -> (Arc<MemoryStore>, RunContext) {
    let store = Arc::new(MemoryStore::default());
    let cx = context(Arc::<MemoryStore>::clone(&store));
    (store, cx)
}

pub(crate) fn no_data(_report: &RunReport) -> Value {
    Value::Null
}
