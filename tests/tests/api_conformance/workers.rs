use crate::cloud::{Cloud, binding, hello};
use clodo_cf_api::{
    ApiErrorKind, KnownBinding, ModuleKind, Observability, UploadModule, WorkerUpload,
    worker_settings,
    worker_settings::{ScriptSettings, SettingsChange},
    workers::{self, NewWorker, WorkerChange, WorkerContent},
};

// conformance: workers | PUT /accounts/{account}/workers/scripts/{script} | documented
// conformance: workers | GET /accounts/{account}/workers/scripts | documented
// conformance: workers | GET /accounts/{account}/workers/workers | documented
// conformance: workers | GET /accounts/{account}/workers/workers/{worker} | documented
// conformance: workers | GET /accounts/{account}/workers/services/{script} | documented
// conformance: workers | GET /accounts/{account}/workers/services/{script}/environments/{environment} | documented
// conformance: workers | GET /accounts/{account}/workers/scripts/{script}/references | documented
// conformance: workers | GET /accounts/{account}/workers/tails/by-consumer/{script} | documented
// conformance: workers | DELETE /accounts/{account}/workers/services/{script} | documented
#[tokio::test]
async fn a_worker_is_uploaded_listed_and_removed() {
    let cloud = Cloud::open().await;
    let worker = cloud.worker("plain").await;
    let (client, account) = (&cloud.client, &cloud.account);
    let scripts = client.list(workers::list_scripts(account)).await.unwrap();
    assert!(scripts.iter().any(|script| script.id == worker));
    let all = client.list(workers::list_workers(account)).await.unwrap();
    assert!(all.iter().any(|one| one.name == worker));
    assert_eq!(client.send(workers::worker(account, &worker)).await.unwrap().name, worker);
    let service = client.send(workers::service(account, &worker)).await.unwrap();
    assert_eq!(service.default_environment.unwrap().environment, "production");
    let environment = workers::service_environment(account, &worker, "production");
    assert!(client.send(environment).await.unwrap().script.is_some());
    let used = client.send(workers::dependents(account, &worker)).await.unwrap();
    assert!(used.services.incoming.is_empty());
    assert!(client.list(workers::tails_into(account, &worker)).await.unwrap().is_empty());
    cloud.remove_worker(&worker).await;
    let error = client.send(workers::worker(account, &worker)).await.unwrap_err();
    assert_eq!(error.kind(), ApiErrorKind::NotFound, "{error}");
}

// conformance: workers | GET /accounts/{account}/workers/scripts/{script}/content/v2 | documented
// conformance: workers | GET /accounts/{account}/workers/services/{script}/environments/{environment}/content/v2 | documented
// conformance: workers | PUT /accounts/{account}/workers/scripts/{script}/content | documented
#[tokio::test]
async fn code_comes_back_as_it_was_uploaded() {
    let cloud = Cloud::open().await;
    let worker = cloud.worker("content").await;
    let (client, account) = (&cloud.client, &cloud.account);
    let upload = hello("two")
        .with_module(UploadModule::new("./data.txt", ModuleKind::Text, "text\r\n--x\r\n"))
        .with_module(UploadModule::new("./data.bin", ModuleKind::Data, vec![0, 255, 13, 10]));
    client.send(workers::put_script(account, &worker, &upload).unwrap()).await.unwrap();
    let content = client.worker_content(account, &worker, None).await.unwrap();
    assert_eq!(content.entry.as_deref(), Some("index.js"));
    assert_eq!(content.modules, upload.modules);
    let answer = client.send(workers::service_content(account, &worker, "production")).await;
    let read = WorkerContent::read(answer.unwrap(), 1 << 20).await.unwrap();
    assert_eq!(read, content);
    let stage = client.send(workers::service_content(account, &worker, "stage")).await;
    assert_eq!(stage.unwrap_err().kind(), ApiErrorKind::NotFound);
    client.send(workers::put_content(account, &worker, &hello("three"))).await.unwrap();
    let content = client.worker_content(account, &worker, None).await.unwrap();
    assert!(String::from_utf8_lossy(&content.modules[0].body).contains("'three"), "{content:?}");
    let old = "addEventListener('fetch', e => e.respondWith(new Response('old')))";
    let upload = WorkerUpload::script("worker.js", old).compatible_with("2026-01-01");
    client.send(workers::put_script(account, &worker, &upload).unwrap()).await.unwrap();
    let answer = client.send(workers::content(account, &worker, None)).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/javascript");
    let read = WorkerContent::read(answer, 1 << 20).await.unwrap();
    assert_eq!((read.modules.len(), &read.modules[0].body[..]), (1, old.as_bytes()));
    cloud.remove_worker(&worker).await;
}

