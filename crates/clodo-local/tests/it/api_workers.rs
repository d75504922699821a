//! What the account knows of its Workers beside their code.

use crate::api_support::{Api, module};
use serde_json::{Value, json};

fn all_to(version: &str) -> Value {
    json!({ "strategy": "percentage", "versions": [{ "version_id": version, "percentage": 100 }] })
}

// conformance: versions | POST /accounts/{account}/workers/scripts/{script}/deployments?force=true | accepted by wrangler 4.86 and 4.164 (code 10220 and its text)
#[tokio::test]
async fn going_back_to_other_secrets_must_be_insisted_on() {
    let api = Api::new().await;
    let first = api.deployed("export default 1", json!([])).await;
    let second = api.deployed("export default 2", json!([])).await;
    // The same secrets: nothing to say.
    api.json("POST", "S/deployments", all_to(&first)).await.result();
    api.json("POST", "S/deployments", all_to(&second)).await.result();
    let secret = json!({ "name": "KEY", "text": "hunter2", "type": "secret_text" });
    api.json("PUT", "S/secrets", secret).await.result();
    let refused = api.json("POST", "S/deployments", all_to(&first)).await;
    assert_eq!(refused.error(), (400, 10220));
    let message = refused.json()["errors"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.ends_with("The following secrets have changed: KEY"), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
    api.json("POST", "S/deployments?force=true", all_to(&first)).await.result();
    let now = api.get("S/deployments").await.result();
    assert_eq!(now["deployments"][0]["versions"][0]["version_id"], json!(first));
}

#[tokio::test]
async fn a_version_that_never_served_brings_its_secrets_without_a_question() {
    let api = Api::new().await;
    api.deployed("export default 1", json!([])).await;
    let bindings = json!([{ "name": "KEY", "type": "secret_text", "text": "new" }]);
    let metadata = module(bindings);
    let made = api.upload("POST", "S/versions", metadata, "export default 2").await.result();
    api.json("POST", "S/deployments", all_to(made["id"].as_str().unwrap())).await.result();
}

// conformance: workers | GET /accounts/{account}/workers/services/{script}/environments/{environment} | accepted by wrangler 4.86
// conformance: workers | GET /accounts/{account}/workers/services/{script}/environments/{environment}/bindings | documented
// conformance: workers | GET /accounts/{account}/workers/services/{script}/environments/{environment}/routes | documented
// conformance: workers | GET /accounts/{account}/workers/services/{script}/environments/{environment}/subdomain | documented
#[tokio::test]
async fn the_production_environment_tells_bindings_routes_and_subdomain() {
    let api = Api::new().await;
    let bindings = json!([
        { "name": "MODE", "type": "plain_text", "text": "live" },
        { "name": "KEY", "type": "secret_text", "text": "hidden" },
    ]);
    api.deployed("export default 1", bindings).await;
    let zones = api.get("/zones?name=acme.test").await.result();
    let routes = format!("/zones/{}/workers/routes", zones[0]["id"].as_str().unwrap());
    let route = json!({ "pattern": "acme.test/*", "script": "shop" });
    api.json("POST", &routes, route).await.result();
    let at = "{acc}/workers/services/shop/environments/production";
    assert_eq!(api.get(at).await.result()["environment"], "production");
    let shown = api.get(&format!("{at}/bindings")).await.result();
    assert_eq!(shown[0]["text"], "live");
    assert_eq!(shown[1], json!({ "name": "KEY", "type": "secret_text" }));
    let shown = api.get(&format!("{at}/routes?show_zonename=true")).await.result();
    assert_eq!(
        (&shown[0]["pattern"], &shown[0]["zone_name"]),
        (&json!("acme.test/*"), &json!("acme.test"))
    );
    let shown = api.get(&format!("{at}/subdomain")).await.result();
    assert!(shown["enabled"].is_boolean());
    for end in ["", "/bindings", "/routes", "/subdomain"] {
        let other =
            api.get(&format!("{{acc}}/workers/services/shop/environments/stage{end}")).await;
        assert_eq!(other.error(), (404, 10092), "{end}");
        let none =
            api.get(&format!("{{acc}}/workers/services/no/environments/production{end}")).await;
        assert_eq!(none.error(), (404, 10090), "{end}");
    }
}

// conformance: workers | GET /accounts/{account}/workers/account-settings | documented
// conformance: workers | PUT /accounts/{account}/workers/account-settings | documented
#[tokio::test]
async fn account_settings_are_kept() {
    let api = Api::new().await;
    let at = "{acc}/workers/account-settings";
    let before = json!({ "default_usage_model": "standard", "green_compute": false });
    assert_eq!(api.get(at).await.result(), before);
    api.json("PUT", at, json!({ "green_compute": true })).await.result();
    assert_eq!(api.json("PUT", at, json!({ "green_compute": "yes" })).await.status, 400);
    let api = api.restarted().await;
    let after = json!({ "default_usage_model": "standard", "green_compute": true });
    assert_eq!(api.get(at).await.result(), after);
}

// conformance: workers | DELETE /accounts/{account}/workers/workers/{worker} | documented
// conformance: workers | GET /accounts/{account}/workers/workers/{worker} | accepted by wrangler 4.164
// conformance: workers | POST /accounts/{account}/workers/workers | documented
// conformance: workers | PATCH /accounts/{account}/workers/workers/{worker} | documented
#[tokio::test]
async fn a_worker_is_found_changed_and_removed_by_name_and_by_id() {
    let api = Api::new().await;
    let made = api.json("POST", "{acc}/workers/workers", json!({ "name": "shop" })).await.result();
    let by_id = format!("{{acc}}/workers/workers/{}", made["id"].as_str().unwrap());
    let changed = api.json("PATCH", &by_id, json!({ "tags": ["a"] })).await.result();
    assert_eq!(changed["tags"], json!(["a"]));
    assert_eq!(api.get("{acc}/workers/workers/shop").await.result(), changed);
    api.delete(&by_id).await.result();
    assert_eq!(api.get(&by_id).await.error(), (404, 10007));
    assert_eq!(api.delete(&by_id).await.error(), (404, 10007));
}
