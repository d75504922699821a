use crate::world::{World, bundle, desired, host, name, storefront, target, target_id, worker};
use clodo_orchestrator::{
    BoundTo, DesiredBucket, DesiredDurableObject, DesiredTarget, Drift, DriftKind, DriftOptions,
    DriftReport, Fault, Meddling, Outcome, ResourceRef, RollbackOptions, Route, drift, rollback,
};
use std::collections::BTreeSet;

async fn look(world: &World, targets: Vec<DesiredTarget>) -> DriftReport {
    compare(world, targets, false).await
}

async fn look_deep(world: &World, targets: Vec<DesiredTarget>) -> DriftReport {
    compare(world, targets, true).await
}

async fn compare(world: &World, targets: Vec<DesiredTarget>, deep: bool) -> DriftReport {
    let desired = desired(targets);
    let mut options = DriftOptions::default();
    let named = desired.targets.iter().map(|target| target.worker_ref());
    options.named = Some(named.collect());
    options.deep = deep;
    drift(&world.cx, &desired, &options).await.unwrap()
}

/// The storefront with every kind of binding, address and setting.
fn everything() -> Vec<DesiredTarget> {
    let mut targets = storefront();
    let web = &mut targets[0];
    web.routes.push(Route {
        pattern: "acme.test/web/*".into(),
        zone_name: Some(name("acme.test")),
        zone_id: None,
    });
    web.vars.insert(name("LIMITS"), serde_json::json!({ "a": [1, 2] }));
    web.assets_binding = Some(name("ASSETS"));
    web.compatibility_date = Some("2026-01-01".into());
    web.compatibility_flags = vec!["nodejs_compat".into()];
    web.worker_settings.insert("observability".into(), serde_json::Value::Null);
    web.buckets.push(DesiredBucket {
        binding: name("FILES"),
        name: name("web-files"),
        jurisdiction: None,
    });
    web.durable_objects.push(DesiredDurableObject {
        binding: name("ROOM"),
        class_name: "Room".into(),
        worker: None,
    });
    targets
}

async fn deployed() -> World {
    let world = World::new();
    let report = world.deploy(&desired(everything())).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    world
}

fn kinds(report: &DriftReport) -> Vec<DriftKind> {
    report.drifts.iter().map(|drift| drift.kind).collect()
}

#[tokio::test]
async fn right_after_a_deployment_nothing_has_drifted() {
    let world = deployed().await;
    for deep in [false, true] {
        let report = compare(&world, everything(), deep).await;
        assert_eq!((report.drifts, report.notes), (vec![], vec![]));
        let all = storefront().iter().map(DesiredTarget::worker_ref).collect();
        let (read, believed) = if deep { (all, BTreeSet::new()) } else { (BTreeSet::new(), all) };
        assert_eq!((report.inspected, report.believed), (read, believed));
    }
    // Another machine, which has no record of any deployment, says the same.
    let elsewhere = World::on(world.platform.clone());
    assert_eq!(look(&elsewhere, everything()).await.drifts, []);
    assert!(world.platform.writes().iter().all(|write| !write.starts_with("undo")));
}

#[tokio::test]
async fn nothing_has_drifted_after_a_rollback_an_undone_failure_and_a_second_upload() {
    let world = deployed().await;
    let mut changed = everything();
    changed[0].bundle = bundle("web 2");
    changed[1].crons = Some(vec!["0 0 * * *".into()]);
    world.platform.fail_at("verify main/web", Fault::Refuse);
    let failed = world.deploy(&desired(changed.clone())).await.unwrap();
    assert_eq!(failed.outcome, Outcome::Failed);
    world.platform.mend();
    assert_eq!(look(&world, everything()).await.drifts, [], "after what was undone");
    world.deploy(&desired(changed.clone())).await.unwrap();
    assert_eq!(look(&world, changed.clone()).await.drifts, [], "after a change");
    let back = RollbackOptions::new(world.options().deployment);
    rollback(&world.cx, &name("shop"), &back).await.unwrap();
    assert_eq!(look(&world, everything()).await.drifts, [], "after a rollback");
    let mut again = world.options();
    again.redeploy = everything().iter().map(|target| target.id.clone()).collect();
    let again = clodo_orchestrator::deploy(&world.cx, &desired(everything()), &again).await;
    assert_eq!(again.unwrap().outcome, Outcome::Done);
    assert_eq!(look(&world, everything()).await.drifts, [], "after an upload of the same");
}

