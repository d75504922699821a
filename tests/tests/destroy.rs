//! Targets are taken away, with a plan, never by surprise, and data only when it is asked for.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

use clodo_tests::{Request, Sandbox, Schema, fetch};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

const DEPLOY: [&str; 5] = ["deploy", "--platform", "local", "--yes", "--json"];
const DESTROY: [&str; 5] = ["destroy", "--platform", "local", "--yes", "--json"];

/// The names of what an account has: `workers/scripts`, `d1/database` …
fn names(sandbox: &Sandbox, path: &str, key: &str) -> Vec<String> {
    let settings: BTreeMap<_, _> = sandbox.settings().into_iter().collect();
    let base = &settings["CLOUDFLARE_API_BASE_URL"];
    let url = format!("{base}/accounts/{}/{path}", settings["CLOUDFLARE_ACCOUNT_ID"]);
    let bearer = format!("authorization: Bearer {}", settings["CLOUDFLARE_API_TOKEN"]);
    let request = Request { method: "GET", url: &url, headers: &[&bearer], body: "" };
    let answer = request.send().unwrap().json();
    let rows = answer["result"].as_array().unwrap().iter();
    let mut names: Vec<String> = rows.map(|row| row[key].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

fn workers(sandbox: &Sandbox) -> Vec<String> {
    names(sandbox, "workers/scripts", "id")
}

fn rules(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|finding| finding["rule"].as_str().unwrap()).collect()
}

#[test]
fn a_customer_goes_as_planned_and_data_stays_until_it_is_asked_for() {
    let schema = Schema::of("clodo-deploy");
    let sandbox = Sandbox::storefront();
    let report = sandbox.deploy(&DEPLOY).exits(0).json();
    let all = workers(&sandbox);
    let acme = ["--customer", "acme"];
    let dry = [&["destroy", "--platform", "local", "--dry-run", "--json"][..], &acme].concat();
    let plan = sandbox.deploy(&dry).exits(0).json();
    schema.check("deploy", &plan);
    assert_eq!(rules(&plan), ["data-kept"; 3], "{plan:#}");
    assert_eq!(workers(&sandbox), all, "a plan removes nothing");
    let unasked = sandbox.deploy(&["destroy", "--platform", "local", "--json"]).exits(2);
    assert!(unasked.stderr.contains("--yes"), "{}", unasked.stderr);
    let still = [&DESTROY[..], &acme, &["catalog"]].concat();
    let refused = sandbox.deploy(&still).exits(3).json();
    assert_eq!(rules(&refused), ["still-called", "data-kept", "data-kept"], "{refused:#}");
    assert_eq!(workers(&sandbox), all);

    let gone = sandbox.deploy(&[&DESTROY[..], &acme].concat()).exits(0).json();
    schema.check("deploy", &gone);
    assert_eq!(gone["outcome"], "done", "{gone:#}");
    assert!(workers(&sandbox).iter().all(|name| name.ends_with("-globex")));
    let databases = names(&sandbox, "d1/database", "name");
    assert_eq!(databases.len(), 4, "data stays: {databases:?}");
    let url = report["targets"][0]["urls"][0].as_str().unwrap();
    assert_ne!(fetch(&format!("{url}/health")).status, 200, "nothing answers at {url}");
    let again = sandbox.deploy(&[&DESTROY[..], &acme].concat()).exits(0).json();
    assert_eq!(
        (&again["outcome"], &again["api_calls"]["writes"]),
        (&json!("nothing_to_do"), &json!(0))
    );
    // What runs of the other customer has not drifted, and a rollback brings nothing back.
    let _ = sandbox.deploy(&["drift", "--platform", "local", "--customer", "globex"]).exits(0);
    let back = ["rollback", "--platform", "local", "--yes", "--json"];
    assert_eq!(rules(&sandbox.deploy(&back).exits(3).json())[0], "removed");
    let past = sandbox.deploy(&["deployments", "--platform", "local", "--json"]).exits(0).json();
    schema.check("deployments", &past);
    assert_eq!(past["deployments"][0]["targets"][0]["fate"], "remove", "{past:#}");

    // The data that stayed is found again.
    let _ = sandbox.deploy(&DEPLOY).exits(0);
    let _ = sandbox.deploy(&["drift", "--platform", "local"]).exits(0);
    let lost = sandbox.deploy(&[&DESTROY[..], &["--with-data"]].concat()).exits(0).json();
    assert_eq!(rules(&lost), ["data-lost"; 6], "{lost:#}");
    assert_eq!(workers(&sandbox), Vec::<String>::new());
    assert_eq!(names(&sandbox, "d1/database", "name"), Vec::<String>::new());
    assert_eq!(names(&sandbox, "storage/kv/namespaces", "title"), Vec::<String>::new());
}

#[test]
fn a_bucket_goes_with_its_objects_and_objects_of_a_worker_are_named() {
    let sandbox = Sandbox::empty();
    sandbox.write(
        "wrangler.jsonc",
        r#"{ "name": "files", "main": "index.js", "no_bundle": true, "compatibility_date": "2026-04-01",
             "r2_buckets": [{ "binding": "FILES" }],
             "durable_objects": { "bindings": [{ "name": "ROOM", "class_name": "Room" }] },
             "migrations": [{ "tag": "v1", "new_sqlite_classes": ["Room"] }] }"#,
    );
    sandbox.write(
        "index.js",
        "export class Room {}\n\
         export default { async fetch(request, env) {\n\
           for (let n = 0; n < 20; n++) await env.FILES.put(`a/${n}`, 'x');\n\
           return new Response('ok') } }\n",
    );
    let report = sandbox.deploy(&DEPLOY).exits(0).json();
    let url = report["targets"][0]["urls"][0].as_str().unwrap();
    assert_eq!(fetch(url).body, "ok");
    let refused = sandbox.deploy(&DESTROY).exits(3).json();
    assert_eq!(rules(&refused)[0], "data-of-objects", "{refused:#}");
    let gone = sandbox.deploy(&[&DESTROY[..], &["--with-data"]].concat()).exits(0).json();
    assert_eq!(rules(&gone), ["data-lost"; 2], "{gone:#}");
    let settings: BTreeMap<_, _> = sandbox.settings().into_iter().collect();
    let base = &settings["CLOUDFLARE_API_BASE_URL"];
    let url = format!("{base}/accounts/{}/r2/buckets", settings["CLOUDFLARE_ACCOUNT_ID"]);
    let bearer = format!("authorization: Bearer {}", settings["CLOUDFLARE_API_TOKEN"]);
    let request = Request { method: "GET", url: &url, headers: &[&bearer], body: "" };
    assert_eq!(request.send().unwrap().json()["result"]["buckets"], json!([]));
}

