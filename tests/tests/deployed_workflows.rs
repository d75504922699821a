//! Workflows by `clodo-deploy`: registered, run, renamed, taken back, removed.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

use clodo_tests::{Request, Sandbox, get_json};
use serde_json::{Value, json};

const PORTFOLIO: &str = r#"
[portfolio]
name = "sales"
platform = "local"

[accounts.main]

[environments.development]

[services.web]
path = "services/web"

[services.shop]
path = "services/shop"
"#;

/// Holds the class, and makes instances of its own Workflow.
const SHOP: [(&str, &str); 2] = [
    (
        "services/shop/wrangler.jsonc",
        r#"{
  "name": "shop", "main": "index.js", "no_bundle": true, "compatibility_date": "2026-04-01",
  "workflows": [{ "binding": "ORDERS", "name": "orders", "class_name": "Orders", "limits": { "steps": 20 } }],
}"#,
    ),
    (
        "services/shop/index.js",
        r#"import { WorkflowEntrypoint } from "cloudflare:workers";
export class Orders extends WorkflowEntrypoint {
  async run(event, step) {
    const twice = await step.do("double", async () => event.payload.n * 2);
    if (event.payload.waits) await step.waitForEvent("money", { type: "paid", timeout: "1 hour" });
    return { twice };
  }
}
export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const id = url.searchParams.get("id");
    if (url.pathname === "/make") {
      const params = { n: 21, waits: url.searchParams.has("waits") };
      await env.ORDERS.create({ id, params });
      return Response.json({ made: id });
    }
    if (url.pathname === "/status") {
      return Response.json(await (await env.ORDERS.get(id)).status());
    }
    return new Response("ok");
  },
};"#,
    ),
];

/// Makes instances of the other Worker's Workflow.
const WEB: [(&str, &str); 2] = [
    (
        "services/web/wrangler.jsonc",
        r#"{
  "name": "web", "main": "index.js", "no_bundle": true, "compatibility_date": "2026-04-01",
  "workflows": [{ "binding": "ORDERS", "name": "orders", "class_name": "Orders", "script_name": "shop" }],
}"#,
    ),
    (
        "services/web/index.js",
        r#"export default {
  async fetch(request, env) {
    const id = new URL(request.url).searchParams.get("id");
    if (id === null) return new Response("ok");
    await env.ORDERS.create({ id, params: { n: 1 } });
    return Response.json({ made: id });
  },
};"#,
    ),
];

fn sales() -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.write("clodo.toml", PORTFOLIO);
    for (path, text) in SHOP.iter().chain(&WEB) {
        sandbox.write(path, text);
    }
    sandbox
}

fn url(sandbox: &Sandbox, worker: &str, path: &str) -> String {
    let port = sandbox.status()["port"].as_u64().expect("a port");
    format!("http://{worker}-development.local.workers.dev.localhost:{port}{path}")
}

/// Asks for an instance until it is like this.
fn until(sandbox: &Sandbox, id: &str, status: &str) -> Value {
    let url = url(sandbox, "shop", &format!("/status?id={id}"));
    let mut last = Value::Null;
    // Each look is a request to the Worker, so this waits for half a minute and more.
    for _ in 0..30_000 {
        last = get_json(&url);
        if last["status"] == status {
            return last;
        }
    }
    panic!("{id} still is {last}");
}

/// The Workflows that the account has: name, class and Worker.
fn workflows(sandbox: &Sandbox) -> Vec<(String, String, String)> {
    let settings = sandbox.settings();
    let setting = |wanted: &str| {
        settings.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone()).unwrap()
    };
    let base = setting("CLOUDFLARE_API_BASE_URL");
    let url = format!("{base}/accounts/{}/workflows", setting("CLOUDFLARE_ACCOUNT_ID"));
    let token = format!("authorization: Bearer {}", setting("CLOUDFLARE_API_TOKEN"));
    let request = Request { method: "GET", url: &url, headers: &[&token], body: "" };
    let answer = request.send().unwrap().json();
    let text = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
    let all = answer["result"].as_array().unwrap().iter();
    let mut all: Vec<_> = all
        .map(|one| (text(one, "name"), text(one, "class_name"), text(one, "script_name")))
        .collect();
    all.sort();
    all
}

fn row(name: &str) -> (String, String, String) {
    (format!("{name}-development"), "Orders".to_owned(), "shop-development".to_owned())
}

