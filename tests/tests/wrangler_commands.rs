//! Nothing that wrangler's own help lists is missing from `docs/conformance.md`: each command is
//! proved by a test, or there with the reason why not.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

use clodo_tests::{Run, Sandbox, Wrangler};
use std::{collections::BTreeSet, fs, path::Path, thread};

/// Commands that only lead to others.
const GROUPS: [&str; 27] = [
    "versions",
    "versions secret",
    "deployments",
    "secret",
    "triggers",
    "kv",
    "kv namespace",
    "kv key",
    "kv bulk",
    "r2",
    "r2 object",
    "r2 bucket",
    "r2 bucket update",
    "r2 bucket notification",
    "r2 bucket domain",
    "r2 bucket dev-url",
    "r2 bucket lifecycle",
    "r2 bucket local-uploads",
    "r2 bucket cors",
    "r2 bucket lock",
    "d1",
    "d1 time-travel",
    "d1 migrations",
    "queues",
    "queues consumer",
    "queues consumer http",
    "queues consumer worker",
];
/// Without a group of their own.
const ALONE: [&str; 5] = ["deploy", "delete", "rollback", "tail", "whoami"];

/// What the help of a group lists below it.
fn listed(sandbox: &Sandbox, wrangler: &Wrangler, group: &str) -> Vec<String> {
    let words: Vec<&str> = group.split(' ').chain(["--help"]).collect();
    let mut command = wrangler.offline(sandbox, &words);
    let run: Run = command.output().unwrap().into();
    let text = run.stdout + &run.stderr;
    let begin = format!("wrangler {group} ");
    let name = |line: &str| {
        let rest = line.trim_start().strip_prefix(&begin)?;
        let name = rest.split_whitespace().next()?;
        let is_name =
            name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        (is_name && line.starts_with(' ')).then(|| format!("{group} {name}"))
    };
    let found: Vec<String> = text.lines().filter_map(name).collect();
    assert!(!found.is_empty(), "`wrangler {group} --help` lists nothing:\n{text}");
    found
}

fn is_told(wrangler: &Wrangler) {
    let sandbox = Sandbox::empty();
    let mut commands: BTreeSet<String> = ALONE.map(str::to_owned).into();
    for pair in GROUPS.chunks(2) {
        let found = thread::scope(|scope| {
            let tasks: Vec<_> = pair
                .iter()
                .map(|group| scope.spawn(|| listed(&sandbox, wrangler, group)))
                .collect();
            tasks.into_iter().flat_map(|task| task.join().unwrap()).collect::<Vec<_>>()
        });
        commands.extend(found);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/conformance.md");
    let page = fs::read_to_string(path).unwrap();
    let is_missing = |command: &&String| {
        let within = |line: &str| {
            let told = line.strip_prefix("| `wrangler ").and_then(|rest| rest.split_once('`'));
            // A group whose commands are all missing for one reason stands for them.
            told.is_some_and(|(told, _)| {
                *command == told || command.starts_with(&format!("{told} "))
            })
        };
        !GROUPS.contains(&command.as_str()) && !page.lines().any(within)
    };
    let missing: Vec<&String> = commands.iter().filter(is_missing).collect();
    assert!(missing.is_empty(), "docs/conformance.md does not speak of: {missing:#?}");
}

#[test]
fn every_command_of_wrangler_4_86_is_proved_or_explained() {
    is_told(&Wrangler::v4_86());
}

#[test]
fn every_command_of_wrangler_4_164_is_proved_or_explained() {
    is_told(&Wrangler::v4_164());
}
