//! KV over REST: keys of any shape, limits, expiry, bulk.

use crate::api_support::{Api, BOUNDARY};
use axum::body::Body;
use serde_json::{Value, json};
use std::time::Duration;

async fn namespace(api: &Api) -> String {
    let body = json!({ "title": "shop-kv" });
    let made = api.json("POST", "{acc}/storage/kv/namespaces", body).await.result();
    format!("{{acc}}/storage/kv/namespaces/{}", made["id"].as_str().unwrap())
}

// conformance: kv | `PUT`, `GET` and `DELETE /accounts/{account}/storage/kv/namespaces/{namespace}/values/{key}` for keys of any shape | documented
#[tokio::test]
async fn keys_of_any_shape_come_back_as_they_went_in() {
    let api = Api::new().await;
    let path = namespace(&api).await;
    let long = "x".repeat(512);
    let mut names = vec!["a/b", "a%b", "ü😀", "a b+c", "?q=1&r#s", "...", "a\u{1}\n", &long];
    for name in &names {
        let value = format!("{path}/values/{}", encoded(name));
        api.raw("PUT", &value, name).await.result();
        assert_eq!(api.get(&value).await.bytes, name.as_bytes(), "{name}");
    }
    let listed = api.get(&format!("{path}/keys")).await.result();
    let seen: Vec<&str> =
        listed.as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(seen, names);
    for bad in [".", "..", "", &"x".repeat(513)] {
        let answer = api.raw("PUT", &format!("{path}/values/{}", encoded(bad)), "x").await;
        assert!((400..500).contains(&answer.status), "{bad:.10}: {}", answer.status);
    }
    for name in &names {
        api.delete(&format!("{path}/values/{}", encoded(name))).await.result();
    }
    assert_eq!(api.get(&format!("{path}/keys")).await.result(), json!([]));
}

