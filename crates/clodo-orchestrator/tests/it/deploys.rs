use crate::world::{
    World, bundle, deployment, desired, name, storefront, target, target_id, worker,
};
use async_trait::async_trait;
use clodo_orchestrator::{
    DeployError, DeployErrorKind, DeploymentState, Desired, FailureKind, Gate, Outcome, Plan,
    Verdict, deploy, deployments, prepare,
};
use clodo_types::{Finding, Severity};
use std::sync::Arc;

#[tokio::test]
async fn a_portfolio_is_deployed_verified_and_recorded() {
    let world = World::new();
    let report = world.deploy(&desired(storefront())).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    assert_eq!(report.deployment, Some(deployment(1)));
    for target in &report.targets {
        assert!(target.changed && target.version.is_some(), "{target:?}");
        assert_eq!(target.verdict, Some(Verdict::Proved));
    }
    assert_eq!(report.targets[0].urls, ["https://web.acme.test", "https://web.main.workers.dev"]);
    assert!(world.platform.bound_id(&worker("catalog"), &name("DB")).is_some());
    let history = deployments(&*world.store, &name("shop"), 10).await.unwrap();
    assert_eq!(history.len(), 1);
    assert_eq!(history[0].state, DeploymentState::Done);
    assert_eq!(history[0].targets[0].version, report.targets[0].version);
}

#[tokio::test]
async fn deploying_again_writes_nothing_and_still_knows_the_versions() {
    let world = World::new();
    let first = world.deploy(&desired(storefront())).await.unwrap();
    world.platform.forget_writes();
    let second = world.deploy(&desired(storefront())).await.unwrap();
    assert_eq!(second.outcome, Outcome::NothingToDo);
    assert_eq!(second.deployment, None);
    assert!(world.platform.writes().is_empty());
    for (before, after) in first.targets.iter().zip(&second.targets) {
        assert!(!after.changed);
        assert_eq!(before.version, after.version);
        assert_eq!(before.urls, after.urls);
    }
    assert_eq!(deployments(&*world.store, &name("shop"), 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_upload_can_be_asked_for_though_nothing_changed() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    let mut options = world.options();
    options.redeploy.insert(target_id("orders"));
    let report = deploy(&world.cx, &desired(storefront()), &options).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    assert_eq!(world.platform.version_count(&worker("orders")), 2);
    // Also on a machine that does not know what was there: the old version has the old secret.
    let world = World::on(Arc::clone(&world.platform));
    let mut options = world.options();
    options.redeploy.insert(target_id("orders"));
    deploy(&world.cx, &desired(storefront()), &options).await.unwrap();
    assert_eq!(world.platform.version_count(&worker("orders")), 3);
}

#[tokio::test]
async fn a_dry_run_writes_nothing_and_shows_the_same_plan() {
    let world = World::new();
    let desired = desired(storefront());
    let prepared = prepare(&world.cx, &desired, &world.options()).await.unwrap();
    assert!(world.platform.writes().is_empty());
    assert!(deployments(&*world.store, &name("shop"), 10).await.unwrap().is_empty());
    let report = world.deploy(&desired).await.unwrap();
    assert_eq!(*prepared.plan, *report.plan);
}

#[derive(Debug)]
struct No(Severity);

#[async_trait]
impl Gate for No {
    async fn check(&self, plan: &Plan, _desired: &Desired) -> Vec<Finding> {
        assert!(!plan.is_empty());
        let (rule, message) = ("no".to_owned(), "not today".to_owned());
        vec![Finding { rule, severity: self.0, at: None, message, hint: None }]
    }
}

#[tokio::test]
async fn a_gate_that_blocks_stops_everything_and_one_that_notes_does_not() {
    let mut world = World::new();
    world.cx.gates = vec![Arc::new(No(Severity::Block)), Arc::new(No(Severity::Note))];
    let report = world.deploy(&desired(storefront())).await.unwrap();
    assert_eq!((report.outcome, report.findings.len()), (Outcome::Refused, 1));
    assert!(world.platform.writes().is_empty());
    world.cx.gates = vec![Arc::new(No(Severity::Note))];
    let report = world.deploy(&desired(storefront())).await.unwrap();
    assert_eq!((report.outcome, report.findings.len()), (Outcome::Done, 1));
}

#[tokio::test]
async fn a_new_worker_needs_all_its_secrets() {
    let world = World::new();
    let mut targets = storefront();
    targets[1].secrets.insert(name("OTHER"));
    let error = world.deploy(&desired(targets.clone())).await.unwrap_err();
    assert_eq!(error.to_string(), "no value for secret OTHER of orders@staging");
    assert_eq!(error.kind(), DeployErrorKind::Config);
    assert!(world.platform.writes().is_empty());
    // One that exists keeps those that it has.
    world.deploy(&desired(storefront())).await.unwrap();
    assert_eq!(world.deploy(&desired(targets)).await.unwrap().outcome, Outcome::Done);
}

#[tokio::test]
async fn two_deployments_of_a_portfolio_do_not_run_at_once() {
    let mut world = World::new();
    world.cx.liveness = |_| clodo_saga::Liveness::Alive;
    world.platform.fail_at("upload main/web", clodo_orchestrator::Fault::HangBefore);
    let wanted = desired(vec![target("web")]);
    let first_options = world.options();
    let mut first = Box::pin(deploy(&world.cx, &wanted, &first_options));
    let hangs = futures_poll(&mut first).await;
    assert!(hangs);
    let options = world.options();
    let error = deploy(&world.cx, &wanted, &options).await.unwrap_err();
    assert!(matches!(error, DeployError::Locked(_)));
    assert_eq!(error.kind(), DeployErrorKind::Locked);
    let other = Desired::new(name("other"), [target("orders")]);
    assert_eq!(deploy(&world.cx, &other, &options).await.unwrap().outcome, Outcome::Done);
}

/// Drives a future until nothing moves any more; true when it is not done.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> bool {
    for _ in 0..100 {
        let mut done = false;
        std::future::poll_fn(|cx| {
            done = std::pin::Pin::new(&mut *future).poll(cx).is_ready();
            std::task::Poll::Ready(())
        })
        .await;
        if done {
            return false;
        }
        tokio::task::yield_now().await;
    }
    true
}

#[tokio::test]
async fn a_sick_new_version_gives_way_to_the_old_one() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    let before = world.platform.picture();
    let mut targets = storefront();
    targets[1].bundle = bundle("orders, broken");
    targets[1].crons = Some(vec![]);
    targets[0].bundle = bundle("web, fine");
    world.verifier.make_sick(&target_id("orders"));
    let report = world.deploy(&desired(targets)).await.unwrap();
    assert_eq!(report.outcome, Outcome::Failed);
    let failure = report.failure.unwrap();
    assert_eq!(failure.kind, FailureKind::Verdict);
    assert_eq!(failure.step.as_str(), "verify main/orders");
    assert_eq!(failure.target, Some(target_id("orders")));
    assert_eq!(failure.messages, ["it answered with status 500"]);
    assert_eq!(world.platform.picture(), before);
    assert!(report.targets.iter().all(|target| !target.changed));
    let history = deployments(&*world.store, &name("shop"), 1).await.unwrap();
    assert_eq!(history[0].state, DeploymentState::Failed);
    assert_eq!(history[0].failure.as_ref().unwrap().step.as_str(), "verify main/orders");
}

