use clodo_types::{Location, SourceError};
use std::path::{Path, PathBuf};

/// Larger files are refused before they are parsed; the largest real ones have some 50 KiB.
const LARGEST: usize = 1 << 20;

// As wrangler has them: the longer mark first, since one begins with the other.
const FOREIGN_MARKS: [(&[u8], &str); 4] = [
    (&[0, 0, 0xfe, 0xff], "UTF-32 BE"),
    (&[0xff, 0xfe, 0, 0], "UTF-32 LE"),
    (&[0xfe, 0xff], "UTF-16 BE"),
    (&[0xff, 0xfe], "UTF-16 LE"),
];

/// The text of a config file, with what it takes to point into it.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    path: PathBuf,
    text: String,
    // Where each line starts.
    lines: Vec<usize>,
}

impl Source {
    /// Decodes a file as wrangler does: UTF-8, with or without its byte order mark.
    pub(crate) fn decode(path: &Path, bytes: &[u8]) -> Result<Self, SourceError> {
        if bytes.len() > LARGEST {
            let message = format!("the file has {} bytes, more than 1 MiB", bytes.len());
            return Err(SourceError::at_offset(path, "", 0, message)
                .with_hint("name a wrangler config; this is something else"));
        }
        if let Some((_, name)) = FOREIGN_MARKS.iter().find(|(mark, _)| bytes.starts_with(mark)) {
            let message = format!("the file starts with a byte order mark of {name}");
            return Err(SourceError::at_offset(path, "", 0, message)
                .with_hint("save the file as UTF-8 without a byte order mark"));
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self::new(path, text)),
            Err(error) => {
                let shown = String::from_utf8_lossy(bytes);
                let at = error.valid_up_to();
                Err(SourceError::at_offset(path, &shown, at, "the file is not valid UTF-8")
                    .with_hint("save the file as UTF-8"))
            }
        }
    }

    fn new(path: &Path, text: &str) -> Self {
        let starts = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            path: path.to_owned(),
            lines: std::iter::once(0).chain(starts).collect(),
            text: text.to_owned(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The place of a byte offset; one that is in no file is the file's start.
    pub(crate) fn location(&self, offset: usize) -> Location {
        let offset = if offset > self.text.len() { 0 } else { offset };
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines[line - 1];
        let column = self.text.get(start..offset).map_or(0, |before| before.chars().count());
        Location { path: self.path.clone(), line, column: column + 1 }
    }

    pub(crate) fn error(&self, offset: usize, message: impl Into<String>) -> SourceError {
        let at = self.location(offset);
        let rest = &self.text[self.lines[at.line - 1]..];
        let line = rest.lines().next().unwrap_or_default();
        SourceError {
            line_text: line.chars().take(200).collect(),
            at,
            message: message.into(),
            hint: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    #[test]
    fn a_file_that_is_not_text_is_refused_where_it_goes_wrong() {
        let refused = |bytes: &[u8]| Source::decode(Path::new("wrangler.toml"), bytes).unwrap_err();
        let error = refused(b"a = 1\nb = \"\xff\"\n");
        assert_eq!((error.at.line, error.at.column), (2, 6));
        assert!(refused(&[0xff, 0xfe, b'{', 0]).message.contains("UTF-16 LE"));
        assert!(refused(&[0xff, 0xfe, 0, 0]).message.contains("UTF-32 LE"));
        assert!(refused(&vec![b' '; LARGEST + 1]).message.contains("1 MiB"));
    }

    proptest! {
        #[test]
        fn places_agree_with_those_of_the_vocabulary(text in any::<String>(), at in 0_usize..200) {
            let source = Source::new(Path::new("f"), &text);
            let at = at.min(text.len());
            let expected = SourceError::at_offset("f", &text, at, "m");
            if text.is_char_boundary(at) {
                assert_eq!(source.error(at, "m"), expected);
            }
        }
    }
}
