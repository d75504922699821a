//! Uploads, versions, deployments, settings and secrets.

use crate::api_support::{Api, module, try_open};
use clodo_workerd::{Directory, MemoryWorkers, ServedBinding};
use http::Request;
use serde_json::{Value, json};
use std::time::Duration;

fn ids(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

fn secret(api: &Api, name: &str) -> Option<String> {
    let generation = api.state.generation(&api.account);
    let (_, binding) = generation.versions[0].bindings.iter().find(|(known, _)| known == name)?;
    match binding {
        ServedBinding::Secret(secret) => Some(secret.expose().to_owned()),
        _ => None,
    }
}

#[tokio::test]
async fn a_first_deploy_goes_as_wrangler_does_it() {
    let api = Api::new().await;
    assert_eq!(api.get("{acc}/workers/services/shop").await.error(), (404, 10090));
    for path in ["S/secrets", "S/deployments", "S/settings", "S/versions"] {
        assert_eq!(api.get(path).await.error(), (404, 10007), "{path}");
    }
    assert_eq!(api.get("{acc}/workers/subdomain").await.result()["subdomain"], "local");
    let version = api.deployed("export default {}", json!([])).await;
    assert_eq!(api.workers.changes(), [api.account.as_str()]);
    let enabled = api.json("POST", "S/subdomain", json!({ "enabled": true })).await;
    assert_eq!(enabled.result(), json!({ "enabled": true, "previews_enabled": true }));

    let worker = api.get("{acc}/workers/workers/shop").await.result();
    assert_eq!(worker["subdomain"]["preview_url_suffix"], "-shop.local.workers.dev");
    let deployments = api.get("S/deployments").await.result();
    let versions = json!([{ "version_id": version, "percentage": 100 }]);
    assert_eq!(deployments["deployments"][0]["versions"], versions);
    let viewed = api.get(&format!("S/versions/{version}")).await.result();
    assert_eq!(viewed["resources"]["script"]["handlers"], json!(["fetch"]));
    assert_eq!(viewed["metadata"]["has_preview"], true);
    assert_eq!(api.resolved("shop.local.workers.dev:8787", "/").as_deref(), Some("shop"));
    let preview = format!("{}-shop.local.workers.dev", &version[..8]);
    assert_eq!(api.resolved(&preview, "/"), Some(format!("shop@{version}")));
}

#[tokio::test]
async fn a_deployment_whose_client_leaves_reaches_the_runtime_all_the_same() {
    let api = Api::new().await;
    api.deployed("export default 1", json!([])).await;
    let second = api.upload("POST", "S/versions", module(json!([])), "export default 2").await;
    let second = second.result()["id"].as_str().unwrap().to_owned();
    let all = json!({ "strategy": "percentage",
        "versions": [{ "version_id": second, "percentage": 100 }] });
    let told = api.workers.changes().len();
    api.send_and_leave(api.request("POST", "S/deployments").body(all.to_string().into()).unwrap());
    let finished = async {
        let live = || api.state.generation(&api.account).live["shop"].clone();
        while live() != [(second.clone(), 100.0)] || api.workers.changes().len() == told {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), finished).await.unwrap();
}

#[tokio::test]
async fn a_version_gets_no_traffic_until_it_is_deployed_and_can_be_rolled_back() {
    let api = Api::new().await;
    let first = api.deployed("export default 1", json!([])).await;
    let mut metadata = module(json!([]));
    metadata["annotations"] = json!({ "workers/tag": "t", "workers/message": "m" });
    metadata["tags"] = json!(["ignored-as-on-cloudflare"]);
    let path = "S/versions?bindings_inherit=strict";
    let second = api.upload("POST", path, metadata, "export default 2").await.result();
    let second = second["id"].as_str().unwrap();
    assert_eq!(api.state.generation(&api.account).live["shop"], [(first.clone(), 100.0)]);
    assert_eq!(api.get("{acc}/workers/scripts").await.result()[0]["tags"], json!([]));

    let split = json!({ "strategy": "percentage", "versions": [
        { "version_id": second, "percentage": 90 }, { "version_id": first, "percentage": 10 },
    ], "code_update_strategy": { "mode": "deferred", "max_delay": 300 } });
    api.json("POST", "S/deployments", split).await.result();
    let live = api.state.generation(&api.account).live["shop"].clone();
    assert_eq!(live, [(first.clone(), 10.0), (second.to_owned(), 90.0)], "oldest first");

    let back = json!({ "strategy": "percentage",
        "versions": [{ "version_id": first, "percentage": 100 }],
        "annotations": { "workers/message": "oops" } });
    api.json("POST", "S/deployments?force=true", back).await.result();
    assert_eq!(api.state.generation(&api.account).live["shop"], [(first, 100.0)]);
    let list = api.get("S/deployments").await.result();
    assert_eq!(list["deployments"].as_array().unwrap().len(), 3);
    assert_eq!(list["deployments"][0]["annotations"]["workers/message"], "oops");
}

#[tokio::test]
async fn a_deployment_that_makes_no_sense_is_refused_and_changes_nothing() {
    let api = Api::new().await;
    let version = api.deployed("export default 1", json!([])).await;
    let unknown = "00000000-0000-4000-8000-000000000000";
    for (versions, expected) in [
        (json!([]), (400, 10026)),
        (json!([{ "version_id": version, "percentage": 99 }]), (400, 10026)),
        (json!([{ "version_id": version, "percentage": -1 }]), (400, 10026)),
        (
            json!([{ "version_id": version, "percentage": 50 }, { "version_id": version, "percentage": 50 }]),
            (400, 10026),
        ),
        (json!([{ "version_id": unknown, "percentage": 100 }]), (404, 10200)),
    ] {
        let body = json!({ "strategy": "percentage", "versions": versions });
        assert_eq!(api.json("POST", "S/deployments", body).await.error(), expected, "{versions}");
    }
    assert_eq!(api.raw("POST", "S/deployments", "{").await.error(), (400, 10026));
    assert_eq!(api.get("S/deployments").await.result()["deployments"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn broken_code_is_refused_with_its_place_and_the_old_version_stays() {
    let api = Api::new().await;
    let good = api.deployed("export default 1", json!([])).await;
    for (method, path) in [("PUT", "S/"), ("POST", "S/versions")] {
        let answer = api.upload(method, path, module(json!([])), MemoryWorkers::BROKEN).await;
        assert_eq!(answer.error(), (400, 10021));
        let message = answer.json()["errors"][0]["message"].as_str().unwrap().to_owned();
        assert_eq!(message, "Uncaught SyntaxError: Unexpected token\n  at index.js:1:1\n");
    }
    assert_eq!(ids(&api.get("S/versions").await.result()["items"]), std::slice::from_ref(&good));
    let generation = api.state.generation(&api.account);
    assert_eq!(generation.live["shop"], [(good, 100.0)]);
    assert_eq!(generation.versions[0].modules[0].body, "export default 1");
}

#[tokio::test]
async fn an_upload_that_lacks_something_says_what() {
    let api = Api::new().await;
    let missing = json!({ "main_module": "other.js" });
    assert_eq!(api.upload("PUT", "S/", missing, "export default 1").await.error(), (400, 10021));
    assert_eq!(api.upload("PUT", "S/", json!({}), "export default 1").await.error(), (400, 10021));
    assert_eq!(api.raw("PUT", "S/", "not json").await.error(), (400, 10026));
    let bad_name = "{acc}/workers/scripts/a%20b";
    assert_eq!(api.upload("PUT", bad_name, module(json!([])), "1").await.error(), (400, 10016));
    let versions = "{acc}/workers/scripts/nobody/versions";
    assert_eq!(api.upload("POST", versions, module(json!([])), "1").await.error(), (404, 10007));
    for (binding, code) in [
        (json!({ "type": "kv_namespace", "name": "A", "namespace_id": "x" }), 10041),
        (json!({ "type": "d1", "name": "A", "id": "x" }), 10181),
        (json!({ "type": "r2_bucket", "name": "A", "bucket_name": "xxx" }), 10085),
        (json!({ "type": "service", "name": "A", "service": "nobody" }), 10143),
        (json!({ "type": "plain_text", "text": "no name" }), 10054),
    ] {
        let answer = api.upload("PUT", "S/", module(json!([binding])), "export default 1").await;
        assert_eq!(answer.error(), (400, code), "{binding}");
    }
    assert_eq!(api.get("S/settings").await.error(), (404, 10007));
}

#[tokio::test]
async fn bindings_are_inherited_from_the_latest_version_and_secrets_kept() {
    let api = Api::new().await;
    let bindings = json!([
        { "type": "plain_text", "name": "A", "text": "a" },
        { "type": "secret_text", "name": "KEY", "text": "hunter2" },
    ]);
    api.deployed("export default 1", bindings).await;
    let mut metadata = module(json!([{ "type": "inherit", "name": "B", "old_name": "A" }]));
    metadata["keep_bindings"] = json!(["secret_text", "secret_key"]);
    let path = "S/?bindings_inherit=strict";
    api.upload("PUT", path, metadata, "export default 2").await.result();
    let settings = api.get("S/settings").await.result();
    let expected = json!([
        { "type": "plain_text", "name": "B", "text": "a" },
        { "type": "secret_text", "name": "KEY" },
    ]);
    assert_eq!(settings["bindings"], expected);
    assert_eq!(secret(&api, "KEY").as_deref(), Some("hunter2"));

    let gone = module(json!([{ "type": "inherit", "name": "A" }]));
    assert_eq!(api.upload("PUT", path, gone.clone(), "1").await.error(), (400, 10057));
    api.upload("PUT", "S/", gone, "export default 3").await.result();
    assert_eq!(api.get("S/settings").await.result()["bindings"], json!([]));
}

#[tokio::test]
async fn a_secret_is_a_version_of_its_own_and_its_value_never_comes_back() {
    let api = Api::new().await;
    let none = api.json("PUT", "S/secrets", json!({ "name": "K", "text": "x" })).await;
    assert_eq!(none.error(), (404, 10007));
    api.deployed("export default 1", json!([])).await;
    let body = json!({ "name": "KEY", "text": "hunter2", "type": "secret_text" });
    let put = api.json("PUT", "S/secrets", body.clone()).await;
    assert_eq!(put.result(), json!({ "name": "KEY", "type": "secret_text" }));
    assert_eq!(secret(&api, "KEY").as_deref(), Some("hunter2"));
    let bulk = json!({ "secrets": { "KEY": null, "TWO": { "type": "secret_text", "text": "2" } } });
    api.json("PATCH", "S/secrets-bulk", bulk).await.result();
    assert_eq!(
        api.get("S/secrets").await.result(),
        json!([{ "name": "TWO", "type": "secret_text" }])
    );
    for path in ["S/settings", "S/versions", "S/secrets/TWO", "{acc}/workers/scripts"] {
        assert!(!String::from_utf8_lossy(&api.get(path).await.bytes).contains("hunter2"), "{path}");
    }
    api.delete("S/secrets/TWO?url_encoded=true").await.result();
    assert_eq!(api.delete("S/secrets/TWO").await.error(), (404, 10056));
    assert_eq!(api.get("S/versions").await.result()["items"].as_array().unwrap().len(), 4);

    api.upload("POST", "S/versions", module(json!([])), "export default 2").await.result();
    assert_eq!(api.json("PUT", "S/secrets", body).await.error(), (400, 10215));
}

#[tokio::test]
async fn the_older_bulk_upload_names_what_it_keeps_by_name_and_type() {
    let api = Api::new().await;
    let namespace =
        api.json("POST", "{acc}/storage/kv/namespaces", json!({ "title": "kv" })).await.result();
    let kv = json!({ "type": "kv_namespace", "name": "KV", "namespace_id": namespace["id"] });
    let old = json!({ "type": "secret_text", "name": "OLD", "text": "old" });
    api.deployed("export default 1", json!([kv, old])).await;
    let boundary = "b";
    let settings = json!({ "bindings": [
        { "type": "kv_namespace", "name": "KV" },
        { "type": "secret_text", "name": "OLD" },
        { "type": "secret_text", "name": "NEW", "text": "new" },
    ] });
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"settings\"\r\n\r\n{settings}\r\n--b--\r\n"
    );
    let request = api
        .request("PATCH", "S/settings")
        .header("content-type", format!("multipart/form-data; boundary={boundary}"));
    let answer = api.send(request.body(body.into()).unwrap()).await.result();
    assert_eq!(answer["bindings"][0]["namespace_id"], namespace["id"]);
    assert_eq!(secret(&api, "OLD").as_deref(), Some("old"));
    assert_eq!(secret(&api, "NEW").as_deref(), Some("new"));
}

#[tokio::test]
async fn every_write_to_a_worker_moves_its_modified_on_even_within_one_millisecond() {
    let api = Api::new().await;
    api.deployed("export default 1", json!([])).await;
    let modified = async || {
        let list = api.get("{acc}/workers/scripts").await.result();
        let workers = api.get("{acc}/workers/workers").await.result();
        assert_eq!(list[0]["modified_on"], workers[0]["updated_on"]);
        list[0]["modified_on"].as_str().unwrap().to_owned()
    };
    let mut last = modified().await;
    for (method, path, body) in [
        ("PATCH", "S/script-settings", json!({ "tags": ["clodo:0123", "x"] })),
        ("POST", "S/subdomain", json!({ "enabled": true })),
        ("PUT", "S/schedules", json!([{ "cron": "*/5 * * * *" }])),
        ("PUT", "S/secrets", json!({ "name": "K", "text": "x" })),
        ("PATCH", "{acc}/workers/workers/shop", json!({ "logpush": true })),
    ] {
        api.json(method, path, body).await.result();
        let now = modified().await;
        assert!(now > last, "{path}: {now} after {last}");
        last = now;
    }
    let listed = api.get("{acc}/workers/scripts").await.result();
    assert_eq!(listed[0]["tags"], json!(["clodo:0123", "x"]));
    let crons = api.state.schedules(&api.account);
    assert_eq!(crons, [("shop".to_owned(), vec!["*/5 * * * *".to_owned()])]);
}

#[tokio::test]
async fn what_was_deployed_survives_a_restart_and_deleting_leaves_nothing() {
    let api = Api::new().await;
    let version = api.deployed("export default 1", json!([])).await;
    let domain = json!({ "hostname": "shop.acme.test", "service": "shop" });
    api.json("PUT", "{acc}/workers/domains", domain).await.result();
    let api = api.restarted().await;
    let generation = api.state.generation(&api.account);
    assert_eq!(generation.live["shop"], [(version, 100.0)]);
    assert_eq!(generation.versions[0].modules[0].body, "export default 1");
    assert_eq!(api.resolved("shop.acme.test.localhost:8787", "/").as_deref(), Some("shop"));

    api.delete("{acc}/workers/services/shop?force=false").await.result();
    assert_eq!(api.delete("{acc}/workers/services/shop").await.error(), (404, 10007));
    assert_eq!(api.resolved("shop.acme.test", "/"), None);
    assert_eq!(api.get("{acc}/workers/scripts").await.result(), json!([]));
    let api = api.restarted().await;
    assert!(api.state.generation(&api.account).versions.is_empty());
}

// conformance: workers | GET /accounts/{account}/workers/scripts/{script} | documented
// conformance: workers | GET /accounts/{account}/workers/scripts/{script}/content | documented
#[tokio::test]
async fn the_stored_code_comes_back_as_it_was_uploaded() {
    let api = Api::new().await;
    let version = api.deployed("export default 'über'", json!([])).await;
    for path in ["S/", "S/content", "S/content/v2", &format!("S/content/v2?version={version}")] {
        let answer = api.get(path).await;
        assert_eq!(answer.headers["cf-entrypoint"], "index.js", "{path}");
        let text = String::from_utf8(answer.bytes).unwrap();
        assert!(text.contains("export default 'über'"), "{path}: {text}");
        assert!(text.contains("filename=\"index.js\""), "{path}: {text}");
    }
}

#[tokio::test]
async fn a_patch_of_the_environment_makes_a_version_without_traffic() {
    let api = Api::new().await;
    let first = api.deployed("export default 1", json!([])).await;
    let patch = json!({ "env": { "VS": { "type": "secret_text", "text": "s" } },
        "annotations": { "workers/message": "by hand" } });
    let path = "{acc}/workers/workers/shop/versions/latest";
    let made = api.json("PATCH", path, patch).await.result();
    assert_eq!(made["annotations"]["workers/message"], "by hand");
    assert_eq!(made["resources"]["bindings"], json!([{ "type": "secret_text", "name": "VS" }]));
    assert_eq!(api.state.generation(&api.account).live["shop"], [(first, 100.0)]);
}

#[tokio::test]
async fn two_uploads_at_once_both_count() {
    let api = Api::new().await;
    api.deployed("export default 1", json!([])).await;
    let uploads = (0..8).map(|n| {
        let api = &api;
        async move {
            let code = format!("export default {n}");
            let answer = api.upload("POST", "S/versions", module(json!([])), &code).await.result();
            answer["number"].as_u64().unwrap()
        }
    });
    let mut numbers = futures_util::future::join_all(uploads).await;
    numbers.sort_unstable();
    assert_eq!(numbers, (2..=9).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_vanished_state_folder_is_said_and_survived() {
    let api = Api::new().await;
    api.deployed("export default 1", json!([])).await;
    // The request log may add a line while the folder is being emptied.
    while api.folder.path().exists() {
        let _ = std::fs::remove_dir_all(api.folder.path());
    }
    for (method, path) in [("GET", "S/settings"), ("PUT", "S/secrets")] {
        let answer = api.json(method, path, json!({ "name": "K", "text": "x" })).await;
        assert_eq!(answer.error(), (500, 10002));
        let message = answer.json()["errors"][0]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("was deleted while"), "{message}");
    }
    assert_eq!(api.upload("PUT", "S/", module(json!([])), "export default 2").await.status, 500);
    let status = Request::builder().uri("/clodo/status").body(axum::body::Body::empty()).unwrap();
    assert_eq!(api.send(status).await.status, 500);
    assert!(!api.folder.path().exists(), "nothing may make the folder again");
}

#[tokio::test]
async fn a_state_of_a_newer_program_is_refused() {
    let api = Api::new().await;
    let path = api.folder.path().join("state.sqlite");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    let (folder, clock) = api.closed();
    let error = try_open(folder.path(), &clock).await.unwrap_err();
    assert_eq!(error.kind(), clodo_local::StateErrorKind::NewerFormat);
}
