//! The program without a platform: help, wrong usage, and the commands that only read files.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

use assert_cmd::Command;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn storefront() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/storefront")
}

/// The program with an environment that holds nothing of the machine's.
fn program(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clodo-deploy"));
    command.env_clear().args(words);
    command
}

/// What a call prints, and its exit code.
#[track_caller]
fn run(words: &[&str], code: i32) -> (String, String) {
    let output = program(words).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{words:?}\n{stdout}\n{stderr}");
    (stdout, stderr)
}

#[test]
fn every_command_has_a_help_with_an_example() {
    let commands = [
        "deploy",
        "plan",
        "status",
        "drift",
        "destroy",
        "deployments",
        "rollback",
        "validate",
        "list",
    ];
    for command in commands {
        let (help, _) = run(&[command, "--help"], 0);
        assert!(help.contains(&format!("Example:\n  clodo-deploy {command}")), "{help}");
        assert!(help.contains("--json"), "{help}");
    }
    let (help, _) = run(&["--help"], 0);
    assert!(help.contains("Exit codes:") && !help.contains("local-cloud"), "{help}");
}

#[test]
fn wrong_usage_is_exit_2_and_speaks_json_when_asked() {
    let (stdout, stderr) = run(&["deploi"], 2);
    assert!(stdout.is_empty() && stderr.contains("deploy"), "{stderr}");
    let (stdout, _) = run(&["deploy", "--concurrency", "many", "--json"], 2);
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((&document["outcome"], &document["version"]), (&"failed".into(), &1.into()));
    assert!(document["error"]["message"].is_string(), "{document:#}");
}

#[test]
fn an_empty_folder_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let (_, stderr) = run(&["list", "--project", folder.path().to_str().unwrap()], 2);
    assert!(stderr.contains("no clodo.toml and no wrangler config"), "{stderr}");
    assert!(stderr.contains("--project DIR"), "{stderr}");
}

#[test]
fn list_shows_what_the_portfolio_describes() {
    let project = storefront();
    let words = ["list", "--env", "production", "--project", project.to_str().unwrap()];
    let (stdout, _) = run(&words, 0);
    insta::assert_snapshot!(stdout, @r"
    services       catalog orders web
    environments   development production staging
    customers      acme globex
    catalog@production/acme
    catalog@production/globex
    orders@production/acme           orders.acme.test
    orders@production/globex
    web@production/acme              shop.acme.test
    web@production/globex            shop.globex.test
    ");
    let (stdout, _) = run(&[&words[..], &["--customer", "acme", "--json"]].concat(), 0);
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(document["portfolio"], "storefront");
    assert_eq!(document["targets"].as_array().map(Vec::len), Some(3));
}

#[test]
fn nobody_is_asked_without_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("wrangler.toml"), "name = \"hello\"\n").unwrap();
    let (_, stderr) = run(&["plan", "--project", folder.path().to_str().unwrap()], 2);
    assert!(stderr.contains("--platform local"), "{stderr}");
}

#[test]
fn a_preview_to_delete_has_to_be_named_and_the_hint_says_how() {
    let project = storefront();
    let words = ["preview", "delete", "--project", project.to_str().unwrap()];
    let (_, stderr) = run(&words, 2);
    assert!(stderr.contains("hint: give its name, `--expired`, or `--gone --keep"), "{stderr}");
}

#[test]
fn the_page_of_exit_codes_names_only_commands_that_there_are() {
    let page = clodo_cli::Exit::documentation();
    let words = page.split('`').skip(1).step_by(2);
    let commands = words.filter(|word| word.starts_with(char::is_lowercase));
    for word in commands {
        let command = word.strip_prefix("clodo-deploy ").unwrap_or(word);
        // Those of another program, and flags, are not this program's.
        if command.starts_with("clodo-") {
            continue;
        }
        let (help, _) = run(&[command, "--help"], 0);
        assert!(help.contains("Usage:"), "{command}: {help}");
    }
}
