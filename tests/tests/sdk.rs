//! Cloudflare's own SDKs, for npm and for Python, against the local Cloudflare.

use clodo_tests::{Sandbox, Sdk};
use serde_json::{Value, json};

/// A cloud of its own; every SDK gets the same questions.
fn asked(sdk: Sdk, noun: &str) -> Value {
    let sandbox = Sandbox::empty();
    let _ = sandbox.local(&["up", "--detach", "--zone", "acme.test"]).exits(0);
    sdk.run(&sandbox, noun)
}

fn failed(status: u16, code: u32) -> Value {
    json!({ "status": status, "codes": [code] })
}

/// What a failed call came to, without the SDK's name for it.
fn plain(mut failure: Value) -> Value {
    if let Some(fields) = failure.as_object_mut() {
        fields.remove("name");
    }
    failure
}

// conformance: identity | GET /user/tokens/verify | accepted by the npm and Python SDKs
// conformance: identity | GET /accounts | accepted by the npm and Python SDKs
// conformance: identity | GET /memberships | accepted by the npm SDK
#[test]
fn the_sdks_learn_who_they_are() {
    for sdk in [Sdk::Npm, Sdk::Python] {
        let seen = asked(sdk, "identity");
        assert_eq!(seen["status"], "active", "{sdk:?}");
        assert_eq!(seen["accounts"].as_array().map(Vec::len), Some(1), "{sdk:?}");
        assert_eq!(plain(seen["stranger"].clone()), failed(401, 1000), "{sdk:?}");
    }
}

// conformance: zones | POST /zones | accepted by the npm and Python SDKs
// conformance: zones | DELETE /zones/{zone} | accepted by the npm and Python SDKs
// conformance: dns | POST /zones/{zone}/dns_records | accepted by the npm and Python SDKs
// conformance: dns | PATCH /zones/{zone}/dns_records/{record} | accepted by the npm and Python SDKs
// conformance: dns | POST /zones/{zone}/dns_records/batch | accepted by the npm and Python SDKs
// conformance: dns | GET /zones/{zone}/dns_records/export | accepted by the npm and Python SDKs
// conformance: dns | GET /zones/{zone}/dns_records | accepted by the npm and Python SDKs
#[test]
fn the_sdks_keep_zones_and_records() {
    for sdk in [Sdk::Npm, Sdk::Python] {
        let seen = asked(sdk, "zones");
        assert_eq!(seen["edited"], "192.0.2.2", "{sdk:?}");
        assert_eq!((&seen["batch"], &seen["exported"]), (&json!([1, 1]), &json!(true)), "{sdk:?}");
        assert_eq!(seen["listed"], json!(["note.sdk.test"]), "{sdk:?}");
    }
}

// conformance: kv | POST /accounts/{account}/storage/kv/namespaces | accepted by the npm and Python SDKs
// conformance: kv | PUT /accounts/{account}/storage/kv/namespaces/{namespace}/values/{key} | accepted by the npm and Python SDKs
// conformance: kv | GET /accounts/{account}/storage/kv/namespaces/{namespace}/values/{key} | accepted by the npm and Python SDKs
// conformance: kv | GET /accounts/{account}/storage/kv/namespaces/{namespace}/metadata/{key} | accepted by the npm and Python SDKs
// conformance: kv | GET /accounts/{account}/storage/kv/namespaces/{namespace}/keys | accepted by the npm and Python SDKs
// conformance: kv | PUT /accounts/{account}/storage/kv/namespaces/{namespace}/bulk | accepted by the npm and Python SDKs
// conformance: kv | POST /accounts/{account}/storage/kv/namespaces/{namespace}/bulk/get | accepted by the npm SDK
// conformance: kv | POST /accounts/{account}/storage/kv/namespaces/{namespace}/bulk/delete | accepted by the npm SDK
// conformance: kv | PUT /accounts/{account}/storage/kv/namespaces/{namespace} | accepted by the npm SDK
#[test]
fn the_sdks_keep_keys() {
    for sdk in [Sdk::Npm, Sdk::Python] {
        let seen = asked(sdk, "kv");
        assert_eq!((&seen["value"], &seen["keys"]), (&json!("one"), &json!(25)), "{sdk:?}");
        assert_eq!(seen["metadata"], json!({ "n": 1 }), "{sdk:?}");
        assert_eq!(plain(seen["none"].clone()), failed(404, 10009), "{sdk:?}");
    }
    let seen = asked(Sdk::Npm, "kv");
    assert_eq!(seen["bulk"], json!({ "k00": "v0", "none": null }));
    assert_eq!((&seen["left"], &seen["after"]), (&json!(25), &json!(0)));
    assert_eq!(seen["listed"], json!(["renamed"]));
    assert_eq!(plain(seen["twice"].clone()), failed(400, 10014));
}

