use clodo_cf_api::{
    AccountId, Client,
    dns::{self, ImportProxying, NewRecord, RecordBatch, Reference},
    zones,
};
use std::error::Error;

/// Makes records one by one, together, and from a zone file.
pub async fn example(client: &Client, account: &AccountId) -> Result<(), Box<dyn Error>> {
    let zone = client.list(zones::list_zones(account)).await?.swap_remove(0);
    let (zone, host) = (zone.id, |name: &str| format!("{name}.{}", zone.name));

    let old = NewRecord::a(host("old"), [192, 0, 2, 1].into()).with_comment("until May");
    let old = client.send(dns::create_record(&zone, &old)).await?;

    let mut moved = RecordBatch::default();
    moved.deletes.push(Reference { id: old.id });
    moved.posts.push(NewRecord::cname(host("www"), host("shop")).proxied());
    client.send(dns::batch(&zone, &moved)).await?;

    let file = format!("{}. 300 IN TXT \"hello there\"\n", host("note"));
    let done = client.send(dns::import(&zone, file, ImportProxying::DnsOnly)?).await?;
    assert_eq!((done.parsed, done.added), (1, 1));

    let text = client.send(dns::export(&zone)).await?.into_body().collect(1 << 20).await?;
    assert!(String::from_utf8(text.to_vec())?.contains("hello there"));
    Ok(())
}
