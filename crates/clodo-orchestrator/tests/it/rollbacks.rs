use crate::world::{World, bundle, deployment, desired, host, name, storefront, target_id, worker};
use clodo_orchestrator::{
    BoundTo, DeployError, DeployReport, DeploymentState, DesiredTarget, DriftOptions, Fault,
    Meddling, Outcome, Reach, RollbackOptions, Verdict, deployments, drift, prepare_rollback,
    rollback,
};
use clodo_types::{Clock as _, Timestamp};
use std::time::Duration;

fn changed() -> Vec<DesiredTarget> {
    let mut targets = storefront();
    for target in &mut targets {
        target.bundle = bundle(&format!("{}, changed", target.worker));
    }
    targets[0].workers_dev.enabled = false;
    targets[0].worker_settings.insert("observability".into(), true.into());
    // A domain moves from `web` to `orders`.
    targets[0].domains = [host("shop")].into();
    targets[1].domains.insert(host("web"));
    targets[1].crons = Some(vec!["0 0 * * *".into()]);
    targets
}

async fn roll_back(
    world: &World,
    set: impl FnOnce(&mut RollbackOptions),
) -> Result<DeployReport, DeployError> {
    let mut options = RollbackOptions::new(world.options().deployment);
    set(&mut options);
    rollback(&world.cx, &name("shop"), &options).await
}

#[tokio::test]
async fn a_rollback_brings_everything_back_and_can_be_followed_by_the_next() {
    let world = World::new();
    let first = world.deploy(&desired(storefront())).await.unwrap();
    let before = world.platform.picture();
    world.deploy(&desired(changed())).await.unwrap();
    let after = world.platform.picture();
    let report = roll_back(&world, |_| ()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    assert_eq!(world.platform.picture(), before);
    let version = |report: &DeployReport, service: &str| {
        let mut targets = report.targets.iter();
        targets.find(|target| target.id == target_id(service)).unwrap().version.clone()
    };
    for service in ["web", "orders", "catalog"] {
        assert_eq!(version(&report, service), version(&first, service));
    }
    assert!(report.targets.iter().all(|target| target.verdict == Some(Verdict::Proved)));
    let history = deployments(&*world.store, &name("shop"), 10).await.unwrap();
    assert_eq!(history[0].rollback_of, Some(deployment(2)));
    // What was deployed first has nothing to go back to.
    let error = roll_back(&world, |_| ()).await.unwrap_err();
    assert!(matches!(error, DeployError::NothingToRollBack), "{error}");
    // Deploying finds what the rollback left, and uploads again what it had taken back.
    assert_eq!(world.deploy(&desired(storefront())).await.unwrap().outcome, Outcome::NothingToDo);
    world.deploy(&desired(changed())).await.unwrap();
    assert_eq!(world.platform.picture(), after);
}

#[tokio::test]
async fn one_target_is_rolled_back_alone() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    let mut targets = storefront();
    targets[0].bundle = bundle("web 2");
    targets[2].bundle = bundle("catalog 2");
    world.deploy(&desired(targets)).await.unwrap();
    let report =
        roll_back(&world, |options| options.targets = [target_id("catalog")].into()).await.unwrap();
    let ids = crate::world::ids(&report.plan);
    assert_eq!(ids, ["traffic main/catalog", "verify main/catalog", "commit main/catalog"]);
    // The rest of the same deployment is still in effect.
    let report = roll_back(&world, |_| ()).await.unwrap();
    let ids = crate::world::ids(&report.plan);
    assert_eq!(ids, ["traffic main/web", "verify main/web", "commit main/web"]);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_was_killed_is_finished_by_the_next() {
    for step in ["traffic main/web", "domains main/web", "commit main/catalog"] {
        let world = World::new();
        world.deploy(&desired(storefront())).await.unwrap();
        let before = world.platform.picture();
        world.deploy(&desired(changed())).await.unwrap();
        for fault in [Fault::HangBefore, Fault::HangAfter] {
            world.platform.fail_at(step, fault);
            let dying = roll_back(&world, |_| ());
            let killed = tokio::time::timeout(Duration::from_secs(20), dying).await;
            assert!(killed.is_err(), "it should hang at {step}: {killed:?}");
            world.platform.mend();
        }
        let report = roll_back(&world, |_| ()).await.unwrap();
        assert!(matches!(report.outcome, Outcome::Done | Outcome::NothingToDo), "{step}");
        assert_eq!(report.superseded.len(), 2, "{step}");
        assert_eq!(world.platform.picture(), before, "{step}");
    }
}

#[tokio::test]
async fn what_was_deployed_since_is_not_rolled_over() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    world.deploy(&desired(changed())).await.unwrap();
    let mut targets = changed();
    targets[0].bundle = bundle("web 3");
    world.deploy(&desired(targets)).await.unwrap();
    let before = world.platform.picture();
    let report = roll_back(&world, |options| options.of = Some(deployment(2))).await.unwrap();
    assert_eq!(report.outcome, Outcome::Refused);
    assert_eq!(report.findings[0].rule, "deployed-since");
    assert_eq!(world.platform.picture(), before);
    let error = roll_back(&world, |options| options.of = Some(deployment(99))).await.unwrap_err();
    assert!(matches!(error, DeployError::UnknownDeployment(_)));
}

