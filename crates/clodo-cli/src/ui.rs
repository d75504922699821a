use crate::{
    args::{GlobalArgs, JsonMode},
    environment::Environment,
    error::CliError,
    exit::Exit,
    progress::{Bars, ProgressLine},
    streams::Streams,
};
use serde::Serialize;
use std::{
    error, fmt,
    io::{self, BufRead, Read, Write},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

/// The form of a program's data on stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputMode {
    /// For people.
    #[default]
    Text,
    /// One document.
    Json,
    /// One event per line; the last line is the document, with `event` = `finished`.
    Events,
}

/// How much a [`Ui`] says, and how.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct UiOptions {
    /// The form of the data.
    pub mode: OutputMode,
    /// Nothing but warnings and errors on stderr.
    pub quiet: bool,
    /// How often `-v` was given.
    pub verbose: u8,
    /// No colour and no moving lines, even on a terminal.
    pub plain: bool,
}

impl UiOptions {
    /// What the flags and the environment ask for (`NO_COLOR`, `TERM=dumb`).
    #[must_use]
    pub fn new(global: &GlobalArgs, environment: &Environment) -> Self {
        let no_color = environment.get_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            mode: match global.json {
                None => OutputMode::Text,
                Some(JsonMode::Document) => OutputMode::Json,
                Some(JsonMode::Events) => OutputMode::Events,
            },
            quiet: global.quiet,
            verbose: global.verbose,
            plain: global.no_color || no_color || environment.get("TERM") == Some("dumb"),
        }
    }
}

/// What a piece of text stands for. Colour only repeats what the words already say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tone {
    /// It went well, or is new.
    Good,
    /// It went wrong, or goes away.
    Bad,
    /// It needs attention, or changes.
    Warn,
    /// It matters less.
    Faint,
    /// It matters more.
    Strong,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Bad => "1;31",
            Self::Warn => "33",
            Self::Faint => "2",
            Self::Strong => "1",
        }
    }
}

/// All that a program says: data to stdout, talk to stderr. Clones share the same streams.
///
/// A reader that closes stdout early (`… | head -1`) ends nothing: the rest of the data is
/// dropped quietly and the command runs on, since a deployment must not stop half-way for it.
#[derive(Clone)]
pub struct Ui(Arc<Shared>);

struct Shared {
    options: UiOptions,
    color_out: bool,
    color_err: bool,
    interactive: bool,
    asking: AtomicBool,
    bars: Bars,
    out: Mutex<Out>,
    err: Mutex<Box<dyn Write + Send>>,
    input: Mutex<Box<dyn BufRead + Send>>,
}

struct Out {
    stream: Box<dyn Write + Send>,
    closed: bool,
    has_document: bool,
}

impl Ui {
    /// Speaks through `streams`.
    #[must_use]
    pub fn new(streams: Streams, options: UiOptions) -> Self {
        let moving = streams.err_is_terminal && !options.quiet && !options.plain;
        Self(Arc::new(Shared {
            options,
            color_out: streams.out_is_terminal && !options.plain,
            color_err: streams.err_is_terminal && !options.plain,
            interactive: streams.input_is_terminal,
            asking: AtomicBool::new(false),
            bars: Bars::new(moving),
            out: Mutex::new(Out { stream: streams.out, closed: false, has_document: false }),
            err: Mutex::new(streams.err),
            input: Mutex::new(streams.input),
        }))
    }

    /// The form of the data.
    #[must_use]
    pub fn mode(&self) -> OutputMode {
        self.0.options.mode
    }

    /// Whether someone is there to answer.
    #[must_use]
    pub fn is_interactive(&self) -> bool {
        self.0.interactive
    }

    /// Data for people: a line, or several. Says nothing in the JSON modes.
    ///
    /// # Errors
    /// When stdout cannot be written to, unless its reader just left.
    pub fn text(&self, text: &str) -> Result<(), CliError> {
        match self.mode() {
            OutputMode::Text => self.write_data(&ended(text)),
            OutputMode::Json | OutputMode::Events => Ok(()),
        }
    }

