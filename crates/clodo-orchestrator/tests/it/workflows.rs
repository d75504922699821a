//! Workflows: who holds their classes, who makes instances, and what becomes of them.

use crate::world::{World, bundle, deployment, desired, ids, name, target, worker};
use clodo_orchestrator::{
    Data, DeployError, DeployReport, DesiredTarget, DesiredWorkflow, DriftKind, DriftOptions,
    Fault, Meddling, Outcome, PlanError, Removal, RemovalOptions, RollbackOptions, Strategy,
    destroy, drift, prepare, rollback,
};
use clodo_types::Severity;
use serde_json::{Value, json};

fn runs(target: &mut DesiredTarget, workflow: &str, class: &str) {
    let (binding, name, class_name) = (name("FLOW"), name(workflow), class.to_owned());
    target.workflows.push(DesiredWorkflow { binding, name, class_name, worker: None, steps: None });
}

/// `shop` holds the class of `orders`, and `web` makes instances.
fn shop() -> Vec<DesiredTarget> {
    let (mut web, mut shop) = (target("web"), target("shop"));
    runs(&mut shop, "orders", "Orders");
    runs(&mut web, "orders", "Orders");
    web.workflows[0].worker = Some(name("shop"));
    vec![web, shop]
}

/// The same, with another name for the Workflow and code to match.
fn renamed() -> Vec<DesiredTarget> {
    let mut targets = shop();
    for target in &mut targets {
        target.workflows[0].name = name("sales");
        target.bundle = bundle(&format!("{} sells", target.worker));
    }
    targets
}

fn registered(world: &World) -> Value {
    world.platform.picture()["main"]["workflows"].clone()
}

fn meddle(world: &World, what: Meddling) {
    world.platform.meddle(&worker("shop"), what);
}

fn finding(report: &DeployReport, rule: &str) -> String {
    let found = report.findings.iter().find(|finding| finding.rule == rule);
    found.unwrap_or_else(|| panic!("{:?}", report.findings)).message.clone()
}

