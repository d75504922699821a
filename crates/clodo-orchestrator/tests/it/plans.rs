use crate::world::{
    World, bundle, calls, database, desired, host, ids, name, storefront, target, target_id, worker,
};
use clodo_orchestrator::{
    DeployError, Desired, Fate, Meddling, PlanError, PlanOptions, RecordedConfig, Route, deploy,
    plan, prepare,
};
use clodo_types::Severity;

#[tokio::test]
async fn a_cold_plan_creates_in_order() {
    let world = World::new();
    let plan = world.plan(&desired(storefront())).await;
    insta::assert_snapshot!(ids(&plan).join("\n"), @r"
    create-database main/catalog-db
    migrate main/catalog-db 0001_init.sql
    migrate main/catalog-db 0002_more.sql
    create-namespace main/catalog-cache
    upload main/catalog
    domains main/catalog
    verify main/catalog
    commit main/catalog
    create-database main/orders-db
    migrate main/orders-db 0001_init.sql
    upload main/orders
    domains main/orders
    schedules main/orders
    verify main/orders
    commit main/orders
    upload main/web
    workers-dev main/web
    domains main/web
    verify main/web
    commit main/web
    ");
    assert!(plan.targets().iter().all(|target| target.fate == Fate::Create));
}

#[tokio::test]
async fn a_new_worker_is_shown_with_the_names_of_its_vars_and_secrets_and_no_value() {
    let world = World::new();
    let mut targets = storefront();
    targets[1].vars.insert(name("BRAND"), "Zorro".into());
    targets[1].vars.insert(name("LEVEL"), "info".into());
    let plan = world.plan(&desired(targets)).await;
    let step = plan.steps().iter().find(|step| step.id.as_str() == "upload main/orders").unwrap();
    assert_eq!(step.details[1..], ["vars: BRAND, LEVEL", "secrets: KEY"], "{step:?}");
    assert!(!format!("{:?}", step.details).contains("Zorro"));
}

#[tokio::test]
async fn who_only_looks_is_told_of_what_is_gone_and_who_deploys_is_refused() {
    let world = World::new();
    let mut web = target("web");
    calls(&mut web, "elsewhere");
    world.platform.add_foreign_worker(&worker("elsewhere"));
    world.deploy(&desired(vec![web.clone()])).await.unwrap();
    world.platform.meddle(&worker("elsewhere"), Meddling::Delete);
    let wanted = desired(vec![web]);
    let mut options = world.options();
    options.only_look = true;
    let seen = prepare(&world.cx, &wanted, &options).await.unwrap();
    let [finding] = &seen.findings[..] else { panic!("{:?}", seen.findings) };
    assert_eq!((&*finding.rule, finding.severity), ("bound-gone", Severity::Note));
    assert!(finding.message.contains("`elsewhere`"), "{finding:?}");
    assert_eq!(seen.targets[0].fate, Fate::Unchanged);
    // Nothing is deployed by looking, whatever the options say.
    let refused = deploy(&world.cx, &wanted, &options).await.unwrap_err();
    assert!(matches!(refused, DeployError::Plan(PlanError::NoWorker { .. })), "{refused}");
}

#[tokio::test]
async fn a_changed_worker_costs_three_writes() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    let mut targets = storefront();
    targets[0].bundle = bundle("web, but better");
    let plan = world.plan(&desired(targets)).await;
    assert_eq!(
        ids(&plan),
        ["upload main/web", "traffic main/web", "verify main/web", "commit main/web"]
    );
    let fates: Vec<Fate> = plan.targets().iter().map(|target| target.fate).collect();
    assert_eq!(fates, [Fate::Update, Fate::Unchanged, Fate::Unchanged]);
}

#[tokio::test]
async fn nothing_changed_is_an_empty_plan() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    // On a machine that has never seen it, without any record.
    let world = World::on(world.platform);
    let report = world.deploy(&desired(storefront())).await.unwrap();
    assert!(report.plan.is_empty(), "{:?}", ids(&report.plan));
}

