//! What somebody did behind Clodo's back is found, and nothing else: the real program, with real calls
//! of the API and real wrangler on the local Cloudflare.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

use clodo_tests::{Request, Sandbox, Schema, Wrangler};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const DEPLOY: [&str; 5] = ["deploy", "--platform", "local", "--yes", "--json"];
const DRIFT: [&str; 4] = ["drift", "--platform", "local", "--json"];

/// The storefront with every kind of binding, address and setting.
fn everything() -> Sandbox {
    let sandbox = Sandbox::storefront();
    sandbox.edit(
        "services/catalog/wrangler.jsonc",
        "\"kv_namespaces\"",
        r#""compatibility_flags": ["nodejs_compat"],
           "r2_buckets": [{ "binding": "FILES" }],
           "durable_objects": { "bindings": [{ "name": "ROOM", "class_name": "Room" }] },
           "migrations": [{ "tag": "v1", "new_sqlite_classes": ["Room"] }],
           "triggers": { "crons": ["*/5 * * * *"] },
           "observability": { "enabled": true },
           "logpush": true,
           "workers_dev": true,
           "kv_namespaces""#,
    );
    sandbox.edit(
        "services/catalog/wrangler.jsonc",
        "\"LOG_LEVEL\": \"info\" }",
        "\"LOG_LEVEL\": \"info\", \"LIMITS\": { \"a\": [1, null] } }",
    );
    sandbox.edit(
        "services/catalog/src/index.ts",
        "export default {",
        "export class Room {}\nexport default {",
    );
    sandbox
}

struct Api {
    base: String,
    bearer: String,
    account: String,
}

impl Api {
    fn of(sandbox: &Sandbox) -> Self {
        let settings: BTreeMap<_, _> = sandbox.settings().into_iter().collect();
        Self {
            base: settings["CLOUDFLARE_API_BASE_URL"].clone(),
            bearer: format!("authorization: Bearer {}", settings["CLOUDFLARE_API_TOKEN"]),
            account: settings["CLOUDFLARE_ACCOUNT_ID"].clone(),
        }
    }

    fn send(&self, method: &'static str, path: &str, kind: &str, body: &str) -> Value {
        let url = format!("{}{path}", self.base);
        let kind = format!("content-type: {kind}");
        let request = Request { method, url: &url, headers: &[&self.bearer, &kind], body };
        let answer = request.send().unwrap();
        assert!(answer.status < 300, "{method} {path}: {answer:?}");
        if answer.body.is_empty() { Value::Null } else { answer.json()["result"].clone() }
    }

    fn json(&self, method: &'static str, path: &str, body: &Value) -> Value {
        self.send(method, path, "application/json", &body.to_string())
    }

    /// A call about one Worker of the account.
    fn script(&self, method: &'static str, worker: &str, path: &str, body: &Value) -> Value {
        let script = format!("/accounts/{}/workers/scripts/{worker}{path}", self.account);
        self.json(method, &script, body)
    }

    fn upload_version(&self, worker: &str) {
        let metadata = json!({ "main_module": "w.js", "compatibility_date": "2026-01-01" });
        let code = "export default { fetch() { return new Response('mine') } }";
        let part = |name: &str, file: &str, kind: &str, body: &str| {
            format!(
                "--X\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\ncontent-type: {kind}\r\n\r\n{body}\r\n"
            )
        };
        let metadata = part("metadata", "", "application/json", &metadata.to_string());
        let code = part("w.js", "; filename=\"w.js\"", "application/javascript+module", code);
        let path = format!("/accounts/{}/workers/scripts/{worker}/versions", self.account);
        let body = format!("{metadata}{code}--X--\r\n");
        self.send("POST", &path, "multipart/form-data; boundary=X", &body);
    }
}