// conformance: workers | GET /accounts/{account}/workers/scripts/{script}/settings | documented
// conformance: workers | PATCH /accounts/{account}/workers/scripts/{script}/settings | documented
// conformance: workers | GET /accounts/{account}/workers/scripts/{script}/script-settings | documented
// conformance: workers | PATCH /accounts/{account}/workers/scripts/{script}/script-settings | documented
#[tokio::test]
async fn settings_are_read_and_changed() {
    let cloud = Cloud::open().await;
    let worker = cloud.worker("settings").await;
    let (client, account) = (&cloud.client, &cloud.account);
    let word = KnownBinding::PlainText { text: "changed".to_owned() };
    let word = clodo_cf_api::Binding::new(&binding("WORD"), word.into());
    let change = SettingsChange { bindings: Some(vec![word]), ..SettingsChange::default() };
    client.send(worker_settings::patch_settings(account, &worker, &change)).await.unwrap();
    let settings = client.send(worker_settings::settings(account, &worker)).await.unwrap();
    assert_eq!(settings.bindings.len(), 1);
    assert_eq!(settings.compatibility_date.as_deref(), Some("2026-01-01"));
    let change =
        ScriptSettings { tags: Some(vec!["suite".to_owned()]), ..ScriptSettings::default() };
    client.send(worker_settings::patch_script_settings(account, &worker, &change)).await.unwrap();
    let read = client.send(worker_settings::script_settings(account, &worker)).await.unwrap();
    assert_eq!(read.tags, change.tags);
    cloud.remove_worker(&worker).await;
}

// conformance: workers | POST /accounts/{account}/workers/workers | documented
// conformance: workers | PATCH /accounts/{account}/workers/workers/{worker} | documented
// conformance: workers | PUT /accounts/{account}/workers/workers/{worker} | documented
// conformance: workers | GET /accounts/{account}/workers/account-settings | documented
#[tokio::test]
async fn a_worker_without_code_is_made_and_changed() {
    let cloud = Cloud::open().await;
    let (client, account) = (&cloud.client, &cloud.account);
    let new = NewWorker::named(cloud.name("draft"));
    let made = client.send(workers::create_worker(account, &new)).await.unwrap();
    assert_eq!((made.name.as_str(), made.deployed_on), (new.name.as_str(), None));
    let change = WorkerChange {
        tags: Some(vec!["suite".to_owned()]),
        observability: Some(Observability { enabled: true, ..Observability::default() }),
        ..WorkerChange::default()
    };
    client.send(workers::patch_worker(account, &new.name, &change)).await.unwrap();
    let read = client.send(workers::worker(account, &new.name)).await.unwrap();
    assert_eq!(read.tags, ["suite"]);
    assert_eq!(read.observability.unwrap()["enabled"], true);
    let mut to = new.clone();
    to.settings.tags = Some(vec!["other".to_owned()]);
    let replaced = client.send(workers::put_worker(account, &new.name, &to)).await.unwrap();
    assert_eq!((replaced.id, replaced.tags), (made.id, to.settings.tags.unwrap()));
    client.send(workers::account_settings(account)).await.unwrap();
    let gone = workers::delete_script(account, &new.name, workers::Removal::Forced);
    client.send(gone).await.unwrap();
}
