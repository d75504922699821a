use serde::Serialize;
use std::{fmt, path::PathBuf};

/// Whether a finding stops what was about to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; nothing stops.
    Note,
    /// Nothing goes on until it is mended.
    Block,
}

/// A place in a file. Lines and columns count from 1; columns count characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Location {
    /// The file, as the user would write it.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl Location {
    /// Finds line and column of a byte offset in `text`; an offset past the end is its end.
    #[must_use]
    pub fn of_offset(path: impl Into<PathBuf>, text: &str, offset: usize) -> Self {
        let mut at = offset.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        let before = &text[..at];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            path: path.into(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// Finds the places of many offsets of one text. Offsets that come in their order cost one pass over the
/// text together, however many there are.
#[derive(Clone, Debug)]
pub struct Places<'t> {
    path: PathBuf,
    text: &'t str,
    /// Where the last one was, in bytes, and which line and column that is.
    at: usize,
    line: usize,
    column: usize,
}

impl<'t> Places<'t> {
    /// Places in `text`, the content of `path`.
    #[must_use]
    pub fn of(path: impl Into<PathBuf>, text: &'t str) -> Self {
        Self { path: path.into(), text, at: 0, line: 1, column: 1 }
    }

    /// The same as [`Location::of_offset`].
    pub fn place(&mut self, offset: usize) -> Location {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        if end < self.at {
            (self.at, self.line, self.column) = (0, 1, 1);
        }
        for c in self.text[self.at..end].chars() {
            (self.line, self.column) = match c {
                '\n' => (self.line + 1, 1),
                _ => (self.line, self.column + 1),
            };
        }
        self.at = end;
        Location { path: self.path.clone(), line: self.line, column: self.column }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.path.display(), self.line, self.column)
    }
}

/// What a check has to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The stable id of the rule, such as `domain-claimed-twice`.
    pub rule: String,
    /// Whether it stops the work.
    pub severity: Severity,
    /// Where, when it is about a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Location>,
    /// What is wrong and why that matters: one sentence, lower case, no full stop.
    pub message: String,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Something is wrong with a file that a person wrote; it shows the line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SourceError {
    /// Where.
    pub at: Location,
    /// What is wrong: a lower-case phrase.
    pub message: String,
    /// The text of the line, without its line break.
    pub line_text: String,
    /// How to mend it.
    pub hint: Option<String>,
}

impl SourceError {
    /// Builds the error for a byte offset of `text`, the content of `path`.
    #[must_use]
    pub fn at_offset(
        path: impl Into<PathBuf>,
        text: &str,
        offset: usize,
        message: impl Into<String>,
    ) -> Self {
        let at = Location::of_offset(path, text, offset);
        let line_text = text.lines().nth(at.line - 1).unwrap_or_default();
        Self {
            line_text: line_text.chars().take(200).collect(),
            at,
            message: message.into(),
            hint: None,
        }
    }

    /// Adds how to mend it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.message)?;
        if self.line_text.is_empty() {
            return Ok(());
        }
        let margin = self.at.line.to_string();
        let pad = " ".repeat(margin.len());
        let indent: String = self
            .line_text
            .chars()
            .take(self.at.column - 1)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        write!(f, "\n {pad} |\n {margin} | {}\n {pad} | {indent}^", self.line_text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    #[test]
    fn a_source_error_points_at_its_column() {
        let text = "name = \"a\"\n\tzones = 3\n";
        let error = SourceError::at_offset("clodo.toml", text, 20, "expected a list");
        assert_eq!(
            error.to_string(),
            "clodo.toml:2:10: expected a list\n   |\n 2 | \tzones = 3\n   | \t        ^"
        );
    }

    proptest! {
        #[test]
        fn a_pass_finds_the_same_places(
            text in "[a\né€]{0,40}",
            offsets in proptest::collection::vec(0_usize..60, 0..20),
        ) {
            let mut places = Places::of("f", &text);
            for offset in offsets {
                assert_eq!(places.place(offset), Location::of_offset("f", &text, offset));
            }
        }

        #[test]
        fn every_offset_has_a_place(text in any::<String>(), offset in 0_usize..300) {
            let error = SourceError::at_offset("f", &text, offset, "m");
            assert!(error.at.line >= 1 && error.at.column >= 1);
            assert!(!error.to_string().is_empty());
        }
    }
}