/// The kinds of what was found, and of which Workers.
fn found(sandbox: &Sandbox, code: i32) -> Vec<(String, String)> {
    let report = sandbox.deploy(&DRIFT).exits(code).json();
    Schema::of("clodo-deploy").check("drift", &report);
    let drifts = report["drifts"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut found: Vec<_> =
        drifts.map(|drift| (text(&drift["kind"]), text(&drift["worker"]["worker"]))).collect();
    found.dedup();
    found
}

fn calls(report: &Value) -> u64 {
    report["api_calls"]["reads"].as_u64().unwrap()
}

/// Half of the fleet.
fn of_acme(sandbox: &Sandbox) -> Value {
    sandbox.deploy(&[&DRIFT[..], &["--customer", "acme"]].concat()).exits(0).json()
}

fn rows(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    rows.iter().map(|(kind, worker)| ((*kind).to_owned(), (*worker).to_owned())).collect()
}

const CATALOG: &str = "catalog-development-acme";
const ORDERS: &str = "orders-development-acme";
const WEB: &str = "web-development-acme";

#[test]
fn a_portfolio_with_everything_has_not_drifted_until_somebody_meddles() {
    let sandbox = everything();
    let _ = sandbox.deploy(&DEPLOY).exits(0);
    let writes = sandbox.requests()["writes"].clone();
    let report = sandbox.deploy(&DRIFT).exits(0).json();
    assert_eq!((&report["drifts"], &report["findings"]), (&json!([]), &json!([])), "{report:#}");
    assert_eq!((&report["targets"], &report["inspected"]), (&6.into(), &0.into()));
    assert_eq!(report["believed"].as_array().unwrap().len(), 6, "{report:#}");
    let deep = sandbox.deploy(&[&DRIFT[..], &["--deep"]].concat()).exits(0).json();
    assert_eq!((&deep["drifts"], &deep["inspected"]), (&json!([]), &6.into()), "{deep:#}");
    assert_eq!((calls(&report), calls(&deep)), (calls(&of_acme(&sandbox)), calls(&report) + 24));
    assert_eq!(sandbox.requests()["writes"], writes, "it only reads");
    let text = sandbox.deploy(&["drift", "--platform", "local"]).exits(0);
    assert!(text.stdout.contains("No drift: 6 targets"), "{}", text.stdout);
    assert!(text.stdout.contains("Believed, as listings show them unchanged"), "{}", text.stdout);
    // Nor after a second upload, a rollback, and without any history.
    sandbox.edit("services/catalog/src/index.ts", "status: \"ok\"", "status: \"better\"");
    let _ = sandbox.deploy(&DEPLOY).exits(0);
    assert_eq!(found(&sandbox, 0), []);
    let _ = sandbox.deploy(&["rollback", "--platform", "local", "--yes", "--json"]).exits(0);
    assert_eq!(
        found(&sandbox, 4).iter().map(|row| &*row.0).collect::<Vec<_>>(),
        ["not_deployed", "not_deployed"]
    );
    let _ = sandbox.deploy(&DEPLOY).exits(0);
    std::fs::remove_file(sandbox.project().join(".clodo/state-local.sqlite")).unwrap();
    assert_eq!(found(&sandbox, 0), []);

    let api = Api::of(&sandbox);
    meddle(&sandbox, &api);
    let _ = sandbox.deploy(&[&DEPLOY[..], &["--adopt", "--redeploy"]].concat()).exits(0);
    assert_eq!(found(&sandbox, 0), [], "what the hints name has mended it");
}

/// Does one thing after the other, and looks each time.
#[track_caller]
fn meddle(sandbox: &Sandbox, api: &Api) {
    let mut want = Vec::new();
    let mut finds = |more: &[(&str, &str)]| {
        want.extend(rows(more));
        let mut now = found(sandbox, 4);
        now.sort();
        want.sort();
        assert_eq!(now, want, "after {more:?}");
    };
    api.upload_version(WEB);
    finds(&[("newer_version", WEB)]);
    let crons = json!([{ "cron": "1 1 1 1 *" }]);
    api.script("PUT", CATALOG, "/schedules", &crons);
    finds(&[("schedule", CATALOG)]);
    let off = json!({ "logpush": false });
    api.script("PATCH", CATALOG, "/script-settings", &off);
    finds(&[("settings", CATALOG)]);
    let subdomain = json!({ "enabled": false, "previews_enabled": false });
    api.script("POST", CATALOG, "/subdomain", &subdomain);
    finds(&[("workers_dev", CATALOG)]);
    let domain = json!({ "hostname": "other.acme.test", "service": ORDERS, "environment": "production",
                         "zone_id": zone(api) });
    api.json("PUT", &format!("/accounts/{}/workers/domains", api.account), &domain);
    finds(&[("domain", ORDERS)]);
    let route = json!({ "pattern": "acme.test/x/*", "script": ORDERS });
    let route = api.json("POST", &format!("/zones/{}/workers/routes", zone(api)), &route);
    // The history was deleted, so nobody knows whether the route was there before Clodo came.
    finds(&[]);
    let id = route["id"].as_str().unwrap();
    api.json("DELETE", &format!("/zones/{}/workers/routes/{id}", zone(api)), &Value::Null);
    let secret = json!({ "name": "BACKDOOR", "text": "x", "type": "secret_text" });
    api.script("PUT", ORDERS, "/secrets", &secret);
    finds(&[("version", ORDERS), ("secret", ORDERS)]);
    api.script("DELETE", ORDERS, "/secrets/ORDER_SIGNING_KEY", &Value::Null);
    finds(&[]);
    let drifts = sandbox.deploy(&DRIFT).exits(4).json()["drifts"].to_string();
    assert!(drifts.contains("ORDER_SIGNING_KEY") && drifts.contains("BACKDOOR"), "{drifts}");
    let kv =
        api.json("GET", &format!("/accounts/{}/storage/kv/namespaces", api.account), &Value::Null);
    let kv = kv.as_array().unwrap().iter().find(|one| one["title"] == format!("{CATALOG}-cache"));
    let id = kv.unwrap()["id"].as_str().unwrap();
    let path = format!("/accounts/{}/storage/kv/namespaces/{id}", api.account);
    api.json("DELETE", &path, &Value::Null);
    finds(&[("resource", CATALOG)]);
    api.script("PATCH", "orders-development-globex", "/script-settings", &json!({ "tags": [] }));
    finds(&[("owner", "orders-development-globex")]);
    let path =
        format!("/accounts/{}/workers/services/web-development-globex?force=true", api.account);
    api.json("DELETE", &path, &Value::Null);
    finds(&[("not_deployed", "web-development-globex")]);
}

fn zone(api: &Api) -> String {
    let zones = api.json("GET", "/zones?name=acme.test", &Value::Null);
    zones[0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn what_leaves_the_listing_as_it_was_is_found_by_reading_everything() {
    let sandbox = Sandbox::storefront();
    let _ = sandbox.deploy(&DEPLOY).exits(0);
    let api = Api::of(&sandbox);
    let kv = format!("/accounts/{}/storage/kv/namespaces", api.account);
    let all = api.json("GET", &kv, &Value::Null);
    let title = format!("{CATALOG}-cache");
    let one = all.as_array().unwrap().iter().find(|one| one["title"] == title.as_str()).unwrap();
    let path = format!("{kv}/{}", one["id"].as_str().unwrap());
    api.json("DELETE", &path, &Value::Null);
    assert_eq!(found(&sandbox, 4), rows(&[("resource", CATALOG)]), "a listing lacks it");
    api.json("POST", &kv, &json!({ "title": title }));
    assert_eq!(found(&sandbox, 0), [], "another one of the same name stands in its place");
    let deep = sandbox.deploy(&[&DRIFT[..], &["--deep"]].concat()).exits(4).json();
    assert_eq!(deep["drifts"][0]["kind"], "resource", "{deep:#}");
    assert_eq!((&deep["inspected"], &deep["believed"]), (&6.into(), &json!([])));
}

#[test]
fn what_wrangler_does_is_found() {
    let sandbox = Sandbox::storefront();
    let acme = ["--customer", "acme"];
    let deploy = [&DEPLOY[..], &acme].concat();
    let _ = sandbox.deploy(&deploy).exits(0);
    sandbox.edit("services/catalog/src/index.ts", "status: \"ok\"", "status: \"better\"");
    let _ = sandbox.deploy(&deploy).exits(0);
    let look = || {
        let report = sandbox.deploy(&[&DRIFT[..], &acme].concat()).exits(4).json();
        let drifts = report["drifts"].as_array().unwrap().clone();
        drifts.iter().map(|drift| drift["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let wrangler = Wrangler::v4_86();
    let folder = sandbox.project().join("services/catalog");
    let run = |words: &[&str]| {
        let _ = wrangler.run(&sandbox, &folder, words).exits(0);
    };
    run(&["rollback", "--name", CATALOG, "--message", "back", "--yes"]);
    assert_eq!(look(), ["traffic"]);
    let status = [&["status", "--json", "--platform", "local"][..], &acme].concat();
    let status = sandbox.deploy(&status).exits(0).json();
    assert_eq!(status["findings"][0]["rule"], "moved-since", "{status:#}");
    // An ordinary deployment gives the traffic back to what the files say.
    let _ = sandbox.deploy(&deploy).exits(0);
    let _ = sandbox.deploy(&[&DRIFT[..], &acme].concat()).exits(0);
    let again = [&deploy[..], &["--redeploy"]].concat();
    run(&["deploy", "--name", CATALOG]);
    let kinds = look();
    assert!(kinds.contains(&"version".to_owned()), "{kinds:?}");
    let _ = sandbox.deploy(&[&again[..], &["--adopt"]].concat()).exits(0);
    let _ = sandbox.deploy(&[&DRIFT[..], &acme].concat()).exits(0);
    run(&["delete", "--name", CATALOG, "--force"]);
    let kinds = look();
    assert!(kinds.contains(&"worker_gone".to_owned()), "{kinds:?}");
}

#[test]
fn a_worker_that_left_the_files_is_an_orphan_and_a_broken_file_makes_none() {
    let sandbox = Sandbox::storefront();
    let _ = sandbox.deploy(&DEPLOY).exits(0);
    let clodo_toml = std::fs::read_to_string(sandbox.project().join("clodo.toml")).unwrap();
    sandbox.edit("clodo.toml", "[customers.globex]", "[customers.initech]");
    sandbox.edit("clodo.toml", "[customers.globex.domains]", "[customers.initech.domains]");
    let report = sandbox.deploy(&DRIFT).exits(4).json();
    let of = |kind: &str| {
        let drifts = report["drifts"].as_array().unwrap().iter();
        drifts.filter(|drift| drift["kind"] == kind).count()
    };
    assert_eq!((of("orphan"), of("not_deployed")), (3, 3), "{report:#}");
    sandbox.write("clodo.toml", clodo_toml);
    sandbox.edit(
        "services/web/wrangler.jsonc",
        "\"name\"",
        "\"env\": { \"staging\": { \"queues\": 7 } }, \"name\"",
    );
    let report = sandbox.deploy(&DRIFT).exits(0).json();
    assert_eq!(report["findings"][0]["rule"], "orphans-unknown", "{report:#}");
}
