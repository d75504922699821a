use crate::cloud::{Cloud, created};
use clodo_cf_api::{
    ApiErrorKind,
    r2::{self, NewBucket, NewObject, R2Backups},
};
use clodo_db::BackupStore as _;
use clodo_types::BucketName;
use futures_util::stream;
use std::{
    fs,
    io::{self, Write as _},
};

async fn bucket(cloud: &Cloud) -> BucketName {
    let new = NewBucket::named(cloud.name("r2"));
    created(cloud.client.ensure_bucket(&cloud.account, &new).await.unwrap()).name
}

// conformance: r2 | POST /accounts/{account}/r2/buckets | documented
// conformance: r2 | GET /accounts/{account}/r2/buckets | documented
// conformance: r2 | GET /accounts/{account}/r2/buckets/{bucket} | documented
// conformance: r2 | DELETE /accounts/{account}/r2/buckets/{bucket} | documented
#[tokio::test]
async fn a_bucket_is_made_once_and_removed_when_it_is_empty() {
    let cloud = Cloud::open().await;
    let (client, account, name) = (&cloud.client, &cloud.account, &bucket(&cloud).await);
    let all = client.list(r2::list_buckets(account)).await.unwrap();
    assert!(all.iter().any(|bucket| bucket.name == *name));
    client.send(r2::put_object(account, name, NewObject::new("k", "v"))).await.unwrap();
    let full = client.send(r2::delete_bucket(account, name)).await.unwrap_err();
    assert_eq!(full.kind(), ApiErrorKind::Conflict, "{full}");
    client.send(r2::delete_object(account, name, "k")).await.unwrap();
    client.send(r2::delete_bucket(account, name)).await.unwrap();
    assert!(client.find(r2::bucket(account, name)).await.unwrap().is_none());
}

// conformance: r2 | PUT /accounts/{account}/r2/buckets/{bucket}/objects/{key} | documented
// conformance: r2 | GET /accounts/{account}/r2/buckets/{bucket}/objects/{key} | documented
// conformance: r2 | GET /accounts/{account}/r2/buckets/{bucket}/objects | documented
// conformance: r2 | DELETE /accounts/{account}/r2/buckets/{bucket}/objects/{key} | documented
#[tokio::test]
async fn objects_stream_both_ways() {
    let cloud = Cloud::open().await;
    let (client, account, name) = (&cloud.client, &cloud.account, &bucket(&cloud).await);
    let chunk = vec![7_u8; 1 << 16];
    let chunks = stream::iter((0..32).map(move |_| Ok(chunk.clone().into())));
    let body = clodo_cf_api::Body::from_stream(chunks, Some(32 << 16));
    let new = NewObject::new("a folder/ü.bin", body).with_content_type("image/png");
    let stored = client.send(r2::put_object(account, name, new)).await.unwrap();
    assert_eq!(stored.size, Some(32 << 16));
    let read = client.send(r2::object(account, name, "a folder/ü.bin")).await.unwrap();
    assert_eq!(read.headers()["content-type"], "image/png");
    assert_eq!(read.into_body().collect(4 << 20).await.unwrap().len(), 32 << 16);
    client.send(r2::put_object(account, name, NewObject::new("b", "x"))).await.unwrap();
    let listed = client.list(r2::list_objects(account, name, "a folder/")).await.unwrap();
    assert_eq!(
        listed.iter().map(|object| object.key.as_str()).collect::<Vec<_>>(),
        ["a folder/ü.bin"]
    );
    for object in client.list(r2::list_objects(account, name, "")).await.unwrap() {
        client.send(r2::delete_object(account, name, &object.key)).await.unwrap();
    }
    assert!(client.find(r2::object(account, name, "b")).await.unwrap().is_none());
    client.send(r2::delete_bucket(account, name)).await.unwrap();
}