// conformance: d1 | POST /accounts/{account}/d1/database | accepted by the npm and Python SDKs
// conformance: d1 | GET /accounts/{account}/d1/database | accepted by the npm and Python SDKs
// conformance: d1 | GET /accounts/{account}/d1/database/{database} | accepted by the npm SDK
// conformance: d1 | DELETE /accounts/{account}/d1/database/{database} | accepted by the npm and Python SDKs
// conformance: d1 | POST /accounts/{account}/d1/database/{database}/query | accepted by the npm and Python SDKs
// conformance: d1 | POST /accounts/{account}/d1/database/{database}/raw | accepted by the npm SDK
// conformance: d1 | GET /accounts/{account}/d1/database/{database}/time_travel/bookmark | accepted by the npm SDK
// conformance: d1 | POST /accounts/{account}/d1/database/{database}/time_travel/restore | accepted by the npm SDK
#[test]
fn the_sdks_ask_a_database() {
    for sdk in [Sdk::Npm, Sdk::Python] {
        let seen = asked(sdk, "d1");
        assert_eq!(seen["changes"].as_f64(), Some(2.0), "{sdk:?}");
        assert_eq!(
            (&seen["rows"], &seen["count"]),
            (&json!(["a", "b", "c"]), &json!(3)),
            "{sdk:?}"
        );
        assert_eq!(plain(seen["broken"].clone()), failed(400, 7500), "{sdk:?}");
        assert_eq!(seen["listed"], json!(["books"]), "{sdk:?}");
    }
    let seen = asked(Sdk::Npm, "d1");
    assert_eq!(seen["raw"], json!({ "columns": ["id", "title"], "rows": [[1, "a"]] }));
    assert_eq!((&seen["bookmarks"], &seen["again"]), (&json!(["string", "string"]), &json!(3)));
    assert_eq!(plain(seen["twice"].clone()), failed(400, 7502));
    assert_eq!(plain(seen["gone"].clone()), failed(404, 7404));
}

// conformance: r2 | POST /accounts/{account}/r2/buckets | accepted by the npm and Python SDKs
// conformance: r2 | GET /accounts/{account}/r2/buckets | accepted by the npm and Python SDKs
// conformance: r2 | GET /accounts/{account}/r2/buckets/{bucket} | accepted by the npm SDK
// conformance: r2 | DELETE /accounts/{account}/r2/buckets/{bucket} | accepted by the npm and Python SDKs
#[test]
fn the_sdks_keep_buckets() {
    for sdk in [Sdk::Npm, Sdk::Python] {
        let seen = asked(sdk, "r2");
        assert_eq!((&seen["made"], &seen["listed"]), (&json!("pictures"), &json!(["pictures"])));
        assert_eq!(plain(seen["twice"].clone()), failed(409, 10004), "{sdk:?}");
    }
}

// conformance: workers | PUT /accounts/{account}/workers/scripts/{script} | accepted by the npm and Python SDKs (metadata as form fields, and multipart labelled as a script)
// conformance: workers | GET /accounts/{account}/workers/scripts | accepted by the npm and Python SDKs
// conformance: workers | DELETE /accounts/{account}/workers/scripts/{script} | accepted by the npm and Python SDKs
// conformance: workers | GET /accounts/{account}/workers/scripts/{script}/content/v2 | accepted by the npm SDK
// conformance: workers | PATCH /accounts/{account}/workers/scripts/{script}/script-settings | accepted by the npm SDK
// conformance: workers | POST /accounts/{account}/workers/scripts/{script}/subdomain | accepted by the npm SDK
// conformance: versions | POST /accounts/{account}/workers/scripts/{script}/versions | accepted by the npm and Python SDKs
// conformance: versions | GET /accounts/{account}/workers/scripts/{script}/versions | accepted by the npm and Python SDKs
// conformance: versions | POST /accounts/{account}/workers/scripts/{script}/deployments | accepted by the npm and Python SDKs
// conformance: versions | GET /accounts/{account}/workers/scripts/{script}/deployments | accepted by the npm SDK (as `items`)
// conformance: triggers | PUT /accounts/{account}/workers/scripts/{script}/schedules | accepted by the npm and Python SDKs
// conformance: triggers | GET /accounts/{account}/workers/scripts/{script}/schedules | accepted by the npm SDK
// conformance: secrets | PUT /accounts/{account}/workers/scripts/{script}/secrets | accepted by the npm and Python SDKs
// conformance: secrets | GET /accounts/{account}/workers/scripts/{script}/secrets | accepted by the npm and Python SDKs
// conformance: secrets | DELETE /accounts/{account}/workers/scripts/{script}/secrets/{secret} | accepted by the npm SDK
#[test]
fn the_sdks_upload_and_deploy_workers() {
    for sdk in [Sdk::Npm, Sdk::Python] {
        let seen = asked(sdk, "workers");
        assert_eq!((&seen["id"], &seen["versions"]), (&json!("sdk-worker"), &json!(2)), "{sdk:?}");
        assert_eq!((&seen["newest"], &seen["deployed"]), (&json!(true), &json!(true)), "{sdk:?}");
        assert_eq!(seen["scripts"], json!(["sdk-worker"]), "{sdk:?}");
    }
    let seen = asked(Sdk::Npm, "workers");
    assert_eq!((&seen["deployments"], &seen["subdomain"]), (&json!(2), &json!(true)));
    assert_eq!((&seen["schedules"], &seen["content"]), (&json!(["*/5 * * * *"]), &json!(true)));
    assert_eq!(seen["secrets"], json!([{ "name": "KEY", "type": "secret_text" }]));
    assert_eq!(seen["logpush"], json!(true));
    assert_eq!(plain(seen["broken"].clone()), failed(400, 10021));
    assert_eq!(plain(seen["gone"].clone()), failed(404, 10007));
}