#[tokio::test]
async fn applied_migrations_stay_and_are_named() {
    let world = World::new();
    world.verifier.make_sick(&target_id("catalog"));
    let report = world.deploy(&desired(storefront())).await.unwrap();
    assert_eq!(report.outcome, Outcome::PartlyDone);
    let kept: Vec<_> = report.kept.iter().map(|left| left.step.as_str()).collect();
    for step in ["migrate main/catalog-db 0001_init.sql", "create-database main/catalog-db"] {
        assert!(kept.contains(&step), "{kept:?}");
    }
    assert!(!kept.contains(&"create-namespace main/catalog-cache"));
    assert_eq!(world.platform.version_count(&worker("catalog")), 0);
    // And the next run goes on from there.
    world.verifier.heal();
    let report = world.deploy(&desired(storefront())).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    assert!(!report.plan.steps().iter().any(|step| step.id.as_str().starts_with("migrate")));
}

#[tokio::test]
async fn an_account_that_is_not_there_is_named() {
    let world = World::new();
    let mut web = target("web");
    web.id.account = name("elsewhere");
    let error = world.deploy(&desired(vec![web])).await.unwrap_err();
    assert!(matches!(error, DeployError::Observe(_)));
}

#[tokio::test]
async fn a_database_that_vanished_is_made_again_and_bound_anew() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    let old = world.platform.bound_id(&worker("catalog"), &name("DB")).unwrap();
    let mut targets = storefront();
    targets[2].databases.clear();
    crate::world::database(&mut targets[2], "catalog-two", &[]);
    world.deploy(&desired(targets)).await.unwrap();
    let new = world.platform.bound_id(&worker("catalog"), &name("DB")).unwrap();
    assert_ne!(old, new);
}
