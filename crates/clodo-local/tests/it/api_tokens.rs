//! Tokens: made, used within their permissions, rolled, disabled, forgotten.

use crate::api_support::{Api, TOKEN};
use serde_json::{Value, json};
use std::time::Duration;

const SCRIPTS_WRITE: &str = "e086da7e2179491d91ee5f35b3ca210a";
const D1_READ: &str = "192192df92ee43ac90f2aeeffce67e35";
const ZONE_READ: &str = "c8fed203ed3043cba015a93ad1616f1f";
const DNS_WRITE: &str = "4755a26eedb94da69e1066d98aa820be";
const TOKENS_WRITE: &str = "686d18d5ac6c441c867cbf6771e58a0a";
const ACCOUNT_TOKENS_WRITE: &str = "5bc3f8b21c554832afc660159ab75fa4";

fn policy(groups: &[&str], resources: Value) -> Value {
    let groups: Vec<Value> = groups.iter().map(|id| json!({ "id": id })).collect();
    json!({ "effect": "allow", "permission_groups": groups, "resources": resources })
}

fn in_account(api: &Api, groups: &[&str]) -> Value {
    policy(groups, json!({ format!("com.cloudflare.api.account.{}", api.account): "*" }))
}

/// Makes a token and returns its id and value.
async fn made(api: &Api, path: &str, body: Value) -> (String, String) {
    let made = api.json("POST", path, body).await.result();
    (made["id"].as_str().unwrap().to_owned(), made["value"].as_str().unwrap().to_owned())
}

async fn of_user(api: &Api, policies: Value) -> String {
    made(api, "/user/tokens", json!({ "name": "ci", "policies": policies })).await.1
}

async fn asked(api: &Api, token: &str, method: &str, path: &str) -> (u16, u64) {
    let answer = api.with_token(token, method, path, Value::Null).await;
    if answer.json()["success"] == true { (answer.status, 0) } else { answer.error() }
}

// conformance: identity | `POST /user/tokens` | documented
// conformance: identity | `GET /user/tokens` | documented
// conformance: identity | `GET /user/tokens/{token}` | documented
// conformance: identity | `PUT /user/tokens/{token}` | documented
// conformance: identity | `PUT /user/tokens/{token}/value` | documented
// conformance: identity | `DELETE /user/tokens/{token}` | documented
#[tokio::test]
async fn a_token_is_made_shown_once_changed_rolled_and_deleted() {
    let api = Api::new().await;
    let body = json!({ "name": "ci", "policies": [in_account(&api, &[SCRIPTS_WRITE])] });
    let (id, value) = made(&api, "/user/tokens", body.clone()).await;
    assert_eq!(value.len(), 40);
    let path = format!("/user/tokens/{id}");
    let shown = api.get(&path).await.result();
    assert_eq!((&shown["name"], &shown["status"]), (&"ci".into(), &"active".into()));
    assert_eq!(shown["policies"][0]["permission_groups"][0]["name"], "Workers Scripts Write");
    assert!(shown.get("value").is_none());
    assert_eq!(api.get("/user/tokens").await.result().as_array().unwrap().len(), 1);
    let scripts = "{acc}/workers/scripts";
    assert_eq!(asked(&api, &value, "GET", scripts).await, (200, 0));
    let rolled = api.json("PUT", &format!("{path}/value"), json!({})).await.result();
    let rolled = rolled.as_str().unwrap();
    assert_eq!(asked(&api, &value, "GET", scripts).await, (403, 9109));
    assert_eq!(asked(&api, rolled, "GET", scripts).await, (200, 0));
    assert!(api.get(&path).await.result()["last_used_on"].is_string());
    let mut changed = body;
    changed["status"] = json!("disabled");
    api.json("PUT", &path, changed).await.result();
    assert_eq!(asked(&api, rolled, "GET", scripts).await, (403, 9109));
    let verified = api.with_token(rolled, "GET", "/user/tokens/verify", Value::Null).await;
    assert_eq!(verified.result()["status"], "disabled");
    assert_eq!(api.delete(&path).await.result()["id"], id.as_str());
    assert_eq!(api.get(&path).await.error(), (404, 1003));
    assert_eq!(asked(&api, rolled, "GET", "/user/tokens/verify").await, (401, 1000));
    let state = std::fs::read(api.folder.path().join("state.sqlite")).unwrap();
    for secret in [&value, rolled] {
        assert!(!state.windows(40).any(|bytes| bytes == secret.as_bytes()), "a token is stored");
    }
}

