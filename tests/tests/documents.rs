//! Every JSON document is what its checked-in schema says, field by field.

use clodo_tests::{Gateway, Sandbox, Schema, fetch};
use serde_json::Value;

/// Deploys a portfolio of one service, changes it, and checks each document on the way.
#[test]
fn what_clodo_deploy_prints_is_what_its_schema_says() {
    let schema = Schema::of("clodo-deploy");
    let sandbox = Sandbox::storefront();
    let one = ["catalog", "--customer", "acme", "--platform", "local"];
    let run = |words: &[&str], code: i32| sandbox.deploy(words).exits(code).json();
    let on_one =
        |command: &str, more: &[&str]| run(&[&[command], &one[..], more, &["--json"]].concat(), 0);
    schema.check("list", &run(&["list", "--env", "production", "--json"], 0));
    schema.check("validate", &run(&["validate", "--json"], 0));
    let plan = on_one("plan", &[]);
    schema.check("deploy", &plan);
    assert_ne!(plan["steps"], Value::Array(Vec::new()));
    schema.check("deploy", &on_one("deploy", &["--yes"]));
    schema.check("status", &on_one("status", &[]));
    sandbox.edit("services/catalog/src/index.ts", "status: \"ok\"", "status: \"better\"");
    schema.check("deploy", &on_one("deploy", &["--yes"]));
    let back = ["rollback", "--platform", "local", "--yes", "--json"];
    schema.check("deploy", &run(&[&back[..], &["--dry-run"]].concat(), 0));
    schema.check("deploy", &run(&back, 0));
    let past = run(&["deployments", "--json"], 0);
    schema.check("deployments", &past);
    assert_eq!(past["deployments"].as_array().map(Vec::len), Some(3));

    schema.check("failure", &run(&["status", "--customer", "nobody", "--json"], 2));
    schema.check("failure", &run(&["rollbak", "--json"], 2));
    sandbox.edit("clodo.toml", "protection = ", "protecton = ");
    schema.check("failure", &run(&["list", "--json"], 2));
}

#[test]
fn a_deployment_that_fails_says_so_as_the_schema_says() {
    let schema = Schema::of("clodo-deploy");
    let sandbox = Sandbox::storefront();
    let words = ["deploy", "catalog", "--customer", "acme", "--platform", "local", "--yes"];
    sandbox.edit("services/catalog/src/index.ts", "export default {", "null.x;\nexport default {");
    let failed = sandbox.deploy(&[&words[..], &["--json"]].concat());
    let failed = failed.json();
    schema.check("deploy", &failed);
    assert!(failed["error"].is_object(), "{failed:#}");
    let past = sandbox.deploy(&["deployments", "--json"]).exits(0).json();
    schema.check("deployments", &past);
    assert!(past["deployments"][0]["failure"].is_object(), "{past:#}");
}

#[test]
fn each_event_is_a_line_that_the_schema_describes() {
    let schema = Schema::of("clodo-deploy");
    let sandbox = Sandbox::storefront();
    let words = ["deploy", "catalog", "--customer", "acme", "--platform", "local", "--yes"];
    let run = sandbox.deploy(&[&words[..], &["--json=events"]].concat()).exits(0);
    let lines: Vec<Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let (last, events) = lines.split_last().expect("events");
    for event in events {
        schema.check("event", event);
    }
    assert!(events.iter().any(|event| event["event"] == "step_done"), "{events:?}");
    let mut document = last.clone();
    let closing = document.as_object_mut().and_then(|fields| fields.remove("event"));
    assert_eq!(closing, Some("finished".into()));
    schema.check("deploy", &document);
}

#[test]
fn what_clodo_local_prints_is_what_its_schema_says() {
    let schema = Schema::of("clodo-local");
    let sandbox = Sandbox::storefront();
    let run = |words: &[&str], code: i32| {
        sandbox.local(&[words, &["--json"]].concat()).exits(code).json()
    };
    schema.check("cloud", &run(&["status"], 0));
    schema.check("failure", &run(&["env"], 1));
    schema.check("down", &run(&["down"], 0));
    schema.check("cloud", &run(&["up", "--detach"], 0));
    schema.check("cloud", &run(&["status"], 0));
    schema.check("env", &run(&["env"], 0));
    schema.check("failure", &run(&["trigger", "nobody"], 1));
    schema.check("limits", &run(&["limits", "real"], 0));
    schema.check("faults", &run(&["faults", "add", "slow", "--rate", "0", "--delay", "1s"], 0));
    schema.check("faults", &run(&["faults", "clear"], 0));
    schema.check("token", &run(&["token", "ci", "--permission", "D1 Read"], 0));
    schema.check("requests", &run(&["requests"], 0));
    schema.check("failure", &run(&["limits", "many"], 2));
    schema.check("down", &run(&["down"], 0));
    schema.check("reset", &run(&["reset", "--yes"], 0));
    schema.check("reset", &run(&["reset", "--yes"], 0));
}

#[test]
fn what_clodo_gateway_prints_and_logs_is_what_its_schema_says() {
    let schema = Schema::of("clodo-gateway");
    let sandbox = Sandbox::empty();
    let _ = sandbox.local(&["up", "--detach"]).exits(0);
    let gateway = Gateway::start(&sandbox, &["--budget", "100/1m"]);
    schema.check("run", gateway.report());
    for path in ["/user", "/user", "/no/such/thing", "/../.."] {
        let _ = fetch(&format!("{}{path}", gateway.base_url()));
    }
    let status = gateway.run(&sandbox, &["status", "--json"]).exits(0).json();
    schema.check("status", &status);
    assert_eq!(status["budgets"][0]["quota"], 100, "{status:#}");
    schema.check("env", &gateway.run(&sandbox, &["env", "--json"]).exits(0).json());
    let calls = gateway.calls();
    assert_eq!(calls.len(), 4, "{calls:#?}");
    for call in &calls {
        schema.check("call", call);
    }
    let port = gateway.report()["port"].to_string();
    drop(gateway);
    let run = |words: &[&str], code: i32| -> Value {
        let words = [words, &["--port", &port, "--json"]].concat();
        let ran = sandbox.command("clodo-gateway", &words).output().expect("clodo-gateway starts");
        clodo_tests::Run::from(ran).exits(code).json()
    };
    schema.check("status", &run(&["status"], 0));
    schema.check("failure", &run(&["env"], 1));
    schema.check("failure", &run(&["run", "--budget", "many"], 2));
}
