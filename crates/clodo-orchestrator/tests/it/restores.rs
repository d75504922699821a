//! Rollbacks that put migrated databases back.

use crate::world::{World, bundle, database, desired, name, storefront, target};
use clodo_orchestrator::{
    Data, DeployError, DesiredTarget, Fault, MigrationFile, Outcome, RollbackOptions,
    prepare_rollback, rollback,
};

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

fn options(world: &World, data: Data) -> RollbackOptions {
    let mut options = RollbackOptions::new(world.options().deployment);
    options.data = data;
    options
}

#[tokio::test]
async fn a_database_goes_back_only_when_that_is_asked_for_and_says_what_is_lost() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    let before = world.platform.picture();
    let second = world.deploy(&desired(migrated(true))).await.unwrap();
    let id = second.deployment.unwrap();

    let keep = options(&world, Data::Keep);
    let kept = prepare_rollback(&world.cx, &name("shop"), &keep).await.unwrap();
    let [finding] = &kept.findings[..] else { panic!("{:?}", kept.findings) };
    assert_eq!(finding.rule, "data-kept");
    assert!(finding.hint.as_ref().unwrap().contains("--with-data"), "{finding:?}");

    let lose = options(&world, Data::Remove);
    let report = rollback(&world.cx, &name("shop"), &lose).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.findings);
    let said = format!(
        "database catalog-db is put back to what it was before deployment {id}: \
         all that was written since is lost"
    );
    assert_eq!(report.findings[0].message, said);
    let step = |kind: &str| {
        let mut steps = report.plan.steps().iter();
        steps.find(|step| step.id.as_str().starts_with(kind)).unwrap()
    };
    let restore = step("restore-database main/catalog-db");
    assert_eq!(restore.needs, [step("traffic main/catalog").id.clone()]);
    assert!(step("verify main/catalog").needs.contains(&restore.id), "{:?}", report.plan);
    assert_eq!(world.platform.picture(), before);
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
    world.deploy(&desired(shared)).await.unwrap();
    let keep = options(&world, Data::Keep);
    let error = rollback(&world.cx, &name("shop"), &keep).await.unwrap_err();
    assert!(matches!(error, DeployError::NothingToRollBack), "{error}");
    let lose = options(&world, Data::Remove);
    let report = rollback(&world.cx, &name("shop"), &lose).await.unwrap();
    assert_eq!(report.outcome, Outcome::Done, "{:?}", report.findings);
    let said = &report.findings[0].message;
    assert!(said.ends_with("; catalog, prices use it as well"), "{said}");
    assert_eq!(world.platform.picture(), before);
}

#[tokio::test]
async fn a_rollback_that_fails_leaves_the_database_as_it_was() {
    let world = World::new();
    world.deploy(&desired(storefront())).await.unwrap();
    world.deploy(&desired(migrated(true))).await.unwrap();
    let before = world.platform.picture();
    world.platform.fail_at("commit main/catalog", Fault::Refuse);
    let lose = options(&world, Data::Remove);
    let report = rollback(&world.cx, &name("shop"), &lose).await.unwrap();
    assert_eq!(report.outcome, Outcome::Failed);
    assert_eq!(world.platform.picture(), before);
}
