use crate::world::{World, name};
use clodo_orchestrator::{Applied, Change, Inputs, MigrationTarget, Platform, conformance};

#[tokio::test]
async fn the_platform_in_memory_keeps_its_promises() {
    let world = World::new();
    let place = conformance::Playground { account: name("main"), zone: name("acme.test") };
    let before = world.platform.picture();
    conformance::platform(&*world.platform, &place).await;
    assert_eq!(world.platform.picture(), before);
}

#[tokio::test]
async fn the_migrator_in_memory_records_in_order() {
    let world = World::new();
    let change = Change::CreateDatabase { account: name("main"), name: name("db") };
    let inputs = Inputs::new(name("00000000-0000-7000-8000-000000000000"));
    let Applied::Database(id) = world.platform.apply(&change, &inputs).await.unwrap() else {
        panic!("a database has an id");
    };
    let (account, table) = (name("main"), "d1_migrations".to_owned());
    let database = MigrationTarget { account, id, name: Some(name("db")), table };
    world.platform.fail_at("migrate main/db 0002_broken.sql", clodo_orchestrator::Fault::Refuse);
    conformance::migrator(&*world.platform, &database).await;
    conformance::restores(&*world.platform, &*world.platform, &database).await;
}