#[tokio::test]
async fn a_workflow_is_registered_before_who_makes_instances_of_it_and_only_once() {
    let world = World::new();
    let report = world.deploy(&desired(shop())).await.unwrap();
    insta::assert_snapshot!(ids(&report.plan).join("\n"), @r"
    upload main/shop
    domains main/shop
    workflows main/shop
    verify main/shop
    commit main/shop
    upload main/web
    domains main/web
    verify main/web
    commit main/web
    ");
    assert_eq!(
        registered(&world),
        json!({ "orders": { "worker": "shop", "class_name": "Orders" } })
    );
    let reads = world.platform.reads();
    let again = world.deploy(&desired(shop())).await.unwrap();
    assert!(again.plan.is_empty(), "{:?}", ids(&again.plan));
    assert_eq!(world.platform.reads(), reads + 1, "the listing is all that is read");
    let again = World::on(world.platform);
    let report = again.deploy(&desired(shop())).await.unwrap();
    assert!(report.plan.is_empty(), "{:?}", ids(&report.plan));
}

#[tokio::test]
async fn only_what_differs_is_registered_and_that_needs_no_new_version() {
    let world = World::new();
    world.deploy(&desired(shop())).await.unwrap();
    let mut targets = shop();
    targets[1].workflows[0].steps = Some(5);
    let report = world.deploy(&desired(targets.clone())).await.unwrap();
    assert_eq!(ids(&report.plan), ["workflows main/shop", "verify main/shop", "commit main/shop"]);
    assert_eq!(registered(&world)["orders"]["steps"], 5);
    targets[1].bundle = bundle("shop, mended");
    let report = world.deploy(&desired(targets)).await.unwrap();
    assert!(!ids(&report.plan).contains(&"workflows main/shop"), "{:?}", ids(&report.plan));
}

#[tokio::test]
async fn a_renamed_workflow_is_replaced_when_nothing_in_it_goes_on() {
    for busy in [false, true] {
        let world = World::new();
        world.deploy(&desired(shop())).await.unwrap();
        meddle(&world, Meddling::StartInstance(name("orders")));
        if !busy {
            meddle(&world, Meddling::EndInstances(name("orders")));
        }
        let report = world.deploy(&desired(renamed())).await.unwrap();
        assert_eq!(report.outcome, Outcome::Done, "{:?}", report.failure);
        let left = registered(&world);
        assert_eq!(left["sales"]["class_name"], "Orders");
        assert_eq!(left.get("orders").is_some(), busy, "{left}");
        if busy {
            let said = finding(&report, "workflow-kept");
            assert!(said.contains("`orders`") && said.contains("1 of its instances"), "{said}");
        } else {
            let steps = ids(&report.plan);
            let at = |wanted: &str| steps.iter().position(|id| *id == wanted).unwrap();
            assert!(at("verify main/shop") < at("remove-workflow main/orders"), "{steps:?}");
        }
        let again = world.deploy(&desired(renamed())).await.unwrap();
        assert_eq!(again.outcome, Outcome::NothingToDo, "{:?}", ids(&again.plan));
    }
}

#[tokio::test]
async fn a_rollback_registers_what_was_and_says_what_stays() {
    let world = World::new();
    world.deploy(&desired(shop())).await.unwrap();
    world.deploy(&desired(renamed())).await.unwrap();
    let mut options = RollbackOptions::new(world.options().deployment);
    options.of = Some(deployment(2));
    let report = rollback(&world.cx, &name("shop"), &options).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{:?} {:?}", report.failure, report.findings);
    let left = registered(&world);
    assert_eq!(left["orders"], json!({ "worker": "shop", "class_name": "Orders" }));
    assert!(finding(&report, "workflow-kept").contains("`sales`"));
    assert!(left.get("sales").is_some(), "{left}");
}

#[tokio::test]
async fn a_deployment_that_fails_leaves_the_registrations_as_they_were() {
    let world = World::new();
    world.platform.fail_at("commit main/web", Fault::Refuse);
    let report = world.deploy(&desired(shop())).await.unwrap();
    assert_eq!(report.outcome, Outcome::Failed, "{:?}", report.kept);
    assert_eq!(registered(&world), json!({}));
    world.platform.mend();
    world.deploy(&desired(shop())).await.unwrap();
    let before = registered(&world);
    world.platform.fail_at("verify main/shop", Fault::Refuse);
    let report = world.deploy(&desired(renamed())).await.unwrap();
    assert_eq!(report.outcome, Outcome::Failed, "{:?}", report.kept);
    assert_eq!(registered(&world), before);
}

#[tokio::test]
async fn an_instance_that_was_made_meanwhile_is_not_taken_back() {
    let world = World::new();
    world.deploy(&desired(vec![target("shop")])).await.unwrap();
    let mut shop = shop().remove(1);
    shop.bundle = bundle("shop with orders");
    world.platform.fail_at("commit main/shop", Fault::LandAndFail);
    let (platform, desired) = (std::sync::Arc::clone(&world.platform), desired(vec![shop]));
    platform.fail_at("verify main/shop", Fault::HangBefore);
    let dying = world.deploy(&desired);
    tokio::time::timeout(std::time::Duration::from_secs(1), dying).await.unwrap_err();
    meddle(&world, Meddling::StartInstance(name("orders")));
    platform.mend();
    platform.fail_at("verify main/shop", Fault::Refuse);
    let report = world.deploy(&desired).await.unwrap();
    assert_eq!(report.outcome, Outcome::PartlyDone);
    let kept = report.kept.iter().find(|left| left.step.as_str() == "workflows main/shop");
    assert!(kept.unwrap().why.contains("orders has instances"), "{kept:?}");
    assert_eq!(registered(&world)["orders"]["worker"], "shop");
}

#[tokio::test]
async fn a_worker_goes_with_its_workflows_unless_something_in_them_goes_on() {
    let world = World::new();
    world.deploy(&desired(shop())).await.unwrap();
    meddle(&world, Meddling::StartInstance(name("orders")));
    let removal = Removal::new(name("shop"), shop(), []);
    let mut options = RemovalOptions::new(deployment(90));
    let refused = destroy(&world.cx, &removal, &options).await.unwrap();
    assert_eq!(refused.outcome, Outcome::Refused);
    assert!(
        finding(&refused, "instances-of-workflows").contains("1 instances of Workflow `orders`")
    );
    (options.deployment, options.data) = (deployment(91), Data::Remove);
    let gone = destroy(&world.cx, &removal, &options).await.unwrap();
    assert_eq!(gone.outcome, Outcome::Done, "{:?}", gone.failure);
    let steps = ids(&gone.plan);
    let at = |wanted: &str| steps.iter().position(|id| *id == wanted).unwrap();
    assert!(at("remove-worker main/shop") < at("remove-workflow main/orders"), "{steps:?}");
    assert_eq!(registered(&world), json!({}));
}

#[tokio::test]
async fn the_class_of_another_worker_is_neither_doubled_nor_taken_unasked() {
    let world = World::new();
    let mut two = shop();
    two[0].workflows[0].worker = None;
    let error = prepare(&world.cx, &desired(two), &world.options()).await.unwrap_err();
    let DeployError::Plan(PlanError::WorkflowClaimedTwice { workflow, .. }) = error else {
        panic!("{error}");
    };
    assert_eq!(workflow.as_str(), "orders");
    world.deploy(&desired(shop())).await.unwrap();
    let mut other = target("other");
    runs(&mut other, "orders", "Orders");
    let mut theirs = desired(vec![other]);
    theirs.portfolio = name("theirs");
    let prepared = prepare(&world.cx, &theirs, &world.options()).await.unwrap();
    let taken = prepared.findings.iter().find(|finding| finding.rule == "workflow-taken").unwrap();
    assert_eq!(taken.severity, Severity::Block);
    assert!(taken.message.contains("which runs one of worker `shop`"), "{}", taken.message);
}

#[tokio::test]
async fn drift_tells_a_workflow_that_runs_something_else_and_a_deployment_mends_it() {
    let world = World::new();
    world.deploy(&desired(shop())).await.unwrap();
    let options = DriftOptions::default();
    let report = drift(&world.cx, &desired(shop()), &options).await.unwrap();
    assert!(report.drifts.is_empty(), "{:?}", report.drifts);
    meddle(&world, Meddling::Reclass(name("orders"), "Other".into()));
    let report = drift(&world.cx, &desired(shop()), &options).await.unwrap();
    let [drift] = &report.drifts[..] else { panic!("{:?}", report.drifts) };
    assert_eq!(drift.kind, DriftKind::Workflow);
    assert_eq!(drift.found.as_deref(), Some("class Other of shop"));
    let report = world.deploy(&desired(shop())).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    assert_eq!(registered(&world)["orders"]["class_name"], "Orders");
}

#[tokio::test]
async fn who_gets_its_traffic_little_by_little_hears_that_a_new_workflow_is_late() {
    let world = World::new();
    world.deploy(&desired(vec![target("shop")])).await.unwrap();
    let mut shop = shop().remove(1);
    shop.bundle = bundle("shop with orders");
    shop.strategy = Strategy::BlueGreen(clodo_orchestrator::BlueGreen::default());
    let prepared = prepare(&world.cx, &desired(vec![shop]), &world.options()).await.unwrap();
    assert!(prepared.findings.iter().any(|finding| finding.rule == "workflow-late"));
}
