//! What is fuzzed: each function takes any bytes and panics only if something is wrong.

use crate::{
    MigrationFile, Migrations, Piece, backup::unpacked, lint, placeholders, split, sql_literals,
    unfinished, verify_text,
};
use clodo_sqlite::rusqlite::{Batch, Connection, fallible_iterator::FallibleIterator as _};
use std::path::Path;

/// A text is cut into statements where SQLite's own tail pointer says.
pub fn db_statements(data: &[u8]) {
    // SQL ends at a NUL, which is no part of any file that is applied.
    let text = String::from_utf8_lossy(data).replace('\0', " ");
    statements_agree(&text);
    let mut at = 0;
    for piece in split(&text) {
        assert!(piece.offset >= at && text[piece.offset..].starts_with(piece.text), "{piece:?}");
        at = piece.offset + piece.text.len();
    }
    assert_eq!(placeholders(&text, |_| "?"), text);
    assert!(unfinished(&text).is_none_or(|open| text.is_char_boundary(open)));
}

/// Cuts the text, and has SQLite cut it; gives how many statements SQLite found.
pub(crate) fn statements_agree(text: &str) -> usize {
    let db = Connection::open_in_memory().expect("memory");
    db.execute_batch("CREATE TABLE t (a, [a;b])").expect("a table");
    let (found, whole) = by_tail(&db, text);
    let ours: Vec<Piece<'_>> = split(text).collect();
    assert!(ours.len() >= found, "{text:?}: {ours:?}, SQLite has {found}");
    // Each of those is one statement to SQLite too, whole by itself.
    for piece in &ours[..found] {
        assert_eq!(by_tail(&db, piece.text), (1, true), "{text:?}: {piece:?}");
    }
    assert!(!whole || ours.len() == found, "{text:?}: {ours:?}, SQLite has {found}");
    found
}

/// As SQLite's tail pointer says, up to the first statement that is no SQL.
fn by_tail(db: &Connection, text: &str) -> (usize, bool) {
    let mut statements = Batch::new(db, text);
    let mut found = 0;
    loop {
        match statements.next() {
            Ok(Some(_)) => found += 1,
            Ok(None) => return (found, true),
            Err(_) => return (found, false),
        }
    }
}

/// A file of migrations by anybody is judged, with places within it.
pub fn db_migrations(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let file = MigrationFile::new("0001_any.sql", "0001_any.sql", text.as_ref());
    let Ok(files) = Migrations::new(vec![file]) else { return };
    let lines = text.split('\n').count();
    for finding in lint(&files, 0) {
        assert!(finding.at.is_none_or(|at| (1..=lines).contains(&at.line)), "{}", finding.rule);
    }
}

/// SQL is found in programs by anybody, with places within them.
pub fn db_programs(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let lines = text.split('\n').count();
    for found in sql_literals(&text, Path::new("any.js")) {
        assert!(found.at.is_none_or(|at| (1..=lines).contains(&at.line)), "{:?}", found.sql);
    }
}

/// A backup by anybody, compressed or not, is read to its end or refused.
pub fn db_dumps(data: &[u8]) {
    // Errors are what most of it is worth.
    if let Ok(mut text) = unpacked(Box::new(data)) {
        let _ = verify_text(&mut *text);
    }
}

#[cfg(test)]
#[path = "../../../fuzz/replay.rs"]
mod replay;

#[cfg(test)]
mod tests {
    use super::{db_dumps, db_migrations, db_programs, db_statements, replay::replay};

    #[test]
    fn statements_end_where_sqlites_tail_pointer_says() {
        replay("d1_statements", db_statements);
        replay("db_statements", db_statements);
    }

    #[test]
    fn hostile_migrations_are_judged() {
        replay("d1_statements", db_migrations);
        replay("db_migrations", db_migrations);
    }

    #[test]
    fn hostile_programs_are_looked_through() {
        replay("db_programs", db_programs);
    }

    #[test]
    fn hostile_backups_are_refused() {
        replay("db_dumps", db_dumps);
    }
}
