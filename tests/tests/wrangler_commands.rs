//! Nothing that wrangler's own help lists is missing from `docs/conformance.md`: each command is
//! proved by a test, or there with the reason why not.

#![expect(clippy::unwrap_used, reason = "a test may fail on the spot")]

use clodo_tests::{Run, Sandbox, Wrangler};
use std::{fs, path::Path, thread};

/// Helps that are asked for at the same time: each takes a second of a processor.
const AT_ONCE: usize = 3;

/// What the page says of commands.
struct Page {
    text: String,
}

impl Page {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/conformance.md");
        Self { text: fs::read_to_string(path).unwrap() }
    }

    /// Whether it tells of a command. A group of which nothing is there, for one reason, stands for
    /// its commands; one that is proved does not.
    fn tells(&self, command: &str) -> bool {
        let tells = |line: &str| {
            let told = line.strip_prefix("| `wrangler ").and_then(|rest| rest.split_once('`'));
            told.is_some_and(|(told, rest)| {
                let below = command.strip_prefix(told).is_some_and(|rest| rest.starts_with(' '));
                told == command || (below && rest.starts_with(" | not done: "))
            })
        };
        self.text.lines().any(tells)
    }
}

/// What the help of a group lists below it; of a command that is no group, nothing.
fn listed(sandbox: &Sandbox, wrangler: &Wrangler, group: &str) -> Vec<String> {
    let words: Vec<&str> = group.split_whitespace().chain(["--help"]).collect();
    let mut command = wrangler.offline(sandbox, &words);
    let run: Run = command.output().unwrap().into();
    let text = run.stdout + &run.stderr;
    assert!(text.contains("GLOBAL FLAGS"), "`wrangler {group} --help` is no help:\n{text}");
    let begin = format!("wrangler {group}");
    let begin = format!("{} ", begin.trim_end());
    let name = |line: &str| {
        let rest = line.strip_prefix("  ")?.strip_prefix(&begin)?;
        let name = rest.split_whitespace().next()?;
        let is_name =
            name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        is_name.then(|| format!("{} {name}", group).trim_start().to_owned())
    };
    text.lines().filter_map(name).collect()
}

/// Walks from group to group. A command that the page tells of is not asked for its help.
fn is_told(wrangler: &Wrangler) {
    let (page, sandbox) = (Page::read(), Sandbox::empty());
    let (mut missing, mut told) = (Vec::new(), 0);
    let mut groups = vec![String::new()];
    while !groups.is_empty() {
        let some = groups.split_off(groups.len().saturating_sub(AT_ONCE));
        let found: Vec<(String, Vec<String>)> = thread::scope(|scope| {
            let asked = some.into_iter().map(|group| {
                scope.spawn(|| {
                    let found = listed(&sandbox, wrangler, &group);
                    (group, found)
                })
            });
            let asked: Vec<_> = asked.collect();
            asked.into_iter().map(|task| task.join().unwrap()).collect()
        });
        for (group, commands) in found {
            if commands.is_empty() {
                missing.push(group);
                continue;
            }
            let (here, further): (Vec<_>, Vec<_>) =
                commands.into_iter().partition(|command| page.tells(command));
            told += here.len();
            groups.extend(further);
        }
    }
    assert!(missing.is_empty(), "docs/conformance.md does not speak of: {missing:#?}");
    assert!(told > 100, "only {told} commands were found");
}

#[test]
fn every_command_of_wrangler_4_86_is_proved_or_explained() {
    is_told(&Wrangler::v4_86());
}

#[test]
fn every_command_of_wrangler_4_164_is_proved_or_explained() {
    is_told(&Wrangler::v4_164());
}
