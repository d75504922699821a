//! Chores of the workspace: `cargo xtask floors | alone | docs [--check] | test | kill-points | safety |
//! live | coverage | wrangler-commands`.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for developers")]

mod alone;
mod conformance;
mod coverage;
mod docs;
mod floors;
mod kill_points;
mod line;
mod live;
mod safety;
mod shell;
mod test;

use line::Line;
use std::process::ExitCode;

const HELP: &str = "\
Chores of the workspace.

Usage: cargo xtask <COMMAND>

Commands:
  floors            Check that every crate depends only on strictly lower floors
  alone             Check that each library builds alone, with each of its features alone, and brings nothing along
                    that they do not ask for
  docs [--check]    Write docs/cli.md, conformance.md, exit-codes.md and *.schema.json, and build the crates' docs;
                    --check fails where a file is stale
  test [NAME...] [-- ARG...]
                    Install what the tests need, then run all of them, or those with NAME in their name; ARGs go to
                    the test runner. On Debian, as root, missing packages come from apt-get: nodejs, npm, python3-pip,
                    postgresql, sqlite3, sqlite3-tools, and chromium with chromium-driver, which brings over a hundred
                    others
  kill-points [WORK[:NUMBER]]
                    Kill a deployment of twenty Workers before and after each of its calls and each write to its
                    journal, and print what came of it; WORK is first, update, unwind or rollback
  safety [CASES [WRANGLER]]
                    Migrate 500 random schemas, or CASES, by SQLite, on the local D1 and from a Worker, and the first
                    100 of them, or WRANGLER, by wrangler, which takes seconds each; print what each lost or changed
  live [NAME...] [-- ARG...]
                    Run the API client's suite against a real account: CLODO_LIVE_TOKEN, CLODO_LIVE_ACCOUNT, and its
                    id in tests/live-accounts.txt; CLODO_LIVE_ZONE for DNS and routes; never in CI
  coverage          Measure the tests' line coverage per crate; fails below 80 %
  wrangler-commands Write tests/wrangler-commands/*.txt from the help of the pinned wranglers; takes minutes

Example: cargo xtask test
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (words, rest) = match Line::read(&args) {
        Line::Help => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Line::UnknownOption(option) => {
            eprintln!("error: there is no option `{option}`");
            eprintln!(
                "hint: `cargo xtask help` lists them; what is for the test runner stands after `--`"
            );
            return ExitCode::from(2);
        }
        Line::Chore { words, rest } => (words, rest),
    };
    let result = match words.as_slice() {
        ["test", names @ ..] => test::run(&[names, &rest].concat()),
        ["live", names @ ..] => live::run(&[names, &rest].concat()),
        _ if !rest.is_empty() => {
            Err("only `test` and `live` pass on what stands after `--`".into())
        }
        ["floors"] => floors::check(),
        ["alone"] => alone::check(),
        ["docs"] => docs::write(),
        ["docs", "--check"] => docs::check(),
        ["kill-points"] => kill_points::run(""),
        ["kill-points", which] => kill_points::run(which),
        ["safety", counts @ ..]
            if counts.len() < 3 && counts.iter().all(|count| count.parse::<u32>().is_ok()) =>
        {
            safety::run(counts.first().copied(), counts.get(1).copied())
        }
        ["coverage"] => coverage::run(),
        ["wrangler-commands"] => shell::run(shell::cargo().args([
            "run",
            "--quiet",
            "--package",
            "clodo-tests",
            "--bin",
            "wrangler-commands",
        ])),
        _ => {
            eprint!("error: unknown command `{}`\n\n{HELP}", words.join(" "));
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
