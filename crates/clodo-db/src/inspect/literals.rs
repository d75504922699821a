//! SQL that stands as text in programs in JavaScript and TypeScript.

use super::diagnose::SourceStatement;
use clodo_types::Places;
use std::path::Path;

/// The texts in a program that begin like a statement about rows. A text that is put together when the
/// program runs is none of them. `shown` is the file as messages should name it.
///
/// It reads the program roughly, as an editor that colours it does: whether a `/` begins a regular
/// expression is guessed. What is taken for SQL by mistake does not fit the schema, and is left out
/// there.
#[must_use]
pub fn sql_literals(program: &str, shown: &Path) -> Vec<SourceStatement> {
    let mut scan = Scan { text: program, at: 0, last: None, found: Vec::new() };
    scan.code(None, 0);
    let mut found = scan.found;
    found.retain(|(_, text)| begins_like_sql(text));
    // A bundle is one file of megabytes, and often one line.
    let mut places = Places::of(shown, program);
    let statement = |(offset, text)| SourceStatement::guessed(text, Some(places.place(offset)));
    found.into_iter().map(statement).collect()
}

/// Whether a text begins like a statement about rows.
pub(super) fn begins_like_sql(text: &str) -> bool {
    let word: String = text.trim_start().chars().take_while(char::is_ascii_alphabetic).collect();
    ["SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "WITH"]
        .iter()
        .any(|known| word.eq_ignore_ascii_case(known))
}

struct Scan<'t> {
    text: &'t str,
    at: usize,
    /// The last character that was no blank: after a value, `/` divides.
    last: Option<char>,
    /// Where each text begins, and what it is.
    found: Vec<(usize, String)>,
}

/// Templates in templates: more of them than this are no program.
const DEPTH: usize = 64;

impl Scan<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn skip_past(&mut self, end: &str) {
        let rest = &self.text[self.at..];
        self.at += rest.find(end).map_or(rest.len(), |at| at + end.len());
    }

    /// Reads code up to the bracket that closes it, or to the end.
    fn code(&mut self, until: Option<char>, depth: usize) {
        let mut open = 0_usize;
        while let Some(c) = self.peek() {
            let begin = self.at;
            if self.text[begin..].starts_with("//") {
                self.skip_past("\n");
                continue;
            }
            if self.text[begin..].starts_with("/*") {
                self.at += 2;
                self.skip_past("*/");
                continue;
            }
            self.next();
            match c {
                '\'' | '"' => self.string(c, begin),
                '`' => self.template(begin, depth),
                '/' if self.begins_expression() => self.regex(),
                '{' => open += 1,
                '}' if open == 0 && until == Some('}') => return,
                '}' => open = open.saturating_sub(1),
                _ => {}
            }
            if !c.is_whitespace() {
                self.last = Some(c);
            }
        }
    }

    /// Whether a value may begin here.
    fn begins_expression(&self) -> bool {
        let is_value = |c: char| {
            c.is_alphanumeric() || matches!(c, '_' | '$' | ')' | ']' | '}' | '"' | '\'' | '`')
        };
        !self.last.is_some_and(is_value)
    }

    fn regex(&mut self) {
        let mut in_class = false;
        while let Some(c) = self.next() {
            match c {
                '\\' => {
                    self.next();
                }
                '[' => in_class = true,
                ']' => in_class = false,
                '/' if !in_class => return,
                // It was none.
                '\n' => return,
                _ => {}
            }
        }
    }

    fn string(&mut self, quote: char, begin: usize) {
        let mut text = String::new();
        while let Some(c) = self.next() {
            match c {
                '\\' => self.escape(&mut text),
                // Not closed: it was no text.
                '\n' => return,
                c if c == quote => {
                    self.found.push((begin, text));
                    return;
                }
                c => text.push(c),
            }
        }
    }

    fn template(&mut self, begin: usize, depth: usize) {
        let mut text = String::new();
        let mut whole = true;
        while let Some(c) = self.next() {
            match c {
                '\\' => self.escape(&mut text),
                '$' if self.peek() == Some('{') => {
                    whole = false;
                    self.next();
                    if depth >= DEPTH {
                        self.at = self.text.len();
                        return;
                    }
                    self.last = None;
                    self.code(Some('}'), depth + 1);
                }
                '`' => {
                    if whole {
                        self.found.push((begin, text));
                    }
                    return;
                }
                c => text.push(c),
            }
        }
    }

    fn escape(&mut self, text: &mut String) {
        match self.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            // A line that goes on.
            Some('\n') | None => {}
            Some('x') => self.code_point(2, text),
            Some('u') if self.peek() == Some('{') => {
                self.next();
                let rest = &self.text[self.at..];
                let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
                let point = u32::from_str_radix(&rest[..end], 16).ok().and_then(char::from_u32);
                text.extend(point);
                self.at += end;
                if self.peek() == Some('}') {
                    self.next();
                }
            }
            Some('u') => self.code_point(4, text),
            Some(other) => text.push(other),
        }
    }

    fn code_point(&mut self, digits: usize, text: &mut String) {
        let Some(hex) = self.text.get(self.at..self.at + digits) else { return };
        let point = u32::from_str_radix(hex, 16).ok().and_then(char::from_u32);
        text.extend(point);
        self.at += digits;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    fn found(program: &str) -> Vec<String> {
        let found = sql_literals(program, Path::new("a.ts"));
        found.into_iter().map(|one| format!("{} {}", one.at.unwrap().line, one.sql)).collect()
    }

    #[test]
    fn whole_texts_that_begin_like_sql_are_found_with_their_place() {
        let program = r#"// 'SELECT 0'
const a = db.prepare("SELECT \"a\" FROM t WHERE x = 'y'");
/* `SELECT 0` */ const b = sql`
  select *
  from t`;
const c = `SELECT * FROM ${`INSERT INTO ${x}` + "DELETE FROM t"} WHERE 1`;
const d = 'Select one of these'; const e = /'SELECT 0'/.test(f) / 2; const g = 'WITH \u0061 AS (SELECT 1) \
SELECT * FROM a';
"#;
        let [a, b, c, d, e] = &found(program)[..] else { panic!("{:?}", found(program)) };
        assert_eq!(a, "2 SELECT \"a\" FROM t WHERE x = 'y'");
        assert_eq!(b, "3 \n  select *\n  from t");
        assert_eq!(c, "6 DELETE FROM t");
        // It is no SQL: that shows when it meets the schema.
        assert_eq!(d, "7 Select one of these");
        assert_eq!(e, "7 WITH a AS (SELECT 1) SELECT * FROM a");
        assert_eq!(found("'SELECT 1\n' \"SELECT 2"), Vec::<String>::new());
    }

    /// A place that is looked for from the beginning each time makes minutes of this.
    #[test]
    fn a_bundle_of_one_long_line_is_read_in_one_pass() {
        let program = "f('SELECT 1');".repeat(50_000);
        let found = sql_literals(&program, Path::new("a.js"));
        let last = found.last().and_then(|one| one.at.as_ref()).map(|at| (at.line, at.column));
        assert_eq!((found.len(), last), (50_000, Some((1, 49_999 * 14 + 3))));
    }

    proptest! {
        #[test]
        fn no_program_makes_it_panic(program in any::<String>()) {
            let _ = found(&program);
        }

        #[test]
        fn no_soup_makes_it_panic(program in "[`'\"/\\\\${}ux\n4aé]{0,60}") {
            let _ = found(&program);
        }
    }
}
