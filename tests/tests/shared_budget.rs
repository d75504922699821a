//! One budget of API calls for all processes with the same state: they wait, and none is refused.

use clodo_postgres_fixture::PostgresServer;
use clodo_tests::{Request, Run, Sandbox};
use serde_json::Value;
use std::process::Stdio;

/// A call of the local Cloudflare beside its API.
fn ask(sandbox: &Sandbox, method: &str, path: &str, body: &str) -> Value {
    let settings = sandbox.settings();
    let token = settings.iter().find(|(name, _)| name == "CLOUDFLARE_API_TOKEN");
    let bearer = format!("authorization: Bearer {}", token.expect("a token").1);
    let url = format!("{}{path}", sandbox.status()["url"].as_str().expect("a URL"));
    let headers = [bearer.as_str(), "content-type: application/json"];
    let request = Request { method, url: &url, headers: &headers, body };
    let answer = request.send().expect("the cloud answers");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Deploys once without limits, then cuts the budget and starts many at once.
fn many_at_once(sandbox: &Sandbox, password: &str) {
    let start = |words: &[&str]| {
        let mut command = sandbox.command("clodo-deploy", words);
        command.env("CLODO_STATE_PASSWORD", password);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
    };
    let ended = |child: std::process::Child| {
        Run::from(child.wait_with_output().expect("it ends")).exits(0).json()
    };
    let deploy = ["deploy", "catalog", "--yes", "--json"];
    ended(start(&deploy));
    ask(sandbox, "PUT", "/clodo/limits", r#"{"limits":"30/4s"}"#);
    let before = calls(sandbox).len();
    let mut all: Vec<_> = (0..8).map(|_| start(&["plan", "catalog", "--json"])).collect();
    all.push(start(&["deploy", "catalog", "--yes", "--redeploy", "--json"]));
    let reports: Vec<Value> = all.into_iter().map(ended).collect();
    assert_eq!(reports[8]["outcome"], "done", "{:#}", reports[8]);
    let made = calls(sandbox).split_off(before);
    assert!(made.len() > 45, "{} calls are no test of a budget of 30", made.len());
    let refused: Vec<&Value> = made.iter().filter(|call| call["status"] == 429).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

/// The calls of the API so far, oldest first.
fn calls(sandbox: &Sandbox) -> Vec<Value> {
    let lines = ask(sandbox, "GET", "/clodo/requests?limit=10000", "");
    lines["result"].as_array().expect("a list").clone()
}

#[test]
fn processes_of_one_machine_share_one_budget() {
    many_at_once(&Sandbox::storefront(), "");
}

#[test]
fn processes_with_one_postgresql_share_one_budget() {
    let Some(server) = PostgresServer::start() else { return };
    let sandbox = Sandbox::storefront();
    let named = format!("platform = \"local\"\nstate = \"{}\"", server.database());
    sandbox.edit("clodo.toml", "platform = \"local\"", &named);
    many_at_once(&sandbox, server.password());
}