// conformance: identity | permissions per route: 403 with 10000 or 9109 | guessed: 10000 for products and 9109 for users, zones, tokens and accounts, since the documentation does not list which one says which
#[tokio::test]
async fn a_token_may_do_what_its_groups_say_and_nothing_else() {
    let api = Api::new().await;
    let token = of_user(&api, json!([in_account(&api, &[SCRIPTS_WRITE, D1_READ])])).await;
    for (method, path, expected) in [
        ("GET", "{acc}/workers/scripts", (200, 0)),
        ("PUT", "{acc}/workers/subdomain", (400, 10026)),
        ("GET", "{acc}/d1/database", (200, 0)),
        ("POST", "{acc}/d1/database", (403, 10000)),
        ("GET", "{acc}/storage/kv/namespaces", (403, 10000)),
        ("GET", "{acc}/r2/buckets", (403, 10000)),
        ("GET", "{acc}", (403, 9109)),
        ("GET", "/user", (403, 9109)),
        ("GET", "/user/tokens", (403, 9109)),
        ("POST", "/user/tokens", (403, 9109)),
        ("GET", "/memberships", (403, 10000)),
        ("GET", "/accounts", (200, 0)),
        ("GET", "/zones", (200, 0)),
        ("POST", "/graphql", (403, 10000)),
        ("GET", "/user/tokens/verify", (200, 0)),
        ("GET", "/nowhere", (404, 7003)),
    ] {
        assert_eq!(asked(&api, &token, method, path).await, expected, "{method} {path}");
    }
    let accounts = api.with_token(&token, "GET", "/accounts", Value::Null).await.result();
    assert_eq!(accounts.as_array().unwrap().len(), 1, "{accounts}");
    let zones = api.with_token(&token, "GET", "/zones", Value::Null).await.result();
    assert_eq!(zones, json!([]));
}

