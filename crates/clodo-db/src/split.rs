//! Where one statement ends and the next begins, without parsing any.

use memchr::{memchr, memmem};
use std::borrow::Cow;

/// A statement of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'t> {
    /// Its text, from its first word to its semicolon.
    pub text: &'t str,
    /// Where it begins in the whole, in bytes.
    pub offset: usize,
}

/// Cuts a text into its statements. What holds nothing but blanks, comments and semicolons is none;
/// the last one needs no semicolon.
///
/// Statements end where SQLite's own parser ends them: outside of quotes and comments, and for a
/// trigger behind its `END`. The rules are those of `sqlite3_complete()`
/// (<https://www.sqlite.org/c3ref/complete.html>), which agree with the parser on all that is SQL.
///
/// # Example
/// ```
/// let texts: Vec<&str> = clodo_db::split("SELECT ';'; -- ;\nSELECT 2").map(|one| one.text).collect();
/// assert_eq!(texts, ["SELECT ';';", "SELECT 2"]);
/// ```
pub fn split(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let piece = next(text, at)?;
        at = piece.offset + piece.text.len();
        Some(piece)
    })
}

/// Where the statement begins that a text leaves open: none when the last one has its semicolon, or there
/// is none. A comment that is not closed counts as open, too.
#[must_use]
pub fn unfinished(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut begin, mut state) = (0, None, State::Start);
    while let Some(&byte) = bytes.get(at) {
        let (end, token) = token(bytes, at, byte);
        let word = &text[at..end];
        match token {
            Token::Blank if word.starts_with("/*") && (word.len() < 4 || !word.ends_with("*/")) => {
                return begin.or(Some(at));
            }
            Token::Blank => {}
            _ => {
                if begin.is_none() && token != Token::Semicolon {
                    begin = Some(at);
                }
                let word = if token == Token::Word { word } else { "" };
                state = state.then(token, word.as_bytes());
                if state == State::Start {
                    begin = None;
                }
            }
        }
        at = end;
    }
    begin
}

/// A definition with its semicolon, which no comment at its end may hide. A line break that need not
/// be there would become part of the definition in a copy; SQLite takes a comment that nobody closes for
/// part of one, too.
pub(crate) fn ended(sql: &str) -> String {
    let ways = [format!("{sql};"), format!("{sql}\n;"), format!("{sql}*/;")];
    let whole = ways.into_iter().find(|way| unfinished(way).is_none());
    whole.unwrap_or_else(|| format!("{sql};"))
}

/// A statement with other text for each `?` outside of quotes and comments; they are numbered from 0.
pub fn placeholders(sql: &str, mut each: impl FnMut(usize) -> &'static str) -> String {
    let bytes = sql.as_bytes();
    let (mut out, mut at, mut count) = (String::with_capacity(sql.len()), 0, 0);
    while let Some(&byte) = bytes.get(at) {
        let (end, _) = token(bytes, at, byte);
        if byte == b'?' {
            out.push_str(each(count));
            count += 1;
        } else {
            out.push_str(&sql[at..end]);
        }
        at = end;
    }
    out
}

/// How many `?` a statement has outside of quotes and comments; nothing when one of its parameters has
/// a number or a name.
pub(crate) fn parameters(sql: &str) -> Option<usize> {
    let (bytes, mut at, mut count) = (sql.as_bytes(), 0, 0);
    while let Some(&byte) = bytes.get(at) {
        let (end, token) = token(bytes, at, byte);
        let word_follows = bytes.get(at + 1).is_some_and(|next| is_word(*next));
        match byte {
            b'?' if word_follows => return None,
            b'?' => count += 1,
            b':' | b'@' | b'#' if word_follows => return None,
            b'$' if token == Token::Word => return None,
            _ => {}
        }
        at = end;
    }
    Some(count)
}

/// What a statement consists of, without blanks and comments.
pub(crate) fn words(sql: &str) -> Vec<&str> {
    words_with_places(sql).into_iter().map(|(_, word)| word).collect()
}

/// The same, each with where it begins.
pub(crate) fn words_with_places(sql: &str) -> Vec<(usize, &str)> {
    let (bytes, mut at, mut words) = (sql.as_bytes(), 0, Vec::new());
    while let Some(&byte) = bytes.get(at) {
        let (end, token) = token(bytes, at, byte);
        if token != Token::Blank {
            // Tokens end at ASCII, so at the end of a character.
            words.push((at, &sql[at..end]));
        }
        at = end;
    }
    words
}

