//! What the program tells of a running cloud: where Workers answer, what they log, who called.

use super::{Project, call, deploy, http_get};
use clodo_local::RoutePattern;
use serde_json::{Value, json};

fn said(project: &Project, args: &[&str], code: i32) -> String {
    let done = project.run(args).assert().code(code);
    String::from_utf8_lossy(&done.get_output().stderr).into_owned()
}

#[test]
fn status_names_each_worker_with_its_urls_and_counts_every_kind() {
    let project = Project::new();
    let up = project.json(&["up", "--detach", "--json", "--zone", "acme.test"]);
    let port = up["port"].to_string();
    let source = "export class C { } export default { fetch() { return new Response('hello') } };";
    let more = json!({
        "bindings": [{ "type": "durable_object_namespace", "name": "OBJ", "class_name": "C" }],
        "migrations": { "new_tag": "v1", "steps": [{ "new_classes": ["C"] }] },
    });
    deploy(&project, &up, "shop", source, &more);
    let ask = |method: &str, path: &str, body: &str| {
        call(&project, &up, [method, path, "application/json"], body)
    };
    let domain = r#"{"hostname":"shop.acme.test","service":"shop","zone_name":"acme.test"}"#;
    ask("PUT", "/workers/domains", domain);
    ask("POST", "/queues", r#"{"queue_name":"jobs"}"#);
    ask("POST", "/r2/buckets", r#"{"name":"pictures"}"#);
    ask("POST", "/storage/kv/namespaces", r#"{"title":"notes"}"#);
    let status = project.json(&["status", "--json"]);
    let url = format!("http://shop.local.workers.dev.localhost:{port}");
    let own = format!("http://shop.acme.test.localhost:{port}");
    assert_eq!(
        status["holds"][0]["first_workers"],
        json!([{ "name": "shop", "urls": [url, own] }])
    );
    let text = project.text(&["status"]);
    assert!(text.contains(&format!("\n    shop: {url} {own}\n")), "{text}");
    let counts =
        "local: 1 Worker, 1 KV namespace, 1 R2 bucket, 1 queue, 1 class of Durable Objects";
    assert!(text.contains(counts), "{text}");
    for host in ["shop.local.workers.dev.localhost", "shop.acme.test.localhost"] {
        let answer = http_get(&up, &format!("{host}:{port}")).unwrap();
        assert!(answer.ends_with("hello"), "{host}: {answer}");
    }
    for at in 0..22 {
        let name = format!("more-{at:02}");
        ask("POST", "/workers/workers", &json!({ "name": name }).to_string());
    }
    let text = project.text(&["status"]);
    assert!(text.contains("more-00: no hostname leads to it"), "{text}");
    assert!(text.contains("\n    and 3 more\n") && !text.contains("shop:"), "{text}");
}

#[test]
fn status_ends_with_four_where_nothing_runs_only_when_asked() {
    let project = Project::new();
    let none = project.run(&["status", "--exit-code", "--json"]).assert().code(4);
    let none: Value = serde_json::from_slice(&none.get_output().stdout).unwrap();
    assert_eq!((&none["running"], &none["outcome"]), (&false.into(), &"done".into()));
    assert_eq!(project.text(&["status"]), "not running\n");
    project.text(&["up", "--detach"]);
    project.run(&["status", "--exit-code"]).assert().code(0);
}

#[test]
fn a_log_has_the_time_of_day_and_the_worker_and_no_place_in_workerd() {
    let project = Project::new();
    let up = project.json(&["up", "--detach", "--json"]);
    let source =
        "export default { fetch() { console.log('coming'); throw new TypeError('boom') } };";
    deploy(&project, &up, "shop", source, &json!({}));
    http_get(&up, "shop.local.workers.dev").unwrap();
    let log = loop {
        let log = project.text(&["logs"]);
        if log.contains("boom") && log.contains("coming") {
            break log;
        }
    };
    let line = |word: &str| log.lines().find(|line| line.contains(word)).unwrap();
    assert!(line("coming").ends_with(" clodo_local::worker: shop: coming"), "{log}");
    assert!(line("boom").ends_with(" shop: Uncaught exception: TypeError: boom"), "{log}");
    let time = line("coming").trim_start().split(' ').next().unwrap();
    assert!(time.len() > 19 && time.as_bytes()[10] == b'T' && time.ends_with('Z'), "{time}");
}

#[test]
fn requests_leave_the_programs_own_calls_out_unless_asked() {
    let project = Project::new();
    let up = project.json(&["up", "--detach", "--json"]);
    call(&project, &up, ["GET", "/d1/database", "application/json"], "");
    let paths = |args: &[&str]| {
        let log = project.json(&[&["requests", "--json"], args].concat());
        let lines = log["requests"].as_array().unwrap().clone();
        lines.iter().map(|line| line["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    // The log is written by a thread of its own.
    let shown = loop {
        let shown = paths(&[]);
        if !shown.is_empty() {
            break shown;
        }
    };
    assert!(shown.len() == 1 && shown[0].ends_with("/d1/database"), "{shown:?}");
    for args in [&["--control"][..], &["--route", "GET /clodo/status"]] {
        assert!(paths(args).iter().any(|path| path == "/clodo/status"), "{args:?}");
    }
}

#[test]
fn a_wrong_word_is_told_with_its_argument_and_a_fault_with_all_it_does() {
    let project = Project::new();
    project.text(&["up", "--detach"]);
    for (args, argument) in [
        (&["faults", "add", "bogus"][..], "<KIND>"),
        (&["faults", "add", "slow", "--delay", "soon"], "--delay <TIME>"),
        (&["faults", "add", "slow", "--route", "zones"], "--route <ROUTE>"),
        (&["faults", "add", "html", "--status", "200"], "--status <STATUS>"),
        (&["faults", "add", "slow", "--rate", "2"], "--rate <SHARE>"),
        (&["faults", "add", "slow", "--nth", "0"], "--nth <N>"),
        (&["limits", "bogus"], "LIMITS"),
        (&["limits", "--plan", "gold"], "--plan <PLAN>"),
        (&["limits", "--propagation", "soon"], "--propagation <TIME>"),
        (&["up", "--limits", "many"], "--limits <LIMITS>"),
    ] {
        let said = said(&project, args, 2);
        assert!(said.contains(argument) && !said.contains("request body"), "{args:?}: {said}");
    }
    let slow = ["faults", "add", "slow", "--delay", "250ms", "--times", "3"];
    let listed = project.text(&slow);
    assert!(listed.contains("1: slow by 250ms, no oftener than 3 at * /**"), "{listed}");
    project.text(&["faults", "add", "too-many-requests", "--retry-after", "9", "--nth", "2"]);
    let listed = project.text(&["faults", "list"]);
    assert!(
        listed.contains("2: too-many-requests with Retry-After 9, only call number 2"),
        "{listed}"
    );
}

#[test]
fn the_example_of_a_fault_hits_a_first_deployment_and_a_later_one() {
    let project = Project::new();
    let help = project.text(&["faults", "--help"]);
    let (_, rest) = help.split_once("faults add error-after --route '").unwrap();
    let route: RoutePattern = rest.split('\'').next().unwrap().parse().unwrap();
    // What wrangler 4.164 sends to upload a new Worker, and one that is there.
    for (method, end) in [("PUT", "shop"), ("POST", "shop/versions"), ("POST", "shop/deployments")]
    {
        let path = format!("/accounts/0123/workers/scripts/{end}");
        assert!(route.fits(&method.parse().unwrap(), &path), "{method} {path}");
    }
}