/// What somebody does to `web`, what is found, and what is there instead.
fn meddlings() -> Vec<(Meddling, &'static [DriftKind], Option<&'static str>)> {
    use DriftKind::{
        Binding, Compatibility, Domain, Mark, NewerVersion, Resource, Route, Schedule, Secret,
        Settings, Version, WorkerGone, WorkersDev,
    };
    let bind = |name: &str, to| Meddling::Bind(name.into(), to);
    let kv = BoundTo::Secret;
    vec![
        (Meddling::UploadVersion, &[NewerVersion], None),
        (
            bind("LIMITS", Some(BoundTo::Var("x".into()))),
            &[Version, Binding],
            Some("variable \"x\""),
        ),
        (bind("FILES", None), &[Version, Binding], None),
        (bind("EXTRA", Some(BoundTo::Assets)), &[Version, Binding], Some("the assets")),
        (bind("EXTRA", Some(kv)), &[Version, Secret], Some("a secret")),
        (Meddling::SetDate("2020-02-02".into()), &[Version, Compatibility], Some("2020-02-02")),
        (Meddling::SetTags(vec![]), &[Mark], None),
        (Meddling::SetTags(vec!["clodo:shop".into()]), &[Mark], None),
        (Meddling::Set("logpush".into(), false.into()), &[Settings], Some("false")),
        (
            Meddling::Set("observability".into(), serde_json::json!({ "enabled": true })),
            &[Settings],
            None,
        ),
        (Meddling::SwitchWorkersDev, &[WorkersDev], Some("workers.dev off, preview URLs off")),
        (Meddling::SetRoutes(vec![]), &[Route], None),
        (
            Meddling::SetRoutes(vec!["acme.test/web/*".into(), "acme.test/x".into()]),
            &[Route],
            Some("web"),
        ),
        (Meddling::RemoveDomain(host("web")), &[Domain], None),
        (Meddling::AddDomain(host("other")), &[Domain], Some("web")),
        (Meddling::AddDomain(host("orders")), &[Domain], Some("web")),
        (Meddling::Delete, &[WorkerGone], None),
        (Meddling::SetSchedules(vec!["1 1 1 1 *".into()]), &[Schedule], Some("1 1 1 1 *")),
        (Meddling::DeleteDatabase(name("orders-db")), &[Resource], None),
        (bind("KEY", None), &[Version, Secret], None),
    ]
}

#[tokio::test]
async fn what_somebody_did_is_found_and_nothing_else() {
    for (meddling, want, found) in meddlings() {
        // Schedules, databases and secrets are those of `orders`.
        let of_orders =
            matches!(&meddling, Meddling::SetSchedules(_) | Meddling::DeleteDatabase(_))
                || matches!(&meddling, Meddling::Bind(name, None) if name == "KEY");
        let service = if of_orders { "orders" } else { "web" };
        let world = deployed().await;
        world.platform.meddle(&worker(service), meddling.clone());
        let report = look(&world, everything()).await;
        let stolen = meddling == Meddling::AddDomain(host("orders"));
        let target = if stolen { "orders" } else { service };
        let others: Vec<&Drift> =
            report.drifts.iter().filter(|drift| drift.target != Some(target_id(target))).collect();
        assert_eq!(kinds(&report), want, "{meddling:?}: {report:#?}");
        assert!(others.is_empty(), "{meddling:?}: {others:#?}");
        assert!(report.drifts.iter().all(|drift| !drift.hint.is_empty()), "{report:#?}");
        if let Some(found) = found {
            let last = report.drifts.last().unwrap();
            assert_eq!(last.found.as_deref(), Some(found), "{meddling:?}: {report:#?}");
        }
    }
}

