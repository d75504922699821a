//! A deployment is ended in the middle, at each of its steps; the next run ends in the same state,
//! and nothing is applied twice.

#![cfg(unix)]

use clodo_tests::{Sandbox, get_json};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

const EVENTS: [&str; 8] = [
    "deploy",
    "--platform",
    "local",
    "--yes",
    "--customer",
    "acme",
    "--json=events",
    "--concurrency=2",
];
const DEPLOY: [&str; 7] =
    ["deploy", "--platform", "local", "--yes", "--customer", "acme", "--json"];

/// Starts a deployment, ends it with `signal` when it has printed `lines` lines; false when it was
/// over before.
fn interrupted(sandbox: &Sandbox, lines: usize, signal: &str) -> bool {
    let mut command = sandbox.command("clodo-deploy", &EVENTS);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut output = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
    let heard = output.by_ref().take(lines).filter_map(Result::ok).count();
    if heard == lines {
        let _ = Command::new("kill").args([signal, &child.id().to_string()]).status();
    }
    // Read on, so that the child never waits for us.
    let rest = output.count();
    let status = child.wait().expect("it ends");
    heard == lines && !(status.success() && rest == 0)
}

/// The state that counts: what answers, and how often each migration and version is there.
fn end_state(sandbox: &Sandbox, report: &Value) -> Value {
    let targets = report["targets"].as_array().expect("targets");
    let mut state = serde_json::Map::new();
    for target in targets {
        let url = target["urls"][0].as_str().expect("a URL");
        let mut health = get_json(&format!("{url}/health"));
        health["version_metadata"] = Value::Null;
        state.insert(target["service"].to_string(), health);
    }
    assert_eq!(sandbox.deploy(&DEPLOY).exits(0).json()["outcome"], "nothing_to_do");
    state.into()
}

/// How many lines a whole run prints, and what it ends in.
fn undisturbed() -> (usize, Value) {
    let sandbox = Sandbox::storefront();
    let output = sandbox.command("clodo-deploy", &EVENTS).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8_lossy(&output.stdout).lines().count();
    let report = sandbox.deploy(&DEPLOY).exits(0).json();
    (lines, end_state(&sandbox, &report))
}

#[test]
fn killed_at_every_event_the_next_run_ends_in_the_same_state() {
    let (lines, want) = undisturbed();
    for line in 1..lines {
        let sandbox = Sandbox::storefront();
        let _ = interrupted(&sandbox, line, "-KILL");
        let report = sandbox.deploy(&DEPLOY).exits(0).json();
        assert_eq!(end_state(&sandbox, &report), want, "killed after line {line}");
    }
}

#[test]
fn ctrl_c_is_exit_130_and_the_next_run_completes() {
    let (_, want) = undisturbed();
    let sandbox = Sandbox::storefront();
    assert!(interrupted(&sandbox, 4, "-INT"), "the deployment was over too soon");
    let report = sandbox.deploy(&DEPLOY).exits(0).json();
    assert_eq!(end_state(&sandbox, &report), want);
}

/// Reads events until one is `wanted`; false when the run was over before.
fn heard(events: &mut impl Iterator<Item = std::io::Result<String>>, wanted: [&str; 2]) -> bool {
    let is_wanted = |line: &str| wanted.iter().all(|word| line.contains(word));
    events.map_while(Result::ok).any(|line| is_wanted(&line))
}

#[test]
fn killed_while_it_takes_things_back_the_next_run_still_knows_its_own_workers() {
    let (_, want) = undisturbed();
    let sandbox = Sandbox::storefront();
    let mut command = sandbox.command("clodo-deploy", &EVENTS);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut events = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
    let send = |signal: &str| Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(heard(&mut events, ["step_started", "upload main/web"]), "`web` comes last");
    send("-INT").expect("the signal is sent");
    let begun = heard(&mut events, ["step_undone", "commit main/catalog"]);
    send("-KILL").expect("the signal is sent");
    child.wait().expect("it ends");
    assert!(begun, "the deployment was over too soon");
    let report = sandbox.deploy(&DEPLOY).exits(0).json();
    assert_eq!(end_state(&sandbox, &report), want);
}
