use super::restore_error::RestoreError;
use crate::split::split;
use std::{collections::VecDeque, io::BufRead};

/// The statements of a dump, one after the other, with no more of it in memory than it takes.
pub(super) struct Statements<'r> {
    input: Box<dyn BufRead + Send + 'r>,
    /// What was read and belongs to no statement that was given.
    text: Vec<u8>,
    found: VecDeque<String>,
    /// So much is read before it is looked at again.
    chunk: usize,
    end: bool,
}

const CHUNK: usize = 1 << 18;

impl<'r> Statements<'r> {
    pub(super) fn new(input: Box<dyn BufRead + Send + 'r>) -> Self {
        Self { input, text: Vec::new(), found: VecDeque::new(), chunk: CHUNK, end: false }
    }

    pub(super) fn next(&mut self) -> Result<Option<String>, RestoreError> {
        while self.found.is_empty() && !self.end {
            self.read()?;
            self.cut()?;
        }
        Ok(self.found.pop_front())
    }

    fn read(&mut self) -> Result<(), RestoreError> {
        let until = self.text.len() + self.chunk;
        while self.text.len() < until {
            let some = self.input.fill_buf().map_err(RestoreError::Read)?;
            if some.is_empty() {
                self.end = true;
                return Ok(());
            }
            let take = some.len();
            self.text.extend_from_slice(some);
            self.input.consume(take);
        }
        Ok(())
    }

    /// Takes what is whole: the last statement may go on in what was not read.
    fn cut(&mut self) -> Result<(), RestoreError> {
        let valid = match std::str::from_utf8(&self.text) {
            Ok(text) => text,
            Err(error) if error.error_len().is_none() && !self.end => {
                let upto = error.valid_up_to();
                std::str::from_utf8(&self.text[..upto]).unwrap_or_default()
            }
            Err(_) => return Err(RestoreError::NoDump),
        };
        let (mut last, mut used) = (None, 0);
        for piece in split(valid) {
            if let Some((text, upto)) = last.replace((piece.text, piece.offset + piece.text.len()))
            {
                self.found.push_back(text.to_owned());
                used = upto;
            }
        }
        if self.end {
            self.found.extend(last.map(|(text, _)| text.to_owned()));
            return Ok(());
        }
        // A statement longer than a chunk: twice as much next time, so that it is not looked at
        // again and again.
        self.chunk = if used == 0 { self.chunk * 2 } else { CHUNK };
        self.text.drain(..used);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_come_whole_wherever_the_reading_stops() {
        let long = "ü".repeat(CHUNK);
        let trigger = "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; SELECT ';'; END;";
        let parts = [format!("SELECT '{long}';"), trigger.to_owned(), "SELECT 2;".to_owned()];
        let mut text = parts.join("\n-- ;\n").repeat(9);
        text.push_str("\n-- the end; of it\n");
        let input = std::io::BufReader::with_capacity(7_001, text.as_bytes());
        let mut statements = Statements::new(Box::new(input));
        for _ in 0..9 {
            for part in &parts {
                assert_eq!(statements.next().unwrap().as_ref(), Some(part));
            }
        }
        assert_eq!(statements.next().unwrap(), None);
    }
}
