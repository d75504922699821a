use clodo_cf_api::{
    AccountId, BucketName, Client,
    r2::{self, ByteRange, LifecycleRule, NewBucket, NewObject},
};
use std::error::Error;

/// Stores an object, reads a part of it, and lets it go after a week.
pub async fn example(client: &Client, account: &AccountId) -> Result<(), Box<dyn Error>> {
    let name: BucketName = "reports".parse()?;
    client.ensure_bucket(account, &NewBucket::named(name.clone())).await?;

    let report = NewObject::new("2026/may.csv", "day,sales\n1,17\n").with_content_type("text/csv");
    let stored = client.send(r2::put_object(account, &name, report)).await?;
    assert_eq!(stored.size, Some(15));

    let tail = r2::object_range(account, &name, "2026/may.csv", ByteRange::Last(5));
    assert_eq!(client.send(tail).await?.into_body().collect(1 << 20).await?, "1,17\n");

    let week = LifecycleRule::expire("week", "2026/", 7);
    client.send(r2::put_lifecycle(account, &name, std::slice::from_ref(&week))).await?;
    assert!(client.list(r2::lifecycle(account, &name)).await?.contains(&week));

    for object in client.list(r2::list_objects(account, &name, "")).await? {
        client.send(r2::delete_object(account, &name, &object.key)).await?;
    }
    client.send(r2::delete_bucket(account, &name)).await?;
    Ok(())
}
