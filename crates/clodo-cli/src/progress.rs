use crate::ui::Ui;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{sync::OnceLock, time::Duration};

/// How one thing is going: a moving line on a terminal, a plain line per change elsewhere, and
/// nothing with `--quiet`.
///
/// A line that is dropped without [`ProgressLine::finish`] disappears from the terminal.
#[derive(Debug)]
pub struct ProgressLine {
    ui: Ui,
    bar: Option<ProgressBar>,
    label: String,
}

impl ProgressLine {
    pub(crate) fn new(ui: Ui, bar: Option<ProgressBar>, label: String) -> Self {
        Self { ui, bar, label }
    }

    /// Says what is being done now.
    pub fn set(&self, doing: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(doing.to_owned()),
            None => self.ui.say(&format!("{}: {doing}", self.label)),
        }
    }

    /// Says how it ended; the line stays.
    pub fn finish(mut self, ended: &str) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.ui.say(&format!("{}: {ended}", self.label));
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// The moving lines of one program; nothing is set up until the first one is needed.
#[derive(Debug)]
pub(crate) struct Bars {
    moving: bool,
    all: OnceLock<MultiProgress>,
}

impl Bars {
    pub(crate) fn new(moving: bool) -> Self {
        Self { moving, all: OnceLock::new() }
    }

    pub(crate) fn is_moving(&self) -> bool {
        self.moving
    }

    /// A new line, where lines move.
    pub(crate) fn line(&self, label: &str) -> Option<ProgressBar> {
        if !self.moving {
            return None;
        }
        let all =
            self.all.get_or_init(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        let bar = all.add(ProgressBar::new_spinner().with_prefix(label.to_owned()));
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}: {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Some(bar)
    }

    /// Clears the lines while `write` runs.
    pub(crate) fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        match self.all.get() {
            Some(all) => all.suspend(write),
            None => write(),
        }
    }
}
