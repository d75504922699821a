use crate::{
    error::CliError,
    exit::Exit,
    ui::{Ui, held},
};
use std::{
    io::{self, BufRead, Read as _},
    sync::atomic::Ordering,
};

impl Ui {
    /// Asks a question that is answered with yes or no; no answer is no.
    ///
    /// # Errors
    /// Exit 2 when nobody is there to answer; the hint names `flag`, which gives the answer.
    pub fn confirm(&self, question: &str, flag: &str) -> Result<bool, CliError> {
        loop {
            let answer = self.answer(&format!("{question} [y/N]"), question, flag)?;
            match answer.to_ascii_lowercase().as_str() {
                "y" | "yes" => return Ok(true),
                "" | "n" | "no" => return Ok(false),
                _ => self.write_talk("Please answer `y` or `n`.\n"),
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
        self.answer(question, question, flag)
    }

    fn answer(&self, shown: &str, question: &str, flag: &str) -> Result<String, CliError> {
        self.someone(question, flag)?;
        self.0.asking.store(true, Ordering::SeqCst);
        self.write_talk(&format!("{shown} "));
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

    fn someone(&self, question: &str, flag: &str) -> Result<(), CliError> {
        if self.is_interactive() { Ok(()) } else { Err(no_answer(question, flag)) }
    }
}

/// A line of at most 64 KiB; none at the end of the input.
fn read_line(input: &mut dyn BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let read = input.take(64 * 1024).read_until(b'\n', &mut line)?;
    Ok((read > 0).then(|| String::from_utf8_lossy(&line).into_owned()))
}

pub(crate) fn no_answer(question: &str, flag: &str) -> CliError {
    CliError::new(Exit::Usage, "no-answer", format!("nobody is there to answer: {question}"))
        .with_hint(format!("give `{flag}`"))
}
