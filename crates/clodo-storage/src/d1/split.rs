//! Where one statement ends and the next begins: SQLite itself says so, for text of any length.

use clodo_sqlite::rusqlite::{
    Batch, Connection, Error, Statement, fallible_iterator::FallibleIterator,
};

use super::D1Error;

/// The longest statement that D1 takes, in bytes.
pub(super) const MAX_STATEMENT: usize = 100_000;

/// Hands each statement of `text` to `run`, in order, having prepared it only after the one before
/// it ran. Nothing but comments, white space and semicolons = no statement.
///
/// SQLite copies all that it is given at each preparing, so a long text is shown to it through a
/// window that grows when a statement does not end within it.
pub(super) fn each_statement(
    db: &Connection,
    text: &str,
    mut run: impl FnMut(Statement<'_>) -> Result<(), D1Error>,
) -> Result<(), D1Error> {
    let mut rest = text;
    while rest.len() > MAX_STATEMENT {
        rest = skip_blank(rest);
        if rest.len() <= MAX_STATEMENT {
            break;
        }
        let (statement, length) = first_of_long(db, rest)?;
        run(statement)?;
        rest = &rest[length..];
    }
    let mut statements = Batch::new(db, rest);
    while let Some(statement) = statements.next()? {
        run(statement)?;
    }
    Ok(())
}

fn first_of_long<'db>(db: &'db Connection, text: &str) -> Result<(Statement<'db>, usize), D1Error> {
    for window in [4_096, MAX_STATEMENT + 1] {
        let shown = &text[..text.floor_char_boundary(window)];
        match Batch::new(db, shown).next() {
            Ok(Some(statement)) => {
                if let Some(length) = length_of(&statement, shown)? {
                    return Ok((statement, length));
                }
            }
            Ok(None) => {}
            Err(error) if window > MAX_STATEMENT && !for_want_of_text(&error) => {
                return Err(error.into());
            }
            Err(_) => {}
        }
    }
    Err(D1Error::sql("statement too long: SQLITE_TOOBIG"))
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

fn for_want_of_text(error: &Error) -> bool {
    let text = match error {
        Error::SqlInputError { msg, .. } => msg,
        Error::SqliteFailure(_, Some(text)) => text,
        _ => return false,
    };
    text.starts_with("incomplete input") || text.starts_with("unrecognized token")
}

/// Skips what belongs to no statement, so that a statement's text starts where `text` does.
fn skip_blank(mut text: &str) -> &str {
    loop {
        let trimmed = text.trim_start_matches([' ', '\t', '\n', '\r', '\u{c}', ';']);
        let after = if let Some(comment) = trimmed.strip_prefix("--") {
            comment.find('\n').map_or("", |end| &comment[end..])
        } else if let Some(comment) = trimmed.strip_prefix("/*") {
            comment.find("*/").map_or("", |end| &comment[end + 2..])
        } else {
            trimmed
        };
        if after.len() == text.len() {
            return text;
        }
        text = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Just, Strategy, prop, prop_oneof, proptest};

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

    proptest! {
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
