//! Rollbacks that put migrated databases back.

use crate::world::{World, bundle, database, desired, name, storefront, target, target_id, worker};
use clodo_orchestrator::{
    DeployError, DeployReport, DesiredTarget, Fault, Meddling, MigrationFile, MigrationTarget,
    Migrator as _, Outcome, RollbackOptions, prepare_rollback, rollback,
};
use clodo_types::{DeploymentId, Severity};
use std::time::Duration;

/// The storefront with one more file for the catalog's database, and with other code if that is so.
fn migrated(code: bool) -> Vec<DesiredTarget> {
    let mut targets = storefront();
    let sql = "CREATE TABLE price (id)";
    let file = MigrationFile::new("0003_prices.sql", "catalog/migrations/0003_prices.sql", sql);
    targets[2].databases[0].migrations.push(file);
    if code {
        targets[2].bundle = bundle("catalog, with prices");
    }
    targets
}

fn options(world: &World, of: &DeploymentId, databases: bool) -> RollbackOptions {
    let mut options = RollbackOptions::new(world.options().deployment);
    (options.of, options.databases) = (Some(of.clone()), databases);
    options
}

#[tokio::test]
async fn a_database_goes_back_only_when_that_is_asked_for_and_says_what_is_lost() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    let before = world.platform.picture();
    let second = world.deploy(&desired(migrated(true))).await.unwrap();
    let id = second.deployment.unwrap();

    let keep = options(&world, &id, false);
    let kept = prepare_rollback(&world.cx, &name("shop"), &keep).await.unwrap();
    let [finding] = &kept.findings[..] else { panic!("{:?}", kept.findings) };
    assert_eq!(finding.rule, "data-kept");
    assert!(finding.hint.as_ref().unwrap().contains("--with-data"), "{finding:?}");

    let lose = options(&world, &id, true);
    let report = rollback(&world.cx, &name("shop"), &lose).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.findings);
    let said = format!(
        "database catalog-db is put back to what it was before deployment {id}: \
         all that was written since is lost"
    );
    assert_eq!(report.findings[0].message, said);
    let (restore, others) = report.plan.steps().split_last().unwrap();
    assert!(restore.id.as_str().starts_with("restore-database main/catalog-db"), "{restore:?}");
    let all: Vec<_> = others.iter().map(|step| step.id.clone()).collect();
    assert_eq!(restore.needs, all, "nothing that could fail comes after it");
    assert_eq!(world.platform.picture(), before);
    let twice = prepare_rollback(&world.cx, &name("shop"), &options(&world, &id, true)).await;
    let twice = twice.unwrap();
    let refused = twice.findings.iter().find(|finding| finding.rule == "not-put-back");
    assert!(refused.unwrap().message.contains("came since"), "{:?}", twice.findings);
    // What was taken back is deployed again, migration included.
    let again = world.deploy(&desired(migrated(true))).await.unwrap();
    assert_eq!(again.outcome, Outcome::Done);
}

#[tokio::test]
async fn a_deployment_that_only_migrated_can_be_taken_back_as_well() {
    let world = World::new();
    let mut shared = migrated(false);
    let mut prices = target("prices");
    database(&mut prices, "catalog-db", &[]);
    prices.databases[0].migrations.clone_from(&storefront()[2].databases[0].migrations);
    let mut first = storefront();
    first.push(prices.clone());
    world.deploy(&desired(first)).await.unwrap();
    let before = world.platform.picture();
    prices.databases[0].migrations.clone_from(&shared[2].databases[0].migrations);
    shared.push(prices);
    let second = world.deploy(&desired(shared)).await.unwrap();
    let id = second.deployment.unwrap();
    let keep = options(&world, &id, false);
    let error = rollback(&world.cx, &name("shop"), &keep).await.unwrap_err();
    assert!(matches!(error, DeployError::NothingToRollBack), "{error}");
    let lose = options(&world, &id, true);
    let report = rollback(&world.cx, &name("shop"), &lose).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.findings);
    assert_eq!(world.platform.picture(), before);
}

#[tokio::test]
async fn a_database_that_others_use_goes_back_with_them_or_not_at_all() {
    let world = World::new();
    let prices = |targets: &[DesiredTarget]| {
        let mut prices = target("prices");
        database(&mut prices, "catalog-db", &[]);
        prices.databases[0].migrations.clone_from(&targets[2].databases[0].migrations);
        targets.iter().cloned().chain([prices]).collect::<Vec<_>>()
    };
    world.deploy(&desired(prices(&storefront()))).await.unwrap();
    let second = world.deploy(&desired(prices(&migrated(true)))).await.unwrap();
    let mut options = options(&world, &second.deployment.unwrap(), true);
    options.targets = [target_id("catalog")].into();
    let prepared = prepare_rollback(&world.cx, &name("shop"), &options).await.unwrap();
    let refused = prepared.findings.iter().find(|finding| finding.rule == "not-put-back").unwrap();
    assert_eq!(refused.message, "database catalog-db is used by prices as well");
    options.targets.clear();
    let report = rollback(&world.cx, &name("shop"), &options).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.findings);
}

