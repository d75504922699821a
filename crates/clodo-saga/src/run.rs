use crate::{
    brake::Brake,
    core::Core,
    error::{JournalError, JournalErrorKind},
    event::{Event, Listener},
    graph::{Graph, GraphError, Schedule},
    guard::LeaseGuard,
    journal::{Closing, Ending, Entry, JournalStore, Progress, RunHeader},
    march::{Forward, go_forward},
    report::{Failure, FailureCause, RunReport},
    step::{Outputs, Step, StepId},
    unwind::{Unwinding, unwind},
};
use clodo_types::{Clock, DeploymentId};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// What a run needs from outside.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunContext {
    /// Where the run is written down.
    pub journal: Arc<dyn JournalStore>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Who hears what happens.
    pub listener: Arc<dyn Listener>,
    /// Asks for an end: no further step begins, and what was done is taken back.
    pub cancel: CancellationToken,
    /// Holds the run up for as long as it is on.
    pub brake: Brake,
    /// The lease under which the run writes; once it is lost, nothing is written any more. The
    /// journal's store must be the one that granted it.
    pub lease: Option<Arc<LeaseGuard>>,
    /// How much longer the lease must last when a step begins: as long as its longest request.
    /// 5 s unless set.
    pub margin: Duration,
    /// How many steps run side by side. 8 unless set.
    pub concurrency: NonZeroUsize,
}

impl RunContext {
    /// Without listener, cancellation, brake and lease.
    #[must_use]
    pub fn new(journal: Arc<dyn JournalStore>, clock: Arc<dyn Clock>) -> Self {
        Self {
            journal,
            clock,
            listener: Arc::new(crate::event::Deaf),
            cancel: CancellationToken::new(),
            brake: Brake::default(),
            lease: None,
            margin: Duration::from_secs(5),
            concurrency: NonZeroUsize::new(8).expect("8 is not 0"),
        }
    }
}

/// The run could not begin, or had to be left as it is. A run whose steps failed is no error: its
/// [`RunReport`] says so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The steps do not fit together.
    #[error("the steps do not fit together")]
    Graph(#[from] GraphError),
    /// The journal could not be opened or read; nothing was done.
    #[error("the journal is not usable")]
    Journal(#[source] JournalError),
    /// The run to resume is unknown or closed.
    #[error("there is no unfinished run {0}")]
    NotResumable(DeploymentId),
    /// A step wants the run to end here; it stays unfinished, for somebody to resume.
    #[error("the run was left as it is")]
    Suspended,
    /// Another process took the lease. Nothing was undone: the run is that process's to finish.
    #[error("the lease was lost while steps were running")]
    LeaseLost,
}

impl From<JournalError> for RunError {
    fn from(error: JournalError) -> Self {
        match error.kind() {
            JournalErrorKind::Fenced => Self::LeaseLost,
            _ => Self::Journal(error),
        }
    }
}

/// What interrupted runs leave to the run that goes on with them.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Earlier {
    /// What steps had seen before they acted.
    pub before: BTreeMap<StepId, Value>,
    /// The outputs of steps that need not even be looked at again. One that is not in `before` has
    /// nothing to go back to, and is ignored.
    pub outputs: BTreeMap<StepId, Value>,
}

impl Earlier {
    /// Steps that were begun, all of which are looked at again.
    #[must_use]
    pub fn new(before: BTreeMap<StepId, Value>) -> Self {
        Self { before, ..Self::default() }
    }
}

/// Runs `steps`, side by side where their needs allow it, and takes all back when one fails.
///
/// What `earlier` holds of interrupted runs becomes part of this run, which undoes those steps too if
/// it fails; steps of other names are ignored. `closing` makes what is kept with the closed run.
///
/// Dropping the future is like killing the process: the journal says how far the run came.
///
/// # Errors
/// When the run could not begin, or lost its lease.
pub async fn run(
    steps: Vec<Arc<dyn Step>>,
    header: RunHeader,
    earlier: Earlier,
    cx: &RunContext,
    closing: impl FnOnce(&RunReport) -> Value + Send,
) -> Result<RunReport, RunError> {
    let graph = graph_of(&steps)?;
    let fence = cx.lease.as_ref().map(|lease| lease.fence());
    cx.journal.open(&header, fence.as_ref()).await?;
    cx.listener.hear(&Event::RunOpened(header.id.clone()));
    let core = core(cx, header.id, BTreeMap::new());
    adopt(&core, &steps, earlier).await?;
    let all = Schedule::new(&graph);
    execute(core, steps, graph, all, None, cx, closing).await
}

