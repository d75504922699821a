//! One run of a program, from its arguments to its exit code.

use clodo_cli::{
    CliError, Environment, Exit, GlobalArgs, Launch, ProgramArgs, RuntimeKind, Session, Streams,
};
use clodo_types::{Location, SourceError};
use insta::assert_snapshot;
use serde_json::json;

/// Deploys nothing
#[derive(Debug, clap::Parser)]
#[command(name = "clodo-demo", version = "1.2.3")]
pub(crate) struct Demo {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Goes well
    Well,
    /// Fails in some way
    Fail { how: String },
    /// Prints two events and a document
    Events,
    /// Stops at a bug
    Panic,
}

impl ProgramArgs for Demo {
    fn global(&self) -> &GlobalArgs {
        &self.global
    }
}

async fn demo(session: Session, args: Demo) -> Result<Exit, CliError> {
    match args.command {
        Command::Well => {
            session.ui.say("working");
            session.ui.detail("closely");
            session.ui.text("done")?;
        }
        Command::Fail { how } => return Err(failure(&how)),
        Command::Events => {
            session.ui.event(&json!({"event": "started", "target": "web@staging"}))?;
            session.ui.event(&json!({"event": "ended"}))?;
            session.ui.document(&json!({"outcome": "done", "version": 1}))?;
        }
        Command::Panic => panic!("an invariant does not hold"),
    }
    Ok(Exit::Done)
}

fn source_error(offset: usize, message: &str) -> SourceError {
    let text = "[portfolio]\nnmae = \"p\"\nzones = 3\n";
    SourceError::at_offset("clodo.toml", text, offset, message)
}

fn failure(how: &str) -> CliError {
    let deeper = std::io::Error::other("connection refused");
    match how {
        "causes" => CliError::new(Exit::Unreachable, "unreachable", "could not reach the platform")
            .with_source(CliError::usage("could not open a connection").with_source(deeper))
            .with_hint("start it with `clodo-local up`"),
        "refused" => CliError::new(Exit::Refused, "gate", "the plan drops a table")
            .with_location(Location { path: "migrations/2.sql".into(), line: 3, column: 1 })
            .with_hint("see `clodo-deploy plan`"),
        "file" => source_error(12, "unknown key `nmae`").with_hint("did you mean `name`?").into(),
        "files" => CliError::from(vec![
            source_error(12, "unknown key `nmae`").with_hint("did you mean `name`?"),
            source_error(31, "expected a list, found a number"),
        ]),
        _ => CliError::of(Exit::Failed, "other", deeper),
    }
}

/// Everything that a run leaves behind.
fn run(args: &str) -> String {
    let (streams, captured) = Streams::captured();
    let args = std::iter::once("bin/clodo-demo").chain(args.split_whitespace());
    let exit = Launch::new(args, streams).exit(demo);
    format!("stdout:\n{}stderr:\n{}exit {}", captured.out(), captured.err(), exit.code())
}