#[tokio::test]
async fn only_what_somebody_touched_is_read_in_full() {
    let world = deployed().await;
    let orders = worker("orders");
    world.platform.meddle(&orders, Meddling::SetSchedules(vec!["1 1 1 1 *".into()]));
    let before = world.platform.reads();
    let report = look(&world, everything()).await;
    assert_eq!(kinds(&report), [DriftKind::Schedule]);
    assert_eq!(report.inspected, BTreeSet::from([orders]));
    assert_eq!(report.believed, BTreeSet::from([worker("web"), worker("catalog")]));
    assert_eq!(world.platform.reads() - before, 2, "the listings, and one Worker");
}

#[tokio::test]
async fn an_unchanged_fleet_costs_the_listings_and_all_of_it_only_when_asked() {
    let fleet: Vec<_> = (0..60).map(|number| target(&format!("s{number}"))).collect();
    let world = World::new();
    world.deploy(&desired(fleet.clone())).await.unwrap();
    for (deep, reads) in [(false, 1), (true, 61)] {
        let before = world.platform.reads();
        let report = compare(&world, fleet.clone(), deep).await;
        assert_eq!((report.drifts, report.notes), (vec![], vec![]));
        assert_eq!(world.platform.reads() - before, reads, "deep: {deep}");
    }
    // Without a record there are too many to look at each, which is said.
    let fresh = World::on(world.platform);
    let before = fresh.platform.reads();
    let report = look(&fresh, fleet).await;
    assert_eq!(fresh.platform.reads() - before, 1);
    assert_eq!((report.believed.len(), &*report.notes[0].rule), (60, "not-looked-at"));
    assert!(report.notes[0].hint.as_ref().unwrap().contains("drift --deep"), "{report:#?}");
}

#[tokio::test]
async fn what_leaves_no_trace_in_a_listing_is_found_by_reading_everything() {
    let world = deployed().await;
    world.platform.meddle(&worker("orders"), Meddling::RemakeDatabase(name("orders-db")));
    let report = look(&world, everything()).await;
    assert_eq!(report.drifts, []);
    assert!(report.believed.contains(&worker("orders")), "it says what it did not read");
    let report = look_deep(&world, everything()).await;
    assert_eq!(kinds(&report), [DriftKind::Resource]);
    assert!(report.believed.is_empty());
}

#[tokio::test]
async fn what_the_hint_names_mends_it() {
    for (meddling, ..) in meddlings() {
        let orders = matches!(&meddling, Meddling::SetSchedules(_) | Meddling::DeleteDatabase(_));
        let world = deployed().await;
        world.platform.meddle(&worker(if orders { "orders" } else { "web" }), meddling.clone());
        let drifts = look(&world, everything()).await.drifts;
        let hints: BTreeSet<&str> = drifts.iter().map(|drift| drift.hint.as_str()).collect();
        let mut targets = everything();
        let has = |word: &str| hints.iter().any(|hint| hint.contains(word));
        if has("--adopt") {
            targets.iter_mut().for_each(|target| target.adopt = true);
        }
        let mut options = world.options();
        if has("--redeploy") {
            options.redeploy = targets.iter().map(|target| target.id.clone()).collect();
        }
        let report = clodo_orchestrator::deploy(&world.cx, &desired(targets), &options).await;
        assert_eq!(report.unwrap().outcome, Outcome::Done, "{meddling:?}");
        let left = look(&world, everything()).await.drifts;
        assert_eq!(left, [], "{meddling:?}");
    }
}

