use crate::world::{
    World, bundle, calls, desired, host, ids, name, storefront, target, target_id, worker,
};
use clodo_orchestrator::{
    Data, DeployError, DeployReport, Deployment, DeploymentState, Desired, DesiredTarget,
    DriftOptions, Fate, Fault, Outcome, Prepared, Removal, RemovalOptions, RollbackOptions, Route,
    deploy, deployments, destroy, drift, prepare_destroy, rollback,
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// The storefront with a route.
fn shop() -> Vec<DesiredTarget> {
    let mut targets = storefront();
    targets[2].routes.push(Route {
        pattern: "acme.test/catalog/*".into(),
        zone_name: Some(name("acme.test")),
        zone_id: None,
    });
    targets
}

async fn deployed() -> World {
    let world = World::new();
    let report = world.deploy(&desired(shop())).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    world.platform.forget_writes();
    world
}

/// Takes these services of the shop away and leaves the others.
fn removal(services: &[&str]) -> Removal {
    let goes = |target: &DesiredTarget| services.contains(&target.id.service.as_str());
    let (targets, rest): (Vec<_>, Vec<_>) = shop().into_iter().partition(goes);
    Removal::new(name("shop"), targets, rest)
}

fn options(world: &World, data: Data) -> RemovalOptions {
    let mut options = RemovalOptions::new(world.options().deployment);
    options.data = data;
    options
}

async fn run(world: &World, services: &[&str], data: Data) -> DeployReport {
    destroy(&world.cx, &removal(services), &options(world, data)).await.unwrap()
}

async fn look(world: &World, services: &[&str], data: Data) -> Prepared {
    prepare_destroy(&world.cx, &removal(services), &options(world, data)).await.unwrap()
}

const ALL: [&str; 3] = ["web", "orders", "catalog"];

fn rules(prepared: &Prepared) -> Vec<&str> {
    prepared.findings.iter().map(|finding| finding.rule.as_str()).collect()
}

#[tokio::test]
async fn what_leads_to_workers_goes_first_then_callers_then_what_they_call_and_data_stays() {
    let world = deployed().await;
    let prepared = look(&world, &ALL, Data::Keep).await;
    assert!(world.platform.writes().is_empty(), "a look writes nothing");
    assert_eq!(rules(&prepared), ["data-kept"; 3]);
    assert!(prepared.targets.iter().all(|target| target.fate == Fate::Remove));
    let order = ids(&prepared.plan);
    let at = |id: &str| order.iter().position(|one| *one == id).unwrap_or_else(|| panic!("{id}"));
    let workers = ["web", "orders", "catalog"].map(|one| at(&format!("remove-worker main/{one}")));
    assert!(workers.is_sorted(), "{order:?}");
    for step in ["domains main/web", "domains main/catalog", "routes main/catalog"] {
        assert!(at(step) < workers[0], "{order:?}");
    }
    let report = run(&world, &ALL, Data::Keep).await;
    assert_eq!(report.outcome, Outcome::Done);
    let picture = world.platform.picture();
    assert_eq!(picture.pointer("/main/workers"), Some(&serde_json::json!({})));
    assert_eq!(picture.pointer("/main/domains"), Some(&serde_json::json!([])));
    assert_eq!(picture["main"]["databases"].as_object().map(serde_json::Map::len), Some(2));
    assert!(report.targets.iter().all(|target| target.changed && target.urls.is_empty()));
    // What is gone is gone, and nothing is left to do.
    assert_eq!(run(&world, &ALL, Data::Keep).await.outcome, Outcome::NothingToDo);
}

#[tokio::test]
async fn data_goes_only_when_it_is_wanted_and_nobody_else_uses_it() {
    let world = deployed().await;
    let prepared = look(&world, &ALL, Data::Remove).await;
    let lost: Vec<&str> = prepared.findings.iter().map(|one| one.message.as_str()).collect();
    assert_eq!(
        lost,
        [
            "database catalog-db is removed: all its tables and rows are lost",
            "database orders-db is removed: all its tables and rows are lost",
            "KV namespace catalog-cache is removed: all its keys and values are lost",
        ]
    );
    assert_eq!(run(&world, &ALL, Data::Remove).await.outcome, Outcome::Done);
    let main = world.platform.picture()["main"].clone();
    assert_eq!(
        (&main["databases"], &main["namespaces"]),
        (&serde_json::json!({}), &serde_json::json!([]))
    );

    let world = World::new();
    let mut sharing = shop();
    let same = sharing[2].databases[0].clone();
    sharing[0].databases.push(same);
    world.deploy(&desired(sharing.clone())).await.unwrap();
    let web = sharing.remove(0);
    let removal = Removal::new(name("shop"), [web], sharing);
    let report = destroy(&world.cx, &removal, &options(&world, Data::Remove)).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    assert_eq!(report.findings[0].message, "database catalog-db stays: other targets use it");
}

#[tokio::test]
async fn what_others_call_and_what_is_not_ours_is_refused() {
    let world = deployed().await;
    let before = world.platform.picture();
    let prepared = look(&world, &["catalog"], Data::Keep).await;
    assert!(prepared.is_refused());
    assert!(prepared.findings[0].message.contains("still called by orders"), "{prepared:?}");
    assert_eq!(run(&world, &["orders", "catalog"], Data::Keep).await.outcome, Outcome::Refused);
    world.platform.add_foreign_worker(&worker("legacy"));
    let legacy = Removal::new(name("shop"), [target("legacy")], shop());
    let report = destroy(&world.cx, &legacy, &options(&world, Data::Keep)).await.unwrap();
    assert_eq!(report.findings[0].rule, "foreign-worker");
    assert_eq!(report.outcome, Outcome::Refused);
    assert_eq!(world.platform.picture()["main"]["domains"], before["main"]["domains"]);
    assert!(world.platform.writes().is_empty());
}

#[tokio::test]
async fn data_of_durable_objects_is_not_lost_unasked() {
    let world = World::new();
    let mut room = target("room");
    room.object_migrations.push(serde_json::json!({ "tag": "v1", "new_sqlite_classes": ["R"] }));
    world.deploy(&desired(vec![room.clone()])).await.unwrap();
    let removal = Removal::new(name("shop"), [room], []);
    let kept = destroy(&world.cx, &removal, &options(&world, Data::Keep)).await.unwrap();
    assert_eq!((kept.outcome, &*kept.findings[0].rule), (Outcome::Refused, "data-of-objects"));
    let gone = destroy(&world.cx, &removal, &options(&world, Data::Remove)).await.unwrap();
    assert_eq!((gone.outcome, &*gone.findings[0].rule), (Outcome::Done, "data-lost"));
}

/// What a removal of everything ends in, and its steps.
async fn undisturbed(data: Data) -> (serde_json::Value, Vec<String>) {
    let world = deployed().await;
    let report = run(&world, &ALL, data).await;
    let steps = report.plan.steps().iter().map(|step| step.id.to_string()).collect();
    (world.platform.picture(), steps)
}

#[tokio::test]
async fn failing_at_any_step_the_next_run_finishes() {
    let (goal, steps) = undisturbed(Data::Remove).await;
    for step in &steps {
        for fault in [Fault::Refuse, Fault::LandAndFail] {
            let what = format!("{step} {fault:?}");
            let world = deployed().await;
            let before = world.platform.picture();
            world.platform.fail_at(step, fault);
            let report = run(&world, &ALL, Data::Remove).await;
            assert_eq!(report.failure.unwrap().step.as_str(), step, "{what}");
            assert!(report.stuck.is_empty(), "{what}: {:?}", report.stuck);
            if step.starts_with("remove") {
                assert_eq!(report.outcome, Outcome::PartlyDone, "{what}");
                assert!(!report.kept.is_empty(), "{what}: what cannot be undone is named");
            } else {
                // Nothing was removed yet, so everything is as it was.
                assert_eq!(report.outcome, Outcome::Failed, "{what}");
                assert_eq!(world.platform.picture(), before, "{what}");
            }
            world.platform.mend();
            let report = run(&world, &ALL, Data::Remove).await;
            assert!(matches!(report.outcome, Outcome::Done | Outcome::NothingToDo), "{what}");
            assert_eq!(world.platform.picture(), goal, "{what}");
        }
    }
}

/// Runs until the fault holds it, and then drops it, as `kill -9` would.
async fn kill<T>(world: &World, running: impl Future<Output = T>) {
    let killed = tokio::time::timeout(Duration::from_secs(20), running).await;
    assert!(killed.is_err(), "it should hang at its fault");
    world.platform.mend();
}

#[tokio::test(start_paused = true)]
async fn killed_at_any_step_the_next_run_finishes_wherever_it_runs() {
    let (goal, steps) = undisturbed(Data::Remove).await;
    for step in &steps {
        for fault in [Fault::HangBefore, Fault::HangAfter] {
            for elsewhere in [false, true] {
                let what = format!("{step} {fault:?}, elsewhere: {elsewhere}");
                let mut world = deployed().await;
                world.platform.fail_at(step, fault);
                kill(&world, run(&world, &ALL, Data::Remove)).await;
                if elsewhere {
                    world = World::on(Arc::clone(&world.platform));
                }
                let report = run(&world, &ALL, Data::Remove).await;
                assert!(matches!(report.outcome, Outcome::Done | Outcome::NothingToDo), "{what}");
                assert_eq!(world.platform.picture(), goal, "{what}");
                assert_eq!(report.superseded.len(), usize::from(!elsewhere), "{what}");
                let mut writes = world.platform.writes();
                writes.sort();
                let all = writes.len();
                writes.dedup();
                assert_eq!(writes.len(), all, "{what}: nothing is removed twice");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deployment_after_an_interrupted_removal_brings_everything_back() {
    let (_, steps) = undisturbed(Data::Keep).await;
    for step in &steps {
        let world = deployed().await;
        let goal = world.platform.picture();
        world.platform.fail_at(step, Fault::HangAfter);
        kill(&world, run(&world, &ALL, Data::Keep)).await;
        let report = world.deploy(&desired(shop())).await.unwrap();
        assert!(matches!(report.outcome, Outcome::Done | Outcome::NothingToDo), "{step}");
        assert_eq!(report.superseded.len(), 1, "{step}");
        assert_eq!(world.platform.picture(), goal, "{step}");
    }
}

#[tokio::test]
async fn a_removal_stands_in_the_history_and_cannot_be_rolled_back() {
    let world = deployed().await;
    let mut wanted = options(&world, Data::Keep);
    wanted.why = Some("moved elsewhere".into());
    destroy(&world.cx, &removal(&ALL), &wanted).await.unwrap();
    let history: Vec<Deployment> = deployments(&*world.store, &name("shop"), 5).await.unwrap();
    let newest = &history[0];
    assert_eq!((newest.state, newest.targets.len()), (DeploymentState::Done, 3));
    assert!(newest.targets.iter().all(|target| target.fate == Fate::Remove));
    assert_eq!(newest.why.as_deref(), Some("moved elsewhere"));
    let back = RollbackOptions::new(world.options().deployment);
    let report = rollback(&world.cx, &name("shop"), &back).await.unwrap();
    assert_eq!((report.outcome, &*report.findings[0].rule), (Outcome::Refused, "removed"));
    // Deploying again begins anew, and what was removed is no drift of somebody's making.
    let seen = drift(&world.cx, &desired(shop()), &DriftOptions::default()).await.unwrap();
    assert!(seen.drifts.iter().all(|one| one.what.ends_with("is not deployed")), "{seen:?}");
    let report = world.deploy(&desired(shop())).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    let seen = drift(&world.cx, &desired(shop()), &DriftOptions::default()).await.unwrap();
    assert_eq!(seen.drifts, []);
}

/// Deploys `targets` and removes what they do not name.
async fn prune(world: &World, targets: Vec<DesiredTarget>) -> Result<DeployReport, DeployError> {
    let desired: Desired = desired(targets);
    let mut options = world.options();
    options.prune = Some(desired.targets.iter().map(|target| target.worker_ref()).collect());
    deploy(&world.cx, &desired, &options).await
}

/// The shop without `orders`, and `web` no longer calls it.
fn without_orders() -> Vec<DesiredTarget> {
    let mut targets = shop();
    targets.remove(1);
    targets[0].services.clear();
    calls(&mut targets[0], "catalog");
    targets
}

#[tokio::test]
async fn pruning_removes_what_left_the_files_when_all_else_is_done() {
    let world = deployed().await;
    let left = world.deploy(&desired(without_orders())).await.unwrap();
    assert_eq!(left.outcome, Outcome::Done);
    let has_orders = |world: &World| world.platform.version_count(&worker("orders")) > 0;
    assert!(has_orders(&world), "it stays until somebody asks");
    let report = prune(&world, without_orders()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.findings);
    assert_eq!(ids(&report.plan), ["domains main/orders", "remove-worker main/orders"]);
    assert!(!has_orders(&world));
    assert_eq!(report.findings[0].rule, "data-kept");

    let world = deployed().await;
    let mut targets = without_orders();
    targets[1].bundle = bundle("catalog 2");
    let report = prune(&world, targets).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    let order = ids(&report.plan);
    assert_eq!(order[order.len() - 2..], ["domains main/orders", "remove-worker main/orders"]);
    let back = RollbackOptions::new(world.options().deployment);
    let report = rollback(&world.cx, &name("shop"), &back).await.unwrap();
    assert!(report.findings.iter().any(|one| one.rule == "removed"), "{:?}", report.findings);
}

#[tokio::test]
async fn pruning_touches_nobody_elses_workers_and_none_that_is_still_called() {
    let world = deployed().await;
    world.platform.add_foreign_worker(&worker("legacy"));
    let mut targets = shop();
    targets.remove(1);
    let report = prune(&world, targets).await.unwrap();
    assert_eq!((report.outcome, &*report.findings[0].rule), (Outcome::Refused, "still-called"));
    let report = prune(&world, without_orders()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    assert_eq!(world.platform.version_count(&worker("legacy")), 1);
    // All that the files name counts, whatever is deployed now.
    let only = desired(vec![without_orders().remove(1)]);
    let mut options = world.options();
    let named: BTreeSet<_> = shop().iter().map(|target| target.worker_ref()).collect();
    options.prune = Some(named);
    let report = deploy(&world.cx, &only, &options).await.unwrap();
    assert_eq!(report.outcome, Outcome::NothingToDo);
}

#[tokio::test]
async fn pruning_spares_protected_environments_and_what_nobody_knows() {
    let world = deployed().await;
    for elsewhere in [false, true] {
        let world =
            if elsewhere { World::on(Arc::clone(&world.platform)) } else { deployed().await };
        let desired = desired(without_orders());
        let mut options = world.options();
        options.prune = Some(desired.targets.iter().map(|target| target.worker_ref()).collect());
        options.protected.insert(target_id("orders").environment);
        let report = deploy(&world.cx, &desired, &options).await.unwrap();
        let rules: Vec<_> = report.findings.iter().map(|finding| &*finding.rule).collect();
        assert_eq!(report.outcome, Outcome::Refused, "{rules:?}");
        assert!(rules.contains(&"protected"), "{rules:?}");
        assert!(world.platform.version_count(&worker("orders")) > 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pruning_that_was_killed_is_finished_and_one_that_fails_leaves_what_was_deployed() {
    let mut targets = without_orders();
    targets[1].bundle = bundle("catalog 2");
    for step in ["domains main/orders", "remove-worker main/orders", "commit main/catalog"] {
        for fault in [Fault::HangBefore, Fault::HangAfter] {
            let world = deployed().await;
            world.platform.fail_at(step, fault);
            kill(&world, prune(&world, targets.clone())).await;
            let report = prune(&world, targets.clone()).await.unwrap();
            assert!(matches!(report.outcome, Outcome::Done | Outcome::NothingToDo), "{step}");
            assert_eq!(report.superseded.len(), 1, "{step} {fault:?}");
            assert_eq!(world.platform.version_count(&worker("orders")), 0, "{step}");
        }
    }
    let world = deployed().await;
    world.platform.fail_at("remove-worker main/orders", Fault::Refuse);
    let report = prune(&world, targets.clone()).await.unwrap();
    assert_eq!(report.outcome, Outcome::PartlyDone);
    let seen = drift(&world.cx, &desired(targets), &DriftOptions::default()).await.unwrap();
    assert_eq!(seen.drifts, [], "what was deployed stays deployed");
    assert!(report.targets.iter().any(|target| target.id == target_id("catalog")));
    assert!(world.platform.picture().to_string().contains(host("web").as_str()));
}
