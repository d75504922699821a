use clodo_cf_api::{
    AccountId, Client, Hostname, WorkerName, WorkerUpload,
    triggers::{self, NewDomain, NewRoute, SubdomainChange},
    workers, zones,
};
use std::error::Error;

/// Lets a Worker answer at a hostname of its own and at a pattern, and run every hour.
pub async fn example(client: &Client, account: &AccountId) -> Result<(), Box<dyn Error>> {
    let worker: WorkerName = "shop".parse()?;
    let upload = WorkerUpload::module_worker("index.js", "export default { fetch() {} };")
        .compatible_with("2026-01-01");
    client.send(workers::put_script(account, &worker, &upload)?).await?;
    let off = SubdomainChange { enabled: false, previews_enabled: Some(false) };
    client.send(triggers::set_subdomain(account, &worker, off)).await?;

    let zone = client.list(zones::list_zones(account)).await?.swap_remove(0);
    let hostname: Hostname = format!("shop.{}", zone.name).parse()?;
    let wanted = triggers::domain_changeset(account, &worker, std::slice::from_ref(&hostname));
    assert!(client.send(wanted).await?.conflicting.is_empty(), "somebody else is there");
    let new = NewDomain { hostname, worker: worker.clone(), zone: zone.id.clone() };
    client.send(triggers::put_domain(account, &new)).await?;

    let route = NewRoute { pattern: format!("{}/api/*", zone.name), worker: Some(worker.clone()) };
    client.send(triggers::create_route(&zone.id, &route)).await?;
    client.send(triggers::put_schedules(account, &worker, &["0 * * * *".to_owned()])).await?;
    Ok(())
}
