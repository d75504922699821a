use crate::{
    args::ProgramArgs,
    environment::Environment,
    error::CliError,
    exit::Exit,
    logging,
    options::{OutputMode, UiOptions},
    signals,
    streams::Streams,
    ui::Ui,
};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use serde_json::json;
use std::{
    any::Any,
    ffi::OsString,
    io::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

/// What a command gets from its program besides its arguments.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Session {
    /// The terminal.
    pub ui: Ui,
    /// The process environment, as it was at the start.
    pub environment: Environment,
    /// The folder that the program was started in.
    pub directory: PathBuf,
    /// Cancelled at the first Ctrl-C or SIGTERM; look at it between steps.
    pub cancel: CancellationToken,
}

/// How many threads run the command's futures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RuntimeKind {
    /// One: for a command that mostly waits. It starts fastest.
    #[default]
    CurrentThread,
    /// One per processor: for a server, or for work that computes.
    MultiThread,
}

/// One run of a program, from its arguments to its exit code.
#[derive(Debug)]
pub struct Launch {
    args: Vec<OsString>,
    streams: Streams,
    environment: Environment,
    directory: PathBuf,
    runtime: RuntimeKind,
    cancel: CancellationToken,
    signals: bool,
}

impl Launch {
    /// Arguments, streams, environment, folder and signals of this process: what `main` wants.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self {
            environment: Environment::of_this_process(),
            directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            ..Self::new(std::env::args_os(), Streams::of_this_process()).with_signals()
        }
    }

    /// A run with these arguments (the first is the program's name), an empty environment and no
    /// signals: what a test wants.
    #[must_use]
    pub fn new(args: impl IntoIterator<Item = impl Into<OsString>>, streams: Streams) -> Self {
        Self {
            args: args.into_iter().map(Into::into).collect(),
            streams,
            environment: Environment::default(),
            directory: PathBuf::from("."),
            runtime: RuntimeKind::default(),
            cancel: CancellationToken::new(),
            signals: false,
        }
    }

    /// Gives the command another environment.
    #[must_use]
    pub fn with_environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Gives the command another folder to start from.
    #[must_use]
    pub fn with_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    /// Chooses how many threads there are.
    #[must_use]
    pub fn with_runtime(mut self, runtime: RuntimeKind) -> Self {
        self.runtime = runtime;
        self
    }

    /// Gives the command this token instead of one that only signals cancel.
    #[must_use]
    pub fn with_cancel(mut self, cancel: CancellationToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// Listens for Ctrl-C and SIGTERM: the first one cancels the command's token, the second one
    /// ends the process with 130.
    #[must_use]
    pub fn with_signals(mut self) -> Self {
        self.signals = true;
        self
    }

    /// Runs the command and returns what `main` returns.
    pub fn run<P, C, F>(self, command: C) -> ExitCode
    where
        P: ProgramArgs,
        C: FnOnce(Session, P) -> F,
        F: Future<Output = Result<Exit, CliError>>,
    {
        self.exit(command).into()
    }

    /// Runs the command. Whatever happens, stdout gets exactly one document with `--json`, and
    /// stderr says what went wrong.
    pub fn exit<P, C, F>(self, command: C) -> Exit
    where
        P: ProgramArgs,
        C: FnOnce(Session, P) -> F,
        F: Future<Output = Result<Exit, CliError>>,
    {
        // `--help` and wrong usage end here: no runtime, no threads.
        let args = match P::try_parse_from(&self.args) {
            Ok(args) => args,
            Err(error) => return answer_parser(&error, &self.args, self.streams),
        };
        let global = args.global();
        let options = UiOptions::new(global, &self.environment);
        let ui = Ui::new(self.streams, options);
        logging::install(&ui, global.quiet, global.verbose, &self.environment);
        let session = Session {
            ui: ui.clone(),
            environment: self.environment,
            directory: self.directory,
            cancel: self.cancel,
        };
        let result = start(self.runtime, self.signals, &session)
            .and_then(|runtime| drive(runtime, || command(session, args)));
        conclude(&ui, result)
    }
}