#[test]
fn a_protected_environment_is_not_emptied_by_yes_alone() {
    let sandbox = Sandbox::storefront();
    let one = ["web", "--env", "production", "--customer", "acme"];
    let mut services = [&DEPLOY[..], &one].concat();
    services.extend(["orders", "catalog"]);
    let _ = sandbox.deploy(&services).exits(0);
    let refused = sandbox.deploy(&[&DESTROY[..], &one].concat()).exits(3);
    assert!(refused.stderr.contains("--allow-protected"), "{}", refused.stderr);
    assert_eq!(workers(&sandbox).len(), 3);
    let allowed = [&DESTROY[..], &one, &["--allow-protected"]].concat();
    let _ = sandbox.deploy(&allowed).exits(0);
    assert_eq!(workers(&sandbox).len(), 2);
    let shop = names(&sandbox, "workers/domains", "hostname");
    assert!(!shop.contains(&"shop.acme.test".to_owned()), "{shop:?}");
}

#[test]
fn prune_removes_what_left_the_files_and_shows_it_first() {
    let sandbox = Sandbox::storefront();
    let _ = sandbox.deploy(&DEPLOY).exits(0);
    sandbox.edit("clodo.toml", "[customers.globex]", "[customers.initech]");
    sandbox.edit("clodo.toml", "[customers.globex.domains]", "[customers.initech.domains]");
    let plan = ["plan", "--platform", "local", "--prune", "--json"];
    let plan = sandbox.deploy(&plan).exits(0).json();
    Schema::of("clodo-deploy").check("deploy", &plan);
    let removals = plan["steps"].as_array().unwrap().iter();
    assert_eq!(removals.filter(|step| step["kind"] == "remove-worker").count(), 3, "{plan:#}");
    let asks = sandbox.deploy(&["deploy", "--platform", "local", "--prune"]).exits(2);
    assert!(asks.stderr.contains("--yes"), "{}", asks.stderr);
    let _ = sandbox.deploy(&[&DEPLOY[..], &["--prune"]].concat()).exits(0);
    let left = workers(&sandbox);
    assert_eq!(left.len(), 6, "{left:?}");
    assert!(left.iter().all(|name| !name.ends_with("-globex")), "{left:?}");
    let _ = sandbox.deploy(&["drift", "--platform", "local"]).exits(0);
    let again = sandbox.deploy(&[&DEPLOY[..], &["--prune"]].concat()).exits(0).json();
    assert_eq!(again["outcome"], "nothing_to_do");
}

#[cfg(unix)]
#[test]
fn a_removal_that_was_killed_at_any_event_is_finished_by_the_next() {
    let words = ["destroy", "--platform", "local", "--yes", "--with-data", "--customer", "acme"];
    let events = [&words[..], &["--json=events"]].concat();
    for line in (1..).step_by(4) {
        let sandbox = Sandbox::storefront();
        let _ = sandbox.deploy(&[&DEPLOY[..], &["--customer", "acme"]].concat()).exits(0);
        let mut command = sandbox.command("clodo-deploy", &events);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let heard = output.by_ref().take(line).filter_map(Result::ok).count();
        let _ = Command::new("kill").args(["-KILL", &child.id().to_string()]).status();
        let was_over = heard < line;
        child.wait().unwrap();
        let past = sandbox.deploy(&["deployments", "--platform", "local", "--json"]).exits(0);
        // `resume` goes on with a removal, and so does saying it again.
        if past.stdout.contains("\"unfinished\"") && line % 8 == 1 {
            let _ = sandbox.deploy(&["resume", "--platform", "local", "--yes"]).exits(0);
            assert_eq!(workers(&sandbox), Vec::<String>::new(), "resumed after line {line}");
        }
        let report = sandbox.deploy(&[&words[..], &["--json"]].concat()).exits(0).json();
        assert!(report["outcome"] == "done" || report["outcome"] == "nothing_to_do");
        assert_eq!(workers(&sandbox), Vec::<String>::new(), "killed after line {line}");
        assert_eq!(names(&sandbox, "d1/database", "name"), Vec::<String>::new());
        let past = sandbox.deploy(&["deployments", "--platform", "local", "--json"]).exits(0);
        assert!(!past.stdout.contains("\"unfinished\""), "killed after line {line}");
        if was_over {
            return;
        }
    }
}