#[tokio::test]
async fn a_rollback_can_be_looked_at_first() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    world.deploy(&desired(changed())).await.unwrap();
    world.platform.forget_writes();
    let options = RollbackOptions::new(deployment(50));
    let prepared = prepare_rollback(&world.cx, &name("shop"), &options).await.unwrap();
    assert!(!prepared.plan.is_empty() && !prepared.is_refused());
    assert!(world.platform.writes().is_empty());
    let steps = prepared.plan.steps().iter();
    let traffic = steps.clone().find(|step| step.id.as_str() == "traffic main/web").unwrap();
    assert!(traffic.details[0].starts_with("100% to version "), "{:?}", traffic.details);
}

#[tokio::test]
async fn a_rollback_that_fails_leaves_the_newer_state() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    world.deploy(&desired(changed())).await.unwrap();
    let before = world.platform.picture();
    for step in ["traffic main/catalog", "verify main/web", "commit main/orders"] {
        world.platform.fail_at(step, Fault::LandAndFail);
        let report = roll_back(&world, |_| ()).await.unwrap();
        assert_eq!(report.outcome, Outcome::Failed, "{step}");
        assert_eq!(world.platform.picture(), before, "{step}");
        world.platform.mend();
    }
    assert_eq!(roll_back(&world, |_| ()).await.unwrap().outcome, Outcome::Done);
}

