use super::ZoneFileError;

/// A record or a directive; between parentheses it goes on for several lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// Where it begins, from 1.
    pub(super) number: usize,
    /// It begins with white space: the name is the one of the line before.
    pub(super) indented: bool,
    pub(super) words: Vec<Word>,
    pub(super) comment: Option<String>,
}

/// A word, unescaped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) bytes: Vec<u8>,
    pub(super) quoted: bool,
}

impl Word {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Cuts a file into lines and words.
pub(super) fn lines(text: &str) -> Result<Vec<Line>, ZoneFileError> {
    let mut cutter = Cutter { rest: text.as_bytes(), at: 1, ..Cutter::default() };
    while let Some(byte) = cutter.next() {
        cutter.take(byte)?;
    }
    if cutter.depth != 0 {
        return Err(ZoneFileError::new(cutter.line.number, "a parenthesis is not closed"));
    }
    cutter.end_line();
    Ok(cutter.found)
}

#[derive(Debug, Default)]
struct Cutter<'a> {
    rest: &'a [u8],
    at: usize,
    depth: usize,
    begun: bool,
    line: Line,
    word: Option<Word>,
    found: Vec<Line>,
}

impl Cutter<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn take(&mut self, byte: u8) -> Result<(), ZoneFileError> {
        if !self.begun {
            self.begun = true;
            self.line.number = self.at;
            self.line.indented = matches!(byte, b' ' | b'\t');
        }
        match byte {
            b'\n' => {
                self.end_word();
                self.at += 1;
                if self.depth == 0 {
                    self.end_line();
                }
            }
            b' ' | b'\t' | b'\r' => self.end_word(),
            b';' => self.comment(),
            b'(' => {
                self.end_word();
                self.depth += 1;
            }
            b')' => {
                self.end_word();
                let outer = self.depth.checked_sub(1);
                let unopened = || ZoneFileError::new(self.at, "a parenthesis was not opened");
                self.depth = outer.ok_or_else(unopened)?;
            }
            b'"' => self.quotes()?,
            b'\\' => {
                let escaped = self.escaped()?;
                self.word.get_or_insert_default().bytes.push(escaped);
            }
            other => self.word.get_or_insert_default().bytes.push(other),
        }
        Ok(())
    }

    fn quotes(&mut self) -> Result<(), ZoneFileError> {
        let mut word = self.word.take().unwrap_or_default();
        word.quoted = true;
        loop {
            match self.next() {
                Some(b'"') => break,
                Some(b'\\') => {
                    let escaped = self.escaped()?;
                    word.bytes.push(escaped);
                }
                Some(b'\n') | None => {
                    return Err(ZoneFileError::new(self.at, "a quote is not closed"));
                }
                Some(other) => word.bytes.push(other),
            }
        }
        self.word = Some(word);
        self.end_word();
        Ok(())
    }

    /// `\DDD` is a byte by its number, `\X` is X.
    fn escaped(&mut self) -> Result<u8, ZoneFileError> {
        let nothing = ZoneFileError::new(self.at, "a backslash stands before nothing");
        let Some(first) = self.next() else { return Err(nothing) };
        if !first.is_ascii_digit() {
            return Ok(first);
        }
        let digits: Vec<u8> =
            std::iter::once(first).chain(self.rest.iter().take(2).copied()).collect();
        let number = std::str::from_utf8(&digits).ok().filter(|text| text.len() == 3);
        let number = number.and_then(|text| text.parse::<u8>().ok());
        let wrong = || ZoneFileError::new(self.at, "three digits up to 255 follow a backslash");
        let number = number.ok_or_else(wrong)?;
        self.rest = &self.rest[2..];
        Ok(number)
    }

    fn comment(&mut self) {
        self.end_word();
        let end = self.rest.iter().position(|byte| *byte == b'\n').unwrap_or(self.rest.len());
        let text = String::from_utf8_lossy(&self.rest[..end]).trim().to_owned();
        self.rest = &self.rest[end..];
        self.line.comment = Some(text).filter(|text| !text.is_empty());
    }

    fn end_word(&mut self) {
        self.line.words.extend(self.word.take());
    }

    fn end_line(&mut self) {
        self.end_word();
        let line = std::mem::take(&mut self.line);
        self.begun = false;
        // A comment that follows no record says nothing.
        if !line.words.is_empty() {
            self.found.push(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;

    fn words(text: &str) -> Vec<Vec<String>> {
        let found = lines(text).unwrap();
        found.iter().map(|line| line.words.iter().map(Word::text).collect()).collect()
    }

    #[test]
    fn a_line_is_cut_into_words() {
        let text = "; alone\na IN TXT \"x y\" \"\\\"z\\065\" ; why\n\n\tb ( 1 ; one\n 2 )\nc\\.d";
        assert_eq!(
            words(text),
            [vec!["a", "IN", "TXT", "x y", "\"zA"], vec!["b", "1", "2"], vec!["c.d"]]
        );
        let found = lines(text).unwrap();
        assert_eq!((found[0].number, found[0].comment.as_deref()), (2, Some("why")));
        assert!(!found[0].indented && found[1].indented);
        assert_eq!((found[2].number, found[0].words[3].quoted), (6, true));
    }

    #[test]
    fn what_is_not_closed_is_named_with_its_line() {
        for (bad, line) in [("a\n\"x", 2), ("a (\nb", 1), ("a )", 1), ("a\n\\", 2), ("\\999", 1)] {
            assert_eq!(lines(bad).unwrap_err().line, line, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_cutter(text in ".{0,200}") {
            let _ = lines(&text);
        }
    }
}
