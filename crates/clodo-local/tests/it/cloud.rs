//! The whole cloud, through its port: what a deploy tool does, and what a browser sees.

use crate::support::{client, workerd};
use clodo_local::{
    CloudError, CloudErrorKind, CloudOptions, Ended, LocalCloud, SeedAccount, Stopped, find, reset,
    run_until_stopped, stop,
};
use clodo_types::SystemClock;
use clodo_workerd::LinkKind;
use http::Request;
use serde_json::{Value, json};
use std::{path::Path, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

pub(crate) async fn options(state: &Path) -> CloudOptions {
    let mut options = CloudOptions::new(state, workerd::binary().await, Arc::new(SystemClock));
    options.seed.accounts = vec![SeedAccount {
        name: "main".parse().unwrap(),
        id: None,
        zones: vec!["acme.test".parse().unwrap()],
    }];
    options
}

pub(crate) async fn started(state: &Path) -> LocalCloud {
    LocalCloud::start(options(state).await).await.unwrap()
}

pub(crate) async fn call(
    cloud: &LocalCloud,
    method: &str,
    path: &str,
    body: impl Into<Vec<u8>>,
) -> Value {
    let account = &cloud.accounts()[0].id;
    let request = Request::builder()
        .method(method)
        .uri(format!("/client/v4/accounts/{account}{path}"))
        .header("host", "127.0.0.1")
        .header("authorization", format!("Bearer {}", cloud.token().expose()))
        .header("content-type", "multipart/form-data; boundary=BOUNDARY");
    let answer = client::send(cloud.port(), request, body.into()).await.json();
    assert_eq!(answer["success"], true, "{method} {path}: {answer}");
    answer["result"].clone()
}

fn upload(metadata: &Value, source: &str) -> Vec<u8> {
    format!(
        "--BOUNDARY\r\ncontent-disposition: form-data; name=\"metadata\"\r\n\r\n{metadata}\r\n\
         --BOUNDARY\r\ncontent-disposition: form-data; name=\"index.js\"; filename=\"index.js\"\r\n\
         content-type: application/javascript+module\r\n\r\n{source}\r\n--BOUNDARY--\r\n"
    )
    .into_bytes()
}

pub(crate) async fn deploy(cloud: &LocalCloud, name: &str, bindings: Value, source: &str) -> Value {
    let metadata = json!({
        "main_module": "index.js", "compatibility_date": "2026-01-01", "bindings": bindings,
    });
    let path = format!("/workers/scripts/{name}");
    let result = call(cloud, "PUT", &path, upload(&metadata, source)).await;
    let domain = json!({ "hostname": format!("{name}.acme.test"), "service": name,
        "zone_name": "acme.test", "environment": "production" });
    call(cloud, "PUT", "/workers/domains", domain.to_string()).await;
    result
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_with_d1_kv_r2_and_a_secret_answers_at_its_hostname_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = started(folder.path()).await;
    let database = call(&cloud, "POST", "/d1/database", r#"{"name":"shop"}"#).await;
    let namespace = call(&cloud, "POST", "/storage/kv/namespaces", r#"{"title":"kv"}"#).await;
    call(&cloud, "POST", "/r2/buckets", r#"{"name":"files"}"#).await;
    let query = format!("/d1/database/{}/query", database["uuid"].as_str().unwrap());
    let sql = json!({ "sql": "CREATE TABLE item (name TEXT); INSERT INTO item VALUES ('tea')" });
    call(&cloud, "POST", &query, sql.to_string()).await;
    let bindings = json!([
        { "type": "d1", "name": "DB", "id": database["uuid"] },
        { "type": "kv_namespace", "name": "KV", "namespace_id": namespace["id"] },
        { "type": "r2_bucket", "name": "FILES", "bucket_name": "files" },
        { "type": "secret_text", "name": "KEY", "text": "s3cret" },
    ]);
    let source = r#"export default { async fetch(request, env) {
        const seen = Number(await env.KV.get("seen") ?? 0) + 1;
        await env.KV.put("seen", String(seen));
        await env.FILES.put("last", String(seen));
        const { results } = await env.DB.prepare("SELECT name FROM item").all();
        const file = await (await env.FILES.get("last")).text();
        return Response.json({ seen, file, results, key: env.KEY.length, url: request.url });
    } };"#;
    deploy(&cloud, "shop", bindings, source).await;
    let seen = |n: u32| {
        json!({ "seen": n, "file": n.to_string(), "results": [{ "name": "tea" }],
        "key": 6, "url": "https://shop.acme.test/x" })
    };
    let get = async |cloud: &LocalCloud| {
        client::get(cloud.port(), "shop.acme.test.localhost:1", "/x").await.json()
    };
    assert_eq!(get(&cloud).await, seen(1));
    assert_eq!(get(&cloud).await, seen(2));
    let (port, token) = (cloud.port(), cloud.token().clone());
    cloud.stop().await;
    let again = started(folder.path()).await;
    assert_eq!(again.port(), port, "the port of the last run");
    assert_eq!(again.token().expose(), token.expose());
    assert_eq!(get(&again).await, seen(3));
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_syntax_error_is_refused_and_the_old_version_keeps_serving() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = started(folder.path()).await;
    let good = "export default { fetch() { return new Response('good') } };";
    deploy(&cloud, "shop", json!([]), good).await;
    let metadata = json!({ "main_module": "index.js", "compatibility_date": "2026-01-01" });
    let request = Request::put(format!(
        "/client/v4/accounts/{}/workers/scripts/shop",
        cloud.accounts()[0].id
    ))
    .header("host", "127.0.0.1")
    .header("authorization", format!("Bearer {}", cloud.token().expose()))
    .header("content-type", "multipart/form-data; boundary=BOUNDARY");
    let bad = upload(&metadata, "export default { fetch() { return new Response('x' } };");
    let answer = client::send(cloud.port(), request, bad).await;
    assert_eq!(answer.status, 400);
    let error = &answer.json()["errors"][0];
    assert_eq!(error["code"], 10021);
    assert!(error["message"].as_str().unwrap().contains("at index.js:1:"), "{error}");
    assert_eq!(client::get(cloud.port(), "shop.acme.test", "/").await.text(), "good");
    cloud.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_folder_has_one_cloud_which_others_can_find_and_stop() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    assert!(find(&state).await.is_none());
    assert_eq!(stop(&state, Duration::from_secs(1)).await.unwrap(), Stopped::NotRunning);
    let (ready, at) = tokio::sync::oneshot::channel();
    let options = options(&state).await;
    let running =
        tokio::spawn(run_until_stopped(options.clone(), CancellationToken::new(), |cloud| {
            let _ = ready.send(cloud.url());
        }));
    let url = at.await.unwrap();
    let found = find(&state).await.unwrap();
    assert_eq!((found.url, found.pid), (url, Some(std::process::id())));
    let second = LocalCloud::start(options).await.unwrap_err();
    assert_eq!(second.kind(), CloudErrorKind::InUse);
    assert!(matches!(reset(&state), Err(CloudError::StillRunning)));
    let stopped = stop(&state, Duration::from_secs(10)).await.unwrap();
    assert_eq!(stopped, Stopped::Gracefully);
    assert_eq!(running.await.unwrap().unwrap(), Ended::Asked);
    assert!(find(&state).await.is_none());
    reset(&state).unwrap();
    assert!(!state.exists());
}

#[tokio::test]
async fn nobody_without_the_token_stops_a_cloud() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = started(folder.path()).await;
    for bearer in ["", "Bearer wrong"] {
        let request = Request::post("/clodo/stop").header("authorization", bearer);
        let answer = client::send(cloud.port(), request.header("host", "127.0.0.1"), "").await;
        assert_eq!(answer.status, 403);
    }
    assert!(find(folder.path()).await.is_some());
    cloud.stop().await;
}

#[tokio::test]
async fn a_taken_port_and_a_missing_workerd_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = options(folder.path()).await;
    options.port = Some(taken.local_addr().unwrap().port());
    let error = LocalCloud::start(options.clone()).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::PortTaken);
    assert!(error.hint().unwrap().contains("--port"));
    options.port = None;
    options.workerd = folder.path().join("no-such-workerd");
    let error = LocalCloud::start(options).await.unwrap_err();
    assert_eq!(error.kind(), CloudErrorKind::NoWorkerd);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cloud_whose_folder_is_deleted_says_so_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let (ready, at) = tokio::sync::oneshot::channel();
    let running =
        tokio::spawn(run_until_stopped(options(&state).await, CancellationToken::new(), |cloud| {
            let _ = ready.send(cloud.port());
        }));
    let port = at.await.unwrap();
    std::fs::remove_dir_all(&state).unwrap();
    let answer = loop {
        let answer = client::get(port, "shop.acme.test", "/").await;
        if answer.header("x-clodo-error") != "unknown-host" {
            break answer;
        }
    };
    assert_eq!((answer.status.as_u16(), answer.header("x-clodo-error")), (503, "state-gone"));
    assert_eq!(running.await.unwrap().unwrap(), Ended::StateGone);
    assert!(!state.exists(), "it was not made again");
}

