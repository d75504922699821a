//! Who may come in, and what strangers are told.

use crate::api_support::Api;
use axum::body::Body;
use http::Request;
use serde_json::json;

async fn with_headers(api: &Api, path: &str, headers: &[(&str, &str)]) -> (u16, u64) {
    let mut request = Request::builder().uri(format!("/client/v4{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = api.send(request.body(Body::empty()).unwrap()).await;
    if answer.status == 200 { (200, 0) } else { answer.error() }
}

#[tokio::test]
async fn every_wrong_credential_gets_the_code_that_cloudflare_has_for_it() {
    let api = Api::new().await;
    let account = format!("/accounts/{}", api.account);
    let bearer = |token: &str| ("authorization", format!("Bearer {token}"));
    for (path, headers, expected) in [
        ("/user", vec![bearer("local-token")], (200, 0)),
        ("/user", vec![bearer("wrong")], (403, 9109)),
        ("/user/tokens/verify", vec![bearer("local-token")], (200, 0)),
        ("/user/tokens/verify", vec![bearer("wrong")], (401, 1000)),
        ("/user", vec![("authorization", "Basic x".into())], (400, 6003)),
        ("/user", vec![bearer("two words")], (400, 6003)),
        ("/user", vec![], (400, 9106)),
        ("/user", vec![("x-auth-key", "local-token".into())], (400, 9106)),
        (
            "/user",
            vec![("x-auth-key", "local-token".into()), ("x-auth-email", "a@b.test".into())],
            (200, 0),
        ),
        (
            "/user",
            vec![("x-auth-key", "wrong".into()), ("x-auth-email", "a@b.test".into())],
            (403, 9103),
        ),
        (account.as_str(), vec![bearer("local-token")], (200, 0)),
        (account.as_str(), vec![bearer("for-other")], (403, 10000)),
        ("/accounts/0123456789abcdef0123456789abcdef", vec![bearer("local-token")], (403, 10000)),
        ("/accounts/nonsense/workers/scripts", vec![bearer("local-token")], (404, 7003)),
        ("/zones/nonsense", vec![bearer("local-token")], (404, 7003)),
    ] {
        let headers: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(with_headers(&api, path, &headers).await, expected, "{path} {headers:?}");
    }
}

#[tokio::test]
async fn a_token_for_one_account_sees_only_that_account() {
    let api = Api::new().await;
    let all = api.get("/accounts").await.json();
    assert_eq!(all["result_info"]["total_count"], 2);
    let request = Request::builder()
        .uri("/client/v4/accounts")
        .header("authorization", "Bearer for-other")
        .body(Body::empty())
        .unwrap();
    let some = api.send(request).await.result();
    assert_eq!(some[0]["name"], "other");
    assert_eq!(some.as_array().unwrap().len(), 1);
    let memberships = api.get("/memberships?page=1").await.result();
    assert_eq!(memberships.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_page_past_the_end_is_empty() {
    let api = Api::new().await;
    for path in ["/accounts?page=2", "/memberships?page=9", "/zones?page=2&per_page=50"] {
        assert_eq!(api.get(path).await.result(), json!([]), "{path}");
    }
    let zones = api.get("/zones?per_page=1&page=2").await.json();
    assert_eq!(zones["result"].as_array().unwrap().len(), 1);
    assert_eq!(zones["result_info"]["total_pages"], 2);
    let named = api.get(&format!("/zones?name=acme.test&account.id={}", api.account)).await;
    assert_eq!(named.result()[0]["name"], "acme.test");
}

#[tokio::test]
async fn an_unknown_route_answers_as_cloudflare_does_and_stands_out_in_the_log() {
    let api = Api::new().await;
    let answer = api.get("/accounts/x/y/z").await;
    assert_eq!(answer.error(), (404, 7003));
    assert_eq!(answer.json()["errors"][1]["code"], 7000);
    assert_eq!(api.delete("/user").await.error(), (405, 7001));
    let log = logged(&api, 2).await;
    assert!(log.iter().all(|line| line["unknown_route"] == true), "{log:?}");
}

/// Reads the request log until it has `count` lines; they are written by another thread.
async fn logged(api: &Api, count: usize) -> Vec<serde_json::Value> {
    let reading = async {
        loop {
            let text = std::fs::read_to_string(api.folder.path().join("requests.jsonl"));
            let lines: Vec<_> = text
                .unwrap_or_default()
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .collect();
            if lines.len() >= count {
                return lines;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), reading).await.unwrap()
}

#[tokio::test]
async fn the_request_log_counts_reads_and_writes_and_holds_no_secret() {
    let api = Api::new().await;
    api.deployed("export default {}", json!([])).await;
    let secret = json!({ "name": "KEY", "text": "hunter2", "type": "secret_text" });
    api.json("PUT", "S/secrets", secret).await.result();
    api.get("S/secrets?token=hunter2").await.result();
    api.json("PUT", "S/secrets", json!({})).await.error();
    let lines = logged(&api, 5).await;
    let writes: Vec<bool> = lines.iter().map(|line| line["write"] == true).collect();
    // PUT script, GET versions, PUT secret, GET secrets, and a PUT that was refused.
    assert_eq!(writes, [true, false, true, false, false]);
    let text = std::fs::read_to_string(api.folder.path().join("requests.jsonl")).unwrap();
    assert!(!text.contains("hunter2") && !text.contains("local-token"), "{text}");
    let count = Request::builder().uri("/clodo/requests/count").body(Body::empty()).unwrap();
    assert_eq!(api.send(count).await.result(), json!({ "reads": 3, "writes": 2 }));
    api.tick();
    let now = "2025-11-20T12:00:01Z";
    let uri = format!("/clodo/requests/count?since={now}");
    let count = Request::builder().uri(uri).body(Body::empty()).unwrap();
    // Only the count above, which was noted before the clock moved, is missing.
    assert_eq!(api.send(count).await.result(), json!({ "reads": 0, "writes": 0 }));
}

#[tokio::test]
async fn a_running_cloud_takes_more_zones_from_whoever_may_use_all_accounts() {
    let api = Api::new().await;
    let seed = json!({ "accounts": [{ "name": "main", "zones": ["acme.test", "new.test"] }] });
    let put = |token: &str| {
        Request::builder()
            .method("PUT")
            .uri("/clodo/seed")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(seed.to_string()))
            .unwrap()
    };
    assert_eq!(api.send(put("wrong")).await.error(), (403, 9109));
    assert_eq!(api.send(put("for-other")).await.error(), (403, 10000));
    api.send(put("local-token")).await.result();
    api.send(put("local-token")).await.result();
    assert_eq!(api.get("/zones").await.json()["result_info"]["total_count"], 3);
    let stolen = json!({ "accounts": [{ "name": "other", "zones": ["new.test"] }] });
    let request = Request::builder()
        .method("PUT")
        .uri("/clodo/seed")
        .header("authorization", "Bearer local-token")
        .body(Body::from(stolen.to_string()))
        .unwrap();
    assert_eq!(api.send(request).await.status, 400);
}