#[tokio::test]
async fn a_domain_taken_from_elsewhere_goes_back_there() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    world.platform.add_foreign_worker(&worker("legacy"));
    world.platform.add_domain(&worker("legacy"), &host("old"));
    let before = world.platform.picture();
    let mut targets = storefront();
    targets[0].adopt = true;
    targets[0].domains.insert(host("old"));
    world.deploy(&desired(targets)).await.unwrap();
    let report = roll_back(&world, |_| ()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    assert_eq!(world.platform.picture(), before);
    let history = deployments(&*world.store, &name("shop"), 1).await.unwrap();
    assert_eq!(history[0].state, DeploymentState::Done);
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_deployment_is_rolled_back_first() {
    for step in
        ["traffic main/web", "verify main/orders", "domains main/web", "commit main/catalog"]
    {
        let world = World::new();
        world.deploy(&desired(storefront())).await.unwrap();
        let mut targets = storefront();
        targets[0].bundle = bundle("web 2");
        world.deploy(&desired(targets)).await.unwrap();
        let before = world.platform.picture();
        world.platform.fail_at(step, Fault::HangAfter);
        let wanted = desired(changed());
        let dying = world.deploy(&wanted);
        let killed = tokio::time::timeout(Duration::from_secs(20), dying).await;
        assert!(killed.is_err(), "it should hang at {step}");
        world.platform.mend();
        let older = roll_back(&world, |options| options.of = Some(deployment(2))).await.unwrap();
        assert_eq!(older.outcome, Outcome::Refused);
        assert_eq!(older.findings[0].rule, "interrupted");
        let report = roll_back(&world, |_| ()).await.unwrap();
        assert_eq!(report.outcome, Outcome::Done, "{step}");
        assert_eq!(report.superseded, [deployment(3)]);
        assert_eq!(world.platform.picture(), before, "{step}");
    }
}

/// Deploys `targets` a minute after whatever was before, and returns the time right after it.
async fn later(world: &World, targets: &[DesiredTarget]) -> Timestamp {
    world.clock.advance(Duration::from_secs(60));
    let report = world.deploy(&desired(targets.to_vec())).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    world.clock.now()
}

/// The storefront, and then one target after the other changed: a picture after each, and the time.
async fn story(world: &World) -> Vec<(Timestamp, serde_json::Value)> {
    let mut targets = storefront();
    let mut story = vec![(later(world, &targets).await, world.platform.picture())];
    for step in 0..5 {
        match step {
            0 => targets[2].bundle = bundle("catalog 2"),
            1 => {
                targets[0].bundle = bundle("web 2");
                targets[0].domains.insert(host("more"));
            }
            2 => {
                targets[2].bundle = bundle("catalog 3");
                targets[1].crons = Some(vec!["0 0 * * *".into()]);
            }
            // A domain moves, and a setting changes.
            3 => {
                targets[0].domains = [host("shop")].into();
                targets[1].domains.insert(host("more"));
                targets[0].worker_settings.insert("observability".into(), true.into());
            }
            _ => targets[2].bundle = bundle("catalog 4"),
        }
        story.push((later(world, &targets).await, world.platform.picture()));
    }
    story
}

#[tokio::test]
async fn any_earlier_time_comes_back_over_several_deployments() {
    for back in 0..5 {
        let world = World::new();
        let story = story(&world).await;
        let (time, picture) = &story[back];
        world.clock.advance(Duration::from_secs(60));
        let report = roll_back(&world, |options| options.reach = Reach::To(*time)).await.unwrap();
        assert_eq!(report.outcome, Outcome::Done, "{back}: {:?}", report.findings);
        assert_eq!(world.platform.picture(), *picture, "back to {back}");
        let history = deployments(&*world.store, &name("shop"), 1).await.unwrap();
        assert_eq!(history[0].rollback_of, Some(deployment(6)), "{back}");
        // And forth again, over the rollback itself.
        let (time, picture) = story.last().unwrap();
        let forth = roll_back(&world, |options| options.reach = Reach::To(*time)).await.unwrap();
        assert_eq!(forth.outcome, Outcome::Done, "{back}: {:?}", forth.findings);
        assert_eq!(world.platform.picture(), *picture, "forth from {back}");
    }
    let world = World::new();
    let story = story(&world).await;
    let last = story.last().unwrap().0;
    let error = roll_back(&world, |options| options.reach = Reach::To(last)).await.unwrap_err();
    assert!(matches!(error, DeployError::NothingToRollBack));
    let all = Reach::To(Timestamp::from_millis(0));
    let error = roll_back(&world, |options| options.reach = all).await.unwrap_err();
    assert!(matches!(error, DeployError::NothingToRollBack), "what is new has nothing before it");
}

#[tokio::test]
async fn a_time_can_come_back_for_some_targets_alone() {
    let world = World::new();
    let story = story(&world).await;
    let now = world.platform.picture();
    let report = roll_back(&world, |options| {
        options.reach = Reach::To(story[0].0);
        options.targets.insert(target_id("catalog"));
    });
    assert_eq!(report.await.unwrap().outcome, Outcome::Done);
    let picture = world.platform.picture();
    let of = |picture: &serde_json::Value, name: &str| picture["main"]["workers"][name].clone();
    assert_eq!(of(&picture, "catalog"), of(&story[0].1, "catalog"));
    for other in ["web", "orders"] {
        assert_eq!(of(&picture, other), of(&now, other));
    }
}

#[tokio::test]
async fn a_whole_fleet_goes_back_by_one_each_target_by_its_own() {
    let world = World::new();
    let story = story(&world).await;
    let report = roll_back(&world, |options| options.reach = Reach::Each).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.findings);
    let picture = world.platform.picture();
    let of = |picture: &serde_json::Value, name: &str| picture["main"]["workers"][name].clone();
    assert_eq!(of(&picture, "catalog"), of(&story[4].1, "catalog"));
    for other in ["web", "orders"] {
        assert_eq!(of(&picture, other), of(&story[3].1, other), "{other}");
    }
    // The next one goes back by one more.
    let report = roll_back(&world, |options| options.reach = Reach::Each).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.findings);
    let picture = world.platform.picture();
    assert_eq!(of(&picture, "web"), of(&story[1].1, "web"));
}

