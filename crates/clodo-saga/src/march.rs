use crate::{
    core::{Core, Stop, chain, is_fenced},
    event::Event,
    graph::Schedule,
    journal::Entry,
    report::{Failure, FailureCause},
    run::RunContext,
    step::{Step, Suspended},
};
use std::{collections::HashMap, sync::Arc};
use tokio::task::{Id, JoinError, JoinSet};

/// How far a run came on its way forward.
#[derive(Debug, Default)]
pub(crate) struct Forward {
    pub(crate) failures: Vec<Failure>,
    pub(crate) cancelled: bool,
    pub(crate) lease_lost: bool,
    pub(crate) suspended: bool,
}

/// A run on its way forward.
struct March<'a> {
    core: &'a Arc<Core>,
    steps: &'a [Arc<dyn Step>],
    schedule: Schedule,
    cx: &'a RunContext,
    running: JoinSet<Result<(), Stop>>,
    nodes: HashMap<Id, usize>,
    /// The brake as it was when the run last looked.
    held: bool,
    forward: Forward,
}

/// Carries out the steps of a schedule until all are done, one fails, or somebody asks for an end.
pub(crate) async fn go_forward(
    core: &Arc<Core>,
    steps: &[Arc<dyn Step>],
    schedule: Schedule,
    cx: &RunContext,
) -> Forward {
    let mut march = March {
        core,
        steps,
        schedule,
        cx,
        running: JoinSet::new(),
        nodes: HashMap::new(),
        held: false,
        forward: Forward::default(),
    };
    loop {
        march.look_at_the_brake();
        march.begin();
        if march.running.is_empty() && !march.is_held_up() {
            break;
        }
        tokio::select! {
            biased;
            Some(ended) = march.running.join_next_with_id() => march.ended(ended).await,
            () = cx.brake.turned_from(march.held) => {}
            // With steps under way their end is waited for; nothing more begins either way.
            () = cx.cancel.cancelled(), if march.running.is_empty() => {}
        }
    }
    if march.goes_on() && march.schedule.has_next() {
        march.forward.cancelled = true;
        core.tell(Event::Cancelled);
    }
    march.forward
}

impl March<'_> {
    fn goes_on(&self) -> bool {
        let Forward { failures, lease_lost, suspended, .. } = &self.forward;
        failures.is_empty() && !lease_lost && !suspended
    }

    /// Whether steps are left and only the brake keeps them from beginning.
    fn is_held_up(&self) -> bool {
        let cancelled = self.cx.cancel.is_cancelled();
        self.held && self.goes_on() && !cancelled && self.schedule.has_next()
    }

    fn look_at_the_brake(&mut self) {
        let is_on = self.cx.brake.is_on();
        if is_on != self.held {
            self.held = is_on;
            self.core.tell(if is_on { Event::Paused } else { Event::Resumed });
        }
    }

    fn begin(&mut self) {
        let may = self.goes_on() && !self.held;
        while may
            && self.running.len() < self.cx.concurrency.get()
            && !self.cx.cancel.is_cancelled()
        {
            let Some(node) = self.schedule.next() else { break };
            let step = Arc::clone(&self.steps[node]);
            let task = self.running.spawn(Arc::clone(self.core).perform(step));
            self.nodes.insert(task.id(), node);
        }
    }

    async fn ended(&mut self, ended: Result<(Id, Result<(), Stop>), JoinError>) {
        let (task, outcome) = match ended {
            Ok((task, outcome)) => (task, outcome),
            Err(panic) => (panic.id(), Err(Stop::Failed("the step panicked".into()))),
        };
        let node = self.nodes.remove(&task).expect("each task was noted when it began");
        let cause: FailureCause = match outcome {
            Ok(()) => return self.schedule.finish(node),
            Err(Stop::LeaseLost) => {
                self.forward.lease_lost = true;
                return;
            }
            Err(Stop::Failed(error)) if error.is::<Suspended>() => {
                self.forward.suspended = true;
                return;
            }
            Err(Stop::Failed(error)) => error.into(),
            Err(Stop::Journal(error)) => error.into(),
        };
        let step = self.steps[node].id().clone();
        let error = text_of(&cause);
        let entry = Entry::Failed { step: step.clone(), error: error.clone() };
        // If the journal fails too, the report still says what happened.
        let written = self.core.write(entry).await;
        self.forward.lease_lost |= is_fenced(&written);
        self.core.tell(Event::StepFailed { step: step.clone(), error });
        self.forward.failures.push(Failure { step, cause });
    }
}

fn text_of(cause: &FailureCause) -> String {
    match cause {
        FailureCause::Step(error) => chain(&**error),
        FailureCause::Journal(error) => chain(error),
        FailureCause::Recorded(text) => text.clone(),
    }
}
