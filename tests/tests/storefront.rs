//! The main job: one command deploys the storefront, and everything in it is real.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

use clodo_tests::{Request, Sandbox, fetch, get_json};
use serde_json::{Value, json};

/// The first URL of a target in a deploy's document.
#[track_caller]
fn url<'a>(report: &'a Value, service: &str, customer: &str) -> &'a str {
    let targets = report["targets"].as_array().expect("targets");
    let target = targets
        .iter()
        .find(|target| target["service"] == service && target["customer"] == customer)
        .unwrap_or_else(|| panic!("no {service} of {customer} in {report:#}"));
    target["urls"][0].as_str().expect("a URL")
}

#[test]
fn one_command_deploys_and_a_second_one_writes_nothing() {
    let sandbox = Sandbox::storefront();
    let words = ["deploy", "--platform", "local", "--yes", "--json"];
    let report = sandbox.deploy(&words).exits(0).json();
    assert_eq!(report["outcome"], "done", "{report:#}");
    assert_eq!(report["targets"].as_array().map(Vec::len), Some(6));
    for customer in ["acme", "globex"] {
        everything_is_real(&report, customer);
    }

    let before = sandbox.requests()["writes"].clone();
    let again = sandbox.deploy(&words).exits(0).json();
    assert_eq!(again["outcome"], "nothing_to_do");
    assert_eq!(again["api_calls"]["writes"], 0);
    assert!(again["api_calls"]["reads"].as_u64().unwrap() <= 6 + 4, "{again:#}");
    assert_eq!(sandbox.requests()["writes"], before, "the cloud's own log agrees");
}

#[track_caller]
fn everything_is_real(report: &Value, customer: &str) {
    let catalog = url(report, "catalog", customer);
    let health = get_json(&format!("{catalog}/health"));
    assert_eq!(health["customer"], customer);
    assert_eq!(health["environment"], "development");
    assert_eq!(health["log_level"], "debug");
    assert_eq!(health["products"], 3, "the migrations ran on D1");

    let read = |n: u32| get_json(&format!("{catalog}/products/{n}"));
    assert_eq!(read(1)["from_cache"], false);
    assert_eq!(read(1)["from_cache"], true, "KV keeps what was written");

    let orders = url(report, "orders", customer);
    let health = get_json(&format!("{orders}/health"));
    assert_eq!(health["can_sign"], true, "the secret came with the upload");
    assert_eq!(health["catalog"], customer, "the binding reaches the same customer's catalog");

    let web = url(report, "web", customer);
    let page = fetch(&format!("{web}/"));
    assert_eq!(page.status, 200);
    assert!(page.body.contains("<title>Storefront</title>"), "{page:?}");
    assert_eq!(fetch(&format!("{web}/nothing.html")).status, 404);
    buys(web);
}

/// From the page's own API through two service bindings into D1.
#[track_caller]
fn buys(web: &str) {
    let order = json!({ "product_id": 2, "quantity": 3 }).to_string();
    let orders = format!("{web}/api/orders");
    let request = Request { method: "POST", url: &orders, headers: &[], body: &order };
    let placed = request.send().unwrap();
    assert_eq!(placed.status, 201, "{placed:?}");
    let placed = placed.json();
    assert_eq!(placed["total_cents"], 3 * 12_900);
    assert_eq!(placed["receipt"].as_str().map(str::len), Some(64));
    assert_eq!(get_json(&orders)["orders"][0]["product_name"], "Rocket skates");
}

#[test]
fn an_edit_is_planned_deployed_and_rolled_back() {
    let sandbox = Sandbox::storefront();
    let acme = ["--customer", "acme", "--platform", "local", "--yes", "--json"];
    let deploy = || sandbox.deploy(&[&["deploy"][..], &acme].concat()).exits(0).json();
    let report = deploy();
    let health = format!("{}/health", url(&report, "catalog", "acme"));
    assert_eq!(get_json(&health)["status"], "ok");

    sandbox.edit("services/catalog/src/index.ts", "status: \"ok\"", "status: \"better\"");
    let plan = sandbox
        .deploy(&["plan", "--customer", "acme", "--platform", "local", "--json"])
        .exits(0)
        .json();
    let changed: Vec<&str> = plan["targets"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|target| target["changed"] == true)
        .filter_map(|target| target["service"].as_str())
        .collect();
    assert_eq!(changed, ["catalog"], "{plan:#}");
    assert_eq!(get_json(&health)["status"], "ok", "a plan writes nothing");

    let second = deploy();
    assert_eq!(second["outcome"], "done");
    assert_eq!(get_json(&health)["status"], "better");

    let back =
        sandbox.deploy(&["rollback", "--platform", "local", "--yes", "--json"]).exits(0).json();
    assert_eq!(back["outcome"], "done", "{back:#}");
    assert_eq!(get_json(&health)["status"], "ok");

    let list = sandbox
        .deploy(&["deployments", "--last", "5", "--platform", "local", "--json"])
        .exits(0)
        .json();
    assert_eq!(list["deployments"].as_array().map(Vec::len), Some(3), "{list:#}");
}

#[test]
fn a_custom_domain_answers_for_its_customer() {
    let sandbox = Sandbox::storefront();
    let report = sandbox
        .deploy(&["deploy", "--env", "production", "--platform", "local", "--yes", "--json"])
        .exits(0)
        .json();
    for (customer, host, level) in
        [("acme", "shop.acme.test", "error"), ("globex", "shop.globex.test", "warn")]
    {
        let url = url(&report, "web", customer);
        assert!(url.starts_with(&format!("http://{host}.localhost:")), "{url}");
        let health = get_json(&format!("{url}/health"));
        assert_eq!((&health["customer"], &health["log_level"]), (&json!(customer), &json!(level)));
        assert_eq!(health["environment"], "production");
    }
}

#[test]
fn a_rollback_of_a_protected_environment_asks_too() {
    let sandbox = Sandbox::storefront();
    let catalog = ["catalog", "--env", "production", "--customer", "acme"];
    let words = [&["deploy", "--platform", "local", "--yes", "--json"][..], &catalog].concat();
    let _ = sandbox.deploy(&words).exits(0);
    let dry = ["rollback", "--platform", "local", "--dry-run", "--json"];
    assert!(sandbox.deploy(&dry).exits(2).stderr.contains("no earlier deployment"));

    sandbox.edit("services/catalog/src/index.ts", "status: \"ok\"", "status: \"better\"");
    let _ = sandbox.deploy(&words).exits(0);
    let unasked = sandbox.deploy(&["rollback", "--platform", "local", "--json"]).exits(2);
    assert!(unasked.stderr.contains("--yes"), "{}", unasked.stderr);
    let _ = sandbox.deploy(&["rollback", "--platform", "local", "--yes", "--json"]).exits(0);
}
