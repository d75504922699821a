use crate::world::{Ears, Fault, World, context, header, id, memory, no_data, steps};
use clodo_saga::{
    Addition, Earlier, Ending, Event, GraphError, Holder, JournalStore, LeaseGuard, LeaseOptions,
    MemoryStore, Progress, RunError, RunQuery, SqliteStore, StepId, resume, run,
};
use clodo_types::{Clock, ManualClock};
use serde_json::json;
use std::{collections::BTreeSet, num::NonZeroUsize, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// Two chains that meet: b and c may overlap.
const SHAPE: &[(&str, &[&str])] =
    &[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"]), ("e", &[])];
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

fn position(log: &[String], what: &str) -> usize {
    log.iter().position(|line| line == what).unwrap_or_else(|| panic!("no `{what}` in {log:?}"))
}

#[tokio::test]
async fn steps_run_in_order_of_their_needs() {
    let world = Arc::<World>::default();
    let (store, cx) = memory();
    let closing = |report: &clodo_saga::RunReport| json!(report.outputs.len());
    let report =
        run(steps(&world, SHAPE), header(1), Earlier::default(), &cx, closing).await.unwrap();
    assert_eq!(report.ending, Ending::Completed);
    assert_eq!(world.things(), NAMES);
    let log = world.log();
    assert!(position(&log, "act a") < position(&log, "act b"));
    assert!(position(&log, "act b") < position(&log, "act d"));
    assert!(position(&log, "act c") < position(&log, "act d"));
    let record = store.find(&id(1)).await.unwrap().unwrap();
    assert_eq!(record.closing.unwrap().data, json!(5));
}

#[tokio::test]
async fn failing_at_any_step_leaves_nothing_behind() {
    for concurrency in [1, 2, 8] {
        for fault in [Fault::Look, Fault::Act, Fault::Panic] {
            for broken in NAMES {
                let world = Arc::<World>::default();
                world.break_at(broken, fault);
                let (store, mut cx) = memory();
                cx.concurrency = NonZeroUsize::new(concurrency).unwrap();
                let report = run(steps(&world, SHAPE), header(1), Earlier::default(), &cx, no_data)
                    .await
                    .unwrap();
                assert_eq!(report.ending, Ending::Unwound, "{broken} {fault:?}");
                assert_eq!(report.failures[0].step, StepId::new(broken));
                assert!(world.is_empty(), "`{broken}` failed and left {:?}", world.things());
                let begun = fault != Fault::Look;
                assert_eq!(world.log().contains(&format!("undo {broken}")), begun, "{broken}");
                assert!(store.runs(&RunQuery::unfinished()).await.unwrap().is_empty());
            }
        }
    }
}

#[tokio::test]
async fn undoing_goes_against_the_needs() {
    let world = Arc::<World>::default();
    world.break_at("d", Fault::Act);
    let (_, cx) = memory();
    run(steps(&world, SHAPE), header(1), Earlier::default(), &cx, no_data).await.unwrap();
    let log = world.log();
    assert!(position(&log, "undo d") < position(&log, "undo b"));
    assert!(position(&log, "undo d") < position(&log, "undo c"));
    assert!(position(&log, "undo b") < position(&log, "undo a"));
    assert!(position(&log, "undo c") < position(&log, "undo a"));
}

#[tokio::test]
async fn cancelling_between_any_two_steps_takes_everything_back() {
    for at in NAMES {
        let cancel = CancellationToken::new();
        let at_step = Some((at, cancel.clone()));
        let world = Arc::new(World { cancel_in: at_step, ..World::default() });
        let (_, mut cx) = memory();
        cx.cancel = cancel;
        cx.concurrency = NonZeroUsize::new(1).unwrap();
        let report =
            run(steps(&world, SHAPE), header(1), Earlier::default(), &cx, no_data).await.unwrap();
        let last = *world.log().iter().rfind(|line| line.starts_with("act")).unwrap() == "act e";
        // With one step at a time, `e` is the last one to act: then nothing is left to cancel.
        assert_eq!(report.cancelled, !last, "{at}");
        assert_eq!(world.is_empty(), !last, "{at}");
    }
}

#[tokio::test]
async fn a_cancelled_run_begins_nothing() {
    let world = Arc::<World>::default();
    let (_, cx) = memory();
    cx.cancel.cancel();
    let report =
        run(steps(&world, SHAPE), header(1), Earlier::default(), &cx, no_data).await.unwrap();
    assert_eq!((report.ending, report.cancelled), (Ending::Unwound, true));
    assert!(world.log().is_empty());
}

#[tokio::test]
async fn data_stays_and_so_does_what_it_stands_on() {
    let world = Arc::new(World { data: BTreeSet::from(["b"]), ..World::default() });
    world.break_at("d", Fault::Act);
    let (store, cx) = memory();
    let report =
        run(steps(&world, SHAPE), header(1), Earlier::default(), &cx, no_data).await.unwrap();
    assert_eq!(report.ending, Ending::PartlyDone);
    assert_eq!(world.things(), ["a", "b"]);
    let kept: Vec<_> = report.kept.iter().map(|(id, why)| (id.as_str(), why.as_str())).collect();
    assert_eq!(kept, [("b", "it holds data"), ("a", "`b`, which stays, needs it")]);
    let progress = Progress::of(&store.entries(&id(1)).await.unwrap());
    assert_eq!(progress.kept.len(), 2);
    assert!(progress.before.is_empty());
}

#[tokio::test]
async fn a_step_that_cannot_be_undone_is_named_and_the_others_are_undone() {
    let world = Arc::<World>::default();
    world.break_at("b", Fault::Undo);
    world.break_at("d", Fault::Act);
    let (_, cx) = memory();
    let report =
        run(steps(&world, SHAPE), header(1), Earlier::default(), &cx, no_data).await.unwrap();
    assert_eq!(report.ending, Ending::PartlyDone);
    assert_eq!(report.stuck, [(StepId::new("b"), "cannot undo".to_owned())]);
    assert_eq!(world.things(), ["a", "b"]);
}

async fn die(world: &Arc<World>, cx: &clodo_saga::RunContext, number: u32) {
    let dying = run(steps(world, SHAPE), header(number), Earlier::default(), cx, no_data);
    let dead = tokio::time::timeout(Duration::from_secs(60), dying).await;
    assert!(dead.is_err(), "the run should hang at its fault");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_died_anywhere_is_resumed_and_acts_once() {
    for fault in [Fault::DieBefore, Fault::DieAfter] {
        for at in NAMES {
            let world = Arc::<World>::default();
            world.break_at(at, fault);
            let (store, cx) = memory();
            die(&world, &cx, 1).await;
            assert_eq!(store.runs(&RunQuery::unfinished()).await.unwrap().len(), 1);
            world.mend();
            let report = resume(steps(&world, SHAPE), id(1), &cx, no_data).await.unwrap();
            assert_eq!(report.ending, Ending::Completed, "{fault:?} {at}");
            assert_eq!(world.things(), NAMES);
            let mut log = world.log();
            log.sort();
            assert_eq!(log, ["act a", "act b", "act c", "act d", "act e"], "{fault:?} {at}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_died_and_then_fails_is_taken_back_whole() {
    for at in ["a", "b", "c"] {
        let world = Arc::<World>::default();
        world.break_at(at, Fault::DieAfter);
        let (_, cx) = memory();
        die(&world, &cx, 1).await;
        world.mend();
        world.break_at("d", Fault::Act);
        let report = resume(steps(&world, SHAPE), id(1), &cx, no_data).await.unwrap();
        assert_eq!(report.ending, Ending::Unwound);
        assert!(world.is_empty(), "{at}: {:?}", world.things());
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_run_inherits_what_the_dead_one_has_to_go_back_to() {
    let world = Arc::<World>::default();
    world.break_at("b", Fault::DieAfter);
    let (store, cx) = memory();
    die(&world, &cx, 1).await;
    world.mend();
    world.break_at("d", Fault::Act);
    let earlier = Progress::of(&store.entries(&id(1)).await.unwrap()).before;
    let report =
        run(steps(&world, SHAPE), header(2), Earlier::new(earlier), &cx, no_data).await.unwrap();
    assert_eq!(report.ending, Ending::Unwound);
    assert!(world.is_empty(), "{:?}", world.things());
}

#[tokio::test(start_paused = true)]
async fn steps_whose_outputs_are_known_are_not_looked_at_again_and_are_undone_with_the_others() {
    for (next, ending) in [(None, Ending::Completed), (Some(Fault::Act), Ending::Unwound)] {
        let world = Arc::<World>::default();
        world.break_at("d", Fault::DieBefore);
        let (store, cx) = memory();
        die(&world, &cx, 1).await;
        world.mend();
        let progress = Progress::of(&store.entries(&id(1)).await.unwrap());
        let mut earlier = Earlier::new(progress.before);
        earlier.outputs = progress.outputs;
        // Looking would fail.
        world.break_at("b", Fault::Look);
        if let Some(fault) = next {
            world.break_at("d", fault);
        }
        let report = run(steps(&world, SHAPE), header(2), earlier, &cx, no_data).await.unwrap();
        assert_eq!(report.ending, ending);
        match next {
            None => {
                let told = Progress::of(&store.entries(&id(2)).await.unwrap());
                let complete = (told.before.len(), told.outputs.len());
                assert_eq!(complete, (5, 5), "its journal needs no other");
            }
            Some(_) => assert!(world.is_empty(), "{:?}", world.things()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_unwinding_that_died_goes_on() {
    let world = Arc::<World>::default();
    let (store, cx) = memory();
    world.break_at("d", Fault::Act);
    world.break_at("b", Fault::Undo);
    run(steps(&world, SHAPE), header(1), Earlier::default(), &cx, no_data).await.unwrap();
    // The same entries, as if the process had died before the run was closed.
    let (again, cx) = memory();
    again.open(&header(1), None).await.unwrap();
    let mut entries = store.entries(&id(1)).await.unwrap();
    entries.retain(|entry| !matches!(entry, clodo_saga::Entry::Kept { .. }));
    let added = Addition { at: cx.clock.now(), entries: &entries, fence: None };
    again.append(&id(1), &added).await.unwrap();
    world.mend();
    let report = resume(steps(&world, SHAPE), id(1), &cx, no_data).await.unwrap();
    assert_eq!(report.ending, Ending::Unwound);
    assert!(world.is_empty(), "{:?}", world.things());
}

#[tokio::test]
async fn a_closed_run_is_not_resumed() {
    let world = Arc::<World>::default();
    let (_, cx) = memory();
    run(steps(&world, SHAPE), header(1), Earlier::default(), &cx, no_data).await.unwrap();
    let error = resume(steps(&world, SHAPE), id(1), &cx, no_data).await.unwrap_err();
    assert!(matches!(error, RunError::NotResumable(_)));
}

#[tokio::test]
async fn steps_that_need_each_other_never_begin() {
    let world = Arc::<World>::default();
    let (store, cx) = memory();
    let cycle = steps(&world, &[("a", &["b"]), ("b", &["a"])]);
    let error = run(cycle, header(1), Earlier::default(), &cx, no_data).await.unwrap_err();
    assert!(matches!(error, RunError::Graph(GraphError::Cycle(_))));
    assert!(store.runs(&RunQuery::last(1)).await.unwrap().is_empty());
}

#[tokio::test]
async fn no_more_steps_overlap_than_allowed() {
    let world = Arc::<World>::default();
    let (_, mut cx) = memory();
    let ears = Arc::new(Ears::default());
    cx.listener = Arc::<Ears>::clone(&ears);
    cx.concurrency = NonZeroUsize::new(2).unwrap();
    let names: Vec<String> = (0..20).map(|n| format!("s{n:02}")).collect();
    let shape: Vec<(&str, &[&str])> = names.iter().map(|n| (n.as_str(), &[][..])).collect();
    run(steps(&world, &shape), header(1), Earlier::default(), &cx, no_data).await.unwrap();
    let (mut now, mut most) = (0, 0);
    for event in ears.0.lock().unwrap().iter() {
        match event {
            Event::StepStarted(_) => now += 1,
            Event::StepDone { .. } => now -= 1,
            _ => {}
        }
        most = most.max(now);
    }
    assert_eq!(most, 2);
}

#[tokio::test]
async fn a_run_without_its_lease_writes_nothing_more() {
    let world = Arc::<World>::default();
    let store = Arc::<MemoryStore>::default();
    let clock = Arc::<ManualClock>::default();
    let options = LeaseOptions::new("shop", Holder::new("h", 1, "0"));
    let dyn_clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
    let guard =
        LeaseGuard::acquire(Arc::<MemoryStore>::clone(&store), dyn_clock, options).await.unwrap();
    let mut cx = context(Arc::<MemoryStore>::clone(&store));
    cx.lease = Some(Arc::new(guard));
    clock.advance(Duration::from_secs(60));
    let error =
        run(steps(&world, SHAPE), header(1), Earlier::default(), &cx, no_data).await.unwrap_err();
    assert!(matches!(error, RunError::LeaseLost));
    assert!(world.log().is_empty());
    // The run stays open: whoever has the lease now finds it.
    assert_eq!(store.runs(&RunQuery::unfinished()).await.unwrap().len(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn a_journal_that_is_deleted_in_the_middle_fails_the_run_and_it_is_taken_back() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("state/state.sqlite");
    let store = Arc::new(SqliteStore::open(&file).await.unwrap());
    let cx = context(Arc::<SqliteStore>::clone(&store));
    let world = Arc::<World>::default();
    let mut all = steps(&world, &[("a", &[]), ("c", &["b"])]);
    let delete = Delete(StepId::new("b"), [StepId::new("a")], folder.path().join("state"));
    all.push(Arc::new(delete));
    let report = run(all, header(1), Earlier::default(), &cx, no_data).await.unwrap();
    assert_eq!(report.ending, Ending::Unwound);
    assert_eq!(report.failures[0].step, StepId::new("b"));
    assert!(report.journal_error.is_some());
    assert!(world.is_empty());
}

#[derive(Debug)]
struct Delete(StepId, [StepId; 1], std::path::PathBuf);

#[async_trait::async_trait]
impl clodo_saga::Step for Delete {
    fn id(&self) -> &StepId {
        &self.0
    }

    fn needs(&self) -> &[StepId] {
        &self.1
    }

    async fn look(
        &self,
        _: &clodo_saga::Outputs,
    ) -> Result<clodo_saga::Look, clodo_saga::StepError> {
        Ok(clodo_saga::Look { before: json!(null), already: None })
    }

    async fn act(
        &self,
        _: &clodo_saga::Outputs,
    ) -> Result<serde_json::Value, clodo_saga::StepError> {
        std::fs::remove_dir_all(&self.2)?;
        Ok(json!(null))
    }

    async fn undo(
        &self,
        _: &serde_json::Value,
        _: Option<&serde_json::Value>,
        _: &clodo_saga::Outputs,
    ) -> Result<clodo_saga::Undo, clodo_saga::StepError> {
        Ok(clodo_saga::Undo::Undone)
    }
}
