use crate::split::first_word;
use tracing::{Span, debug_span};

/// The span of one call of a database, by OpenTelemetry's conventions
/// (<https://opentelemetry.io/docs/specs/semconv/database/database-spans/>): what it does and of how many
/// statements it is. Their text is no part of it, since that may hold values.
#[must_use]
pub fn call_span(sql: &str, statements: usize) -> Span {
    debug_span!(
        "database call",
        db.system.name = "sqlite",
        db.operation.name = if statements > 1 { "BATCH" } else { operation(sql) },
        db.operation.batch.size = (statements > 1).then_some(statements),
    )
}

/// The word that a statement begins with, if it is one of SQLite's.
fn operation(sql: &str) -> &'static str {
    let word = first_word(sql);
    let known = OPERATIONS.iter().find(|known| known.eq_ignore_ascii_case(word));
    known.copied().unwrap_or("OTHER")
}

const OPERATIONS: [&str; 17] = [
    "ALTER", "ANALYZE", "BEGIN", "COMMIT", "CREATE", "DELETE", "DROP", "EXPLAIN", "INSERT",
    "PRAGMA", "REINDEX", "REPLACE", "ROLLBACK", "SELECT", "UPDATE", "VALUES", "WITH",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_a_word_of_sqlite_and_nothing_else() {
        assert_eq!(operation("/* x */ insert INTO t VALUES ('secret')"), "INSERT");
        assert_eq!(operation("'secret'"), "OTHER");
        assert_eq!(operation(""), "OTHER");
    }
}
