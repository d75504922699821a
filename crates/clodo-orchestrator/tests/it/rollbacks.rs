use crate::world::{World, bundle, deployment, desired, host, name, storefront, target_id, worker};
use clodo_orchestrator::{
    DeployError, DeployReport, DeploymentState, DesiredTarget, Fault, Outcome, RollbackOptions,
    Verdict, deployments, prepare_rollback, rollback,
};

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
            let killed = tokio::time::timeout(std::time::Duration::from_secs(20), dying).await;
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
        let killed = tokio::time::timeout(std::time::Duration::from_secs(20), dying).await;
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