// conformance: r2 | PUT /accounts/{account}/r2/buckets/{bucket}/cors | documented
// conformance: r2 | GET /accounts/{account}/r2/buckets/{bucket}/cors | documented
// conformance: r2 | DELETE /accounts/{account}/r2/buckets/{bucket}/cors | documented
// conformance: r2 | PUT /accounts/{account}/r2/buckets/{bucket}/lifecycle | documented
// conformance: r2 | GET /accounts/{account}/r2/buckets/{bucket}/lifecycle | documented
#[tokio::test]
async fn rules_for_browsers_and_for_time_are_kept() {
    let cloud = Cloud::open().await;
    let (client, account, name) = (&cloud.client, &cloud.account, &bucket(&cloud).await);
    let allowed = r2::CorsAllowed {
        methods: vec!["GET".to_owned()],
        origins: vec!["https://acme.test".to_owned()],
        headers: Vec::new(),
    };
    let rule = r2::CorsRule { allowed, max_age_seconds: Some(60), ..r2::CorsRule::default() };
    client.send(r2::put_cors(account, name, std::slice::from_ref(&rule))).await.unwrap();
    let read = client.list(r2::cors(account, name)).await.unwrap();
    assert_eq!((read.len(), &read[0].allowed), (1, &rule.allowed));
    client.send(r2::delete_cors(account, name)).await.unwrap();
    let left = client.list(r2::cors(account, name)).await;
    assert!(left.as_ref().is_ok_and(Vec::is_empty) || left.is_err_and(|e| e.is_not_found()));
    let rule = r2::LifecycleRule::expire("old", "logs/", 30);
    client.send(r2::put_lifecycle(account, name, std::slice::from_ref(&rule))).await.unwrap();
    let read = client.list(r2::lifecycle(account, name)).await.unwrap();
    assert!(read.contains(&rule), "{read:?}");
    client.send(r2::delete_bucket(account, name)).await.unwrap();
}

#[tokio::test]
async fn a_bucket_keeps_backups_whole_and_in_parts_as_a_store_promises() {
    let cloud = Cloud::open().await;
    let (client, account, name) = (&cloud.client, &cloud.account, &bucket(&cloud).await);
    let folder = tempfile::tempdir().unwrap();
    for (prefix, part) in [("", u64::MAX), ("shop/main", 64 << 10)] {
        let scratch = folder.path().join("scratch");
        let made =
            R2Backups::new(client.clone(), account.clone(), name.clone(), prefix, scratch.clone());
        let store = made.unwrap().with_part_bytes(part);
        clodo_db::conformance::backup_store(&store).await;
        assert_eq!(fs::read_dir(scratch).unwrap().count(), 0, "nothing is left to wait");

        // What a killed process left goes a day later, with the next backup that has parts.
        let slash = if prefix.is_empty() { "" } else { "/" };
        for day in ["000000000000001", "000000086400002"] {
            let part = NewObject::new(format!("{prefix}{slash}a-{day}.sql.zst.parts/00001"), "x");
            client.send(r2::put_object(account, name, part)).await.unwrap();
        }
        let mut writer = store.begin("a-000000172800001.sql.zst").await.unwrap();
        writer.write_all(&[7; 200_000]).unwrap();
        writer.finish().await.unwrap();
        let left = client.list(r2::list_objects(account, name, prefix)).await.unwrap();
        let old = left.iter().filter(|one| one.key.contains("a-000000000000001")).count();
        assert_eq!(old, usize::from(prefix.is_empty()), "{left:?}");
        assert_eq!(store.list().await.unwrap().len(), 1);
        for day in ["000000000000001", "000000086400002", "000000172800001"] {
            store.remove(&format!("a-{day}.sql.zst")).await.unwrap();
        }

        // Somebody takes a part away.
        let mut writer = store.begin("cut.sql.zst").await.unwrap();
        writer.write_all(&[7; 200_000]).unwrap();
        writer.finish().await.unwrap();
        let keys = client.list(r2::list_objects(account, name, prefix)).await.unwrap();
        let parts: Vec<_> = keys.iter().filter(|one| one.key.contains(".parts/")).collect();
        assert_eq!(parts.len(), if prefix.is_empty() { 0 } else { 4 });
        if let Some(part) = parts.last() {
            client.send(r2::delete_object(account, name, &part.key)).await.unwrap();
            let error = store.open("cut.sql.zst").await.map(drop).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
        }
        store.remove("cut.sql.zst").await.unwrap();
        let left = client.list(r2::list_objects(account, name, "")).await.unwrap();
        assert_eq!(left, [], "no part is left");
    }
    for prefix in ["/", "a//b", "../x", "a/..", "a b"] {
        let made = R2Backups::new(client.clone(), account.clone(), name.clone(), prefix, "x");
        assert!(made.is_err(), "{prefix}");
    }
    client.send(r2::delete_bucket(account, name)).await.unwrap();
}