#[tokio::test]
async fn a_plan_says_what_changes_from_what() {
    let world = World::new();
    let mut targets = storefront();
    world.deploy(&desired(targets.clone())).await.unwrap();
    targets[2].vars.insert(name("BRAND"), "Globex".into());
    targets[2].vars.insert(name("LEVEL"), 3.into());
    targets[1].crons = Some(vec!["0 * * * *".into()]);
    let report = world.deploy(&desired(targets)).await.unwrap();
    let details = |id: &str| {
        let mut steps = report.plan.steps().iter();
        steps.find(|step| step.id.as_str() == id).unwrap().details.clone()
    };
    let config = &details("upload main/catalog");
    assert_eq!(config[0], r#"vars.BRAND: "Acme" -> "Globex""#);
    assert_eq!(config[1], "vars.LEVEL: added 3");
    assert_eq!(details("schedules main/orders"), [r#"crons: ["*/5 * * * *"] -> ["0 * * * *"]"#]);
    // Schedules are no reason to upload.
    assert!(!ids(&report.plan).contains(&"upload main/orders"));
}

#[tokio::test]
async fn a_record_of_something_else_is_not_believed() {
    let world = World::new();
    let mut targets = storefront();
    world.deploy(&desired(targets.clone())).await.unwrap();
    targets[2].vars.insert(name("BRAND"), "Globex".into());
    let desired = desired(targets);
    let mut options = PlanOptions::default();
    let config = serde_json::json!({ "vars": { "BRAND": "Initech" } });
    let hashes = desired.targets[2].hashes();
    options.recorded.insert(worker("catalog"), RecordedConfig { hashes, config });
    let plan = plan(&desired, &world.observe(&desired).await, &options).unwrap();
    let text = serde_json::to_string(&plan).unwrap();
    assert!(!text.contains("Initech"), "{text}");
}

#[tokio::test]
async fn domains_and_workers_dev_follow_what_is_live() {
    let world = World::new();
    let mut targets = storefront();
    world.deploy(&desired(targets.clone())).await.unwrap();
    targets[0].domains = [host("shop")].into();
    targets[0].workers_dev.enabled = false;
    let plan = world.plan(&desired(targets.clone())).await;
    assert_eq!(
        ids(&plan),
        ["workers-dev main/web", "domains main/web", "verify main/web", "commit main/web"]
    );
    assert_eq!(plan.steps()[1].details, ["+ shop.acme.test", "- web.acme.test"]);
    // Somebody removed the domain by hand: it comes back.
    world.deploy(&desired(targets.clone())).await.unwrap();
    world.platform.add_domain(&worker("elsewhere"), &host("shop"));
    targets[0].adopt = true;
    let plan = world.plan(&desired(targets)).await;
    assert_eq!(plan.steps()[0].details, ["+ shop.acme.test (was elsewhere's)"]);
}

#[tokio::test]
async fn a_domain_moves_between_targets_without_a_gap() {
    let world = World::new();
    let mut targets = storefront();
    world.deploy(&desired(targets.clone())).await.unwrap();
    let moved = targets[0].domains.pop_first().unwrap();
    targets[1].domains.insert(moved.clone());
    let report = world.deploy(&desired(targets.clone())).await.unwrap();
    assert_eq!(
        ids(&report.plan),
        ["domains main/orders", "verify main/orders", "commit main/orders"]
    );
    assert!(report.plan.steps()[0].details.contains(&format!("+ {moved} (was web's)")));
    let report = world.deploy(&desired(targets)).await.unwrap();
    assert!(report.plan.is_empty());
}

#[tokio::test]
async fn a_foreign_worker_is_refused_until_it_is_adopted() {
    let world = World::new();
    world.platform.add_foreign_worker(&worker("web"));
    let mut web = target("web");
    let plan = world.plan(&desired(vec![web.clone()])).await;
    assert!(plan.is_blocked());
    assert_eq!(plan.findings()[0].rule, "foreign-worker");
    web.adopt = true;
    let plan = world.plan(&desired(vec![web.clone()])).await;
    assert!(!plan.is_blocked());
    let other = Desired::new(name("other"), [web.clone()]);
    world.deploy(&other).await.unwrap();
    web.adopt = false;
    let plan = world.plan(&desired(vec![web])).await;
    assert!(plan.findings()[0].message.contains("belongs to portfolio `other`"));
}

#[tokio::test]
async fn a_domain_of_a_foreign_worker_is_refused() {
    let world = World::new();
    world.platform.add_foreign_worker(&worker("legacy"));
    world.platform.add_domain(&worker("legacy"), &host("web"));
    let plan = world.plan(&desired(vec![target("web")])).await;
    assert_eq!(plan.findings()[0].rule, "domain-taken");
    assert_eq!(plan.findings()[0].severity, Severity::Block);
}

async fn refused(targets: Vec<clodo_orchestrator::DesiredTarget>) -> PlanError {
    let world = World::new();
    let desired = desired(targets);
    let observed = world.observe(&desired).await;
    let error = plan(&desired, &observed, &PlanOptions::default()).unwrap_err();
    assert!(!error.hint().is_empty());
    error
}

#[tokio::test]
async fn contradictions_are_named() {
    let mut twin = target("web");
    twin.id = target_id("twin");
    let text = refused(vec![target("web"), twin.clone()]).await.to_string();
    assert_eq!(text, "web@staging and twin@staging are both worker `web` in account `main`");
    twin.worker = name("twin");
    let text = refused(vec![target("web"), twin]).await.to_string();
    assert_eq!(text, "web@staging and twin@staging both claim web.acme.test");
    let mut lost = target("web");
    lost.domains.insert(name("web.globex.test"));
    let text = refused(vec![lost]).await.to_string();
    assert_eq!(
        text,
        "web@staging claims web.globex.test, which lies in no zone of account `main` (acme.test)"
    );
    let mut lonely = target("web");
    calls(&mut lonely, "orders");
    let text = refused(vec![lonely]).await.to_string();
    assert_eq!(text, "web@staging calls worker `orders`, which does not exist in account `main`");
    let (mut one, mut two) = (target("web"), target("orders"));
    database(&mut one, "db", &[("1.sql", "SELECT 1")]);
    database(&mut two, "db", &[("1.sql", "SELECT 2")]);
    let text = refused(vec![one, two]).await.to_string();
    assert_eq!(text, "web@staging and orders@staging bring different migrations for database `db`");
}

#[tokio::test]
async fn what_must_come_before_itself_is_named() {
    let cycle = || {
        let mut targets = vec![target("a"), target("b"), target("c")];
        calls(&mut targets[0], "b");
        calls(&mut targets[1], "c");
        calls(&mut targets[2], "a");
        targets
    };
    let mut declared = cycle();
    for at in 0..3 {
        let next = declared[(at + 1) % 3].id.clone();
        declared[at].depends_on.insert(next);
    }
    let text = refused(declared).await.to_string();
    assert_eq!(text, "dependency cycle: a@staging -> b@staging -> c@staging -> a@staging");
    // A class of Durable Objects comes with its code alone.
    let mut objects = vec![target("a"), target("b")];
    for (at, holder) in [(0, "b"), (1, "a")] {
        objects[at].durable_objects.push(clodo_orchestrator::DesiredDurableObject {
            binding: name("ROOM"),
            class_name: "Room".into(),
            worker: Some(name(holder)),
        });
    }
    assert!(matches!(refused(objects).await, PlanError::Cycle(_)));
    // Workers that exist answer each other with their old versions meanwhile.
    let world = World::new();
    world.deploy(&desired(vec![target("a"), target("b"), target("c")])).await.unwrap();
    let report = world.deploy(&desired(cycle())).await.unwrap();
    assert_eq!(report.outcome, clodo_orchestrator::Outcome::Done);
}

#[tokio::test]
async fn a_caller_gets_traffic_only_after_what_it_calls_answers() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    let mut targets = storefront();
    for target in &mut targets {
        target.bundle = bundle(&format!("{} 2", target.worker));
    }
    let plan = world.plan(&desired(targets)).await;
    let needs = |id: &str| {
        let step = plan.steps().iter().find(|step| step.id.as_str() == id).unwrap();
        step.needs.iter().map(|need| need.as_str().to_owned()).collect::<Vec<_>>()
    };
    // Uploads need not wait for each other, since all Workers exist.
    assert!(needs("upload main/web").is_empty());
    assert_eq!(needs("traffic main/web"), ["upload main/web", "verify main/orders"]);
    assert_eq!(needs("traffic main/orders"), ["upload main/orders", "verify main/catalog"]);
}

#[tokio::test]
async fn an_edited_migration_blocks_and_a_missing_one_is_noted() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    let mut targets = storefront();
    targets[2].databases.clear();
    database(
        &mut targets[2],
        "catalog-db",
        &[("0001_init.sql", "CREATE TABLE other (id)"), ("0000_late.sql", "SELECT 1")],
    );
    targets[2].databases[0].migrations.reverse();
    let report = world.deploy(&desired(targets)).await.unwrap();
    assert_eq!(report.outcome, clodo_orchestrator::Outcome::Refused);
    let rules: Vec<_> = report.findings.iter().map(|f| (f.rule.as_str(), f.severity)).collect();
    assert_eq!(
        rules,
        [
            ("migration-edited", Severity::Block),
            ("migration-missing", Severity::Note),
            ("migration-out-of-order", Severity::Note),
        ]
    );
    let at = report.findings[0].at.as_ref().unwrap();
    assert_eq!(at.to_string(), "services/catalog-db/migrations/0001_init.sql:1:1");
}

#[tokio::test]
async fn routes_that_leave_the_config_are_removed_only_where_clodo_set_them() {
    let world = World::new();
    let route = |pattern: &str| Route { pattern: pattern.into(), zone_name: None, zone_id: None };
    let mut web = target("web");
    web.routes.push(route("acme.test/shop/*"));
    let plan = world.plan(&desired(vec![web.clone()])).await;
    assert!(ids(&plan).contains(&"routes main/web"));
    world.deploy(&desired(vec![web.clone()])).await.unwrap();
    web.routes.clear();
    let plan = world.plan(&desired(vec![web.clone()])).await;
    assert_eq!(ids(&plan), ["routes main/web", "verify main/web", "commit main/web"]);
    world.platform.add_foreign_worker(&worker("old"));
    let mut old = target("old");
    old.adopt = true;
    let plan = world.plan(&desired(vec![old])).await;
    assert!(!ids(&plan).contains(&"routes main/old"));
}

#[tokio::test]
async fn a_plan_in_json_has_neither_code_nor_secrets() {
    let world = World::new();
    let mut targets = storefront();
    targets[0].bundle = bundle("export default 'the code'");
    let plan = world.plan(&desired(targets)).await;
    let text = serde_json::to_string_pretty(&plan).unwrap();
    assert!(!text.contains("the code") && !text.contains("hunter2"), "{text}");
    assert!(!text.contains("CREATE TABLE"), "{text}");
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let step = &value["steps"][5];
    assert_eq!(step["id"], "domains main/catalog");
    assert_eq!(step["kind"], "domains");
    assert_eq!(step["target"]["service"], "catalog");
    assert_eq!(step["needs"], serde_json::json!(["upload main/catalog"]));
    assert_eq!(step["summary"], "set the domains of catalog");
    assert_eq!(step["details"], serde_json::json!(["+ catalog.acme.test"]));
    assert_eq!(value["targets"][0]["fate"], "create");
}

#[tokio::test]
async fn a_saved_plan_is_carried_out_elsewhere_and_refused_when_the_world_has_moved() {
    use clodo_orchestrator::{Outcome, SavedPlan, deploy};
    use std::sync::Arc;
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    let mut targets = storefront();
    targets[0].bundle = bundle("web, changed");
    let wanted = desired(targets);
    let made = world.options();
    let plan = world.plan(&wanted).await;
    let at = clodo_types::Timestamp::from_millis(0);
    let saved = SavedPlan::new(&plan, &wanted, &made, at, "ada");
    let text = saved.to_json().unwrap();
    assert!(!String::from_utf8_lossy(&text).contains("web, changed"), "no code is in the text");
    let read = SavedPlan::from_json(&text).unwrap();
    let mut again = read.desired().clone();
    assert_eq!(again.attach(&Default::default()).unwrap_err(), read.bundles());
    let bundles = wanted.targets.iter().map(|target| (target.bundle.hash, target.bundle.clone()));
    again.attach(&bundles.collect()).unwrap();
    assert_eq!(again, wanted);
    assert!(read.moved(&plan).is_empty());

    // Meanwhile somebody else deploys something else.
    let mut other = storefront();
    other[0].bundle = bundle("web, of somebody else");
    world.deploy(&desired(other)).await.unwrap();
    let mut options = world.options();
    options.agreed = Some(Arc::new(read));
    let report = deploy(&world.cx, &again, &options).await.unwrap();
    assert_eq!(report.outcome, Outcome::Refused);
    assert_eq!(report.findings[0].rule, "stale-plan");
    assert!(report.findings[0].message.contains("not as it was: upload a new version of web"));

    world.deploy(&desired(storefront())).await.unwrap();
    options.deployment = world.options().deployment;
    assert_eq!(deploy(&world.cx, &again, &options).await.unwrap().outcome, Outcome::Done);
}
