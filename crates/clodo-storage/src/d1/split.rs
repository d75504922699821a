//! Where one statement ends and the next begins: SQLite itself says so, for text of any length.

use clodo_sqlite::rusqlite::{
    Batch, Connection, Error, Statement, fallible_iterator::FallibleIterator,
};
use std::io::Read;

use super::D1Error;

/// The longest statement that D1 takes, in bytes.
const MAX_STATEMENT: usize = 100_000;

/// Hands each statement of `text` to `run`, in order, having prepared it only after the one before
/// it ran. Nothing but comments, white space and semicolons = no statement.
///
/// SQLite copies all that it is given at each preparing, so a long text is shown to it through a
/// window that grows when a statement does not end within it.
pub(super) fn each_statement(
    db: &Connection,
    text: &str,
    run: impl FnMut(Statement<'_>) -> Result<(), D1Error>,
) -> Result<(), D1Error> {
    Splitter::of(db).text(text, run)
}

/// As `each_statement`, for a file of any length.
pub(super) fn each_statement_of(
    db: &Connection,
    file: impl Read,
    run: impl FnMut(Statement<'_>) -> Result<(), D1Error>,
) -> Result<(), D1Error> {
    Splitter::of(db).file(file, run)
}

/// Where SQLite is asked, and how much it is shown at once.
#[derive(Clone, Copy)]
pub(super) struct Splitter<'db> {
    db: &'db Connection,
    /// The longest statement, in bytes.
    longest: usize,
}

impl<'db> Splitter<'db> {
    fn of(db: &'db Connection) -> Self {
        Self::with_longest(db, MAX_STATEMENT)
    }

    pub(super) fn with_longest(db: &'db Connection, longest: usize) -> Self {
        Self { db, longest }
    }

    pub(super) fn text(
        self,
        text: &str,
        mut run: impl FnMut(Statement<'_>) -> Result<(), D1Error>,
    ) -> Result<(), D1Error> {
        let rest = self.all_but_the_end(up_to_nul(text), &mut run)?;
        let mut statements = Batch::new(self.db, rest);
        while let Some(statement) = statements.next()? {
            run(statement)?;
        }
        Ok(())
    }

    pub(super) fn file(
        self,
        mut file: impl Read,
        mut run: impl FnMut(Statement<'_>) -> Result<(), D1Error>,
    ) -> Result<(), D1Error> {
        // How much of a file is looked at together; more only for a comment that is longer.
        let usual = 10 * self.longest;
        let (mut buffer, mut window) = (Vec::new(), usual);
        loop {
            let wanted = window.saturating_sub(buffer.len()) as u64;
            let read = (&mut file).take(wanted).read_to_end(&mut buffer);
            let at_end = (read.map_err(D1Error::storage)? as u64) < wanted;
            let text = whole_characters(&buffer, at_end)?;
            if at_end || text.contains('\0') {
                return self.text(text, run);
            }
            let rest = self.all_but_the_end(text, &mut run)?.len();
            let consumed = text.len() - rest;
            // A comment may fill the window and go on behind it.
            window = if consumed == 0 { window * 2 } else { usual };
            buffer.drain(..consumed);
        }
    }

    /// Runs the statements of a long text until what is left may be a statement without its end.
    fn all_but_the_end<'t>(
        self,
        text: &'t str,
        run: &mut impl FnMut(Statement<'_>) -> Result<(), D1Error>,
    ) -> Result<&'t str, D1Error> {
        let mut rest = text;
        while rest.len() > self.longest {
            let skipped = skip_blank(rest);
            if skipped.in_comment || skipped.text.len() <= self.longest {
                return Ok(skipped.text);
            }
            rest = skipped.text;
            let (statement, length) = self.first_of_long(rest)?;
            run(statement)?;
            rest = &rest[length..];
        }
        Ok(rest)
    }

    fn first_of_long(self, text: &str) -> Result<(Statement<'db>, usize), D1Error> {
        for window in [self.longest / 24, self.longest + 1] {
            let shown = &text[..text.floor_char_boundary(window)];
            match Batch::new(self.db, shown).next() {
                Ok(Some(statement)) => {
                    if let Some(length) = length_of(&statement, shown)? {
                        return Ok((statement, length));
                    }
                }
                Ok(None) => {}
                Err(error) if window > self.longest && !for_want_of_text(&error, shown) => {
                    return Err(error.into());
                }
                Err(_) => {}
            }
        }
        Err(D1Error::sql("statement too long: SQLITE_TOOBIG"))
    }
}

/// For SQLite a text ends at its first NUL.
fn up_to_nul(text: &str) -> &str {
    text.split('\0').next().unwrap_or_default()
}

/// The text so far; a character that the window cuts off comes with the next one.
fn whole_characters(bytes: &[u8], at_end: bool) -> Result<&str, D1Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) if error.error_len().is_none() && !at_end => {
            let valid = &bytes[..error.valid_up_to()];
            Ok(std::str::from_utf8(valid).expect("that far it is valid"))
        }
        Err(_) => Err(D1Error::sql("the file is not UTF-8")),
    }
}