#[tokio::test]
async fn what_a_failed_deployment_migrated_is_not_skipped_unseen() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    world.platform.fail_at("upload main/catalog", Fault::Refuse);
    let failed = world.deploy(&desired(migrated(true))).await.unwrap();
    assert_eq!(failed.outcome, Outcome::PartlyDone);
    world.platform.mend();
    let mut targets = migrated(true);
    let sql = "CREATE TABLE more (id)";
    let file = MigrationFile::new("0004_more.sql", "catalog/migrations/0004_more.sql", sql);
    targets[2].databases[0].migrations.push(file);
    let third = world.deploy(&desired(targets)).await.unwrap();
    let options = options(&world, &third.deployment.unwrap(), true);
    let prepared = prepare_rollback(&world.cx, &name("shop"), &options).await.unwrap();
    let refused = prepared.findings.iter().find(|finding| finding.rule == "not-put-back").unwrap();
    assert!(refused.message.contains("failed after it had migrated"), "{}", refused.message);
}

#[tokio::test]
async fn what_came_since_is_not_lost() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    let second = world.deploy(&desired(migrated(false))).await.unwrap();
    let id = second.deployment.unwrap();
    // Other code for the same database.
    let third = world.deploy(&desired(migrated(true))).await.unwrap();
    let lose = options(&world, &id, true);
    let prepared = prepare_rollback(&world.cx, &name("shop"), &lose).await.unwrap();
    let refused = prepared.findings.iter().find(|finding| finding.rule == "not-put-back").unwrap();
    assert!(refused.message.contains("came since"), "{}", refused.message);
    // That it was taken back makes no difference: somebody may have written in between.
    let mut newest = RollbackOptions::new(world.options().deployment);
    newest.of = third.deployment;
    rollback(&world.cx, &name("shop"), &newest).await.unwrap();
    let prepared = prepare_rollback(&world.cx, &name("shop"), &lose).await.unwrap();
    let refused = prepared.findings.iter().find(|finding| finding.rule == "not-put-back");
    assert!(refused.is_some(), "{:?}", prepared.findings);
}

#[tokio::test(start_paused = true)]
async fn a_database_that_was_put_back_is_not_put_back_again_by_the_next_process() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    let before = world.platform.picture();
    let mut targets = migrated(true);
    let sql = "CREATE TABLE more (id)";
    let file = MigrationFile::new("0002_more.sql", "orders/migrations/0002_more.sql", sql);
    targets[1].databases[0].migrations.push(file);
    targets[1].bundle = bundle("orders, with more");
    let second = world.deploy(&desired(targets)).await.unwrap();
    let id = second.deployment.unwrap();
    world.platform.fail_at("restore-database main/orders-db moment 0", Fault::HangBefore);
    let (lose, shop) = (options(&world, &id, true), name("shop"));
    let dying = rollback(&world.cx, &shop, &lose);
    let killed = tokio::time::timeout(Duration::from_secs(20), dying).await;
    assert!(killed.is_err(), "it should hang: {killed:?}");
    world.platform.mend();
    world.platform.forget_writes();
    let report = rollback(&world.cx, &shop, &options(&world, &id, true)).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.findings);
    let restored = world.platform.writes().into_iter();
    let restored: Vec<_> = restored.filter(|one| one.starts_with("restore-database")).collect();
    assert_eq!(restored, ["restore-database main/orders-db moment 0"]);
    assert_eq!(world.platform.picture(), before);
}

#[tokio::test]
async fn a_rollback_that_fails_leaves_the_database_as_it_was() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    let second = world.deploy(&desired(migrated(true))).await.unwrap();
    let id = second.deployment.unwrap();
    let before = world.platform.picture();
    world.platform.fail_at("commit main/catalog", Fault::Refuse);
    let lose = options(&world, &id, true);
    let report = rollback(&world.cx, &name("shop"), &lose).await.unwrap();
    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!(world.platform.picture(), before);
}

const RESTORE: &str = "restore-database main/catalog-db moment 0";

/// A world in which the catalog was deployed twice, the second time with a migration, and rows are
/// written all the time; the second deployment.
async fn busy() -> (World, DeploymentId) {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    let second = world.deploy(&desired(migrated(true))).await.unwrap();
    write(&world, "before");
    (world, second.deployment.unwrap())
}

fn write(world: &World, row: &str) {
    world.platform.meddle(&worker("catalog"), Meddling::WriteRow(name("catalog-db"), row.into()));
}

fn rows(world: &World) -> serde_json::Value {
    world.platform.picture()["main"]["databases"]["catalog-db"]["rows"].clone()
}

fn restores(world: &World) -> usize {
    world.platform.writes().iter().filter(|write| *write == RESTORE).count()
}

