use clodo_cf_api::{
    AccountId, Client, KnownBinding, Migrations, WorkerName, WorkerUpload, durable_objects, workers,
};
use std::error::Error;

const CODE: &str = "import { DurableObject } from 'cloudflare:workers';
export class Room extends DurableObject {}
export default { fetch() {} };";

/// Makes a class whose objects have SQLite databases, and finds its namespace.
pub async fn example(client: &Client, account: &AccountId) -> Result<(), Box<dyn Error>> {
    let worker: WorkerName = "rooms".parse()?;
    let upload = WorkerUpload::module_worker("index.js", CODE)
        .compatible_with("2026-01-01")
        .with_binding(&"ROOM".parse()?, KnownBinding::object_class("Room"))
        .with_migrations(&Migrations::first("v1", ["Room"]));
    client.send(workers::put_script(account, &worker, &upload)?).await?;

    let all = client.list(durable_objects::list_namespaces(account)).await?;
    let found = all.into_iter().find(|one| one.script.as_deref() == Some(worker.as_str()));
    let found = found.ok_or("a class makes a namespace")?;
    assert_eq!((found.class.as_deref(), found.use_sqlite), (Some("Room"), Some(true)));
    assert!(client.list(durable_objects::list_objects(account, &found.id)).await?.is_empty());
    Ok(())
}
