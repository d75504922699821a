//! Going back over several deployments: to a time, and each target of a fleet by its own.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

use clodo_tests::{Request, Sandbox, get_json};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const DEPLOY: [&str; 5] = ["deploy", "--platform", "local", "--yes", "--json"];
const ROLLBACK: [&str; 5] = ["rollback", "--platform", "local", "--yes", "--json"];

/// What the health answers of a customer's catalog and orders say.
fn healths(report: &Value, customer: &str) -> Vec<String> {
    let targets = report["targets"].as_array().unwrap().iter();
    let own = targets.filter(|target| target["customer"] == customer && target["service"] != "web");
    own.map(|target| {
        let health = get_json(&format!("{}/health", target["urls"][0].as_str().unwrap()));
        health["status"].as_str().unwrap().to_owned()
    })
    .collect()
}

fn change(sandbox: &Sandbox, service: &str, from: &str, to: &str, words: &[&str]) -> Value {
    let (from, to) = (format!("status: \"{from}\""), format!("status: \"{to}\""));
    sandbox.edit(&format!("services/{service}/src/index.ts"), &from, &to);
    sandbox.deploy(&[&DEPLOY[..], words].concat()).exits(0).json()
}

#[test]
fn a_fleet_goes_back_to_a_time_and_each_target_by_its_own() {
    let sandbox = Sandbox::storefront();
    let report = sandbox.deploy(&DEPLOY).exits(0).json();
    let _ = change(&sandbox, "catalog", "ok", "two", &[]);
    let past = sandbox.deploy(&["deployments", "--platform", "local", "--json"]).exits(0).json();
    let ended = past["deployments"][0]["ended_at"].as_str().unwrap().to_owned();
    let _ = change(&sandbox, "orders", "ok", "two", &["--customer", "acme"]);
    let _ = change(&sandbox, "catalog", "two", "three", &[]);
    assert_eq!(healths(&report, "acme"), ["three", "two"]);
    assert_eq!(healths(&report, "globex"), ["three", "two"]);

    // Each target of one customer by its own newest deployment.
    let each = [&ROLLBACK[..], &["--each", "--customer", "acme"]].concat();
    let _ = sandbox.deploy(&each).exits(0);
    assert_eq!(healths(&report, "acme"), ["two", "ok"]);
    assert_eq!(healths(&report, "globex"), ["three", "two"]);

    // All of the environment to a time, whatever was done since.
    let to_time = [&ROLLBACK[..], &["--env", "development", "--to-time", &ended]].concat();
    let dry = [&to_time[..], &["--dry-run"]].concat();
    let plan = sandbox.deploy(&dry).exits(0).json();
    assert_ne!(plan["steps"], json!([]), "{plan:#}");
    let back = sandbox.deploy(&to_time).exits(0).json();
    assert_eq!(back["outcome"], "done", "{back:#}");
    for customer in ["acme", "globex"] {
        assert_eq!(healths(&report, customer), ["two", "ok"], "{customer}");
    }
    let odd = [&ROLLBACK[..], &["--to-time", "yesterday"]].concat();
    assert!(sandbox.deploy(&odd).exits(2).stderr.contains("2h"));
    let nobody = [&ROLLBACK[..], &["--customer", "nobody"]].concat();
    let _ = sandbox.deploy(&nobody).exits(2);
}

#[test]
fn a_rollback_does_not_take_the_traffic_from_what_somebody_put_there() {
    let sandbox = Sandbox::storefront();
    let acme = ["catalog", "--customer", "acme"];
    let report = sandbox.deploy(&[&DEPLOY[..], &acme].concat()).exits(0).json();
    let _ = change(&sandbox, "catalog", "ok", "two", &acme);
    let settings: BTreeMap<_, _> = sandbox.settings().into_iter().collect();
    let base = &settings["CLOUDFLARE_API_BASE_URL"];
    let url = format!(
        "{base}/accounts/{}/workers/scripts/catalog-development-acme/secrets",
        settings["CLOUDFLARE_ACCOUNT_ID"]
    );
    let bearer = format!("authorization: Bearer {}", settings["CLOUDFLARE_API_TOKEN"]);
    let body = json!({ "name": "HOTFIX", "text": "x", "type": "secret_text" }).to_string();
    let kind = "content-type: application/json";
    let request = Request { method: "PUT", url: &url, headers: &[&bearer, kind], body: &body };
    assert_eq!(request.send().unwrap().status, 200);
    let refused = sandbox.deploy(&ROLLBACK).exits(3).json();
    assert_eq!(refused["findings"][0]["rule"], "moved-since", "{refused:#}");
    assert_eq!(healths(&report, "acme"), ["two"]);
}

#[test]
fn a_migrated_database_goes_back_with_its_rows_when_told_to() {
    let sandbox = Sandbox::storefront();
    let acme = ["catalog", "--customer", "acme"];
    let report = sandbox.deploy(&[&DEPLOY[..], &acme].concat()).exits(0).json();
    let url = format!("{}/health", report["targets"][0]["urls"][0].as_str().unwrap());
    let products = || get_json(&url)["products"].clone();
    let before = products();
    let file = "services/catalog/migrations/0003_more_products.sql";
    let sql = "INSERT INTO products (id, name, price_cents) SELECT id + 1000, name || ' too', price_cents FROM products;";
    sandbox.write(file, sql);
    let second = sandbox.deploy(&[&DEPLOY[..], &acme].concat()).exits(0).json();
    let id = second["deployment_id"].as_str().unwrap();
    assert_eq!(products().as_u64(), before.as_u64().map(|count| count * 2));

    // Nothing but the database was changed, so without its data there is nothing to take back.
    let _ = sandbox.deploy(&[&ROLLBACK[..], &[id]].concat()).exits(2);
    let unnamed = [&ROLLBACK[..], &["--with-data"]].concat();
    assert!(sandbox.deploy(&unnamed).exits(2).stderr.contains("ID"));
    let back = [&ROLLBACK[..], &[id, "--with-data"]].concat();
    let dry = sandbox.deploy(&[&back[..], &["--dry-run"]].concat()).exits(0).json();
    let said = dry["findings"][0]["message"].as_str().unwrap();
    assert!(said.contains("all that was written since is lost"), "{said}");
    assert_eq!(dry["steps"][0]["kind"], "restore-database", "{dry:#}");
    assert_ne!(products(), before);
    let done = sandbox.deploy(&back).exits(0).json();
    assert_eq!(done["outcome"], "done", "{done:#}");
    assert_eq!(products(), before);
    let _ = sandbox.deploy(&back).exits(3);
    // The migration is pending again.
    let plan = sandbox.deploy(&["plan", "catalog", "-c", "acme", "--json"]).exits(0).json();
    assert_eq!(plan["steps"][0]["kind"], "migrate", "{plan:#}");
}
