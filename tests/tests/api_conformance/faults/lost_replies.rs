//! What a lost answer leaves behind where nothing can be looked up by a name.

use crate::cloud::{Cloud, eventually, hello};
use clodo_cf_api::{
    ApiErrorKind,
    queues::{self, NewConsumer, NewMessage},
    versions::{self, NewDeployment},
};
use clodo_types::{VersionId, WorkerName};
use serde_json::json;
use std::collections::BTreeSet;

/// Versions of a Worker that no deployment refers to, present or past.
async fn unreferenced(cloud: &Cloud, worker: &WorkerName) -> Vec<VersionId> {
    let (client, account) = (&cloud.client, &cloud.account);
    let deployments = client.list(versions::list_deployments(account, worker)).await.unwrap();
    let shares = deployments.iter().flat_map(|deployment| &deployment.versions);
    let referenced: BTreeSet<&VersionId> = shares.map(|share| &share.version_id).collect();
    let all = client.list(versions::list_versions(account, worker)).await.unwrap();
    all.into_iter().map(|one| one.id).filter(|id| !referenced.contains(id)).collect()
}

// conformance: limits and faults | a lost answer to an upload leaves one version that nothing refers to, and the error says so | documented
#[tokio::test]
async fn a_lost_reply_leaves_at_most_one_version_and_the_error_says_so() {
    let cloud = Cloud::open().await;
    if cloud.is_live() {
        return;
    }
    let (client, account, worker) = (&cloud.client, &cloud.account, &cloud.worker("left").await);
    assert!(unreferenced(&cloud, worker).await.is_empty());
    let upload = hello("new").with_message("deployment 7");
    let upload = || versions::upload_version(account, worker, &upload).unwrap();
    for kind in ["cut-after", "error-after", "malformed", "cut-body"] {
        let route = "POST /accounts/*/workers/scripts/*/versions";
        let fault = json!({ "kind": kind, "route": route, "times": 1 });
        cloud.control("POST", "faults", fault).await;
        let error = client.send(upload()).await.unwrap_err();
        assert!(error.may_have_happened(), "{kind}: {error}");
        assert_ne!(error.kind(), ApiErrorKind::Invalid, "{kind}: {error}");
        // Who looks finds it by its message, and has nothing to upload again.
        let left = unreferenced(&cloud, worker).await;
        let [left] = &left[..] else { panic!("{kind}: {left:?}") };
        let newest = client.send(versions::version(account, worker, left)).await.unwrap();
        assert_eq!(newest.message(), Some("deployment 7"), "{kind}");
        // Who does not look uploads it again, and deploys that; the first one stays, and is seen.
        let again = client.send(upload()).await.unwrap().id;
        client
            .send(versions::deploy(account, worker, &NewDeployment::all_to(again)))
            .await
            .unwrap();
        assert_eq!(unreferenced(&cloud, worker).await, std::slice::from_ref(left), "{kind}");
        client
            .send(versions::deploy(account, worker, &NewDeployment::all_to(left.clone())))
            .await
            .unwrap();
        assert!(unreferenced(&cloud, worker).await.is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn a_message_is_not_lost_with_the_answer_to_its_pull() {
    let cloud = Cloud::open().await;
    if cloud.is_live() {
        return;
    }
    let (client, account) = (&cloud.client, &cloud.account);
    let queue = client.ensure_queue(account, "letters").await.unwrap().resource.id;
    client.send(queues::create_consumer(account, &queue, &NewConsumer::http_pull())).await.unwrap();
    for kind in super::kinds() {
        client.send(queues::push(account, &queue, &NewMessage::text(kind))).await.unwrap();
        let fault = super::fault(kind, "POST /accounts/*/queues/*/messages/pull");
        cloud.control("POST", "faults", fault).await;
        // Held for 50 ms, also when nobody hears of it.
        let _ = client.send(queues::pull(account, &queue, 10, 50)).await;
        let message = eventually(async || {
            let pulled = client.send(queues::pull(account, &queue, 10, 60_000)).await.ok()?;
            assert!(pulled.messages.len() < 2, "{kind}: {pulled:?}");
            pulled.messages.into_iter().next()
        });
        let message = message.await;
        assert_eq!(message.bytes(), kind.as_bytes());
        client.send(queues::ack(account, &queue, &[message.lease_id], &[])).await.unwrap();
        let left = client.send(queues::metrics(account, &queue)).await.unwrap();
        assert_eq!(left.messages, Some(0), "{kind}");
        cloud.control("DELETE", "faults", json!({})).await;
    }
}
