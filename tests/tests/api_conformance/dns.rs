use crate::cloud::{Cloud, created};
use clodo_cf_api::{
    ApiErrorKind,
    dns::{self, Identified, NewRecord, RecordBatch, RecordChange, Reference},
    zones,
};
use clodo_types::ZoneName;

// conformance: zones | GET /zones | documented
// conformance: zones | POST /zones | documented
// conformance: zones | GET /zones/{zone} | documented
// conformance: zones | DELETE /zones/{zone} | documented
#[tokio::test]
async fn a_zone_is_made_once_found_and_removed() {
    let cloud = Cloud::open().await;
    if cloud.is_live() {
        return; // A real zone needs a real domain.
    }
    let name: ZoneName = "suite.test".parse().unwrap();
    let zone = created(cloud.client.ensure_zone(&cloud.account, &name).await.unwrap());
    let again = cloud.client.ensure_zone(&cloud.account, &name).await.unwrap();
    assert_eq!(again.resource.id, zone.id);
    let read = cloud.client.send(zones::zone(&zone.id)).await.unwrap();
    assert_eq!((&read.name, read.status.as_deref()), (&name, Some("active")));
    cloud.client.send(zones::delete_zone(&zone.id)).await.unwrap();
    let gone = cloud.client.find(zones::zone(&zone.id)).await;
    assert!(matches!(&gone, Ok(None)) || gone.is_err(), "{gone:?}");
    let named = zones::list_zones_named(&cloud.account, &name);
    assert!(cloud.client.list(named).await.unwrap().is_empty());
}

// conformance: dns | POST /zones/{zone}/dns_records | documented
// conformance: dns | GET /zones/{zone}/dns_records | documented
// conformance: dns | GET /zones/{zone}/dns_records/{record} | documented
// conformance: dns | PUT /zones/{zone}/dns_records/{record} | documented
// conformance: dns | PATCH /zones/{zone}/dns_records/{record} | documented
// conformance: dns | DELETE /zones/{zone}/dns_records/{record} | documented
// conformance: dns | POST /zones/{zone}/dns_records/batch | documented
// conformance: dns | GET /zones/{zone}/dns_records/export | documented
// conformance: dns | POST /zones/{zone}/dns_records/import | documented
#[tokio::test]
async fn records_are_kept_one_by_one_and_together() {
    let cloud = Cloud::open().await;
    let Some(zone) = cloud.zone() else { return };
    let client = &cloud.client;
    let named = client.send(zones::zone(&zone)).await.unwrap().name;
    let host = |what: &str| format!("{what}.{named}");
    let a = NewRecord::a(host("a"), [192, 0, 2, 1].into()).with_comment("suite");
    let made = client.send(dns::create_record(&zone, &a)).await.unwrap();
    assert_eq!((made.content.as_str(), made.comment.as_deref()), ("192.0.2.1", Some("suite")));
    let twice = client.send(dns::create_record(&zone, &a)).await.unwrap_err();
    assert_eq!(twice.kind(), ApiErrorKind::Exists, "{twice}");
    let change = RecordChange { content: Some("192.0.2.2".into()), ..RecordChange::default() };
    let changed = client.send(dns::patch_record(&zone, &made.id, &change)).await.unwrap();
    assert_eq!(
        (changed.content.as_str(), changed.comment.as_deref()),
        ("192.0.2.2", Some("suite"))
    );
    let to = NewRecord::a(host("a"), [192, 0, 2, 3].into());
    let replaced = client.send(dns::put_record(&zone, &made.id, &to)).await.unwrap();
    assert_eq!(replaced.content, "192.0.2.3");
    let read = client.send(dns::record(&zone, &made.id)).await.unwrap();
    assert_eq!((read.id, read.kind.as_str()), (made.id.clone(), "A"));

    let text =
        client.send(dns::create_record(&zone, &NewRecord::txt(host("b"), "x"))).await.unwrap();
    let batch = RecordBatch {
        deletes: vec![Reference { id: text.id.clone() }],
        patches: vec![Identified { id: made.id.clone(), to: change.clone() }],
        puts: Vec::new(),
        posts: vec![NewRecord::aaaa(host("c"), "2001:db8::1".parse().unwrap())],
    };
    let done = client.send(dns::batch(&zone, &batch)).await.unwrap();
    assert_eq!((done.deletes.len(), done.patches.len(), done.posts.len()), (1, 1, 1));
    let broken = RecordBatch {
        deletes: vec![Reference { id: made.id.clone() }],
        posts: vec![NewRecord::new(host("d"), "A", "no address")],
        ..RecordBatch::default()
    };
    client.send(dns::batch(&zone, &broken)).await.unwrap_err();
    assert!(client.find(dns::record(&zone, &made.id)).await.unwrap().is_some(), "all or nothing");
    let file = client.send(dns::export(&zone)).await.unwrap();
    let file = file.into_body().collect(1 << 20).await.unwrap();
    assert!(String::from_utf8_lossy(&file).contains("192.0.2.2"), "{file:?}");
    let file =
        format!("{}. 300 IN TXT \"imported\"\n{}. 300 IN A 192.0.2.9\n", host("i"), host("a"));
    let import = dns::import(&zone, file.clone(), dns::ImportProxying::DnsOnly).unwrap();
    let once = client.send(import).await.unwrap();
    assert_eq!((once.parsed, once.added), (2, 2));
    let again = dns::import(&zone, file, dns::ImportProxying::DnsOnly).unwrap();
    let again = client.send(again).await.unwrap();
    assert_eq!((again.parsed, again.added, again.refused.len()), (2, 0, 2));
    for record in client.list(dns::list_records(&zone)).await.unwrap() {
        let imported = record.content == "192.0.2.9" || record.content.contains("imported");
        if imported || record.id == made.id || done.posts.iter().any(|post| post.id == record.id) {
            client.send(dns::delete_record(&zone, &record.id)).await.unwrap();
        }
    }
    assert!(client.find(dns::record(&zone, &made.id)).await.unwrap().is_none());
}