#[tokio::test]
async fn callers_go_back_before_what_they_call() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    world.deploy(&desired(changed())).await.unwrap();
    world.platform.forget_writes();
    roll_back(&world, |_| ()).await.unwrap();
    let writes = world.platform.writes();
    let at = |step: &str| writes.iter().position(|write| write == step).unwrap();
    assert!(at("traffic main/web") < at("traffic main/orders"), "{writes:?}");
    assert!(at("traffic main/orders") < at("traffic main/catalog"), "{writes:?}");
}

#[tokio::test]
async fn traffic_that_somebody_moved_since_is_not_taken_from_them() {
    let secret = || Meddling::Bind("HOTFIX".into(), Some(BoundTo::Secret));
    for (meddling, reach) in [
        (Meddling::MoveTraffic(1), Reach::Newest),
        (secret(), Reach::Newest),
        (secret(), Reach::Each),
        (secret(), Reach::To(Timestamp::from_millis(30_000))),
    ] {
        let world = World::new();
        world.deploy(&desired(storefront())).await.unwrap();
        world.clock.advance(Duration::from_secs(60));
        world.deploy(&desired(changed())).await.unwrap();
        world.platform.meddle(&worker("catalog"), meddling.clone());
        let before = world.platform.picture();
        let report = roll_back(&world, |options| options.reach = reach).await.unwrap();
        assert_eq!(report.outcome, Outcome::Refused, "{meddling:?}");
        assert!(report.findings.iter().any(|one| one.rule == "moved-since"), "{report:?}");
        assert_eq!(world.platform.picture(), before);
        // The others can go back all the same.
        let report = roll_back(&world, |options| {
            options.reach = reach;
            options.targets = [target_id("web"), target_id("orders")].into();
        });
        assert_eq!(report.await.unwrap().outcome, Outcome::Done, "{meddling:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_over_several_deployments_holds_when_it_fails_or_is_killed() {
    for step in ["traffic main/catalog", "domains main/web", "commit main/orders"] {
        let world = World::new();
        let story = story(&world).await;
        let now = world.platform.picture();
        let to = |options: &mut RollbackOptions| options.reach = Reach::To(story[0].0);
        world.platform.fail_at(step, Fault::LandAndFail);
        let report = roll_back(&world, to).await.unwrap();
        assert_eq!((report.outcome, world.platform.picture()), (Outcome::Failed, now), "{step}");
        world.platform.mend();
        world.platform.fail_at(step, Fault::HangAfter);
        let killed = tokio::time::timeout(Duration::from_secs(20), roll_back(&world, to)).await;
        assert!(killed.is_err(), "{step}");
        world.platform.mend();
        let report = roll_back(&world, to).await.unwrap();
        assert!(matches!(report.outcome, Outcome::Done | Outcome::NothingToDo), "{step}");
        assert_eq!(world.platform.picture(), story[0].1, "{step}");
        assert_eq!(report.superseded.len(), 1, "{step}");
        let seen = drift(&world.cx, &desired(storefront()), &DriftOptions::default()).await;
        assert_eq!(seen.unwrap().drifts, [], "{step}");
    }
}
