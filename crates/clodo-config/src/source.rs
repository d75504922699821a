use crate::placed::Placed;
use clodo_types::{Location, SourceError};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// More than this many problems help nobody.
const SHOWN: usize = 100;

/// The text of a file, with an index of its lines.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    path: PathBuf,
    text: &'a str,
    line_starts: Vec<usize>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(path: &Path, text: &'a str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
        Self { path: path.to_owned(), text, line_starts }
    }

    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// Line and column of a byte offset; an offset past the end is its end.
    pub(crate) fn location(&self, offset: usize) -> Location {
        let offset = self.text.floor_char_boundary(offset);
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let before = &self.text[self.line_starts[line - 1]..offset];
        Location { path: self.path.clone(), line, column: before.chars().count() + 1 }
    }

    pub(crate) fn error(&self, offset: usize, message: impl Into<String>) -> SourceError {
        let at = self.location(offset);
        let rest = &self.text[self.line_starts[at.line - 1]..];
        let line = rest.lines().next().unwrap_or_default();
        SourceError { line_text: shown(line), at, message: message.into(), hint: None }
    }
}

/// Everything that is wrong with one file, gathered while it is read.
#[derive(Debug)]
pub(crate) struct Problems<'a> {
    source: &'a Source<'a>,
    found: RefCell<Vec<SourceError>>,
    /// Lines that may hold a secret, with the column that it starts at.
    unseen: RefCell<BTreeMap<usize, usize>>,
}

impl<'a> Problems<'a> {
    pub(crate) fn new(source: &'a Source<'a>) -> Self {
        Self { source, found: RefCell::default(), unseen: RefCell::default() }
    }

    pub(crate) fn source(&self) -> &'a Source<'a> {
        self.source
    }

    pub(crate) fn add(&self, offset: usize, message: impl Into<String>) {
        self.push(self.source.error(offset, message));
    }

    pub(crate) fn add_with_hint(
        &self,
        offset: usize,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(self.source.error(offset, message).with_hint(hint));
    }

    /// As [`Self::add_with_hint`], for a value that may be a secret: no message shows it.
    pub(crate) fn add_unseen(
        &self,
        offset: usize,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let at = self.source.location(offset);
        let mut unseen = self.unseen.borrow_mut();
        let column = unseen.entry(at.line).or_insert(at.column);
        *column = at.column.min(*column);
        self.add_with_hint(offset, message, hint);
    }

    /// A problem with a value that was read before.
    pub(crate) fn add_at<T>(
        &self,
        value: &Placed<T>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let offset = self.offset_of(&value.at);
        self.add_with_hint(offset, message, hint);
    }

    /// All problems in the order of the file.
    pub(crate) fn into_sorted(self) -> Vec<SourceError> {
        let mut found = self.found.into_inner();
        let unseen = self.unseen.into_inner();
        for error in &mut found {
            if let Some(column) = unseen.get(&error.at.line) {
                let before = error.line_text.chars().take(column - 1);
                error.line_text = before.chain("****".chars()).collect();
            }
        }
        found.sort_by_key(|error| (error.at.line, error.at.column));
        found
    }

    fn push(&self, error: SourceError) {
        let mut found = self.found.borrow_mut();
        if found.len() < SHOWN {
            found.push(error);
        }
    }

    fn offset_of(&self, at: &Location) -> usize {
        let start = self.source.line_starts.get(at.line - 1).copied().unwrap_or_default();
        let line = &self.source.text[start..];
        start + line.char_indices().nth(at.column - 1).map_or(line.len(), |(offset, _)| offset)
    }
}

/// The line as it may be printed: short, and without anything that moves a terminal's cursor.
fn shown(line: &str) -> String {
    let safe = |c: char| if c.is_control() && c != '\t' { '\u{fffd}' } else { c };
    without_password(line).chars().take(200).map(safe).collect()
}

/// Hides the password of a URL: the line is going to be shown.
fn without_password(line: &str) -> String {
    let hidden = || {
        let (scheme, rest) = line.split_once("://")?;
        let (user_info, host) = rest.split_once('@')?;
        let (user, _) = user_info.split_once(':')?;
        Some(format!("{scheme}://{user}:****@{host}"))
    };
    hidden().unwrap_or_else(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_that_an_editor_shows() {
        let source = Source::new(Path::new("f"), "a = 1\n\u{e4} = 2\n");
        let place = |offset| (source.location(offset).line, source.location(offset).column);
        assert_eq!(place(0), (1, 1));
        assert_eq!(place(5), (1, 6));
        assert_eq!(place(6), (2, 1));
        assert_eq!(place(7), (2, 1), "inside a character is its start");
        assert_eq!(place(8), (2, 2));
        assert_eq!(place(99), (3, 1));
    }

    #[test]
    fn the_password_of_a_url_is_not_shown() {
        let source = Source::new(Path::new("f"), "state = \"postgres://u:hunter2@db/x\"");
        let shown = source.error(0, "m").line_text;
        assert_eq!(shown, "state = \"postgres://u:****@db/x\"");
    }
}
