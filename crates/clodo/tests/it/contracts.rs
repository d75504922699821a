//! The adapters keep the promises of the orchestrator's ports, on the local Cloudflare.

use crate::support::cloud::Cloud;
use clodo::{D1Migrator, Secrets};
use clodo_orchestrator::{Applied, Change, Inputs, MigrationTarget, Platform, conformance};
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_platform_keeps_its_promises() {
    let cloud = Cloud::start().await;
    let platform = cloud.platform(Secrets::new());
    let (account, zone) = ("main".parse().unwrap(), "acme.test".parse().unwrap());
    conformance::platform(&platform, &conformance::Playground { account, zone }).await;
    cloud.local.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_migrator_keeps_its_promises() {
    let cloud = Cloud::start().await;
    let platform = Arc::new(cloud.platform(Secrets::new()));
    let database = database(&*platform).await;
    let migrator = D1Migrator::new(Arc::clone(&platform));
    conformance::migrator(&migrator, &database).await;
    conformance::restores(&*platform, &migrator, &database).await;
    cloud.local.stop().await;
}

async fn database(platform: &dyn Platform) -> MigrationTarget {
    let (account, name) = ("main".parse().unwrap(), "conformance-db".parse().unwrap());
    let change = Change::CreateDatabase { account, name };
    let inputs = Inputs::new("00000000-0000-7000-8000-000000000000".parse().unwrap());
    let Applied::Database(id) = platform.apply(&change, &inputs).await.unwrap() else {
        panic!("a database has an id");
    };
    let (account, name) = ("main".parse().unwrap(), "conformance-db".parse().ok());
    MigrationTarget { account, id, name, table: "d1_migrations".to_owned() }
}