fn rename(sandbox: &Sandbox, from: &str, to: &str) {
    let (from, to) = (format!("\"name\": \"{from}\""), format!("\"name\": \"{to}\""));
    for service in ["shop", "web"] {
        sandbox.edit(&format!("services/{service}/wrangler.jsonc"), &from, &to);
    }
}

#[test]
fn an_instance_that_a_worker_makes_runs_in_the_class_that_was_deployed() {
    let sandbox = sales();
    let deployed = sandbox.deploy(&["deploy", "--json"]).exits(0).json();
    let steps = deployed["steps"].as_array().unwrap();
    let place = |wanted: &str| steps.iter().position(|step| step["id"] == wanted).unwrap();
    let registered = place("workflows main/shop-development");
    assert!(place("upload main/shop-development") < registered);
    assert!(registered < place("upload main/web-development"), "who makes instances comes later");
    assert_eq!(workflows(&sandbox), [row("orders")]);
    assert_eq!(get_json(&url(&sandbox, "shop", "/make?id=one")), json!({ "made": "one" }));
    assert_eq!(until(&sandbox, "one", "complete")["output"], json!({ "twice": 42 }));
    assert_eq!(get_json(&url(&sandbox, "web", "/?id=two")), json!({ "made": "two" }));
    assert_eq!(until(&sandbox, "two", "complete")["output"], json!({ "twice": 2 }));

    // Nothing changed, so nothing is written; other code needs no other registration.
    let again = sandbox.deploy(&["deploy", "--json"]).exits(0).json();
    assert_eq!(again["outcome"], "nothing_to_do", "{again}");
    assert_eq!(again["api_calls"]["writes"], 0, "{again}");
    let drift = sandbox.deploy(&["drift", "--json"]).exits(0).json();
    assert_eq!(drift["drifts"], json!([]), "{drift}");
    sandbox.edit("services/shop/index.js", "n * 2", "n * 3");
    let changed = sandbox.deploy(&["deploy", "--json"]).exits(0).json();
    assert!(!changed["steps"].to_string().contains("workflows main/"), "{changed}");
    let _ = get_json(&url(&sandbox, "shop", "/make?id=three"));
    assert_eq!(until(&sandbox, "three", "complete")["output"], json!({ "twice": 63 }));

    let gone = sandbox.deploy(&["destroy", "--yes", "--json"]).exits(0).json();
    assert!(gone.to_string().contains("remove Workflow orders-development"), "{gone}");
    assert!(workflows(&sandbox).is_empty());
}

#[test]
fn a_renamed_workflow_takes_the_place_of_the_old_one_when_that_has_ended() {
    let sandbox = sales();
    let _ = sandbox.deploy(&["deploy"]).exits(0);
    let _ = get_json(&url(&sandbox, "shop", "/make?id=one"));
    let _ = until(&sandbox, "one", "complete");
    rename(&sandbox, "orders", "sales");
    let renamed = sandbox.deploy(&["deploy", "--json"]).exits(0).json();
    assert!(renamed.to_string().contains("what its 1 instances left goes with it"), "{renamed}");
    assert_eq!(workflows(&sandbox), [row("sales")]);
    let _ = get_json(&url(&sandbox, "shop", "/make?id=two"));
    let _ = until(&sandbox, "two", "complete");

    // One that waits is not lost unasked, neither by a deployment nor by a removal.
    let _ = get_json(&url(&sandbox, "shop", "/make?id=waits&waits=yes"));
    let _ = until(&sandbox, "waits", "waiting");
    rename(&sandbox, "sales", "trades");
    let kept = sandbox.deploy(&["deploy", "--json"]).exits(0).json();
    assert_eq!(kept["findings"][0]["rule"], "workflow-kept", "{kept}");
    assert_eq!(workflows(&sandbox), [row("sales"), row("trades")]);
    let refused = sandbox.deploy(&["destroy", "--yes", "--json"]).exits(3).json();
    assert_eq!(refused["findings"][0]["rule"], "instances-of-workflows", "{refused}");

    // With the code from before comes its Workflow.
    let _ = sandbox.deploy(&["rollback", "--yes"]).exits(0);
    let _ = get_json(&url(&sandbox, "shop", "/make?id=back"));
    let _ = until(&sandbox, "back", "complete");
    let _ = sandbox.deploy(&["destroy", "--yes", "--with-data"]).exits(0);
    assert!(workflows(&sandbox).is_empty());
}
