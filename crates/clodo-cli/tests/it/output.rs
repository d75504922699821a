//! What a `Ui` does with streams that misbehave, and with terminals.

use clodo_cli::{
    CliError, Environment, Exit, GlobalArgs, OutputMode, Streams, Tone, Ui, UiOptions,
};
use serde_json::json;
use std::io::{self, Write};

struct Broken(io::ErrorKind);

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn broken(kind: io::ErrorKind) -> Ui {
    let (mut streams, _) = Streams::captured();
    streams.out = Box::new(Broken(kind));
    streams.err = Box::new(Broken(kind));
    Ui::new(streams, UiOptions::default())
}

fn options(mode: OutputMode) -> UiOptions {
    let mut options = UiOptions::default();
    options.mode = mode;
    options
}

#[test]
fn a_reader_that_leaves_early_ends_nothing() {
    let ui = broken(io::ErrorKind::BrokenPipe);
    assert!(ui.text("one").is_ok());
    assert!(ui.text("two").is_ok());
    ui.say("nobody hears this");
}

#[test]
fn a_full_disk_is_an_error() {
    let error = broken(io::ErrorKind::StorageFull).text("one").unwrap_err();
    assert_eq!((error.exit(), error.kind()), (Exit::Failed, "output"));
}

#[test]
fn there_is_never_a_second_document() {
    let (streams, captured) = Streams::captured();
    let ui = Ui::new(streams, options(OutputMode::Json));
    ui.document(&json!({"outcome": "done"})).unwrap();
    assert!(ui.document(&json!({"outcome": "done"})).is_err());
    assert_eq!(captured.out().matches("outcome").count(), 1);
}

#[test]
fn text_and_document_exclude_each_other() {
    for (mode, expected) in [
        (OutputMode::Text, "3 targets\n"),
        (OutputMode::Json, "{\n  \"targets\": 3\n}\n"),
        (OutputMode::Events, "{\"event\":\"finished\",\"targets\":3}\n"),
    ] {
        let (streams, captured) = Streams::captured();
        Ui::new(streams, options(mode)).report(&Count { targets: 3 }).unwrap();
        assert_eq!(captured.out(), expected);
    }
}

#[derive(serde::Serialize)]
struct Count {
    targets: usize,
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} targets", self.targets)
    }
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    for (terminal, variable, flag, colored) in [
        (true, "", false, true),
        (false, "", false, false),
        (true, "NO_COLOR=1", false, false),
        (true, "NO_COLOR=", false, true),
        (true, "TERM=dumb", false, false),
        (true, "", true, false),
    ] {
        let (mut streams, _) = Streams::captured();
        streams.out_is_terminal = terminal;
        let environment = Environment::from_iter(variable.split_once('='));
        let mut global = GlobalArgs::default();
        global.no_color = flag;
        let ui = Ui::new(streams, UiOptions::new(&global, &environment));
        assert_eq!(ui.paint(Tone::Good, "x").contains('\x1b'), colored, "{variable} {flag}");
    }
}

#[test]
fn progress_is_plain_lines_off_a_terminal_and_nothing_when_quiet() {
    for (quiet, expected) in [(false, "web: uploading\nweb: live\n"), (true, "")] {
        let (streams, captured) = Streams::captured();
        let mut options = UiOptions::default();
        options.quiet = quiet;
        let ui = Ui::new(streams, options);
        let line = ui.progress("web");
        line.set("uploading");
        line.finish("live");
        assert_eq!(captured.err(), expected);
        assert_eq!(captured.out(), "");
    }
}

#[test]
fn warnings_are_heard_even_when_quiet() {
    let (streams, captured) = Streams::captured();
    let mut options = UiOptions::default();
    options.quiet = true;
    Ui::new(streams, options).warn("no health path");
    assert_eq!(captured.err(), "warning: no health path\n");
}

#[test]
fn an_error_that_quotes_control_characters_cannot_write_over_the_terminal() {
    let (streams, captured) = Streams::captured();
    let cause = io::Error::other("no \x1b]0;title\x07");
    let error = CliError::usage("unknown customer `a\x1b[2Jb\r`\nsecond line").with_source(cause);
    Ui::new(streams, UiOptions::default()).error(&error);
    let want = "error: unknown customer `a\\u{1b}[2Jb\\r`\nsecond line\n  \
                caused by: no \\u{1b}]0;title\\u{7}\n";
    assert_eq!(captured.err(), want);
}