fn encoded(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

// conformance: kv | `GET /accounts/{account}/storage/kv/namespaces/{namespace}/keys` with `prefix`, `limit`, `cursor` | documented
// conformance: kv | `expiration` and `expiration_ttl` by the clock | documented
#[tokio::test]
async fn keys_are_listed_by_pages_until_they_expire() {
    let api = Api::new().await;
    let path = namespace(&api).await;
    for n in 0..25 {
        api.raw("PUT", &format!("{path}/values/k{n:02}"), "x").await.result();
    }
    api.raw("PUT", &format!("{path}/values/k99?expiration_ttl=60"), "x").await.result();
    let (mut cursor, mut pages) = (String::new(), Vec::new());
    loop {
        let page = api.get(&format!("{path}/keys?prefix=k&limit=10&cursor={cursor}")).await.json();
        pages.push(page["result"].as_array().unwrap().len());
        assert_eq!(page["result_info"]["count"], pages[pages.len() - 1]);
        cursor = page["result_info"]["cursor"].as_str().unwrap().to_owned();
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(pages, [10, 10, 6]);
    let last = api.get(&format!("{path}/keys?prefix=k9")).await.result();
    assert!(last[0]["expiration"].is_i64(), "{last}");
    api.clock.advance(Duration::from_secs(60));
    assert_eq!(api.get(&format!("{path}/keys?prefix=k9")).await.result(), json!([]));
    assert_eq!(api.get(&format!("{path}/values/k99")).await.error(), (404, 10009));
    for bad in ["limit=0", "limit=1001", "cursor=!"] {
        assert_eq!(api.get(&format!("{path}/keys?{bad}")).await.status, 400, "{bad}");
    }
    for bad in [
        "expiration_ttl=59",
        "expiration_ttl=x",
        "expiration_ttl=-1",
        "expiration=1",
        "expiration=x",
    ] {
        let answer = api.raw("PUT", &format!("{path}/values/k?{bad}"), "x").await;
        assert_eq!(answer.error(), (400, 10033), "{bad}");
    }
}

// conformance: kv | `PUT /accounts/{account}/storage/kv/namespaces/{namespace}/values/{key}` as multipart with metadata | accepted by wrangler
// conformance: kv | `GET /accounts/{account}/storage/kv/namespaces/{namespace}/metadata/{key}` | documented
#[tokio::test]
async fn a_value_comes_with_metadata_in_parts() {
    let api = Api::new().await;
    let path = namespace(&api).await;
    let put = |metadata: String| {
        let part = |name: &str, text: &str| {
            format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n"
            )
        };
        let body = part("value", "hello") + &part("metadata", &metadata);
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let request = api.request("PUT", &format!("{path}/values/k")).header("content-type", kind);
        api.send(request.body(Body::from(format!("{body}--{BOUNDARY}--\r\n"))).unwrap())
    };
    put(r#"{"a":[1,"ü"]}"#.to_owned()).await.result();
    assert_eq!(api.get(&format!("{path}/values/k")).await.bytes, b"hello");
    let metadata = api.get(&format!("{path}/metadata/k")).await.result();
    assert_eq!(metadata, json!({ "a": [1, "ü"] }));
    assert_eq!(put("{not json".to_owned()).await.error(), (400, 10033));
    assert_eq!(put(format!("\"{}\"", "x".repeat(1_023))).await.status, 413);
    assert_eq!(api.get(&format!("{path}/metadata/k")).await.result(), metadata);
    let huge = "x".repeat(25 * 1024 * 1024 + 1);
    assert_eq!(api.raw("PUT", &format!("{path}/values/k"), &huge).await.status, 413);
    assert_eq!(api.raw("PUT", &format!("{path}/values/k"), &huge[1..]).await.status, 200);
}

// conformance: kv | `POST /accounts/{account}/storage/kv/namespaces/{namespace}/bulk/get` with `type` and `withMetadata` | documented
// conformance: kv | `PUT /accounts/{account}/storage/kv/namespaces/{namespace}/bulk` stores all or none | documented
#[tokio::test]
async fn bulk_calls_read_by_type_and_write_all_or_none() {
    let api = Api::new().await;
    let path = namespace(&api).await;
    let (bulk, read) = (format!("{path}/bulk"), format!("{path}/bulk/get"));
    let pairs = json!([
        { "key": "j", "value": "{\"a\":1}", "metadata": { "m": 1 } },
        { "key": "t", "value": "text", "expiration_ttl": 60 },
    ]);
    api.json("PUT", &bulk, pairs).await.result();
    let ask = |body: Value| api.json("POST", &read, body);
    let values = ask(json!({ "keys": ["j", "none"], "type": "json" })).await.result();
    assert_eq!(values["values"], json!({ "j": { "a": 1 }, "none": null }));
    let values = ask(json!({ "keys": ["j", "t"], "withMetadata": true })).await.result();
    assert_eq!(values["values"]["j"]["metadata"], json!({ "m": 1 }));
    assert!(values["values"]["t"]["expiration"].is_i64(), "{values}");
    let many: Vec<String> = (0..101).map(|n| n.to_string()).collect();
    for (body, code) in [
        (json!({ "keys": ["t"], "type": "json" }), 10033),
        (json!({ "keys": ["t"], "type": "stream" }), 10033),
        (json!({ "keys": [] }), 10029),
        (json!({ "keys": many }), 10029),
        (json!({}), 10026),
    ] {
        assert_eq!(ask(body.clone()).await.error(), (400, code), "{body}");
    }
    let bad = json!([{ "key": "good", "value": "x" }, { "key": "bad", "value": "x", "expiration_ttl": 1 }]);
    assert_eq!(api.json("PUT", &bulk, bad).await.error(), (400, 10033));
    assert_eq!(api.get(&format!("{path}/values/good")).await.error(), (404, 10009));
    let base64 = json!([{ "key": "b", "value": "not base64!", "base64": true }]);
    assert_eq!(api.json("PUT", &bulk, base64).await.status, 400);
}
