use clodo_cf_api::{
    AccountId, Client,
    kv::{self, BulkValue, Lifetime, NewValue},
};
use serde_json::json;
use std::error::Error;

/// Writes values one by one and many at once, reads them, and removes them.
pub async fn example(client: &Client, account: &AccountId) -> Result<(), Box<dyn Error>> {
    let id = client.ensure_namespace(account, &"sessions".parse()?).await?.resource.id;

    let mut session = NewValue::new("session:a", "anna");
    session.metadata = Some(json!({ "role": "editor" }));
    session.lifetime = Lifetime::Seconds(3600);
    client.send(kv::put_value(account, &id, session)).await?;
    let more: Vec<_> = (0..12_000).map(|n| BulkValue::text(format!("hit:{n}"), "1")).collect();
    client.put_values(account, &id, &more).await?;

    let value = client.send(kv::value(account, &id, "session:a")).await?;
    assert_eq!(value.into_body().collect(1 << 20).await?, "anna");
    assert!(client.find(kv::value(account, &id, "session:b")).await?.is_none());
    let sessions = client.list(kv::list_keys(account, &id, "session:")).await?;
    assert_eq!(sessions[0].metadata, Some(json!({ "role": "editor" })));

    client.send(kv::delete_namespace(account, &id)).await?;
    Ok(())
}
