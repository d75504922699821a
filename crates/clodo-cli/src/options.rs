use crate::{
    args::{GlobalArgs, JsonMode},
    environment::Environment,
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

/// How much a [`crate::Ui`] says, and how.
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

/// `text` in the colour of its tone, or as it is.
pub(crate) fn painted(color: bool, tone: Tone, text: &str) -> String {
    if color { format!("\x1b[{}m{text}\x1b[0m", tone.code()) } else { text.to_owned() }
}