/// The statement's length in bytes, if it surely ends within `shown`.
fn length_of(statement: &Statement<'_>, shown: &str) -> Result<Option<usize>, D1Error> {
    if statement.parameter_count() > 0 {
        // What follows cannot be found then, and only a last statement may have parameters.
        return Err(D1Error::sql("Wrong number of parameter bindings for SQL query."));
    }
    // Without parameters the expanded text is the text, byte for byte.
    let length = statement.expanded_sql().map_or(0, |sql| sql.len());
    let ends = length < shown.len() && shown.as_bytes()[..length].ends_with(b";");
    Ok(ends.then_some(length))
}

/// Whether the statement may go on behind `shown`: it is not complete, or what SQLite stumbled over
/// is the last word, which may have been cut.
fn for_want_of_text(error: &Error, shown: &str) -> bool {
    let (text, at) = match error {
        Error::SqlInputError { msg, offset, .. } => (msg, usize::try_from(*offset).ok()),
        Error::SqliteFailure(_, Some(text)) => (text, None),
        _ => return false,
    };
    let is_last = |rest: &str| !rest.contains([' ', '\t', '\n', '\r', '\u{c}', ';']);
    text.starts_with("incomplete input")
        || text.starts_with("unrecognized token")
        || at.and_then(|at| shown.get(at..)).is_some_and(is_last)
}

/// What is left of a text behind blanks.
pub(super) struct Skipped<'t> {
    pub(super) text: &'t str,
    /// It begins with a comment that does not end in it.
    in_comment: bool,
}

/// Skips what belongs to no statement, so that a statement's text starts where `text` does.
pub(super) fn skip_blank(mut text: &str) -> Skipped<'_> {
    loop {
        let trimmed = skip_spaces(text).trim_start_matches(';');
        if trimmed.len() < text.len() {
            text = trimmed;
            continue;
        }
        let end = if let Some(comment) = trimmed.strip_prefix("--") {
            comment.find('\n').map(|end| &comment[end..])
        } else if let Some(comment) = trimmed.strip_prefix("/*") {
            comment.find("*/").map(|end| &comment[end + 2..])
        } else {
            return Skipped { text: trimmed, in_comment: false };
        };
        let Some(after) = end else { return Skipped { text: trimmed, in_comment: true } };
        text = after;
    }
}