#[tokio::test]
async fn traffic_that_was_moved_is_found() {
    let world = deployed().await;
    let mut changed = everything();
    changed[0].bundle = bundle("web 2");
    world.deploy(&desired(changed.clone())).await.unwrap();
    world.platform.meddle(&worker("web"), Meddling::MoveTraffic(1));
    let report = look(&world, changed.clone()).await;
    assert_eq!(kinds(&report), [DriftKind::Traffic], "{report:#?}");
    // On a machine that has no record as well.
    let elsewhere = World::on(world.platform.clone());
    assert_eq!(kinds(&look(&elsewhere, changed.clone()).await), [DriftKind::Traffic]);

    // To another upload of the very same, which only the record can tell.
    world.platform.meddle(&worker("web"), Meddling::MoveTraffic(0));
    let mut again = world.options();
    again.redeploy.insert(target_id("web"));
    clodo_orchestrator::deploy(&world.cx, &desired(changed.clone()), &again).await.unwrap();
    world.platform.meddle(&worker("web"), Meddling::MoveTraffic(1));
    assert_eq!(kinds(&look(&world, changed).await), [DriftKind::Traffic]);
}

#[tokio::test]
async fn files_that_were_not_deployed_are_told_from_what_somebody_did() {
    let world = deployed().await;
    let mut changed = everything();
    changed[2].vars.insert(name("BRAND"), "Zorro".into());
    changed.push(target("fresh"));
    let report = look(&world, changed).await;
    assert_eq!(kinds(&report), [DriftKind::NotDeployed; 2]);
    assert!(report.drifts[0].what.contains(r#"vars.BRAND: "Acme" -> "Zorro""#), "{report:#?}");
    assert_eq!(report.drifts[1].target, Some(target_id("fresh")));
}

#[tokio::test]
async fn strangers_orphans_and_interrupted_deployments_are_named() {
    let world = deployed().await;
    let mut fewer = everything();
    fewer.remove(0);
    let report = look(&world, fewer).await;
    assert_eq!(kinds(&report), [DriftKind::Orphan]);
    assert_eq!(report.drifts[0].worker, worker("web"));

    let mut more = everything();
    more.push(target("legacy"));
    world.platform.add_foreign_worker(&worker("legacy"));
    assert_eq!(kinds(&look(&world, more).await), [DriftKind::Owner]);
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_deployment_is_no_drift_of_its_parts() {
    let world = deployed().await;
    let mut changed = everything();
    changed[0].bundle = bundle("web 2");
    world.platform.fail_at("traffic main/web", Fault::HangAfter);
    let wanted = desired(changed.clone());
    let dying = world.deploy(&wanted);
    let killed = tokio::time::timeout(std::time::Duration::from_secs(20), dying).await;
    assert!(killed.is_err());
    world.platform.mend();
    let report = look(&world, changed.clone()).await;
    assert_eq!(kinds(&report), [DriftKind::Unfinished]);
    world.deploy(&wanted).await.unwrap();
    assert_eq!(look(&world, changed).await.drifts, []);
}

#[tokio::test]
async fn a_secret_that_deployments_carry_over_is_a_note() {
    let world = deployed().await;
    let secret = Meddling::Bind("OLD_KEY".into(), Some(BoundTo::Secret));
    world.platform.meddle(&worker("web"), secret);
    let mut changed = everything();
    changed[0].bundle = bundle("web 2");
    world.deploy(&desired(changed.clone())).await.unwrap();
    let report = look_deep(&world, changed).await;
    assert_eq!(report.drifts, []);
    assert_eq!(report.notes[0].rule, "secret-not-declared");
}

#[tokio::test]
async fn a_database_by_id_that_is_gone_is_found() {
    let world = deployed().await;
    let id = world.platform.bound_id(&worker("catalog"), &name("DB")).unwrap();
    let mut by_id = everything();
    by_id[2].databases[0].resource = ResourceRef::Id(id.parse().unwrap());
    world.deploy(&desired(by_id.clone())).await.unwrap();
    assert_eq!(look(&world, by_id.clone()).await.drifts, []);
    world.platform.meddle(&worker("catalog"), Meddling::DeleteDatabase(name("catalog-db")));
    let report = look(&world, by_id).await;
    assert_eq!(kinds(&report), [DriftKind::Resource]);
    assert_eq!(report.drifts[0].expected, Some(format!("database {id}")));
}
