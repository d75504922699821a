//! Picking from a list with the arrow keys.

use crate::{
    error::CliError,
    exit::Exit,
    prompt::no_answer,
    ui::{Ui, held},
};
use dialoguer::{MultiSelect, Select, console::Term, theme::SimpleTheme};
use std::{io, sync::atomic::Ordering};

impl Ui {
    /// Lets a person pick one of `options`; returns its index.
    ///
    /// It blocks: ask before work begins. Ctrl-C and Esc end the command, which has done nothing yet.
    ///
    /// # Errors
    /// Exit 2 when nobody is there to answer; the hint names `flag`, which gives the answer. Exit 130
    /// when the person would rather not.
    pub fn pick(&self, question: &str, options: &[String], flag: &str) -> Result<usize, CliError> {
        let list = Select::with_theme(&SimpleTheme).with_prompt(question).items(options).default(0);
        let list = list.report(false);
        self.picked(question, flag, |term| list.interact_on_opt(term))
    }

    /// Lets a person pick any of `options`, all of which are picked at first; returns their indices.
    ///
    /// # Errors
    /// As [`Ui::pick`].
    pub fn pick_several(
        &self,
        question: &str,
        options: &[String],
        flag: &str,
    ) -> Result<Vec<usize>, CliError> {
        let shown = format!("{question} (Space: in or out, a: all, Enter: go on)");
        let all = options.iter().map(|option| (option, true));
        let list = MultiSelect::with_theme(&SimpleTheme).with_prompt(shown).items_checked(all);
        let list = list.report(false);
        self.picked(question, flag, |term| list.interact_on_opt(term))
    }

    fn picked<T>(
        &self,
        question: &str,
        flag: &str,
        ask: impl FnOnce(&Term) -> dialoguer::Result<Option<T>>,
    ) -> Result<T, CliError> {
        if !self.is_interactive() {
            return Err(no_answer(question, flag));
        }
        let term = Term::stderr();
        // Keys come from the terminal itself: nobody else may read it meanwhile.
        let input = held(&self.0.input);
        self.0.asking.store(true, Ordering::SeqCst);
        let answer = ask(&term);
        // Whoever interrupted it is on the way out, whichever thread is faster.
        if !is_interrupted(&answer) {
            self.0.asking.store(false, Ordering::SeqCst);
        }
        drop(input);
        // The list hides it, and leaves it so when it is interrupted.
        let _ = term.show_cursor();
        match answer {
            Ok(Some(answer)) => Ok(answer),
            _ if is_interrupted(&answer) => Err(interrupted()),
            Ok(None) => Err(interrupted()),
            Err(error) => Err(no_answer(question, flag).with_source(error)),
        }
    }
}

fn is_interrupted<T>(answer: &dialoguer::Result<T>) -> bool {
    let Err(dialoguer::Error::IO(error)) = answer else { return false };
    error.kind() == io::ErrorKind::Interrupted
}

fn interrupted() -> CliError {
    CliError::new(Exit::Interrupted, "interrupted", "nothing was chosen, and nothing was done")
}
