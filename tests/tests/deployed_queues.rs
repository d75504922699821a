//! Queues, tail consumers and plain bindings by `clodo-deploy`: made, sent to, received, moved, removed.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

use clodo_tests::{Request, Sandbox, get_json};
use serde_json::{Value, json};

const PORTFOLIO: &str = r#"
[portfolio]
name = "post"
platform = "local"

[accounts.main]

[environments.development]

[services.web]
path = "services/web"

[services.mailer]
path = "services/mailer"

[services.watcher]
path = "services/watcher"
"#;

/// Sends each path that it is asked for.
const WEB: [(&str, &str); 2] = [
    (
        "services/web/wrangler.jsonc",
        r#"{
  "name": "web", "main": "index.js", "no_bundle": true, "compatibility_date": "2026-01-01",
  "queues": { "producers": [{ "binding": "MAILS", "queue": "mails" }] },
  "tail_consumers": [{ "service": "watcher" }],
  "analytics_engine_datasets": [{ "binding": "SEEN" }],
  "ratelimits": [{ "name": "LIMIT", "namespace_id": "1", "simple": { "limit": 1000, "period": 60 } }],
}"#,
    ),
    (
        "services/web/index.js",
        r#"export default {
  async fetch(request, env) {
    const path = new URL(request.url).pathname;
    if (path === "/") return new Response("ok");
    const { success } = await env.LIMIT.limit({ key: path });
    env.SEEN.writeDataPoint({ blobs: [path] });
    await env.MAILS.send(path);
    return Response.json({ success });
  },
};"#,
    ),
];

/// What `MAILER` receives.
const RECEIVES: &str = r#"  "queues": { "consumers": [
    { "queue": "mails", "max_batch_timeout": 0, "max_retries": 0, "dead_letter_queue": "dead" },
    { "queue": "dead", "max_batch_timeout": 0 },
  ] },
"#;

/// Notes what it receives; what it cannot handle goes to the dead letters, which it notes as well.
const MAILER: [(&str, &str); 2] = [
    (
        "services/mailer/wrangler.jsonc",
        r#"{
  "name": "mailer", "main": "index.js", "no_bundle": true, "compatibility_date": "2026-01-01",
  "kv_namespaces": [{ "binding": "KV" }],
  "queues": { "consumers": [
    { "queue": "mails", "max_batch_timeout": 0, "max_retries": 0, "dead_letter_queue": "dead" },
    { "queue": "dead", "max_batch_timeout": 0 },
  ] },
}"#,
    ),
    (
        "services/mailer/index.js",
        r#"export default {
  async fetch(request, env) {
    return Response.json((await env.KV.list()).keys.map((key) => key.name));
  },
  async queue(batch, env) {
    const bodies = batch.messages.map((message) => message.body);
    if (batch.queue.startsWith("mails") && bodies.includes("/bad")) throw new Error("no");
    for (const body of bodies) await env.KV.put(`${batch.queue} ${body}`, "seen");
  },
};"#,
    ),
];

const WATCHER: [(&str, &str); 2] = [
    (
        "services/watcher/wrangler.jsonc",
        r#"{
  "name": "watcher", "main": "index.js", "no_bundle": true, "compatibility_date": "2026-01-01",
  "kv_namespaces": [{ "binding": "KV" }],
}"#,
    ),
    (
        "services/watcher/index.js",
        r#"export default {
  async fetch(request, env) {
    return Response.json((await env.KV.list()).keys.map((key) => key.name));
  },
  async tail(events, env) {
    for (const { event } of events) await env.KV.put(new URL(event.request.url).pathname, "seen");
  },
};"#,
    ),
];

fn post() -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.write("clodo.toml", PORTFOLIO);
    for (path, text) in WEB.iter().chain(&MAILER).chain(&WATCHER) {
        sandbox.write(path, text);
    }
    sandbox
}

fn url(sandbox: &Sandbox, worker: &str, path: &str) -> String {
    let port = sandbox.status()["port"].as_u64().expect("a port");
    format!("http://{worker}-development.local.workers.dev.localhost:{port}{path}")
}