#[test]
fn data_goes_to_stdout_and_talk_to_stderr() {
    assert_snapshot!(run("well"), @r"
    stdout:
    done
    stderr:
    working
    exit 0
    ");
    assert_snapshot!(run("well -v"), @r"
    stdout:
    done
    stderr:
    working
    closely
    exit 0
    ");
    assert_snapshot!(run("--quiet well"), @r"
    stdout:
    done
    stderr:
    exit 0
    ");
}

#[test]
fn a_command_without_a_document_still_gives_one() {
    assert_snapshot!(run("well --json"), @r#"
    stdout:
    {
      "outcome": "done",
      "version": 1
    }
    stderr:
    working
    exit 0
    "#);
}

#[test]
fn events_come_one_per_line_and_the_document_is_the_last() {
    assert_snapshot!(run("events --json=events"), @r#"
    stdout:
    {"event":"started","target":"web@staging"}
    {"event":"ended"}
    {"event":"finished","outcome":"done","version":1}
    stderr:
    exit 0
    "#);
    assert_snapshot!(run("events --json"), @r#"
    stdout:
    {
      "outcome": "done",
      "version": 1
    }
    stderr:
    exit 0
    "#);
    assert_snapshot!(run("events"), @r"
    stdout:
    stderr:
    exit 0
    ");
}

#[test]
fn an_error_names_its_causes_and_a_way_out() {
    assert_snapshot!(run("fail causes"), @r"
    stdout:
    stderr:
    error: could not reach the platform
      caused by: could not open a connection
      caused by: connection refused
    hint: start it with `clodo-local up`
    exit 7
    ");
    assert_snapshot!(run("fail causes --json"), @r#"
    stdout:
    {
      "outcome": "failed",
      "error": {
        "kind": "unreachable",
        "message": "could not reach the platform",
        "hint": "start it with `clodo-local up`",
        "at": null,
        "causes": [
          "could not open a connection",
          "connection refused"
        ]
      },
      "version": 1
    }
    stderr:
    error: could not reach the platform
      caused by: could not open a connection
      caused by: connection refused
    hint: start it with `clodo-local up`
    exit 7
    "#);
    assert_snapshot!(run("fail other"), @r"
    stdout:
    stderr:
    error: connection refused
    exit 1
    ");
}

#[test]
fn a_refusal_is_an_outcome_of_its_own() {
    assert_snapshot!(run("fail refused --json"), @r#"
    stdout:
    {
      "outcome": "refused",
      "error": {
        "kind": "gate",
        "message": "the plan drops a table",
        "hint": "see `clodo-deploy plan`",
        "at": {
          "path": "migrations/2.sql",
          "line": 3,
          "column": 1
        }
      },
      "version": 1
    }
    stderr:
    error: migrations/2.sql:3:1: the plan drops a table
    hint: see `clodo-deploy plan`
    exit 3
    "#);
}

#[test]
fn an_error_in_a_file_shows_the_line() {
    assert_snapshot!(run("fail files"), @r#"
    stdout:
    stderr:
    error: clodo.toml:2:1: unknown key `nmae`
       |
     2 | nmae = "p"
       | ^
    hint: did you mean `name`?

    error: clodo.toml:3:9: expected a list, found a number
       |
     3 | zones = 3
       |         ^
    exit 2
    "#);
    assert_snapshot!(run("fail files --json=events"), @r#"
    stdout:
    {"event":"finished","outcome":"failed","error":{"kind":"config","message":"unknown key `nmae`","hint":"did you mean `name`?","at":{"path":"clodo.toml","line":2,"column":1},"more":[{"message":"expected a list, found a number","hint":null,"at":{"path":"clodo.toml","line":3,"column":9}}]},"version":1}
    stderr:
    error: clodo.toml:2:1: unknown key `nmae`
       |
     2 | nmae = "p"
       | ^
    hint: did you mean `name`?

    error: clodo.toml:3:9: expected a list, found a number
       |
     3 | zones = 3
       |         ^
    exit 2
    "#);
}

#[test]
fn wrong_usage_is_exit_2_and_speaks_json_when_asked() {
    assert_snapshot!(run("well --jsno"), @r"
    stdout:
    stderr:
    error: unexpected argument '--jsno' found

      tip: a similar argument exists: '--json'

    Usage: clodo-demo well --json[=<MODE>]

    For more information, try '--help'.
    exit 2
    ");
    assert_snapshot!(run("fial --json"), @r#"
    stdout:
    {
      "outcome": "failed",
      "error": {
        "kind": "usage",
        "message": "unrecognized subcommand 'fial'",
        "hint": "did you mean `fail`?",
        "at": null
      },
      "version": 1
    }
    stderr:
    error: unrecognized subcommand 'fial'

      tip: a similar subcommand exists: 'fail'

    Usage: clodo-demo [OPTIONS] <COMMAND>

    For more information, try '--help'.
    exit 2
    "#);
    let out = run("--json");
    assert!(out.contains("\"message\": \"a command is missing\""), "{out}");
    assert!(out.ends_with("exit 2"), "{out}");
    let after_dashes = run("fail -- --json extra");
    assert!(after_dashes.starts_with("stdout:\nstderr:"), "{after_dashes}");
}

#[test]
fn help_and_version_go_to_stdout() {
    let help = run("--help");
    assert!(help.starts_with("stdout:\nDeploys nothing"), "{help}");
    assert!(help.ends_with("stderr:\nexit 0"), "{help}");
    assert_snapshot!(run("--version"), @r"
    stdout:
    clodo-demo 1.2.3
    stderr:
    exit 0
    ");
}

#[test]
fn a_bug_is_a_failure_with_a_document() {
    let out = run("panic --json");
    assert!(out.contains("\"kind\": \"bug\""), "{out}");
    assert!(out.ends_with("exit 1"), "{out}");
}

#[test]
fn a_command_sees_what_the_program_was_started_with() {
    async fn look(session: Session, _: Demo) -> Result<Exit, CliError> {
        assert_eq!(session.environment.get("A"), Some("1"));
        assert_eq!(session.directory.to_str(), Some("somewhere"));
        // Several threads are there: a blocked one does not stop the other.
        let (send, receive) = std::sync::mpsc::channel();
        let blocked = tokio::spawn(async move { receive.recv().is_ok() });
        tokio::spawn(async move { send.send(()).is_ok() });
        assert!(blocked.await.is_ok_and(|got| got));
        Ok(Exit::Found)
    }
    let (streams, _) = Streams::captured();
    let exit = Launch::new(["clodo-demo", "well"], streams)
        .with_environment(Environment::from_iter([("A", "1")]))
        .with_directory("somewhere")
        .with_runtime(RuntimeKind::MultiThread)
        .exit(look);
    assert_eq!(exit, Exit::Found);
}

/// Regenerate with `cargo run -p clodo-cli --example exit_codes > docs/exit-codes.md`.
#[test]
fn the_published_page_of_exit_codes_is_up_to_date() {
    let published = include_str!("../../../../docs/exit-codes.md");
    assert_eq!(published.replace('\r', ""), Exit::documentation());
}