/// Goes on with a run whose process died: steps that are done stay done, a step in the middle is
/// done again, and an unwinding goes on.
///
/// # Errors
/// When the run is not unfinished, or one of the errors of [`run`].
pub async fn resume(
    steps: Vec<Arc<dyn Step>>,
    id: DeploymentId,
    cx: &RunContext,
    closing: impl FnOnce(&RunReport) -> Value + Send,
) -> Result<RunReport, RunError> {
    let graph = graph_of(&steps)?;
    let found = cx.journal.find(&id).await?;
    if found.is_none_or(|run| run.closing.is_some()) {
        return Err(RunError::NotResumable(id));
    }
    let progress = Progress::of(&cx.journal.entries(&id).await?);
    let core = core(cx, id, progress.before);
    let mut rest = Schedule::new(&graph);
    for (at, step) in steps.iter().enumerate() {
        if let Some(output) = progress.outputs.get(step.id()) {
            core.outputs.put(step.id().clone(), output.clone());
            rest.finish(at);
        }
    }
    let failed =
        progress.failed.map(|(step, why)| Failure { step, cause: FailureCause::Recorded(why) });
    execute(core, steps, graph, rest, failed, cx, closing).await
}

fn graph_of(steps: &[Arc<dyn Step>]) -> Result<Graph, GraphError> {
    let edges: Vec<_> = steps.iter().map(|step| (step.id(), step.needs())).collect();
    Graph::new(&edges)
}

fn core(cx: &RunContext, run: DeploymentId, begun: BTreeMap<StepId, Value>) -> Arc<Core> {
    Arc::new(Core {
        run,
        journal: Arc::clone(&cx.journal),
        clock: Arc::clone(&cx.clock),
        listener: Arc::clone(&cx.listener),
        fence: cx.lease.as_ref().map(|lease| lease.fence()),
        lease: cx.lease.clone(),
        margin: cx.margin,
        outputs: Outputs::default(),
        begun: Mutex::new(begun),
    })
}

/// Makes what interrupted runs left a part of this one, whose journal is complete by itself then.
async fn adopt(core: &Core, steps: &[Arc<dyn Step>], mut earlier: Earlier) -> Result<(), RunError> {
    let mut entries = Vec::new();
    for id in steps.iter().map(|step| step.id()) {
        let Some(before) = earlier.before.remove(id) else { continue };
        core.begin(id, before.clone());
        entries.push(Entry::Started { step: id.clone(), before });
        if let Some(output) = earlier.outputs.remove(id) {
            core.outputs.put(id.clone(), output.clone());
            entries.push(Entry::Done { step: id.clone(), output });
        }
    }
    if !entries.is_empty() {
        core.write_all(&entries).await?;
    }
    Ok(())
}

async fn execute(
    core: Arc<Core>,
    steps: Vec<Arc<dyn Step>>,
    graph: Graph,
    schedule: Schedule,
    failed: Option<Failure>,
    cx: &RunContext,
    closing: impl FnOnce(&RunReport) -> Value + Send,
) -> Result<RunReport, RunError> {
    let forward = match failed {
        Some(failure) => Forward { failures: vec![failure], ..Forward::default() },
        None => go_forward(&core, &steps, schedule, cx).await,
    };
    if forward.lease_lost {
        return Err(RunError::LeaseLost);
    }
    if forward.suspended && forward.failures.is_empty() {
        return Err(RunError::Suspended);
    }
    let mut unwinding = Unwinding::default();
    if forward.cancelled || !forward.failures.is_empty() {
        unwinding = unwind(&core, &steps, &graph, cx.concurrency).await;
    }
    if unwinding.lease_lost {
        return Err(RunError::LeaseLost);
    }
    let mut report = RunReport::new(&core, forward.cancelled, forward.failures, unwinding);
    let data = closing(&report);
    let end = Closing { at: cx.clock.now(), ending: report.ending, data };
    report.journal_error = match core.journal.close(&core.run, &end, core.fence.as_ref()).await {
        Err(error) if error.kind() == JournalErrorKind::Fenced => return Err(RunError::LeaseLost),
        closed => closed.err(),
    };
    core.tell(Event::RunClosed(report.ending));
    Ok(report)
}

impl RunReport {
    fn new(core: &Core, cancelled: bool, failures: Vec<Failure>, unwinding: Unwinding) -> Self {
        let Unwinding { kept, stuck, .. } = unwinding;
        let ending = if failures.is_empty() && !cancelled {
            Ending::Completed
        } else if kept.is_empty() && stuck.is_empty() {
            Ending::Unwound
        } else {
            Ending::PartlyDone
        };
        let (run, outputs) = (core.run.clone(), core.outputs.to_map());
        Self { run, ending, cancelled, failures, kept, stuck, outputs, journal_error: None }
    }
}