/// The same text with blanks for the byte order marks that SQLite takes for blanks, for a parser that takes
/// them for letters. All other text stays where it is.
pub(crate) fn without_marks(sql: &str) -> Cow<'_, str> {
    if !sql.contains('\u{feff}') {
        return Cow::Borrowed(sql);
    }
    let (bytes, mut at, mut text) = (sql.as_bytes(), 0, String::with_capacity(sql.len()));
    while let Some(&byte) = bytes.get(at) {
        let (end, _) = token(bytes, at, byte);
        match &sql[at..end] {
            "\u{feff}" => text.push_str("   "),
            other => text.push_str(other),
        }
        at = end;
    }
    Cow::Owned(text)
}

/// The word that a statement begins with, behind blanks, comments and semicolons.
pub(crate) fn first_word(sql: &str) -> &str {
    let (bytes, mut at) = (sql.as_bytes(), 0);
    while let Some(&byte) = bytes.get(at) {
        let (end, token) = token(bytes, at, byte);
        if !matches!(token, Token::Blank | Token::Semicolon) {
            return &sql[at..end];
        }
        at = end;
    }
    ""
}

/// A word as SQLite compares names: without quotes that are not needed, and in lower case. A text in
/// single quotes stays as it is.
pub(crate) fn folded(word: &str) -> String {
    let inner = |open: char, close: char| word.strip_prefix(open)?.strip_suffix(close);
    let bare = match word.chars().next() {
        Some('\'') => return word.to_owned(),
        Some('[') => inner('[', ']'),
        Some(quote @ ('"' | '`')) => inner(quote, quote),
        _ => None,
    };
    bare.unwrap_or(word).to_ascii_lowercase()
}

/// How far a statement is, as far as its end depends on it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing but blanks so far.
    Start,
    /// Any statement that ends at the next semicolon.
    Plain,
    /// `EXPLAIN`, which may stand before a `CREATE TRIGGER`.
    Explain,
    /// `CREATE`, perhaps with `TEMP`.
    Create,
    /// Within a trigger.
    Trigger,
    /// Behind a semicolon within a trigger.
    Semicolon,
    /// Behind `; END` within a trigger.
    End,
}

fn next(text: &str, from: usize) -> Option<Piece<'_>> {
    let bytes = text.as_bytes();
    let (mut at, mut begin, mut state) = (from, None, State::Start);
    let mut end_of_words = from;
    while let Some(&byte) = bytes.get(at) {
        let (end, token) = token(bytes, at, byte);
        let word = match token {
            Token::Blank => {
                at = end;
                continue;
            }
            Token::Word => &bytes[at..end],
            Token::Semicolon | Token::Other => &[],
        };
        if begin.is_none() && token != Token::Semicolon {
            begin = Some(at);
        }
        state = state.then(token, word);
        at = end;
        end_of_words = end;
        if let (State::Start, Some(begin)) = (state, begin) {
            return Some(Piece { text: &text[begin..at], offset: begin });
        }
    }
    let begin = begin?;
    // Blanks and comments at the end belong to nothing.
    Some(Piece { text: &text[begin..end_of_words], offset: begin })
}