    /// The one document of the JSON modes. Says nothing in text mode.
    ///
    /// # Errors
    /// When stdout cannot be written to, or the command already gave its document.
    pub fn document(&self, document: &impl Serialize) -> Result<(), CliError> {
        let text = match self.mode() {
            OutputMode::Text => return Ok(()),
            OutputMode::Json => serde_json::to_string_pretty(document),
            OutputMode::Events => serde_json::to_string(&Closing { event: "finished", document }),
        };
        let text = text.map_err(|error| unprintable(error.into()))?;
        if std::mem::replace(&mut held(&self.0.out).has_document, true) {
            return Err(unprintable("a command prints one document only".into()));
        }
        self.write_data(&ended(&text))
    }

    /// What a command found out: its `Display` as text, or itself as the document.
    ///
    /// # Errors
    /// As [`Ui::text`] and [`Ui::document`].
    pub fn report<T: Serialize + fmt::Display>(&self, report: &T) -> Result<(), CliError> {
        match self.mode() {
            OutputMode::Text => self.text(&report.to_string()),
            OutputMode::Json | OutputMode::Events => self.document(report),
        }
    }

    /// One line with an event that just happened; only with `--json=events`. The event names
    /// itself in a field `event`.
    ///
    /// # Errors
    /// When stdout cannot be written to.
    pub fn event(&self, event: &impl Serialize) -> Result<(), CliError> {
        if self.mode() != OutputMode::Events {
            return Ok(());
        }
        let text = serde_json::to_string(event).map_err(|error| unprintable(error.into()))?;
        self.write_data(&ended(&text))
    }

    /// Talk: what is going on. Silent with `--quiet`.
    pub fn say(&self, line: &str) {
        if !self.0.options.quiet {
            self.write_talk(&ended(line));
        }
    }

    /// Talk for those who gave `-v`.
    pub fn detail(&self, line: &str) {
        if self.0.options.verbose > 0 {
            self.say(line);
        }
    }

    /// A warning; it is heard even with `--quiet`.
    pub fn warn(&self, line: &str) {
        let label = self.paint_talk(Tone::Warn, "warning:");
        self.write_talk(&ended(&format!("{label} {line}")));
    }

    /// The error with its place, its causes and its hint, on stderr.
    pub fn error(&self, error: &CliError) {
        self.write_talk(&self.error_text(error));
    }

    /// A line that shows how something is going; see [`ProgressLine`].
    #[must_use]
    pub fn progress(&self, label: impl Into<String>) -> ProgressLine {
        let label = label.into();
        let bar = self.0.bars.line(&label);
        ProgressLine::new(self.clone(), bar, label)
    }

