//! A real process: signals, and a reader that leaves.
//!
//! The test starts its own binary again, with only the ignored test `child` in it.

use crate::program::Demo;
use clodo_cli::{CliError, Exit, Launch, Session, Streams};
use std::{
    io::{BufRead, BufReader, Read as _},
    process::{Child, ChildStdout, Command, Stdio},
};

/// What the child does; none in the parent.
const ROLE: &str = "CLODO_CLI_TEST_ROLE";

#[test]
#[ignore = "started by the other tests of this module"]
#[expect(clippy::exit, reason = "the child's exit code is what the tests look at")]
fn child() {
    let environment = clodo_cli::Environment::of_this_process();
    let Some(role) = environment.get(ROLE) else { return };
    let mut streams = Streams::of_this_process();
    streams.can_ask = true;
    let launch = Launch::new(["clodo-demo", "well"], streams).with_signals();
    let exit = match role {
        "wait" => launch.exit(wait),
        "block" => launch.exit(block),
        "ask" => launch.exit(ask),
        _ => launch.exit(talk),
    };
    std::process::exit(i32::from(exit.code()));
}

/// Ends in good order when it is told to.
async fn wait(session: Session, _: Demo) -> Result<Exit, CliError> {
    session.ui.text("ready")?;
    session.cancel.cancelled().await;
    session.ui.text("cancelled")?;
    Err(CliError::new(Exit::Interrupted, "interrupted", "interrupted; nothing is lost"))
}

/// Does not listen at all.
async fn block(session: Session, _: Demo) -> Result<Exit, CliError> {
    session.ui.text("ready")?;
    loop {
        std::thread::park();
    }
}

/// Asks a question that nobody answers.
async fn ask(session: Session, _: Demo) -> Result<Exit, CliError> {
    session.ui.text("ready")?;
    session.ui.confirm("Go on?", "--yes")?;
    Ok(Exit::Done)
}

/// Says more than a pipe holds, in whole or not.
async fn talk(session: Session, _: Demo) -> Result<Exit, CliError> {
    session.ui.text("ready")?;
    for _ in 0..10_000 {
        session.ui.text("more than any reader wants to hear")?;
    }
    Ok(Exit::Done)
}

fn start(role: &str) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().expect("the test binary has a path"))
        .args(["--exact", "process::child", "--ignored", "--nocapture"])
        .env(ROLE, role)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the test binary starts");
    let mut out = BufReader::new(child.stdout.take().expect("stdout is piped"));
    wait_for(&mut out, "ready");
    (child, out)
}

fn wait_for(lines: &mut impl BufRead, wanted: &str) {
    let mut line = String::new();
    while !line.contains(wanted) {
        line.clear();
        assert_ne!(
            lines.read_line(&mut line).expect("the child prints text"),
            0,
            "the child ended before `{wanted}`"
        );
    }
}

fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    let sent = Command::new("kill").args([name, &id]).status();
    assert!(sent.expect("`kill` is everywhere").success());
}

#[test]
fn the_first_signal_lets_the_command_end_in_good_order() {
    for name in ["-INT", "-TERM"] {
        let (mut child, mut out) = start("wait");
        signal(&child, name);
        wait_for(&mut out, "cancelled");
        assert_eq!(child.wait().unwrap().code(), Some(130), "{name}");
    }
}

#[test]
fn the_second_signal_ends_even_a_command_that_does_not_listen() {
    let (mut child, _out) = start("block");
    let mut talk = BufReader::new(child.stderr.take().unwrap());
    signal(&child, "-INT");
    wait_for(&mut talk, "interrupted");
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_signal_at_an_open_question_ends_the_program_at_once() {
    let (mut child, _out) = start("ask");
    // `wait` would close it, and a closed input is an answer of a kind.
    let open = child.stdin.take();
    let mut talk = child.stderr.take().unwrap();
    let mut question = [0; "Go on? [y/N] ".len()];
    talk.read_exact(&mut question).unwrap();
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(open);
}

#[test]
fn a_reader_that_leaves_early_neither_stops_nor_fails_the_command() {
    let (mut child, out) = start("talk");
    drop(out);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
