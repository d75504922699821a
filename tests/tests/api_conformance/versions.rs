use crate::cloud::{Cloud, binding, hello};
use clodo_cf_api::{
    KnownBinding,
    triggers::{self, SubdomainChange},
    versions::{self, Caution, CodeUpdate, NewDeployment, Share, TrafficSplit, VersionChange},
};

// conformance: versions | POST /accounts/{account}/workers/scripts/{script}/versions | documented
// conformance: versions | GET /accounts/{account}/workers/scripts/{script}/versions | documented
// conformance: versions | GET /accounts/{account}/workers/scripts/{script}/versions/{version} | documented
// conformance: versions | POST /accounts/{account}/workers/scripts/{script}/deployments | documented
// conformance: versions | GET /accounts/{account}/workers/scripts/{script}/deployments | documented
// conformance: versions | GET /accounts/{account}/workers/scripts/{script}/deployments/{deployment} | documented
// conformance: versions | DELETE /accounts/{account}/workers/scripts/{script}/deployments/{deployment} | documented
#[tokio::test]
async fn versions_get_their_shares_of_traffic() {
    let cloud = Cloud::open().await;
    let worker = cloud.worker("versions").await;
    let (client, account) = (&cloud.client, &cloud.account);
    let upload = hello("two").with_message("second").with_tag("r2").keeping_secrets();
    let second = versions::upload_version(account, &worker, &upload).unwrap();
    let second = client.send(second).await.unwrap();
    assert_eq!((second.message(), second.tag()), (Some("second"), Some("r2")));
    let read = client.send(versions::version(account, &worker, &second.id)).await.unwrap();
    assert!(read.resources.unwrap().script.handlers.contains(&"fetch".to_owned()));
    let all = client.list(versions::list_versions(account, &worker)).await.unwrap();
    let first = all.iter().find(|version| version.id != second.id).unwrap();
    let deployable = versions::list_deployable_versions(account, &worker);
    assert_eq!(client.list(deployable).await.unwrap().len(), 2);
    let share = |version: &versions::Version, percentage| Share {
        version_id: version.id.clone(),
        percentage,
    };
    let split = TrafficSplit::new(vec![share(first, 90.0), share(&second, 10.0)]).unwrap();
    let mut new = NewDeployment::new(split).with_message("canary");
    new.caution = Caution::Override;
    new.code_update = Some(CodeUpdate::Deferred { max_delay: 300 });
    client.send(versions::deploy(account, &worker, &new)).await.unwrap();
    let all_of_it = NewDeployment::all_to(second.id.clone());
    let last = client.send(versions::deploy(account, &worker, &all_of_it)).await.unwrap();
    let history = client.list(versions::list_deployments(account, &worker)).await.unwrap();
    assert_eq!((&history[0].id, history[1].versions.len()), (&last.id, 2));
    assert_eq!(history[1].message(), Some("canary"));
    let read = client.send(versions::deployment(account, &worker, &last.id)).await.unwrap();
    assert_eq!(read.versions[0].version_id, second.id);
    let old = versions::delete_deployment(account, &worker, &history[1].id);
    client.send(old).await.unwrap();
    let left = client.list(versions::list_deployments(account, &worker)).await.unwrap();
    assert_eq!(left.len() + 1, history.len());
    let on = SubdomainChange { enabled: true, previews_enabled: None };
    client.send(triggers::set_subdomain(account, &worker, on)).await.unwrap();
    if let Some(answer) = cloud.visit(&cloud.host(&worker).await, "/").await {
        assert_eq!(answer, "two none");
    }
    cloud.remove_worker(&worker).await;
}

// conformance: versions | PATCH /accounts/{account}/workers/workers/{worker}/versions/latest | documented
#[tokio::test]
async fn the_latest_version_is_changed_without_its_code() {
    let cloud = Cloud::open().await;
    let worker = cloud.worker("latest").await;
    let (client, account) = (&cloud.client, &cloud.account);
    let word = KnownBinding::PlainText { text: "patched".to_owned() };
    let change = VersionChange {
        bindings: [(binding("WORD"), Some(word.into()))].into(),
        message: Some("by patch".to_owned()),
        tag: None,
    };
    let made = client.send(versions::patch_latest_version(account, &worker, &change)).await;
    let read = versions::version(account, &worker, &made.unwrap().id);
    let read = client.send(read).await.unwrap();
    assert_eq!(read.message(), Some("by patch"));
    assert_eq!(read.resources.unwrap().bindings[0].name(), "WORD");
    let change = VersionChange { bindings: [(binding("WORD"), None)].into(), ..change };
    let made = client.send(versions::patch_latest_version(account, &worker, &change)).await;
    let read = versions::version(account, &worker, &made.unwrap().id);
    assert!(client.send(read).await.unwrap().resources.unwrap().bindings.is_empty());
    cloud.remove_worker(&worker).await;
}
