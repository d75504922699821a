//! Static assets: sessions, buckets, completion.

use crate::api_support::{Answer, Api};
use axum::body::Body;
use base64::{Engine, engine::general_purpose::STANDARD};
use clodo_workerd::{Directory, RunWorkerFirst};
use http::Request;
use serde_json::{Value, json};

const ONE: &str = "11111111111111111111111111111111";
const TWO: &str = "22222222222222222222222222222222";

fn manifest() -> Value {
    json!({ "manifest": {
        "/index.html": { "hash": ONE, "size": 5 },
        "/a/copy.html": { "hash": ONE, "size": 5 },
        "/style.css": { "hash": TWO, "size": 3 },
    } })
}

async fn start(api: &Api) -> Value {
    api.json("POST", "S/assets-upload-session", manifest()).await.result()
}

async fn send(api: &Api, jwt: &str, files: &[(&str, &str, &str)]) -> Answer {
    let mut body = String::new();
    for (hash, kind, content) in files {
        let content = STANDARD.encode(content);
        body.push_str(&format!(
            "--b\r\nContent-Disposition: form-data; name=\"{hash}\"; filename=\"{hash}\"\r\n\
             Content-Type: {kind}\r\n\r\n{content}\r\n"
        ));
    }
    body.push_str("--b--\r\n");
    let request = Request::builder()
        .method("POST")
        .uri(format!("/client/v4/accounts/{}/workers/assets/upload?base64=true", api.account))
        .header("authorization", format!("Bearer {jwt}"))
        .header("content-type", "multipart/form-data; boundary=b");
    api.send(request.body(Body::from(body)).unwrap()).await
}

fn metadata(jwt: &str) -> Value {
    json!({
        "compatibility_date": "2026-04-01",
        "assets": { "jwt": jwt, "config": {
            "html_handling": "none",
            "run_worker_first": ["/api/*"],
            "_redirects": "/old /new 301",
        } },
    })
}

#[tokio::test]
async fn assets_are_uploaded_once_and_served_by_path() {
    let api = Api::new().await;
    let session = start(&api).await;
    assert_eq!(session["buckets"], json!([[ONE, TWO]]));
    let jwt = session["jwt"].as_str().unwrap();
    let early = api.upload("PUT", "S/", metadata(jwt), "").await;
    assert_eq!(early.error(), (400, 100_130));
    let half = send(&api, jwt, &[(TWO, "text/css", "a{}")]).await;
    assert_eq!((half.status, half.result()), (202, json!({})));
    let whole = send(&api, jwt, &[(ONE, "application/null", "hello")]).await;
    assert_eq!(whole.status, 201);
    let complete = whole.result()["jwt"].as_str().unwrap().to_owned();
    let answer = api.upload("PUT", "S/", metadata(&complete), "").await.result();
    assert_eq!((&answer["has_assets"], &answer["has_modules"]), (&json!(true), &json!(false)));
    assert!(api.workers.validated().is_empty(), "there is no code to try");

    let generation = api.state.generation(&api.account);
    let assets = generation.versions[0].assets.clone().unwrap();
    assert_eq!(assets.files["/a/copy.html"].hash, ONE);
    assert_eq!(assets.files["/index.html"].content_type, None);
    assert_eq!(assets.files["/style.css"].content_type.as_deref(), Some("text/css"));
    assert_eq!(assets.run_worker_first, RunWorkerFirst::Paths(vec!["/api/*".into()]));
    assert_eq!(assets.redirects.as_deref(), Some("/old /new 301"));
    assert_eq!(api.state.asset(&api.account, ONE).await.unwrap(), "hello");
    assert_eq!(api.state.asset(&api.account, "x").await, None);

    let again = start(&api).await;
    assert_eq!(again["buckets"], json!([]));
    let jwt = again["jwt"].as_str().unwrap();
    api.upload("PUT", "S/", metadata(jwt), "").await.result();
    let kept = json!({ "compatibility_date": "2026-04-01", "keep_assets": true });
    api.upload("PUT", "S/", kept, "").await.result();
    let generation = api.state.generation(&api.account);
    assert_eq!(generation.versions[0].assets.as_ref().unwrap().files.len(), 3);
}

#[tokio::test]
async fn a_session_survives_a_restart() {
    let api = Api::new().await;
    let session = start(&api).await;
    let jwt = session["jwt"].as_str().unwrap();
    send(&api, jwt, &[(TWO, "text/css", "a{}")]).await.result();
    let api = api.restarted().await;
    let whole = send(&api, jwt, &[(ONE, "text/html", "hello")]).await;
    assert_eq!(whole.status, 201);
}

// conformance: assets | POST /accounts/{account}/workers/assets/upload/{hash} | accepted by wrangler
#[tokio::test]
async fn single_files_go_without_multipart() {
    let api = Api::new().await;
    let session = start(&api).await;
    let jwt = session["jwt"].as_str().unwrap();
    for (hash, body, status) in [(ONE, "hello", 202), (TWO, "a{}", 201)] {
        let path = format!("/client/v4/accounts/{}/workers/assets/upload/{hash}", api.account);
        let request = Request::builder()
            .method("POST")
            .uri(path)
            .header("authorization", format!("Bearer {jwt}"))
            .header("content-type", "text/plain");
        assert_eq!(api.send(request.body(body.into()).unwrap()).await.status, status);
    }
}

#[tokio::test]
async fn a_token_that_was_changed_expired_or_is_another_accounts_opens_nothing() {
    let api = Api::new().await;
    let session = start(&api).await;
    let jwt = session["jwt"].as_str().unwrap().to_owned();
    let file = [(ONE, "text/html", "hello")];
    let mut changed = jwt.clone();
    changed.pop();
    for bad in ["", "a.b.c", "local-token", changed.as_str()] {
        assert_eq!(send(&api, bad, &file).await.error(), (401, 8_000_013), "{bad}");
    }
    let wrong_size = send(&api, &jwt, &[(ONE, "text/html", "hell")]).await;
    assert_eq!(wrong_size.error(), (400, 10026));
    let unknown = "33333333333333333333333333333333";
    assert_eq!(send(&api, &jwt, &[(unknown, "text/html", "x")]).await.error(), (400, 10026));
    for _ in 0..=3600 {
        api.tick();
    }
    assert_eq!(send(&api, &jwt, &file).await.error(), (401, 8_000_013));
}

#[tokio::test]
async fn a_manifest_that_cannot_be_is_refused() {
    let api = Api::new().await;
    for (path, hash, size) in [
        ("index.html", ONE, 1),
        ("/index.html", "short", 1),
        ("/index.html", ONE, 26 * 1024 * 1024),
    ] {
        let body = json!({ "manifest": { path: { "hash": hash, "size": size } } });
        let answer = api.json("POST", "S/assets-upload-session", body).await;
        assert_eq!(answer.status, 400, "{path}");
    }
}