impl State {
    fn then(self, token: Token, word: &[u8]) -> Self {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        match (self, token) {
            (
                Self::Start | Self::Plain | Self::Explain | Self::Create | Self::End,
                Token::Semicolon,
            ) => Self::Start,
            (Self::Trigger | Self::Semicolon, Token::Semicolon) => Self::Semicolon,
            (Self::Start | Self::Explain, Token::Word) if is("CREATE") => Self::Create,
            (Self::Start, Token::Word) if is("EXPLAIN") => Self::Explain,
            // EXPLAIN QUERY PLAN
            (Self::Explain, Token::Word) if is("QUERY") || is("PLAN") => Self::Explain,
            (Self::Create, Token::Word) if is("TEMP") || is("TEMPORARY") => Self::Create,
            (Self::Create, Token::Word) if is("TRIGGER") => Self::Trigger,
            (Self::Semicolon, Token::Word) if is("END") => Self::End,
            (Self::Trigger | Self::Semicolon | Self::End, _) => Self::Trigger,
            _ => Self::Plain,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Blank,
    Semicolon,
    Word,
    Other,
}

/// What begins at `at`, and where it ends.
fn token(bytes: &[u8], at: usize, byte: u8) -> (usize, Token) {
    let rest = &bytes[at + 1..];
    let to = |end: Option<usize>, more: usize| end.map_or(bytes.len(), |end| at + 1 + end + more);
    match byte {
        b';' => (at + 1, Token::Semicolon),
        // A vertical tab is no blank to SQLite, unless it stands behind one.
        b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' => {
            let more = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
            (at + 1 + more, Token::Blank)
        }
        // SQLite takes a byte order mark for a blank wherever a word could begin.
        0xef if rest.starts_with(b"\xbb\xbf") => (at + 3, Token::Blank),
        // The end of its line is a blank of its own: what stands behind it may be part of that.
        b'-' if rest.first() == Some(&b'-') => (to(memchr(b'\n', rest), 0), Token::Blank),
        // Three characters at least: in `/*/` the comment is still open.
        b'/' if rest.first() == Some(&b'*') => {
            let end = memmem::find(rest.get(1..).unwrap_or_default(), b"*/");
            (to(end, 3), Token::Blank)
        }
        // A doubled quote is one literal beside another: where it ends does not change.
        b'\'' | b'"' | b'`' => (to(memchr(byte, rest), 1), Token::Other),
        b'[' => (to(memchr(b']', rest), 1), Token::Other),
        _ if is_word(byte) => {
            let length = rest.iter().take_while(|byte| is_word(**byte)).count();
            (at + 1 + length, Token::Word)
        }
        _ => (at + 1, Token::Other),
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::statements_agree;
    use proptest::prelude::{ProptestConfig, Strategy, prop, proptest};

    fn texts(text: &str) -> Vec<&str> {
        split(text).map(|piece| piece.text).collect()
    }

    #[test]
    fn statements_end_where_sqlite_ends_them() {
        assert_eq!(texts(" ;; -- nothing\n/* ; */"), Vec::<&str>::new());
        assert_eq!(
            texts("SELECT [a;b], `c;`, \"d;\", 'e;''f;';x"),
            ["SELECT [a;b], `c;`, \"d;\", 'e;''f;';", "x"]
        );
        let trigger = "CREATE TEMP TRIGGER r AFTER INSERT ON t BEGIN UPDATE t SET a = CASE 1 WHEN 1 \
                       THEN 2 END; SELECT 1; END;";
        let text = format!("EXPLAIN {trigger}{trigger} SELECT 1");
        assert_eq!(texts(&text), [&format!("EXPLAIN {trigger}"), trigger, "SELECT 1"]);
        assert_eq!(texts("SELECT 1 -- end"), ["SELECT 1"]);
        assert_eq!(split("\u{feff}SELECT 1; x").nth(1).unwrap().offset, 13);
    }

    #[test]
    fn only_a_comment_at_the_end_hides_the_semicolon() {
        for sql in [
            "CREATE TABLE \"t;--\" (x)",
            "CREATE TABLE t (x -- why\n)",
            "CREATE TRIGGER g AFTER INSERT ON \"--\" BEGIN SELECT 1; END",
            "CREATE VIEW v AS SELECT '--' /* why */",
        ] {
            assert_eq!(ended(sql), format!("{sql};"));
        }
        let view = |end: &str| ended(&format!("CREATE VIEW v AS SELECT 1 {end}"));
        assert_eq!(view("-- why"), "CREATE VIEW v AS SELECT 1 -- why\n;");
        assert_eq!(view("/* why"), "CREATE VIEW v AS SELECT 1 /* why*/;");
    }

    #[test]
    fn a_mark_is_blanks_where_sqlite_takes_it_for_one() {
        let text = "DROP\u{feff}TABLE \u{feff}t\u{feff}; -- \u{feff}\n SELECT '\u{feff}'";
        let bare = without_marks(text);
        // Behind a letter it is a letter.
        assert_eq!(bare, "DROP\u{feff}TABLE    t\u{feff}; -- \u{feff}\n SELECT '\u{feff}'");
    }

    #[test]
    fn a_statement_s_first_word_is_found_behind_comments() {
        assert_eq!(first_word(" ;/* BEGIN */-- x\nCommit;"), "Commit");
        assert_eq!(first_word("\u{feff}é;"), "é");
        assert_eq!(first_word(";\u{feff}COMMIT"), "COMMIT");
        assert_eq!(first_word("-- nothing"), "");
    }

    #[test]
    fn parameters_are_counted_where_they_are_some() {
        assert_eq!(parameters("a = ? AND b = '?' /* ? */ AND \"?\" IN (?, ?) -- ?"), Some(3));
        assert_eq!(parameters("x -> '$.a' = '@b' AND a[:c] AND a$ = 1"), Some(0));
        for named in ["?1", "a = :a", "@a", "$a", "#a"] {
            assert_eq!(parameters(named), None, "{named}");
        }
    }

    #[test]
    fn a_statement_is_open_until_its_semicolon() {
        for (text, open) in [
            ("", None),
            ("SELECT 1;", None),
            ("SELECT 1; -- x", None),
            ("SELECT 1; SELECT 2\n", Some(10)),
            ("SELECT ';", Some(0)),
            ("SELECT 1; /* ;", Some(10)),
            ("SELECT 1; /*/", Some(10)),
            ("CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1;", Some(0)),
            ("CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END;", None),
        ] {
            assert_eq!(unfinished(text), open, "{text}");
        }
    }

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
            "END;",
            "CASE WHEN 1 THEN 2 END",
            "SELECT ';'",
            "SELECT \"a\" FROM t;",
            "ü",
            "\u{c}",
            "/",
            "-",
            "INSERT INTO t (a) VALUES (1);",
            "EXPLAIN",
            "EXPLAIN QUERY PLAN",
            "CREATE TEMP TRIGGER q AFTER DELETE ON t BEGIN",
            "SELECT 1; END;",
            "CREATE TABLE \"END\" (x);",
            "DELETE FROM t;",
        ]);
        prop::collection::vec(token, 0..25).prop_map(|tokens| tokens.join(" "))
    }

    /// What the fuzzer of D1's statements is given, and the migrations of the examples.
    fn corpus() -> Vec<String> {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let folders =
            ["fuzz/seeds/d1_statements", "examples/storefront/services/catalog/migrations"];
        let files = folders.into_iter().flat_map(|folder| {
            let found = std::fs::read_dir(root.join(folder)).unwrap();
            found.map(|file| file.unwrap().path()).filter(|path| path.is_file())
        });
        let text = |path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).replace('\0', " ");
        files.map(text).collect()
    }

    /// A text of the corpus, cut and mended at random.
    fn mutated() -> impl Strategy<Value = String> {
        let words = [
            "",
            "",
            ";",
            "'",
            "\"",
            "`",
            "[",
            "]",
            "--",
            "\n",
            "/*",
            "*/",
            "BEGIN",
            "END;",
            "CASE ",
            "CREATE TRIGGER ",
            "EXPLAIN ",
            "\u{feff}",
            "x'",
            "\t",
            ";;",
        ];
        let edit = (prop::num::usize::ANY, 0..24_usize, prop::sample::select(words.to_vec()));
        (prop::sample::select(corpus()), prop::collection::vec(edit, 0..8)).prop_map(
            |(text, edits)| {
                edits.into_iter().fold(text, |text, (at, length, word)| {
                    let chars: Vec<char> = text.chars().collect();
                    let at = at % (chars.len() + 1);
                    let end = (at + length).min(chars.len());
                    let (before, after) = (chars[..at].iter(), chars[end..].iter());
                    before.copied().chain(word.chars()).chain(after.copied()).collect()
                })
            },
        )
    }

    #[test]
    fn the_corpus_is_split_where_the_tail_pointer_says() {
        let found: usize = corpus().iter().map(|text| statements_agree(text)).sum();
        assert!(found > 10, "{found} statements are no corpus");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn any_text_is_split_where_the_tail_pointer_says(text in soup()) {
            statements_agree(&text);
        }

        #[test]
        fn a_text_that_somebody_broke_is_split_where_the_tail_pointer_says(text in mutated()) {
            statements_agree(&text);
        }

        #[test]
        fn any_characters_are_split_where_the_tail_pointer_says(text in "[ -~\n\r\tü]{0,60}") {
            statements_agree(&text);
        }

        #[test]
        fn what_is_cut_is_the_text_without_blanks(text in soup()) {
            let mut at = 0;
            for piece in split(&text) {
                assert!(piece.offset >= at);
                assert!(text[piece.offset..].starts_with(piece.text));
                at = piece.offset + piece.text.len();
            }
        }
    }
}