/// Takes a deployment back with its data; the process dies at the restore.
async fn killed(world: &World, of: &DeploymentId, fault: Fault) {
    world.platform.fail_at(RESTORE, fault);
    let (shop, options) = (name("shop"), options(world, of, true));
    let dying = rollback(&world.cx, &shop, &options);
    let killed = tokio::time::timeout(Duration::from_secs(20), dying).await;
    assert!(killed.is_err(), "it should hang: {killed:?}");
    world.platform.mend();
}

async fn again(world: &World, of: &DeploymentId) -> DeployReport {
    rollback(&world.cx, &name("shop"), &options(world, of, true)).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_was_written_after_a_restore_that_nobody_noted_survives_the_next_process() {
    let (world, of) = busy().await;
    killed(&world, &of, Fault::HangAfter).await;
    assert_eq!(rows(&world), serde_json::json!([]));
    write(&world, "after");
    let report = again(&world, &of).await;
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.failure);
    assert_eq!((rows(&world), restores(&world)), (serde_json::json!(["after"]), 1));
}

#[tokio::test(start_paused = true)]
async fn a_restore_that_was_never_asked_for_is_made_once_by_the_next_process() {
    for written in [false, true] {
        let (world, of) = busy().await;
        killed(&world, &of, Fault::HangBefore).await;
        if written {
            write(&world, "meanwhile");
        }
        // The third process knows as much as the second.
        killed(&world, &of, Fault::HangBefore).await;
        assert_eq!(restores(&world), 0);
        let report = again(&world, &of).await;
        assert_eq!(report.outcome, Outcome::Done, "{:?}", report.failure);
        assert_eq!((rows(&world), restores(&world)), (serde_json::json!([]), 1));
    }
}

#[tokio::test(start_paused = true)]
async fn where_nobody_can_know_whether_it_was_put_back_it_stays_and_a_person_is_told() {
    let (world, of) = busy().await;
    killed(&world, &of, Fault::HangAfter).await;
    // Somebody applies the same file again, with wrangler, and goes on.
    let observed = world.observe(&desired(storefront())).await;
    let id = observed.accounts["main"].databases["catalog-db"].id.clone();
    let (account, table) = (name("main"), "d1_migrations".to_owned());
    let database = MigrationTarget { account, id, name: Some(name("catalog-db")), table };
    let file = migrated(true)[2].databases[0].migrations[2].clone();
    world.platform.apply(&database, &file).await.unwrap();
    write(&world, "after");
    let was = world.platform.picture();
    let report = again(&world, &of).await;
    assert_eq!(report.outcome, Outcome::PartlyDone, "{:?}", report.failure);
    assert_eq!((rows(&world), restores(&world)), (serde_json::json!(["after"]), 1));
    assert_eq!(world.platform.picture(), was, "the code from before serves with what is there");
    let failure = report.failure.unwrap();
    let said = &failure.messages[0];
    assert!(said.contains("database catalog-db") && said.contains("bookmark moment 1"), "{said}");
    let hint = failure.hint.unwrap();
    assert!(hint.contains("d1 time-travel restore catalog-db --bookmark=moment 1"), "{hint}");
    // It is not tried behind anybody's back either.
    let refused = again(&world, &of).await;
    assert_eq!(refused.outcome, Outcome::Refused, "{:?}", refused.findings);
}

#[tokio::test]
async fn a_restore_whose_answer_was_lost_is_known_by_what_the_database_lacks() {
    let (world, of) = busy().await;
    world.platform.fail_at(RESTORE, Fault::LandAndFail);
    let report = again(&world, &of).await;
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.failure);
    assert_eq!((rows(&world), restores(&world)), (serde_json::json!([]), 1));
}

#[tokio::test]
async fn a_restore_that_was_refused_leaves_the_code_from_before_and_says_so() {
    let (world, of) = busy().await;
    world.platform.fail_at(RESTORE, Fault::Refuse);
    let report = again(&world, &of).await;
    assert_eq!(report.outcome, Outcome::PartlyDone);
    assert_eq!((rows(&world), restores(&world)), (serde_json::json!(["before"]), 0));
    let kept = report.kept.iter().find(|left| left.step.as_str() == RESTORE).unwrap();
    assert!(kept.why.contains("--bookmark=moment 1"), "{}", kept.why);
}

#[tokio::test]
async fn a_deployment_says_when_its_migrations_can_be_taken_back_no_more() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    world.platform.fail_at("bookmark main/catalog-db", Fault::Refuse);
    let report = world.deploy(&desired(migrated(true))).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done);
    let [finding] = &report.findings[..] else { panic!("{:?}", report.findings) };
    assert_eq!((&*finding.rule, finding.severity), ("no-restore-point", Severity::Note));
    assert!(finding.message.contains("catalog-db"), "{}", finding.message);
    assert!(finding.message.contains("was refused"), "{}", finding.message);
    let lose = options(&world, &report.deployment.unwrap(), true);
    let prepared = prepare_rollback(&world.cx, &name("shop"), &lose).await.unwrap();
    assert!(prepared.is_refused(), "{:?}", prepared.findings);
}