#[tokio::test]
async fn a_folder_with_a_long_path_works_as_well_and_so_does_tcp() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a-folder-with-quite-a-long-name".repeat(4));
    for link in [LinkKind::Best, LinkKind::Tcp] {
        let mut options = options(&deep).await;
        options.temp_folder = folder.path().to_owned();
        options.link = link;
        let cloud = LocalCloud::start(options).await.unwrap();
        deploy(&cloud, "w", json!([]), "export default { fetch() { return new Response('hi') } };")
            .await;
        assert_eq!(client::get(cloud.port(), "w.acme.test", "/").await.text(), "hi");
        cloud.stop().await;
    }
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "folders for sockets are removed");
}

// conformance: r2 | a public bucket answers at its `r2.dev` hostname and at custom domains, with ranges, conditions and CORS | documented
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_bucket_is_read_at_its_hostnames_by_anyone() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = started(folder.path()).await;
    call(&cloud, "POST", "/r2/buckets", r#"{"name":"files"}"#).await;
    call(&cloud, "PUT", "/r2/buckets/files/objects/a%2Fb%20c.txt", "hello world").await;
    let get = |host: String, method: &'static str, headers: &[(&'static str, &'static str)]| {
        let mut request =
            Request::builder().method(method).uri("/a/b%20c.txt").header("host", host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        client::send(cloud.port(), request, Vec::new())
    };
    let managed = call(&cloud, "GET", "/r2/buckets/files/domains/managed", "").await;
    let host = managed["domain"].as_str().unwrap().to_owned();
    assert_eq!(get(host.clone(), "GET", &[]).await.status, 404, "not public yet");
    call(&cloud, "PUT", "/r2/buckets/files/domains/managed", r#"{"enabled":true}"#).await;
    let cors = json!({ "rules": [{ "allowed": { "methods": ["GET"], "origins": ["https://*.acme.test"] },
        "exposeHeaders": ["etag"], "maxAgeSeconds": 60 }] });
    call(&cloud, "PUT", "/r2/buckets/files/cors", cors.to_string()).await;
    for host in [host.clone(), format!("{host}.localhost:{}", cloud.port())] {
        let found = get(host.clone(), "GET", &[("origin", "https://shop.acme.test")]).await;
        assert_eq!((found.status.as_u16(), found.text().as_str()), (200, "hello world"), "{host}");
        assert_eq!(found.headers["access-control-allow-origin"], "https://shop.acme.test");
        let part =
            get(host.clone(), "GET", &[("range", "bytes=0-4"), ("origin", "https://x.test")]).await;
        assert_eq!((part.status.as_u16(), part.text().as_str()), (206, "hello"));
        assert!(!part.headers.contains_key("access-control-allow-origin"));
        assert_eq!(get(host.clone(), "PUT", &[]).await.status, 405);
        let ask = [("origin", "https://shop.acme.test"), ("access-control-request-method", "GET")];
        assert_eq!(get(host.clone(), "OPTIONS", &ask).await.status, 204);
        let ask = [("origin", "https://shop.acme.test"), ("access-control-request-method", "PUT")];
        assert_eq!(get(host, "OPTIONS", &ask).await.status, 403);
    }
    call(&cloud, "PUT", "/r2/buckets/files/domains/managed", r#"{"enabled":false}"#).await;
    assert_eq!(get(host, "GET", &[]).await.status, 404);
    cloud.stop().await;
}
