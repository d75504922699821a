use crate::world::{World, bundle, deployment, desired, name, storefront, target_id, worker};
use clodo_orchestrator::{
    DesiredTarget, Fault, Meddling, Outcome, RollbackOptions, deploy, rollback,
};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// The storefront after a change to everything that can change.
fn changed() -> Vec<DesiredTarget> {
    let mut targets = storefront();
    for target in &mut targets {
        target.bundle = bundle(&format!("{}, changed", target.worker));
    }
    targets[0].workers_dev.enabled = false;
    targets[0].worker_settings.insert("logpush".into(), false.into());
    targets[0].domains.insert(crate::world::host("shop"));
    targets[1].crons = Some(vec!["0 0 * * *".into()]);
    targets[2].routes.push(clodo_orchestrator::Route {
        pattern: "acme.test/*".into(),
        zone_name: None,
        zone_id: None,
    });
    targets
}

/// Cold, and from one deployment to the next.
type Journey = (&'static str, Option<Vec<DesiredTarget>>, Vec<DesiredTarget>);

fn journeys() -> Vec<Journey> {
    vec![("cold", None, storefront()), ("changed", Some(storefront()), changed())]
}

async fn start(first: Option<&Vec<DesiredTarget>>) -> World {
    let world = World::new();
    if let Some(first) = first {
        world.deploy(&desired(first.clone())).await.unwrap();
        world.platform.forget_writes();
    }
    world
}

/// Where an undisturbed run ends, and the steps that it takes.
async fn undisturbed(
    first: Option<&Vec<DesiredTarget>>,
    then: &[DesiredTarget],
) -> (Value, Vec<String>) {
    let world = start(first).await;
    let report = world.deploy(&desired(then.to_vec())).await.unwrap();
    let steps = report.plan.steps().iter().map(|step| step.id.to_string()).collect();
    (world.platform.picture(), steps)
}

fn picture_without_data(world: &World) -> Value {
    let mut picture = world.platform.picture();
    for account in picture.as_object_mut().unwrap().values_mut() {
        account.as_object_mut().unwrap().remove("databases");
    }
    picture
}

#[tokio::test]
async fn failing_at_any_step_leaves_the_old_state_and_the_next_run_succeeds() {
    for (journey, first, then) in journeys() {
        let (goal, steps) = undisturbed(first.as_ref(), &then).await;
        for step in &steps {
            for fault in [Fault::Refuse, Fault::LandAndFail] {
                let world = start(first.as_ref()).await;
                let before = picture_without_data(&world);
                world.platform.fail_at(step, fault);
                let report = world.deploy(&desired(then.clone())).await.unwrap();
                assert_ne!(report.outcome, Outcome::Done, "{journey}: {step} {fault:?}");
                assert_eq!(report.failure.unwrap().step.as_str(), step, "{journey} {fault:?}");
                assert!(report.stuck.is_empty());
                let kept = report.kept.iter().map(|left| left.step.as_str());
                for step in kept {
                    let data = step.starts_with("migrate") || step.starts_with("create-database");
                    assert!(data, "{journey}: {step} was kept");
                }
                assert_eq!(picture_without_data(&world), before, "{journey}: {step} {fault:?}");
                world.platform.mend();
                let report = world.deploy(&desired(then.clone())).await.unwrap();
                assert_eq!(report.outcome, Outcome::Done, "{journey}: after {step} {fault:?}");
                assert_eq!(world.platform.picture(), goal, "{journey}: after {step} {fault:?}");
            }
        }
    }
}

/// Runs until the fault holds it, and then drops it, as `kill -9` would.
async fn kill(world: &World, then: &[DesiredTarget]) {
    let wanted = desired(then.to_vec());
    let options = world.options();
    let running = deploy(&world.cx, &wanted, &options);
    let killed = tokio::time::timeout(Duration::from_secs(20), running).await;
    assert!(killed.is_err(), "it should hang at its fault");
    world.platform.mend();
}

/// No write may have landed twice. A mark may be set again: it is the same mark.
fn assert_nothing_twice(world: &World, what: &str) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for write in world.platform.writes() {
        *counts.entry(write).or_default() += 1;
    }
    for (write, count) in counts {
        assert_eq!(count, 1, "{what}: `{write}` landed {count} times");
    }
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_step_the_next_run_ends_in_the_same_state_and_nothing_lands_twice() {
    for (journey, first, then) in journeys() {
        let (goal, steps) = undisturbed(first.as_ref(), &then).await;
        for step in &steps {
            for fault in [Fault::HangBefore, Fault::HangAfter] {
                for elsewhere in [false, true] {
                    let what = format!("{journey}: {step} {fault:?}, elsewhere: {elsewhere}");
                    let mut world = start(first.as_ref()).await;
                    world.platform.fail_at(step, fault);
                    kill(&world, &then).await;
                    if elsewhere {
                        world = World::on(Arc::clone(&world.platform));
                    }
                    let report = world.deploy(&desired(then.clone())).await.unwrap();
                    assert!(
                        matches!(report.outcome, Outcome::Done | Outcome::NothingToDo),
                        "{what}: {:?}",
                        report.failure
                    );
                    assert_eq!(world.platform.picture(), goal, "{what}");
                    assert_nothing_twice(&world, &what);
                    assert_eq!(report.superseded.len(), usize::from(!elsewhere), "{what}");
                    let again = world.deploy(&desired(then.clone())).await.unwrap();
                    assert_eq!(again.outcome, Outcome::NothingToDo, "{what}");
                }
            }
        }
    }
}

/// Where a run died when it had done `step`, and what was there before that run.
async fn killed_behind(
    step: &str,
    first: &Vec<DesiredTarget>,
    then: &[DesiredTarget],
) -> (World, Value) {
    let world = start(Some(first)).await;
    let before = picture_without_data(&world);
    world.platform.fail_at(step, Fault::HangAfter);
    kill(&world, then).await;
    (world, before)
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_step_and_then_failing_goes_back_to_where_the_first_run_began() {
    let (first, then) = (storefront(), changed());
    let (_, steps) = undisturbed(Some(&first), &then).await;
    for step in &steps {
        let (world, before) = killed_behind(step, &first, &then).await;
        let finished = finished(&world, step);
        world.verifier.make_sick(&target_id("web"));
        let report = world.deploy(&desired(then.clone())).await.unwrap();
        if finished[0] {
            // The killed run had finished `web`: there is nothing left that could fail.
            assert_ne!(report.outcome, Outcome::Failed, "{step}");
            continue;
        }
        assert_eq!(report.outcome, Outcome::Failed, "{step}");
        assert_eq!(picture_without_data(&world), before, "{step}");
    }
}

/// Whether a process that died when it had done `step` has finished `web`, `orders` and `catalog`.
/// That step is in the platform and not in the journal.
fn finished(world: &World, step: &str) -> [bool; 3] {
    let writes = world.platform.writes();
    ["main/web", "main/orders", "main/catalog"].map(|service| {
        let commit = format!("commit {service}");
        writes.contains(&commit) && *step != commit
    })
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_run_finished_stays_when_another_that_wants_something_else_fails() {
    let (first, then) = (storefront(), changed());
    let (_, steps) = undisturbed(Some(&first), &then).await;
    let mut other = then.clone();
    other[0].bundle = bundle("web, otherwise");
    for step in &steps {
        let (world, before) = killed_behind(step, &first, &then).await;
        let finished = finished(&world, step);
        world.verifier.make_sick(&target_id("web"));
        let report = world.deploy(&desired(other.clone())).await.unwrap();
        assert_eq!(report.outcome, Outcome::Failed, "{step}");
        let now = picture_without_data(&world);
        for (service, finished) in ["web", "orders", "catalog"].into_iter().zip(finished) {
            let path = format!("/main/workers/{service}");
            let is_back = now.pointer(&path) == before.pointer(&path);
            assert_eq!(is_back, !finished, "{step}: {service}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_was_gone_on_with_is_rolled_back_as_a_whole() {
    let (first, then) = (storefront(), changed());
    let (_, steps) = undisturbed(Some(&first), &then).await;
    for step in &steps {
        let (world, before) = killed_behind(step, &first, &then).await;
        let report = world.deploy(&desired(then.clone())).await.unwrap();
        assert_eq!(report.outcome, Outcome::Done, "{step}");
        let options = RollbackOptions::new(deployment(99));
        rollback(&world.cx, &name("shop"), &options).await.unwrap();
        assert_eq!(picture_without_data(&world), before, "{step}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_run_finished_is_not_looked_at_again_unless_somebody_changed_it() {
    let (first, then) = (storefront(), changed());
    let (goal, _) = undisturbed(Some(&first), &then).await;
    for meddled in [false, true] {
        let world = start(Some(&first)).await;
        world.platform.fail_at("traffic main/web", Fault::HangBefore);
        kill(&world, &then).await;
        if meddled {
            world.platform.meddle(&worker("catalog"), Meddling::MoveTraffic(1));
        }
        world.verifier.make_sick(&target_id("catalog"));
        let report = world.deploy(&desired(then.clone())).await.unwrap();
        let expected = if meddled { Outcome::Failed } else { Outcome::Done };
        assert_eq!(report.outcome, expected, "nobody asks a Worker again that was well");
        world.verifier.heal();
        world.deploy(&desired(then.clone())).await.unwrap();
        assert_eq!(world.platform.picture(), goal);
    }
}

#[tokio::test(start_paused = true)]
async fn killed_while_it_takes_things_back_the_next_run_that_fails_takes_back_the_rest() {
    let (first, then) = (storefront(), changed());
    let (_, steps) = undisturbed(Some(&first), &then).await;
    let mut killed = 0;
    for step in &steps {
        let world = start(Some(&first)).await;
        let before = picture_without_data(&world);
        world.verifier.make_sick(&target_id("web"));
        world.platform.fail_at(step, Fault::HangUndo);
        let wanted = desired(then.clone());
        let options = world.options();
        let running = deploy(&world.cx, &wanted, &options);
        if tokio::time::timeout(Duration::from_secs(20), running).await.is_ok() {
            // A probe, a migration, or what `web` had not come to: no change is taken back.
            continue;
        }
        killed += 1;
        world.platform.mend();
        let report = world.deploy(&wanted).await.unwrap();
        assert_ne!(report.outcome, Outcome::Done, "{step}");
        assert_eq!(picture_without_data(&world), before, "{step}");
        world.verifier.heal();
        assert_eq!(world.deploy(&wanted).await.unwrap().outcome, Outcome::Done, "{step}");
    }
    assert!(killed > 10, "{killed} of {} steps were taken back", steps.len());
}

#[tokio::test(start_paused = true)]
async fn cancelling_at_any_step_takes_everything_back() {
    for (journey, first, then) in journeys() {
        let (goal, steps) = undisturbed(first.as_ref(), &then).await;
        for step in &steps {
            let world = start(first.as_ref()).await;
            let before = picture_without_data(&world);
            let mut cancelled = world.cx.clone();
            cancelled.listener = Arc::new(CancelAt(step.clone(), cancelled.cancel.clone()));
            let options = world.options();
            let report = deploy(&cancelled, &desired(then.clone()), &options).await.unwrap();
            if report.outcome == Outcome::Done {
                assert_eq!(world.platform.picture(), goal, "{journey}: {step}");
                continue;
            }
            assert!(report.cancelled && report.failure.is_none(), "{journey}: {step}");
            assert_eq!(picture_without_data(&world), before, "{journey}: {step}");
        }
    }
}

#[derive(Debug)]
struct CancelAt(String, tokio_util::sync::CancellationToken);

impl clodo_orchestrator::DeployListener for CancelAt {
    fn hear(&self, event: &clodo_orchestrator::DeployEvent) {
        use clodo_orchestrator::DeployEvent::Run;
        use clodo_saga::Event::StepStarted;
        if let Run(StepStarted(step)) = event
            && step.as_str() == self.0
        {
            self.1.cancel();
        }
    }
}

#[tokio::test]
async fn what_cannot_be_taken_back_is_named() {
    let world = start(Some(&storefront())).await;
    world.platform.fail_at("domains main/web", Fault::FailUndo);
    world.verifier.make_sick(&target_id("web"));
    let report = world.deploy(&desired(changed())).await.unwrap();
    assert_eq!(report.outcome, Outcome::PartlyDone);
    assert_eq!(report.stuck.len(), 1);
    assert_eq!(report.stuck[0].step.as_str(), "domains main/web");
    // The version that the domain leads to stays as well.
    assert!(report.kept.iter().any(|left| left.step.as_str() == "traffic main/web"));
    assert_eq!(world.platform.version_count(&worker("web")), 2);
}
