use crate::cloud::{Cloud, created};
use clodo_cf_api::{
    ApiErrorKind,
    r2::{self, NewBucket, NewObject},
};
use clodo_types::BucketName;
use futures_util::stream;

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
