//! The columns of a `CREATE TABLE`, as text.

use crate::{
    identifier::quoted,
    split::{folded, words_with_places},
};

/// Words at which a column's definition cannot begin.
const CONSTRAINTS: [&str; 5] = ["constraint", "primary", "unique", "check", "foreign"];

/// A column: its name in lower case and its definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column<'t> {
    pub(super) name: String,
    pub(super) definition: &'t str,
}

/// The words of a statement; a name with quotes in it is one.
fn tokens(sql: &str) -> Vec<(usize, &str)> {
    let mut tokens: Vec<(usize, &str)> = Vec::new();
    for (at, word) in words_with_places(sql) {
        let quote = word.as_bytes()[0];
        if let Some((begin, last)) = tokens.last_mut()
            && matches!(quote, b'"' | b'\'' | b'`')
            && last.as_bytes()[0] == quote
            && *begin + last.len() == at
        {
            *last = &sql[*begin..at + word.len()];
            continue;
        }
        tokens.push((at, word));
    }
    tokens
}

/// The columns of a statement as SQLite keeps it, in their order.
pub(super) fn columns(sql: &str) -> Vec<Column<'_>> {
    let mut columns = Vec::new();
    let mut depth = 0_usize;
    // Where the part begins and ends that is read.
    let mut part: Option<(usize, usize, &str)> = None;
    for (at, word) in tokens(sql) {
        let ends = depth == 1 && matches!(word, "," | ")");
        if ends {
            let begins_column = |first: &str| !CONSTRAINTS.contains(&&*first.to_ascii_lowercase());
            if let Some((begin, end, first)) =
                part.take().filter(|(.., first)| begins_column(first))
            {
                let name = folded(first).replace("\"\"", "\"").replace("``", "`");
                columns.push(Column { name, definition: &sql[begin..end] });
            }
        }
        match word {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && word == ")" {
            break;
        }
        if depth > 1 || (depth == 1 && !ends && word != "(") || (depth == 1 && word == ")" && !ends)
        {
            let (begin, first) = part.map_or((at, word), |(begin, _, first)| (begin, first));
            part = Some((begin, at + word.len(), first));
        }
    }
    columns
}

/// The same statement for a table of another name.
pub(super) fn renamed(sql: &str, name: &str) -> Option<String> {
    // `CREATE TABLE name`, as SQLite keeps it.
    let (at, word) = tokens(sql).into_iter().nth(2)?;
    Some(format!("{}{}{}", &sql[..at], quoted(name), &sql[at + word.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_with_all_that_belongs_to_them() {
        let sql = "CREATE TABLE \"a(\"\"b\" (id INTEGER PRIMARY KEY, \"x,\"\"y\" TEXT DEFAULT (1 + (2)) -- why, so\n\
                   CHECK (length(\"x\") > ')'), [Z] NUMERIC(3, 4), 'q', UNIQUE (id, z), \
                   FOREIGN KEY (id) REFERENCES t (id)) STRICT";
        let found = columns(sql);
        let found: Vec<(&str, &str)> =
            found.iter().map(|one| (one.name.as_str(), one.definition)).collect();
        assert_eq!(
            found,
            [
                ("id", "id INTEGER PRIMARY KEY"),
                (
                    "x,\"y",
                    "\"x,\"\"y\" TEXT DEFAULT (1 + (2)) -- why, so\nCHECK (length(\"x\") > ')')"
                ),
                ("z", "[Z] NUMERIC(3, 4)"),
                ("'q'", "'q'"),
            ]
        );
        let renamed = renamed("CREATE TABLE \"a(\"\"b\"(id)", "n\"").unwrap();
        assert_eq!(renamed, "CREATE TABLE \"n\"\"\"(id)");
    }
}
