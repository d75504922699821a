use crate::{
    core::{Core, Stop, chain, is_fenced},
    event::Event,
    graph::{Graph, Schedule},
    journal::Entry,
    step::{Step, StepId, Undo},
};
use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroUsize,
    sync::Arc,
};
use tokio::task::JoinSet;

/// What is left after an unwinding.
#[derive(Debug, Default)]
pub(crate) struct Unwinding {
    pub(crate) kept: Vec<(StepId, String)>,
    pub(crate) stuck: Vec<(StepId, String)>,
    pub(crate) lease_lost: bool,
}

/// Takes back all that was begun, a step only after every step that needed it. What a step that
/// stays needs has to stay as well: a Worker must not lose the database that it is bound to.
pub(crate) async fn unwind(
    core: &Arc<Core>,
    steps: &[Arc<dyn Step>],
    graph: &Graph,
    concurrency: NonZeroUsize,
) -> Unwinding {
    core.tell(Event::UnwindingBegan);
    let mut left = Unwinding::default();
    let mut held: BTreeMap<usize, String> = BTreeMap::new();
    let mut schedule = Schedule::new(&graph.reversed());
    let mut running = JoinSet::new();
    let mut nodes = HashMap::new();
    loop {
        while running.len() < concurrency.get() && !left.lease_lost {
            let Some(node) = schedule.next() else { break };
            let step = &steps[node];
            if core.before(step.id()).is_none() {
                schedule.finish(node);
            } else if let Some(reason) = held.get(&node).cloned() {
                hold(&mut held, graph, node, step.id());
                keep(core, &mut left, step.id(), reason).await;
                schedule.finish(node);
            } else {
                let task = running.spawn(Arc::clone(core).take_back(Arc::clone(step)));
                nodes.insert(task.id(), node);
            }
        }
        let Some(ended) = running.join_next_with_id().await else { break };
        let (task, outcome) = match ended {
            Ok((task, outcome)) => (task, outcome),
            Err(panic) => (panic.id(), Err(Stop::Failed("its undo panicked".into()))),
        };
        let node = nodes.remove(&task).expect("each task was noted when it began");
        let id = steps[node].id();
        match outcome {
            Ok(Undo::Undone) => {
                note(core, &mut left, Entry::Undone { step: id.clone() }).await;
                core.tell(Event::StepUndone(id.clone()));
            }
            Ok(Undo::Kept(reason)) => {
                hold(&mut held, graph, node, id);
                keep(core, &mut left, id, reason).await;
            }
            Err(Stop::LeaseLost) => left.lease_lost = true,
            Err(Stop::Failed(error)) => {
                hold(&mut held, graph, node, id);
                stick(core, &mut left, id, chain(&*error)).await;
            }
            Err(Stop::Journal(error)) => stick(core, &mut left, id, chain(&error)).await,
        }
        schedule.finish(node);
    }
    left
}

fn hold(held: &mut BTreeMap<usize, String>, graph: &Graph, node: usize, id: &StepId) {
    for need in graph.needs(node) {
        held.entry(*need).or_insert_with(|| format!("`{id}`, which stays, needs it"));
    }
}

/// Writes down what an undo came to. A journal that fails stops no unwinding; another process that
/// goes on with the run does.
async fn note(core: &Core, left: &mut Unwinding, entry: Entry) {
    let written = core.write(entry).await;
    left.lease_lost |= is_fenced(&written);
}

async fn keep(core: &Core, left: &mut Unwinding, step: &StepId, reason: String) {
    note(core, left, Entry::Kept { step: step.clone(), reason: reason.clone() }).await;
    core.tell(Event::StepKept { step: step.clone(), reason: reason.clone() });
    left.kept.push((step.clone(), reason));
}

async fn stick(core: &Core, left: &mut Unwinding, step: &StepId, error: String) {
    note(core, left, Entry::Stuck { step: step.clone(), error: error.clone() }).await;
    core.tell(Event::StepStuck { step: step.clone(), error: error.clone() });
    left.stuck.push((step.clone(), error));
}
