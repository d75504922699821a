use std::{
    fmt,
    io::{self, BufRead, BufReader, Cursor, IsTerminal, Write},
    sync::{Arc, Mutex, MutexGuard},
};

/// Where a program reads and writes, and which of it is a terminal.
pub struct Streams {
    /// Data that another program may read.
    pub out: Box<dyn Write + Send>,
    /// Talk: status, progress, questions, errors.
    pub err: Box<dyn Write + Send>,
    /// Answers.
    pub input: Box<dyn BufRead + Send>,
    /// Whether `out` is a terminal.
    pub out_is_terminal: bool,
    /// Whether `err` is a terminal.
    pub err_is_terminal: bool,
    /// Whether someone is there to answer: `input` is a terminal, and so is `err`, where the
    /// questions appear.
    pub can_ask: bool,
}

impl Streams {
    /// The streams of this process.
    #[must_use]
    pub fn of_this_process() -> Self {
        Self {
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            input: Box::new(BufReader::new(io::stdin())),
            out_is_terminal: io::stdout().is_terminal(),
            err_is_terminal: io::stderr().is_terminal(),
            can_ask: io::stdin().is_terminal() && io::stderr().is_terminal(),
        }
    }

    /// Streams that keep what is written, for tests: no terminal, no input.
    #[must_use]
    pub fn captured() -> (Self, Captured) {
        let captured = Captured::default();
        let streams = Self {
            out: Box::new(captured.out.clone()),
            err: Box::new(captured.err.clone()),
            input: Box::new(io::empty()),
            out_is_terminal: false,
            err_is_terminal: false,
            can_ask: false,
        };
        (streams, captured)
    }

    /// Answers from `text` as if a person sat there, for tests of prompts.
    #[must_use]
    pub fn with_answers(mut self, text: impl Into<String>) -> Self {
        self.input = Box::new(Cursor::new(text.into().into_bytes()));
        self.can_ask = true;
        self
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams")
            .field("out_is_terminal", &self.out_is_terminal)
            .field("err_is_terminal", &self.err_is_terminal)
            .field("can_ask", &self.can_ask)
            .finish_non_exhaustive()
    }
}

/// What was written to [`Streams::captured`].
#[derive(Clone, Debug, Default)]
pub struct Captured {
    out: Kept,
    err: Kept,
}

impl Captured {
    /// Everything on stdout so far.
    #[must_use]
    pub fn out(&self) -> String {
        self.out.text()
    }

    /// Everything on stderr so far.
    #[must_use]
    pub fn err(&self) -> String {
        self.err.text()
    }
}

#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().expect("no holder panics")
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