#[tokio::test]
async fn a_token_for_one_zone_sees_and_changes_only_that_zone() {
    let api = Api::new().await;
    let zones = api.get("/zones").await.result();
    let id = |name: &str| {
        let mut all = zones.as_array().unwrap().iter();
        all.find(|zone| zone["name"] == name).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let (acme, globex) = (id("acme.test"), id("globex.test"));
    let resources = json!({ format!("com.cloudflare.api.account.zone.{acme}"): "*" });
    let token = of_user(&api, json!([policy(&[ZONE_READ, DNS_WRITE], resources)])).await;
    let seen = api.with_token(&token, "GET", "/zones", Value::Null).await.result();
    assert_eq!((seen[0]["name"].as_str(), seen.as_array().unwrap().len()), (Some("acme.test"), 1));
    for (method, path, expected) in [
        ("GET", format!("/zones/{acme}"), (200, 0)),
        ("GET", format!("/zones/{acme}/dns_records"), (200, 0)),
        ("GET", format!("/zones/{globex}"), (403, 9109)),
        ("GET", format!("/zones/{globex}/dns_records"), (403, 10000)),
        ("DELETE", format!("/zones/{acme}"), (403, 9109)),
        ("GET", format!("/zones/{acme}/workers/routes"), (403, 10000)),
        ("GET", "{acc}/workers/scripts".to_owned(), (403, 10000)),
    ] {
        assert_eq!(asked(&api, &token, method, &path).await, expected, "{method} {path}");
    }
}

// conformance: identity | `POST /accounts/{account}/tokens` | documented
// conformance: identity | `GET /accounts/{account}/tokens` | documented
// conformance: identity | `GET /accounts/{account}/tokens/{token}` | documented
// conformance: identity | `PUT /accounts/{account}/tokens/{token}` | documented
// conformance: identity | `DELETE /accounts/{account}/tokens/{token}` | documented
// conformance: identity | `PUT /accounts/{account}/tokens/{token}/value` | documented
// conformance: identity | `GET /accounts/{account}/tokens/verify` | documented
#[tokio::test]
async fn an_account_token_belongs_to_its_account_and_to_no_user() {
    let api = Api::new().await;
    let everywhere = json!({ "com.cloudflare.api.account.*": "*" });
    let body = json!({ "name": "ci", "policies": [policy(&[SCRIPTS_WRITE], everywhere)] });
    let (id, value) = made(&api, "{acc}/tokens", body.clone()).await;
    for (path, expected) in [
        ("/user/tokens/verify", (401, 1000)),
        ("{acc}/tokens/verify", (200, 0)),
        ("{acc}/workers/scripts", (200, 0)),
        ("/user", (403, 9109)),
        ("{acc}/tokens", (403, 9109)),
    ] {
        assert_eq!(asked(&api, &value, "GET", path).await, expected, "{path}");
    }
    let accounts = api.get("/accounts").await.result();
    let other = accounts.as_array().unwrap().iter().find(|account| account["name"] == "other");
    let other = other.unwrap()["id"].as_str().unwrap();
    let path = format!("/accounts/{other}/workers/scripts");
    assert_eq!(asked(&api, &value, "GET", &path).await, (403, 10000));
    assert_eq!(api.get("/user/tokens").await.result(), json!([]), "not the user's");
    let listed = api.get("{acc}/tokens").await.result();
    assert_eq!(listed[0]["id"], id.as_str());
    let mut renamed = body;
    renamed["name"] = json!("renamed");
    let path = format!("{{acc}}/tokens/{id}");
    assert_eq!(api.json("PUT", &path, renamed).await.result()["name"], "renamed");
    assert_eq!(api.get(&path).await.result()["name"], "renamed");
    api.json("PUT", &format!("{path}/value"), json!({})).await.result();
    assert_eq!(asked(&api, &value, "GET", "{acc}/tokens/verify").await, (401, 1000));
    api.delete(&path).await.result();
    assert_eq!(api.get("{acc}/tokens").await.result(), json!([]));
}

// conformance: identity | tokens: `not_before`, `expires_on`, `condition.request_ip` | guessed: the messages of a token not yet or no longer valid, since the documentation has only the status
#[tokio::test]
async fn a_token_works_in_its_time_and_from_its_addresses() {
    let api = Api::new().await;
    let policies = json!([in_account(&api, &[SCRIPTS_WRITE])]);
    let with = |extra: Value| {
        let mut body = json!({ "name": "ci", "policies": policies.clone() });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let path = "{acc}/workers/scripts";
    let body =
        with(json!({ "not_before": "2025-11-20T12:00:10Z", "expires_on": "2025-11-20T12:00:20Z" }));
    let (_, token) = made(&api, "/user/tokens", body).await;
    assert_eq!(asked(&api, &token, "GET", path).await, (403, 9109));
    api.clock.advance(Duration::from_secs(11));
    assert_eq!(asked(&api, &token, "GET", path).await, (200, 0));
    api.clock.advance(Duration::from_secs(10));
    assert_eq!(asked(&api, &token, "GET", path).await, (403, 9109));
    let verified = api.with_token(&token, "GET", "/user/tokens/verify", Value::Null).await;
    assert_eq!(verified.result()["status"], "expired");
    for (ips, expected) in [
        (json!({ "in": ["127.0.0.0/8"] }), (200, 0)),
        (json!({ "in": ["10.0.0.0/8"] }), (403, 9109)),
        (json!({ "in": ["127.0.0.0/8"], "not_in": ["127.0.0.1/32"] }), (403, 9109)),
    ] {
        let body = with(json!({ "condition": { "request_ip": ips } }));
        let (_, token) = made(&api, "/user/tokens", body).await;
        assert_eq!(asked(&api, &token, "GET", path).await, expected, "{ips}");
    }
}

#[tokio::test]
async fn nobody_gains_more_by_making_tokens() {
    let api = Api::new().await;
    let user = api.get("/user").await.result()["id"].as_str().unwrap().to_owned();
    let own = json!({ format!("com.cloudflare.api.user.{user}"): "*" });
    let maker = of_user(&api, json!([policy(&[TOKENS_WRITE], own)])).await;
    let body = json!({ "name": "x", "policies": [in_account(&api, &[SCRIPTS_WRITE])] });
    let made = api.with_token(&maker, "POST", "/user/tokens", body.clone()).await.result();
    assert!(made["value"].is_string(), "as at Cloudflare, it speaks for its user");
    // Whoever is held to one account makes tokens that are.
    let wide = json!({ "com.cloudflare.api.account.*": "*" });
    let body = json!({ "name": "x", "policies": [policy(&[SCRIPTS_WRITE], wide)] });
    let made = api.with_token("for-other", "POST", "/user/tokens", body).await.result();
    let token = made["value"].as_str().unwrap();
    assert_eq!(asked(&api, token, "GET", "{acc}/workers/scripts").await, (403, 10000));
    for path in ["requests", "faults", "limits"] {
        for token in [token, maker.as_str(), "for-other"] {
            let request = http::Request::builder()
                .uri(format!("/clodo/{path}"))
                .header("authorization", format!("Bearer {token}"))
                .body(axum::body::Body::empty())
                .unwrap();
            assert_eq!(api.send(request).await.error(), (403, 10000), "{path}");
        }
    }
    assert_eq!(api.get("/user/tokens").await.result().as_array().unwrap().len(), 3);
    let seeded = api.get("/user/tokens/verify").await.result()["id"].as_str().unwrap().to_owned();
    assert_eq!(api.delete(&format!("/user/tokens/{seeded}")).await.error(), (404, 1003));
    assert_eq!(asked(&api, TOKEN, "GET", "/user").await, (200, 0));
}

#[tokio::test]
async fn a_token_that_cannot_be_is_refused_and_nothing_is_made() {
    let api = Api::new().await;
    let good = in_account(&api, &[SCRIPTS_WRITE]);
    let changed = |field: &str, value: Value| {
        let mut body = json!({ "name": "ci", "policies": [good.clone()] });
        body[field] = value;
        body
    };
    let resources =
        |resources: Value| changed("policies", json!([policy(&[SCRIPTS_WRITE], resources)]));
    for (body, expected) in [
        (changed("name", json!("")), (400, 1001)),
        (changed("name", json!("x".repeat(121))), (400, 1001)),
        (changed("name", json!(7)), (400, 10026)),
        (changed("policies", json!([])), (400, 1001)),
        (changed("policies", json!("*")), (400, 10026)),
        (changed("policies", json!([in_account(&api, &["0".repeat(32).as_str()])])), (400, 1001)),
        (changed("policies", json!([in_account(&api, &[])])), (400, 1001)),
        (resources(json!({})), (400, 1001)),
        (resources(json!({ "*": "*" })), (400, 1001)),
        (resources(json!({ "com.cloudflare.api.account.": "*" })), (400, 1001)),
        (resources(json!({ "com.cloudflare.api.account.*": "read" })), (400, 1001)),
        (changed("expires_on", json!("tomorrow")), (400, 1001)),
        (changed("condition", json!({ "request_ip": { "in": ["here"] } })), (400, 1001)),
        (changed("status", json!("sleepy")), (400, 1001)),
    ] {
        assert_eq!(
            api.json("POST", "/user/tokens", body.clone()).await.error(),
            expected,
            "{body}"
        );
    }
    let users = json!({ "com.cloudflare.api.user.*": "*" });
    let body = json!({ "name": "x", "policies": [policy(&[TOKENS_WRITE], users)] });
    assert_eq!(api.json("POST", "{acc}/tokens", body).await.error(), (400, 1001));
    assert_eq!(api.get("/user/tokens").await.result(), json!([]));
    assert_eq!(api.get("/user/tokens/unknown").await.error(), (404, 1003));
}

// conformance: limits | 50 user tokens | documented
#[tokio::test]
async fn a_user_has_fifty_tokens() {
    let api = Api::new().await;
    let body = json!({ "name": "ci", "policies": [in_account(&api, &[SCRIPTS_WRITE])] });
    for _ in 0..50 {
        api.json("POST", "/user/tokens", body.clone()).await.result();
    }
    assert_eq!(api.json("POST", "/user/tokens", body).await.error(), (400, 1004));
    let page = api.get("/user/tokens?per_page=20&page=3").await.json();
    assert_eq!(page["result"].as_array().unwrap().len(), 10);
    assert_eq!(page["result_info"]["total_count"], 50);
}

// conformance: identity | `GET /user/tokens/permission_groups` | documented
// conformance: identity | `GET /accounts/{account}/tokens/permission_groups` | documented
#[tokio::test]
async fn permission_groups_have_cloudflares_own_ids() {
    let api = Api::new().await;
    let all = api.get("/user/tokens/permission_groups").await.result();
    let id = |name: &str| {
        let mut groups = all.as_array().unwrap().iter();
        groups.find(|group| group["name"] == name).unwrap()["id"].clone()
    };
    assert_eq!(id("Workers Scripts Write"), SCRIPTS_WRITE);
    assert_eq!(id("Account API Tokens Write"), ACCOUNT_TOKENS_WRITE);
    let path = "/user/tokens/permission_groups?name=Zone%20Read";
    let one = api.get(path).await.result();
    assert_eq!(one[0]["scopes"], json!(["com.cloudflare.api.account.zone"]));
    assert_eq!(one.as_array().unwrap().len(), 1);
    let path = "{acc}/tokens/permission_groups?scope=com.cloudflare.api.user";
    assert_eq!(api.get(path).await.result(), json!([]));
}

// conformance: identity | global API key (X-Auth-Key, X-Auth-Email) | documented
// conformance: identity | X-Auth-User-Service-Key is refused | guessed: code 6113 with status 400, since there is no Origin CA here that such a key would be good for
#[tokio::test]
async fn keys_and_malformed_headers_get_the_codes_that_cloudflare_has() {
    let api = Api::new().await;
    let token = of_user(&api, json!([in_account(&api, &[SCRIPTS_WRITE])])).await;
    let key = |key: &str| vec![("x-auth-key", key.to_owned()), ("x-auth-email", "a@b.test".into())];
    let both =
        vec![("authorization", format!("Bearer {TOKEN}")), ("authorization", "Bearer x".into())];
    for (path, headers, expected) in [
        ("/user", key(TOKEN), (200, 0)),
        ("/user", key(&token), (403, 9103)),
        ("/user", key("a b"), (400, 6103)),
        ("/user", vec![("x-auth-key", TOKEN.into()), ("x-auth-email", "x".into())], (400, 6102)),
        ("/user", vec![("x-auth-email", "a@b.test".into())], (400, 9106)),
        ("/user/tokens/verify", key(TOKEN), (400, 1001)),
        ("/user", vec![("x-auth-user-service-key", "v1.0-x".into())], (400, 6113)),
        ("/user", vec![("authorization", format!("bearer {TOKEN}"))], (200, 0)),
        ("/user", vec![("authorization", TOKEN.to_owned())], (400, 6111)),
        ("/user", both, (400, 6111)),
        ("/user", vec![("authorization", "Bearer \u{e9}".into())], (400, 6111)),
    ] {
        let mut request = http::Request::builder().uri(format!("/client/v4{path}"));
        for (name, value) in &headers {
            request = request.header(*name, value.as_bytes());
        }
        let answer = api.send(request.body(axum::body::Body::empty()).unwrap()).await;
        let json = answer.json();
        let chained = json["errors"][0]["error_chain"][0]["code"].as_u64();
        let code = chained.or(json["errors"][0]["code"].as_u64()).unwrap_or(0);
        assert_eq!((answer.status, code), expected, "{path} {headers:?}");
    }
}

#[tokio::test]
async fn tokens_survive_a_restart_and_a_seed_gives_permissions_by_name() {
    let api = Api::new().await;
    let token = of_user(&api, json!([in_account(&api, &[SCRIPTS_WRITE])])).await;
    let api = api.restarted().await;
    assert_eq!(asked(&api, &token, "GET", "{acc}/workers/scripts").await, (200, 0));
    assert_eq!(asked(&api, &token, "GET", "{acc}/d1/database").await, (403, 10000));
    let seed = json!({ "tokens": [
        { "token": "reader", "permissions": ["D1 Read"], "accounts": ["main"] },
        { "token": "owned", "permissions": ["D1 Read"], "owner": "main" },
    ] });
    api.control("PUT", "seed", seed).await.result();
    for token in ["reader", "owned"] {
        assert_eq!(asked(&api, token, "GET", "{acc}/d1/database").await, (200, 0));
        assert_eq!(asked(&api, token, "GET", "{acc}/workers/scripts").await, (403, 10000));
    }
    assert_eq!(asked(&api, "owned", "GET", "/user/tokens/verify").await, (401, 1000));
    let wrong = json!({ "tokens": [{ "token": "x", "permissions": ["Workers Script Write"] }] });
    let refused = api.control("PUT", "seed", wrong).await;
    let message = refused.json()["errors"][0]["message"].as_str().unwrap().to_owned();
    assert!(
        message.contains("did you mean") && message.contains("Workers Scripts Write"),
        "{message}"
    );
}
