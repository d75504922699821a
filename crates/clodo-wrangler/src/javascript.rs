//! How JavaScript prints values, because wrangler's messages quote them.
use crate::node::{Kind, Node};
use std::fmt::Write as _;

/// `JSON.stringify(value)`; a missing value prints as `undefined`.
pub(crate) fn json(value: Option<&Node>) -> String {
    value.map_or_else(|| "undefined".to_owned(), |node| printed(node, None))
}

/// What a value becomes inside a template string.
pub(crate) fn template(node: &Node) -> String {
    match &node.kind {
        Kind::Text(text) | Kind::Date(text) => text.clone(),
        Kind::List(items) => items.iter().map(template).collect::<Vec<_>>().join(","),
        Kind::Record(_) => "[object Object]".to_owned(),
        _ => json(Some(node)),
    }
}

/// `JSON.stringify(values, null, 2)` of a list.
pub(crate) fn pretty_list(items: &[&Node]) -> String {
    let mut out = String::new();
    write_all(&mut out, '[', ']', items.len(), Some(0), |out, at, depth| {
        write_node(out, items[at], depth);
    });
    out
}

/// `JSON.stringify` of a list of texts.
pub(crate) fn json_texts<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let all: Vec<String> = texts.into_iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", all.join(","))
}

/// A list in English: `A, B, and C`.
pub(crate) fn english(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [one, two] => format!("{one} and {two}"),
        [rest @ .., last] => format!("{}, and {last}", rest.join(", ")),
    }
}

/// A text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string is always valid JSON")
}

fn printed(node: &Node, indent: Option<usize>) -> String {
    let mut out = String::new();
    write_node(&mut out, node, indent);
    out
}

fn write_node(out: &mut String, node: &Node, indent: Option<usize>) {
    match &node.kind {
        Kind::Null => out.push_str("null"),
        Kind::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Kind::Number(value) if value.is_finite() => out.push_str(&number(*value)),
        Kind::Number(_) => out.push_str("null"),
        Kind::Text(text) | Kind::Date(text) => out.push_str(&quoted(text)),
        Kind::List(items) => write_all(out, '[', ']', items.len(), indent, |out, at, depth| {
            write_node(out, &items[at], depth);
        }),
        Kind::Record(record) => {
            let entries: Vec<_> = record.iter().collect();
            write_all(out, '{', '}', entries.len(), indent, |out, at, depth| {
                out.push_str(&quoted(&entries[at].key));
                out.push_str(if depth.is_some() { ": " } else { ":" });
                write_node(out, &entries[at].value, depth);
            });
        }
    }
}

fn write_all(
    out: &mut String,
    open: char,
    close: char,
    count: usize,
    indent: Option<usize>,
    mut item: impl FnMut(&mut String, usize, Option<usize>),
) {
    let inner = indent.map(|depth| depth + 1);
    out.push(open);
    for at in 0..count {
        if at > 0 {
            out.push(',');
        }
        new_line(out, inner);
        item(out, at, inner);
    }
    if count > 0 {
        new_line(out, indent);
    }
    out.push(close);
}

fn new_line(out: &mut String, indent: Option<usize>) {
    if let Some(depth) = indent {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    }
}

// `Number.prototype.toString`: plain digits from 1e-6 up to 1e21, else an exponent with its sign.
fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if (1e-6..1e21).contains(&value.abs()) {
        return value.to_string();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let mut out = format!("{digits}e");
    let sign = if exponent.starts_with('-') { "" } else { "+" };
    let _ = write!(out, "{sign}{exponent}");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_as_javascript_prints_them() {
        for (value, expected) in [
            (1.0, "1"),
            (-0.0, "0"),
            (0.1, "0.1"),
            (1e21, "1e+21"),
            (1.5e-7, "1.5e-7"),
            (123_456_789_012_345_680_000.0, "123456789012345680000"),
        ] {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn lists_read_as_english() {
        assert_eq!(english(&["A"]), "A");
        assert_eq!(english(&["A", "B"]), "A and B");
        assert_eq!(english(&["A", "B", "C"]), "A, B, and C");
    }
}
