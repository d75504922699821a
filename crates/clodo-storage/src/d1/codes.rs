//! SQLite's result codes by name, as D1 appends them to a message.

use clodo_sqlite::rusqlite::ffi;

/// `SQLITE_ERROR`, or `SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)`.
pub(super) fn named(extended: i32) -> String {
    let primary = primary(extended & 0xff);
    match CONSTRAINTS.iter().find(|(code, _)| *code == extended) {
        Some((_, kind)) => format!("{primary} (extended: SQLITE_CONSTRAINT_{kind})"),
        None => primary.to_owned(),
    }
}

/// Whether the code is about the file rather than about the SQL.
pub(super) fn blames_the_file(primary: i32) -> bool {
    matches!(
        primary,
        ffi::SQLITE_CORRUPT
            | ffi::SQLITE_NOTADB
            | ffi::SQLITE_IOERR
            | ffi::SQLITE_CANTOPEN
            | ffi::SQLITE_FULL
            | ffi::SQLITE_READONLY
            | ffi::SQLITE_BUSY
            | ffi::SQLITE_NOMEM
    )
}

fn primary(code: i32) -> &'static str {
    match code {
        ffi::SQLITE_INTERNAL => "SQLITE_INTERNAL",
        ffi::SQLITE_PERM => "SQLITE_PERM",
        ffi::SQLITE_ABORT => "SQLITE_ABORT",
        ffi::SQLITE_BUSY => "SQLITE_BUSY",
        ffi::SQLITE_LOCKED => "SQLITE_LOCKED",
        ffi::SQLITE_NOMEM => "SQLITE_NOMEM",
        ffi::SQLITE_READONLY => "SQLITE_READONLY",
        ffi::SQLITE_INTERRUPT => "SQLITE_INTERRUPT",
        ffi::SQLITE_IOERR => "SQLITE_IOERR",
        ffi::SQLITE_CORRUPT => "SQLITE_CORRUPT",
        ffi::SQLITE_FULL => "SQLITE_FULL",
        ffi::SQLITE_CANTOPEN => "SQLITE_CANTOPEN",
        ffi::SQLITE_SCHEMA => "SQLITE_SCHEMA",
        ffi::SQLITE_TOOBIG => "SQLITE_TOOBIG",
        ffi::SQLITE_CONSTRAINT => "SQLITE_CONSTRAINT",
        ffi::SQLITE_MISMATCH => "SQLITE_MISMATCH",
        ffi::SQLITE_MISUSE => "SQLITE_MISUSE",
        ffi::SQLITE_AUTH => "SQLITE_AUTH",
        ffi::SQLITE_RANGE => "SQLITE_RANGE",
        ffi::SQLITE_NOTADB => "SQLITE_NOTADB",
        _ => "SQLITE_ERROR",
    }
}

const CONSTRAINTS: &[(i32, &str)] = &[
    (ffi::SQLITE_CONSTRAINT_CHECK, "CHECK"),
    (ffi::SQLITE_CONSTRAINT_DATATYPE, "DATATYPE"),
    (ffi::SQLITE_CONSTRAINT_FOREIGNKEY, "FOREIGNKEY"),
    (ffi::SQLITE_CONSTRAINT_NOTNULL, "NOTNULL"),
    (ffi::SQLITE_CONSTRAINT_PRIMARYKEY, "PRIMARYKEY"),
    (ffi::SQLITE_CONSTRAINT_ROWID, "ROWID"),
    (ffi::SQLITE_CONSTRAINT_TRIGGER, "TRIGGER"),
    (ffi::SQLITE_CONSTRAINT_UNIQUE, "UNIQUE"),
    (ffi::SQLITE_CONSTRAINT_VTAB, "VTAB"),
];
