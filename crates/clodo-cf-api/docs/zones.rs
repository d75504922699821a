use clodo_cf_api::{
    AccountId, Client, ZoneName,
    zones::{self, Purge, ZoneChange},
};
use std::error::Error;

/// Makes sure that a zone is there, pauses it, purges a part of its cache, and removes it.
pub async fn example(client: &Client, account: &AccountId) -> Result<(), Box<dyn Error>> {
    let name: ZoneName = "books.test".parse()?;
    let zone = client.ensure_zone(account, &name).await?.resource;

    let pause = ZoneChange { paused: Some(true) };
    let paused = client.send(zones::patch_zone(&zone.id, &pause)).await?;
    assert!(paused.paused);

    let old = Purge::Prefixes(vec!["books.test/covers".to_owned()]);
    client.send(zones::purge_cache(&zone.id, &old)).await?;

    client.send(zones::delete_zone(&zone.id)).await?;
    let named = zones::list_zones_named(account, &name);
    assert!(client.list(named).await?.is_empty());
    Ok(())
}
