//! Custom domains, routes and DNS.

use crate::api_support::{Api, module};
use serde_json::{Value, json};

async fn two_workers() -> Api {
    let api = Api::new().await;
    api.deployed("export default 1", json!([])).await;
    let path = "{acc}/workers/scripts/other";
    api.upload("PUT", path, module(json!([])), "export default 2").await.result();
    api
}

fn hostnames(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|entry| entry["hostname"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_changeset_says_what_a_replacement_then_does() {
    let api = two_workers().await;
    let put = |origins: Value| json!({ "override_scope": true, "origins": origins });
    let first = put(json!([{ "hostname": "a.acme.test" }, { "hostname": "b.acme.test" }]));
    api.json("PUT", "S/domains/records", first).await.result();
    let wanted = json!([{ "hostname": "b.acme.test" }, { "hostname": "C.Globex.test" }]);
    let path = "S/domains/changeset?replace_state=true";
    let changes = api.json("POST", path, wanted.clone()).await.result();
    assert_eq!(hostnames(&changes["added"]), ["c.globex.test"]);
    assert_eq!(hostnames(&changes["removed"]), ["a.acme.test"]);
    assert_eq!(hostnames(&changes["updated"]), ["b.acme.test"]);
    assert_eq!(changes["updated"][0]["modified"], false);
    assert_eq!(changes["conflicting"], json!([]));
    api.json("PUT", "S/domains/records", put(wanted)).await.result();
    let listed = api.get("{acc}/workers/domains?service=shop").await.result();
    assert_eq!(hostnames(&listed), ["b.acme.test", "c.globex.test"]);
    assert_eq!(listed[0]["zone_name"], "acme.test");
    assert_eq!(api.resolved("c.globex.test", "/x").as_deref(), Some("shop"));
    assert_eq!(api.resolved("a.acme.test", "/"), None);
    let worker = api.get("{acc}/workers/workers/shop").await.result();
    assert_eq!(hostnames(&worker["references"]["domains"]), ["b.acme.test", "c.globex.test"]);
}

#[tokio::test]
async fn a_hostname_of_another_worker_is_kept_from_whoever_does_not_insist() {
    let api = two_workers().await;
    let attach = |service: &str| json!({ "hostname": "a.acme.test", "service": service });
    let made = api.json("PUT", "{acc}/workers/domains", attach("shop")).await.result();
    let taken = api.json("PUT", "{acc}/workers/domains", attach("other")).await;
    assert_eq!(taken.error(), (409, 100_116));
    let path = "{acc}/workers/scripts/other/domains/";
    let origins = json!([{ "hostname": "a.acme.test" }]);
    let changes = api.json("POST", &format!("{path}changeset"), origins.clone()).await.result();
    assert_eq!(changes["updated"][0]["modified"], true);
    let record = format!("{{acc}}/workers/domains/records/{}", made["id"].as_str().unwrap());
    assert_eq!(api.get(&record).await.result()["service"], "shop");
    let mut put = json!({ "override_existing_origin": false, "origins": origins });
    let refused = api.json("PUT", &format!("{path}records"), put.clone()).await;
    assert_eq!(refused.error(), (409, 100_116));
    assert_eq!(api.resolved("a.acme.test", "/").as_deref(), Some("shop"));
    put["override_existing_origin"] = json!(true);
    api.json("PUT", &format!("{path}records"), put).await.result();
    assert_eq!(api.resolved("a.acme.test", "/").as_deref(), Some("other"));
}

#[tokio::test]
async fn a_hostname_without_a_zone_or_with_a_foreign_record_is_refused() {
    let api = two_workers().await;
    for hostname in ["shop.nowhere.test", "notacme.test", "bad host"] {
        let body = json!({ "hostname": hostname, "service": "shop" });
        let answer = api.json("PUT", "{acc}/workers/domains", body).await;
        assert_eq!(answer.error(), (400, 10082), "{hostname}");
        let body = json!([{ "hostname": hostname }]);
        assert_eq!(api.json("POST", "S/domains/changeset", body).await.error(), (400, 10082));
    }
    let zones = api.get("/zones?name=acme.test").await.result();
    let zone = zones[0]["id"].as_str().unwrap();
    let record = json!({ "type": "A", "name": "www", "content": "192.0.2.1", "proxied": true });
    let records = format!("/zones/{zone}/dns_records");
    let made = api.json("POST", &records, record.clone()).await.result();
    assert_eq!(made["name"], "www.acme.test");
    assert_eq!(api.json("POST", &records, record).await.error(), (400, 81058));
    let body = json!({ "hostname": "www.acme.test", "service": "shop" });
    let answer = api.json("PUT", "{acc}/workers/domains", body).await;
    assert_eq!(answer.error(), (409, 100_117));
    let changes = json!([{ "hostname": "www.acme.test" }]);
    let changes = api.json("POST", "S/domains/changeset", changes).await.result();
    assert_eq!(changes["conflicting"][0]["external_dns_record_id"], made["id"]);
    let one = format!("{records}/{}", made["id"].as_str().unwrap());
    let patched = api.json("PATCH", &one, json!({ "content": "192.0.2.2" })).await.result();
    assert_eq!((&patched["content"], &patched["type"]), (&json!("192.0.2.2"), &json!("A")));
    api.delete(&one).await.result();
    assert_eq!(api.get(&one).await.error(), (404, 81044));
}

#[tokio::test]
async fn routes_are_replaced_as_a_whole_and_belong_to_one_worker() {
    let api = two_workers().await;
    let wanted = json!([
        { "pattern": "acme.test/api/*" },
        { "pattern": "*.globex.test/*", "zone_name": "globex.test" },
    ]);
    api.json("PUT", "S/routes", wanted).await.result();
    assert_eq!(api.resolved("acme.test", "/api/x").as_deref(), Some("shop"));
    assert_eq!(api.resolved("x.globex.test", "/").as_deref(), Some("shop"));
    let taken = api
        .json(
            "PUT",
            "{acc}/workers/scripts/other/routes",
            json!([{ "pattern": "acme.test/api/*" }]),
        )
        .await;
    assert_eq!(taken.error(), (409, 10020));
    api.json("PUT", "S/routes", json!([{ "pattern": "acme.test/*" }])).await.result();
    assert_eq!(api.resolved("x.globex.test", "/"), None);
    assert_eq!(api.resolved("acme.test", "/other").as_deref(), Some("shop"));
    let unknown = api.json("PUT", "S/routes", json!([{ "pattern": "nowhere.test/*" }])).await;
    assert_eq!(unknown.error(), (400, 10082));
    assert_eq!(api.resolved("acme.test", "/other").as_deref(), Some("shop"), "nothing changed");
}

#[tokio::test]
async fn a_zone_lists_adds_changes_and_removes_its_routes() {
    let api = two_workers().await;
    let zones = api.get("/zones?name=acme.test").await.result();
    let routes = format!("/zones/{}/workers/routes", zones[0]["id"].as_str().unwrap());
    let body = json!({ "pattern": "acme.test/*", "script": "shop" });
    let made = api.json("POST", &routes, body.clone()).await.result();
    assert_eq!(api.json("POST", &routes, body).await.error(), (409, 10020));
    let one = format!("{routes}/{}", made["id"].as_str().unwrap());
    let body = json!({ "pattern": "acme.test/*", "script": "other" });
    api.json("PUT", &one, body).await.result();
    assert_eq!(api.resolved("acme.test", "/").as_deref(), Some("other"));
    for (pattern, script, code) in [
        ("globex.test/*", "shop", (400, 10022)),
        ("acme.test/*/x", "shop", (400, 10022)),
        ("x.acme.test/*", "nobody", (404, 10007)),
    ] {
        let body = json!({ "pattern": pattern, "script": script });
        assert_eq!(api.json("POST", &routes, body).await.error(), code, "{pattern}");
    }
    assert_eq!(api.get(&routes).await.result().as_array().unwrap().len(), 1);
    api.delete(&one).await.result();
    assert_eq!(api.delete(&one).await.error(), (404, 10019));
}