fn start(kind: RuntimeKind, signals: bool, session: &Session) -> Result<Runtime, CliError> {
    let builder = match kind {
        RuntimeKind::CurrentThread => Builder::new_current_thread().enable_all().build(),
        RuntimeKind::MultiThread => Builder::new_multi_thread().enable_all().build(),
    };
    let cannot = |error| {
        CliError::new(Exit::Failed, "start", "the program could not start").with_source(error)
    };
    let runtime = builder.map_err(cannot)?;
    if signals {
        signals::watch(&session.ui, &session.cancel).map_err(cannot)?;
    }
    Ok(runtime)
}

fn drive<F>(runtime: Runtime, command: impl FnOnce() -> F) -> Result<Exit, CliError>
where
    F: Future<Output = Result<Exit, CliError>>,
{
    let result = catch_unwind(AssertUnwindSafe(|| runtime.block_on(Box::pin(command()))));
    // A blocking call that hangs must not keep the program from ending.
    runtime.shutdown_timeout(Duration::from_secs(1));
    result.unwrap_or_else(|panic| Err(bug(panic.as_ref())))
}

/// The default panic hook has printed message and place already.
fn bug(_panic: &(dyn Any + Send)) -> CliError {
    CliError::new(Exit::Failed, "bug", "the program stopped at a mistake of its own")
        .with_hint("report it, with the lines above; RUST_BACKTRACE=1 shows more of them")
}

fn conclude(ui: &Ui, result: Result<Exit, CliError>) -> Exit {
    match result {
        Ok(exit) if ui.mode() == OutputMode::Text || ui.has_document() => exit,
        Ok(exit) => {
            let document = json!({"outcome": exit.outcome(), "version": 1});
            ui.document(&document).map_or(Exit::Failed, |()| exit)
        }
        Err(error) => fail(ui, &error),
    }
}

/// Says the error on stderr and, in the JSON modes, in the document.
fn fail(ui: &Ui, error: &CliError) -> Exit {
    ui.error(error);
    if !ui.has_document() {
        let outcome = error.exit().outcome();
        let document = json!({"outcome": outcome, "error": error.to_json(), "version": 1});
        // There is nobody left to tell when stdout cannot be written to.
        let _ = ui.document(&document);
    }
    error.exit()
}

/// Prints help and version on stdout; anything else is wrong usage.
fn answer_parser(error: &clap::Error, args: &[OsString], mut streams: Streams) -> Exit {
    let text = error.render().to_string();
    if !error.use_stderr() {
        // A reader that left early (`--help | head`) has read enough.
        let _ = streams.out.write_all(text.as_bytes()).and_then(|()| streams.out.flush());
        return Exit::Done;
    }
    let _ = streams.err.write_all(text.as_bytes());
    if let Some(mode) = json_mode(args) {
        let ui = Ui::new(streams, UiOptions { mode, ..UiOptions::default() });
        let usage = usage_error(error, &text, args);
        let document = json!({"outcome": "failed", "error": usage.to_json(), "version": 1});
        let _ = ui.document(&document);
    }
    Exit::Usage
}

/// What the broken command line asked for, as far as it can be told.
fn json_mode(args: &[OsString]) -> Option<OutputMode> {
    let flags = args.iter().skip(1).take_while(|arg| *arg != "--");
    flags.filter_map(|arg| arg.to_str()).find_map(|arg| match arg {
        "--json=events" => Some(OutputMode::Events),
        _ if arg == "--json" || arg.starts_with("--json=") => Some(OutputMode::Json),
        _ => None,
    })
}

fn usage_error(error: &clap::Error, text: &str, args: &[OsString]) -> CliError {
    let message = match error.kind() {
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "a command is missing".to_owned()
        }
        _ => first_paragraph(text),
    };
    let program = args.first().map_or_else(|| "clodo".into(), |name| name.to_string_lossy());
    let program = program.rsplit(['/', '\\']).next().unwrap_or_default();
    let hint = match suggestion(error) {
        Some(similar) => format!("did you mean `{similar}`?"),
        None => format!("see `{program} --help`"),
    };
    CliError::usage(message).with_hint(hint)
}

/// Of several the parser puts the best one last.
fn suggestion(error: &clap::Error) -> Option<&str> {
    let kinds = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand];
    match kinds.into_iter().find_map(|kind| error.get(kind))? {
        ContextValue::String(name) => Some(name),
        ContextValue::Strings(names) => names.last().map(String::as_str),
        _ => None,
    }
}

fn first_paragraph(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<_> = paragraph.split_whitespace().collect();
    words.join(" ").trim_start_matches("error: ").to_owned()
}
