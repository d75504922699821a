//! Migrations are applied once, whole, and as they are written.

use crate::support::{
    cloud::Cloud,
    folder::rules,
    workers::{answering, inputs},
};
use clodo::{CloudflarePlatform, D1Migrator, Secrets};
use clodo_orchestrator::{
    Applied, Change, Desired, DesiredDatabase, MigrationFile, MigrationTarget, Migrator,
    PlanOptions, Platform, ResourceRef, plan,
};
use std::sync::Arc;

async fn database(platform: &CloudflarePlatform) -> MigrationTarget {
    let change =
        Change::CreateDatabase { account: "main".parse().unwrap(), name: "db".parse().unwrap() };
    let applied = platform.apply(&change, &inputs()).await.unwrap();
    let Applied::Database(id) = applied else { panic!("{applied:?}") };
    let (account, name) = ("main".parse().unwrap(), "db".parse().ok());
    MigrationTarget { account, id, name, table: "d1_migrations".to_owned() }
}

fn file(name: &str, sql: &str) -> MigrationFile {
    MigrationFile::new(name, format!("migrations/{name}"), sql)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_first_migration_leaves_nothing_and_the_next_one_works() {
    let cloud = Cloud::start().await;
    let platform = Arc::new(cloud.platform(Secrets::new()));
    let database = database(&platform).await;
    let migrator = D1Migrator::new(Arc::clone(&platform));
    let broken = file("0001_a.sql", "CREATE TABLE a (x);\nINSERT INTO nowhere VALUES (1);");
    let error = migrator.apply(&database, &broken).await.unwrap_err();
    assert_eq!(error.to_string(), "could not apply migrations/0001_a.sql to database `db`");
    assert_eq!(migrator.applied(&database).await.unwrap(), []);
    let good = file("0001_a.sql", "CREATE TABLE a (x);");
    migrator.apply(&database, &good).await.unwrap();
    migrator.apply(&database, &good).await.unwrap();
    let applied = migrator.applied(&database).await.unwrap();
    assert_eq!((applied.len(), applied[0].checksum), (1, Some(good.checksum)));
    cloud.local.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edited_migration_blocks_and_is_not_taken_for_applied() {
    let cloud = Cloud::start().await;
    let platform = Arc::new(cloud.platform(Secrets::new()));
    let database = database(&platform).await;
    let migrator = D1Migrator::new(Arc::clone(&platform));
    migrator.apply(&database, &file("0001_a.sql", "CREATE TABLE a (x);")).await.unwrap();
    let edited = file("0001_a.sql", "CREATE TABLE a (x, y);");
    migrator.apply(&database, &edited).await.unwrap_err();

    let mut web = answering("web", "one");
    web.databases.push(DesiredDatabase {
        binding: "DB".parse().unwrap(),
        resource: ResourceRef::Name("db".parse().unwrap()),
        migrations: vec![edited],
        migrations_table: "d1_migrations".to_owned(),
    });
    let desired = Desired::new("shop".parse().unwrap(), [web]);
    let mut observed = platform.observe(&desired.scope()).await.unwrap();
    let account = observed.accounts.get_mut("main").unwrap();
    account.databases.get_mut("db").unwrap().applied = migrator.applied(&database).await.unwrap();
    let plan = plan(&desired, &observed, &PlanOptions::default()).unwrap();
    assert!(plan.is_blocked());
    assert!(rules(plan.findings()).contains(&"migration-edited"), "{:?}", plan.findings());
    cloud.local.stop().await;
}
