use crate::cloud::{Cloud, created};
use clodo_cf_api::kv::{self, BulkValue, Lifetime, NewValue};
use clodo_types::{NamespaceId, NamespaceTitle};
use futures_util::TryStreamExt;
use serde_json::json;

async fn namespace(cloud: &Cloud) -> NamespaceId {
    let title: NamespaceTitle = cloud.name("kv");
    created(cloud.client.ensure_namespace(&cloud.account, &title).await.unwrap()).id
}

async fn remove(cloud: &Cloud, id: &NamespaceId) {
    cloud.client.send(kv::delete_namespace(&cloud.account, id)).await.unwrap();
    assert!(cloud.client.find(kv::namespace(&cloud.account, id)).await.unwrap().is_none());
}

// conformance: kv | POST /accounts/{account}/storage/kv/namespaces | documented
// conformance: kv | GET /accounts/{account}/storage/kv/namespaces | documented
// conformance: kv | GET /accounts/{account}/storage/kv/namespaces/{namespace} | documented
// conformance: kv | PUT /accounts/{account}/storage/kv/namespaces/{namespace} | documented
// conformance: kv | DELETE /accounts/{account}/storage/kv/namespaces/{namespace} | documented
#[tokio::test]
async fn a_namespace_is_made_once_renamed_and_removed() {
    let cloud = Cloud::open().await;
    let id = namespace(&cloud).await;
    let title: NamespaceTitle = cloud.name("renamed");
    cloud.client.send(kv::rename_namespace(&cloud.account, &id, &title)).await.unwrap();
    let read = cloud.client.send(kv::namespace(&cloud.account, &id)).await.unwrap();
    assert_eq!(read.title, title.as_str());
    let found = cloud.client.find_namespace(&cloud.account, &title).await.unwrap();
    assert_eq!(found.map(|found| found.id), Some(id.clone()));
    remove(&cloud, &id).await;
}

// conformance: kv | PUT /accounts/{account}/storage/kv/namespaces/{namespace}/values/{key} | documented
// conformance: kv | GET /accounts/{account}/storage/kv/namespaces/{namespace}/values/{key} | documented
// conformance: kv | DELETE /accounts/{account}/storage/kv/namespaces/{namespace}/values/{key} | documented
// conformance: kv | GET /accounts/{account}/storage/kv/namespaces/{namespace}/metadata/{key} | documented
// conformance: kv | GET /accounts/{account}/storage/kv/namespaces/{namespace}/keys | documented
#[tokio::test]
async fn a_value_keeps_its_bytes_its_metadata_and_its_end() {
    let cloud = Cloud::open().await;
    let (client, account, id) = (&cloud.client, &cloud.account, &namespace(&cloud).await);
    for key in ["plain", "a/b c?d#e", "ü\u{1F980}", "%2F", "..."] {
        let value = vec![0, 255, 13, 10];
        client.send(kv::put_value(account, id, NewValue::new(key, value.clone()))).await.unwrap();
        let read = client.send(kv::value(account, id, key)).await.unwrap();
        assert_eq!(read.into_body().collect(99).await.unwrap(), value, "{key}");
    }
    let mut new = NewValue::new("with", "text");
    new.metadata = Some(json!({"a": [1, null]}));
    new.lifetime = Lifetime::Seconds(3600);
    client.send(kv::put_value(account, id, new)).await.unwrap();
    let metadata = client.send(kv::metadata(account, id, "with")).await.unwrap();
    assert_eq!(metadata, json!({"a": [1, null]}));
    let keys: Vec<_> = client.stream(kv::list_keys(account, id, "wi")).try_collect().await.unwrap();
    let key: &kv::Key = &keys[0];
    assert_eq!((keys.len(), &key.metadata), (1, &Some(metadata)));
    assert!(key.expiration.is_some());
    client.send(kv::delete_value(account, id, "with")).await.unwrap();
    assert!(client.find(kv::value(account, id, "with")).await.unwrap().is_none());
    remove(&cloud, id).await;
}

// conformance: kv | PUT /accounts/{account}/storage/kv/namespaces/{namespace}/bulk | documented
// conformance: kv | POST /accounts/{account}/storage/kv/namespaces/{namespace}/bulk/get | documented
// conformance: kv | POST /accounts/{account}/storage/kv/namespaces/{namespace}/bulk/delete | documented
#[tokio::test]
async fn any_number_of_values_is_written_read_and_removed() {
    let cloud = Cloud::open().await;
    let (client, account, id) = (&cloud.client, &cloud.account, &namespace(&cloud).await);
    let values: Vec<_> =
        (0..1_250).map(|n| BulkValue::text(format!("k{n:04}"), format!("v{n}"))).collect();
    let report = client.put_values(account, id, &values).await.unwrap();
    assert_eq!((report.successful_key_count, report.unsuccessful_keys.len()), (Some(1_250), 0));
    let listed = client.list(kv::list_keys(account, id, "")).await.unwrap();
    assert_eq!(listed.len(), 1_250, "more than one page");
    let mut wanted: Vec<_> = listed.iter().take(150).map(|key| key.name.clone()).collect();
    wanted.push("missing".to_owned());
    let read = client.values(account, id, &wanted).await.unwrap();
    assert_eq!((read.len(), &read["k0149"].value), (150, &json!("v149")));
    let all: Vec<_> = listed.into_iter().map(|key| key.name).collect();
    client.delete_values(account, id, &all).await.unwrap();
    assert!(client.list(kv::list_keys(account, id, "")).await.unwrap().is_empty());
    remove(&cloud, id).await;
}