/// Asks a Worker until it has seen what is expected.
fn until(sandbox: &Sandbox, worker: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let url = url(sandbox, worker, "/");
    let mut last = Value::Null;
    // Each look is a request to the Worker, so this waits for half a minute and more.
    for _ in 0..30_000 {
        last = get_json(&url);
        if fits(&last) {
            return last;
        }
    }
    panic!("{worker} still has {last}");
}

fn steps(deployed: &Value) -> Vec<&str> {
    let steps = deployed["steps"].as_array().unwrap();
    steps.iter().map(|step| step["id"].as_str().unwrap()).collect()
}

#[test]
fn messages_go_from_who_sends_to_who_receives() {
    let sandbox = post();
    let plan = sandbox.deploy(&["plan", "--json"]).exits(0).json();
    let steps = steps(&plan);
    let place = |wanted: &str| steps.iter().position(|id| id.ends_with(wanted)).unwrap();
    assert!(place("consumers main/mailer-development") < place("upload main/web-development"));
    assert!(place("verify main/watcher-development") < place("upload main/web-development"));

    let _ = sandbox.deploy(&["deploy"]).exits(0);
    for path in ["/good", "/bad"] {
        assert_eq!(get_json(&url(&sandbox, "web", path)), json!({ "success": true }));
    }
    // Keys are listed in order; what nobody could handle came to the dead letters, and only there.
    let all = json!(["dead-development /bad", "mails-development /good"]);
    let _ = until(&sandbox, "mailer", |seen| *seen == all);
    let told = |seen: &Value| {
        let seen = seen.as_array().unwrap();
        ["/good", "/bad"].iter().all(|path| seen.contains(&json!(path)))
    };
    let _ = until(&sandbox, "watcher", told);

    // Nothing changed, so nothing is written.
    let again = sandbox.deploy(&["deploy", "--json"]).exits(0).json();
    assert_eq!(again["outcome"], "nothing_to_do", "{again}");
    let drift = sandbox.deploy(&["drift", "--json"]).exits(0).json();
    assert_eq!(drift["drifts"], json!([]), "{drift}");

    // A Worker that no longer receives may lose its handler.
    sandbox.edit("services/mailer/index.js", "async queue(batch", "async other(batch");
    let deaf = MAILER[0].1.replace(RECEIVES, "");
    sandbox.write("services/mailer/wrangler.jsonc", deaf);
    let _ = sandbox.deploy(&["deploy"]).exits(0);
    let _ = get_json(&url(&sandbox, "web", "/waits"));
    let deaf = [("dead-development".to_owned(), 0), ("mails-development".to_owned(), 0)];
    assert_eq!(receivers(&sandbox), deaf);

    // What it received from before comes back with a rollback.
    let _ = sandbox.deploy(&["rollback", "--yes"]).exits(0);
    let _ = until(&sandbox, "mailer", |seen| seen.to_string().contains("mails-development /waits"));

    // Only what the files name is removed.
    sandbox.write("services/mailer/wrangler.jsonc", MAILER[0].1);
    let gone = sandbox.deploy(&["destroy", "--yes", "--with-data", "--json"]).exits(0).json();
    assert!(gone.to_string().contains("queue mails-development is removed"), "{gone}");
    assert!(queues_of(&sandbox).is_empty());
}

fn queues_of(sandbox: &Sandbox) -> Vec<Value> {
    let settings = sandbox.settings();
    let setting = |wanted: &str| {
        settings.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone()).unwrap()
    };
    let base = setting("CLOUDFLARE_API_BASE_URL");
    let url = format!("{base}/accounts/{}/queues", setting("CLOUDFLARE_ACCOUNT_ID"));
    let token = format!("authorization: Bearer {}", setting("CLOUDFLARE_API_TOKEN"));
    let request = Request { method: "GET", url: &url, headers: &[&token], body: "" };
    let answer = request.send().unwrap().json();
    answer["result"].as_array().unwrap().clone()
}

/// Each queue by name, and how many Workers receive from it.
fn receivers(sandbox: &Sandbox) -> Vec<(String, usize)> {
    let shown = |queue: &Value| {
        let name = queue["queue_name"].as_str().unwrap().to_owned();
        (name, queue["consumers"].as_array().unwrap().len())
    };
    let mut all: Vec<_> = queues_of(sandbox).iter().map(shown).collect();
    all.sort();
    all
}
