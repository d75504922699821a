//! A closer look at Workers that somebody else may have changed.

use crate::world::{World, deployment, desired, ids, name, storefront, target, worker};
use clodo_orchestrator::{BoundTo, DeployOptions, Fault, Meddling, Outcome, deploy, prepare};
use serde_json::json;
use std::{sync::Arc, time::Duration};

#[tokio::test]
async fn what_somebody_else_deployed_is_noticed_and_gives_way() {
    for meddling in [
        Meddling::Bind("BRAND".into(), Some(BoundTo::Var(json!("Initech")))),
        Meddling::SetDate("2020-01-01".into()),
    ] {
        let world = World::new();
        world.deploy(&desired(storefront())).await.unwrap();
        let before = world.platform.picture();
        world.platform.meddle(&worker("catalog"), meddling);
        let prepared = prepare(&world.cx, &desired(storefront()), &world.options()).await.unwrap();
        let [finding] = &prepared.findings[..] else { panic!("{:?}", prepared.findings) };
        assert_eq!(finding.rule, "moved-since");
        assert!(finding.message.contains("catalog@staging"), "{}", finding.message);
        assert_eq!(ids(&prepared.plan)[0], "upload main/catalog");
        let report = world.deploy(&desired(storefront())).await.unwrap();
        assert_eq!(report.outcome, Outcome::Done);
        assert_eq!(world.platform.picture(), before, "what the files say serves again");
        let report = world.deploy(&desired(storefront())).await.unwrap();
        assert!(report.plan.is_empty() && report.findings.is_empty(), "{:?}", report.findings);
    }
}

#[tokio::test]
async fn traffic_that_was_moved_back_is_noticed_on_any_machine() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    let mut targets = storefront();
    targets[2].vars.insert(name("BRAND"), "Globex".into());
    world.deploy(&desired(targets.clone())).await.unwrap();
    world.platform.meddle(&worker("catalog"), Meddling::MoveTraffic(1));
    let elsewhere = World::on(world.platform);
    let prepared = prepare(&elsewhere.cx, &desired(targets), &elsewhere.options()).await.unwrap();
    assert_eq!(prepared.findings[0].rule, "moved-since", "{:?}", prepared.findings);
    assert!(!prepared.plan.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_another_machine_deploys_is_told_and_left_alone() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    let mut targets = storefront();
    targets[2].vars.insert(name("BRAND"), "Globex".into());
    // The other machine dies before it writes the mark.
    world.platform.fail_at("commit main/catalog", Fault::HangBefore);
    let elsewhere = World::on(Arc::clone(&world.platform));
    let (there, options) = (desired(targets), DeployOptions::new(deployment(77)));
    let dying = deploy(&elsewhere.cx, &there, &options);
    assert!(tokio::time::timeout(Duration::from_secs(20), dying).await.is_err());
    world.platform.mend();
    let prepared = prepare(&world.cx, &desired(storefront()), &world.options()).await.unwrap();
    assert!(prepared.plan.is_empty(), "{:?}", ids(&prepared.plan));
    let rules: Vec<&str> = prepared.findings.iter().map(|one| one.rule.as_str()).collect();
    assert_eq!(rules, ["deployed-elsewhere"], "{:?}", prepared.findings);
}

#[tokio::test]
async fn a_change_that_serves_nothing_else_is_none() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    world.platform.meddle(&worker("catalog"), Meddling::UploadVersion);
    let prepared = prepare(&world.cx, &desired(storefront()), &world.options()).await.unwrap();
    assert!(prepared.plan.is_empty() && prepared.findings.is_empty(), "{:?}", prepared.findings);
}

#[tokio::test]
async fn what_nobody_touched_costs_the_listings_only() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    let before = world.platform.reads();
    world.plan(&desired(storefront())).await;
    let listings = world.platform.reads() - before;
    world.platform.meddle(&worker("catalog"), Meddling::UploadVersion);
    let before = world.platform.reads();
    world.plan(&desired(storefront())).await;
    assert_eq!(world.platform.reads() - before, listings + 1, "one Worker is looked at");
}

#[tokio::test]
async fn a_machine_without_any_record_looks_at_so_many_and_says_so() {
    for (count, looks, findings) in [(50, 50, 0), (51, 0, 1)] {
        let all: Vec<_> = (0..count).map(|number| target(&format!("s{number}"))).collect();
        let world = World::new();
        world.deploy(&desired(all.clone())).await.unwrap();
        let fresh = World::on(world.platform);
        let before = fresh.platform.reads();
        let prepared = prepare(&fresh.cx, &desired(all), &fresh.options()).await.unwrap();
        assert!(prepared.plan.is_empty());
        assert_eq!(fresh.platform.reads() - before, 1 + looks);
        let rules: Vec<&str> = prepared.findings.iter().map(|one| one.rule.as_str()).collect();
        assert_eq!(rules, vec!["not-looked-at"; findings]);
    }
}