/// A vertical tab goes on with a space and begins none, says SQLite.
fn skip_spaces(text: &str) -> &str {
    const SPACES: [char; 5] = [' ', '\t', '\n', '\r', '\u{c}'];
    if text.starts_with(SPACES) {
        text.trim_start_matches(|c| SPACES.contains(&c) || c == '\u{b}')
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::fuzzing::{Pieces, by_tail, collected},
        *,
    };
    use proptest::prelude::{Just, ProptestConfig, Strategy, prop, prop_oneof, proptest};

    /// What the splitter makes of a text, and its refusal as SQLite words it.
    fn by_us(
        split: impl FnOnce(&mut dyn FnMut(Statement<'_>) -> Result<(), D1Error>) -> Result<(), D1Error>,
    ) -> Pieces {
        collected(split)
    }

    fn count(text: &str) -> Result<usize, String> {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (a, [a;b])").unwrap();
        let mut found = 0;
        each_statement(&db, text, |mut statement| {
            found += 1;
            let mut rows = statement.raw_query();
            while rows.next()?.is_some() {}
            Ok(())
        })
        .map_err(|error| error.to_string())?;
        Ok(found)
    }

    #[test]
    fn statements_end_where_sqlite_says() {
        for (text, expected) in [
            ("", 0),
            (" ;; -- nothing\n/* ; */", 0),
            ("SELECT 1", 1),
            ("SELECT ';'; SELECT \"a\" FROM t; -- ; end", 2),
            ("SELECT [a;b] FROM t; SELECT `a` FROM t;", 2),
            ("CREATE TABLE u (x); INSERT INTO u VALUES (1); SELECT x FROM u", 3),
            (
                "CREATE TRIGGER r AFTER INSERT ON t BEGIN\n\
                 UPDATE t SET a = CASE WHEN a > 1 THEN 'x;' ELSE 2 END; END;\nSELECT 1;",
                2,
            ),
            ("SELECT 1;\r\nSELECT 2;\r\n", 2),
        ] {
            assert_eq!(count(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_long_text_is_split_as_a_short_one() {
        let trigger = "CREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE t SET a = CASE a WHEN ';' \
                       THEN 1 END; END; DROP TRIGGER r;";
        let filler = "INSERT INTO t (a) VALUES ('it''s; -- not the end'); /* ; */\n";
        for repeat in [1, 50, 1_000, 4_000] {
            let text = format!("{}{trigger}-- ;\n{}", filler.repeat(repeat), filler.repeat(repeat));
            assert_eq!(count(&text), Ok(2 * repeat + 2), "{repeat}");
        }
    }

    #[test]
    fn a_statement_may_have_a_hundred_thousand_bytes_and_no_more() {
        let statement = |length: usize| {
            let (head, tail) = ("INSERT INTO t (a) VALUES ('", "');");
            format!("{head}{}{tail}", "x".repeat(length - head.len() - tail.len()))
        };
        for tail in ["", "SELECT 1;", "\n-- end"] {
            let text = format!("{}{tail}", statement(MAX_STATEMENT));
            assert!(count(&text).is_ok(), "{tail}");
            let text = format!("SELECT 1; {}{tail}", statement(MAX_STATEMENT + 1));
            let expected = "statement too long: SQLITE_TOOBIG".to_owned();
            assert_eq!(count(&text), Err(expected), "{tail}");
        }
    }

    #[test]
    fn a_file_is_read_through_a_window_whatever_stands_at_its_edges() {
        let db = Connection::open_in_memory().unwrap();
        let comments = [format!("/*{}*/", "; ü'".repeat(900_000)), "-- ü;\n".repeat(400_000)];
        for comment in comments {
            for shift in 0..4 {
                let text = format!("{}SELECT 'ü';{comment}SELECT 2;", " ".repeat(shift));
                let text = text.repeat(2);
                let (found, error) = by_us(|run| each_statement_of(&db, text.as_bytes(), run));
                assert_eq!((found.len(), error), (4, None));
            }
        }
        let (_, error) = by_us(|run| each_statement_of(&db, &b"SELECT '\xff'"[..], run));
        assert_eq!(error.as_deref(), Some("the file is not UTF-8"));
    }

    #[test]
    fn nothing_behind_a_nul_is_looked_at_however_long_the_text_is() {
        let filler = "SELECT 1; ".repeat(MAX_STATEMENT / 9);
        for text in [
            format!("SELECT 1; -- \0\nSELEC 2;{filler}"),
            format!("{filler}SELECT 1; -- \0\nSELEC 2;{filler}"),
        ] {
            let db = Connection::open_in_memory().unwrap();
            let expected = by_tail(&db, &text);
            assert_eq!(expected.1, None);
            assert!(by_us(|run| each_statement(&db, &text, run)) == expected);
            assert!(by_us(|run| each_statement_of(&db, text.as_bytes(), run)) == expected);
        }
    }

    #[test]
    fn a_word_that_the_window_cuts_is_no_error_of_its_own() {
        let body = "UPDATE t SET a = 1; ".repeat(MAX_STATEMENT / 20);
        let head = "CREATE TRIGGER r AFTER INSERT ON t BEGIN ";
        for shift in 0..20 {
            let text = format!("{head}{}{body}END;", " ".repeat(shift));
            let expected = "statement too long: SQLITE_TOOBIG".to_owned();
            assert_eq!(count(&text), Err(expected), "{shift}");
        }
    }

    #[test]
    fn an_error_in_a_long_text_is_sqlites_own() {
        let text = format!("SELEC 1; {}", "SELECT 1;".repeat(20_000));
        assert_eq!(
            count(&text),
            Err("near \"SELEC\": syntax error at offset 0: SQLITE_ERROR".into())
        );
    }

    fn piece() -> impl Strategy<Value = (String, usize)> {
        let noise =
            prop_oneof![Just("-- c; 'x\n"), Just("/* ; \" */"), Just(";"), Just(" \n"), Just("")];
        let statement = prop_oneof![
            "[a-z;'\n-]{0,20}".prop_map(|text| format!("SELECT '{}';", text.replace('\'', "''"))),
            "[a-z;\n ]{0,20}".prop_map(|text| format!("SELECT 1 AS \"{text}x\";")),
            "[a-z; ]{1,9}".prop_map(|text| format!("SELECT 1 AS [{text}]; ")),
            "[a-z;']{0,9}".prop_map(|text| format!("SELECT /* {text} */ 1 -- {text}\n;")),
            Just("SELECT CASE WHEN 1 THEN 2 ELSE 3 END;".to_owned()),
            Just(
                "CREATE TRIGGER IF NOT EXISTS g AFTER UPDATE ON t WHEN new.a > 1 BEGIN \
                 SELECT CASE WHEN 1 THEN ';' END; DELETE FROM t WHERE a = 'END;'; END;"
                    .to_owned()
            ),
        ];
        prop_oneof![
            noise.prop_map(|text| (text.to_owned(), 0)),
            statement.prop_map(|text| (text, 1))
        ]
    }

    /// Any order of what matters to a splitter; most of it is no SQL.
    fn soup() -> impl Strategy<Value = String> {
        let token = prop::sample::select(vec![
            "SELECT 1",
            "SELECT",
            "1",
            ";",
            "'",
            "\"",
            "[",
            "]",
            "`",
            "--",
            "/*",
            "*/",
            "\n",
            "\r\n",
            " ",
            "''",
            "x'00'",
            "CREATE TRIGGER r AFTER INSERT ON t BEGIN",
            "END",
            "CASE WHEN 1 THEN",
            "SELECT ';'",
            "SELECT \"a\" FROM t;",
            "\0",
            "ü",
            "$x",
            "\u{feff}",
            "\u{c}",
            "\u{b}",
            "/",
            "-",
            "INSERT INTO t (a) VALUES (1);",
            "EXPLAIN",
            "(",
            ")",
            ".",
            "0x",
            "e1",
            "@",
            "#",
        ]);
        prop::collection::vec(token, 0..25).prop_map(|tokens| tokens.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn any_text_is_split_where_the_tail_pointer_says(text in soup(), head in 0_usize..260) {
            let db = Connection::open_in_memory().unwrap();
            db.execute_batch("CREATE TABLE t (a, [a;b])").unwrap();
            let expected = by_tail(&db, &text);
            assert_eq!(by_us(|run| each_statement(&db, &text, run)), expected, "{text:?}");
            // The same behind so much that the window moves over it.
            let literal = "it''s; -- not the end\n".repeat(200);
            let head = format!("SELECT '{literal}' /* ; */;\n").repeat(24 + head);
            let long = format!("{head}{text}");
            let expected = by_tail(&db, &long);
            let seen = by_us(|run| each_statement(&db, &long, run));
            assert!(seen == expected, "{text:?} behind {} bytes", head.len());
            let seen = by_us(|run| each_statement_of(&db, long.as_bytes(), run));
            assert!(seen == expected, "{text:?} in a file behind {} bytes", head.len());
        }

        #[test]
        fn generated_sql_is_split_into_what_it_was_made_of(
            pieces in prop::collection::vec(piece(), 0..30),
            repeat in prop_oneof![Just(1_usize), Just(400)],
        ) {
            let text: String = pieces.iter().map(|(text, _)| text.as_str()).collect();
            let expected: usize = pieces.iter().map(|(_, count)| count).sum();
            let text = text.repeat(repeat);
            assert_eq!(count(&text), Ok(expected * repeat), "{text:.2000}");
        }
    }
}
