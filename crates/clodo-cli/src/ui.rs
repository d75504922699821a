use crate::{
    error::CliError,
    exit::Exit,
    options::{OutputMode, Tone, UiOptions, painted},
    progress::{Bars, ProgressLine},
    streams::Streams,
};
use serde::Serialize;
use std::{
    error, fmt,
    io::{self, BufRead, Write},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

/// All that a program says: data to stdout, talk to stderr. Clones share the same streams.
///
/// A reader that closes stdout early (`… | head -1`) ends nothing: the rest of the data is
/// dropped quietly and the command runs on, since a deployment must not stop half-way for it.
#[derive(Clone)]
pub struct Ui(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    options: UiOptions,
    out_is_terminal: bool,
    color_out: bool,
    color_err: bool,
    interactive: bool,
    pub(crate) asking: AtomicBool,
    bars: Bars,
    out: Mutex<Out>,
    err: Mutex<Box<dyn Write + Send>>,
    pub(crate) input: Mutex<Box<dyn BufRead + Send>>,
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
            out_is_terminal: streams.out_is_terminal,
            color_out: streams.out_is_terminal && !options.plain,
            color_err: streams.err_is_terminal && !options.plain,
            interactive: streams.can_ask,
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

    /// Whether lines can move: stderr is a terminal, and nobody asked for plain output.
    #[must_use]
    pub fn is_animated(&self) -> bool {
        self.0.bars.is_moving()
    }

    /// Data for people: a line, or several. Says nothing in the JSON modes. On a terminal, control
    /// characters in it are escaped, but for colours.
    ///
    /// # Errors
    /// When stdout cannot be written to, unless its reader just left.
    pub fn text(&self, text: &str) -> Result<(), CliError> {
        match self.mode() {
            OutputMode::Text if self.0.out_is_terminal => self.write_data(&ended(&harmless(text))),
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
            self.write_talk(&ended(&harmless(line)));
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
        self.write_talk(&ended(&format!("{label} {}", harmless(line))));
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
            let mut text = format!("{label} {}\n", visible(&error.to_string()));
            for cause in error.causes() {
                text.push_str(&format!("  caused by: {}\n", visible(&cause.to_string())));
            }
            return text + &hint(error.hint());
        }
        let blocks = error.sources().iter().map(|source| {
            let shown = visible(&source.to_string());
            format!("{label} {shown}\n{}", hint(source.hint.as_deref()))
        });
        blocks.collect::<Vec<_>>().join("\n")
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
pub(crate) fn held<T>(stream: &Mutex<T>) -> MutexGuard<'_, T> {
    stream.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn ended(text: &str) -> String {
    let text = text.strip_suffix('\n').unwrap_or(text);
    format!("{text}\n")
}

/// Text that quotes what others wrote, with control characters escaped: they could move the cursor
/// or rewrite lines of the terminal.
fn visible(text: &str) -> String {
    let shown = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    if text.chars().all(shown) {
        return text.to_owned();
    }
    let escaped = |c: char| match shown(c) {
        true => c.to_string(),
        false => c.escape_default().to_string(),
    };
    text.chars().map(escaped).collect()
}

/// As [`visible`], with colours as they are: what was painted is said with what others wrote.
fn harmless(text: &str) -> String {
    const COLOUR: &str = "\u{1b}[";
    let mut parts = text.split(COLOUR);
    let mut shown = visible(parts.next().unwrap_or_default());
    for part in parts {
        let codes = part.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(part.len());
        let is_colour = part[codes..].starts_with('m');
        shown.push_str(if is_colour { COLOUR } else { "\\u{1b}[" });
        shown.push_str(&visible(part));
    }
    shown
}

fn unprintable(source: Box<dyn error::Error + Send + Sync>) -> CliError {
    CliError::new(Exit::Failed, "output", "could not write the output").with_source(source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_stay_and_nothing_else_that_moves_a_terminal() {
        let painted = painted(true, Tone::Good, "well");
        assert_eq!(harmless(&painted), painted);
        assert_eq!(harmless("a\tb\nc"), "a\tb\nc");
        assert_eq!(harmless("x\u{1b}[2J\u{1b}]0;t\u{7}\r"), "x\\u{1b}[2J\\u{1b}]0;t\\u{7}\\r");
        assert_eq!(harmless("\u{1b}[\u{1b}[1m\u{1b}["), "\\u{1b}[\u{1b}[1m\\u{1b}[");
    }
}
