//! Where lines come from.

use clodo_cli::{CliError, Exit, Session};
use rustyline::{DefaultEditor, error::ReadlineError};
use std::{
    io::{self, BufRead as _, IsTerminal as _},
    path::PathBuf,
    thread,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A terminal whose line can be edited, or a pipe.
pub(super) enum Input {
    Editor {
        editor: Box<DefaultEditor>,
        history: Option<PathBuf>,
    },
    /// Another thread reads: nothing ends one that waits for a line.
    Pipe(UnboundedReceiver<io::Result<Vec<u8>>>),
}

/// What was typed.
pub(super) enum Typed {
    Line(String),
    /// Ctrl-C: what was typed so far does not count.
    Nothing,
    End,
}

impl Input {
    pub(super) fn open(session: &Session, history: Option<PathBuf>) -> Result<Self, CliError> {
        if !session.ui.is_interactive() || !io::stdout().is_terminal() {
            let (send, lines) = unbounded_channel();
            thread::spawn(move || read(&send));
            return Ok(Self::Pipe(lines));
        }
        let mut editor = Box::new(DefaultEditor::new().map_err(no_terminal)?);
        let history = history.map(|path| session.directory.join(path));
        if let Some(path) = history.as_ref().filter(|path| path.exists()) {
            editor.load_history(path).map_err(|error| {
                let message = format!("could not read {}", path.display());
                CliError::new(Exit::Usage, "files", message).with_source(error)
            })?;
        }
        Ok(Self::Editor { editor, history })
    }

    /// The next line, without its end.
    pub(super) async fn line(&mut self, prompt: &str) -> Result<Typed, CliError> {
        match self {
            Self::Editor { editor, .. } => match editor.readline(prompt) {
                Ok(line) => {
                    // Only for the arrow keys: nothing is kept unless a file was named.
                    let _ = editor.add_history_entry(&line);
                    Ok(Typed::Line(line))
                }
                Err(ReadlineError::Interrupted) => Ok(Typed::Nothing),
                Err(ReadlineError::Eof) => Ok(Typed::End),
                Err(error) => Err(no_terminal(error)),
            },
            Self::Pipe(lines) => {
                let Some(bytes) = lines.recv().await else { return Ok(Typed::End) };
                let bytes = bytes.map_err(|error| {
                    CliError::new(Exit::Failed, "input", "could not read the input")
                        .with_source(error)
                })?;
                let text = String::from_utf8(bytes).map_err(|_| {
                    CliError::new(Exit::Failed, "input", "the line is not UTF-8 text")
                })?;
                // A CR before the end of the line may be within a text.
                Ok(Typed::Line(text.strip_suffix('\n').unwrap_or(&text).to_owned()))
            }
        }
    }

    /// Keeps what was typed, where that was asked for.
    pub(super) fn close(self) -> Result<(), CliError> {
        let Self::Editor { mut editor, history: Some(path) } = self else { return Ok(()) };
        editor.save_history(&path).map_err(|error| {
            let message = format!("could not write {}", path.display());
            CliError::new(Exit::Failed, "files", message).with_source(error)
        })
    }
}

/// Reads the input to its end, line by line.
fn read(lines: &UnboundedSender<io::Result<Vec<u8>>>) {
    let mut input = io::stdin().lock();
    loop {
        let mut bytes = Vec::new();
        let read = input.read_until(b'\n', &mut bytes);
        let is_last = !read.as_ref().is_ok_and(|count| *count > 0);
        let line = match read {
            Ok(0) => return,
            read => read.map(|_| bytes),
        };
        if lines.send(line).is_err() || is_last {
            return;
        }
    }
}

fn no_terminal(error: ReadlineError) -> CliError {
    CliError::new(Exit::Failed, "terminal", "the terminal cannot be used").with_source(error)
}
