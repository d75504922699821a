/// A condition: whether a name is one of a database's platform. D1 keeps names that begin with `_cf_` to
/// itself, and has tables of these names; elsewhere they are names like others.
pub(crate) fn platforms(name: &str) -> String {
    format!(
        "({name} LIKE '\\_cf\\_%' ESCAPE '\\' AND EXISTS (SELECT 1 FROM sqlite_master own \
         WHERE lower(own.name) IN ('_cf_kv', '_cf_metadata', '_cf_alarm')))"
    )
}

/// A name as SQL text: in double quotes, those in it doubled.
#[must_use]
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL text: in single quotes, those in it doubled. A text with a NUL is made of its
/// bytes, since SQL ends at one.
#[must_use]
pub fn literal(text: &str) -> String {
    let mut sql = String::with_capacity(text.len() + 2);
    write_literal(text, &mut sql);
    sql
}

/// Appends what [`literal`] gives.
pub(crate) fn write_literal(text: &str, sql: &mut String) {
    if text.contains('\0') {
        sql.push_str("CAST(x'");
        sql.push_str(&hex::encode(text));
        return sql.push_str("' AS TEXT)");
    }
    sql.push('\'');
    for (at, part) in text.split('\'').enumerate() {
        if at > 0 {
            sql.push_str("''");
        }
        sql.push_str(part);
    }
    sql.push('\'');
}

#[cfg(test)]
mod tests {
    use super::*;
    use clodo_sqlite::rusqlite::Connection;
    use proptest::prelude::{any, proptest};

    proptest! {
        #[test]
        fn no_text_leaves_its_quotes(text in any::<String>()) {
            let db = Connection::open_in_memory().unwrap();
            let sql = format!("SELECT {}", literal(&text));
            let back: String = db.query_row(&sql, [], |row| row.get(0)).unwrap();
            assert_eq!(back, text);
        }

        #[test]
        fn no_name_leaves_its_quotes(name in "[^\0]{1,20}") {
            let db = Connection::open_in_memory().unwrap();
            let sql = format!("SELECT 1 AS {}", quoted(&name));
            let statement = db.prepare(&sql).unwrap();
            assert_eq!(statement.column_name(0).unwrap(), name);
        }
    }
}
