//! Who names no target at a terminal is asked which ones are meant, and may walk away.

#![cfg(target_os = "linux")]

use clodo_tests::{Sandbox, Terminal};
use serde_json::{Value, json};

const DOWN: &str = "\x1b[B";
const CTRL_C: &str = "\x03";

fn history(sandbox: &Sandbox) -> Value {
    sandbox.deploy(&["deployments", "--json"]).exits(0).json()["deployments"].clone()
}

/// Takes all targets out, then the first one in; `last` is how the last one looks then.
fn pick_the_first(terminal: &mut Terminal, last: &str) {
    for key in ["a", " "] {
        terminal.press(key);
        terminal.shows(last);
    }
    terminal.press("\r");
}

#[test]
fn environment_and_targets_are_picked_and_only_these_are_deployed() {
    let sandbox = Sandbox::storefront();
    let mut terminal = Terminal::deploy(&sandbox, &["deploy"]);
    terminal.shows("Environment:");
    terminal.shows("staging");
    terminal.press("\r");
    terminal.shows("Targets (");
    terminal.shows("web@development/globex");
    pick_the_first(&mut terminal, "[ ] web@development/globex");
    terminal.shows("clodo-deploy deploy --env development --customer acme catalog");
    let (code, shown) = terminal.ends();
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("Plan: 1 to create"), "{shown}");
    let history = history(&sandbox);
    let targets = history[0]["targets"].as_array().unwrap();
    let workers: Vec<&Value> = targets.iter().map(|target| &target["worker"]).collect();
    assert_eq!(workers, [&json!("catalog-development-acme")], "{history:#}");
}

#[test]
fn a_protected_environment_shows_the_plan_and_still_wants_a_yes() {
    let sandbox = Sandbox::storefront();
    let mut terminal = Terminal::deploy(&sandbox, &["deploy"]);
    terminal.shows("Environment:");
    terminal.shows("staging");
    terminal.press(DOWN);
    terminal.shows("staging");
    terminal.press("\r");
    terminal.shows("Targets (");
    terminal.shows("web@production/globex");
    pick_the_first(&mut terminal, "[ ] web@production/globex");
    terminal.shows("Plan: 1 to create");
    terminal.shows("Deploy this to production on local? [y/N]");
    terminal.press("n\r");
    let (code, shown) = terminal.ends();
    assert_eq!(code, Some(3), "{shown}");
    assert_eq!(history(&sandbox), json!([]));
}

#[test]
fn ctrl_c_at_a_list_ends_with_130_and_nothing_is_done() {
    let sandbox = Sandbox::storefront();
    for answers in 0..2 {
        let mut terminal = Terminal::deploy(&sandbox, &["deploy"]);
        terminal.shows("Environment:");
        terminal.shows("staging");
        if answers == 1 {
            terminal.press("\r");
            terminal.shows("Targets (");
            terminal.shows("web@development/globex");
        }
        terminal.press(CTRL_C);
        let (code, shown) = terminal.ends();
        assert_eq!(code, Some(130), "{shown}");
        assert!(shown.contains("\x1b[?25h"), "the cursor is shown again: {shown:?}");
    }
    assert!(!sandbox.project().join(".clodo").exists(), "not even the local cloud was started");
}

#[test]
fn nobody_is_asked_who_named_something_said_yes_or_reads_json() {
    let sandbox = Sandbox::storefront();
    for words in [
        &["deploy", "--dry-run", "--env", "development"][..],
        &["deploy", "--dry-run", "catalog"],
        &["deploy", "--dry-run", "--customer", "acme"],
        &["deploy", "--dry-run", "--yes"],
        &["deploy", "--dry-run", "--json"],
        &["plan"],
    ] {
        let (code, shown) = Terminal::deploy(&sandbox, words).ends();
        assert_eq!(code, Some(0), "{words:?}: {shown}");
        assert!(!shown.contains("Environment:"), "{words:?}: {shown}");
    }
    let mut terminal = Terminal::deploy(&sandbox, &["deploy", "--dry-run"]);
    terminal.shows("Environment:");
    terminal.shows("staging");
    terminal.press("\x1b");
    assert_eq!(terminal.ends().0, Some(130), "Esc walks away, too");
}