    /// `text` in colour for stdout, where stdout is a terminal that may have colour.
    #[must_use]
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        painted(self.0.color_out, tone, text)
    }

    /// `text` in colour for stderr.
    #[must_use]
    pub fn paint_talk(&self, tone: Tone, text: &str) -> String {
        painted(self.0.color_err, tone, text)
    }

    /// Asks a question that is answered with yes or no; no answer is no.
    ///
    /// # Errors
    /// Exit 2 when nobody is there to answer; the hint names `flag`, which gives the answer.
    pub fn confirm(&self, question: &str, flag: &str) -> Result<bool, CliError> {
        loop {
            let answer = self.ask(&format!("{question} [y/N]"), flag)?;
            match answer.to_ascii_lowercase().as_str() {
                "y" | "yes" => return Ok(true),
                "" | "n" | "no" => return Ok(false),
                _ => self.write_talk("Please answer `y` or `n`.\n"),
            }
        }
    }

    /// Asks for one of `options` by number or by name; returns its index.
    ///
    /// # Errors
    /// As [`Ui::confirm`].
    pub fn choose(&self, question: &str, options: &[&str], flag: &str) -> Result<usize, CliError> {
        self.someone(question, flag)?;
        for (index, option) in options.iter().enumerate() {
            self.write_talk(&format!("  {}) {option}\n", index + 1));
        }
        loop {
            let answer = self.ask(question, flag)?;
            let by_number = answer.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            let by_name = || options.iter().position(|option| *option == answer);
            match by_number.filter(|index| *index < options.len()).or_else(by_name) {
                Some(index) => return Ok(index),
                None => self.write_talk("Please give one of the numbers or names.\n"),
            }
        }
    }

    /// Asks for a line of text, without its line break and the space around it.
    ///
    /// It blocks: ask before work begins. Ctrl-C at a question exits at once.
    ///
    /// # Errors
    /// As [`Ui::confirm`].
    pub fn ask(&self, question: &str, flag: &str) -> Result<String, CliError> {
        self.someone(question, flag)?;
        self.write_talk(&format!("{question} "));
        self.0.asking.store(true, Ordering::SeqCst);
        let line = read_line(&mut **held(&self.0.input));
        self.0.asking.store(false, Ordering::SeqCst);
        match line {
            Ok(Some(line)) => Ok(line.trim().to_owned()),
            Ok(None) => {
                self.write_talk("\n");
                Err(no_answer(question, flag))
            }
            Err(error) => Err(no_answer(question, flag).with_source(error)),
        }
    }

    /// Whether a question stands open: then nothing is under way that an interrupt could hurt.
    pub(crate) fn is_asking(&self) -> bool {
        self.0.asking.load(Ordering::SeqCst)
    }

    /// Whether the command has given its document.
    pub(crate) fn has_document(&self) -> bool {
        held(&self.0.out).has_document
    }

    /// Text for stderr as it is; moving lines make room for it.
    pub(crate) fn write_talk(&self, text: &str) {
        self.0.bars.suspend(|| {
            let mut err = held(&self.0.err);
            // Whoever closed stderr does not want to hear about it.
            let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
        });
    }

    fn write_data(&self, text: &str) -> Result<(), CliError> {
        self.0.bars.suspend(|| {
            let mut out = held(&self.0.out);
            if out.closed {
                return Ok(());
            }
            match out.stream.write_all(text.as_bytes()).and_then(|()| out.stream.flush()) {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    out.closed = true;
                    Ok(())
                }
                done => done.map_err(|error| unprintable(error.into())),
            }
        })
    }

    fn error_text(&self, error: &CliError) -> String {
        let label = self.paint_talk(Tone::Bad, "error:");
        let hint_label = self.paint_talk(Tone::Strong, "hint:");
        let hint = |hint: Option<&str>| {
            hint.map_or(String::new(), |hint| format!("{hint_label} {hint}\n"))
        };
        if error.sources().is_empty() {
            let mut text = format!("{label} {error}\n");
            for cause in error.causes() {
                text.push_str(&format!("  caused by: {cause}\n"));
            }
            return text + &hint(error.hint());
        }
        let blocks = error
            .sources()
            .iter()
            .map(|source| format!("{label} {source}\n{}", hint(source.hint.as_deref())));
        blocks.collect::<Vec<_>>().join("\n")
    }

    fn someone(&self, question: &str, flag: &str) -> Result<(), CliError> {
        if self.is_interactive() { Ok(()) } else { Err(no_answer(question, flag)) }
    }
}

impl fmt::Debug for Ui {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ui").field("options", &self.0.options).finish_non_exhaustive()
    }
}

#[derive(Serialize)]
struct Closing<'a, T> {
    event: &'static str,
    #[serde(flatten)]
    document: &'a T,
}

/// A writer that panicked left at worst half a line behind.
fn held<T>(stream: &Mutex<T>) -> MutexGuard<'_, T> {
    stream.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn ended(text: &str) -> String {
    let text = text.strip_suffix('\n').unwrap_or(text);
    format!("{text}\n")
}

fn painted(color: bool, tone: Tone, text: &str) -> String {
    if color { format!("\x1b[{}m{text}\x1b[0m", tone.code()) } else { text.to_owned() }
}

/// A line of at most 64 KiB; none at the end of the input.
fn read_line(input: &mut dyn BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let read = input.take(64 * 1024).read_until(b'\n', &mut line)?;
    Ok((read > 0).then(|| String::from_utf8_lossy(&line).into_owned()))
}

fn no_answer(question: &str, flag: &str) -> CliError {
    CliError::new(Exit::Usage, "no-answer", format!("nobody is there to answer: {question}"))
        .with_hint(format!("give `{flag}`"))
}

fn unprintable(source: Box<dyn error::Error + Send + Sync>) -> CliError {
    CliError::new(Exit::Failed, "output", "could not write the output").with_source(source)
}
